import t from 'tap';
import { apply, type ClusterState, type Command, emptyState } from '../src/core/cluster-state.js';
import { waitsFor } from '../src/core/dependencies.js';
import type { Effect } from '../src/core/effects.js';
import { follow, newLrm } from '../src/core/lrm.js';
import { allStopped, results } from '../src/core/lrm-report.js';
import { PlacementContext } from '../src/core/placement-context.js';
import { newProtection, protect } from '../src/core/protection.js';

/** vm:1 on its way from node 1 to node 2; returns the state and the next index of the log. */
function onItsWay(): { state: ClusterState; index: number } {
  const state = emptyState();
  const settings = { maxRestart: 1, maxRelocate: 1, failback: true, autoRebalance: true, group: null, priority: 0 };
  const needs = { requires: [], after: [], cpus: 0, memoryMiB: 0 };
  const common = { agent: 'test', parameters: {}, requested: 'started', comment: '' } as const;
  const memo = { failedNodeIds: [], maintenanceNodeId: null, failedMoves: 0, failedStarts: 0 };
  const move = (expectUid: number, to: 'started' | 'migrate', targetId: number | null): Command => {
    return { type: 'service-state', sid: 'vm:1', expectUid, state: to, nodeId: 1, targetId, memo, reason: 'test' };
  };
  const commands: Command[] = [
    { type: 'node-up', nodeId: 1, name: 'a', bootId: 'boot-a', fenceBoundMs: 15_000 },
    { type: 'node-up', nodeId: 2, name: 'b', bootId: 'boot-b', fenceBoundMs: 15_000 },
    { type: 'resource-add', sid: 'vm:1', nodeId: null, ...common, ...settings, ...needs },
    move(3, 'started', null),
    move(4, 'migrate', 2),
  ];
  commands.forEach((command, i) => {
    const result = apply(state, command, i + 1);
    if (!result.ok) throw new Error(result.message);
  });
  return { state, index: commands.length + 1 };
}

t.test('when the source of a move is fenced, the target has to look again', async (t) => {
  const { state, index } = onItsWay();
  const before = state.services['vm:1'];
  t.ok(apply(state, { type: 'node-fenced', nodeId: 1, bootId: 'boot-a', proof: 'reboot' }, index).ok);
  const after = state.services['vm:1'];
  t.match(after, { state: 'fence', targetId: 2, targetBootId: 'boot-b' });
  t.not(after?.uid, before?.uid, 'an answer to the former request would be taken for one to this');
});

t.test('when the source of a move has let go after it was given up, the target has to look again', async (t) => {
  const { state, index } = onItsWay();
  const uid = state.services['vm:1']?.uid ?? 0;
  const memo = { failedNodeIds: [], maintenanceNodeId: null, failedMoves: 0, failedStarts: 0 };
  const lost = { sid: 'vm:1', expectUid: uid, state: 'fence', nodeId: 1, targetId: 2, memo, reason: 'lost' } as const;
  t.ok(apply(state, { type: 'service-state', ...lost }, index).ok);
  t.ok(apply(state, { type: 'node-released', nodeId: 1, bootId: 'boot-a' }, index + 1).ok);
  t.match(state.services['vm:1'], { state: 'fence', uid: index + 1, targetId: 2 });
});

t.test('a node that something is moved to does not say that nothing runs there', async (t) => {
  const { state } = onItsWay();
  const lrm = newLrm(2, 'boot-b');
  t.ok(allStopped(lrm));
  lrm.incoming = Object.values(state.services);
  t.notOk(allStopped(lrm));
});

t.test('what was found broken before it could leave says that it has stayed', async (t) => {
  const { state, index } = onItsWay();
  const lrm = newLrm(1, 'boot-a');
  follow(lrm, state, index);
  const unit = lrm.units.get('vm:1');
  if (unit === undefined) throw new Error('no unit');
  unit.condition = 'broken';
  t.same(results(lrm, true), [], 'its stop is still to be tried');
  unit.failure = 'stop failed: it hangs';
  t.match(results(lrm, true), [{ sid: 'vm:1', outcome: 'running', detail: 'stop failed: it hangs' }]);
});

t.test('nobody is started after what cannot be started', async (t) => {
  const { state } = onItsWay();
  const service = state.services['vm:1'];
  if (service === undefined) throw new Error('no service');
  const waiting = { ...service, sid: 'vm:2', state: 'request_start', nodeId: null, bootId: null } as const;
  state.services['vm:2'] = waiting;
  const last = { ...waiting, sid: 'vm:3', after: ['vm:2'] };
  t.match(waitsFor(state, last), /started after vm:2/);
  state.services['vm:2'] = { ...waiting, requires: ['vm:9'] };
  t.equal(waitsFor(state, last), null);
});

t.test('what is to be started at home does not keep others from that node', async (t) => {
  const apart = { ruleId: 'r1', sids: ['vm:1', 'vm:2'] };
  const unit = (sid: string) => ({ sids: [sid], ruleIds: [], choice: null, separations: [apart], failback: true });
  const one = unit('vm:1');
  const units = new Map([
    ['vm:1', one],
    ['vm:2', unit('vm:2')],
  ]);
  const waiting = {
    occupies: false,
    expectedNodeId: 1,
    targetNodeId: null,
    running: false,
    originNodeId: null,
  } as const;
  const services = ['vm:1', 'vm:2'].map((sid) => ({ sid, nodeId: 1, ...waiting, load: null, balanced: false }));
  const nodes = [{ nodeId: 1, name: 'a', unavailable: null, load: null, otherGuests: 0 }];
  const rules = { units, dropped: [], warnings: [] };
  const context = new PlacementContext({ rules, nodes, services, scheduling: 'basic' });
  t.equal(context.usage.services(1), 2, 'their load is counted');
  t.equal(context.isKeptApart(one, 1), false);
  context.assign('vm:2', 1);
  t.equal(context.isKeptApart(one, 1), true);
});

t.test('a lease that is renewed after the keeper has given up is of no use', async (t) => {
  const protection = { ...newProtection(false), state: 'armed' as const, givenDeadlineMs: 10_000 };
  const effects: Effect[] = [];
  const input = {
    effectiveMs: 3_000,
    leaseDeadlineMs: 17_000,
    needed: true,
    mayArm: true,
    certain: true,
    disarmed: false,
  };
  protect(protection, { ...input, nowMs: 9_999 }, effects);
  t.match(effects, [{ type: 'watchdog-extend', leaseDeadlineMs: 17_000 }]);
  protection.givenDeadlineMs = 10_000;
  protect(protection, { ...input, nowMs: 10_000 }, effects);
  t.equal(effects.length, 1);
  t.equal(protection.state as string, 'expired');
});
