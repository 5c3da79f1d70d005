import t from 'tap';
import { add } from './fixtures/add-resource.js';
import { ManagerWorld } from './fixtures/manager-world.js';

t.test('a node that has not heard yet that its answer was taken is not listened to twice', async (t) => {
  const world = new ManagerWorld(1);
  world.answer = ({ state }) => (state === 'started' ? 'running' : null);
  world.run(add('vm:1'));
  t.ok(world.settle() < 10, 'the log comes to rest');
  t.match(world.service('vm:1'), { state: 'started', running: true });
});
