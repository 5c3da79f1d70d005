import t from 'tap';
import type { Command } from '../src/core/cluster-state.js';
import type { Witness } from '../src/sim/invariants.js';
import type { World } from '../src/sim/world.js';
import { add } from './fixtures/add-resource.js';
import { newWorld } from './sim-world-chaos.js';

const sid = 'ct:1';

const request = (requested: 'started' | 'ignored'): Command => ({
  type: 'resource-set',
  sid,
  changes: { requested },
  unset: [],
});

/** It runs on node 3, and has just come to be ignored there. */
async function leftAlone(seed: number): Promise<World> {
  const world = newWorld({ seed, nodes: 3, options: { fenceBoundMs: 60_000 } });
  await world.run(6_000);
  await Promise.all([world.request('node1', { ...add(sid), nodeId: 3 }), world.runFor(6_000)]);
  await Promise.all([world.request('node1', request('ignored')), world.runFor(2_000)]);
  t.match(world.state.services[sid], { state: 'ignored', nodeId: 3 });
  t.ok(world.node(3).running.has(sid) && world.node(3).watchdogCounts);
  return world;
}

t.test('a node that goes down just then has not said that it runs nothing of that', async (t) => {
  for (let afterMs = 0; afterMs < 800; afterMs += 20) {
    const world = await leftAlone(afterMs);
    world.request('node1', request('started')).catch(() => undefined);
    await world.runFor(afterMs);
    world.node(3).shutDown('poweroff');
    await world.runFor(30_000);
    t.same(world.violations, [], `${afterMs} ms after the request`);
    t.notOk(world.node(3).up);
  }
});

/** Before the node is taken to be out of reach, so that it hears of it as soon as it can; and after. */
for (const afterMs of [500, 4_000]) {
  t.test(`a node that is stuck lets its watchdog go, and nobody else starts it: ${afterMs} ms`, async (t) => {
    const world = await leftAlone(1);
    const node = world.node(3);
    node.stallAgent(11_000);
    await world.runFor(afterMs);
    await Promise.all([world.request('node1', request('started')), world.runFor(10_900 - afterMs)]);
    t.ok(node.watchdogCounts);
    t.match(world.state.services[sid], { state: 'request_start', nodeId: 3 });
    for (let ms = 0; ms < 3_000 && node.watchdogCounts; ms++) await world.runFor(1);
    t.notOk(node.watchdogCounts, 'by what it knew it was ignored');
    await world.runFor(30_000);
    t.match(world.state.services[sid], { state: 'started', nodeId: 3, running: true });
    t.ok(node.running.has(sid) && node.watchdogCounts);
    t.same(world.violations, []);
  });
}

t.test('what a node knows to be looked after must not run there unprotected', async (t) => {
  const world = newWorld({ seed: 1, nodes: 3 });
  await world.run(6_000);
  const [addedIndex] = await Promise.all([
    world.request('node1', add(sid, { requested: 'stopped' })),
    world.runFor(2_000),
  ]);
  const { bootId } = world.node(3);
  const seen = { nodeId: 3, name: 'node3', up: true, bootId, stored: null, hasLostStore: false };
  const unarmed = { watchdogCounts: false, watchdogRefused: false };
  const witness: Witness = {
    ...seen,
    ...unarmed,
    running: new Set([sid]),
    runningByHand: new Set(),
    commitIndex: addedIndex,
  };
  t.same(world.invariants.watched(witness), [sid]);
  t.same(world.invariants.watched({ ...witness, commitIndex: addedIndex - 1 }), []);
  t.same(world.invariants.watched({ ...witness, runningByHand: new Set([sid]) }), []);
  t.same(world.invariants.mustHaveEnded(witness), [sid], 'nobody has armed the watchdog');
  t.same(world.invariants.mustHaveEnded({ ...witness, watchdogRefused: true }), [], 'nobody could arm it');
});

t.test('what was given to a node ends with its bound, whatever its watchdog does', async (t) => {
  const world = newWorld({ seed: 1, nodes: 3 });
  await world.run(6_000);
  await Promise.all([world.request('node1', { ...add(sid), nodeId: 3 }), world.runFor(4_000)]);
  const node = world.node(3);
  t.ok(node.running.has(sid));
  if (node.device !== null) node.device.refused = true;
  t.same(world.invariants.mustHaveEnded(node), [sid]);
});
