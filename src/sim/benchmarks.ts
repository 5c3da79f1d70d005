import { apply, type ClusterState, type Command, emptyState, type ResourceSettings } from '../core/cluster-state.js';
import { compileRules } from '../core/compiled-rules.js';
import { decide } from '../core/manager.js';
import { newManagerMemory } from '../core/manager-memory.js';
import { inOrder, type ManagerInput } from '../core/manager-round.js';
import type { Heartbeat, LrmResult } from '../core/messages.js';
import { settingDefaults } from '../core/setting-defaults.js';
import { World } from './world.js';

/** What is measured of the simulator and of the manager; each figure from the production code. */

const settings: ResourceSettings = {
  agent: '',
  parameters: {},
  requested: 'started',
  ...settingDefaults,
  cpus: 2,
  memoryMiB: 2_048,
};

/** CPU seconds of this process, all threads. */
function cpuS(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function clusterOf(nodes: number, services: number, fenceBoundMs = 60_000): Promise<World> {
  const world = new World({
    seed: 1,
    fenceBoundMs,
    nodes: Array.from({ length: nodes }, (_, i) => ({ nodeId: i + 1, name: `node${i + 1}` })),
  });
  await world.run(30_000);
  for (let i = 0; i < services; i++) {
    const command: Command = { type: 'resource-add', sid: `vm:${101 + i}`, nodeId: null, ...settings };
    world
      .node(1)
      .agent?.request(command)
      .catch((error: Error) => {
        throw error;
      });
  }
  const allRun = (): boolean =>
    Array.from({ length: services }, (_, i) => world.where(`vm:${101 + i}`).length).every((count) => count === 1);
  if (!(await world.runUntil(allRun, 120_000))) throw new Error('the services of the benchmark do not start');
  await world.runFor(10_000);
  return world;
}

/** Cluster-hours that one CPU minute simulates, of 3 nodes and 6 VMs in which nothing happens. */
export async function simulatedHoursPerMinute(hours: number): Promise<number> {
  const world = await clusterOf(3, 6);
  const before = cpuS();
  await world.runFor(hours * 3_600_000);
  return hours / ((cpuS() - before) / 60);
}

export interface Recovery {
  /** From the loss of power to the declaration, and until all of its services run elsewhere; simulated milliseconds. */
  readonly declaredMs: number;
  readonly recoveredMs: number;
}

/** Power loss of a node that leads, or does not, with a bound of 60 s. */
export async function recovery(leader: boolean): Promise<Recovery> {
  const world = await clusterOf(3, 6);
  const victim = world.node(leader ? 1 : 3);
  const services = Array.from({ length: 6 }, (_, i) => `vm:${101 + i}`).filter((sid) => victim.running.has(sid));
  if (services.length === 0) throw new Error('the node that is to die runs nothing');
  const lostMs = world.nowMs;
  victim.powerOff();
  const isDeclared = (): boolean => world.declarations.length > 0;
  const runs = (): boolean => services.every((sid) => world.where(sid).length === 1);
  if (!(await world.runUntil(isDeclared, lostMs + 200_000))) throw new Error('the node is not declared fenced');
  const declaredMs = world.nowMs - lostMs;
  if (!(await world.runUntil(runs, lostMs + 200_000))) throw new Error('the services are not recovered');
  return { declaredMs, recoveredMs: world.nowMs - lostMs };
}

export interface ManagerFigures {
  readonly rounds: number;
  readonly recovered: number;
  /** Wall time of each full round, milliseconds. */
  readonly largestMs: number;
  readonly medianMs: number;
}

/** Rounds of the manager after one of `nodes` has died, until nothing is left to decide. */
export function managerRounds(nodes: number, services: number): ManagerFigures {
  const world = managerWorld(nodes, services);
  settle(world, () => undefined);
  const victim = nodes;
  const lost = Object.values(world.state.services).filter((service) => service.nodeId === victim).length;
  world.absent = victim;
  const times: number[] = [];
  settle(world, (ms) => times.push(ms));
  const sorted = [...times].sort((a, b) => a - b);
  return {
    rounds: times.length,
    recovered: lost,
    largestMs: sorted.at(-1) ?? 0,
    medianMs: sorted[sorted.length >> 1] ?? 0,
  };
}

interface ManagerWorld {
  readonly state: ClusterState;
  readonly nodes: number;
  absent: number | null;
  index: number;
}

function managerWorld(nodes: number, services: number): ManagerWorld {
  const world: ManagerWorld = { state: emptyState(), nodes, absent: null, index: 0 };
  for (let nodeId = 1; nodeId <= nodes; nodeId++) {
    run(world, { type: 'node-up', nodeId, name: `node${nodeId}`, bootId: `b${nodeId}`, fenceBoundMs: 60_000 });
  }
  for (let i = 0; i < services; i++) {
    const sid = `vm:${101 + i}`;
    world.state.services[sid] = newService(sid, (i % nodes) + 1, ++world.index);
  }
  run(world, { type: 'options-set', changes: { scheduler: 'static' } });
  return world;
}

/** As after it was added and started; thousands of commands would say the same. */
function newService(sid: string, nodeId: number, index: number): ClusterState['services'][string] {
  const empty = emptyState();
  apply(empty, { type: 'resource-add', sid, nodeId, ...settings }, index);
  const added = empty.services[sid];
  if (added === undefined) throw new Error(`${sid} was not added`);
  return { ...added, state: 'started', bootId: `b${nodeId}`, running: true };
}

function run(world: ManagerWorld, command: Command): void {
  apply(world.state, command, ++world.index);
}

/** Rounds until nothing is left to decide, each request carried out at once; tells the wall time of each, ms. */
function settle(world: ManagerWorld, tell: (ms: number) => void): void {
  const memory = newManagerMemory();
  for (let round = 0; round < 1_000; round++) {
    const input = inputOf(world, memory);
    const before = performance.now();
    const commands = decide(input);
    tell(performance.now() - before);
    if (commands.length === 0) return;
    for (const command of commands) run(world, command);
  }
  throw new Error('the manager does not come to rest');
}

const gib = 1024 ** 3;

function inputOf(world: ManagerWorld, memory: ManagerInput['memory']): ManagerInput {
  const { state, absent } = world;
  const ids = Array.from({ length: world.nodes }, (_, i) => i + 1);
  const present = ids.filter((nodeId) => nodeId !== absent);
  const results = resultsOf(state);
  const takeoverMs = 1_000_000;
  return {
    state,
    electorate: {
      ...{ nodes: ids.map((nodeId) => ({ nodeId, name: `node${nodeId}`, votes: 1 })), expectedVotes: ids.length },
    },
    rules: compileRules({
      rules: [],
      groups: [],
      services: Object.values(state.services),
      nodeNames: ids.map((nodeId) => `node${nodeId}`),
    }),
    members: new Map(present.map((nodeId) => [nodeId, heartbeatOf(nodeId, results.get(nodeId) ?? [])])),
    order: inOrder(state),
    unheard: new Set(),
    silences: new Map(absent === null ? [] : [[absent, present.map((fromId) => ({ fromId, silenceMs: takeoverMs }))]]),
    loads: new Map(
      present.map((nodeId) => [
        nodeId,
        {
          node: { cpus: 256, memoryBytes: 2_048 * gib, usedCpus: 100, usedMemoryBytes: 700 * gib },
          otherGuests: 0,
          services: [],
        },
      ]),
    ),
    serviceLoads: new Map(),
    leaseMs: 40_000,
    nowMs: 1_000_000,
    memory,
  };
}

function resultsOf(state: ClusterState): Map<number, LrmResult[]> {
  const results = new Map<number, LrmResult[]>();
  for (const { sid, uid, nodeId, state: at, running } of Object.values(state.services)) {
    if (at !== 'started' || running || nodeId === null) continue;
    const all = results.get(nodeId) ?? [];
    all.push({ sid, uid, outcome: 'running', detail: '' });
    results.set(nodeId, all);
  }
  return results;
}

function heartbeatOf(nodeId: number, results: readonly LrmResult[]): Heartbeat {
  return {
    type: 'heartbeat',
    incarnation: `i${nodeId}`,
    bootId: `b${nodeId}`,
    fenceBoundMs: 60_000,
    protection: 'protected',
    seq: 1,
    epoch: 1,
    promisedEpoch: 1,
    commitIndex: Number.MAX_SAFE_INTEGER,
    storing: true,
    electorate: '',
    configured: '',
    stored: null,
    echoes: [],
    silences: [],
    lrm: {
      results,
      strays: [],
      probedThrough: Number.MAX_SAFE_INTEGER,
      canRun: true,
      active: true,
      mode: 'active',
      leaving: false,
      empty: false,
      released: false,
      migratesLive: ['vm'],
      revision: 1,
    },
    load: null,
  };
}
