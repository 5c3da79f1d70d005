import t from 'tap';
import { planConfirmOff, planMaintenance, planMove } from '../src/agent/cluster-changes.js';
import type { ChangeContext } from '../src/agent/planned-change.js';
import { planGroup, planGroupRemove, planRule, planRuleRemove } from '../src/agent/policy-changes.js';
import { planAdd, planRemove, planSet, planStop } from '../src/agent/resource-changes.js';
import { apply, type ClusterState, type Command, emptyState } from '../src/core/cluster-state.js';
import type { LrmReport } from '../src/core/messages.js';
import type { Rule } from '../src/core/rules.js';
import { add } from './fixtures/add-resource.js';

/** What is checked of a change before it is asked for. */

const lrm: LrmReport = {
  results: [],
  strays: [],
  probedThrough: 0,
  canRun: true,
  active: true,
  mode: 'active',
  leaving: false,
  empty: false,
  released: false,
  migratesLive: [],
  revision: 1,
};
const memo = { failedStarts: 0, failedNodeIds: [], maintenanceNodeId: null, failedMoves: 0 };
const common = { disabled: false, comment: '' };

class Cluster {
  readonly state: ClusterState = emptyState();
  readonly lrms = new Map<number, LrmReport>();
  #index = 0;

  constructor(nodes = 3) {
    for (let nodeId = 1; nodeId <= nodes; nodeId++) {
      this.apply({ type: 'node-up', nodeId, name: `node${nodeId}`, bootId: `b${nodeId}`, fenceBoundMs: 60_000 });
      this.lrms.set(nodeId, lrm);
    }
  }

