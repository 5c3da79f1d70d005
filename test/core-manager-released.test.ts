import t from 'tap';
import type { Command } from '../src/core/cluster-state.js';
import { decideNodes } from '../src/core/manager-nodes.js';
import { add } from './fixtures/add-resource.js';
import { heartbeat } from './fixtures/heartbeat.js';
import { ManagerWorld } from './fixtures/manager-world.js';

const request = (sid: string, requested: 'started' | 'ignored'): Command => ({
  type: 'resource-set',
  sid,
  changes: { requested },
  unset: [],
});

/** What becomes of nodes when node 2, which goes down, says that it runs nothing and knows the log so far. */
function onItsWord(world: ManagerWorld, commitIndex: number): readonly Command[] {
  const input = world.input();
  const leaving = heartbeat(2, { mode: 'shutdown', leaving: true, released: true }, { commitIndex });
  return decideNodes({ ...input, members: new Map([...input.members, [2, leaving]]) });
}

/** What ran on node 2 is ignored; `knownIndex` is what that node knows of the log then. */
function leftAlone(): { readonly world: ManagerWorld; readonly knownIndex: number } {
  const world = new ManagerWorld(2);
  world.run({ ...add('vm:1'), nodeId: 2 });
  world.settle();
  world.run(request('vm:1', 'ignored'));
  world.settle();
  t.match(world.service('vm:1'), { state: 'ignored', nodeId: 2 });
  return { world, knownIndex: world.index };
}

t.test('that it runs nothing a node says of what it knew to be looked after', async (t) => {
  const { world, knownIndex } = leftAlone();
  world.run(request('vm:1', 'started'));
  world.reports.set(2, { probedThrough: knownIndex });
  world.round();
  t.match(world.service('vm:1'), { state: 'request_start', nodeId: 2 });
  t.same(onItsWord(world, knownIndex), [], 'it may be what it was told to leave alone');
  t.match(onItsWord(world, world.index), [{ type: 'node-released', nodeId: 2, bootId: 'b2' }]);
});

t.test('what is ignored does not keep a node from going down', async (t) => {
  const { world, knownIndex } = leftAlone();
  t.match(onItsWord(world, knownIndex - 1), [{ type: 'node-released', nodeId: 2, bootId: 'b2' }]);
});

t.test('a node that has gone down stays released, whatever is added meanwhile', async (t) => {
  const { world, knownIndex } = leftAlone();
  world.run(...onItsWord(world, knownIndex));
  world.run(add('vm:2'));
  t.same(onItsWord(world, knownIndex), []);
  t.equal(world.state.nodes[2]?.releasedBootId, 'b2');
});
