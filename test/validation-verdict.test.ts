import fc from 'fast-check';
import t from 'tap';
import { parseSteps, type Step, type Validation } from '../src/host/validation-record.js';
import { judgeRun } from '../src/host/validation-verdict.js';
import { type Course, type Nature, World } from './validation-world.js';

const never = Number.POSITIVE_INFINITY;

async function verdictIn(nature: Partial<Nature>): Promise<Course & { readonly validation: Validation | null }> {
  const course = await new World(nature).validate();
  const judgement = judgeRun(course.steps, course.facts);
  return { ...course, validation: judgement.tried ? judgement.validation : null };
}

/** When the last pet of an undisturbed run came. */
const petMs = (await verdictIn({ kappa: never })).lastPetMs ?? 0;

t.test('a watchdog that keeps its time: kappa, and the time with its uncertainty', async (t) => {
  for (const kappa of [1, 2] as const) {
    for (const earlyMs of [0, 400, 950]) {
      const { validation, resetMs, lastPetMs, end } = await verdictIn({ kappa, earlyMs });
      t.equal(end, 'down');
      t.match(validation, { verdict: 'resets', kappa, timeoutS: 10, device: '/dev/watchdog0', board: 'a board' });
      const trueMs = (resetMs ?? 0) - (lastPetMs ?? 0);
      const { measuredMs, uncertaintyMs } = validation ?? {};
      t.ok(
        Math.abs((measuredMs ?? 0) - trueMs) <= (uncertaintyMs ?? 0) + 1,
        `${trueMs} is ${measuredMs} ± ${uncertaintyMs}`,
      );
      t.ok((uncertaintyMs ?? never) < 400);
    }
  }
});

t.test('what was measured without a reset', async (t) => {
  const rounds = (seconds: number) => (seconds < 5 ? null : seconds + (seconds % 2));
  const { validation } = await verdictIn({ rounds });
  t.match(validation, { timeLeftS: 10, pets: { count: 50, medianMs: 1, maxMs: 1 }, timeoutAskedS: 10 });
  t.match(validation?.rounding.slice(0, 4), [
    { askedS: 2, setS: null },
    { askedS: 3, setS: null },
    { askedS: 5, setS: 6 },
    { askedS: 6, setS: 6 },
  ]);
  t.equal(
    (await verdictIn({ rounds: () => 12 })).validation?.timeoutS,
    12,
    'the timeout is the one that was read back',
  );
});

t.test('a watchdog that does not reset, or at another time, is never said to', async (t) => {
  const dead = await verdictIn({ kappa: never });
  t.match(dead, {
    end: 'outlived',
    validation: { verdict: 'did-not-reset', kappa: null, sentence: /did not reset this machine: 40\.\d s/ },
  });
  t.match(await verdictIn({ kappa: 1.5 }), {
    validation: { verdict: 'unfinished', kappa: null, sentence: /neither one timeout of 10 s after it nor two/ },
  });
  t.match(await verdictIn({ kappa: 3 }), { validation: { verdict: 'unfinished', sentence: /neither one timeout/ } });
  t.match(await verdictIn({ kappa: 0.5 }), {
    validation: { verdict: 'unfinished', sentence: /before the watchdog was due/ },
  });
  t.match(await verdictIn({ kappa: 5 }), { end: 'outlived', validation: { verdict: 'did-not-reset' } });
});

t.test('the power fails at each moment of a run', async (t) => {
  const early = await verdictIn({ powerLossMs: 30 });
  t.match(early.validation, null);
  const judgement = judgeRun(early.steps, early.facts);
  t.match(judgement, { tried: false, sentence: /the machine went down while the watchdog was still being petted/ });
  t.match(judgeRun([], early.facts), { tried: false, sentence: /before it had begun/ });
  for (const [moment, sentence] of [
    [petMs + 1, /went down at the last pet/],
    [petMs + 5, /went down at the last pet/],
    [petMs + 300, /before the watchdog was due/],
    [petMs + 5_000, /before the watchdog was due/],
    [petMs + 8_000, /before the watchdog was due/],
  ] as const) {
    for (const lastLine of ['lost', 'whole'] as const) {
      const { validation } = await verdictIn({ powerLossMs: moment, kappa: 2, lastLine });
      t.match(validation, { verdict: 'unfinished', kappa: null, sentence }, `${moment - petMs} ms after the last pet`);
    }
  }
  for (const afterMs of [13_000, 15_000, 17_000]) {
    const { validation } = await verdictIn({ powerLossMs: petMs + afterMs, kappa: never });
    t.match(validation, { verdict: 'unfinished', sentence: /neither one timeout/ }, `${afterMs} ms`);
  }
  const after = await verdictIn({ powerLossMs: petMs + 30_000, kappa: never });
  t.match(
    after.validation,
    { verdict: 'unfinished', sentence: /neither one timeout/ },
    'long after, and off for half a minute',
  );
});

