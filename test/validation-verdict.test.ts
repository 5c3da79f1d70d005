import t from 'tap';
import { parseSteps, type Step, type Validation } from '../src/host/validation-record.js';
import { judgeRun } from '../src/host/validation-verdict.js';
import fc from './seeded-fast-check.js';
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

t.test('storage that is slow all the time tells less exactly', async (t) => {
  const slow = await verdictIn({ writeMs: () => 450 });
  t.match(slow, { end: 'down', validation: { verdict: 'resets', kappa: 1 } });
  const { measuredMs, uncertaintyMs } = slow.validation ?? {};
  t.ok((uncertaintyMs ?? 0) > 500);
  t.ok(Math.abs((measuredMs ?? 0) - ((slow.resetMs ?? 0) - (slow.lastPetMs ?? 0))) <= (uncertaintyMs ?? 0) + 1);
  const record = slow.steps.map(
    (step): Step => (step.step === 'alive' ? { ...step, untilMs: step.bootMs + 3_500 } : step),
  );
  t.match(judgeRun(record, slow.facts), {
    validation: { verdict: 'unfinished', sentence: /storage is too slow, or the machine too busy/ },
  });
});

t.test('storage that falls silent when the reset is due does not look like it', async (t) => {
  for (const kappa of [2, never]) {
    for (const stalledMs of [2_500, 11_000, 60_000]) {
      const { end, disarmedMs, resetMs, error, validation } = await verdictIn({
        stallMs: petMs + 9_500,
        stalledMs,
        kappa,
      });
      t.match(error, { code: 'HF_STORE', message: /stored nothing in time after the last pet/ });
      t.match({ end, resetMs }, { end: 'failed', resetMs: null });
      t.ok(
        (disarmedMs ?? never) - petMs < 9_500 + 1_000,
        `disarmed ${(disarmedMs ?? never) - petMs} ms after the last pet`,
      );
      t.match(validation, { verdict: 'unfinished', sentence: /stored nothing in time/ });
    }
  }
  const held = await verdictIn({ stallMs: petMs + 9_500, stalledMs: 60_000, kappa: 2, nowayout: true });
  t.match(held, { end: 'failed', disarmedMs: null, validation: { verdict: 'unfinished' } });
  t.ok((held.resetMs ?? 0) > petMs + 69_500, 'what cannot be disarmed is petted until the end is durable');
  t.match(held.said.join('\n'), /nowayout set: the watchdog is going to reset this machine/);
  const soon = await verdictIn({ stallMs: petMs + 9_500, stalledMs: 400, kappa: 2 });
  t.match(soon, { end: 'down', validation: { verdict: 'resets', kappa: 2 } }, 'what is short does not matter');
});

t.test('a terminal that takes nothing holds up neither the signs of life nor what ends them', async (t) => {
  for (const mutedForMs of [5_000, never]) {
    const muted = await verdictIn({ mutedMs: petMs + 9_500, mutedForMs, kappa: 2 });
    t.match(muted, { end: 'down', validation: { verdict: 'resets', kappa: 2 } });
    const ended = { mutedMs: petMs + 2_000, mutedForMs, signalMs: petMs + 9_900, kappa: 2 };
    t.match(await verdictIn(ended), { end: 'interrupted', resetMs: null, validation: { verdict: 'unfinished' } });
  }
});

t.test('an append that fails, at each step: disarmed in any case, and no verdict', async (t) => {
  const { steps } = await verdictIn({});
  for (let failAt = 0; failAt < steps.length; failAt++) {
    for (const failingMs of [0, 3_000, never]) {
      for (const nowayout of [false, true]) {
        const course = await verdictIn({ failAt, failingMs, nowayout, kappa: 2 });
        const { disarmedMs, end, validation, error } = course;
        const what = `step ${failAt} fails for ${failingMs} ms${nowayout ? ', nowayout' : ''}`;
        t.match({ end, code: Reflect.get(error ?? {}, 'code') }, { end: 'failed', code: 'EIO' }, what);
        if (!nowayout) t.ok(disarmedMs !== null && course.resetMs === null, what);
        t.not(validation?.verdict, 'resets', what);
        if (validation !== null && failingMs !== never) t.match(validation.sentence, /EIO/, what);
      }
    }
  }
});

