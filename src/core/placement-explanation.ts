import type { Separation } from './compiled-rules.js';
import { headingFor, type PlacedService, type PlacementNode } from './placement-context.js';
import { hasRoom, holdingMate, homeAmong, isFailed, isOpen, room, type Situation } from './placement-situation.js';
import { list } from './rule-checks.js';

/** Why a service is where it is, node by node and rule by rule, for people. */
export interface ConsideredNode {
  readonly nodeId: number;
  readonly name: string;
  readonly verdict: 'chosen' | 'possible' | 'excluded';
  /** Less is better; comparable within one answer only. Nodes that cannot be given services have none. */
  readonly score?: number;
  readonly sentences: readonly string[];
}

export function considerNodes(situation: Situation, chosen: PlacementNode | null): ConsideredNode[] {
  const { context, query, classes } = situation;
  const scores = context.usage.scores(context.service(query.sid)?.load ?? null).byNode;
  const reachable = classes.flat();
  return context.nodes.map((node): ConsideredNode => {
    const obstacles = obstaclesOn(situation, node, reachable, chosen);
    const score = scores.get(node.nodeId);
    const possible = obstacles.length === 0 ? 'possible' : 'excluded';
    return {
      nodeId: node.nodeId,
      name: node.name,
      verdict: node === chosen ? 'chosen' : possible,
      ...(score === undefined ? {} : { score }),
      sentences: [...obstacles, ...remarksOn(situation, node)],
    };
  });
}

/** What keeps the service off the node. */
function obstaclesOn(
  situation: Situation,
  node: PlacementNode,
  reachable: readonly PlacementNode[],
  chosen: PlacementNode | null,
): string[] {
  const { unit, query, context } = situation;
  const obstacles = node.unavailable === null ? [] : [`${node.name} ${node.unavailable}.`];
  if (unit.choice !== null && !unit.choice.classes.some((names) => names.includes(node.name))) {
    obstacles.push(`Rule ${unit.choice.ruleId} forbids ${node.name}.`);
  }
  obstacles.push(...unit.separations.flatMap((separation) => rivals(situation, separation, node)));
  if (isFailed(situation, node)) obstacles.push(`${query.sid} failed to start on ${node.name}.`);
  const home = homeAmong(
    situation,
    reachable.filter((other) => isOpen(situation, other)),
  );
  if (obstacles.length === 0 && node !== chosen && home !== null && home === chosen) {
    const mates = unit.sids.filter((sid) => sid !== query.sid && heads(context.service(sid), home));
    obstacles.push(`Rule ${unit.ruleIds.join(', ')} keeps it together with ${list(mates)} on ${home.name}.`);
  }
  return obstacles;
}

function rivals({ context, unit }: Situation, separation: Separation, node: PlacementNode): string[] {
  const there = separation.sids.filter((sid) => {
    const service = unit.sids.includes(sid) ? null : context.service(sid);
    return service !== null && (isAt(service, node) || heads(service, node));
  });
  return there.length === 0 ? [] : [`Rule ${separation.ruleId} keeps it apart from ${list(there)} on ${node.name}.`];
}

function isAt(service: PlacedService, node: PlacementNode): boolean {
  return service.occupies && service.nodeId === node.nodeId;
}

function heads(service: PlacedService | null, node: PlacementNode): boolean {
  return service !== null && headingFor(service) === node.nodeId;
}

/** What speaks for the node or against it without deciding alone. */
function remarksOn(situation: Situation, node: PlacementNode): string[] {
  const { context, query, unit } = situation;
  const { choice } = unit;
  const remarks: string[] = [];
  const level = choice?.classes.findIndex((names) => names.includes(node.name)) ?? -1;
  const only = choice?.strict && choice.classes.length === 1;
  if (choice !== null && level === 0)
    remarks.push(`Rule ${choice.ruleId} ${only ? 'allows' : 'prefers'} ${node.name}.`);
  if (choice !== null && level > 0) remarks.push(`Rule ${choice.ruleId} prefers ${list(choice.classes[0] ?? [])}.`);
  if (context.service(query.sid)?.nodeId === node.nodeId) remarks.push(`${query.sid} is on ${node.name} now.`);
  if (situation.originNodeId === node.nodeId) remarks.push(`It left ${node.name} for maintenance, to return.`);
  if (node.unavailable !== null) return remarks;
  if (!hasRoom(situation, node)) remarks.push(`It ${lackOfRoom(situation, node)}.`);
  remarks.push(`${node.name} runs ${services(context.usage.services(node.nodeId))}.`);
  return remarks;
}

/** To follow the subject. */
export function lackOfRoom(situation: Situation, node: PlacementNode): string {
  const { neededBytes, freeBytes } = room(situation, node);
  const left = gibibytes(Math.max(0, freeBytes ?? 0));
  return `may need ${gibibytes(neededBytes)} of memory where ${left} are left`;
}

/** Why no node was found, to follow `no node for it:`. */
export function whyNone(situation: Situation): string {
  const { classes, unit, query } = situation;
  const held = holdingMate(situation);
  if (held !== null) return `it is kept together with ${held}, which runs where it failed to start`;
  const usable = classes.flat();
  if (usable.length === 0) return whyNoneAllowed(situation);
  const separated = usable.filter((node) => !isFailed(situation, node));
  if (separated.length === 0) return `it failed to start on every node that it may use (${names(usable)})`;
  const rules = list(unit.separations.map((separation) => separation.ruleId));
  return `on every node that it may use (${names(separated)}) is something that rule ${rules} keeps it apart from${
    query.preference === 'try-next' && separated.length < usable.length ? ', or it failed to start there' : ''
  }`;
}

function whyNoneAllowed({ context, unit }: Situation): string {
  if (context.available.length === 0) return 'no node can be given services';
  const allowed = unit.choice?.classes.flat() ?? [];
  if (allowed.length === 0) return `rule ${unit.choice?.ruleId} allows no node`;
  return `rule ${unit.choice?.ruleId} allows only ${list(allowed)}, and no such node can be given services now`;
}

function names(nodes: readonly PlacementNode[]): string {
  return list(nodes.map((node) => node.name));
}

function services(count: number): string {
  return count === 1 ? '1 service' : `${count} services`;
}

function gibibytes(bytes: number): string {
  return `${Math.round((bytes / 2 ** 30) * 10) / 10} GiB`;
}
