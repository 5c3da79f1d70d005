import t from 'tap';
import { takeoverMs } from '../src/core/budget.js';
import type { Command } from '../src/core/cluster-state.js';
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
