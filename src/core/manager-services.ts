import { type Command, limits, type ServiceMemo, type ServiceRecord } from './cluster-state.js';
import { lostRequirement, waitsFor } from './dependencies.js';
import { ageMs } from './manager-memory.js';
import { carryOutOrder, matesBeside, moveAlong, moveTo, settle, whyNotThere } from './manager-moves.js';
import {
  answerOfHost,
  answerOfTarget,
  hostOf,
  isWanted,
  mayRunOutOfReach,
  nameOf,
  nodeOf,
  type Round,
  spreadsStarts,
  to,
} from './manager-round.js';
import { selectNode } from './placement.js';
import { provedDead } from './proof.js';
import { seeksNode } from './service-states.js';

/** What happens next to one service; null: nothing now. The other half of the table in service-states.ts. */
export function nextStep(service: ServiceRecord, round: Round): Command | null {
  return nextState(service, round) ?? dropVainOrder(service);
}

/** An order is carried out from `started` and `stopped`, and waits for them only where they come by themselves. */
function dropVainOrder(service: ServiceRecord): Command | null {
  const { sid, uid, state, order } = service;
  if (order === null || state === 'started' || state === 'stopped' || seeksNode(state)) return null;
  return { type: 'service-order-dropped', sid, expectUid: uid, reason: `${sid} is in state ${state}` };
}

function nextState(service: ServiceRecord, round: Round): Command | null {
  switch (service.state) {
    case 'request_start':
    case 'request_start_balance':
      return whileSeekingNode(service, round);
    case 'started':
      return whileStarted(service, round);
    case 'request_stop':
      return whileStopping(service, round);
    case 'stopped':
      return whileStopped(service, round);
    case 'migrate':
      return whileMigrating(service, round);
    case 'relocate':
      return whileRelocating(service, round);
    case 'fence':
      return whileFencing(service, round);
    case 'recovery':
      return whileRecovering(service, round);
    case 'freeze':
      return whileFrozen(service, round);
    case 'error':
      return whileInError(service, round);
    case 'ignored':
      return whileIgnored(service, round);
  }
}

/** Forgotten, and then added again, it would be looked for only on nodes in reach. */
function forget(service: ServiceRecord, round: Round): Command | null {
  if (mayRunOutOfReach(service, round)) return null;
  return { type: 'service-forget', sid: service.sid, expectUid: service.uid };
}

function isIgnored(service: ServiceRecord): boolean {
  return service.requested === 'ignored' && !service.removing;
}

function ignore(service: ServiceRecord): Command {
  return to(service, 'ignored', service.nodeId, 'ignored by request');
}

/** Its node cannot come back to it, or is proved dead. */
function isLost(service: ServiceRecord, round: Round): boolean {
  const state = nodeOf(round, service.nodeId)?.state;
  return state === 'fence' || provedDead(round.input.state, service.nodeId, service.bootId);
}

// ---- to be started ----

function whileSeekingNode(service: ServiceRecord, round: Round): Command | null {
  if (service.removing) return forget(service, round);
  if (isIgnored(service)) return ignore(service);
  if (!isWanted(service)) return to(service, 'stopped', service.nodeId, 'no longer requested');
  if (round.input.state.disarm !== null || !isKnownToBeStopped(service, round)) return null;
  const found = takeOver(service, round);
  if (found !== undefined) return found;
  if (waitsFor(round.input.state, service) !== null) return null;
  const spreads = spreadsStarts(round.input.state) && service.state === 'request_start';
  const preference = spreads ? 'best-score' : 'none';
  const query = { sid: service.sid, preference, failedNodeIds: service.failedNodeIds } as const;
  const selection = selectNode(round.placement, query);
  if (selection.nodeId === null) return null;
  if (spreads && service.nodeId !== null && selection.nodeId !== service.nodeId) {
    round.placement.assign(service.sid, selection.nodeId);
    return to(service, 'request_start_balance', selection.nodeId, selection.reason);
  }
  return start(service, round, selection.nodeId, selection.reason);
}

function start(service: ServiceRecord, round: Round, nodeId: number, reason: string): Command {
  round.placement.assign(service.sid, nodeId);
  return to(service, 'started', nodeId, reason, { memo: atHome(service, nodeId) });
}

/** Back where it was before a maintenance, it has nowhere to return to. */
function atHome({ maintenanceNodeId }: ServiceRecord, nodeId: number | null): Partial<ServiceMemo> {
  return maintenanceNodeId === nodeId ? { maintenanceNodeId: null } : {};
}

