import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Lateness } from '../src/host/keeper-lateness.js';
import { createWatchdog } from '../src/host/keeper-watchdog.js';
import { loadNative, type NativeKeeper } from '../src/host/native.js';
import { EmulatedMachine } from './emulated-machine.js';

const { boottimeMs } = loadNative();
const petIntervalMs = 100;
const leaseMs = 600_000;
const arming = 2;
const releasing = 3;

/** The native keeper itself, which petted already. */
async function armed(socket: string, intervalMs = petIntervalMs): Promise<NativeKeeper> {
  const keeper = new (loadNative().Keeper)(true, socket, () => undefined);
  keeper.post(arming, 60, intervalMs, boottimeMs() + leaseMs, leaseMs);
  await petted(keeper, 3);
  return keeper;
}

/** Resolves when `count` more pets have been made. */
async function petted(keeper: Pick<NativeKeeper, 'stats'>, count: number): Promise<void> {
  const { pets } = keeper.stats();
  while (keeper.stats().pets < pets + count) await sleep(5);
}

/** The emulator answers nothing for so long, from just after a pet. */
async function stall(lab: EmulatedMachine, keeper: NativeKeeper, ms: number): Promise<void> {
  await petted(keeper, 1);
  lab.emulator?.kill('SIGSTOP');
  await sleep(ms);
  lab.emulator?.kill('SIGCONT');
  await petted(keeper, 2);
}

/** This process is stopped for so long, and the keeper with it, from just after a pet. */
async function sleepThrough(keeper: NativeKeeper, ms: number): Promise<void> {
  await petted(keeper, 1);
  await once(spawn('sh', ['-c', `kill -STOP ${process.pid}; sleep ${ms / 1_000}; kill -CONT ${process.pid}`]), 'exit');
  await petted(keeper, 2);
}

/** Planned, but none was begun before the next one was due as well. The pet that arms was not planned. */
function missed(keeper: NativeKeeper): number {
  const { pets, failedPets } = keeper.stats();
  return sum(keeper.lateness().begun.counts) - (pets - 1) - failedPets;
}

function sum(counts: Float64Array): number {
  return counts.reduce((total, count) => total + count, 0);
}

t.test('a pet that blocks is late to its end, and with it those that it kept waiting', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const keeper = await armed(lab.socket);
  await stall(lab, keeper, 480);
  const { pets, failedPets, worstLatenessMs } = keeper.stats();
  const counted = sum(keeper.lateness().done.counts);
  t.equal(failedPets, 0, 'it only took its time');
  t.ok(worstLatenessMs >= 360, `${worstLatenessMs} ms`);
  const missed = Math.floor(worstLatenessMs / petIntervalMs);
  // The pet that arms was not planned.
  t.ok(counted >= pets - 1 + missed, `${counted} counted, ${pets} made, ${missed} missed`);
  await petted(keeper, 10);
  const median = new Lateness(keeper.lateness().done).quantileMs(0.5);
  t.ok(median < petIntervalMs / 2, `${median} ms: those after it keep to a plan of their own`);
});

t.test('a pet that blocks was begun in time: it is the device that is slow', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const keeper = await armed(lab.socket);
  await stall(lab, keeper, 480);
  const { begun, done } = keeper.lateness();
  t.ok(done.worstMs >= 360, `${done.worstMs} ms`);
  const inTime = new Lateness(begun).quantileMs(0.5);
  t.ok(inTime < petIntervalMs / 2, `${inTime} ms`);
  t.ok(begun.worstMs < done.worstMs, `begun at most ${begun.worstMs} ms late, done ${done.worstMs} ms`);
  // A keeper that was not woken itself missed some, which is none of the device's doing.
  t.equal(missed(keeper), Math.floor(begun.worstMs / petIntervalMs), `begun at most ${begun.worstMs} ms late`);
});

t.test('pets that the keeper sleeps through are begun late, each of them', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const keeper = await armed(lab.socket);
  await sleepThrough(keeper, 480);
  const { worstMs } = keeper.lateness().begun;
  t.ok(worstMs >= 360, `${worstMs} ms`);
  t.equal(missed(keeper), Math.floor(worstMs / petIntervalMs), `begun at most ${worstMs} ms late`);
  await petted(keeper, 10);
  t.equal(missed(keeper), Math.floor(worstMs / petIntervalMs), 'those after it keep to a plan of their own');
});

