import type { PlacementContext, PlacementNode } from './placement-context.js';
import { type ConsideredNode, considerNodes, lackOfRoom, whyNone } from './placement-explanation.js';
import {
  hasRoom,
  holdingMate,
  homeAmong,
  isOpen,
  type PlacementQuery,
  returnsTogether,
  type Situation,
  situationOf,
} from './placement-situation.js';
import { compareText } from './rule-transforms.js';
import type { Scheduling } from './usage.js';

export interface NodeSelection {
  readonly nodeId: number | null;
  /** Why this one, or why none; a sentence's end. */
  readonly reason: string;
  /** Every node of the cluster, by name; empty unless asked for. */
  readonly considered: readonly ConsideredNode[];
}

interface Choice {
  readonly node: PlacementNode;
  readonly reason: string;
}

/**
 * Where the service should be. Strict rules are never broken; what is only preferred gives way, class by class, when
 * its nodes cannot be used; a node whose memory cannot hold the service is taken when there is no other. Equal answers
 * for equal input: ties are broken by name.
 */
export function selectNode(context: PlacementContext, query: PlacementQuery): NodeSelection {
  const situation = situationOf(context, query);
  const choice = choose(situationOf(context, query, true)) ?? choose(situation) ?? whereItFailed(context, query);
  return {
    nodeId: choice?.node.nodeId ?? null,
    reason: choice?.reason ?? whyNone(situation),
    considered: query.explain ? considerNodes(situation, choice?.node ?? null) : [],
  };
}

function choose(situation: Situation): Choice | null {
  if (holdingMate(situation) !== null) return null;
  const choice = unmoved(situation) ?? settled(situation) ?? inBestClass(situation) ?? asLastResort(situation);
  if (choice === null || choice.node === situation.current || hasRoom(situation, choice.node)) return choice;
  return {
    node: choice.node,
    reason: `${choice.reason}; it ${lackOfRoom(situation, choice.node)}`,
  };
}

/** What may not stay, and has no other node, goes where it failed to start: it may start there by now. */
function whereItFailed(context: PlacementContext, query: PlacementQuery): Choice | null {
  if (query.preference !== 'none' || query.failedNodeIds.length === 0) return null;
  const choice = choose(situationOf(context, { ...query, failedNodeIds: [] }));
  return choice && { node: choice.node, reason: `${choice.reason}, although it has failed to start there` };
}

/** The usual case, for speed: alone in its set, in the best class, and nothing speaks against where it is. */
function unmoved(situation: Situation): Choice | null {
  const { query, current, mates, originNodeId, classes } = situation;
  if (query.preference !== 'none' || current === null || originNodeId !== null || mates.size > 0) return null;
  if (!classes[0]?.includes(current) || !isOpen(situation, current)) return null;
  return { node: current, reason: `stays on ${current.name}` };
}

/** What does not fall back stays where it is, and a set that does not is completed where most of it is. */
function settled(situation: Situation): Choice | null {
  const { query, unit, classes, current } = situation;
  if (unit.failback) return null;
  const home = homeAmong(situation, openNodes(situation, classes.flat()));
  if (home !== null) return joining(situation, home);
  if (query.preference !== 'none' || current === null || !isOpen(situation, current)) return null;
  return { node: current, reason: `stays on ${current.name}: it does not fall back by itself` };
}

/** In the best class that has a node with room for it. */
function inBestClass(situation: Situation): Choice | null {
  for (const nodes of situation.classes) {
    const choice = among(situation, openNodes(situation, nodes), (node) => hasRoom(situation, node));
    if (choice !== null) return choice;
  }
  return null;
}

/** No node has room: where its set is, or else in the best class. */
function asLastResort(situation: Situation): Choice | null {
  const open = situation.classes.map((nodes) => openNodes(situation, nodes));
  const home = homeAmong(situation, open.flat());
  if (home !== null) return joining(situation, home);
  const choice = best(situation, open.find((nodes) => nodes.length > 0) ?? []);
  return choice && { node: choice.node, reason: `${choice.reason}, although no node that it may use has room for it` };
}

function openNodes(situation: Situation, nodes: readonly PlacementNode[]): PlacementNode[] {
  return nodes.filter((node) => isOpen(situation, node));
}

/** From the open nodes of one class. Where its set is, room does not count: it cannot be anywhere else. */
function among(
  situation: Situation,
  open: readonly PlacementNode[],
  fits: (node: PlacementNode) => boolean,
): Choice | null {
  const { query, current, originNodeId } = situation;
  const origin = open.find((node) => node.nodeId === originNodeId);
  if (origin !== undefined && fits(origin) && returnsTogether(situation)) {
    return { node: origin, reason: `returns to ${origin.name} after maintenance` };
  }
  const home = homeAmong(situation, open);
  if (home !== null) return joining(situation, home);
  if (query.preference === 'none' && current !== null && open.includes(current)) {
    return { node: current, reason: `stays on ${current.name}` };
  }
  return best(situation, open.filter(fits));
}

function joining({ current, unit }: Situation, home: PlacementNode): Choice {
  const how = home === current ? 'stays on' : 'placed on';
  return { node: home, reason: `${how} ${home.name}, where its set is (rule ${unit.ruleIds.join(', ')})` };
}

function best(situation: Situation, nodes: readonly PlacementNode[]): Choice | null {
  if (nodes.length === 0) return null;
  const { context, query } = situation;
  const service = context.service(query.sid);
  const { by, byNode } = context.usage.scores(service?.load ?? null);
  const score = (node: PlacementNode): number => byNode.get(node.nodeId) ?? 0;
  const ordered = [...nodes].sort((a, b) => score(a) - score(b) || compareText(a.name, b.name));
  const after = ordered.findIndex((node) => node.nodeId === service?.nodeId) + 1;
  const node = query.preference === 'try-next' ? (ordered[after] ?? ordered[0]) : ordered[0];
  return node === undefined ? null : { node, reason: `placed on ${node.name}, ${merit(situation, node, by)}` };
}

function merit({ context, unit, query }: Situation, node: PlacementNode, by: Scheduling): string {
  const services = context.usage.services(node.nodeId);
  const lightest = by === 'basic' ? `which runs the fewest services (${services})` : 'where it leaves loads most even';
  const merit = query.preference === 'try-next' ? 'the next to be tried' : lightest;
  const preferred = unit.choice?.classes[0]?.includes(node.name) ?? true;
  return preferred ? merit : `${merit}: no node that rule ${unit.choice?.ruleId} prefers can take it`;
}
