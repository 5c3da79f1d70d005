import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { HoldfastError } from '../core/errors.js';
import type { Step } from './validation-record.js';

/**
 * It leaves our cgroup first, where it may: what kills that (memory.oom.group, cgroup.kill, systemd's KillMode) must not
 * kill both. Until the line is durable, or for the ten minutes after which no reset is taken for the watchdog any more. The line
 * begins anew, for the one that was under way may have no end. A word from us says that all is well.
 */
const script = `[ -e "$3" ] && echo $$ >"$3"
read -r word && exit
tries=0
while [ -e "$1" ] && [ $tries -lt 610 ]; do
  printf '\\n%s\\n' "$2" >>"$1" && sync "$1" && exit
  tries=$((tries + 1))
  sleep 1
done`;

/**
 * A process that outlives this one should it be killed, and then says so in the run's file: the device was closed, which
 * pets it or stops it, and a reset that comes after proves nothing.
 */
export class ValidationWitness {
  readonly #path: string;
  readonly #shell: string;
  readonly #cgroup: string;
  #process: ChildProcess | null = null;

  /** @param path the run's file @param shell only tests set it @param cgroup `cgroup.procs` of the root of cgroup v2; only tests set it */
  constructor(path: string, shell = 'sh', cgroup = '/sys/fs/cgroup/cgroup.procs') {
    this.#path = path;
    this.#shell = shell;
    this.#cgroup = cgroup;
  }

  /** Returns when it is there. @throws HF_STORE if it cannot be started */
  async call(): Promise<void> {
    const step: Step = { step: 'interrupted', reason: 'its command was killed after the last pet' };
    const words = [this.#path, JSON.stringify(step), this.#cgroup];
    const witness = spawn(this.#shell, ['-c', script, 'sh', ...words], {
      // Not in our process group: what ends that must not end this.
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    witness.stdin.on('error', () => undefined);
    try {
      await once(witness, 'spawn');
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const sentence = `cannot start ${this.#shell}, which is to note it should this command be killed (${code ?? message}): see to the limits on processes and memory`;
      throw new HoldfastError('HF_STORE', sentence, { cause: error });
    }
    witness.on('error', () => undefined);
    witness.unref();
    this.#process = witness;
  }

  release(): void {
    this.#process?.stdin?.end('done\n');
    this.#process = null;
  }
}
