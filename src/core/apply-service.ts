import { noSuchResource } from './apply-resource.js';
import { type ApplyResult, done, refuse } from './apply-result.js';
import type { ClusterState, Command, ServiceRecord } from './cluster-state.js';
import { provedDead, unwatchedIsGone } from './proof.js';
import { isTransition, mayRun } from './service-states.js';

/** The manager's decisions about services. The safety rule stands here, where it cannot be walked around. */

type Move = Command & { type: 'service-state' };

/** A command that breaks the safety rule is refused on every node. */
export function moveService(state: ClusterState, command: Move, index: number): ApplyResult {
  const service = state.services[command.sid];
  if (service === undefined) return noSuchResource(command.sid);
  if (service.uid !== command.expectUid) return refuse('HF_CONFLICT', `${command.sid} has changed meanwhile`);
  if (!isTransition(service.state, command.state)) {
    return refuse('HF_ARGUMENT', `${command.sid} cannot go from ${service.state} to ${command.state}`);
  }
  const breach = breachOf(state, service, command);
  if (breach !== null) return refuse('HF_ARGUMENT', breach);
  const bootId = bootFor(state, service, command);
  if (mayRun(command.state) && bootId === null) {
    return refuse('HF_ARGUMENT', `node ${command.nodeId} cannot run ${command.sid}: it is not online`);
  }
  const target = targetFor(state, service, command);
  if (command.state === 'migrate' && target.targetBootId === null) {
    return refuse('HF_ARGUMENT', `node ${command.targetId} cannot take ${command.sid}: it is not online`);
  }
  state.services[command.sid] = {
    ...service,
    ...command.memo,
    ...target,
    state: command.state,
    nodeId: command.nodeId,
    bootId,
    uid: index,
    running: false,
    reason: command.reason,
    order: null,
    stopTimeoutS: command.state === 'stopped' ? null : service.stopTimeoutS,
    stopFailed: service.state === 'request_stop' && command.state === 'error',
    // Looked after again: where it runs has to be found out anew.
    addedIndex: service.state === 'ignored' ? index : service.addedIndex,
  };
  return done;
}

/** How this command would break the safety rule, a sentence; null: it would not. */
function breachOf(state: ClusterState, service: ServiceRecord, command: Move): string | null {
  const { sid, nodeId, bootId, targetId } = service;
  if (command.state === 'recovery') return breachOfRecovery(state, service);
  if (!mayRun(service.state) || (command.nodeId === nodeId && mayRun(command.state))) {
    const revived = service.state === 'fence' && mayRun(command.state) && provedDead(state, nodeId, bootId);
    return revived ? `node ${nodeId} was declared fenced: ${sid} can only be recovered` : null;
  }
  // Whoever runs it has said that it does not any more: the answer to the request is the proof.
  if (service.state === 'error' && command.state === 'stopped') {
    return provedDead(state, nodeId, bootId) ? null : `${sid} may still run on node ${nodeId}`;
  }
  if (!mayRun(command.state)) return null;
  const handsOver = service.state === 'migrate' || service.state === 'relocate' || service.state === 'fence';
  if (!handsOver || command.nodeId !== targetId) return `${sid} may still run on node ${nodeId}`;
  if (service.state !== 'fence' || provedDead(state, nodeId, bootId)) return null;
  return state.nodes[nodeId ?? 0]?.state === 'online' ? null : `${sid} may still run on node ${nodeId}`;
}

/** Its host is dead (or has said that it let go), and so is its target, or able to say that it never came there. */
function breachOfRecovery(state: ClusterState, service: ServiceRecord): string | null {
  const { sid, nodeId, bootId, targetId, targetBootId } = service;
  const targetDead = targetBootId === null || provedDead(state, targetId, targetBootId);
  const targetAnswers = targetId !== null && state.nodes[targetId]?.state === 'online';
  if (service.state !== 'migrate' && !provedDead(state, nodeId, bootId)) return `node ${nodeId} is not declared fenced`;
  return targetDead || (targetAnswers && service.state === 'fence') ? null : `${sid} may run on node ${targetId}`;
}

/** The boot that it belongs to from now on; null: none. */
function bootFor(state: ClusterState, service: ServiceRecord, command: Move): string | null {
  const isGone = mayRun(service.state) ? provedDead : unwatchedIsGone;
  const known = isGone(state, service.nodeId, service.bootId) ? null : service.bootId;
  if (command.nodeId === null) return null;
  if (command.state === 'ignored') return known;
  // What was ignored may run where it was, until its node has looked.
  if (!mayRun(command.state)) return mayRun(service.state) || command.nodeId !== service.nodeId ? null : known;
  if (command.state === 'fence') return service.bootId;
  if (mayRun(service.state) && service.nodeId === command.nodeId && service.state !== 'error' && known !== null)
    return known;
  if (service.targetBootId !== null && service.targetId === command.nodeId) {
    return provedDead(state, service.targetId, service.targetBootId) ? null : service.targetBootId;
  }
  return canHold(state, command.nodeId) ? (state.nodes[command.nodeId]?.bootId ?? null) : null;
}

function canHold(state: ClusterState, nodeId: number): boolean {
  const node = state.nodes[nodeId];
  return node?.state === 'online' && !node.fencedBootIds.includes(node.bootId);
}

type Target = Pick<ServiceRecord, 'targetId' | 'targetBootId'>;

function targetFor(state: ClusterState, service: ServiceRecord, command: Move): Target {
  const none = { targetId: null, targetBootId: null };
  if (command.targetId === null) return none;
  if (command.state === 'relocate') return { targetId: command.targetId, targetBootId: null };
  if (command.state === 'fence') return { targetId: service.targetId, targetBootId: service.targetBootId };
  if (command.state !== 'migrate') return none;
  const bootId = canHold(state, command.targetId) ? (state.nodes[command.targetId]?.bootId ?? null) : null;
  return { targetId: command.targetId, targetBootId: bootId };
}

/** Until it is given to that node, or that node says that it is gone, it may run there unwatched. */
export function noteFound(state: ClusterState, command: Command & { type: 'service-found' }): ApplyResult {
  const { sid, expectUid, nodeId } = command;
  const service = state.services[sid];
  if (service === undefined) return noSuchResource(sid);
  if (service.uid !== expectUid) return refuse('HF_CONFLICT', `${sid} has changed meanwhile`);
  const node = state.nodes[nodeId];
  if (mayRun(service.state) || node === undefined) {
    return refuse('HF_ARGUMENT', `${sid} is ${service.state}: where it runs is known`);
  }
  state.services[sid] = { ...service, nodeId, bootId: node.bootId };
  return done;
}

/** It runs where it was started: bad luck is over. Where it is kept during maintenance elsewhere is not bad luck. */
export function markRunning(state: ClusterState, sid: string, uid: number): ApplyResult {
  const service = state.services[sid];
  if (service === undefined) return noSuchResource(sid);
  if (service.uid !== uid || service.state !== 'started') return refuse('HF_CONFLICT', `${sid} has changed meanwhile`);
  state.services[sid] = { ...service, running: true, failedStarts: 0 };
  return done;
}
