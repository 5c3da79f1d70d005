import t from 'tap';
import { World } from '../src/sim/world.js';
import { add } from './fixtures/add-resource.js';

t.test('what is lost with its node is not started beside the one that somebody else has', async (t) => {
  const nodes = [1, 2, 3].map((nodeId) => ({ nodeId, name: `node${nodeId}` }));
  const twice: string[] = [];
  const world = new World({
    seed: 4,
    nodes,
    fenceBoundMs: 18_000,
    observer: { violation: ({ rule }) => twice.push(rule) },
  });
  await world.run(5_000);
  // Nobody can know of it yet: its agent is away when the service is added.
  world.node(2).killAgent();
  world.node(2).setRunning('vm:1', true);
  await world.run(15_000);
  const added = world.request('node1', { ...add('vm:1'), nodeId: 1 });
  await world.run(25_000);
  await added;
  t.same(twice.splice(0), ['runs-twice'], 'that much is the operator’s doing');
  world.node(2).startAgent();
  await world.run(35_000);
  world.node(1).powerOff();
  await world.run(90_000);
  t.same(
    world.where('vm:1').map(({ name }) => name),
    ['node2'],
    'it is known to run there',
  );
  t.same(twice, []);
  const service = world.state.services['vm:1'];
  t.match(service, { state: 'started', nodeId: 2, running: true });
});
