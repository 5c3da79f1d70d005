import t from 'tap';
import type { ScenarioOutcome } from '../src/sim/scenario.js';
import type { Difference } from '../src/sim/scenario-differences.js';
import { type Expectation, judge } from '../src/sim/scenario-suite.js';

const outcome: ScenarioOutcome = {
  end: 720,
  services: { 'vm:1': { node: 'node1', state: 'started', running: ['node1'] } },
  fenced: ['node3'],
  reset: [],
  violations: [],
  unmanaged: {},
  notes: [],
};
const same: Expectation = { services: { 'vm:1': { node: 'node1', state: 'started' } }, fenced: ['node3'], reset: [] };
const other: Expectation = { ...same, services: { 'vm:1': { node: 'node2', state: 'started' } } };
const entry = (ours: Difference['ours']): Difference => ({ scenario: 'a', peer: 'x', ours, why: 'y' });

t.test('what ends as expected', async (t) => {
  t.match(judge('a', outcome, same, []), { verdict: 'as expected', problems: [], difference: null });
});

t.test('each thing that differs is named', async (t) => {
  const expected: Expectation = {
    services: { 'vm:2': { node: 'node1', state: 'stopped' } },
    fenced: [],
    reset: ['node1'],
  };
  const { verdict, problems } = judge('a', outcome, expected, []);
  t.equal(verdict, 'differs');
  t.strictSame(problems, [
    'vm:1: node1 started instead of not there',
    'vm:2: not there instead of node1 stopped',
    'fenced: node3 instead of nobody',
    'reset: nobody instead of node1',
  ]);
});

t.test('where it truly runs is compared if it is said', async (t) => {
  const running = (nodes: string[]): Expectation => ({
    ...same,
    services: { 'vm:1': { node: 'node1', state: 'started', running: nodes } },
  });
  t.equal(judge('a', outcome, running(['node1']), []).verdict, 'as expected');
  t.strictSame(judge('a', outcome, running([]), []).problems, ['vm:1 runs node1 instead of nowhere']);
});

t.test('a difference in the table has to come about, and nothing else', async (t) => {
  t.equal(judge('a', outcome, other, [entry({ services: { 'vm:1': 'node1 started' } })]).verdict, 'differs on purpose');
  t.equal(judge('a', outcome, other, [entry({ services: { 'vm:1': '* started' } })]).verdict, 'differs on purpose');
  t.equal(judge('a', outcome, other, [entry({ services: { 'vm:1': 'node3 started' } })]).verdict, 'differs');
  t.equal(judge('a', outcome, other, [entry({ services: { 'vm:1': null } })]).verdict, 'differs');
  t.equal(judge('a', outcome, other, [entry({ fenced: [] })]).verdict, 'differs');
  t.equal(judge('b', outcome, other, [entry({ services: { 'vm:1': 'node1 started' } })]).verdict, 'differs');
  const { verdict, problems } = judge('a', outcome, same, [entry({ services: { 'vm:1': 'node1 started' } })]);
  t.equal(verdict, 'differs');
  t.match(problems, [/ends as the peer does/]);
});

t.test('a difference that was only predicted may not come about, but nothing else may either', async (t) => {
  const predicted: Difference = { ...entry({ services: { '*': '* started' } }), predicted: true };
  t.equal(judge('a', outcome, same, [predicted]).verdict, 'as expected');
  t.equal(judge('a', outcome, other, [predicted]).verdict, 'differs on purpose');
  t.equal(judge('a', outcome, { ...other, fenced: [] }, [predicted]).verdict, 'differs');
  const elsewhere: Difference = { ...predicted, ours: { services: { '*': '*' } } };
  t.equal(judge('a', outcome, other, [elsewhere]).verdict, 'differs on purpose');
  const stopped = { 'vm:1': { node: 'node2', state: 'stopped' } };
  t.strictSame(judge('a', outcome, { ...other, services: stopped }, [elsewhere]).problems, [
    'vm:1: node1 started instead of * stopped',
  ]);
  t.strictSame(judge('a', outcome, { ...other, services: {} }, [elsewhere]).problems, [
    'vm:1: node1 started instead of not there',
  ]);
});

t.test('a broken rule is never as expected', async (t) => {
  const broken = { ...outcome, violations: ['runs-twice: vm:1'] };
  t.match(judge('a', broken, same, []), { verdict: 'differs', problems: ['violation: runs-twice: vm:1'] });
});
