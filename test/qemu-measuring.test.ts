import t from 'tap';
import { deriveBudget } from '../src/core/budget.js';

/** What the QEMU lab makes of what it sees: the clock of a guest, the kernel's trace, and the verdicts. */

const load = (name: string) => import(new URL(`../../scripts/qemu/${name}`, import.meta.url).href);

interface Clock {
  ask(hostMs: number): string;
  answered(question: string, guestMs: number, hostMs: number): boolean;
  restart(): void;
  toHost(guestMs: number): { readonly ms: number; readonly errorMs: number } | null;
}
interface Predicted {
  readonly after: 'pet' | 'act';
  readonly fromMs: number;
  readonly toMs: number;
  readonly announced: boolean;
  readonly closes?: boolean;
  readonly lastPet: readonly [number, number];
}
interface Driver {
  readonly name: string;
  readonly kappa: 1 | 2;
  readonly announced: boolean;
  readonly tells?: boolean;
  resetMs(timeoutS: number): number;
}
interface Case {
  readonly name: string;
  readonly lastPet: unknown;
}
interface Times {
  readonly timeoutS: number;
  readonly effectiveMs: number;
  readonly petIntervalMs: number;
  readonly leaseMs: number;
}
interface Span {
  readonly node: string;
  readonly fromMs: number;
  readonly toMs: number;
}
interface Call {
  readonly atMs: number;
  readonly errorMs: number;
}
type Seen = {
  readonly firedMs: number;
  readonly announced: boolean;
  readonly pets: readonly Call[];
  readonly closes?: readonly Call[];
  readonly actFromMs: number;
  readonly actToMs: number;
};

const { GuestClock }: { GuestClock: new () => Clock } = await load('guest-clock.mjs');
const { parseTraceLine }: { parseTraceLine(line: string): unknown } = await load('pet-trace.mjs');
interface Judged {
  readonly differenceMs?: number;
  readonly again?: boolean;
  readonly failures: readonly string[];
}
const verdicts: {
  judgeReset(seen: Seen, predicted: Predicted, effectiveMs: number): Judged;
  judgeFiring(seen: Pick<Seen, 'firedMs' | 'announced' | 'pets'>, driver: Driver, timeoutS: number): Judged;
} = await load('verdict.mjs');
const { drivers, expectedTimes }: { drivers: readonly Driver[]; expectedTimes(boundMs: number, kappa: number): Times } =
  await load('drivers.mjs');
const {
  cases,
  predict,
}: { cases: readonly Case[]; predict(driver: Driver, kase: Case, times: Times): Predicted | null } =
  await load('cases.mjs');
interface Heard {
  readonly atMs: number;
  readonly count: number;
}
const runs: {
  spansOf(heard: Record<string, readonly Heard[]>): Span[];
  doubleRuns(spans: readonly Span[]): readonly unknown[];
} = await load('spans.mjs');

t.test('an instant of the guest is known by the best of the answers, and no better', async (t) => {
  const clock = new GuestClock();
  t.equal(clock.toHost(5), null, 'nothing was answered');
  const slow = clock.ask(1_000);
  const quick = clock.ask(1_100);
  t.ok(clock.answered(quick, 100, 1_102));
  t.ok(clock.answered(slow, 90, 1_140));
  t.same(clock.toHost(100), { ms: 1_101, errorMs: 1 }, 'the middle of the shorter exchange, half of it wrong at most');
  t.ok((clock.toHost(100_100)?.errorMs ?? 0) > 40, 'clocks run apart');
  t.notOk(clock.answered('77', 100, 1_150));
  t.equal(clock.toHost(100)?.ms, 1_101, 'an answer to a question of another boot says nothing');
  clock.restart();
  t.equal(clock.toHost(100), null, 'a new boot has a new clock');
});

