import type { Command } from '../src/core/cluster-state.js';
import { type CorosyncConf, Simulation } from './core-simulation.js';
import { add } from './fixtures/add-resource.js';

/** One random run: faults for a while, then a healthy cluster that must get everything running. */
export interface RandomRun {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly declarations: number;
  readonly resets: number;
  readonly commits: number;
}

const fenceBoundMs = 15_000;
/** After the last fault: a takeover wait, two reboots, and the time to start things. */
const settleMs = 90_000;

/** What an operator might ask for. */
function change(simulation: Simulation, sid: string): Command {
  const chance = simulation.random();
  if (chance < 0.1) return { type: 'resource-remove', sid, purge: false };
  if (chance < 0.25) return add(sid);
  const requested = simulation.random() < 0.3 ? 'stopped' : 'started';
  return { type: 'resource-set', sid, changes: { requested }, unset: [] };
}

/** What the faults are about, besides the usual ones. */
export type Theme = 'usual' | 'electorate' | 'device' | 'both';

export function randomRun(
  seed: number,
  nodes: number,
  faults: number,
  theme: Theme = 'usual',
  look?: (s: Simulation) => void,
): RandomRun {
  // Every other run has a node without a vote, where that leaves quorums that can lose one.
  const votes = Array.from({ length: nodes }, (_, i) => (nodes > 3 && i === 0 && seed % 2 === 0 ? 0 : 1));
  const reconfigures = theme === 'electorate' || theme === 'both';
  const withDevice = theme === 'device' || theme === 'both';
  // Sometimes a device with so many votes that one node is enough, as algorithm lms has it.
  const deviceVotes = withDevice ? (seed % 6 === 1 ? Math.max(1, nodes - 1) : 1) : 0;
  const spares = reconfigures ? 2 : 0;
  const simulation = new Simulation({ nodes, fenceBoundMs, seed, votes, spares, deviceVotes });
  const conf: Conf = { wanted: { votes: new Map(votes.map((each, i) => [i + 1, each])), deviceVotes } };
  simulation.worldOptions.keeperStalls = seed % 3 === 0;
  simulation.worldOptions.slowDisks = seed % 4 === 0;
  simulation.worldOptions.lossRate = seed % 5 === 0 ? 0.05 : 0;
  simulation.worldOptions.failureRate = seed % 7 === 0 ? 0.1 : 0;
  const sids = ['ocf:a', 'ocf:b', 'ocf:c'];
  const asked: string[] = [];
  simulation.run(4_000);
  for (const sid of sids) asked.push(simulation.request(1, add(sid)));
  simulation.run(simulation.int(0, 6_000));
  for (let fault = 0; fault < faults; fault++) {
    if (simulation.random() < 0.3 && reconfigures) changeConf(simulation, conf, withDevice);
    else if (simulation.random() < 0.2 && withDevice) moveDevice(simulation);
    else inject(simulation, simulation.machines.length);
    if (simulation.random() < 0.5) {
      asked.push(
        simulation.request(
          simulation.int(1, simulation.machines.length),
          change(simulation, sids[simulation.int(0, 2)] ?? 'ocf:a'),
        ),
      );
    }
    // Short pauses pile faults up, long ones let a takeover come to its end.
    simulation.run(simulation.int(0, 3) === 0 ? simulation.int(10_000, 25_000) : simulation.int(10, 4_000));
  }
  recover(simulation, conf);
  look?.(simulation);
  return {
    seed,
    violations: [
      ...simulation.violations.slice(0, 3).map(({ text }) => text),
      ...unsettled(simulation, conf.wanted),
      ...lost(simulation, asked),
    ],
    declarations: simulation.fenced.length,
    resets: simulation.resets.length,
    commits: simulation.committed.length,
  };
}

