import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { createWatchdog, type KeeperEvent } from '../src/host/keeper-watchdog.js';
import { loadNative } from '../src/host/native.js';
import { EmulatedMachine } from './emulated-machine.js';

/**
 * From a deadline to what follows from it in the emulator's log. A real-time thread needs far below a millisecond; the
 * bound leaves room for a loaded test machine where real-time scheduling is not permitted.
 */
const promptMs = 250;

const { boottimeMs } = loadNative();

t.jobs = 4;

t.test('pets while the lease is extended, and asks for the reset when it is not', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const watchdog = createWatchdog({ emulator: lab.socket });
  const events: KeeperEvent[] = [];
  watchdog.onEvent((event) => events.push(event));
  const leaseMs = 700;
  let leaseDeadlineMs = boottimeMs() + leaseMs;
  await watchdog.arm({ timeoutS: 3, petIntervalMs: 200, leaseMs, leaseDeadlineMs });
  t.equal(watchdog.stats().state, 'armed');
  for (let round = 0; round < 10; round++) {
    await sleep(150);
    leaseDeadlineMs = boottimeMs() + leaseMs;
    watchdog.extend(leaseDeadlineMs);
  }
  const asked = await lab.waitFor('reset-requested');
  t.equal(asked.reason, 'lease expired');
  t.ok(asked.bootMs >= leaseDeadlineMs, 'not before the deadline');
  t.ok(asked.bootMs < leaseDeadlineMs + promptMs, `${asked.bootMs - leaseDeadlineMs} ms after it`);
  await lab.waitFor('machine-gone');
  await lab.died();

  const pets = lab.petInstants();
  t.ok(pets.length >= 8, `${pets.length} pets in ${leaseMs + 1_500} ms`);
  t.ok(Math.max(...pets) <= leaseDeadlineMs, 'no pet after the deadline');
  await sleep(20);
  const stats = watchdog.stats();
  t.equal(stats.state, 'expired');
  t.equal(stats.leaseDeadlineMs, leaseDeadlineMs, 'the deadline can be read after it passed');
  t.ok(stats.lastPetMs <= leaseDeadlineMs && stats.lastPetMs >= Math.max(...pets));
  t.ok(stats.pets >= 8 && stats.resetRequests >= 1);
  t.same(events, [{ type: 'expired' }]);
});

t.test('wakes at the deadline also when no pet is due', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const leaseDeadlineMs = boottimeMs() + 500;
  await createWatchdog({ emulator: lab.socket }).arm({
    timeoutS: 5,
    petIntervalMs: 2_000,
    leaseMs: 500,
    leaseDeadlineMs,
  });
  const asked = await lab.waitFor('reset-requested');
  t.ok(asked.bootMs >= leaseDeadlineMs);
  t.ok(asked.bootMs < leaseDeadlineMs + promptMs, `${asked.bootMs - leaseDeadlineMs} ms after it`);
});

t.test('a lease is only extended, and not too far', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const watchdog = createWatchdog({ emulator: lab.socket });
  t.throws(() => watchdog.extend(boottimeMs() + 100), { code: 'HF_WATCHDOG' }, 'not armed');
  const leaseDeadlineMs = boottimeMs() + 4_000;
  await watchdog.arm({ timeoutS: 10, petIntervalMs: 1_000, leaseMs: 5_000, leaseDeadlineMs });
  watchdog.extend(leaseDeadlineMs - 2_000);
  t.equal(watchdog.stats().leaseDeadlineMs, leaseDeadlineMs, 'never shortened');
  t.throws(() => watchdog.extend(boottimeMs() + 5_100), { code: 'HF_ARGUMENT' });
  t.equal(watchdog.stats().leaseDeadlineMs, leaseDeadlineMs, 'what is refused changes nothing');
  watchdog.extend(leaseDeadlineMs + 500);
  t.equal(watchdog.stats().leaseDeadlineMs, leaseDeadlineMs + 500);
  await t.rejects(watchdog.arm({ timeoutS: 5, petIntervalMs: 1_000, leaseMs: 5_000, leaseDeadlineMs }), {
    message: /armed already/,
  });
  await watchdog.release();
  t.throws(() => watchdog.extend(boottimeMs() + 100), { code: 'HF_WATCHDOG' }, 'released');
});

