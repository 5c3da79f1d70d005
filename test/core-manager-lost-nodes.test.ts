import t from 'tap';
import { takeoverMs } from '../src/core/budget.js';
import type { Command } from '../src/core/cluster-state.js';
import { decide } from '../src/core/manager.js';
import { add } from './fixtures/add-resource.js';
import { ManagerWorld } from './fixtures/manager-world.js';

/** Five nodes; the last two hold a service each and are lost. */
function worldWithLosses(): ManagerWorld {
  const world = new ManagerWorld(5);
  world.run({ ...add('vm:1'), nodeId: 4 }, { ...add('vm:2'), nodeId: 5 });
  world.settle();
  for (const nodeId of [4, 5]) world.absent.add(nodeId);
  return world;
}

function hears(world: ManagerWorld, nodeId: number, silenceMs: number): void {
  const reports = [1, 2, 3].map((fromId) => ({ fromId, silenceMs }));
  Object.assign(world, { silences: new Map([...world.silences, [nodeId, reports]]) });
}

const types = (commands: readonly Command[]): string[] =>
  commands.map((command) => `${command.type}${'nodeId' in command ? ` ${command.nodeId}` : ''}`);

t.test('nodes that were lost together are declared together', async (t) => {
  const world = worldWithLosses();
  const fenceBoundMs = world.state.nodes[4]?.fenceBoundMs ?? 0;
  const waitMs = takeoverMs(fenceBoundMs);
  world.round();
  hears(world, 4, waitMs + 100);
  hears(world, 5, waitMs - 900);
  t.notOk(types(world.round()).includes('node-fenced 4'), 'the other one is due within a second');
  hears(world, 4, waitMs + 1_000);
  hears(world, 5, waitMs);
  const declared = types(world.round()).filter((text) => text.startsWith('node-fenced'));
  t.strictSame(declared, ['node-fenced 4', 'node-fenced 5']);
});

t.test('no node waits for another one for longer than two heartbeats', async (t) => {
  const world = worldWithLosses();
  const waitMs = takeoverMs(world.state.nodes[4]?.fenceBoundMs ?? 0);
  world.round();
  hears(world, 4, waitMs + 2_100);
  hears(world, 5, waitMs - 900);
  t.ok(types(world.round()).includes('node-fenced 4'));
});

t.test('disarming waits until nodes out of reach are back or proved dead', async (t) => {
  const world = worldWithLosses();
  world.round();
  world.run({ type: 'disarm', mode: 'freeze' });
  world.settle();
  t.equal(world.state.disarm?.phase, 'disarming', 'they could not be told, and would never be proved dead');
  t.match(world.service('vm:1'), { state: 'started', nodeId: 4 });
  for (const nodeId of [4, 5]) world.absent.delete(nodeId);
  world.settle();
  t.equal(world.state.disarm?.phase, 'disarmed');
});

t.test('who is back before the votes say so keeps its name, and with it the rules that name it', async (t) => {
  const world = new ManagerWorld(3);
  world.run({ type: 'node-state', nodeId: 3, state: 'gone' });
  const input = world.input();
  const nodes = input.electorate.nodes.filter(({ nodeId }) => nodeId !== 3);
  const up = decide({ ...input, electorate: { nodes, expectedVotes: 2 } });
  t.match(up, [{ type: 'node-up', nodeId: 3, name: 'node3' }]);
});

t.test('who has no name yet is not there before the votes name it', async (t) => {
  const world = new ManagerWorld(3);
  const input = world.input();
  const { 3: _, ...others } = world.state.nodes;
  const state = { ...world.state, nodes: others };
  const nodes = input.electorate.nodes.filter(({ nodeId }) => nodeId !== 3);
  t.same(decide({ ...input, state, electorate: { nodes, expectedVotes: 2 } }), []);
  t.match(decide({ ...input, state }), [{ type: 'node-up', nodeId: 3, name: 'node3' }]);
});
