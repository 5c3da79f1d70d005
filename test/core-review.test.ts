import t from 'tap';
import { apply, type Command, emptyState } from '../src/core/cluster-state.js';
import { cycleThrough, lostRequirement } from '../src/core/dependencies.js';
import { ReviewModel } from './core-review-model.js';
import { add } from './fixtures/add-resource.js';

/** Schedules that random runs hardly ever meet. */

type Machine = ReviewModel['machines'][number];

function machineOf(model: ReviewModel, nodeId: number): Machine {
  const machine = model.machines.find((candidate) => candidate.nodeId === nodeId);
  if (machine === undefined) throw new Error(`no node ${nodeId}`);
  return machine;
}

interface Slowness {
  /** What it begins does not end. */
  readonly busy?: number;
  /** Its watchdog is neither armed nor released. */
  readonly unarmed?: number;
}

/** Everybody present hears everything and carries it out. */
function settle(model: ReviewModel, { busy, unarmed }: Slowness = {}, rounds = 30): void {
  for (let round = 0; round < rounds; round++) {
    for (const machine of model.machines) {
      model.catchUp(machine, 1_000);
      model.act(machine);
      if (machine.nodeId !== unarmed) model.watch(machine);
      for (const [id, { operation }] of [...machine.ops])
        if (machine.nodeId !== busy || operation === 'monitor') model.finish(machine, id);
      model.act(machine);
      model.beat(machine);
    }
    model.decide();
    model.nowMs += 5_000;
  }
}

/** Drivers that never fail: the first chances of this seed are all good. */
function world(): ReviewModel {
  const model = new ReviewModel(1);
  model.chance = () => false;
  model.command({ type: 'resource-remove', sid: 'ct:2', purge: true });
  return model;
}

function request(model: ReviewModel, requested: 'started' | 'stopped' | 'ignored', sid = 'vm:1'): void {
  model.command({ type: 'resource-set', sid, changes: { requested }, unset: [] });
}

function hostOf(model: ReviewModel): number | undefined {
  return model.machines.find(({ running }) => running.has('vm:1'))?.nodeId;
}

t.test('what is ignored and looked after again while it is being started is looked for again', async (t) => {
  const model = world();
  model.command({ type: 'options-set', changes: { scheduler: 'static', rebalanceOnStart: true } });
  settle(model, { busy: 1 });
  const host = model.machines.find(({ ops }) => ops.size > 0);
  if (host === undefined) throw new Error('nobody starts it');
  request(model, 'ignored');
  settle(model, { busy: 1 }, 3);
  t.equal(model.state.services['vm:1']?.state, 'ignored');
  request(model, 'started');
  model.command(add('ct:3'));
  model.command({ type: 'node-maintenance', nodeId: host.nodeId, enabled: true });
  settle(model, { busy: 1 }, 10);
  for (const id of [...host.ops.keys()]) model.finish(host, id);
  settle(model);
  t.equal(model.violation, null);
  t.match(model.state.services['vm:1'], { state: 'started', running: true });
});

/** vm:1 runs on a node without a watchdog, for it is ignored; that node is the only one with room for ct:3. */
function unwatched(): { model: ReviewModel; host: ReviewModel['machines'][number] } {
  const model = world();
  settle(model);
  const host = machineOf(model, hostOf(model) ?? 0);
  request(model, 'ignored');
  settle(model);
  t.notOk(host.armed);
  return { model, host };
}

/** Something is given to that node, and it is lost before its watchdog is armed. */
function loseBeforeArming(model: ReviewModel, host: ReviewModel['machines'][number]): void {
  for (const { nodeId } of model.machines)
    if (nodeId !== host.nodeId) model.command({ type: 'node-maintenance', nodeId, enabled: true });
  model.command(add('ct:3'));
  settle(model, { unarmed: host.nodeId }, 3);
  t.match(model.state.services['ct:3'], { state: 'started', nodeId: host.nodeId });
  for (const { nodeId } of model.machines) model.command({ type: 'node-maintenance', nodeId, enabled: false });
  model.cut(host);
  settle(model, { unarmed: host.nodeId }, 3);
  model.wait(host);
  settle(model, { unarmed: host.nodeId });
}

t.test('the wait for a watchdog proves nothing about what was left unwatched', async (t) => {
  const { model, host } = unwatched();
  loseBeforeArming(model, host);
  t.match(model.state.services['ct:3'], { state: 'started', running: true });
  request(model, 'started');
  settle(model, { unarmed: host.nodeId });
  t.equal(model.violation, null);
  t.equal(model.state.services['vm:1']?.state, 'request_start');

  await t.test('the next boot does', async (t) => {
    model.die(host, 'power');
    model.boot(host);
    settle(model);
    t.match(model.state.services['vm:1'], { state: 'started', running: true });
  });
});

t.test('so does the operator who has seen that it is off', async (t) => {
  const { model, host } = unwatched();
  loseBeforeArming(model, host);
  request(model, 'started');
  settle(model, { unarmed: host.nodeId });
  model.die(host, 'power');
  const off: Command = { type: 'node-fenced', nodeId: host.nodeId, bootId: model.bootId(host), proof: 'operator' };
  model.command(off);
  settle(model);
  t.match(model.state.services['vm:1'], { state: 'started', running: true });
});

t.test('a node that says that nothing runs there does not speak of what is ignored', async (t) => {
  const { model, host } = unwatched();
  host.shutdown = 'shutdown';
  settle(model);
  t.ok(model.state.nodes[host.nodeId]?.releasedBootId);
  model.cut(host);
  request(model, 'started');
  settle(model);
  t.equal(model.violation, null);
  model.die(host, 'powered off');
  model.boot(host);
  settle(model);
  t.match(model.state.services['vm:1'], { state: 'started', running: true });
});