t.test('an end whose reason is longer than a step may hold is stored all the same', async (t) => {
  const reason = `cannot disarm ${'a very long path/'.repeat(100)}`;
  const { steps, end } = await new World({ failAt: 30, failingMs: 0, fault: reason }).validate();
  t.equal(end, 'failed');
  const read = parseSteps(steps.map((step) => `${JSON.stringify(step)}\n`).join(''));
  t.match(read.at(-1), { step: 'interrupted', reason: reason.slice(0, 900) });
});

t.test('a timeout of ten minutes has its verdict, from no more steps than are read', async (t) => {
  const rounds = () => 600;
  for (const kappa of [1, 2]) {
    const { steps, validation } = await verdictIn({ rounds, kappa, earlyMs: 400 });
    t.match(validation, { verdict: 'resets', kappa, timeoutS: 600 });
    t.ok(steps.length < 3_000);
  }
  const { steps } = await verdictIn({ rounds, kappa: never });
  t.ok(steps.length < 3_000, `${steps.length} of at most 80 bytes are 240 000`);
});

t.test('an end that cannot be stored keeps the machine out of a verdict for as long as it takes', async (t) => {
  for (const nowayout of [false, true]) {
    const broken = { failAt: 41, failingMs: never, nowayout, kappa: 2, offMs: 10 };
    const { validation, silentMs, said } = await verdictIn(broken);
    t.ok(silentMs - petMs > 610_000);
    t.match(validation, { verdict: 'unfinished' });
    t.equal(said.filter((text) => /do not reset this machine/.test(text)).length, 1);
  }
});

t.test('nothing is opened where an end is wanted already', async (t) => {
  for (const nowayout of [false, true]) {
    const course = await new World({ signalMs: 0, nowayout }).validate();
    t.match(course, { end: 'aborted', opened: false, disarmedMs: null });
    t.match(course.steps.at(-1), { step: 'aborted', reason: 'ended by Ctrl-C' });
  }
});

t.test('a device that cannot be disarmed: why it was ended is kept, and the reset is foretold', async (t) => {
  const before = await new World({ signalMs: 100, disarmFails: true }).validate();
  t.match(before, {
    end: 'aborted',
    said: [/aborted: ended by Ctrl-C/, /cannot disarm a dog: EIO; .* going to reset/],
  });
  t.match(before.steps.at(-1), { step: 'aborted', reason: 'ended by Ctrl-C' });
  const after = await verdictIn({ signalMs: petMs + 4_000, disarmFails: true });
  t.match(after, { end: 'interrupted', validation: { verdict: 'unfinished', sentence: /ended by Ctrl-C/ } });
});

t.test('nowayout: too late from the opening on', async (t) => {
  const course = await verdictIn({ signalMs: 100, nowayout: true });
  t.match(course, { end: 'down', validation: { verdict: 'resets', kappa: 1 } });
  t.match(course.said.slice(0, 2), [/nowayout set: from now on nothing but a reset/, /too late/]);
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
  stallMs: moment,
  stalledMs: fc.oneof(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 0, max: 40_000 }), fc.constant(never)),
  failAt: fc.oneof({ weight: 8, arbitrary: fc.constant(never) }, fc.integer({ min: 0, max: 90 })),
  failingMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 40_000 }), fc.constant(never)),
  mutedMs: moment,
  mutedForMs: fc.oneof(fc.integer({ min: 0, max: 40_000 }), fc.constant(never)),
  fault: fc.constant('EIO: the disk is broken'),
  lastLine: fc.constantFrom('lost', 'whole'),
  disarmFails: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
  stepMs: moment,
  stepByMs: fc.oneof(fc.integer({ min: -5_000, max: 5_000 }), fc.integer({ min: -4_000_000, max: 4_000_000 })),
  offMs: fc.integer({ min: 0, max: 1_200_000 }),
  bootMs: fc.integer({ min: 1_000, max: 200_000 }),
  wallErrorMs: fc.integer({ min: -1_100, max: 1_100 }),
  boardClockErrorMs: fc.option(fc.integer({ min: 0, max: 3_000 })),
  rounds: fc.constant((seconds: number) => seconds),
});

