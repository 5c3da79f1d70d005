import { execFile } from 'node:child_process';

/** Longest time of one command of the build: mmdebstrap on a busy machine and a slow mirror. */
const limitMs = 900_000;

/** Runs a program to its end; its output. Rejects with a sentence that ends with the last line of what it said. */
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const limits = { timeout: limitMs, maxBuffer: 64 * 1024 * 1024 };
    execFile(program, args, { ...limits, ...options }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const reason = String(stderr).trim().split('\n').at(-1) || error.message;
      reject(new Error(`${program} ${args[0] ?? ''} failed: ${reason}`));
    });
  });
}