t.test('arming needs a lease', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const watchdog = createWatchdog({ emulator: lab.socket });
  const arm = { timeoutS: 10, petIntervalMs: 1_000, leaseMs: 5_000 };
  await t.rejects(watchdog.arm({ ...arm, leaseDeadlineMs: boottimeMs() - 1 }), { code: 'HF_ARGUMENT' });
  await t.rejects(watchdog.arm({ ...arm, leaseDeadlineMs: boottimeMs() + 6_000 }), { code: 'HF_ARGUMENT' });
  t.same(lab.events('open'), [], 'nothing was opened');
  // Past TypeScript's check, as if JavaScript had been held up in between: the keeper looks again.
  const raw = await new Promise((resolve) => {
    const keeper = new (loadNative().Keeper)(true, lab.socket, (_, result) => result && resolve(result));
    keeper.post(2, 10, 1_000, boottimeMs() - 1, 5_000);
  });
  t.match(raw, { error: 62, step: 2 }, 'ETIME at the lease');
  t.same(lab.petInstants(), []);
});

t.test('what must not be armed now is not even opened', async (t) => {
  const lab = await EmulatedMachine.start(t);
  let refusal: string | null = 'it was seen not to reset';
  const watchdog = createWatchdog({ emulator: lab.socket }, loadNative(), async () => refusal);
  const arm = () =>
    watchdog.arm({ timeoutS: 10, petIntervalMs: 1_000, leaseMs: 5_000, leaseDeadlineMs: boottimeMs() + 4_000 });
  await t.rejects(arm(), { code: 'HF_WATCHDOG', message: `cannot arm ${lab.socket}: it was seen not to reset` });
  t.same(lab.events('open'), []);
  t.equal(watchdog.stats().state, 'idle');
  refusal = null;
  await arm();
  t.equal(watchdog.stats().state, 'armed', 'asked each time');
  await watchdog.release();
});

t.test('a release that takes its time does not let go what is armed after it', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const watchdog = createWatchdog({ emulator: lab.socket });
  const arm = () =>
    watchdog.arm({ timeoutS: 10, petIntervalMs: 1_000, leaseMs: 5_000, leaseDeadlineMs: boottimeMs() + 4_900 });
  await arm();
  const both = await Promise.allSettled([watchdog.release(), arm()]);
  t.match(both, [{ status: 'fulfilled' }, { status: 'fulfilled' }]);
  t.equal(watchdog.stats().state, 'armed');
  t.match(await watchdog.inspect(), { active: true });
  await watchdog.release();
});

t.test('the keeper sleeps between pets, however often the lease is extended', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const watchdog = createWatchdog({ emulator: lab.socket });
  await watchdog.arm({ timeoutS: 4, petIntervalMs: 1_000, leaseMs: 1_500, leaseDeadlineMs: boottimeMs() + 1_400 });
  const before = watchdog.stats();
  for (let round = 0; round < 30; round++) {
    await sleep(100);
    watchdog.extend(boottimeMs() + 1_400);
  }
  const after = watchdog.stats();
  t.ok(after.pets - before.pets >= 2, 'it petted');
  t.ok(after.wakeups - before.wakeups <= 2 * 3 + 1, `${after.wakeups - before.wakeups} wake-ups in 3 s`);
  t.ok(after.worstLatenessMs < promptMs, `at worst ${after.worstLatenessMs} ms late`);
  await watchdog.release();
});

