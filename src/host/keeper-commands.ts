/** Commands to the keeper's thread, one at a time, as promises. */
import { HoldfastError } from '../core/errors.js';
import type { ArmOptions } from '../ports/watchdog.js';
import type { NativeKeeper, NativeResult } from './native.js';

/** As `CommandType` in native/keeper.h. */
const commandTypes = { adopt: 1, arm: 2, release: 3, describe: 4 } as const;

export type CommandName = keyof typeof commandTypes;

/** Callers that wait; more than a handful means that the device hangs. */
export const maxWaiting = 8;

export function tooManyWait(): HoldfastError {
  return new HoldfastError('HF_BUSY', 'the watchdog does not answer and commands to it pile up: try again later');
}

interface Waiting {
  readonly name: CommandName;
  readonly options: ArmOptions | undefined;
  readonly resolve: (result: NativeResult) => void;
  readonly reject: (error: HoldfastError) => void;
}

export class KeeperCommands {
  readonly #keeper: NativeKeeper;
  readonly #waiting: Waiting[] = [];

  constructor(keeper: NativeKeeper) {
    this.#keeper = keeper;
  }

  /** Resolves with what the keeper says, errors included; rejects with HF_BUSY when too many wait. */
  run(name: CommandName, options?: ArmOptions): Promise<NativeResult> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= maxWaiting) {
        reject(tooManyWait());
        return;
      }
      this.#waiting.push({ name, options, resolve, reject });
      if (this.#waiting.length === 1) this.#post();
    });
  }

  /** The keeper has answered the command that is first in the queue. */
  done(result: NativeResult): void {
    const first = this.#waiting.shift();
    if (this.#waiting.length > 0) this.#post();
    first?.resolve(result);
  }

  #post(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    const { timeoutS = 0, petIntervalMs = 0, leaseDeadlineMs = 0, leaseMs = 0 } = first.options ?? {};
    if (this.#keeper.post(commandTypes[first.name], timeoutS, petIntervalMs, leaseDeadlineMs, leaseMs)) return;
    // Nor will it take those that wait behind it.
    for (const { reject } of this.#waiting.splice(0)) {
      reject(new HoldfastError('HF_WATCHDOG', 'the keeper takes no commands: this thread of Node is ending'));
    }
  }
}