/** It was looked for everywhere, and where it may have been left unwatched is there to say that it is not. */
function isKnownToBeStopped(service: ServiceRecord, round: Round): boolean {
  const { input, probedThrough } = round;
  if (input.unheard.size > 0 || probedThrough < service.addedIndex) return false;
  return !mayRunOutOfReach(service, round);
}

/** Found running, it stays where it is; null: not before its node is protected; undefined: it runs nowhere. */
function takeOver(service: ServiceRecord, round: Round): Command | null | undefined {
  const nodeId = round.strays.get(service.sid);
  if (nodeId === undefined) return undefined;
  if (!isProtected(nodeId, round)) return noteFound(service, nodeId, round);
  return start(service, round, nodeId, `found running on ${nameOf(round, nodeId)}`);
}

/** Its watchdog counts: what is found running there can be given to it, and does not outlive its loss. */
function isProtected(nodeId: number, round: Round): boolean {
  return nodeOf(round, nodeId)?.state === 'online' && round.input.members.get(nodeId)?.lrm.active === true;
}

/** Before its node is lost, and what it said with it. */
function noteFound(service: ServiceRecord, nodeId: number, round: Round): Command | null {
  const node = nodeOf(round, nodeId);
  const isNoted = service.nodeId === nodeId && service.bootId === node?.bootId;
  if (isNoted || node?.state !== 'online' || !isKnownToBeStopped(service, round)) return null;
  return { type: 'service-found', sid: service.sid, expectUid: service.uid, nodeId };
}

// ---- running ----

function whileStarted(service: ServiceRecord, round: Round): Command | null {
  if (isLost(service, round)) return to(service, 'fence', service.nodeId, `${nameOf(round, service.nodeId)} is lost`);
  const answer = answerOfHost(round, service);
  const isEnding = hostOf(round, service)?.lrm.mode === 'shutdown';
  if (answer?.outcome === 'error' && isWanted(service) && !isEnding) {
    return afterFailedStart(service, round, answer.detail);
  }
  if (answer?.outcome === 'running' && !service.running) {
    return { type: 'service-running', sid: service.sid, uid: service.uid };
  }
  const host = hostOf(round, service);
  if (host === undefined) return null;
  if (isIgnored(service)) return ignore(service);
  const stop = whyStop(service, round);
  if (stop !== null) return stop === 'wait' ? null : to(service, 'request_stop', service.nodeId, stop);
  if (host.lrm.mode === 'restart') {
    return to(service, 'freeze', service.nodeId, `${nameOf(round, service.nodeId)} restarts: it waits for it`);
  }
  if (isEnding) return handOver(service, round);
  if (service.order !== null) return carryOutOrder(service, round);
  if (!service.running) return placedInVain(service, round);
  return settle(service, round);
}

/** Why it is to be stopped; `wait`: only when what requires it has been stopped; null: it is not. */
function whyStop(service: ServiceRecord, round: Round): string | null {
  const lost = isWanted(service) ? lostRequirement(round.input.state, service) : null;
  if (isWanted(service) && lost === null) return null;
  if ((round.dependants.get(service.sid) ?? []).length > 0) return 'wait';
  if (lost !== null) return lost;
  return service.removing ? 'being removed' : `${service.requested} is requested`;
}

/** Its node goes down: what it cannot stop is recovered when that is over. */
function endsWithItsNode(service: ServiceRecord, round: Round): boolean {
  return hostOf(round, service)?.lrm.leaving === true;
}

/** Its node goes down and something failed there: what can be stopped need not wait until the node was fenced. */
function handOver(service: ServiceRecord, round: Round): Command | null {
  const { sid, nodeId, failedNodeIds } = service;
  const ofHost = [...(round.answers.get(nodeId ?? 0)?.values() ?? [])];
  if (!ofHost.some(({ outcome }) => outcome === 'error')) return null;
  const { nodeId: targetId, reason } = selectNode(round.placement, { sid, preference: 'best-score', failedNodeIds });
  if (targetId !== null) return moveTo(service, round, targetId, reason, { kind: 'relocate' });
  // Its failed start is to be cleared away all the same.
  const hasFailed = answerOfHost(round, service)?.outcome === 'error';
  return hasFailed ? to(service, 'request_stop', nodeId, reason) : null;
}