  apply(command: Command): number {
    this.#index += 1;
    const result = apply(this.state, command, this.#index);
    if (!result.ok) throw new Error(result.message);
    return this.#index;
  }

  /** A resource that runs on that node. */
  run(sid: string, nodeId: number, settings: Partial<Command & { type: 'resource-add' }> = {}): void {
    const expectUid = this.apply({ ...add(sid), agent: '', ...settings });
    const reason = 'placed';
    const uid = this.apply({
      type: 'service-state',
      sid,
      expectUid,
      state: 'started',
      nodeId,
      targetId: null,
      memo,
      reason,
    });
    this.apply({ type: 'service-running', sid, uid });
  }

  rule(rule: Rule): void {
    this.apply({ type: 'rule-set', mode: 'add', rule });
  }

  get context(): ChangeContext {
    const driver = { type: 'vm', validate: async () => undefined, run: unused, monitorIntervalMs: unused };
    return {
      state: this.state,
      nodeNames: Object.values(this.state.nodes).map((node) => node.name),
      drivers: new Map([['vm', driver]]),
      lrmOf: (nodeId) => this.lrms.get(nodeId) ?? null,
    };
  }
}

const unused = (): never => {
  throw new Error('nobody runs anything here');
};

const move = (sid: string, node: string, kind: 'migrate' | 'relocate' = 'migrate') =>
  ({ type: 'move', sid, node, kind }) as const;

t.test('a move is ordered, of a resource named by its number too', async (t) => {
  const cluster = new Cluster();
  cluster.run('vm:100', 1);
  t.same(planMove(cluster.context, move('100', 'node2', 'relocate')), {
    command: { type: 'resource-move', sid: 'vm:100', kind: 'relocate', nodeId: 2 },
    subject: 'vm:100',
    warnings: [],
    comigrated: [],
  });
  t.match(planMove(cluster.context, move('vm:100', 'node2')).warnings, [/vm:100 is stopped and started/]);
  cluster.lrms.set(1, { ...lrm, migratesLive: ['vm'] });
  t.same(planMove(cluster.context, move('vm:100', 'node2')).warnings, []);
});

t.test('a move to what cannot take it is refused', async (t) => {
  const cluster = new Cluster(4);
  cluster.run('vm:100', 1);
  cluster.run('ct:7', 1);
  cluster.run('vm:7', 1);
  const refused = (sid: string, node: string, code: string, message: RegExp) =>
    t.throws(() => planMove(cluster.context, move(sid, node)), { code, message }, `${sid} to ${node}`);
  refused('vm:100', 'node1', 'HF_EXISTS', /is on node1 already/);
  refused('vm:100', 'nod2', 'HF_NOT_FOUND', /no node nod2: did you mean node\d\?/);
  refused('vm:101', 'node2', 'HF_NOT_FOUND', /did you mean vm:100\?/);
  refused('7', 'node2', 'HF_ARGUMENT', /7 may be ct:7 or vm:7/);
  cluster.apply({ type: 'node-state', nodeId: 2, state: 'unknown' });
  refused('vm:100', 'node2', 'HF_CONFLICT', /node2: it is not online/);
  cluster.apply({ type: 'node-maintenance', nodeId: 3, enabled: true });
  refused('vm:100', 'node3', 'HF_CONFLICT', /in maintenance: .*'holdfast maintenance disable node3'/);
  cluster.lrms.set(4, { ...lrm, mode: 'shutdown' });
  refused('vm:100', 'node4', 'HF_CONFLICT', /about to go down/);
  cluster.lrms.set(4, { ...lrm, canRun: false });
  refused('vm:100', 'node4', 'HF_CONFLICT', /may not run services/);
  cluster.lrms.set(4, lrm);
  t.equal(planMove(cluster.context, move('vm:100', 'node4')).subject, 'vm:100');
  cluster.apply({ type: 'disarm', mode: 'freeze' });
  refused('vm:100', 'node4', 'HF_CONFLICT', /disarmed: arm it first/);
});

t.test('what is lost, in error, being removed or ignored is not moved', async (t) => {
  const cluster = new Cluster();
  const become = (sid: string, state: 'fence' | 'error' | 'freeze') => {
    cluster.run(sid, 1);
    const expectUid = cluster.state.services[sid]?.uid ?? 0;
    cluster.apply({ type: 'service-state', sid, expectUid, state, nodeId: 1, targetId: null, memo, reason: 'x' });
  };
  become('vm:1', 'fence');
  become('vm:2', 'error');
  become('vm:3', 'freeze');
  cluster.run('vm:4', 1);
  cluster.apply({ type: 'resource-remove', sid: 'vm:4', purge: false });
  cluster.run('vm:5', 1);
  cluster.apply({ type: 'resource-set', sid: 'vm:5', changes: { requested: 'ignored' }, unset: [] });
  for (const [sid, message] of [
    ['vm:1', /its node is lost/],
    ['vm:2', /it is in error: mend it/],
    ['vm:3', /waits for its node/],
    ['vm:4', /being removed/],
    ['vm:5', /it is ignored/],
  ] as const) {
    t.throws(() => planMove(cluster.context, move(sid, 'node2')), { code: 'HF_CONFLICT', message });
  }
});

t.test('rules have their say in a move', async (t) => {
  const cluster = new Cluster(4);
  for (const [sid, node] of [
    ['vm:1', 1],
    ['vm:2', 1],
    ['vm:3', 2],
    ['vm:4', 3],
    ['vm:5', 1],
  ] as const)
    cluster.run(sid, node);
  cluster.rule({
    ...common,
    id: 'together',
    type: 'resource-affinity',
    affinity: 'positive',
    resources: ['vm:1', 'vm:2'],
  });
  cluster.rule({
    ...common,
    id: 'apart',
    type: 'resource-affinity',
    affinity: 'negative',
    resources: ['vm:2', 'vm:3'],
  });
  const strict = { ...common, type: 'node-affinity', affinity: 'positive' } as const;
  cluster.rule({
    ...strict,
    id: 'pin',
    resources: ['vm:4'],
    strict: true,
    nodes: [
      { name: 'node3', priority: 0 },
      { name: 'node4', priority: 0 },
    ],
  });
  cluster.rule({ ...strict, id: 'like', resources: ['vm:5'], strict: false, nodes: [{ name: 'node1', priority: 0 }] });
  const refusal = (sid: string, node: string) => {
    try {
      planMove(cluster.context, move(sid, node));
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  };
  t.same(planMove(cluster.context, move('vm:1', 'node4')).comigrated, ['vm:2']);
  t.match(refusal('vm:1', 'node2'), /vm:3 is there, and rule apart keeps them apart: move vm:3 first/, 'of a mate');
  cluster.apply({ type: 'resource-move', sid: 'vm:3', kind: 'migrate', nodeId: 4 });
  t.match(refusal('vm:2', 'node4'), /vm:3 is on its way there/);
  t.match(refusal('vm:4', 'node1'), /rule pin allows only node3, node4/);
  t.equal(refusal('vm:4', 'node4'), null);
  t.match(planMove(cluster.context, move('vm:5', 'node2')).warnings.at(-1), /rule like prefers node1: it goes back/);
  cluster.apply({ type: 'rule-remove', id: 'like' });
  cluster.rule({ ...strict, id: 'far', resources: ['vm:5'], strict: false, nodes: [{ name: 'node9', priority: 0 }] });
  t.notMatch(planMove(cluster.context, move('vm:5', 'node2')).warnings, [/node9/], 'nothing goes to what is not there');
});

t.test('rules are checked when they are made', async (t) => {
  const cluster = new Cluster();
  cluster.run('vm:1', 1);
  cluster.run('vm:2', 2);
  const ruleAdd = { type: 'rule-add', id: 'pair', force: false } as const;
  const together = {
    ruleType: 'resource-affinity',
    options: { affinity: 'positive', resources: ['1', 'vm:2'] },
  } as const;
  const planned = planRule(cluster.context, { ...ruleAdd, ...together });
  t.same(planned.command, {
    type: 'rule-set',
    mode: 'add',
    rule: { ...common, id: 'pair', type: 'resource-affinity', affinity: 'positive', resources: ['vm:1', 'vm:2'] },
  });
  cluster.apply(planned.command);
  const apart = { ...together, options: { ...together.options, affinity: 'negative' } } as const;
  const opposed = { ...ruleAdd, ...apart, id: 'q' };
  t.throws(() => planRule(cluster.context, opposed), {
    code: 'HF_CONFLICT',
    message: /^rules pair and q: q keeps vm:1 and vm:2 apart and pair keeps them together, so [^;]*$/,
  });
  t.ok(planRule(cluster.context, { ...opposed, force: true }).warnings.length > 0, 'forced, it is a warning');
  t.same(
    planRule(cluster.context, { ...opposed, options: { ...apart.options, disabled: true } }).command.type,
    'rule-set',
  );
  const cases: readonly (readonly [() => unknown, string, RegExp])[] = [
    [() => planRule(cluster.context, { ...ruleAdd, ...together }), 'HF_EXISTS', /exists already/],
    [
      () => planRule(cluster.context, { ...ruleAdd, id: 'x', ruleType: 'resource-affinity', options: {} }),
      'HF_ARGUMENT',
      /needs --affinity/,
    ],
    [
      () =>
        planRule(cluster.context, { ...ruleAdd, id: 'x', ruleType: 'node-affinity', options: { resources: ['vm:1'] } }),
      'HF_CONFLICT',
      /names no node/,
    ],
    [
      () =>
        planRule(cluster.context, { type: 'rule-set', id: 'pair', options: { strict: true }, unset: [], force: false }),
      'HF_ARGUMENT',
      /strict belongs to node-affinity/,
    ],
    [
      () =>
        planRule(cluster.context, {
          type: 'rule-set',
          id: 'pair',
          ruleType: 'node-affinity',
          options: {},
          unset: [],
          force: false,
        }),
      'HF_ARGUMENT',
      /is of type resource-affinity/,
    ],
    [
      () => planRule(cluster.context, { type: 'rule-set', id: 'pair', options: {}, unset: ['affinity'], force: false }),
      'HF_ARGUMENT',
      /cannot unset 'affinity'/,
    ],
    [
      () => planRule(cluster.context, { type: 'rule-set', id: 'pairs', options: {}, unset: [], force: false }),
      'HF_NOT_FOUND',
      /did you mean pair\?/,
    ],
    [
      () => planRuleRemove(cluster.context, { type: 'rule-remove', id: 'constructor' }),
      'HF_NOT_FOUND',
      /no rule constructor/,
    ],
  ];
  for (const [plan, code, message] of cases) t.throws(plan, { code, message });
  const set = planRule(cluster.context, {
    type: 'rule-set',
    id: 'pair',
    options: { comment: 'c' },
    unset: [],
    force: false,
  });
  t.match(set.command, { mode: 'set', rule: { resources: ['vm:1', 'vm:2'], affinity: 'positive', comment: 'c' } });
});

t.test('groups keep what is not said', async (t) => {
  const cluster = new Cluster();
  const nodes = [{ name: 'node1', priority: 0 }];
  const group = { type: 'group-add', name: 'web', options: { nodes, restricted: true } } as const;
  const added = planGroup(cluster.context, group);
  t.match(added.command, { mode: 'add', group: { nodes, restricted: true, nofailback: false, comment: '' } });
  cluster.apply(added.command);
  const changed = planGroup(cluster.context, {
    type: 'group-set',
    name: 'web',
    options: { comment: 'c' },
    unset: ['restricted'],
  });
  t.match(changed.command, { mode: 'set', group: { nodes, restricted: false, comment: 'c' } });
  const strange = planGroup(cluster.context, {
    ...group,
    name: 'h',
    options: { nodes: [{ name: 'node9', priority: 1 }] },
  });
  t.match(strange.warnings, [/no node node9/]);
  t.throws(() => planGroup(cluster.context, { ...group, options: {} }), {
    code: 'HF_ARGUMENT',
    message: /needs nodes/,
  });
  t.throws(() => planGroupRemove(cluster.context, { type: 'group-remove', name: 'webs' }), {
    message: /did you mean web\?/,
  });
});

t.test('resources are named as they are, and told of rules that they stay in', async (t) => {
  const cluster = new Cluster();
  cluster.run('vm:1', 1);
  cluster.run('vm:2', 2);
  cluster.rule({ ...common, id: 'r', type: 'resource-affinity', affinity: 'negative', resources: ['vm:1', 'vm:2'] });
  const { context } = cluster;
  t.match(planRemove(context, { type: 'remove', sid: '1', purge: false }), {
    command: { sid: 'vm:1', purge: false },
    warnings: [/stays in the rules r: --purge takes it out/],
  });
  t.same(planRemove(context, { type: 'remove', sid: '1', purge: true }).warnings, []);
  t.match(planStop(context, { type: 'stop', sid: '2', timeoutS: 5 }).command, { sid: 'vm:2', timeoutS: 5 });
  const depends = await planSet(context, {
    type: 'set',
    sid: 'vm:2',
    options: { requires: ['1', 'vm:1'] },
    unset: ['group', 'failback'],
  });
  t.match(depends.command, { changes: { requires: ['vm:1'], group: null, failback: true } });
  const added = await planAdd(context, { type: 'add', sid: 'vm:9', options: {}, node: 'node2' });
  t.match(added.command, { nodeId: 2, agent: '', requested: 'started' }, 'machines need no agent');
  await t.rejects(planAdd(context, { type: 'add', sid: 'vm:9', options: { after: ['vm:8'] } }), {
    code: 'HF_NOT_FOUND',
  });
});

t.test('maintenance and the word that a machine is off', async (t) => {
  const cluster = new Cluster();
  const maintenance = { type: 'maintenance', node: 'node2' } as const;
  t.throws(() => planMaintenance(cluster.context, { ...maintenance, enabled: false }), { code: 'HF_EXISTS' });
  cluster.apply(planMaintenance(cluster.context, { ...maintenance, enabled: true }).command);
  t.equal(cluster.state.nodes[2]?.maintenance, true);
  t.throws(() => planMaintenance(cluster.context, { ...maintenance, enabled: true }), { code: 'HF_EXISTS' });
  const off = { type: 'confirm-off', node: 'node3' } as const;
  t.throws(() => planConfirmOff(cluster.context, off), { code: 'HF_CONFLICT', message: /node3 is online/ });
  cluster.apply({ type: 'node-state', nodeId: 3, state: 'unknown' });
  const { command } = planConfirmOff(cluster.context, off);
  t.same(command, { type: 'node-fenced', nodeId: 3, bootId: 'b3', proof: 'operator' });
  cluster.apply(command);
  t.throws(() => planConfirmOff(cluster.context, off), { code: 'HF_EXISTS' });
});
