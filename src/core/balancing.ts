import type { Unit } from './compiled-rules.js';
import { headingFor, type PlacementContext, type PlacementNode } from './placement-context.js';
import { isOpen, type Situation, situationOf } from './placement-situation.js';
import { compareText } from './rule-transforms.js';
import { closeness, withoutNoise } from './topsis.js';
import { criteriaWeights, type NodeUsage, Ratios, type ServiceLoad } from './usage.js';

/** By what the best move is found: the least imbalance afterwards, or TOPSIS over CPU and memory. */
export type BalancingMethod = 'bruteforce' | 'topsis';

export interface BalancingMove {
  /** One service, or all of a keep-together set, sorted. */
  readonly sids: readonly string[];
  readonly sourceNodeId: number;
  readonly targetNodeId: number;
  readonly imbalanceAfter: number;
  /** A sentence's end. */
  readonly reason: string;
}

/**
 * How unevenly the nodes are loaded: the standard deviation of their loads over the mean, 0 for perfectly even. A
 * node's load is the mean of its used shares of CPU and memory. Null: not comparable, with basic scheduling or when the
 * figures of a node are missing.
 */
export function imbalance(context: PlacementContext): number | null {
  if (context.scheduling === 'basic' || !context.usage.known) return null;
  return withoutNoise(variation(context.usage.nodes.map(loadOf)));
}

/**
 * The one move that evens the loads best. Null: nothing may be moved, something is moving already, or no move lowers the
 * imbalance by `margin` (a share of it, for instance 0.1). Rules are kept; the order of equal moves is by sid, then by
 * the target's name.
 */
export function findMove(context: PlacementContext, method: BalancingMethod, margin: number): BalancingMove | null {
  const before = imbalance(context);
  if (before === null || before === 0 || somethingMoves(context)) return null;
  const all = candidates(context);
  const imbalances = imbalancesAfter(context.usage.nodes, all);
  const index = method === 'topsis' ? nearestToIdeal(context.usage.nodes, all) : leastOf(imbalances);
  const candidate = all[index];
  const after = imbalances[index] ?? before;
  if (candidate === undefined || (before - after) / before < margin) return null;
  const { bundle, target } = candidate;
  return {
    sids: bundle.sids,
    sourceNodeId: bundle.source.nodeId,
    targetNodeId: target.nodeId,
    imbalanceAfter: after,
    reason: `balancing: from ${bundle.source.name} to ${target.name} lowers the imbalance from ${before.toFixed(2)} to ${after.toFixed(2)}`,
  };
}

/** What can only be moved as one: a service, or a set. */
interface Bundle {
  readonly sids: readonly string[];
  readonly source: PlacementNode;
  /** Nodes of the class that it is in. */
  readonly nodes: readonly PlacementNode[];
  readonly situation: Situation;
  /** What moves with it: what it uses now, or may use. */
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly maxMemoryBytes: number;
}

interface Candidate {
  readonly bundle: Bundle;
  readonly target: PlacementNode;
  readonly sourceIndex: number;
  readonly targetIndex: number;
}

function somethingMoves(context: PlacementContext): boolean {
  for (const service of context.allServices()) if (service.targetNodeId !== null) return true;
  return false;
}

function candidates(context: PlacementContext): Candidate[] {
  const indexOf = new Map(context.usage.nodes.map((node, index) => [node.nodeId, index]));
  const found: Candidate[] = [];
  for (const bundle of bundles(context)) {
    const sourceIndex = indexOf.get(bundle.source.nodeId) ?? 0;
    for (const target of bundle.nodes) {
      if (target === bundle.source || !isOpen(bundle.situation, target)) continue;
      if ((context.usage.freeMemoryBytes(target.nodeId) ?? 0) < bundle.maxMemoryBytes) continue;
      found.push({ bundle, target, sourceIndex, targetIndex: indexOf.get(target.nodeId) ?? 0 });
    }
  }
  return found;
}

function bundles(context: PlacementContext): Bundle[] {
  const units = new Set<Unit>();
  for (const service of context.allServices()) if (service.balanced) units.add(context.unit(service.sid));
  const sorted = [...units].sort((a, b) => compareText(a.sids[0] ?? '', b.sids[0] ?? ''));
  return sorted.flatMap((unit) => bundleOf(context, unit) ?? []);
}

