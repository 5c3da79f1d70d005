/** How signs of life follow each other, and when the next is overdue. */
import type { Step } from './validation-record.js';

type Sign = Extract<Step, { step: 'alive' }>;

/** A sign may take this times the longest pause of late. */
const patience = 3;
const remembered = 16;
/** What other programs may hold up a fast disk for. */
const minOverdueMs = 750;
/** Later it could not be told any more which expiry it was: with the time until the reset it has to stay in the margin. */
const maxOverdueMs = 1_800;

/** Each sign says by when, should none after it be durable, the watchdog has been disarmed. */
export class SignPace {
  #gapsMs: readonly number[] = [];
  #lastMs: number;
  #overdueMs: number;
  #nextOverdueMs: number;

  /** @param petMs the end of the last pet, CLOCK_BOOTTIME milliseconds, as all instants here */
  constructor(petMs: number) {
    this.#lastMs = petMs;
    this.#overdueMs = petMs + maxOverdueMs;
    this.#nextOverdueMs = this.#overdueMs;
  }

  /** When the sign that is under way, or `last-pet`, has to be durable. */
  get overdueMs(): number {
    return this.#overdueMs;
  }

  /** The next sign, now that the one before it is durable. */
  next(nowMs: number): Sign {
    this.#gapsMs = [...this.#gapsMs, nowMs - this.#lastMs].slice(-remembered);
    this.#lastMs = nowMs;
    this.#overdueMs = this.#nextOverdueMs;
    this.#nextOverdueMs = nowMs + this.#allowanceMs();
    return { step: 'alive', bootMs: nowMs, untilMs: this.#nextOverdueMs };
  }

  #allowanceMs(): number {
    if (this.#gapsMs.length < remembered) return maxOverdueMs;
    return Math.min(maxOverdueMs, Math.max(minOverdueMs, patience * Math.max(...this.#gapsMs)));
  }
}
