import t from 'tap';
import { Random } from '../src/sim/sim-random.js';
import { Timeline } from '../src/sim/sim-timeline.js';
import { SimKeeper, SimWatchdogDevice } from '../src/sim/sim-watchdog.js';
import { VirtualClock } from '../src/sim/virtual-clock.js';

t.test('a release that waits for a stalled keeper does not let go what is armed after it', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const timeline = new Timeline();
    const clock = new VirtualClock(timeline, 1_000, 0);
    const device = new SimWatchdogDevice(
      timeline,
      { kappa: 1, kappaTold: 1, minTimeoutS: 1, maxTimeoutS: 0 },
      () => undefined,
    );
    const carriedOut: string[] = [];
    const keeper = new SimKeeper({
      timeline,
      random: new Random(seed),
      clock,
      device,
      mayRun: () => true,
      deliver: (run) => run(),
      requestReset: () => true,
      onExpired: () => undefined,
      onRelease: () => carriedOut.push('release'),
    });
    const arm = (): Promise<void> =>
      keeper.arm({ timeoutS: 10, petIntervalMs: 1_000, leaseMs: 60_000, leaseDeadlineMs: clock.exactMs() + 50_000 });
    const run = (ms: number): void => {
      const untilMs = timeline.nowMs + ms;
      while (timeline.step(untilMs));
      timeline.nowMs = untilMs;
    };
    const first = arm();
    run(100);
    await first;
    keeper.stallBeforePet(3_000);
    run(1_500);
    const both = Promise.allSettled([keeper.release(), arm().then(() => carriedOut.push('arm'))]);
    run(5_000);
    t.match(await both, [{ status: 'fulfilled' }, { status: 'fulfilled' }]);
    t.strictSame([carriedOut, keeper.stats().state, device.counts], [['release', 'arm'], 'armed', true]);
  }
});
