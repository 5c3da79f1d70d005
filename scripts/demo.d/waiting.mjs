import { setTimeout as sleep } from 'node:timers/promises';

/** What goes wrong in a demo: one sentence. */
export class Failure extends Error {}

const lookEveryMs = 50;

/** @throws the signal's reason as soon as it is aborted */
export async function pause(ms, signal) {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/**
 * Waits until `look` answers something true, and returns it.
 * @throws {Failure} after `limitMs`: `what` did not happen
 */
export async function until(look, limitMs, what, signal) {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (performance.now() > deadline) throw new Failure(`${what} did not happen within ${limitMs / 1000} s`);
    await pause(lookEveryMs, signal);
  }
}