function inject(simulation: Simulation, nodes: number): void {
  const nodeId = simulation.int(1, nodes);
  const all = Array.from({ length: nodes }, (_, i) => i + 1);
  const faults = [
    () =>
      simulation.partition(
        [nodeId],
        all.filter((id) => id !== nodeId),
      ),
    () => simulation.partition(...split(simulation, all)),
    () => simulation.heal(),
    () => simulation.heal(),
    () => simulation.powerOff(nodeId),
    () => simulation.boot(nodeId),
    () => simulation.boot(nodeId),
    () => simulation.killAgent(nodeId, simulation.int(100, 6_000)),
    () => simulation.killAgent(nodeId, null),
    () => simulation.startAgent(nodeId),
    () => simulation.stopCorosync(nodeId),
    () => simulation.continueCorosync(nodeId),
    () => simulation.stallAgent(nodeId, simulation.int(100, 12_000)),
    () => simulation.stallAgent(nodeId, simulation.int(100, 3_000)),
    () => {
      simulation.machine(nodeId).diskHangsUntilMs = simulation.nowMs + simulation.int(100, 20_000);
    },
    () => {
      simulation.machine(nodeId).diskFull = simulation.random() < 0.5;
    },
    () => simulation.restartCorosync(nodeId, simulation.int(100, 8_000)),
    () => simulation.shutDownAgent(nodeId, simulation.int(100, 6_000)),
    () => {
      // Killed, and told to end before it has found its feet.
      simulation.killAgent(nodeId, 100);
      simulation.run(100 + simulation.int(0, 1_000));
      simulation.shutDownAgent(nodeId, simulation.int(100, 6_000));
    },
    () => simulation.loseDisk(nodeId),
    () => simulation.reload(nodeId, simulation.random() < 0.3 ? ['two_node'] : []),
    () => {
      simulation.machine(nodeId).fenceBoundMs = simulation.random() < 0.5 ? fenceBoundMs : 2 * fenceBoundMs;
      simulation.killAgent(nodeId, simulation.int(100, 2_000));
    },
  ];
  faults[simulation.int(0, faults.length - 1)]?.();
}

function split(simulation: Simulation, all: readonly number[]): number[][] {
  const left = all.filter(() => simulation.random() < 0.5);
  return [left, all.filter((id) => !left.includes(id))];
}

interface Conf {
  /** What the operator wants all nodes to have in the end. */
  wanted: CorosyncConf;
}

/** A node more, a node less, other votes, a device or none; reloaded everywhere, or on some nodes only. */
function changeConf(simulation: Simulation, conf: Conf, withDevice: boolean): void {
  const { machines } = simulation;
  const votes = new Map(conf.wanted.votes);
  const nodeId = simulation.int(1, machines.length);
  const chance = simulation.random();
  let { deviceVotes } = conf.wanted;
  if (chance < 0.2 && withDevice) deviceVotes = deviceVotes === 0 ? 1 : 0;
  else if (chance < 0.4) votes.set(nodeId, simulation.int(0, 2));
  else if (!votes.delete(nodeId)) votes.set(nodeId, 1);
  const total = [...votes.values()].reduce((sum, each) => sum + each, 0);
  // Nodes that have never stored anything would be a cluster of their own.
  const known = machines.some((machine) => votes.has(machine.nodeId) && machine.disk?.valid);
  if (total < 2 || !known) return;
  conf.wanted = { votes, deviceVotes };
  const some = simulation.random() < 0.5 ? machines : machines.filter(() => simulation.random() < 0.6);
  simulation.reconfigure(
    some.map((machine) => machine.nodeId),
    conf.wanted,
  );
  if (votes.has(nodeId)) simulation.boot(nodeId);
}

function moveDevice(simulation: Simulation): void {
  const cut = simulation.machines.filter(() => simulation.random() < 0.2).map((machine) => machine.nodeId);
  simulation.moveDevice(simulation.int(1, simulation.machines.length), cut);
}

