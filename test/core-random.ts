import type { Command } from '../src/core/cluster-state.js';
import { Simulation } from './core-simulation.js';

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

function add(sid: string): Command {
  return {
    type: 'resource-add',
    sid,
    agent: 'ocf:heartbeat:Dummy',
    parameters: {},
    requested: 'started',
    comment: '',
    maxRestart: 1,
  };
}

function toggle(simulation: Simulation, sid: string): Command {
  const requested = simulation.random() < 0.3 ? 'stopped' : 'started';
  return { type: 'resource-set', sid, changes: { requested }, unset: [] };
}

export function randomRun(seed: number, nodes: number, faults: number): RandomRun {
  const simulation = new Simulation({ nodes, fenceBoundMs, seed });
  simulation.worldOptions.keeperStalls = seed % 3 === 0;
  const sids = ['ocf:a', 'ocf:b', 'ocf:c'];
  const asked: string[] = [];
  simulation.run(4_000);
  for (const sid of sids) asked.push(simulation.request(1, add(sid)));
  simulation.run(simulation.int(0, 6_000));
  for (let fault = 0; fault < faults; fault++) {
    inject(simulation, nodes);
    if (simulation.random() < 0.5) {
      asked.push(
        simulation.request(simulation.int(1, nodes), toggle(simulation, sids[simulation.int(0, 2)] ?? 'ocf:a')),
      );
    }
    // Short pauses pile faults up, long ones let a takeover come to its end.
    simulation.run(simulation.int(0, 3) === 0 ? simulation.int(10_000, 25_000) : simulation.int(10, 4_000));
  }
  recover(simulation);
  return {
    seed,
    violations: [
      ...simulation.violations.map(({ text }) => text),
      ...unsettled(simulation, nodes),
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
  ];
  faults[simulation.int(0, faults.length - 1)]?.();
}

function split(simulation: Simulation, all: readonly number[]): number[][] {
  const left = all.filter(() => simulation.random() < 0.5);
  return [left, all.filter((id) => !left.includes(id))];
}

function recover(simulation: Simulation): void {
  simulation.worldOptions.keeperStalls = false;
  for (const machine of simulation.machines) {
    machine.diskFull = false;
    simulation.continueCorosync(machine.nodeId);
    simulation.boot(machine.nodeId);
    simulation.startAgent(machine.nodeId);
  }
  simulation.heal();
  simulation.run(settleMs);
}

/** With everything healed, what is wanted runs, once, and nothing else does. */
function unsettled(simulation: Simulation, nodes: number): string[] {
  const problems: string[] = [];
  if (simulation.machines.filter((machine) => machine.up && machine.agent).length < nodes)
    problems.push('a node did not come back');
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
  const [from = 1, to = from, nodes = 3] = process.argv.slice(2).map(Number);
  for (let seed = from; seed <= to; seed++) {
    const run = randomRun(seed, nodes, 25);
    if (run.violations.length > 0) console.log(`seed ${seed}: ${run.violations.join('; ')}`);
  }
}
