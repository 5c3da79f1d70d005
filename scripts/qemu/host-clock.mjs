/** The host's CLOCK_MONOTONIC, milliseconds with fractions: all the lab's instants. */
export function monotonicMs() {
  return Number(process.hrtime.bigint()) / 1e6;
}

/**
 * When something happened that QEMU stamped with the wall clock and told us just now. Only the short way since then is
 * measured with the wall clock, so that one that is set meanwhile spoils nothing else.
 */
export function instantOfStamp({ seconds, microseconds }) {
  const agoMs = Date.now() - (seconds * 1_000 + microseconds / 1_000);
  return monotonicMs() - Math.max(0, agoMs);
}