t.test('the trace tells pets and closes, and by whom', async (t) => {
  const line = '       hf-keeper-133     [000] d.Z..    17.584123: pet_softdog_ping: (softdog_ping+0x0/0x50 [softdog])';
  const pet = { program: 'hf-keeper', thread: 133, bootMs: 17_584.123, kind: 'pet', name: 'softdog_ping' };
  t.match(parseTraceLine(line), pet);
  const close =
    '  some-prog-x-9   [001] .....     3.000000: close_watchdog_release: (watchdog_release+0x0/0xf0 [watchdog])';
  t.match(parseTraceLine(close), { program: 'some-prog-x', thread: 9, kind: 'close', name: 'watchdog_release' });
  t.equal(parseTraceLine('CPU:0 [LOST 12 EVENTS]'), null);
});

t.test('the laws of the hardware, as they were measured elsewhere', async (t) => {
  const resetMs = (name: string, timeoutS: number) => drivers.find((each) => each.name === name)?.resetMs(timeoutS);
  t.equal(Math.round(resetMs('i6300esb', 60) ?? 0), 60_398);
  t.equal(resetMs('itco', 10), 19_200);
  t.equal(resetMs('itco', 3), 6_000);
  t.equal(resetMs('ib700', 5), 6_000);
  t.equal(resetMs('ipmi', 10), 10_000);
});

t.test('no driver resets later than the budget of its kappa says, by more than a hundredth', async (t) => {
  for (const driver of drivers) {
    for (const boundMs of [36_000, 60_000]) {
      const times = expectedTimes(boundMs, driver.kappa);
      t.ok(driver.resetMs(times.timeoutS) <= times.effectiveMs * 1.01, `${driver.name}, ${boundMs}`);
    }
  }
});

t.test('the lab expects the times that the agents derive', async (t) => {
  const corosync = { tokenMs: 3_000, consensusMs: 3_600, minTimeoutS: 1, maxTimeoutS: 0 };
  for (const fenceBoundMs of [36_000, 45_000, 60_000, 120_000]) {
    for (const kappa of [1, 2] as const) {
      const { timeoutS, effectiveMs, petIntervalMs, leaseMs } = deriveBudget({ fenceBoundMs, kappa, ...corosync });
      t.same(expectedTimes(fenceBoundMs, kappa), { timeoutS, effectiveMs, petIntervalMs, leaseMs });
    }
  }
});

const times = { timeoutS: 6, effectiveMs: 6_000, petIntervalMs: 2_000, leaseMs: 16_000 };
const softdog: Driver = { name: 'softdog', kappa: 1, announced: false, resetMs: (timeoutS) => timeoutS * 1_000 };

function predicted(name: string): Predicted {
  const kase = cases.find((each) => each.name === name);
  const prediction = kase && predict(softdog, kase, times);
  if (!prediction) throw new Error(`${name} predicts no reset`);
  return prediction;
}

interface Doubts {
  readonly errorMs?: number;
  readonly announced?: boolean;
  readonly closedMs?: readonly number[];
  readonly actToMs?: number;
}

function judge(name: string, firedMs: number, lastPetMs: number, doubts: Doubts = {}) {
  const prediction = predicted(name);
  const { errorMs = 0, announced = false, actToMs = 100_010 } = doubts;
  const { closedMs = prediction.closes ? [lastPetMs] : [] } = doubts;
  const pets = [lastPetMs - 2_000, lastPetMs].map((atMs) => ({ atMs, errorMs }));
  const closes = closedMs.map((atMs) => ({ atMs, errorMs: 0 }));
  const seen = { firedMs, announced, pets, closes, actFromMs: 100_000, actToMs };
  return verdicts.judgeReset(seen, prediction, 6_000);
}

t.test('a reset is judged by the last pet, and that by the act', async (t) => {
  t.same(judge('agent-stopped', 105_000, 99_000).failures, []);
  t.equal(judge('agent-stopped', 105_499, 99_000).differenceMs, 499);
  t.match(judge('agent-stopped', 105_600, 99_000).failures, [
    /^reset 6\.600 s after the pet/,
    /agent counts on 6\.000 s/,
  ]);
  t.match(judge('agent-stopped', 104_400, 99_000).failures, [/^reset 5\.400 s after the pet/]);
  t.match(judge('agent-stopped', 108_000, 102_000).failures, [/^last pet 1\.990 s after the act/], 'it pets on');
  t.same(judge('agent-killed', 106_005, 100_005).failures, []);
  const noPet = judge('agent-killed', 105_000, 99_000, { closedMs: [100_005] });
  t.match(noPet.failures, [/^last pet -1\.010 s after/], 'the close was no pet');
});

