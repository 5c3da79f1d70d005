import t from 'tap';
import type { ServiceState } from '../src/core/service-states.js';
import { add } from './fixtures/add-resource.js';
import { ManagerWorld, obliging } from './fixtures/manager-world.js';
import { together } from './placement-world.js';

/** ocf:app requires ocf:db; a rule keeps both on one node of two. */
function world(): ManagerWorld {
  const world = new ManagerWorld(2);
  world.run(add('ocf:db'), add('ocf:app', { requires: ['ocf:db'] }));
  world.run({ type: 'rule-set', mode: 'add', rule: together('stack', 'ocf:db', 'ocf:app') });
  world.settle();
  return world;
}

function states(world: ManagerWorld): ServiceState[] {
  return ['ocf:db', 'ocf:app'].map((sid) => world.service(sid).state);
}

t.test('what moves together is started in the order of what it requires', async (t) => {
  const moved = world();
  const from = moved.service('ocf:db').nodeId;
  const to = from === 1 ? 2 : 1;
  t.equal(moved.service('ocf:app').nodeId, from);
  // The stop of db takes long.
  moved.answer = (service) => (service.sid === 'ocf:db' && service.state === 'relocate' ? null : obliging(service));
  moved.run({ type: 'resource-move', sid: 'ocf:db', kind: 'migrate', nodeId: to });
  moved.settle();
  t.strictSame(states(moved), ['relocate', 'request_start'], 'app waits for db');
  // Its start, too.
  moved.answer = (service) => (service.sid === 'ocf:db' && service.state === 'started' ? null : obliging(service));
  moved.settle();
  t.strictSame(states(moved), ['started', 'request_start']);
  moved.answer = obliging;
  moved.settle();
  t.strictSame(moved.places(), [`ocf:db started node${to}`, `ocf:app started node${to}`]);
});
