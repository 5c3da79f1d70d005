import t from 'tap';
import { add } from './fixtures/add-resource.js';
import { ManagerWorld } from './fixtures/manager-world.js';

t.test('a node that has not looked for what the disarm left alone is not believed to run nothing', async (t) => {
  const world = new ManagerWorld(2);
  world.run(add('vm:1'));
  world.settle();
  world.run({ type: 'disarm', mode: 'ignore' });
  world.settle();
  t.match(world.state.disarm, { phase: 'disarmed' });
  t.match(world.service('vm:1'), { state: 'ignored' });
  for (const nodeId of [1, 2]) world.reports.set(nodeId, { active: false, empty: true });
  world.run({ type: 'arm' });
  const types = world.round().map(({ type }) => type);
  t.strictSame(types, ['service-state'], 'it is looked after again first');
  t.ok(world.state.nodes[1]?.unprotected);
  t.ok(
    world.round().some(({ type }) => type === 'node-protected'),
    'then what nodes say of themselves counts',
  );
});
