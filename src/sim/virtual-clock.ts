import type { Clock } from '../ports/clock.js';
import type { Timeline } from './sim-timeline.js';

/** The clock of one machine in one boot: its own beginning, and its own rate. */
export class VirtualClock implements Clock {
  readonly #timeline: Timeline;
  readonly #bootedAtMs: number;
  readonly #offsetMs: number;
  readonly #rate: number;
  /** How far the wall clock is off. */
  wallSkewMs = 0;

  /** `ppm`: how much faster than true time it runs, millionths. `offsetMs`: what it showed at the boot. */
  constructor(timeline: Timeline, offsetMs: number, ppm: number) {
    this.#timeline = timeline;
    this.#bootedAtMs = timeline.nowMs;
    this.#offsetMs = offsetMs;
    this.#rate = 1 + ppm / 1_000_000;
  }

  bootMs(): number {
    return Math.floor(this.exactMs());
  }

  /** With fractions, as the keeper reads it. */
  exactMs(): number {
    return this.#offsetMs + (this.#timeline.nowMs - this.#bootedAtMs) * this.#rate;
  }

  wallMs(): number {
    return wallStartMs + Math.floor(this.#timeline.nowMs) + this.wallSkewMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const event = this.#timeline.after(this.trueMs(delayMs), run);
    return () => this.#timeline.cancel(event);
  }

  /** How long in true time a while by this clock is. */
  trueMs(whileMs: number): number {
    return whileMs / this.#rate;
  }
}

/** The wall clocks' beginning: 2026-01-01. */
const wallStartMs = 1_767_225_600_000;
