import t from 'tap';
import { World } from '../src/sim/world.js';
import { add } from './fixtures/add-resource.js';

t.test('a node whose watchdog could not be armed is of use again once it can', async (t) => {
  const nodes = [1, 2, 3].map((nodeId) => ({ nodeId, name: `node${nodeId}` }));
  const world = new World({ seed: 5, nodes });
  await world.run(5_000);
  const [, , device] = world.nodes.map((node) => node.device);
  if (device === null || device === undefined) throw new Error('node3 has no watchdog');
  device.trouble = 'open';
  const added = world.request('node1', { ...add('vm:1'), nodeId: 3 });
  await world.run(30_000);
  await added;
  t.notOk(world.node(3).running.has('vm:1'), 'not without a watchdog');
  t.equal(world.where('vm:1').length, 1, 'but elsewhere');
  t.equal(world.node(3).agent?.node.cluster?.protection.state, 'failed');
  device.trouble = null;
  await world.run(45_000);
  const moved = world.request('node1', { type: 'resource-move', sid: 'vm:1', kind: 'migrate', nodeId: 3 });
  await world.run(60_000);
  await moved;
  t.same(
    world.where('vm:1').map(({ name }) => name),
    ['node3'],
  );
  t.same(world.violations, []);
});

t.test('a device that was only opened is no protection, and its counting says nothing of what could run', async (t) => {
  const world = new World({ seed: 5, nodes: [{ nodeId: 1, name: 'node1' }] });
  const node = world.node(1);
  node.device?.open();
  t.ok(node.device?.counts);
  t.notOk(node.watchdogCounts);
  node.device?.setTimeout(3);
  t.ok(node.watchdogCounts);
  node.device?.stop();
  node.device?.open();
  t.notOk(node.watchdogCounts, 'told anew after each start');
});
