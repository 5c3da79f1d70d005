import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AgentClient } from '../../dist/src/cli/agent-client.js';
import { Failure, pause } from './waiting.mjs';

const script = fileURLToPath(new URL('../lab', import.meta.url));

/** A lab in `dir`. `signal` ends what runs; `down` works even then. */
export class Lab {
  dir;
  #environment;
  #signal;

  constructor(dir, settings, signal) {
    this.dir = dir;
    this.#environment = { PATH: process.env.PATH, HOME: process.env.HOME, LAB: dir, ...settings };
    this.#signal = signal;
  }

  /** Resolves to its output. @throws {Failure} what it said on standard error */
  async run(...args) {
    this.#signal.throwIfAborted();
    const child = this.#spawn(['ignore', 'pipe', 'pipe'], args);
    const stop = () => child.kill('SIGTERM');
    this.#signal.addEventListener('abort', stop);
    const [out, err, code] = await Promise.all([textOf(child.stdout), textOf(child.stderr), exitOf(child)]);
    this.#signal.removeEventListener('abort', stop);
    this.#signal.throwIfAborted();
    if (code !== 0) throw new Failure(`scripts/lab ${args.join(' ')}: ${err.trim() || `exit ${code}`}`);
    return out;
  }

  /** A process in the client's network; it ends when its standard input does. */
  client(...args) {
    return this.#spawn(['pipe', 'ignore', 'inherit'], ['client', process.execPath, ...args]);
  }

  async down() {
    const child = this.#spawn(['ignore', 'ignore', 'inherit'], ['down'], { detached: true });
    const code = await exitOf(child);
    if (code !== 0) throw new Failure(`the lab was not taken down: try LAB=${this.dir} ${script} down`);
    rmSync(this.dir, { recursive: true, force: true }); // where it was never up
  }

  agent(name) {
    return new AgentClient(join(this.directoryOf(name), 'run', 'holdfast.sock'));
  }

  directoryOf(name) {
    return join(this.dir, name.replace(/^node/, 'n'));
  }

  /** Null while the agent does not answer. */
  async status(name) {
    return this.agent(name)
      .get('/v1/status')
      .catch((error) => unlessUnreachable(error, null));
  }

  /** Follows the events of a node, across its resets, until the signal. */
  async follow(name, onEvent, signal) {
    for (;;) {
      try {
        for await (const text of this.agent(name).events('/v1/events', signal)) onEvent(name, JSON.parse(text));
      } catch (error) {
        unlessUnreachable(error);
      }
      await pause(100, signal);
    }
  }

  #spawn(stdio, args, options = {}) {
    return spawn(script, args, { env: this.#environment, stdio, ...options });
  }
}

function unlessUnreachable(error, value) {
  if (error.code !== 'HF_UNREACHABLE') throw error;
  return value;
}

async function textOf(stream) {
  let text = '';
  for await (const part of stream.setEncoding('utf8')) text += part;
  return text;
}

function exitOf(child) {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? signal));
  });
}