/** Not better than the truth. */
function isTrue(nature: Nature, course: Awaited<ReturnType<typeof verdictIn>>): boolean {
  const { validation, end, silentMs, resetMs, lastPetMs, disarmedMs } = course;
  if (validation === null || validation.verdict === 'unfinished') return true;
  const sincePetMs = silentMs - (lastPetMs ?? 0);
  // The run may fail after the wait, with a storage that cannot take its last word.
  const isWaitOver = Math.min(silentMs, disarmedMs ?? never) - (lastPetMs ?? 0) >= 40_000;
  if (validation.verdict === 'did-not-reset') return isWaitOver && resetMs === null;
  const { kappa, measuredMs, uncertaintyMs } = validation;
  if (kappa === null || measuredMs === null || uncertaintyMs === null || lastPetMs === null) return false;
  // Nothing but a machine that went down as if by the watchdog looks as if it had.
  const inTime = Math.abs(sincePetMs - measuredMs) <= uncertaintyMs + 1 && sincePetMs < kappa * 10_000 + 2_000;
  const byWatchdog = resetMs !== null && resetMs === silentMs;
  return end === 'down' && inTime && (!byWatchdog || kappa === nature.kappa);
}

/**
 * Two faults: power, kernel or command were gone, or the clock was set, before a storage that had stalled or failed could
 * be told of the end.
 */
function isEndedUnheard({ stallMs, stalledMs, powerLossMs, hangMs, killMs, stepMs }: Nature, course: Course): boolean {
  const { steps, said, downMs } = course;
  const unheard = said.some((text) => /^interrupted: /.test(text)) && !steps.some(({ step }) => step === 'interrupted');
  return (unheard || stallMs + stalledMs >= downMs) && Math.min(powerLossMs, hangMs, killMs, stepMs) <= downMs;
}

function propertyOf(arbitrary: fc.Arbitrary<Nature>, counts: Record<string, number>, isExcused: typeof isEndedUnheard) {
  return fc.asyncProperty(arbitrary, async (nature) => {
    const course = await verdictIn(nature);
    const { validation } = course;
    const verdict = `${validation?.verdict ?? 'untried'} ${validation?.kappa ?? ''}`;
    counts[verdict] = (counts[verdict] ?? 0) + 1;
    if (isTrue(nature, course)) return true;
    counts.excused = (counts.excused ?? 0) + 1;
    return isExcused(nature, course);
  });
}

t.test('whatever happens and whenever, the verdict is not better than the truth', async (t) => {
  const counts: Record<string, number> = {};
  await fc.assert(propertyOf(natures, counts, isEndedUnheard), { numRuns: 4_000, endOnFailure: true });
  t.comment(JSON.stringify(counts));
  for (const seen of ['resets 1', 'resets 2', 'did-not-reset ', 'unfinished ', 'untried '])
    t.ok((counts[seen] ?? 0) > 10, seen);
  t.ok((counts.excused ?? 0) < 40, 'two faults at once, of which the first has silenced the storage for good');
});

t.test('storage that stalls or fails, whenever and for however long, never makes a verdict better', async (t) => {
  const counts: Record<string, number> = {};
  const soundNature = { powerLossMs: never, hangMs: never, killMs: never, stepMs: never };
  const due = fc.integer({ min: Math.floor(petMs), max: Math.ceil(petMs) + 22_000 });
  const stalls = fc
    .tuple(natures, fc.option(due, { freq: 10, nil: never }), fc.constantFrom(1, 2, 2, never))
    .map(([nature, stallMs, kappa]): Nature => ({ ...nature, ...soundNature, stallMs, kappa }));
  await fc.assert(
    propertyOf(stalls, counts, () => false),
    { numRuns: 3_000, endOnFailure: true },
  );
  t.comment(JSON.stringify(counts));
  for (const seen of ['resets 1', 'resets 2', 'unfinished ']) t.ok((counts[seen] ?? 0) > 10, seen);
});

t.test('undisturbed, every watchdog that may be used gets its verdict', async (t) => {
  await fc.assert(
    fc.asyncProperty(natures, fc.constantFrom(1 as const, 2 as const), async (nature, kappa) => {
      const undisturbed = {
        powerLossMs: never,
        hangMs: never,
        killMs: never,
        signalMs: never,
        stallMs: never,
        failAt: never,
        stepMs: never,
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