/** Its node cannot start it any more, though it was given to it: another one may. */
function placedInVain(service: ServiceRecord, round: Round): Command | null {
  const host = hostOf(round, service);
  const unavailable = round.placement.node(service.nodeId ?? 0)?.unavailable ?? null;
  if (host === undefined || host.lrm.canRun || unavailable === null) return null;
  // It may be running, for its move has failed: the node says so when it knows what is asked of it.
  if (answerOfHost(round, service) !== undefined || host.commitIndex < service.uid) return null;
  return to(service, 'request_stop', service.nodeId, `its node ${unavailable}: to be started elsewhere`);
}

/** On to the next node, as often as `maxRelocate` allows; with no other, again on the same. */
function afterFailedStart(service: ServiceRecord, round: Round, detail: string): Command {
  const { nodeId } = service;
  const strayOn = round.strays.get(service.sid);
  // It was out of reach there when it was placed: no further start is tried beside it.
  if (strayOn !== undefined) {
    return to(service, 'request_stop', nodeId, `${detail}; found running on ${nameOf(round, strayOn)}`);
  }
  const before = service.failedStarts === 0 ? [] : service.failedNodeIds;
  const failedNodeIds = nodeId === null ? before : [...before, nodeId];
  const failedStarts = service.failedStarts + 1;
  const memo = { failedStarts, failedNodeIds: failedNodeIds.slice(-limits.failedNodesKept) };
  if (failedStarts > service.maxRelocate) {
    const tried = [...new Set(failedNodeIds)].map((id) => nameOf(round, id)).join(', ');
    return to(service, 'error', nodeId, `${detail}; tried on ${tried}`, { memo });
  }
  const mates = matesBeside(service, round);
  const query = { sid: service.sid, preference: 'try-next', failedNodeIds, withSet: mates.length > 0 } as const;
  const selection = selectNode(round.placement, query);
  if (selection.nodeId === null || selection.nodeId === nodeId) {
    return to(service, 'started', nodeId, `${detail}; no other node can take it: tried again here`, { memo });
  }
  round.placement.move(service.sid, selection.nodeId);
  const name = nameOf(round, selection.nodeId);
  moveAlong(mates, round, selection.nodeId, `moves to ${name} with ${service.sid}, which does not start here`);
  const reason = `${detail}; ${selection.reason}`;
  return to(service, 'relocate', nodeId, reason, { targetId: selection.nodeId, memo });
}

// ---- to be stopped, stopped ----

function whileStopping(service: ServiceRecord, round: Round): Command | null {
  if (isLost(service, round)) return to(service, 'fence', service.nodeId, `${nameOf(round, service.nodeId)} is lost`);
  const answer = answerOfHost(round, service);
  if (answer?.outcome === 'stopped') return to(service, 'stopped', service.nodeId, 'stopped as requested');
  const failed = answer?.outcome === 'error' && !endsWithItsNode(service, round);
  return failed ? to(service, 'error', service.nodeId, answer.detail) : null;
}

function whileStopped(service: ServiceRecord, round: Round): Command | null {
  if (service.removing) return forget(service, round);
  if (isIgnored(service)) return ignore(service);
  if (service.order !== null) {
    const { nodeId } = service.order;
    const problem = whyNotFrom(service, round) ?? whyNotThere(service, round, nodeId);
    if (problem !== null) {
      return { type: 'service-order-dropped', sid: service.sid, expectUid: service.uid, reason: problem };
    }
    return to(service, 'stopped', nodeId, `stopped; to be started on ${nameOf(round, nodeId)} next time`);
  }
  if (isWanted(service)) {
    const required = lostRequirement(round.input.state, service);
    return required === null && round.input.state.disarm === null
      ? to(service, 'request_start', service.nodeId, 'requested')
      : null;
  }
  const strayOn = round.strays.get(service.sid);
  if (strayOn !== undefined && round.input.state.disarm === null) {
    if (!isProtected(strayOn, round)) return noteFound(service, strayOn, round);
    const reason = `found running on ${nameOf(round, strayOn)}, though ${service.requested} is requested`;
    return to(service, 'request_stop', strayOn, reason);
  }
  return service.requested === 'stopped' ? rehome(service, round) : null;
}

/** Where it was left unwatched is forgotten with another place: not before it is known not to run there. */
function whyNotFrom(service: ServiceRecord, round: Round): string | null {
  if (service.bootId === null || isKnownToBeStopped(service, round)) return null;
  return `${service.sid} stays: it may run on ${nameOf(round, service.nodeId)}, where nobody looked after it`;
}

