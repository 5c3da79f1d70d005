import t from 'tap';
import { parseArguments } from '../src/sim/exhaustive.js';
import { coarseModel } from '../src/sim/exhaustive-model.js';
import { boundMsByKappa, type CoarseRules, coarseRules } from '../src/sim/exhaustive-rules.js';
import { type Model, type SearchResult, search } from '../src/sim/exhaustive-search.js';

function run(model: Model, faults: number, stop = () => false): SearchResult {
  const search_ = search(model, { faults, stop, progress: () => undefined });
  let step = search_.next();
  while (!step.done) step = search_.next();
  return step.value;
}

t.test('the coarse rules are the core’s, rounded in the direction that hurts', async (t) => {
  for (const kappa of [1, 2] as const) {
    const rules = coarseRules(kappa);
    t.same(rules.budget.problems, [], `kappa ${kappa}: a budget that the agent would arm on`);
    t.equal(rules.budget.fenceBoundMs, boundMsByKappa[kappa]);
    t.equal(rules.leaseSteps * 3_000, rules.budget.leaseMs);
    t.equal(rules.resetSteps * 3_000, rules.budget.effectiveMs);
    t.equal(rules.renewed(0, 1), rules.leaseSteps, 'a lease counts from the stamp');
    t.equal(rules.renewed(2, rules.leaseSteps), 2, 'and never goes back');
    t.equal(
      rules.silenceCap,
      rules.leaseSteps + 3 * rules.resetSteps + 1,
      'a takeover waits just one step longer than a node can live',
    );
  }
});

t.test('all that the network can do to a takeover, complete: no rule is broken', async (t) => {
  const result = run(coarseModel({ kappa: 1, resetWorks: true }), 0);
  t.ok(result.complete);
  t.equal(result.counterexample, null);
  t.ok(result.states > 100_000, `${result.states} states`);
});

t.test('a takeover by one clock alone is found, with the way there', async (t) => {
  const rules = coarseRules(1);
  const mayDeclare: CoarseRules['mayDeclare'] = (reports) =>
    reports.some(({ silence }) => silence === rules.silenceCap);
  const broken = { ...rules, mayDeclare };
  const { counterexample } = run(coarseModel({ kappa: 1, resetWorks: true }, broken), 0);
  t.match(counterexample?.violation, /declared fenced, and can still run the resource/);
  t.match(counterexample?.schedule.at(-1), /commits/);
});

t.test('a small model is searched to its end, once per world, by number of faults', async (t) => {
  // A counter to 9; a fault adds 10 to a second digit, and 3 faults with the counter at 5 break the rule.
  const model: Model = {
    bytes: 2,
    initial: () => [new Uint8Array([0, 0])],
    moves: (world, offer) => {
      if ((world[0] ?? 0) < 9)
        offer(
          () => 'count',
          (next) => next.set([(next[0] ?? 0) + 1]),
        );
    },
    faults: (_, offer) =>
      offer(
        () => 'FAULT',
        (next, report) => {
          next[1] = (next[1] ?? 0) + 1;
          if (next[0] === 5 && next[1] === 3) report('5 and 3');
        },
      ),
    settle: (world) => world,
  };
  const two = run(model, 2);
  t.same(
    two.layers.map((layer) => layer.states),
    [10, 10, 10],
  );
  t.ok(two.complete);
  const three = run(model, 3);
  t.equal(three.counterexample?.violation, '5 and 3');
  t.equal(three.counterexample?.schedule.length, 8);
  t.notOk(three.complete);
  t.notOk(run(model, 2, () => true).complete, 'a search that was stopped is not complete');
});

t.test('arguments', async (t) => {
  t.same(parseArguments(['--faults', '2', '--seconds', '5', '--json', '--kappa', '2', '--watchdog-only']), {
    faults: 2,
    seconds: 5,
    json: true,
    kappa: 2,
    resetWorks: false,
  });
  t.throws(() => parseArguments(['--faults']), /--faults needs a number, not nothing/);
  t.throws(() => parseArguments(['--kappa', '3']), /--kappa is 1 or 2/);
  t.throws(() => parseArguments(['--quick']), /--quick is no option/);
});
