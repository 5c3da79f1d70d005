import type { Unit } from './compiled-rules.js';
import { headingFor, type PlacedService, type PlacementContext, type PlacementNode } from './placement-context.js';
import { hasRoom, isOpen, situationOf } from './placement-situation.js';
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
  const outcomes = outcomesOf(context.usage.nodes, candidates(context));
  const best = method === 'topsis' ? nearestToIdeal(context, outcomes) : leastImbalance(outcomes);
  if (best === null || (before - best.imbalanceAfter) / before < margin) return null;
  const { unit, source, target } = best.candidate;
  return {
    sids: unit.sids.filter((sid) => context.service(sid) !== null),
    sourceNodeId: source.nodeId,
    targetNodeId: target.nodeId,
    imbalanceAfter: best.imbalanceAfter,
    reason: `balancing: from ${source.name} to ${target.name} lowers the imbalance from ${before.toFixed(2)} to ${best.imbalanceAfter.toFixed(2)}`,
  };
}

interface Candidate {
  readonly unit: Unit;
  readonly source: PlacementNode;
  readonly target: PlacementNode;
  readonly cpus: number;
  readonly memoryBytes: number;
}

interface Outcome {
  readonly candidate: Candidate;
  /** The two nodes concerned, by index, as they would be. */
  readonly changes: readonly (readonly [number, NodeUsage])[];
  readonly imbalanceAfter: number;
}

function somethingMoves(context: PlacementContext): boolean {
  for (const service of context.allServices()) if (service.targetNodeId !== null) return true;
  return false;
}

function candidates(context: PlacementContext): Candidate[] {
  const units = new Set<Unit>();
  for (const service of context.allServices()) if (service.balanced) units.add(context.unit(service.sid));
  const sorted = [...units].sort((a, b) => compareText(a.sids[0] ?? '', b.sids[0] ?? ''));
  return sorted.flatMap((unit) => movesOf(context, unit));
}

/** To the other nodes of the class that it is in; only if all of the unit is on one node and may be moved. */
function movesOf(context: PlacementContext, unit: Unit): Candidate[] {
  const members = unit.sids.flatMap((sid) => context.service(sid) ?? []);
  const [first] = members;
  const home = first === undefined ? null : headingFor(first);
  const movable = members.every((service) => service.balanced && service.load !== null && headingFor(service) === home);
  if (first === undefined || home === null || !movable) return [];
  const situation = situationOf(context, { sid: first.sid, preference: 'none', failedNodeIds: [] });
  const nodes = situation.classes.find((some) => some.some((node) => node.nodeId === home)) ?? [];
  const source = nodes.find((node) => node.nodeId === home);
  if (source === undefined) return [];
  return nodes
    .filter((target) => target !== source && isOpen(situation, target) && hasRoom(situation, target))
    .map((target) => ({ unit, source, target, ...usageOf(context, members) }));
}

/** What moves with the services: what they use now, or may use. */
function usageOf(context: PlacementContext, members: readonly PlacedService[]): { cpus: number; memoryBytes: number } {
  const loads = members.flatMap((service) => service.load ?? []);
  const sum = (of: (load: ServiceLoad) => number): number => loads.reduce((total, load) => total + of(load), 0);
  if (context.scheduling === 'dynamic') {
    return { cpus: sum((load) => load.cpus), memoryBytes: sum((load) => load.memoryBytes) };
  }
  return { cpus: sum((load) => load.maxCpus), memoryBytes: sum((load) => load.maxMemoryBytes) };
}

function outcomesOf(nodes: readonly NodeUsage[], moves: readonly Candidate[]): Outcome[] {
  const loads = nodes.map(loadOf);
  const indexOf = new Map(nodes.map((node, index) => [node.nodeId, index]));
  return moves.flatMap((candidate): Outcome[] => {
    const sourceIndex = indexOf.get(candidate.source.nodeId);
    const targetIndex = indexOf.get(candidate.target.nodeId);
    const source = sourceIndex === undefined ? undefined : nodes[sourceIndex];
    const target = targetIndex === undefined ? undefined : nodes[targetIndex];
    if (sourceIndex === undefined || targetIndex === undefined || !source || !target) return [];
    const without = changed(source, candidate, -1);
    const withIt = changed(target, candidate, 1);
    const after = loads.with(sourceIndex, loadOf(without)).with(targetIndex, loadOf(withIt));
    return [
      {
        candidate,
        changes: [
          [sourceIndex, without],
          [targetIndex, withIt],
        ],
        imbalanceAfter: withoutNoise(variation(after)),
      },
    ];
  });
}

/** Figures may be older than the service's own: no less than nothing is left. */
function changed(node: NodeUsage, { cpus, memoryBytes }: Candidate, sign: -1 | 1): NodeUsage {
  return {
    ...node,
    cpus: Math.max(0, node.cpus + sign * cpus),
    memoryBytes: Math.max(0, node.memoryBytes + sign * memoryBytes),
  };
}

function leastImbalance(outcomes: readonly Outcome[]): Outcome | null {
  return outcomes.reduce<Outcome | null>(
    (best, outcome) => (best === null || outcome.imbalanceAfter < best.imbalanceAfter ? outcome : best),
    null,
  );
}

function nearestToIdeal({ usage }: PlacementContext, outcomes: readonly Outcome[]): Outcome | null {
  const { nodes } = usage;
  const cpu = new Ratios(nodes.map((node) => node.cpus / node.maxCpus));
  const memory = new Ratios(nodes.map((node) => node.memoryBytes / node.maxMemoryBytes));
  const rows = outcomes.map(({ changes }) => [
    ...cpu.meanAndMost(new Map(changes.map(([index, node]) => [index, node.cpus / node.maxCpus]))),
    ...memory.meanAndMost(new Map(changes.map(([index, node]) => [index, node.memoryBytes / node.maxMemoryBytes]))),
  ]);
  const near = closeness(rows, criteriaWeights);
  const best = near.reduce((top, value, index) => (value > (near[top] ?? -1) ? index : top), 0);
  return outcomes[best] ?? null;
}

function loadOf(node: NodeUsage): number {
  return (node.cpus / node.maxCpus + node.memoryBytes / node.maxMemoryBytes) / 2;
}

function variation(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  if (sum === 0) return 0;
  const mean = sum / values.length;
  const squares = values.reduce((total, value) => total + (value - mean) ** 2, 0);
  return Math.sqrt(squares / values.length) / mean;
}