t.test('what the measurement may be wrong by counts as a difference', async (t) => {
  t.same(judge('agent-stopped', 105_440, 99_000, { errorMs: 60 }).failures, []);
  t.match(judge('agent-stopped', 105_441, 99_000, { errorMs: 60 }).failures, [/^reset 6\.441 s/, /counts on/]);
  t.match(judge('agent-stopped', 104_559, 99_000, { errorMs: 60 }).failures, [/^reset 5\.559 s/]);
  t.match(judge('stop-petting', 121_960, 115_960, { errorMs: 60 }).failures, [/^last pet 15\.950 s after/]);
});

t.test('a pet that is known too badly measures nothing: it is to be done again', async (t) => {
  t.match(judge('agent-stopped', 105_000, 99_000, { errorMs: 4_000 }), { again: true, failures: [/^not measured/] });
  t.notOk(judge('agent-stopped', 105_000, 99_000, { errorMs: 100 }).again);
  const hung = { firedMs: 105_000, announced: false, pets: [{ atMs: 99_000, errorMs: 4_000 }] };
  t.match(verdicts.judgeFiring(hung, softdog, 6), { again: true, failures: [/^not measured/] });
});

t.test('what is certain is a failure even where nothing was measured', async (t) => {
  const announced = { ...softdog, announced: true };
  const kase = cases.find(({ name }) => name === 'agent-stopped');
  const prediction = kase && predict(announced, kase, times);
  if (!prediction) throw new Error('agent-stopped predicts no reset');
  const pets = [{ atMs: 130_000, errorMs: 101 }];
  const seen = { firedMs: 136_000, announced: false, pets, actFromMs: 100_000, actToMs: 100_010 };
  const { again, failures } = verdicts.judgeReset(seen, prediction, 6_000);
  t.ok(again);
  t.match(failures, [/^not measured/, /^QEMU does not say/, /^last pet 29\.990 s after the act/]);
  t.equal(failures.length, 3);
  const wrong = (firedMs: number) => judge('agent-stopped', firedMs, 99_000, { errorMs: 200 }).failures;
  t.equal(wrong(105_700).length, 1, 'it may be right');
  t.match(wrong(105_701), [/^not measured/, /^reset 6\.701 s after the pet/, /agent counts on/]);
  t.match(wrong(104_299), [/^not measured/, /^reset 5\.299 s after the pet/]);
  const firing = { firedMs: 106_000, announced: false, pets: [{ atMs: 99_000, errorMs: 200 }] };
  t.match(verdicts.judgeFiring(firing, announced, 6).failures, [
    /^not measured/,
    /^QEMU does not say/,
    /^reset 7\.000 s/,
  ]);
  t.equal(verdicts.judgeFiring(firing, announced, 7).failures.length, 2);
});

t.test('a killed agent closes the device, unless another process holds a duplicate', async (t) => {
  t.match(judge('agent-killed', 106_005, 100_005, { closedMs: [] }).failures, [/^no close of the device was seen/]);
  t.match(
    judge('agent-killed', 106_005, 100_005, { closedMs: [99_999] }).failures,
    [/^no close/],
    'one before the act',
  );
  t.same(judge('duplicate-held', 105_000, 99_000).failures, []);
  t.same(judge('duplicate-held', 105_000, 99_000, { closedMs: [99_999] }).failures, []);
  t.same(judge('duplicate-held', 106_005, 100_005, { closedMs: [100_005] }).failures, [
    'the device was closed after the act',
  ]);
});

t.test('an act that was answered late may have happened at once', async (t) => {
  const late = { actToMs: 104_000 };
  t.same(judge('own-reset', 114_000, 113_000, late).failures, []);
  t.match(judge('own-reset', 112_900, 112_000, late).failures, [/^reset 8\.900 s after the act/]);
  t.same(judge('own-reset', 120_400, 113_900, late).failures.length, 0);
  t.match(judge('own-reset', 120_501, 115_000, late).failures, [/^reset 16\.501 s after the act/]);
});

