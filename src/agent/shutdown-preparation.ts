import { HoldfastError } from '../core/errors.js';

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: HoldfastError) => void;
}

/** Clients, and the signal that ends the agent. */
const maxWaiting = 256;

/** Those who wait until this node is ready to go down, and what they are told. */
export class ShutdownPreparation {
  readonly #released: () => Promise<void>;
  readonly #waiting: Waiting[] = [];
  /** Null: not over. */
  #clean: boolean | null = null;

  /** `released` resolves when the watchdog is done with what it was asked for. */
  constructor(released: () => Promise<void>) {
    this.#released = released;
  }

  /** Resolves once nothing runs here any more and the watchdog is released, also long after; rejects if that cannot be. */
  wait(): Promise<void> {
    if (this.#clean !== null) return this.#answer(this.#clean);
    if (this.#waiting.length >= maxWaiting) {
      return Promise.reject(new HoldfastError('HF_BUSY', 'too many wait for the shutdown already'));
    }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** It went as far as it can; `clean`: nothing runs here any more. */
  over(clean: boolean): void {
    this.#clean = clean;
    for (const { resolve, reject } of this.#waiting.splice(0)) this.#answer(clean).then(resolve, reject);
  }

  /** Nobody goes on with it. */
  abandon(why: string): void {
    for (const { reject } of this.#waiting.splice(0)) reject(new HoldfastError('HF_BUSY', why));
  }

  #answer(clean: boolean): Promise<void> {
    if (clean) return this.#released();
    const text = 'a resource could not be stopped: the watchdog stays armed';
    return Promise.reject(new HoldfastError('HF_AGENT', text));
  }
}
