import t from 'tap';
import { parseSeeds, summary } from '../src/cli/fuzz.js';
import { FuzzCampaign } from '../src/cli/fuzz-campaign.js';
import { type ClusterState, type Command, emptyState, type ServiceRecord } from '../src/core/cluster-state.js';
import type { Rule } from '../src/core/rules.js';
import { type Fault, scheduleLine, type TimedFault } from '../src/sim/fault.js';
import { type FuzzPlan, newPlan } from '../src/sim/fuzz-plan.js';
import { runPlan } from '../src/sim/fuzz-run.js';
import { shrink } from '../src/sim/fuzz-shrink.js';
import { breachAt, PlacementJudge, rulesInForce } from '../src/sim/rule-invariants.js';
import { add, defaultSettings } from './fixtures/add-resource.js';

t.test('a plan follows from its seed, and the run from the plan', async (t) => {
  t.same(newPlan(17), newPlan(17));
  t.not(JSON.stringify(newPlan(17).faults), JSON.stringify(newPlan(18).faults));
  const drawn = newPlan(23);
  t.same(newPlan(23, drawn.nodes.length), drawn, 'a replay that names the number of nodes is the same run');
  t.same(await runPlan(newPlan(17)), await runPlan(newPlan(17)));
});

t.test('some seeds break no rule', async (t) => {
  for (let seed = 700_000; seed < 700_080; seed++) {
    const { violation } = await runPlan(newPlan(seed));
    if (violation !== null) t.fail(`seed ${seed}: ${violation.rule}: ${violation.text}`);
  }
});

/** Agents believe that their watchdogs reset in half the time; the keeper stalls, and the agent dies, when that matters. */
function withLyingWatchdogs(): FuzzPlan {
  const plan = newPlan(1, 3);
  const faults: TimedFault[] = [
    { atMs: 4_000, fault: { kind: 'ask', node: 1, command: add('vm:1') } },
    ...[1, 2, 3].map((node) => ({ atMs: 4_000, fault: { kind: 'reset-broken', node, broken: true } }) as const),
    { atMs: 10_000, fault: { kind: 'partition', groups: [[1], [2], [3]] } },
    { atMs: 15_400, fault: { kind: 'stall-keeper', node: 1, whileMs: 3_300 } },
    { atMs: 22_500, fault: { kind: 'kill-agent', node: 1, restartMs: null } },
    { atMs: 40_000, fault: { kind: 'heal' } },
  ];
  const nodes = plan.nodes.map((node) => ({ ...node, kappa: 2, kappaTold: 1 }) as const);
  return { ...plan, sids: ['vm:1'], nodes, fenceBoundMs: 15_000, network: {}, faults, faultsEndMs: 60_000 };
}

t.test('a broken rule is found, and its schedule is shortened', async (t) => {
  const plan = withLyingWatchdogs();
  const { violation } = await runPlan(plan);
  t.match(violation, { rule: 'outlives-bound' });
  if (violation === null) return;
  const shorter = await shrink(plan, violation);
  t.equal(shorter.violation.rule, violation.rule);
  const kinds = shorter.plan.faults.map(({ fault }) => fault.kind);
  t.ok(kinds.includes('partition') && kinds.includes('stall-keeper'), kinds.join(' '));
  t.notOk(kinds.includes('heal'));
  t.equal((await runPlan(shorter.plan)).violation?.rule, violation.rule, 'what is printed does it again');
});

t.test('what does not exist is not put anywhere by hand', async (t) => {
  const missing = 'fa:100010';
  const ask = (command: Command): Fault => ({ kind: 'ask', node: 1, command });
  const set = (requested: 'stopped' | 'ignored'): Fault =>
    ask({ type: 'resource-set', sid: missing, changes: { requested }, unset: [] });
  const faults: TimedFault[] = [
    { atMs: 4_000, fault: ask(add(missing)) },
    { atMs: 8_000, fault: set('ignored') },
    { atMs: 12_000, fault: { kind: 'by-hand', node: 2, sid: missing } },
    { atMs: 13_000, fault: set('stopped') },
  ];
  const { violation } = await runPlan({ ...newPlan(1, 3), sids: [missing], faults, faultsEndMs: 16_000 });
  t.equal(violation, null, 'its agent says everywhere that nothing runs: nobody could find it');
});

