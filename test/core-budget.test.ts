import t from 'tap';
import { type BudgetInput, deriveBudget, takeoverMs } from '../src/core/budget.js';
import fc from './seeded-fast-check.js';

const usual: BudgetInput = {
  fenceBoundMs: 60_000,
  kappa: 1,
  minTimeoutS: 1,
  maxTimeoutS: 0,
  tokenMs: 3_650,
  consensusMs: 4_380,
};

t.test('the budget of the design at 60 s', async (t) => {
  const budget = deriveBudget(usual);
  t.match(budget, {
    timeoutS: 6,
    effectiveMs: 6_000,
    leaseMs: 40_000,
    takeoverMs: 61_061,
    petIntervalMs: 2_000,
    problems: [],
  });
  t.match(
    deriveBudget({ ...usual, kappa: 2 }),
    { timeoutS: 3, effectiveMs: 6_000, leaseMs: 40_000 },
    'a chip that expires twice gets half the timeout',
  );
});

t.test('what does not fit is refused, with the value to change', async (t) => {
  const [problem] = deriveBudget({ ...usual, fenceBoundMs: 15_000 }).problems;
  t.match(problem, /fenceBoundMs 15000 leaves a lease of 7000 ms/);
  const needed = Number(/set fenceBoundMs to (\d+)/.exec(problem ?? '')?.[1]);
  t.equal(needed, 23_030);
  t.same(deriveBudget({ ...usual, fenceBoundMs: needed }).problems, [], 'what is named does fit');
  const slowChip = deriveBudget({
    ...usual,
    fenceBoundMs: 15_000,
    minTimeoutS: 10,
    tokenMs: 1_000,
    consensusMs: 1_200,
  });
  t.equal(slowChip.timeoutS, 10, "the device's own limits hold");
  t.equal(slowChip.problems.length, 1);
});

t.test('a dead node has been reset before any survivor stops waiting, on every device and clock', async (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 10_000, max: 600_000 }),
      fc.constantFrom<1 | 2>(1, 2),
      fc.integer({ min: 1, max: 60 }),
      fc.double({ min: -500e-6, max: 500e-6, noNaN: true }),
      fc.double({ min: -500e-6, max: 500e-6, noNaN: true }),
      (fenceBoundMs, kappa, minTimeoutS, slow, fast) => {
        const budget = deriveBudget({ ...usual, fenceBoundMs, kappa, minTimeoutS });
        if (budget.problems.length > 0) return true;
        // True time from the grant: the dying node's clock may be slow, the waiting one's fast.
        const deadByMs = (budget.leaseMs + 3 * budget.effectiveMs) / (1 + slow);
        const waitedMs = takeoverMs(fenceBoundMs) / (1 + fast);
        const petsInTime =
          budget.petIntervalMs <= budget.timeoutS * 500 && budget.petIntervalMs * 2 <= budget.effectiveMs;
        return deadByMs < waitedMs && deadByMs <= fenceBoundMs && petsInTime;
      },
    ),
    { numRuns: 5_000 },
  );
  t.pass();
});
