/** A machine (PID 1 of a pid namespace) and an emulated watchdog that can kill it, for one test. */
import { type ChildProcess, execFile, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const emulatorProgram = fileURLToPath(new URL('../../build/Release/watchdog-emulator', import.meta.url));
const agentProgram = fileURLToPath(new URL('./keeper-agent.js', import.meta.url));

export interface EmulatorEvent {
  readonly bootMs: number;
  readonly event: string;
  readonly [field: string]: unknown;
}

interface Teardown {
  teardown(run: () => unknown): void;
}

async function childOf(pid: number): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const child = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
    // Until exec the child is still unshare itself, and dies with less ado than a machine.
    if (child > 0 && readFileSync(`/proc/${child}/comm`, 'utf8').trim() === 'sleep') return child;
    await sleep(10);
  }
  throw new Error('unshare has not started its child');
}

export class EmulatedMachine {
  readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-watchdog-'));
  readonly socket = join(this.folder, 'socket');
  readonly pidFile = join(this.folder, 'machine.pid');
  readonly log = join(this.folder, 'log');
  readonly #processes: ChildProcess[] = [];
  machine: ChildProcess | undefined;
  emulator: ChildProcess | undefined;

  static async start(t: Teardown, ...args: string[]): Promise<EmulatedMachine> {
    const self = new EmulatedMachine();
    t.teardown(() => self.#stop());
    await self.boot();
    self.emulator = self.#spawn(emulatorProgram, [
      ...['--socket', self.socket, '--machine-pid-file', self.pidFile, '--log', self.log],
      ...args,
    ]);
    await self.waitFor('start');
    return self;
  }

  async boot(): Promise<void> {
    this.machine = this.#spawn('unshare', ['-p', '-f', '--kill-child', 'sleep', '600']);
    writeFileSync(this.pidFile, `${await childOf(this.machine.pid ?? 0)}\n`);
  }

  #spawn(command: string, args: string[]): ChildProcess {
    // A test that is killed tears nothing down: let its processes die with it.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', command, ...args], {
      stdio: ['ignore', 'ignore', command === emulatorProgram ? 'inherit' : 'ignore'],
    });
    this.#processes.push(child);
    return child;
  }

  get machinePid(): number {
    return Number(readFileSync(this.pidFile, 'utf8'));
  }

  get alive(): boolean {
    return this.machine?.exitCode === null && this.machine.signalCode === null;
  }

  /** Resolves when the machine is dead and gone. */
  async died(): Promise<void> {
    if (this.alive && this.machine) await once(this.machine, 'exit');
  }

  events(name?: string): EmulatorEvent[] {
    let text = '';
    try {
      text = readFileSync(this.log, 'utf8');
    } catch {
      return [];
    }
    const events = text.split('\n').filter((line) => line !== '');
    return events.map((line) => JSON.parse(line) as EmulatorEvent).filter((event) => !name || event.event === name);
  }

  /** The first event of that name, now or within `timeoutMs`. */
  async waitFor(name: string, timeoutMs = 8_000): Promise<EmulatorEvent> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const found = this.events(name)[0];
      if (found) return found;
      if (performance.now() > end) {
        throw new Error(`no ${name} in ${timeoutMs} ms, but ${JSON.stringify(this.events())}`);
      }
      await sleep(10);
    }
  }

  /** Instants at which the watchdog's counter was put back: what its expiry is counted from. */
  petInstants(): number[] {
    const pets = ['pet', 'settimeout', 'release-pet'];
    return this.events()
      .filter((event) => pets.includes(event.event))
      .map((event) => event.bootMs);
  }

  async control(...args: string[]): Promise<Record<string, unknown>> {
    const { stdout } = await promisify(execFile)(emulatorProgram, ['--ctl', this.socket, ...args]);
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  /** An agent in a process of its own that did what `job` says (see keeper-agent.ts). */
  async agent(job: Record<string, unknown>): Promise<ChildProcess> {
    const child = fork(agentProgram, [JSON.stringify({ emulator: this.socket, ...job })], {
      execArgv: ['--expose-gc'],
    });
    this.#processes.push(child);
    const [message] = await Promise.race([once(child, 'message'), once(child, 'exit').then(() => ['exited'])]);
    if (message !== 'ready') throw new Error(`the agent says ${String(message)}`);
    return child;
  }

  async #stop(): Promise<void> {
    for (const child of this.#processes) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