/** Started on node2 beside what was put on node1 by hand, which is cut off then and comes back. */
function besideWhatNobodySaw(then: readonly TimedFault[]): FuzzPlan {
  const set = (requested: 'started' | 'ignored'): Fault =>
    ask({ type: 'resource-set', sid: 'vm:1', changes: { requested }, unset: [] });
  const faults: TimedFault[] = [
    { atMs: 4_000, fault: ask({ ...add('vm:1'), nodeId: 2 }) },
    { atMs: 10_000, fault: set('ignored') },
    { atMs: 11_900, fault: { kind: 'by-hand', node: 1, sid: 'vm:1' } },
    { atMs: 12_000, fault: { kind: 'partition', groups: [[1], [2, 3]] } },
    { atMs: 18_000, fault: set('started') },
    { atMs: 26_000, fault: { kind: 'heal' } },
  ];
  const plan = { ...newPlan(1, 3), sids: ['vm:1'], fenceBoundMs: 60_000, network: {} };
  return { ...plan, faults: [...faults, ...then], faultsEndMs: 48_000 };
}

function ask(command: Command): Fault {
  return { kind: 'ask', node: 2, command };
}

t.test('what was put by hand where nobody could see it is as unseen after a move of what was started', async (t) => {
  const move: Command = { type: 'resource-move', sid: 'vm:1', kind: 'migrate', nodeId: 3 };
  const { violation } = await runPlan(besideWhatNobodySaw([{ atMs: 32_000, fault: ask(move) }]));
  t.equal(violation, null);
});

t.test('what was put by hand where nobody could see it runs twice also after it was found on both nodes', async (t) => {
  const disarmed: TimedFault[] = [
    { atMs: 32_000, fault: ask({ type: 'disarm', mode: 'ignore' }) },
    { atMs: 40_000, fault: ask({ type: 'arm' }) },
  ];
  const { violation } = await runPlan(besideWhatNobodySaw(disarmed));
  t.equal(violation, null);
});

/** Ignored where it runs, taken out of care there or not, and asked for again when that node is out of reach. */
function leftRunning(isRemoved: boolean): FuzzPlan {
  const ask = (command: Command): Fault => ({ kind: 'ask', node: 2, command });
  const set = (requested: 'started' | 'ignored'): Fault =>
    ask({ type: 'resource-set', sid: 'vm:1', changes: { requested }, unset: [] });
  const faults: TimedFault[] = [
    { atMs: 4_000, fault: ask({ ...add('vm:1'), nodeId: 1 }) },
    { atMs: 10_000, fault: set('ignored') },
    ...(isRemoved ? [{ atMs: 11_000, fault: ask({ type: 'resource-remove', sid: 'vm:1', purge: false }) }] : []),
    { atMs: 12_000, fault: { kind: 'partition', groups: [[1], [2, 3]] } },
    { atMs: 18_000, fault: isRemoved ? ask(add('vm:1')) : set('started') },
  ];
  const plan = { ...newPlan(1, 3), sids: ['vm:1'], fenceBoundMs: 60_000, network: {} };
  return { ...plan, faults, faultsEndMs: 26_000 };
}

t.test('what was left running when it was removed is as unseen as what was put there by hand', async (t) => {
  t.equal((await runPlan(leftRunning(true))).violation, null);
  t.equal((await runPlan(leftRunning(false))).violation, null, 'where it was left is remembered until it is removed');
});

