import { type ChildProcess, spawn } from 'node:child_process';
import type { Step } from './validation-record.js';

/**
 * A process that outlives this one should it be killed, and then says so in the run's file: the device was closed, which
 * pets it or stops it, and a reset that comes after proves nothing.
 */
export class ValidationWitness {
  readonly #path: string;
  #process: ChildProcess | null = null;

  /** @param path the run's file */
  constructor(path: string) {
    this.#path = path;
  }

  call(): void {
    const step: Step = { step: 'interrupted', reason: 'its command was killed after the last pet' };
    // The line begins anew, for the one that was under way may have no end. A word from us says that all is well.
    const script = 'read -r word || { [ -e "$1" ] && printf "\\n%s\\n" "$2" >> "$1" && sync; }';
    this.#process = spawn('sh', ['-c', script, 'sh', this.#path, JSON.stringify(step)], {
      // Not in our process group: what ends that must not end this.
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#process.unref();
  }

  release(): void {
    this.#process?.stdin?.end('done\n');
    this.#process = null;
  }
}
