import type { Command, ServiceMemo, ServiceRecord } from './cluster-state.js';
import { ageMs } from './manager-memory.js';
import { hostOf, isWanted, movesLive, nameOf, nodeOf, type Round, to } from './manager-round.js';
import { selectNode } from './placement.js';

/** Moves of what runs: ordered by the operator, asked for by rules, or because a node is to be emptied. */

/** Pause before a move that has failed is tried again by itself; doubled with each further failure. */
const failedMovePauseMs = 10_000;
const longestMovePauseMs = 900_000;
/** So often the move is tried while its node wants to go down, a matter of two minutes; then it is stopped and started. */
const movesTriedBeforeStop = 4;

/** Moves it without a stop if its node can, else by stopping and starting it. */
export function moveTo(
  service: ServiceRecord,
  round: Round,
  targetId: number,
  reason: string,
  more: { readonly kind?: 'migrate' | 'relocate'; readonly memo?: Partial<ServiceMemo> } = {},
): Command {
  round.placement.move(service.sid, targetId);
  const live = more.kind !== 'relocate' && movesLive(service, hostOf(round, service));
  const options = { targetId, ...(more.memo === undefined ? {} : { memo: more.memo }) };
  return to(service, live ? 'migrate' : 'relocate', service.nodeId, reason, options);
}

/** Begins the move that the operator asked for, with all that has to stay together; or says why not. */
export function carryOutOrder(service: ServiceRecord, round: Round): Command | null {
  const { order } = service;
  if (order === null) return null;
  const problem = whyNotThere(service, round, order.nodeId);
  if (problem !== null) {
    return { type: 'service-order-dropped', sid: service.sid, expectUid: service.uid, reason: problem };
  }
  if (!service.running) return null;
  const name = nameOf(round, order.nodeId);
  for (const mate of matesOf(service, round)) {
    if (mate.nodeId === order.nodeId || round.decided.has(mate.sid)) continue;
    const reason = `moves to ${name} with ${service.sid}`;
    round.decided.add(mate.sid);
    round.commands.push(moveTo(mate, round, order.nodeId, reason, { kind: order.kind, memo: afterOrder(mate, round) }));
  }
  return moveTo(service, round, order.nodeId, `moved to ${name} by request`, {
    kind: order.kind,
    memo: afterOrder(service, round),
  });
}

/** A new order is a new chance, and a new home, unless the old one is only away for maintenance. */
function afterOrder({ maintenanceNodeId }: ServiceRecord, round: Round): Partial<ServiceMemo> {
  const origin = maintenanceNodeId === null ? null : round.placement.node(maintenanceNodeId);
  return {
    failedMoves: 0,
    failedNodeIds: [],
    maintenanceNodeId: origin?.unavailable == null ? null : maintenanceNodeId,
  };
}

/** Resources that have to be where it is, and run. */
function matesOf(service: ServiceRecord, round: Round): ServiceRecord[] {
  return round.placement.unit(service.sid).sids.flatMap((sid) => {
    const mate = round.input.state.services[sid];
    return mate !== undefined && sid !== service.sid && mate.state === 'started' && mate.running ? [mate] : [];
  });
}

/** Resources that have to be where it is, and are, running or being started. */
export function matesBeside({ sid, nodeId }: ServiceRecord, round: Round): ServiceRecord[] {
  return round.placement.unit(sid).sids.flatMap((other) => {
    const mate = round.input.state.services[other];
    const isBeside = mate !== undefined && mate.state === 'started' && mate.nodeId === nodeId;
    return isBeside && other !== sid && !round.decided.has(other) ? [mate] : [];
  });
}

export function moveAlong(mates: readonly ServiceRecord[], round: Round, targetId: number, reason: string): void {
  for (const mate of mates) {
    round.decided.add(mate.sid);
    round.commands.push(moveTo(mate, round, targetId, reason, mate.running ? {} : { kind: 'relocate' }));
  }
}

/** Why it cannot be moved to that node, a sentence; null: it can. */
export function whyNotThere(service: ServiceRecord, round: Round, nodeId: number): string | null {
  const { sid } = service;
  const target = round.placement.node(nodeId);
  if (target === null) return `${sid} stays: node ${nodeId} is not known`;
  if (service.nodeId === nodeId) return `${sid} is on ${target.name} already`;
  if (round.input.state.disarm !== null) return `${sid} stays: the cluster is ${round.input.state.disarm.phase}`;
  if (target.unavailable !== null) return `${sid} stays: ${target.name} ${target.unavailable}`;
  const unit = round.placement.unit(sid);
  if (round.placement.isKeptApart(unit, nodeId)) {
    return `${sid} stays: on ${target.name} is, or is coming or leaving, a resource that it has to be kept apart from`;
  }
  const allowed = unit.choice === null || unit.choice.classes.some((names) => names.includes(target.name));
  return allowed ? null : `${sid} stays: rule ${unit.choice?.ruleId} does not allow ${target.name}`;
}

/** Where it should be now; a move if that is not where it is. */
export function settle(service: ServiceRecord, round: Round): Command | null {
  const { sid, nodeId, failedNodeIds } = service;
  if (!isWanted(service) || nodeId === null || isPausing(service, round)) return null;
  if (round.input.state.disarm !== null) return null;
  const selection = selectNode(round.placement, { sid, preference: 'none', failedNodeIds });
  const host = round.placement.node(nodeId);
  if (selection.nodeId === nodeId || (!isToBeLeft(service, round) && host?.unavailable != null)) return null;
  if (selection.nodeId === null) return host?.unavailable == null ? null : nowhereToGo(service, round);
  return moveTo(service, round, selection.nodeId, selection.reason, {
    kind: cannotWait(service, round) ? 'relocate' : 'migrate',
    memo: { maintenanceNodeId: originOf(service, round) },
  });
}

/** Its machine goes down, and moving it without a stop was tried often enough. */
function cannotWait(service: ServiceRecord, round: Round): boolean {
  return service.failedMoves >= movesTriedBeforeStop && hostOf(round, service)?.lrm.leaving === true;
}

/** What runs on a node that is given nothing new goes on there, unless the node is to be emptied. */
function isToBeLeft(service: ServiceRecord, round: Round): boolean {
  return nodeOf(round, service.nodeId)?.maintenance === true || hostOf(round, service)?.lrm.leaving === true;
}

/** A node that goes down cannot be emptied of it: stopped with the node, it waits for it. */
function nowhereToGo(service: ServiceRecord, round: Round): Command | null {
  if (hostOf(round, service)?.lrm.leaving !== true) return null;
  const reason = `no other node can take it: it waits for ${nameOf(round, service.nodeId)}`;
  return to(service, 'freeze', service.nodeId, reason);
}

/** Where it returns to after maintenance: the first node that it had to leave for one; until it is there. */
function originOf(service: ServiceRecord, round: Round): number | null {
  return service.maintenanceNodeId ?? (isToBeLeft(service, round) ? service.nodeId : null);
}

/** Its last move failed a short time ago. */
function isPausing(service: ServiceRecord, round: Round): boolean {
  if (service.failedMoves === 0) return false;
  const pauseMs = Math.min(longestMovePauseMs, failedMovePauseMs * 2 ** (service.failedMoves - 1));
  return ageMs(round.input.memory, service, round.input.nowMs) < pauseMs;
}