/** What would be started on a dead node is expected on another one from now on. */
function rehome(service: ServiceRecord, round: Round): Command | null {
  const node = nodeOf(round, service.nodeId);
  const dead = node?.fencedBootIds.includes(node.bootId) === true;
  // What is to run chooses first.
  if (!dead || service.bootId !== null || round.isFencing) return null;
  const { nodeId, reason } = selectNode(round.placement, {
    sid: service.sid,
    preference: 'best-score',
    failedNodeIds: [],
  });
  if (nodeId === null || nodeId === service.nodeId) return null;
  round.placement.assign(service.sid, nodeId);
  return to(service, 'stopped', nodeId, `stopped; ${reason}`);
}

// ---- on the move ----

/** What has arrived goes on as it is wanted; it is looked at there before anything else. */
function arrived(service: ServiceRecord, round: Round): Command {
  const reason = `moved to ${nameOf(round, service.targetId)}`;
  const memo = { failedMoves: 0, ...atHome(service, service.targetId) };
  return to(service, isWanted(service) ? 'started' : 'request_stop', service.targetId, reason, { memo });
}

function whileMigrating(service: ServiceRecord, round: Round): Command | null {
  const { state } = round.input;
  if (isLost(service, round)) {
    const reason = `${nameOf(round, service.nodeId)} was lost while it moved away`;
    return to(service, 'fence', service.nodeId, reason, { targetId: service.targetId });
  }
  const answer = answerOfHost(round, service);
  const targetDead = provedDead(state, service.targetId, service.targetBootId);
  if (answer?.outcome === 'left') {
    if (!targetDead) return arrived(service, round);
    return to(
      service,
      'recovery',
      service.targetId,
      `${nameOf(round, service.targetId)} was fenced when it had arrived`,
    );
  }
  if (answer?.outcome === 'running') return stayed(service, round, answer.detail);
  // Only its node knows whether it has begun: it gives up by itself when the target does not come.
  return null;
}

function stayed(service: ServiceRecord, round: Round, detail: string): Command {
  const reason = `stays on ${nameOf(round, service.nodeId)}, for its move failed: ${detail}`;
  const memo = { failedMoves: service.failedMoves + 1, ...atHome(service, service.nodeId) };
  return to(service, isWanted(service) ? 'started' : 'request_stop', service.nodeId, reason, { memo });
}

function whileRelocating(service: ServiceRecord, round: Round): Command | null {
  if (isLost(service, round)) return to(service, 'fence', service.nodeId, `${nameOf(round, service.nodeId)} is lost`);
  const answer = answerOfHost(round, service);
  if (answer?.outcome === 'error' && !endsWithItsNode(service, round)) {
    return to(service, 'error', service.nodeId, answer.detail);
  }
  if (answer?.outcome !== 'stopped') return null;
  if (!isWanted(service)) return to(service, 'stopped', service.targetId, 'stopped as requested');
  const strayOn = round.strays.get(service.sid);
  if (strayOn !== undefined) {
    return to(service, 'request_start', service.nodeId, `stopped; found running on ${nameOf(round, strayOn)}`);
  }
  const { targetId } = service;
  const target = targetId === null ? null : round.placement.node(targetId);
  if (target === null || target.unavailable !== null) {
    return to(service, 'request_start', service.nodeId, `stopped; ${nameOf(round, targetId)} cannot take it any more`);
  }
  const waits = waitsFor(round.input.state, service);
  if (waits !== null) return to(service, 'request_start', target.nodeId, `stopped to be moved; ${waits}`);
  return start(service, round, target.nodeId, service.reason);
}

// ---- its node is lost ----

function whileFencing(service: ServiceRecord, round: Round): Command | null {
  const { state, members } = round.input;
  const hostDead = provedDead(state, service.nodeId, service.bootId);
  if (service.targetBootId !== null) return whileFencingBoth(service, round, hostDead);
  const name = nameOf(round, service.nodeId);
  if (hostDead) return to(service, 'recovery', service.nodeId, `${name} was fenced`);
  const node = nodeOf(round, service.nodeId);
  const back = node?.state === 'online' && node.bootId === service.bootId && members.has(node.nodeId);
  return back
    ? to(service, isWanted(service) ? 'started' : 'request_stop', service.nodeId, `${name} came back in time`)
    : null;
}