/** Who votes in the log is needed for any change: an operator who has removed too many has to put them back. */
function recover(simulation: Simulation, conf: Conf): void {
  const votes = new Map(conf.wanted.votes);
  const { electorate } = simulation.oracle;
  const counted = [...(electorate?.nodes ?? []), ...(electorate?.former?.nodes ?? [])];
  for (const { nodeId } of counted) if (!votes.has(nodeId)) votes.set(nodeId, 1);
  conf.wanted = { ...conf.wanted, votes };
  simulation.reconfigure(
    simulation.machines.map((machine) => machine.nodeId),
    conf.wanted,
  );
  simulation.moveDevice(1);
  Object.assign(simulation.worldOptions, { keeperStalls: false, slowDisks: false, lossRate: 0, failureRate: 0 });
  for (const machine of simulation.machines) {
    machine.diskFull = false;
    simulation.continueCorosync(machine.nodeId);
    simulation.reload(machine.nodeId, []);
    simulation.boot(machine.nodeId);
    simulation.startAgent(machine.nodeId);
  }
  simulation.heal();
  simulation.run(settleMs);
  clearErrors(simulation);
}

/** As an operator does it. */
function clearErrors(simulation: Simulation): void {
  const failed = Object.values(simulation.oracle.services).filter((service) => service.state === 'error');
  for (const requested of ['disabled', 'started'] as const) {
    for (const { sid } of failed)
      simulation.request(1, { type: 'resource-set', sid, changes: { requested }, unset: [] });
    if (failed.length > 0) simulation.run(10_000);
  }
}

/** With everything healed, what is wanted runs, once, and nothing else does. */
function unsettled(simulation: Simulation, conf: CorosyncConf): string[] {
  const problems: string[] = [];
  const commits = simulation.committed.length;
  const epochs = epochsOf(simulation);
  simulation.run(15_000);
  if (simulation.committed.length > commits) problems.push('the log grows though nothing happens');
  if (epochsOf(simulation) !== epochs) problems.push('views follow each other though nothing happens');
  if (!simulation.machines.every((machine) => (machine.up && machine.agent) || !conf.votes.has(machine.nodeId)))
    problems.push('a node did not come back');
  const counted = new Map(simulation.oracle.electorate?.nodes.map(({ nodeId, votes }) => [nodeId, votes]));
  const same = counted.size === conf.votes.size && [...conf.votes].every(([id, votes]) => counted.get(id) === votes);
  if (!same || simulation.oracle.electorate?.former) problems.push('the electorate is not that of corosync.conf');
  for (const service of Object.values(simulation.oracle.services)) {
    const places = simulation.machines.filter((machine) => machine.running.has(service.sid)).length;
    const wanted = service.requested === 'started' ? 1 : 0;
    if (places !== wanted)
      problems.push(
        `${service.sid} (${service.requested}, ${service.state}) runs on ${places} nodes after everything was healed`,
      );
  }
  return problems;
}

function epochsOf(simulation: Simulation): string {
  return simulation.machines.map((machine) => machine.agent?.node.cluster?.views.view?.epoch ?? 'none').join(' ');
}

/** What a client was told is committed is in the log, under the index that it was told. */
function lost(simulation: Simulation, asked: readonly string[]): string[] {
  return asked.flatMap((requestId) => {
    const index = simulation.answers.get(requestId)?.index ?? null;
    if (index === null) return [];
    const entry = simulation.committed[index - 1];
    return entry?.origin?.requestId === requestId ? [] : [`${requestId} was answered with ${index}, but is not there`];
  });
}

if (process.argv[1]?.endsWith('core-random.js')) {
  const [from = 1, to = from, nodes = 3] = process.argv.slice(2, 5).map(Number);
  const theme = (['electorate', 'device', 'both'] as const).find((name) => name === process.argv[5]) ?? 'usual';
  const total = { declarations: 0, resets: 0, commits: 0 };
  for (let seed = from; seed <= to; seed++) {
    const run = randomRun(seed, nodes, 25, theme);
    total.declarations += run.declarations;
    total.resets += run.resets;
    total.commits += run.commits;
    if (run.violations.length > 0) console.log(`seed ${seed}: ${run.violations.join('; ')}`);
  }
  console.log(`seeds ${from} to ${to}, ${nodes} nodes, ${theme}: ${JSON.stringify(total)}`);
}