t.test('what may run unwatched out of reach is not taken elsewhere by an order', async (t) => {
  const { model, host } = unwatched();
  model.cut(host);
  request(model, 'stopped');
  settle(model);
  const nodeId = (host.nodeId % 3) + 1;
  model.command({ type: 'resource-move', sid: 'vm:1', kind: 'relocate', nodeId });
  settle(model);
  request(model, 'started');
  settle(model);
  t.equal(model.violation, null);
});

t.test('a stray that is to be stopped is given to a node only when that is protected', async (t) => {
  const model = world();
  settle(model);
  request(model, 'stopped');
  settle(model);
  const host = machineOf(model, 2);
  model.command({ type: 'resource-remove', sid: 'vm:1', purge: true });
  settle(model);
  host.running.add('vm:1');
  model.command(add('vm:1', { requested: 'stopped' }));
  settle(model, { unarmed: 2 }, 5);
  model.cut(host);
  settle(model, { unarmed: 2 }, 5);
  model.wait(host);
  settle(model, { unarmed: 2 });
  request(model, 'started');
  settle(model, { unarmed: 2 });
  t.equal(model.violation, null);
});

t.test('a stray that was seen is not forgotten with the node that runs it', async (t) => {
  const model = world();
  settle(model);
  model.command({ type: 'resource-remove', sid: 'vm:1', purge: true });
  settle(model);
  const host = machineOf(model, 2);
  host.running.add('vm:1');
  model.command(add('vm:1'));
  settle(model, { unarmed: 2 }, 5);
  model.cut(host);
  settle(model, { unarmed: 2 });
  t.equal(model.violation, null);
});

t.test('long chains of dependencies cost no more than their length, and their reasons stay short', async (t) => {
  const state = emptyState();
  const last = 12_000;
  apply(state, add('vm:1', { requested: 'stopped' }), 1);
  apply(state, add('vm:2', { requires: ['vm:1'] }), 2);
  const second = state.services['vm:2'];
  if (second === undefined) throw new Error('no service');
  for (let i = 3; i <= last; i++) state.services[`vm:${i}`] = { ...second, sid: `vm:${i}`, requires: [`vm:${i - 1}`] };
  const service = state.services[`vm:${last}`];
  if (service === undefined) throw new Error('no service');
  t.equal(
    lostRequirement(state, service),
    `it requires vm:${last - 1}, which cannot run: it requires vm:1, which is not to run`,
  );
  const cycle = cycleThrough(state, 'vm:1', [`vm:${last}`]);
  t.equal(cycle?.length, last + 1);
  t.same([cycle?.[0], cycle?.[1], cycle?.at(-1)], ['vm:1', `vm:${last}`, 'vm:1']);
});

t.test(
  'what may run unwatched out of reach is not forgotten: added again, it would be started beside itself',
  async (t) => {
    const { model, host } = unwatched();
    model.cut(host);
    settle(model);
    model.command({ type: 'resource-remove', sid: 'vm:1', purge: true });
    settle(model);
    t.match(model.state.services['vm:1'], { removing: true });
    t.notOk(model.command(add('vm:1')), 'it exists');
    settle(model);
    t.equal(model.violation, null);
    model.die(host, 'powered off');
    model.boot(host);
    settle(model);
    t.notOk(model.state.services['vm:1'], 'its node is back in another boot, in which it does not run');
  },
);

/** vm:1 is being started on node 1, and was put on node 2 by hand, which was out of reach when it was placed. */
function startedBesideUnseen(maxRelocate: number): { model: ReviewModel; starts: Machine; host: Machine } {
  const model = world();
  settle(model);
  model.command({ type: 'resource-remove', sid: 'vm:1', purge: true });
  settle(model);
  const host = machineOf(model, 2);
  model.cut(host);
  host.running.add('vm:1');
  model.command({ ...add('vm:1', { maxRestart: 0, maxRelocate }), nodeId: 1 });
  settle(model, { busy: 1 }, 5);
  return { model, starts: machineOf(model, 1), host };
}

function comeBack(model: ReviewModel, host: Machine): void {
  model.join(host);
  settle(model, { busy: 1 }, 5);
  t.same(host.heard?.lrm.strays, ['vm:1']);
}

function failStart(model: ReviewModel, starts: Machine): void {
  // Of all chances this is that of a start that does not even half work.
  model.chance = (probability) => probability === 0.15;
  for (const id of [...starts.ops.keys()]) model.finish(starts, id);
  model.chance = () => false;
  settle(model, { busy: 1 }, 5);
}

t.test('where its last start fails it is looked after where it was found meanwhile', async (t) => {
  const { model, starts, host } = startedBesideUnseen(0);
  comeBack(model, host);
  failStart(model, starts);
  settle(model);
  t.equal(model.violation, null);
  t.match(model.state.services['vm:1'], { state: 'started', nodeId: 2, running: true });
});

t.test('what is to be started on the next node is looked after where it was found meanwhile', async (t) => {
  const { model, starts, host } = startedBesideUnseen(1);
  failStart(model, starts);
  t.match(model.state.services['vm:1'], { state: 'relocate', targetId: 3 });
  comeBack(model, host);
  settle(model);
  t.equal(model.violation, null);
  t.match(model.state.services['vm:1'], { state: 'started', nodeId: 2, running: true });
});
