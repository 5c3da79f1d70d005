import type { Clock } from '../ports/clock.js';
import type { WatchdogNative } from './native.js';

/** The machine's clocks and Node's timers. */
export function createHostClock(native: Pick<WatchdogNative, 'boottimeMs'>): Clock {
  return {
    bootMs: () => Math.floor(native.boottimeMs()),
    wallMs: () => Date.now(),
    after(delayMs, run) {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
  };
}