t.test('QEMU has to say that the watchdog has fired, and only then', async (t) => {
  const announced = { ...softdog, announced: true };
  const firing = (driver: Driver, isSaid: boolean) =>
    verdicts.judgeFiring({ firedMs: 105_000, announced: isSaid, pets: [{ atMs: 99_000, errorMs: 1 }] }, driver, 6);
  t.same(firing(announced, true).failures, []);
  t.match(firing(announced, false).failures, [/^QEMU does not say/]);
  t.match(firing(softdog, true).failures, [/^the watchdog has fired/]);
  t.match(judge('own-reset', 115_000, 114_000, { announced: true }).failures, [/^the watchdog has fired/]);
  const own = cases.find(({ name }) => name === 'own-reset');
  const killed = cases.find(({ name }) => name === 'agent-killed');
  t.equal(own && predict(announced, own, times)?.announced, false, 'the agent does it');
  t.equal(killed && predict(announced, killed, times)?.announced, true);
});

t.test('a reset that nothing but the watchdog can have done is judged by the last pet', async (t) => {
  const firing = (firedMs: number, errorMs: number) =>
    verdicts.judgeFiring({ firedMs, announced: false, pets: [{ atMs: 99_000, errorMs }] }, softdog, 6).failures;
  t.same(firing(105_450, 50), []);
  t.match(firing(105_451, 50), [/^reset 6\.451 s after the last pet, due was 6\.000 s/]);
  t.match(firing(98_000, 1), [/^no pet was seen/]);
});

t.test('no pet after the end of the lease is forgiven', async (t) => {
  t.same(judge('stop-petting', 121_900, 115_900).failures, []);
  t.match(judge('stop-petting', 122_100, 116_100).failures, [/^last pet 16\.090 s after the act/]);
  t.same(judge('own-reset', 115_000, 114_000).failures, []);
  t.match(judge('own-reset', 116_600, 114_000).failures, [/^reset 16\.590 s after the act/]);
});

t.test('a reset without a pet before it is no measurement', async (t) => {
  const seen = { firedMs: 5, announced: false, pets: [{ atMs: 6, errorMs: 0 }], actFromMs: 1, actToMs: 2 };
  t.match(verdicts.judgeReset(seen, predicted('agent-killed'), 6_000).failures, [/no pet/]);
});

t.test('cases that have no reset predict none', async (t) => {
  const none = cases.filter((kase) => predict(softdog, kase, times) === null).map(({ name }) => name);
  t.same(none, ['agent-restarted', 'clean-stop']);
});

const heardFrom = (fromMs: number, toMs: number) =>
  Array.from({ length: Math.floor((toMs - fromMs) / 100) + 1 }, (_, i) => ({ atMs: fromMs + i * 100, count: i + 1 }));
const countedOn = (words: readonly Heard[], fromMs: number) =>
  words.map(({ atMs, count }) => ({ atMs: atMs + fromMs, count: count + words.length }));

t.test('a resource that moves runs once, one that is heard from two nodes in turn runs twice', async (t) => {
  const doubleRuns = (heard: Record<string, readonly Heard[]>) => runs.doubleRuns(runs.spansOf(heard)).length;
  const first = heardFrom(0, 10_000);
  t.equal(doubleRuns({ a: first, b: heardFrom(12_000, 20_000) }), 0);
  t.equal(doubleRuns({ a: first, b: heardFrom(9_900, 20_000) }), 1);
  const between = heardFrom(11_000, 13_000);
  t.equal(doubleRuns({ a: [...first, ...heardFrom(14_000, 15_000)], b: between }), 0, 'it was started again');
  t.equal(doubleRuns({ a: [...first, ...countedOn(first, 14_000)], b: between }), 1, 'it was only silent');
  const long = heardFrom(11_000, 300_000);
  t.equal(doubleRuns({ a: [...first, ...countedOn(first, 400_000)], b: long }), 1, 'however long');
});
