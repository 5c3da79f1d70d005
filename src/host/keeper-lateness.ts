/** How late the keeper petted: the counts of native/lateness.h, read. */

import type { NativeLateness } from './native.js';

/** As in native/lateness.h. */
const stepsPerOctave = 8;

export class Lateness {
  readonly #counts: Float64Array;
  /** The longest, exactly; milliseconds. */
  readonly worstMs: number;

  constructor({ counts, worstMs }: NativeLateness) {
    this.#counts = counts;
    this.worstMs = worstMs;
  }

  /** Each that was counted. */
  get pets(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  /**
   * No more than this many milliseconds late was the given part (0 to 1) of the pets: the upper edge of its bucket,
   * at most an eighth too high, and never above the longest. 0 if there were none.
   */
  quantileMs(part: number): number {
    const wanted = this.pets * part;
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (count > 0 && seen >= wanted) return Math.min(upperEdgeMs(bucket), this.worstMs);
    }
    return 0;
  }
}

function upperEdgeMs(bucket: number): number {
  const octave = Math.floor((bucket - 1) / stepsPerOctave);
  const step = (bucket - 1) % stepsPerOctave;
  return bucket === 0 ? 0.001 : (2 ** octave * (1 + (step + 1) / stepsPerOctave)) / 1_000;
}
