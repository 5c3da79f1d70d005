import type { Unit } from './compiled-rules.js';
import { headingFor, type PlacementContext, type PlacementNode } from './placement-context.js';
import { compareText } from './rule-transforms.js';

/**
 * none: stay if that is allowed; best-score: the best node, wherever it is now; try-next: after it failed to start, the
 * next one in the order of best-score.
 */
export type Preference = 'none' | 'best-score' | 'try-next';

export interface PlacementQuery {
  readonly sid: string;
  readonly preference: Preference;
  /** Nodes on which it failed to start: not used by try-next, and by none only where nothing else is left. */
  readonly failedNodeIds: readonly number[];
  /** Those that have to be on the same node come along, wherever it goes. */
  readonly withSet?: boolean;
  /** Also say of every node why it is in or out. Costs time: for people only. */
  readonly explain?: boolean;
}

/** The query with what the context knows of the service. */
export interface Situation {
  readonly context: PlacementContext;
  readonly query: PlacementQuery;
  readonly unit: Unit;
  /** Nodes that may be given services and that its rules allow, best class first. */
  readonly classes: readonly (readonly PlacementNode[])[];
  /** The node it is on, if that is among them. */
  readonly current: PlacementNode | null;
  readonly originNodeId: number | null;
  /** Services that have to be on the same node, per node. */
  readonly mates: ReadonlyMap<number, number>;
  /** Keep away from where those are expected that it has to be apart from. */
  readonly heedsExpected: boolean;
}

export function situationOf(context: PlacementContext, query: PlacementQuery, heedsExpected = false): Situation {
  const unit = context.unit(query.sid);
  const service = context.service(query.sid);
  const classes = context.classes(unit.choice);
  const current = service === null ? null : findNode(classes, service.nodeId);
  const originNodeId = service?.originNodeId ?? null;
  return {
    context,
    query,
    unit,
    classes,
    current,
    originNodeId,
    mates: query.withSet ? new Map() : context.mates(query.sid, unit),
    heedsExpected,
  };
}

function findNode(classes: Situation['classes'], nodeId: number | null): PlacementNode | null {
  for (const nodes of classes) {
    for (const node of nodes) if (node.nodeId === nodeId) return node;
  }
  return null;
}

/** It has not failed there (as far as that counts now), and nothing is there that it is kept apart from. */
export function isOpen(situation: Situation, node: PlacementNode): boolean {
  const { context, unit, heedsExpected } = situation;
  if (isFailed(situation, node) || context.isKeptApart(unit, node.nodeId)) return false;
  return !heedsExpected || !context.isExpectedApart(unit, node.nodeId);
}

export function isFailed({ query, current }: Situation, node: PlacementNode): boolean {
  if (query.preference === 'best-score' || !query.failedNodeIds.includes(node.nodeId)) return false;
  return query.preference === 'try-next' || node !== current;
}

/** The one of these nodes with the most of its mates; null: there are none on any. */
export function homeAmong({ mates }: Situation, nodes: readonly PlacementNode[]): PlacementNode | null {
  if (mates.size === 0) return null;
  const count = (node: PlacementNode): number => mates.get(node.nodeId) ?? 0;
  const peopled = nodes.filter((node) => count(node) > 0);
  return peopled.sort((a, b) => count(b) - count(a) || compareText(a.name, b.name))[0] ?? null;
}

/** Each of its mates is where this one came from before a maintenance, goes there, or came from there too. */
export function returnsTogether({ context, query, unit, mates, originNodeId }: Situation): boolean {
  if (mates.size === 0) return true;
  return unit.sids.every((sid) => {
    const mate = sid === query.sid ? null : context.service(sid);
    const heading = mate === null ? null : headingFor(mate);
    return heading === null || heading === originNodeId || mate?.originNodeId === originNodeId;
  });
}

/** A mate that runs where this one failed to start: anywhere else this one would break their rule. */
export function holdingMate({ context, query, unit, classes }: Situation): string | null {
  if (query.preference !== 'try-next' || query.withSet || unit.sids.length === 1) return null;
  const holds = (sid: string): boolean => {
    const mate = sid === query.sid ? null : context.service(sid);
    if (!mate?.running || mate.nodeId === null || mate.targetNodeId !== null) return false;
    return query.failedNodeIds.includes(mate.nodeId) && findNode(classes, mate.nodeId) !== null;
  };
  return unit.sids.find(holds) ?? null;
}

/** Room for it and for those of its set that are to follow, as far as figures are known. */
export function hasRoom(situation: Situation, node: PlacementNode): boolean {
  const { neededBytes, freeBytes } = room(situation, node);
  return freeBytes === null || neededBytes === 0 || neededBytes <= freeBytes;
}

export function room(
  { context, query, unit }: Situation,
  { nodeId }: PlacementNode,
): { neededBytes: number; freeBytes: number | null } {
  return {
    neededBytes: context.memoryNeededBytes(unit, nodeId, query.sid),
    freeBytes: context.usage.freeMemoryBytes(nodeId),
  };
}
