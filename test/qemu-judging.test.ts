import t from 'tap';
import { judgeRun } from '../src/host/validation-verdict.js';
import { World } from './validation-world.js';

/** What the QEMU lab holds against the commands that tell an operator of his watchdog. */

const load = (name: string) => import(new URL(`../../scripts/qemu/${name}`, import.meta.url).href);

interface Told {
  readonly verdict: string;
  readonly cause: string | null;
  readonly certainty: string;
  readonly alternatives: readonly { readonly verdict: string }[];
  readonly summary: string;
}
interface Expected {
  readonly verdict: string;
  readonly cause: string | null;
  readonly certainty: readonly string[];
  readonly also?: string;
}
const {
  machineEnds,
  judgeWhy,
  judgeRecord,
  agree,
}: {
  machineEnds: Record<string, { readonly told: Expected; readonly untold: Expected }>;
  judgeWhy(told: Told, expected: Expected): readonly string[];
  judgeRecord(record: object, seen: object, driver: object): Result;
  agree(record: object, seen: object): boolean;
} = await load('validate-part.mjs');
const {
  interruptionsOf,
  judgeAfterwards,
  livesOn,
}: {
  interruptionsOf(driver: object): readonly { readonly name: string }[];
  judgeAfterwards(record: object | null, run: string, truth: object): readonly string[];
  livesOn(bench: object, durationMs: number): Promise<readonly string[]>;
} = await load('interruptions.mjs');
const {
  untilMeasured,
  maxAttempts,
}: { untilMeasured(once: () => Promise<Result>): Promise<Result>; maxAttempts: number } = await load('attempts.mjs');
const { isExact }: { isExact(record: object): boolean } = await load('validation.mjs');
const report: Record<'progress' | 'validationProgress', (result: object) => string> &
  Record<'driverTable' | 'validationTable' | 'clusterTable', (results: readonly object[]) => string> =
  await load('report.mjs');

interface Result {
  readonly attempts?: number;
  readonly again?: boolean;
  readonly failures: readonly string[];
}
interface Seen {
  readonly kind: string;
  readonly program: string;
  readonly thread: number;
  readonly atMs: number;
}
interface Judge {
  attempt(once: () => Promise<Result>): Promise<Result>;
  undueResets(): readonly string[];
  awaitReset(sinceMs: number, limitMs: number): Promise<object>;
  cutPower(): void;
  'pets-go-on'(actFromMs: number, formerThreads: readonly number[]): Promise<readonly string[]>;
}
const { Bench }: { Bench: new (guest: object, driver: object, times: object) => Judge } = await load('bench.mjs');

function expected(name: string, by: 'told' | 'untold'): Expected {
  const end = machineEnds[name];
  if (end === undefined) throw new Error(`there is no end ${name}`);
  return end[by];
}

t.test('an agent that was restarted pets by a keeper of its own', async (t) => {
  const judge = (...seen: readonly Omit<Seen, 'kind'>[]) => {
    const find = (sinceMs: number, fits: (each: Seen) => boolean) =>
      seen.map((each) => ({ kind: 'pet', ...each })).filter((each) => each.atMs >= sinceMs && fits(each));
    return new Bench({ find }, {}, {})['pets-go-on'](1_000, [7, 8]);
  };
  const former = { program: 'hf-keeper', thread: 8 };
  const own = { program: 'hf-keeper', thread: 20 };
  t.same(await judge({ ...own, atMs: 1_500 }, { ...own, atMs: 2_500 }), []);
  const lastAndClose = [
    { ...former, atMs: 1_001 },
    { program: 'node', thread: 9, atMs: 1_002 },
  ];
  t.match(await judge(...lastAndClose, { ...own, atMs: 2_500 }), [/does not pet/], 'nor are they its pets');
  t.match(await judge({ ...own, atMs: 500 }, { ...own, atMs: 900 }), [/does not pet/], 'before the act');
});

t.test('why is held to verdict, cause and certainty, by what the driver can tell', async (t) => {
  const fired = { verdict: 'watchdog-fired', cause: 'standstill', certainty: 'likely', alternatives: [], summary: '' };
  t.same(judgeWhy(fired, expected('agent killed', 'told')), []);
  t.equal(judgeWhy(fired, expected('agent killed', 'untold')).length, 3);
  t.match(judgeWhy({ ...fired, cause: 'agent-hung' }, expected('agent killed', 'told')), [/^it says .*agent-hung/]);
  const others = [{ verdict: 'watchdog-fired' }];
  const open = { verdict: 'power-loss', cause: null, certainty: 'open', alternatives: others, summary: '' };
  t.same(judgeWhy(open, expected('agent killed', 'untold')), []);
  t.match(judgeWhy({ ...open, certainty: 'certain' }, expected('agent killed', 'untold')), [/as certain, not open/]);
  t.match(judgeWhy({ ...open, alternatives: [] }, expected('agent killed', 'untold')), [/rules out watchdog-fired/]);
});