/** Null: not all of the unit is on one node that may be given services, or not all of it may be moved. */
function bundleOf(context: PlacementContext, unit: Unit): Bundle | null {
  const members = unit.sids.flatMap((sid) => context.service(sid) ?? []);
  const home = members[0] === undefined ? null : headingFor(members[0]);
  if (members[0] === undefined || home === null) return null;
  const loads = members.flatMap((service) => service.load ?? []);
  if (loads.length < members.length) return null;
  if (!members.every((service) => service.balanced && headingFor(service) === home)) return null;
  const situation = situationOf(context, { sid: members[0].sid, preference: 'none', failedNodeIds: [] });
  const nodes = situation.classes.find((some) => some.some((node) => node.nodeId === home)) ?? [];
  const source = nodes.find((node) => node.nodeId === home);
  if (source === undefined) return null;
  const sum = (of: (load: ServiceLoad) => number): number => loads.reduce((total, load) => total + of(load), 0);
  const maxMemoryBytes = sum((load) => load.maxMemoryBytes);
  const dynamic = context.scheduling === 'dynamic';
  const cpus = sum((load) => (dynamic ? load.cpus : load.maxCpus));
  const memoryBytes = dynamic ? sum((load) => load.memoryBytes) : maxMemoryBytes;
  return { sids: members.map(({ sid }) => sid), source, nodes, situation, cpus, memoryBytes, maxMemoryBytes };
}

/** The imbalance after each move, from sums of deviations: only two nodes change with a move. */
function imbalancesAfter(nodes: readonly NodeUsage[], all: readonly Candidate[]): Float64Array {
  const loads = nodes.map(loadOf);
  const mean = loads.reduce((sum, load) => sum + load, 0) / loads.length;
  const squares = loads.reduce((sum, load) => sum + (load - mean) ** 2, 0);
  return Float64Array.from(all, ({ bundle, sourceIndex, targetIndex }) => {
    const source = (loads[sourceIndex] ?? 0) - mean;
    const target = (loads[targetIndex] ?? 0) - mean;
    const left = loadWith(nodes[sourceIndex], bundle, -1) - mean;
    const joined = loadWith(nodes[targetIndex], bundle, 1) - mean;
    const shift = (left + joined - source - target) / loads.length;
    const variance = (squares + left ** 2 + joined ** 2 - source ** 2 - target ** 2) / loads.length - shift ** 2;
    return mean + shift <= 0 ? 0 : withoutNoise(Math.sqrt(Math.max(0, variance)) / (mean + shift));
  });
}

/** The first of the least. */
function leastOf(values: Float64Array): number {
  return values.reduce((least, value, index) => (value < (values[least] ?? 0) ? index : least), 0);
}

function nearestToIdeal(nodes: readonly NodeUsage[], all: readonly Candidate[]): number {
  const cpu = new Ratios(nodes.map(cpuShare));
  const memory = new Ratios(nodes.map(memoryShare));
  const rows = all.map(({ bundle, sourceIndex, targetIndex }) => {
    const source = changed(nodes[sourceIndex], bundle, -1);
    const target = changed(nodes[targetIndex], bundle, 1);
    const [meanCpu, mostCpu] = cpu.meanAndMost(sourceIndex, cpuShare(source), targetIndex, cpuShare(target));
    const [meanMemory, mostMemory] = memory.meanAndMost(
      sourceIndex,
      memoryShare(source),
      targetIndex,
      memoryShare(target),
    );
    return [meanCpu, mostCpu, meanMemory, mostMemory];
  });
  const near = closeness(rows, criteriaWeights);
  return near.reduce((top, value, index) => (value > (near[top] ?? 0) ? index : top), 0);
}

type Shares = Pick<NodeUsage, 'cpus' | 'memoryBytes' | 'maxCpus' | 'maxMemoryBytes'>;

/** Figures may be older than the service's own: no less than nothing is left. */
function changed(node: NodeUsage | undefined, { cpus, memoryBytes }: Bundle, sign: -1 | 1): Shares {
  return {
    cpus: Math.max(0, (node?.cpus ?? 0) + sign * cpus),
    memoryBytes: Math.max(0, (node?.memoryBytes ?? 0) + sign * memoryBytes),
    maxCpus: node?.maxCpus ?? 1,
    maxMemoryBytes: node?.maxMemoryBytes ?? 1,
  };
}

function loadWith(node: NodeUsage | undefined, bundle: Bundle, sign: -1 | 1): number {
  return loadOf(changed(node, bundle, sign));
}

function cpuShare(node: Shares): number {
  return node.cpus / node.maxCpus;
}

function memoryShare(node: Shares): number {
  return node.memoryBytes / node.maxMemoryBytes;
}

function loadOf(node: Shares): number {
  return (cpuShare(node) + memoryShare(node)) / 2;
}

function variation(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  if (sum === 0) return 0;
  const mean = sum / values.length;
  const squares = values.reduce((total, value) => total + (value - mean) ** 2, 0);
  return Math.sqrt(squares / values.length) / mean;
}
