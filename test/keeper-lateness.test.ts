import t from 'tap';
import { Lateness } from '../src/host/keeper-lateness.js';

/** Bucket of native/lateness.h in which a wake-up so many microseconds late is counted. */
function bucketOf(us: number): number {
  if (us < 1) return 0;
  const octave = Math.floor(Math.log2(us));
  return 1 + octave * 8 + (Math.floor((us / 2 ** octave) * 8) % 8);
}

function counted(...latenessUs: readonly number[]): Lateness {
  const counts = new Float64Array(249);
  for (const us of latenessUs) counts[bucketOf(us)] = (counts[bucketOf(us)] ?? 0) + 1;
  return new Lateness(counts, Math.max(0, ...latenessUs) / 1_000);
}

t.test('a quantile is at most an eighth too high, and never above the longest', async (t) => {
  for (const us of [0.5, 1, 3, 17, 100, 999, 1_000, 65_536, 1_234_567]) {
    const quantileMs = counted(us, 10_000_000).quantileMs(0.5);
    t.ok(quantileMs * 1_000 >= us && quantileMs * 1_000 <= Math.max(1, us * 1.13 + 1), `${us} us: ${quantileMs} ms`);
  }
  t.equal(counted(1_000).quantileMs(0.999), 1, 'the longest is known exactly');
});

t.test('the part that is asked for', async (t) => {
  const mostly = counted(...Array.from({ length: 999 }, () => 10), 5_000);
  t.equal(mostly.wakeups, 1_000);
  t.ok(mostly.quantileMs(0.999) < 0.012);
  t.equal(mostly.quantileMs(1), 5);
  t.equal(counted().quantileMs(0.5), 0);
});
