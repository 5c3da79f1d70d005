import { spawn } from 'node:child_process';

/** Longest time of one command: mmdebstrap on a busy machine and a slow mirror. */
const usualLimitMs = 900_000;
/** What is told to end has so long for it. */
const endS = 10;
const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };

/** This machine cannot have the guests, which is no defect of theirs. */
export class UnfitMachine extends Error {}

/** The same, where a failure of what is waited for means just that. */
export async function unfitIfFailed(waitedFor) {
  try {
    return await waitedFor;
  } catch (error) {
    throw new UnfitMachine(error.message);
  }
}

/**
 * Runs a program to its end; what it printed. Rejects with a sentence that ends with the last line of what it said. It
 * and what it started are ended when its time is over, and when this process ends, however that does. `isShown`: what it
 * prints is printed here as well.
 */
export function run(program, args = [], { limitMs = usualLimitMs, cwd, isShown = false } = {}) {
  const name = [program, ...args].slice(0, 2).join(' ');
  const limit = ['--pdeathsig', 'TERM', 'timeout', `--kill-after=${endS}`, String(limitMs / 1_000)];
  const begunMs = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn('setpriv', [...limit, program, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr']) {
      if (isShown) child[stream].pipe(process[stream]);
      child[stream].setEncoding('utf8').on('data', (text) => {
        said[stream] += text;
      });
    }
    child.on('error', ({ message }) => reject(new Error(`${name} cannot be run: ${message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(said.stdout);
      if (performance.now() - begunMs >= limitMs)
        return reject(new Error(`${name} took more than ${limitMs / 1_000} s`));
      const reason = said.stderr.trim().split('\n').at(-1) || `it ended with ${signal ?? code}`;
      reject(new Error(`${name} failed: ${reason}`));
    });
  });
}
