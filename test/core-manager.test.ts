import t from 'tap';
import { apply, type Command, emptyState } from '../src/core/cluster-state.js';
import { add } from './fixtures/add-resource.js';
import { ManagerWorld, obliging } from './fixtures/manager-world.js';

const disable: Command = { type: 'resource-set', sid: 'ocf:a', changes: { requested: 'disabled' }, unset: [] };

t.test('a stop that fails ends in error, and is tried again only when the operator asks again', async (t) => {
  const world = new ManagerWorld(1);
  world.answer = (service) => (service.state === 'request_stop' ? 'error' : obliging(service));
  world.run(add('ocf:a'));
  world.settle();
  t.match(world.service('ocf:a'), { state: 'started', running: true });
  for (const ask of [disable, disable]) {
    world.run(ask);
    t.ok(world.settle() < 10, 'the log comes to rest');
    t.match(world.service('ocf:a'), { state: 'error', reason: 'request_stop error' });
  }
  world.run({ type: 'resource-remove', sid: 'ocf:a', purge: false });
  t.ok(world.settle() < 10);
  t.equal(world.state.services['ocf:a'], undefined, 'what cannot be stopped can be given up by its removal');
});

t.test('a resource that starts and stops as asked', async (t) => {
  const world = new ManagerWorld(1);
  world.run(add('ocf:a'));
  world.settle();
  world.run(disable);
  world.settle();
  t.match(world.service('ocf:a'), { state: 'stopped', nodeId: 1 });
  world.run({ type: 'resource-set', sid: 'ocf:a', changes: { requested: 'started' }, unset: [] });
  world.settle();
  t.match(world.service('ocf:a'), { state: 'started', running: true });
  world.run({ type: 'resource-remove', sid: 'ocf:a', purge: false });
  t.ok(world.settle() < 10);
  t.equal(world.state.services['ocf:a'], undefined);
});

t.test('with other parameters a resource is looked for everywhere before it is started', async (t) => {
  const world = new ManagerWorld(2);
  world.run(add('ocf:a', { requested: 'stopped' }));
  world.settle();
  world.reports.set(2, { probedThrough: world.index });
  world.run({ type: 'resource-set', sid: 'ocf:a', changes: { requested: 'started' }, unset: [] });
  const other: Command = { type: 'resource-set', sid: 'ocf:a', changes: { parameters: { id: '7' } }, unset: [] };
  world.run(other);
  world.settle();
  t.match(world.service('ocf:a'), { state: 'request_start' }, 'node2 has only looked for what it was before');
  world.reports.set(2, { probedThrough: world.index });
  world.settle();
  t.match(world.service('ocf:a'), { state: 'started' });
});

t.test('parameters and comments are bounded for the whole cluster', async (t) => {
  const state = emptyState();
  const parameters = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`p${i}`, 'x'.repeat(4_000)]));
  const results = Array.from({ length: 30 }, (_, i) => apply(state, { ...add(`ocf:r${i}`), parameters }, i + 1));
  t.equal(results.filter((result) => result.ok).length, 17, '4 MiB hold 17 of 240 KB');
  t.match(results.at(-1), { ok: false, code: 'HF_CONFLICT', message: /may not exceed 4194304 bytes/ });
  const grow: Command = { type: 'resource-set', sid: 'ocf:r0', changes: { comment: 'x'.repeat(4_096) }, unset: [] };
  t.ok(apply(state, grow, 100).ok);
});

t.test('rules and groups count too', async (t) => {
  const state = emptyState();
  const resources = Array.from({ length: 1_000 }, (_, i) => `vm:${'1'.repeat(60)}${i}`);
  const rule = { resources, type: 'resource-affinity', affinity: 'positive', disabled: false, comment: '' } as const;
  const results = Array.from({ length: 80 }, (_, i) =>
    apply(state, { type: 'rule-set', rule: { ...rule, id: `r${i}` }, mode: 'add' }, i + 1),
  );
  t.ok(results.at(0)?.ok);
  t.match(results.at(-1), { ok: false, code: 'HF_CONFLICT', message: /may not exceed 4194304 bytes/ });
  t.equal(Object.keys(state.rules).length, results.filter((result) => result.ok).length, 'a refused rule is not there');
});

/** ocf:a was tried on node1 first, and runs on node2. */
function failedOnNode1(): ManagerWorld {
  const world = new ManagerWorld(2);
  world.answer = (service) => (service.state === 'started' && service.nodeId === 1 ? 'error' : obliging(service));
  world.run(add('ocf:a', { maxRelocate: 1 }));
  world.settle();
  t.match(world.service('ocf:a'), { state: 'started', nodeId: 2, running: true, failedNodeIds: [1] });
  world.answer = obliging;
  return world;
}

t.test('a strict rule that comes later moves it to where it failed once, if only that is left', async (t) => {
  const world = failedOnNode1();
  const nodes = [{ name: 'node1', priority: 0 }];
  const kind = { type: 'node-affinity', affinity: 'positive', strict: true } as const;
  const rule = { id: 'r', resources: ['ocf:a'], nodes, disabled: false, comment: '', ...kind };
  world.run({ type: 'rule-set', rule, mode: 'add' });
  t.ok(world.settle() < 10);
  t.match(world.service('ocf:a'), { state: 'started', nodeId: 1, running: true });
});

t.test('a maintenance does not wait for ever for what failed to start elsewhere once', async (t) => {
  const world = failedOnNode1();
  world.run({ type: 'node-maintenance', nodeId: 2, enabled: true });
  t.ok(world.settle() < 10);
  t.match(world.service('ocf:a'), { state: 'started', nodeId: 1, running: true });
});