/** Lost while it moved: it may be on either node, and whoever of them is there is asked. */
function whileFencingBoth(service: ServiceRecord, round: Round, hostDead: boolean): Command | null {
  const targetDead = provedDead(round.input.state, service.targetId, service.targetBootId);
  const onHost = hostDead ? 'stopped' : answerOfHost(round, service)?.outcome;
  const onTarget = targetDead ? 'stopped' : answerOfTarget(round, service)?.outcome;
  const wanted = isWanted(service) ? 'started' : 'request_stop';
  if (onTarget === 'running' && onHost === 'stopped') {
    const reason = `runs on ${nameOf(round, service.targetId)}: its move was complete`;
    return to(service, wanted, service.targetId, reason, { memo: atHome(service, service.targetId) });
  }
  if (onTarget !== 'stopped') return null;
  const host = nameOf(round, service.nodeId);
  if (hostDead) return to(service, 'recovery', service.nodeId, `${host} was fenced`);
  const back = nodeOf(round, service.nodeId)?.state === 'online' && onHost !== undefined;
  return back ? to(service, wanted, service.nodeId, `${host} came back in time`) : null;
}

function whileRecovering(service: ServiceRecord, round: Round): Command | null {
  if (service.removing) return forget(service, round);
  if (isIgnored(service)) return ignore(service);
  if (round.input.state.disarm?.phase === 'disarmed') return null;
  // Its node may be back already, in another boot: then nothing has to move.
  const isBack = round.placement.node(service.nodeId ?? 0)?.unavailable === null;
  const preference = isBack ? 'none' : 'best-score';
  const query = { sid: service.sid, preference, failedNodeIds: service.failedNodeIds } as const;
  if (!isWanted(service)) {
    const home = service.requested === 'stopped' ? selectNode(round.placement, query).nodeId : service.nodeId;
    return to(service, 'stopped', home ?? service.nodeId, 'its node was fenced, and it is not to run');
  }
  const found = takeOver(service, round);
  if (found !== undefined) return found;
  if (waitsFor(round.input.state, service) !== null || round.input.unheard.size > 0) return null;
  const { nodeId, reason } = selectNode(round.placement, { ...query, preference: preferenceFor(service, round) });
  return nodeId === null ? null : start(service, round, nodeId, reason);
}

/** What was on a node that is back already need not go elsewhere; no other one has less of a reason to have it. */
function preferenceFor({ nodeId }: ServiceRecord, { placement }: Round): 'none' | 'best-score' {
  const isBack = nodeId !== null && placement.node(nodeId)?.unavailable === null;
  return isBack ? 'none' : 'best-score';
}

// ---- left alone ----

function whileFrozen(service: ServiceRecord, round: Round): Command | null {
  const { state, memory, nowMs, members } = round.input;
  if (state.disarm !== null) return null;
  const node = nodeOf(round, service.nodeId);
  const heartbeat = service.nodeId === null ? undefined : members.get(service.nodeId);
  const looksAfterIt =
    heartbeat?.lrm.mode === 'active' || (heartbeat?.lrm.mode === 'maintenance' && !heartbeat.lrm.leaving);
  if (node?.state === 'online' && heartbeat?.bootId === node.bootId && looksAfterIt && !node.unprotected) {
    return to(service, isWanted(service) ? 'started' : 'request_stop', service.nodeId, `${node.name} is back`);
  }
  if (heartbeat !== undefined) return null;
  const limitMs = state.options.freezeLimitS * 1_000;
  const ageSoFarMs = ageMs(memory, service, nowMs);
  if (limitMs === 0 || ageSoFarMs < limitMs || node?.unprotected) return null;
  const reason = `${nameOf(round, service.nodeId)} has not come back in ${state.options.freezeLimitS} s`;
  const dead = provedDead(state, service.nodeId, service.bootId);
  return to(service, dead ? 'recovery' : 'fence', service.nodeId, reason);
}

function whileInError(service: ServiceRecord, round: Round): Command | null {
  if (isIgnored(service)) return ignore(service);
  if (service.removing && service.stopFailed && !mayRunOutOfReach(service, round)) return forget(service, round);
  if (service.requested !== 'disabled' && !service.removing) return null;
  if (provedDead(round.input.state, service.nodeId, service.bootId)) {
    return to(service, 'stopped', service.nodeId, `${nameOf(round, service.nodeId)} was reset: it runs nowhere`);
  }
  if (service.stopFailed) return null;
  if (hostOf(round, service) === undefined || nodeOf(round, service.nodeId)?.state !== 'online') return null;
  return to(service, 'request_stop', service.nodeId, 'error is being cleared: stopping what may still run');
}

function whileIgnored(service: ServiceRecord, round: Round): Command | null {
  if (service.removing) return forget(service, round);
  if (service.requested === 'ignored' || round.input.state.disarm !== null) return null;
  return to(service, 'request_start', service.nodeId, 'looked after again: where it runs is found out first');
}
