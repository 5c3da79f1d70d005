import t from 'tap';
import { HoldfastError } from '../src/core/errors.js';
import { createHostClock } from '../src/host/host-clock.js';
import { KeeperCommands } from '../src/host/keeper-commands.js';
import { createWatchdog, type WatchdogOptions } from '../src/host/keeper-watchdog.js';
import { loadNative, type NativeKeeper, type NativeResult } from '../src/host/native.js';
import { checkArmOptions, checkInstant } from '../src/host/watchdog-arguments.js';
import type { ArmOptions } from '../src/ports/watchdog.js';

const argument = { name: 'HoldfastError', code: 'HF_ARGUMENT' };

/** What no number may be. */
const notNumbers = [Number.NaN, Number.POSITIVE_INFINITY, -1, '5', null, true, {}, [], 5n, Symbol('5')];

t.test('createWatchdog refuses malformed options', (t) => {
  const socket = '/nowhere/socket';
  const options: unknown[] = [
    ...[undefined, null, 7, 'text', {}, []],
    { device: '/dev/watchdog', emulator: socket },
    ...['', 'watchdog0', 'relative/path', '/dev/\0', `/${'x'.repeat(255)}`, 7, null, {}].map((device) => ({ device })),
    ...['', 'socket', '/a\0', `/${'x'.repeat(107)}`, 7, null].map((emulator) => ({ emulator })),
    ...[0, 3, 1.5, '2', null].map((kappa) => ({ emulator: socket, kappa })),
    ...['yes', 1, null].map((validated) => ({ emulator: socket, validated })),
    { emulator: socket, timeout: 5 },
  ];
  for (const bad of options) t.throws(() => createWatchdog(bad as WatchdogOptions), argument);
  t.end();
});

t.test('arm, extend and reset refuse malformed arguments, and nothing reaches the device', async (t) => {
  const watchdog = createWatchdog({ emulator: '/nowhere/socket' });
  const { boottimeMs } = loadNative();
  const good = () => ({ timeoutS: 5, petIntervalMs: 1_000, leaseMs: 10_000, leaseDeadlineMs: boottimeMs() + 9_000 });
  for (const options of [undefined, null, 7, 'text', {}]) {
    await t.rejects(watchdog.arm(options as ArmOptions), argument);
  }
  for (const name of ['timeoutS', 'petIntervalMs', 'leaseMs', 'leaseDeadlineMs']) {
    for (const value of [...notNumbers, undefined, 0, 2 ** 53]) {
      await t.rejects(watchdog.arm({ ...good(), [name]: value } as ArmOptions), argument, `${name} ${String(value)}`);
    }
  }
  await t.rejects(watchdog.arm({ ...good(), timeoutS: 1.5 }), argument);
  await t.rejects(watchdog.arm({ ...good(), timeoutS: 65_536 }), argument);
  await t.rejects(watchdog.arm({ ...good(), petIntervalMs: 2_501 }), argument, 'less than two pets a timeout');
  await t.rejects(watchdog.arm({ ...good(), petIntervalMs: 49 }), argument);
  await t.rejects(
    watchdog.arm(good()),
    { code: 'HF_WATCHDOG', message: /does not answer \(ENOENT\)/ },
    'the rest is good',
  );
  for (const value of [...notNumbers, undefined, 0]) t.throws(() => watchdog.extend(value as number), argument);
  for (const reason of [undefined, null, '', 7, 'x'.repeat(1_001)]) {
    t.throws(() => watchdog.reset(reason as string), argument);
  }
  t.match(watchdog.stats(), { state: 'idle', pets: 0, resetRequests: 0, petError: null, resetError: null });
});

t.test('a machine may be up for years', (t) => {
  const tenYearsMs = 3_652 * 86_400_000;
  t.equal(checkInstant('leaseDeadlineMs', tenYearsMs + 0.25), tenYearsMs + 0.25);
  const nowMs = tenYearsMs - 5_000;
  const options = { timeoutS: 5, petIntervalMs: 1_000, leaseMs: 10_000, leaseDeadlineMs: tenYearsMs };
  t.same(checkArmOptions(options, nowMs), options);
  t.end();
});

t.test('too many commands at once are refused', async (t) => {
  const watchdog = createWatchdog({ emulator: '/nowhere/socket' });
  const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => watchdog.adopt()));
  const codes = outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : 'done'));
  t.equal(codes.filter((code) => code === 'HF_WATCHDOG').length, 8);
  t.equal(codes.filter((code) => code === 'HF_BUSY').length, 12);
});

t.test('a keeper that takes no command any more leaves nobody waiting', async (t) => {
  let takes = true;
  const keeper = { post: () => takes, extend: () => 0, reset: () => undefined };
  const commands = new KeeperCommands(keeper as unknown as NativeKeeper);
  const outcomes = Promise.allSettled([commands.run('adopt'), commands.run('release'), commands.run('adopt')]);
  takes = false;
  commands.done({ error: 0 } as NativeResult);
  const late = commands.run('describe');
  await t.rejects(late, { code: 'HF_WATCHDOG', message: /this thread of Node is ending/ });
  const none = new Promise((resolve) => setTimeout(resolve, 1_000, 'some wait for ever'));
  const rejected = { status: 'rejected', reason: { code: 'HF_WATCHDOG' } };
  t.match(await Promise.race([outcomes, none]), [{ status: 'fulfilled' }, rejected, rejected]);
});

t.test('an addon that cannot be loaded says how to mend it', (t) => {
  const load = (path: string) => () => loadNative(path);
  t.throws(load('./none.node'), { code: 'HF_ADDON', message: /never built: run `npm run addon`/ });
  t.throws(load('../../../package.json/x'), HoldfastError);
  t.end();
});

t.test('the clock', async (t) => {
  const clock = createHostClock(loadNative());
  const beforeMs = clock.bootMs();
  t.ok(Number.isSafeInteger(beforeMs));
  t.ok(Math.abs(clock.wallMs() - Date.now()) < 1_000);
  clock.after(10, () => t.fail('cancelled'))();
  await new Promise<void>((resolve) => clock.after(20, resolve));
  const passedMs = clock.bootMs() - beforeMs;
  // Timers of Node count from the start of the loop's turn: up to a millisecond early.
  t.ok(passedMs >= 18 && passedMs < 1_000, `${passedMs} ms`);
});