t.test('what was lost with its node is not held up by who has just come and has something of it by hand', async (t) => {
  const set = (requested: 'started' | 'ignored'): Fault =>
    ask({ type: 'resource-set', sid: 'vm:1', changes: { requested }, unset: [] });
  const faults: TimedFault[] = [
    { atMs: 4_000, fault: ask({ ...add('vm:1'), nodeId: 1 }) },
    { atMs: 10_000, fault: set('ignored') },
    { atMs: 12_000, fault: { kind: 'partition', groups: [[3], [1, 2]] } },
    { atMs: 14_000, fault: { kind: 'by-hand', node: 3, sid: 'vm:1' } },
    { atMs: 16_000, fault: set('started') },
    { atMs: 24_000, fault: { kind: 'power-off', nodes: [1] } },
    { atMs: 24_500, fault: { kind: 'power-on', nodes: [1] } },
    { atMs: 25_200, fault: { kind: 'heal' } },
  ];
  for (const seed of [1, 2, 3]) {
    const plan = { ...newPlan(seed, 3), sids: ['vm:1'], fenceBoundMs: 60_000, network: {} };
    const { violation } = await runPlan({ ...plan, faults, faultsEndMs: 40_000 });
    t.equal(violation, null, `seed ${seed}`);
  }
});

t.test('a campaign runs every seed once, on several threads', async (t) => {
  const none = (): void => undefined;
  const limits = { shrunkFindings: 1, findingsLimit: 10, onFinding: none, onProgress: none };
  const campaign = new FuzzCampaign({ from: 701_000, to: 701_039, jobs: 2, ...limits });
  const sum = await campaign.run();
  t.equal(sum.seeds, 40);
  t.ok(sum.commits > 0 && sum.simulatedMs > 0);
  t.equal(campaign.interrupted, false);
  campaign.stop();
  t.equal(campaign.interrupted, false, 'all was done when Ctrl-C came');
  const stopped = new FuzzCampaign({ from: 1, to: 1_000_000, jobs: 1, ...limits });
  stopped.stop();
  t.equal((await stopped.run()).seeds, 0, 'Ctrl-C');
  t.equal(stopped.interrupted, true);
});

t.test('what a campaign ends with, in words', async (t) => {
  const one = { seeds: 1, cpuMs: 20, simulatedMs: 3_600_000, commits: 1, declarations: 1, resets: 1, findings: [] };
  t.strictSame(summary(one, 1, false).split('\n'), [
    '1 seed, no violation',
    '1.0 cluster hours, 1 commit, 1 node declared fenced, 1 reset',
    '20.0 ms a seed',
  ]);
  const violation = { rule: 'outlives-bound', text: 'node1', atMs: 5 } as const;
  const found = { ...one, seeds: 32, resets: 2, findings: [{ seed: 7, nodes: 3, violation, steps: 1, schedule: [] }] };
  t.match(summary(found, 3_000, true), /^interrupted after 32 of 3000 seeds, 1 seed with a violation\n.*, 2 resets\n/);
});

t.test('seeds as they are typed', async (t) => {
  t.same(parseSeeds('12'), { from: 12, to: 12 });
  t.same(parseSeeds('3-9'), { from: 3, to: 9 });
  for (const text of ['', '9-3', 'x', '1-', '-5', '1-2-3', '99999999999999999']) {
    t.throws(() => parseSeeds(text), { code: 'HF_ARGUMENT' }, text);
  }
});

t.test('a schedule is readable', async (t) => {
  const fault = { kind: 'power-off', nodes: [1, 2] } as const;
  t.equal(scheduleLine({ atMs: 12_345, fault }), '   12.345 s  power off node1 node2');
});

const service = (sid: string, more: Partial<ServiceRecord>): ServiceRecord => ({
  ...defaultSettings,
  agent: 'sim',
  failedStarts: 0,
  failedNodeIds: [],
  maintenanceNodeId: null,
  failedMoves: 0,
  sid,
  state: 'started',
  nodeId: 1,
  bootId: 'boot-1',
  targetId: null,
  targetBootId: null,
  uid: 1,
  running: true,
  reason: 'test',
  removing: false,
  stopFailed: false,
  stopTimeoutS: null,
  order: null,
  addedIndex: 1,
  ...more,
});

function stateWith(rules: readonly Rule[], services: readonly ServiceRecord[]): ClusterState {
  const state = emptyState();
  for (const rule of rules) state.rules[rule.id] = rule;
  for (const each of services) state.services[each.sid] = each;
  for (const nodeId of [1, 2, 3]) {
    const common = { fencedBootIds: [], maintenance: false, releasedBootId: null, unprotected: false } as const;
    const node = { nodeId, name: `node${nodeId}`, bootId: `boot-${nodeId}`, fenceBoundMs: 15_000 };
    state.nodes[nodeId] = { ...node, ...common, state: 'online' };
  }
  return state;
}