t.test('a reset is final, asked for every second, and nothing petted after it', async (t) => {
  const lab = await EmulatedMachine.start(t, '--no-reboot');
  const watchdog = createWatchdog({ emulator: lab.socket });
  const arm = { timeoutS: 2, petIntervalMs: 100, leaseMs: 60_000 };
  await watchdog.arm({ ...arm, leaseDeadlineMs: boottimeMs() + 60_000 });
  watchdog.reset('declared fenced\n"by" the others');
  const asked = await lab.waitFor('reset-requested');
  t.equal(asked.reason, 'declared fenced?"by" the others');
  const pets = lab.petInstants().length;
  watchdog.reset('another reason');
  await sleep(2_200);
  const requests = lab.events('reset-requested');
  t.equal(requests.length, 3, 'at once, after 1 s, after 2 s');
  t.equal(watchdog.stats().resetRequests, 3);
  t.ok(requests.every((event) => event.reason === asked.reason));
  t.equal(lab.petInstants().length, pets);
  watchdog.extend(boottimeMs() + 59_000);
  t.equal(watchdog.stats().state, 'expired');
  await t.rejects(watchdog.arm({ ...arm, leaseDeadlineMs: boottimeMs() + 5_000 }), { code: 'HF_WATCHDOG' });
  await t.rejects(watchdog.adopt(), { code: 'HF_WATCHDOG' });
  await t.rejects(watchdog.release(), { code: 'HF_WATCHDOG' });
  t.ok(lab.alive, 'no-reboot lets it live');
  await lab.control('no-reboot', 'off');
  await lab.waitFor('machine-gone');
  await lab.died();
});

t.test('a reset works for one who has opened nothing', async (t) => {
  const lab = await EmulatedMachine.start(t);
  createWatchdog({ emulator: lab.socket }).reset('my boot id was declared fenced');
  t.match(await lab.waitFor('machine-gone'), { cause: 'requested', pid: lab.machinePid });
  t.same(lab.petInstants(), []);
});

t.test('an emulator that does not answer holds up the keeper, not JavaScript', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const watchdog = createWatchdog({ emulator: lab.socket });
  const events: KeeperEvent[] = [];
  watchdog.onEvent((event) => events.push(event));
  const arm = { timeoutS: 30, petIntervalMs: 100, leaseMs: 60_000 };
  await watchdog.arm({ ...arm, leaseDeadlineMs: boottimeMs() + 60_000 });
  lab.emulator?.kill('SIGSTOP');
  let worstMs = 0;
  // Long enough for two pets to be given up, so that two late answers lie in the way of the next ones.
  for (let round = 0; round < 70; round++) {
    const beforeMs = boottimeMs();
    watchdog.extend(beforeMs + 59_000);
    watchdog.stats();
    worstMs = Math.max(worstMs, boottimeMs() - beforeMs);
    await sleep(20);
  }
  // A pet that waits takes 500 ms; a call that waited for it would take most of that.
  t.ok(worstMs < 200, `extend and stats took ${worstMs} ms at most`);
  t.equal(watchdog.stats().state, 'failed');
  t.equal(watchdog.stats().petError, 'ETIMEDOUT');
  t.ok(watchdog.stats().failedPets >= 1);
  lab.emulator?.kill('SIGCONT');
  await sleep(900);
  t.equal(watchdog.stats().state, 'armed');
  lab.emulator?.kill('SIGSTOP');
  await sleep(50);
  const { lastPetMs } = watchdog.stats();
  await sleep(350);
  t.equal(watchdog.stats().lastPetMs, lastPetMs, 'late answers are not taken for new ones');
  lab.emulator?.kill('SIGCONT');
  t.same(events, [{ type: 'pet-failed', error: 'ETIMEDOUT' }, { type: 'pet-works' }]);
  await watchdog.release();
});

t.test('an emulator that is gone: pets fail, and so does the request for a reset', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const watchdog = createWatchdog({ emulator: lab.socket });
  const events: KeeperEvent[] = [];
  watchdog.onEvent((event) => events.push(event));
  await watchdog.arm({ timeoutS: 30, petIntervalMs: 100, leaseMs: 600, leaseDeadlineMs: boottimeMs() + 600 });
  lab.emulator?.kill('SIGKILL');
  await sleep(1_000);
  t.equal(watchdog.stats().state, 'expired');
  t.same(events.map((event) => event.type).sort(), ['expired', 'pet-failed', 'reset-failed']);
});