t.test('what came back long after is no proof, and neither is a clock that went back', async (t) => {
  const off = { powerLossMs: petMs + 9_950, kappa: never, offMs: 3_600_000 };
  t.match((await verdictIn(off)).validation, {
    verdict: 'unfinished',
    sentence: /cannot have been the watchdog alone/,
  });
  const back = await verdictIn({ kappa: 1, wallErrorMs: -20_000 });
  t.match(back.validation, { verdict: 'unfinished', sentence: /the wall clock went back/ });
  t.match(
    (await verdictIn({ kappa: 1, wallErrorMs: -5_000 })).validation,
    { verdict: 'resets' },
    'as clocks of boards do',
  );
});

t.test('signs of life that came seldom do not tell, unless the machine was back soon', async (t) => {
  const writeMs = (nth: number) => (nth % 7 === 5 ? 1_700 : 5);
  const slow = await verdictIn({ writeMs, bootMs: 20_000 });
  t.match(slow.validation, { verdict: 'unfinished', sentence: /storage is too slow, or the machine too busy/ });
  const soon = await verdictIn({ writeMs, bootMs: 300, boardClockErrorMs: 200 });
  t.match(soon.validation, { verdict: 'resets', kappa: 1 });
  t.ok((soon.validation?.uncertaintyMs ?? 0) > 500);
  t.match((await verdictIn({ writeMs, bootMs: 300, boardClockErrorMs: null })).validation, { verdict: 'unfinished' });
  t.match((await verdictIn({ writeMs, bootMs: 300, boardClockErrorMs: 5_000 })).validation, { verdict: 'unfinished' });
});

t.test('the command is killed after the last pet: a reset later proves nothing', async (t) => {
  for (const stopsOnClose of [false, true]) {
    const killed = await verdictIn({ killMs: petMs + 9_900, kappa: 2, stopsOnClose });
    t.match(killed, { end: 'killed', validation: { verdict: 'unfinished', sentence: /unfinished: killed/ } });
  }
  const { steps, facts } = await verdictIn({ killMs: petMs + 3_000 });
  const unwitnessed = steps.filter(({ step }) => step !== 'interrupted');
  t.match(judgeRun(unwitnessed, facts), { validation: { bootAfter: facts.bootId } });
  t.match(judgeRun(unwitnessed, { ...facts, bootId: 'before' }), { validation: { bootAfter: null } });
  t.match(judgeRun(unwitnessed, { ...facts, bootId: 'before' }), {
    validation: { verdict: 'unfinished', sentence: /its command died, and this machine was not reset/ },
  });
  const before = await verdictIn({ killMs: 50 });
  t.match(judgeRun(before.steps, { ...before.facts, bootId: 'before' }), {
    tried: false,
    sentence: /its command died while/,
  });
});

t.test('Ctrl-C before the last pet disarms, and an earlier verdict stands', async (t) => {
  const { steps, end, facts } = await new World({ signalMs: 100 }).validate();
  t.equal(end, 'aborted');
  t.match(judgeRun(steps, facts), { tried: false, sentence: /ended before its last pet: ended by Ctrl-C/ });
  t.notOk(steps.some(({ step }) => step === 'last-pet-due'));
});

t.test('Ctrl-C after the last pet disarms, unless the driver does not let it', async (t) => {
  const stopped = await verdictIn({ signalMs: petMs + 4_000 });
  t.match(stopped, {
    end: 'interrupted',
    resetMs: null,
    validation: { verdict: 'unfinished', sentence: /ended by Ctrl-C/ },
  });
  const late = await verdictIn({ signalMs: petMs + 4_000, nowayout: true });
  t.match(late, { end: 'down', validation: { verdict: 'resets', kappa: 1 } });
  t.equal(late.said.filter((text) => /too late/.test(text)).length, 1);
  const final = { reason: 'ended by SIGTERM', final: true };
  const shutdown = await verdictIn({ signalMs: petMs + 4_000, nowayout: true, signal: final });
  t.match(shutdown, { end: 'interrupted', validation: { verdict: 'unfinished', sentence: /SIGTERM/ } });
});

t.test('a driver that makes too little of the timeout is disarmed', async (t) => {
  const { steps, end } = await new World({ rounds: () => 4 }).validate();
  t.equal(end, 'aborted');
  t.match(steps.at(-1), { step: 'aborted', reason: /makes 4 s of a timeout of 10 s/ });
});

t.test('the last pet is told before it is given', async (t) => {
  const { steps } = await verdictIn({ kappa: never });
  const names = steps.map(({ step }) => step);
  t.same(names.slice(0, 5), ['begin', 'measured', 'last-pet-due', 'last-pet', 'alive']);
  t.equal(names.at(-1), 'outlived');
  t.ok(names.filter((name) => name === 'alive').length > 100);
});