const common = { disabled: false, comment: '' };
const apart: Rule = {
  id: 'r1',
  type: 'resource-affinity',
  resources: ['vm:1', 'vm:2'],
  affinity: 'negative',
  ...common,
};
const mates: Rule = {
  id: 'mates',
  type: 'resource-affinity',
  resources: ['vm:2', 'vm:3'],
  affinity: 'positive',
  ...common,
};
const strict: Rule = {
  id: 'r2',
  type: 'node-affinity',
  resources: ['vm:3'],
  nodes: [{ name: 'node2', priority: 0 }],
  strict: true,
  affinity: 'positive',
  ...common,
};

t.test('what strict rules forbid', async (t) => {
  const state = stateWith([apart, strict], [service('vm:1', {}), service('vm:2', { nodeId: 2 }), service('vm:3', {})]);
  const rules = rulesInForce(state);
  t.match(breachAt(state, rules, 'vm:2', 1), /rule r1 keeps vm:2 apart from vm:1/);
  t.equal(breachAt(state, rules, 'vm:2', 3), null);
  t.match(breachAt(state, rules, 'vm:3', 1), /does not allow vm:3 on node1/);
  t.equal(breachAt(state, rules, 'vm:3', 2), null);
  const moving = stateWith([apart], [service('vm:1', { state: 'migrate', targetId: 3 }), service('vm:2', {})]);
  t.match(breachAt(moving, rulesInForce(moving), 'vm:2', 3), /apart/, 'who is on the way counts');
});

t.test('new placements are judged, what stays is not', async (t) => {
  const found: string[] = [];
  const judge = new PlacementJudge(
    (text) => found.push(text),
    () => false,
  );
  const memo = { failedStarts: 0, failedNodeIds: [], maintenanceNodeId: null, failedMoves: 0 };
  const commit = (index: number, before: Partial<ServiceRecord>): void => {
    const first = stateWith([strict], [service('vm:3', before)]);
    const touch = { type: 'resource-set', sid: 'vm:3', changes: {}, unset: [] } as const;
    judge.committed({ index: index - 1, epoch: 1, command: touch, origin: null, wallMs: 0 }, first);
    const start = { type: 'service-state', sid: 'vm:3', expectUid: 1, state: 'started', nodeId: 1 } as const;
    const after = stateWith([strict], [service('vm:3', { uid: index })]);
    const command = { ...start, targetId: null, memo, reason: 'test' };
    judge.committed({ index, epoch: 1, command, origin: null, wallMs: 0 }, after);
  };
  commit(5, { state: 'fence' });
  t.same(found, [], 'it came back to where it was');
  commit(7, { state: 'recovery' });
  t.match(found, [/entry 7 places against a rule/]);
});

const onFirst: Rule = { ...strict, id: 'first', resources: ['vm:1'], nodes: [{ name: 'node1', priority: 0 }] };

t.test('what is kept apart from an ignored one waits while the mate of that one has the place', async (t) => {
  const faults: TimedFault[] = [
    { atMs: 4_000, fault: ask({ ...add('vm:2', { requested: 'ignored' }), nodeId: 1 }) },
    { atMs: 4_100, fault: ask({ type: 'rule-set', rule: { ...apart, id: 'apart' }, mode: 'add' }) },
    { atMs: 4_200, fault: ask({ type: 'rule-set', rule: mates, mode: 'add' }) },
    { atMs: 4_300, fault: ask({ type: 'rule-set', rule: onFirst, mode: 'add' }) },
    { atMs: 5_000, fault: ask({ ...add('vm:3'), nodeId: 1 }) },
    { atMs: 9_000, fault: ask(add('vm:1')) },
  ];
  const plan = { ...newPlan(1, 2), sids: ['vm:1', 'vm:2', 'vm:3'], network: {} };
  const { violation } = await runPlan({ ...plan, faults, faultsEndMs: 16_000 });
  t.equal(violation, null);
});