const unmeasured = { again: true, failures: ['not measured'] };

t.test('only what was not measured, and nothing else, is done again', async (t) => {
  const during = (...results: readonly Result[]) => {
    const left = [...results];
    return untilMeasured(async () => left.shift() ?? { failures: ['once too often'] });
  };
  t.same(await during({ failures: [] }), { failures: [], attempts: 1 });
  t.same(await during(unmeasured, unmeasured, { failures: [] }), { failures: [], attempts: 3 });
  const bad = { again: true, failures: ['not measured', 'it petted on'] };
  t.same(await during(bad, { failures: [] }), { failures: bad.failures, attempts: 1 });
  t.same(await during({ failures: ['wrong'] }, { failures: [] }), { failures: ['wrong'], attempts: 1 });
  const ever = Array.from({ length: maxAttempts }, () => unmeasured);
  t.same(await during(...ever), { failures: ['not measured'], attempts: maxAttempts });
});

t.test('what was done again says so', async (t) => {
  const result = { driver: 'itco', case: 'agent-killed', step: 'validate', fault: 'hang', told: 'so', failures: [] };
  for (const text of [
    report.progress({ ...result, attempts: 3 }),
    report.driverTable([{ ...result, attempts: 3 }]),
    report.validationProgress({ ...result, attempts: 3 }),
    report.validationTable([{ ...result, attempts: 3 }]),
  ]) {
    t.match(text, /\(3 attempts\)/);
  }
  t.notMatch(report.progress({ ...result, attempts: 1 }), /attempt/);
  t.match(report.clusterTable([{ ...result, attempts: 3 }, result]), /hang +2, 2 repeated +0/);
});

/** A guest of which that was seen, in this order; `reset` is what the lab itself may do. */
function guestThatSaw(...seen: readonly object[]) {
  const all: object[] = seen.map((each, atMs) => ({ atMs, ...each }));
  const find = (sinceMs: number, fits: (each: object) => boolean) => all.filter(fits).slice(0, sinceMs === 0 ? 99 : 0);
  const until = async (_what: string, _sinceMs: number, fits: (each: object) => boolean) => all.findLast(fits);
  const reset = () => all.push({ kind: 'reset', by: 'lab', atMs: all.length });
  return { find, until, reset, add: (each: object) => all.push({ atMs: all.length, ...each }) };
}
const reset = { kind: 'reset', by: 'guest', wordMs: null };
const boot = { kind: 'console', line: '[    2.1] LAB loader runs' };

t.test('a reset that nobody awaited fails what was going on', async (t) => {
  const guest = guestThatSaw(boot, reset, boot);
  const bench = new Bench(guest, {}, {});
  const fine = async () => ({ failures: [] });
  t.match((await bench.attempt(fine)).failures, [/^reset .* ago, and nothing was to reset it$/]);
  t.same((await bench.attempt(fine)).failures, [], 'told once');
  const awaited = await bench.attempt(async () => {
    guest.add(reset);
    await bench.awaitReset(0, 1);
    guest.add(boot);
    bench.cutPower();
    guest.add(boot);
    return { failures: [] };
  });
  t.same(awaited.failures, [], 'awaited, and caused');
  let attempts = 0;
  const unseen = await bench.attempt(async () => {
    attempts += 1;
    guest.add(reset);
    return unmeasured;
  });
  t.equal(attempts, 1, 'nor is it tried again until there is none');
  t.equal(unseen.failures.length, 2);
});

t.test('a guest that was reset while it booted has booted twice', async (t) => {
  const bench = new Bench(guestThatSaw(boot, { ...reset, by: 'lab' }, boot, boot), {}, {});
  t.match(bench.undueResets(), [/^booted twice/]);
  t.same(bench.undueResets(), []);
});

t.test('a guest lives on only if it says so in time', async (t) => {
  const living = (answer: Promise<string>, resets: readonly string[]) =>
    livesOn({ guest: { sh: () => answer }, undueResets: () => resets, cutPower: () => undefined }, 10);
  t.same(await living(Promise.resolve(''), []), []);
  t.same(await living(Promise.reject(new Error('no answer within 9 ms')), []), ['no answer within 9 ms']);
  t.same(await living(Promise.reject(new Error('node1 was reset')), ['reset 3 s ago']), ['reset 3 s ago']);
});

t.test('a record agrees with what was seen to its own uncertainty, and no further', async (t) => {
  const seen = { outsideMs: 10_000, errorMs: 10 };
  t.ok(agree({ measuredMs: 10_200, uncertaintyMs: 190 }, seen));
  t.notOk(agree({ measuredMs: 10_250, uncertaintyMs: 200 }, seen));
  t.notOk(agree({ measuredMs: 10_000, uncertaintyMs: 200 }, { ...seen, outsideMs: Number.NaN }));
  t.ok(agree({ measuredMs: 8_600, uncertaintyMs: 1_500 }, seen));
  t.notOk(agree({ measuredMs: 3_000, uncertaintyMs: 60_000 }, seen));
});