t.test('boot status is told, and decides nothing', async (t) => {
  const { steps, facts } = await new World({}).validate();
  const evidence = (bootStatus: number | null, before = 0) => {
    const with32 = steps.map((step): Step => (step.step === 'measured' ? { ...step, bootStatus: before } : step));
    const judgement = judgeRun(with32, { ...facts, bootStatus });
    if (!judgement.tried) throw new Error('tried');
    t.equal(judgement.validation.verdict, 'resets');
    return judgement.validation.evidence.join('\n');
  };
  t.match(evidence(0x20), /says that it caused the reset \(WDIOF_CARDRESET\)$/);
  t.match(evidence(0x20, 0x20), /but it said so before, too/);
  t.match(evidence(0), /does not say/);
  t.match(evidence(null), /not there to say/);
});

t.test('lines that were torn do not count, and what follows them does', async (t) => {
  const { steps } = await new World({}).validate();
  const lines = steps.map((step) => JSON.stringify(step));
  const text = `${lines.join('\n')}\n`;
  t.same(parseSteps(text), steps);
  t.same(parseSteps(text.slice(0, -1)), steps.slice(0, -1), 'without its end a line was not written to its end');
  t.same(parseSteps(`${text}\0\0\0`), steps);
  const killed: Step = { step: 'interrupted', reason: 'killed' };
  t.same(parseSteps(`${text}{"step":"ali\n${JSON.stringify(killed)}\n`), [...steps, killed]);
});

t.test('small timeouts, for which one expiry and two cannot be told apart, are taken for the worse', async (t) => {
  const { steps, facts } = await new World({ kappa: 0.45 }).validate();
  const short = steps.map((step): Step => (step.step === 'measured' ? { ...step, timeoutS: 3 } : step));
  t.match(judgeRun(short, facts), { validation: { verdict: 'resets', kappa: 2 } });
});

/** Mostly never, and else mostly when it could be mistaken for the watchdog. */
const moment = fc.oneof(
  { weight: 12, arbitrary: fc.constant(never) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: Math.ceil(petMs) + 50 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 60_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 8_000, max: 13_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 17_000, max: 23_000 }) },
);

const natures: fc.Arbitrary<Nature> = fc.record({
  kappa: fc.constantFrom(0.5, 1, 1, 1.5, 2, 2, 3, never),
  earlyMs: fc.integer({ min: -150, max: 950 }),
  powerLossMs: moment,
  hangMs: moment,
  killMs: moment,
  stopsOnClose: fc.boolean(),
  signalMs: moment,
  signal: fc.record({ reason: fc.constant('a signal'), final: fc.boolean() }),
  nowayout: fc.boolean(),
  writeMs: fc.func(fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 400 }))),
  lastLine: fc.constantFrom('lost', 'whole'),
  offMs: fc.integer({ min: 0, max: 1_200_000 }),
  bootMs: fc.integer({ min: 1_000, max: 200_000 }),
  wallErrorMs: fc.integer({ min: -1_100, max: 1_100 }),
  boardClockErrorMs: fc.option(fc.integer({ min: 0, max: 3_000 })),
  rounds: fc.constant((seconds: number) => seconds),
});

t.test('whatever happens and whenever, the verdict is not better than the truth', async (t) => {
  const counts: Record<string, number> = {};
  await fc.assert(
    fc.asyncProperty(natures, async (nature) => {
      const { validation, end, silentMs, resetMs, lastPetMs } = await verdictIn(nature);
      const verdict = validation?.verdict ?? 'untried';
      counts[`${verdict} ${validation?.kappa ?? ''}`] = (counts[`${verdict} ${validation?.kappa ?? ''}`] ?? 0) + 1;
      const sincePetMs = silentMs - (lastPetMs ?? 0);
      if (verdict === 'did-not-reset') return end === 'outlived' && sincePetMs >= 40_000;
      if (verdict !== 'resets') return true;
      const { kappa, measuredMs, uncertaintyMs } = validation ?? {};
      if (kappa == null || measuredMs == null || uncertaintyMs == null || lastPetMs === null) return false;
      // Nothing but a machine that went down as if by the watchdog looks as if it had.
      const inTime = Math.abs(sincePetMs - measuredMs) <= uncertaintyMs + 1 && sincePetMs < kappa * 10_000 + 2_000;
      const byWatchdog = resetMs !== null && resetMs === silentMs;
      return end === 'down' && inTime && (!byWatchdog || kappa === nature.kappa);
    }),
    { numRuns: 3_000 },
  );
  t.comment(JSON.stringify(counts));
  for (const seen of ['resets 1', 'resets 2', 'did-not-reset ', 'unfinished ', 'untried '])
    t.ok((counts[seen] ?? 0) > 10, seen);
});

t.test('undisturbed, every watchdog that may be used gets its verdict', async (t) => {
  await fc.assert(
    fc.asyncProperty(natures, fc.constantFrom(1 as const, 2 as const), async (nature, kappa) => {
      const undisturbed = {
        powerLossMs: never,
        hangMs: never,
        killMs: never,
        signalMs: never,
        kappa,
        writeMs: () => 10,
      };
      const { validation } = await verdictIn({ ...nature, ...undisturbed });
      return validation?.verdict === 'resets' && validation.kappa === kappa;
    }),
    { numRuns: 500 },
  );
  t.pass('all of them');
});