t.test('of pets that one came for, no more are counted than can be in no time', async (t) => {
  const lab = await EmulatedMachine.start(t);
  // Shorter than anybody may ask for: 15 000 are planned in the last 300 ms of the sleep alone.
  const keeper = await armed(lab.socket, 0.02);
  await sleepThrough(keeper, 600);
  const { done } = keeper.lateness();
  keeper.post(releasing, 0, 0, 0, 0);
  /** The lower edge of this bucket is 2 ** 18 us, 262 ms. */
  const afterMs262 = 1 + 18 * 8;
  t.equal(sum(done.counts.slice(afterMs262)), 10_000);
});

t.test('pets that fail are late until one works', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const keeper = await armed(lab.socket);
  await stall(lab, keeper, 1_300);
  const { pets, failedPets, worstLatenessMs } = keeper.stats();
  t.ok(failedPets > 0, 'the keeper gave some up');
  t.ok(worstLatenessMs >= 1_180, `${worstLatenessMs} ms`);
  t.ok(sum(keeper.lateness().done.counts) >= pets - 1 + 11, 'each that was planned meanwhile');
});

t.test('no more pets are counted than were planned', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const beganMs = boottimeMs();
  const keeper = await armed(lab.socket);
  for (const ms of [120, 250, 700]) await stall(lab, keeper, ms);
  const counted = sum(keeper.lateness().done.counts);
  const planned = (boottimeMs() - beganMs) / petIntervalMs;
  t.ok(counted <= planned, `${counted} counted, ${planned} planned`);
});

t.test('what is read is what was counted: the longest in its bucket, whatever its size', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const keeper = await armed(lab.socket);
  const isTrue = (what: string) => {
    const { worstLatenessMs } = keeper.stats();
    const edgeMs = new Lateness({
      counts: keeper.lateness().done.counts,
      worstMs: Number.POSITIVE_INFINITY,
    }).quantileMs(1);
    t.ok(edgeMs >= worstLatenessMs, `${what}: ${worstLatenessMs} ms, read as ${edgeMs} ms`);
    t.ok(edgeMs <= worstLatenessMs * 1.125 + 0.001, `${what}: at most an eighth too high`);
  };
  isTrue('prompt');
  for (const ms of [115, 140, 200, 380, 900]) {
    await stall(lab, keeper, ms);
    isTrue(`stalled for ${ms} ms`);
  }
});

t.test('a watchdog tells the lateness of its keeper', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const watchdog = createWatchdog({ emulator: lab.socket });
  t.equal(watchdog.lateness().done.pets, 0);
  await watchdog.arm({ timeoutS: 60, petIntervalMs, leaseMs, leaseDeadlineMs: boottimeMs() + leaseMs });
  await petted({ stats: () => ({ ...watchdog.stats(), state: 0, petError: 0, resetError: 0 }) }, 3);
  await watchdog.release();
  t.ok(watchdog.lateness().done.pets >= 3);
  t.equal(watchdog.lateness().done.quantileMs(1), watchdog.stats().worstLatenessMs, 'the longest is known exactly');
});

/** Upper edges of these buckets: 1 us, 8 us + an eighth of it, 512 us + seven eighths, 4 096 us + four eighths. */
const buckets = { least: 0, us9: 25, us960: 79, us6144: 100 };

t.test('the part that is asked for', async (t) => {
  const counts = new Float64Array(249);
  t.equal(new Lateness({ counts, worstMs: 0 }).quantileMs(0.5), 0);
  counts[buckets.us9] = 999;
  counts[buckets.us6144] = 1;
  const mostly = new Lateness({ counts, worstMs: 5 });
  t.equal(mostly.pets, 1_000);
  t.equal(mostly.quantileMs(0.999), 0.009);
  t.equal(mostly.quantileMs(1), 5, 'never above the longest');
  counts[buckets.us960] = 1;
  t.equal(new Lateness({ counts, worstMs: 5 }).quantileMs(0.999), 0.96);
  counts[buckets.least] = 2_000;
  t.equal(new Lateness({ counts, worstMs: 5 }).quantileMs(0.5), 0.001);
});
