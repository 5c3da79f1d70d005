import t from 'tap';
import type { Effect } from '../src/core/effects.js';
import {
  newProtection,
  onWatchdog,
  type ProtectionInput,
  protect,
  type WatchdogState,
} from '../src/core/protection.js';

/** Nothing to protect, all known, a lease of 7 s. */
const quiet: Omit<ProtectionInput, 'nowMs' | 'leaseDeadlineMs'> = {
  effectiveMs: 3_000,
  needed: false,
  mayArm: true,
  certain: true,
  disarmed: false,
};

/** What is asked of the watchdog at each of these moments, in a state that lasts. */
function asked(state: WatchdogState, times: readonly number[], changes: Partial<ProtectionInput> = {}): string[] {
  const protection = { ...newProtection(false), state, givenDeadlineMs: 7_000 };
  return times.flatMap((nowMs) => {
    const effects: Effect[] = [];
    protect(protection, { ...quiet, leaseDeadlineMs: nowMs + 7_000, nowMs, ...changes }, effects);
    return effects.filter(({ type }) => type !== 'watchdog-extend').map(({ type }) => `${nowMs} ${type}`);
  });
}

t.test('the watchdog is released some time after the last resource has gone', async (t) => {
  t.strictSame(asked('armed', [100, 5_000, 10_000, 10_100]), ['10100 watchdog-release']);
  t.strictSame(asked('armed', [100, 6_000, 12_000, 18_000], { certain: false }), [], 'not before all is known');
});

t.test('a disarmed cluster releases it at once, over whatever runs', async (t) => {
  t.strictSame(asked('armed', [100], { disarmed: true }), ['100 watchdog-release']);
  t.strictSame(asked('armed', [100], { disarmed: true, needed: true }), [], 'but not over an operation');
  t.strictSame(asked('armed', [100], { disarmed: true, certain: false }), []);
});

t.test('a watchdog that a former agent left counting is let go at once where nothing needs it', async (t) => {
  t.strictSame(asked('unattended', [100]), ['100 watchdog-release'], 'its timeout is shorter than any patience');
  t.strictSame(asked('unattended', [100], { disarmed: true }), ['100 watchdog-release']);
  t.strictSame(asked('unattended', [100], { certain: false }), [], 'not before all is known');
  t.strictSame(asked('unattended', [100], { needed: true }), ['100 watchdog-arm'], 'taken over where something does');
});

t.test('armed again as soon as something needs it', async (t) => {
  const protection = { ...newProtection(false), state: 'releasing' as const };
  onWatchdog(protection, { type: 'released' }, 100, []);
  const effects: Effect[] = [];
  protect(protection, { ...quiet, needed: true, leaseDeadlineMs: 7_000, nowMs: 200 }, effects);
  t.match(effects, [{ type: 'watchdog-arm', leaseDeadlineMs: 7_000 }]);
});

t.test("a lease that is renewed after the keeper's deadline extends nothing", async (t) => {
  t.strictSame(asked('armed', [6_999], { needed: true }), []);
  const protection = { ...newProtection(false), state: 'armed' as const, givenDeadlineMs: 7_000 };
  const effects: Effect[] = [];
  protect(protection, { ...quiet, needed: true, leaseDeadlineMs: 20_000, nowMs: 7_000 }, effects);
  t.strictSame(effects, []);
  t.equal(protection.state, 'expired');
});

t.test('a device that has failed is tried again though nothing needs it, and its trouble is told once', async (t) => {
  t.strictSame(asked('failed', [100]), ['100 watchdog-arm'], 'nobody gives this node anything before it works');
  t.strictSame(asked('failed', [100], { disarmed: true }), []);
  t.strictSame(asked('failed', [100], { mayArm: false }), []);
  const protection = { ...newProtection(false), state: 'arming' as WatchdogState };
  const told: Effect[] = [];
  const fail = (detail: string, nowMs: number): void => {
    protection.state = 'arming';
    onWatchdog(protection, { type: 'failed', detail }, nowMs, told);
  };
  fail('EBUSY', 100);
  const tried: Effect[] = [];
  protect(protection, { ...quiet, leaseDeadlineMs: 17_000, nowMs: 10_099 }, tried);
  t.strictSame(tried, [], 'not at once');
  protect(protection, { ...quiet, leaseDeadlineMs: 17_000, nowMs: 10_100 }, tried);
  t.match(tried, [{ type: 'watchdog-arm' }]);
  fail('EBUSY', 10_200);
  t.equal(told.length, 1);
  fail('ENODEV', 20_300);
  t.equal(told.length, 2);
});