t.test('what a record may be unsure of is what the verdict itself takes for a limit', async (t) => {
  const { steps, facts } = await new World({ kappa: 1 }).validate();
  const pet = steps.find((step) => step.step === 'last-pet');
  if (pet?.step !== 'last-pet') throw new Error('there is no last pet');
  const bootMs = pet.endMs + 8_000;
  const unsure = (uncertaintyMs: number) => {
    const untilMs = bootMs + 2 * uncertaintyMs - (pet.endMs - pet.startMs);
    const record = [...steps.filter(({ step }) => step !== 'alive'), { step: 'alive' as const, bootMs, untilMs }];
    const judgement = judgeRun(record, facts);
    return judgement.tried ? judgement.validation : { verdict: 'none' };
  };
  const [most, more] = [unsure(1_500), unsure(1_501)];
  t.match(most, { verdict: 'resets', uncertaintyMs: 1_500 });
  t.ok(isExact(most));
  t.match(more, { verdict: 'unfinished' });
  t.notOk(isExact({ ...most, uncertaintyMs: 1_501 }));
});

t.test('a validation is held to what was seen of its reset, also where it is to be done again', async (t) => {
  const driver = { kappa: 1, announced: true, resetMs: (timeoutS: number) => timeoutS * 1_000 };
  const seen = { firedMs: 110_000, resetMs: 110_010, announced: true, pets: [{ atMs: 100_000, errorMs: 5 }] };
  const figures = { kappa: 1, timeoutS: 10, measuredMs: 10_000, uncertaintyMs: 200 };
  const record = { ...figures, verdict: 'resets', sentence: 'so', timeoutAskedS: 10 };
  t.match(judgeRecord(record, seen, driver), { failures: [], again: false });
  const busy = { ...seen, pets: [{ atMs: 100_000, errorMs: 150 }] };
  t.match(judgeRecord(record, busy, driver), { again: true, failures: [/^not measured/] });
  const unfinished = { ...record, verdict: 'unfinished', kappa: null, measuredMs: null, timeoutS: null };
  t.equal(judgeRecord(unfinished, busy, driver).failures.length, 1);
  const late = { ...seen, firedMs: 118_000, resetMs: 118_000, announced: false };
  t.match(judgeRecord(unfinished, late, driver), {
    again: true,
    failures: [/^the verdict is 'unfinished'/, /^QEMU does not say/, /^reset 18\.000 s/],
  });
  t.match(judgeRecord({ ...record, kappa: 2 }, seen, driver).failures, [/^it says kappa 2/]);
  t.match(judgeRecord({ ...record, uncertaintyMs: 60_000 }, seen, driver).failures, [/^it says resets/]);
});

t.test('a validation is interrupted at every step', async (t) => {
  const names = (kappa: number) => interruptionsOf({ kappa }).map(({ name }) => name);
  t.equal(names(1).length, 2 * 4 + 1);
  t.equal(names(2).length, 3 * 4 + 1);
  t.ok(names(2).includes('SIGKILL after the first expiry'));
});

t.test('a verdict after a loss of power is not better than the truth', async (t) => {
  const truth = { driver: { kappa: 2 }, lastedMs: 19_200 };
  const record = { run: 'a', verdict: 'resets', kappa: 2, measuredMs: 19_000, uncertaintyMs: 250, sentence: 'so' };
  t.same(judgeAfterwards(record, 'a', truth), []);
  t.same(judgeAfterwards({ ...record, verdict: 'unfinished', kappa: null }, 'a', truth), []);
  t.match(judgeAfterwards({ ...record, kappa: 1 }, 'a', truth), [/^it says kappa 1/]);
  t.match(judgeAfterwards({ ...record, measuredMs: 18_900 }, 'a', truth), [/but it took 19\.200 s/]);
  t.match(judgeAfterwards({ ...record, measuredMs: null, uncertaintyMs: null }, 'a', truth), [/but not when/]);
  t.match(judgeAfterwards({ ...record, measuredMs: undefined }, 'a', truth), [/but not when/]);
  t.match(judgeAfterwards({ ...record, measuredMs: 3_000, uncertaintyMs: 60_000 }, 'a', truth), [/but not when/]);
  t.match(judgeAfterwards({ ...record, verdict: 'did-not-reset' }, 'a', truth), [/did-not-reset/]);
  t.match(judgeAfterwards(record, 'b', truth), [/no verdict/], 'of another run');
  t.match(judgeAfterwards(null, 'a', truth), [/no verdict/]);
});
