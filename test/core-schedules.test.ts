import t from 'tap';
import { AssertionError } from '../src/core/assert.js';
import type { Command } from '../src/core/cluster-state.js';
import { blankRecord } from '../src/core/log.js';
import { newNode, step } from '../src/core/node.js';
import type { Configuration } from '../src/core/node-state.js';
import { Simulation } from './core-simulation.js';
import { add } from './fixtures/add-resource.js';

/** Schedules that once broke a rule, each by itself. */

const all = [1, 2, 3];

function request(sid: string, requested: 'started' | 'stopped'): Command {
  return { type: 'resource-set', sid, changes: { requested }, unset: [] };
}

/** Three nodes, a service that runs on one of them. */
function running(seed: number) {
  const simulation = new Simulation({ nodes: 3, fenceBoundMs: 15_000, seed });
  simulation.run(5_000);
  simulation.request(1, add('ocf:web'));
  simulation.run(5_000);
  const holder = simulation.machines.find((machine) => machine.running.has('ocf:web'));
  if (holder === undefined) throw new Error('ocf:web does not run');
  return { simulation, holder, others: all.filter((id) => id !== holder.nodeId) };
}

/** Runs until something is so, a millisecond at a time. */
function until(simulation: Simulation, limitMs: number, condition: () => boolean): boolean {
  for (let ms = 0; ms < limitMs && !condition(); ms++) simulation.run(1);
  return condition();
}

t.test('a node that is told to refuse services keeps the watchdog over those that it runs', async (t) => {
  const { simulation, holder } = running(1);
  simulation.reload(holder.nodeId, ['two_node']);
  simulation.run(20_000);
  t.ok(holder.running.has('ocf:web'), 'it goes on');
  t.not(holder.firesAtMs, null, 'under the watchdog');
  t.strictSame(simulation.violations, []);
});

t.test('an agent that is ended before it knows what an earlier one has left running releases nothing', async (t) => {
  const { simulation, holder } = running(2);
  simulation.loseDisk(holder.nodeId);
  simulation.startAgent(holder.nodeId);
  simulation.run(100);
  simulation.shutDownAgent(holder.nodeId, null);
  t.not(holder.firesAtMs, null, 'the watchdog goes on counting');
  simulation.run(30_000);
  t.equal(simulation.machines.filter((machine) => machine.running.has('ocf:web')).length, 1);
  t.strictSame(simulation.violations, []);
});

t.test('a longer bound is armed on only when those who would wait for its end know of it', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const { simulation, holder, others } = running(seed);
    holder.fenceBoundMs = 60_000;
    simulation.killAgent(holder.nodeId, 50);
    simulation.run(60);
    if (!until(simulation, 3_000, () => holder.agent?.armed === true)) continue;
    simulation.partition([holder.nodeId], others);
    simulation.run(90_000);
    t.strictSame(simulation.violations, [], `seed ${seed}`);
  }
});

t.test('a resource that waits for a node can be removed', async (t) => {
  const { simulation } = running(3);
  simulation.request(1, request('ocf:web', 'stopped'));
  simulation.run(5_000);
  for (const nodeId of all) simulation.reload(nodeId, ['two_node']);
  simulation.request(1, request('ocf:web', 'started'));
  simulation.run(5_000);
  t.match(simulation.oracle.services['ocf:web'], { state: 'request_start' }, 'no node takes it');
  simulation.request(1, { type: 'resource-remove', sid: 'ocf:web', purge: false });
  simulation.run(2_000);
  t.strictSame(simulation.oracle.services, {});
  const commits = simulation.committed.length;
  simulation.run(5_000);
  t.equal(simulation.committed.length, commits, 'and the manager asks for nothing more');
});

t.test('a service that its node came to refuse before it had started it goes to another', async (t) => {
  const simulation = new Simulation({ nodes: 3, fenceBoundMs: 15_000, seed: 4 });
  simulation.run(5_000);
  simulation.request(1, add('ocf:web'));
  const assigned = until(simulation, 5_000, () => simulation.oracle.services['ocf:web']?.state === 'started');
  t.ok(assigned);
  const nodeId = simulation.oracle.services['ocf:web']?.nodeId ?? 0;
  t.notOk(simulation.machine(nodeId).running.has('ocf:web'), 'not started yet');
  simulation.reload(nodeId, ['two_node']);
  simulation.run(10_000);
  const holder = simulation.machines.find((machine) => machine.running.has('ocf:web'));
  t.ok(holder !== undefined && holder.nodeId !== nodeId, 'it runs elsewhere');
  t.strictSame(simulation.violations, []);
});

t.test('what runs already when it is added is left where it runs, and is started nowhere else', async (t) => {
  for (const nodeId of all) {
    const simulation = new Simulation({ nodes: 3, fenceBoundMs: 15_000, seed: nodeId });
    simulation.run(5_000);
    simulation.machine(nodeId).running.add('ocf:web');
    simulation.request(1, add('ocf:web'));
    simulation.run(10_000);
    t.match(simulation.oracle.services['ocf:web'], { state: 'started', nodeId, running: true });
    t.strictSame(simulation.violations, []);
  }
});

t.test('views do not follow each other because one disk is always slow', async (t) => {
  const { simulation, holder, others } = running(5);
  for (const slowMs of [1_200, 4_000]) {
    simulation.machine(others[0] ?? 0).diskDelayMs = slowMs;
    simulation.partition([others[1] ?? 0], [holder.nodeId, others[0] ?? 0]);
    simulation.run(6_000);
    simulation.heal();
    simulation.run(15_000);
    const epoch = (): number => holder.agent?.node.cluster?.views.view?.epoch ?? 0;
    const before = epoch();
    simulation.run(40_000);
    t.ok(epoch() - before <= 5, `${slowMs} ms: ${epoch() - before} views in 40 s`);
  }
  t.strictSame(simulation.violations, []);
});

t.test('an agent does not go on under another node id', async (t) => {
  const configuration = (localNodeId: number): Configuration => ({
    localNodeId,
    clusterName: 'c',
    nodes: all.map((nodeId) => ({ nodeId, name: `node${nodeId}`, votes: 1 })),
    expectedVotes: 3,
    deviceVotes: 0,
    tokenMs: 1_000,
    consensusMs: 1_200,
    quorumOptions: [],
  });
  const options = { incarnation: 'i', bootId: 'b', startedMs: 0, fenceBoundMs: 15_000, protectionLabel: 'protected' };
  const node = newNode({ ...options, watchdog: null, refusal: null, migratesLive: [] }, blankRecord(false));
  const now = { bootMs: 1_000, wallMs: 0 };
  step(node, { type: 'configuration', configuration: configuration(1) }, now);
  step(node, { type: 'disconnected', reason: 'restarted' }, now);
  step(node, { type: 'configuration', configuration: configuration(1) }, now);
  t.throws(() => step(node, { type: 'configuration', configuration: configuration(2) }, now), AssertionError);
});
