import { type ApplyResult, done, refuse } from './apply-result.js';
import { type ClusterState, type Command, limits, type NodeRecord, type ServiceRecord } from './cluster-state.js';
import { provedDead } from './proof.js';
import { mayRun, needsFencing } from './service-states.js';

/** What becomes of nodes: seen, lost, proved dead, under maintenance. */

function noSuchNode(nodeId: number): ApplyResult {
  return refuse('HF_NOT_FOUND', `node ${nodeId} was never seen`);
}

export function raiseNode(state: ClusterState, command: Command & { type: 'node-up' }): ApplyResult {
  const { nodeId, name, bootId, fenceBoundMs } = command;
  const old = state.nodes[nodeId];
  if (old?.fencedBootIds.includes(bootId)) {
    return refuse('HF_CONFLICT', `boot ${bootId} of ${name} was declared fenced: it has to reset first`);
  }
  const lost = Object.values(state.services).some((service) => holdsUnproved(state, service, nodeId, bootId));
  if (lost) return refuse('HF_CONFLICT', `an earlier boot of ${name} still holds services and is not proved dead`);
  const sameBoot = old?.bootId === bootId;
  state.nodes[nodeId] = {
    nodeId,
    name,
    bootId,
    fenceBoundMs,
    state: 'online',
    fencedBootIds: old?.fencedBootIds ?? [],
    maintenance: old?.maintenance ?? false,
    releasedBootId: null,
    // Nothing runs in a new boot yet, and nothing is started in it without protection.
    unprotected: sameBoot && (old?.unprotected ?? false),
  };
  if (old !== undefined && !sameBoot) giveAnotherChance(state, nodeId);
  return done;
}

/** What failed to start on a node may start in its next boot. */
function giveAnotherChance(state: ClusterState, nodeId: number): void {
  for (const service of Object.values(state.services)) {
    if (service.failedStarts > 0 || !service.failedNodeIds.includes(nodeId)) continue;
    const failedNodeIds = service.failedNodeIds.filter((id) => id !== nodeId);
    state.services[service.sid] = { ...service, failedNodeIds };
  }
}

function holdsUnproved(state: ClusterState, service: ServiceRecord, nodeId: number, bootId: string): boolean {
  if (!needsFencing(service.state)) return false;
  const asHost = service.nodeId === nodeId && service.bootId !== bootId && !provedDead(state, nodeId, service.bootId);
  const asTarget =
    service.targetId === nodeId &&
    service.targetBootId !== null &&
    service.targetBootId !== bootId &&
    !provedDead(state, nodeId, service.targetBootId);
  return asHost || asTarget;
}

export function setNodeState(state: ClusterState, nodeId: number, to: 'unknown' | 'fence' | 'gone'): ApplyResult {
  const node = state.nodes[nodeId];
  if (node === undefined) return noSuchNode(nodeId);
  state.nodes[nodeId] = { ...node, state: to };
  return done;
}

export function fenceNode(state: ClusterState, command: Command & { type: 'node-fenced' }, index: number): ApplyResult {
  const { nodeId, bootId, proof } = command;
  const node = state.nodes[nodeId];
  if (node === undefined || node.bootId !== bootId) {
    return refuse('HF_NOT_FOUND', `node ${nodeId} is not in boot ${bootId}`);
  }
  if (proof === 'takeover' && node.unprotected) {
    return refuse('HF_CONFLICT', `${node.name} was disarmed when it was lost: no waiting proves that it was reset`);
  }
  if (proof === 'operator' && node.state === 'online') {
    return refuse('HF_CONFLICT', `${node.name} is online: what is seen here is not a machine that is off`);
  }
  const fencedBootIds = [...node.fencedBootIds.filter((id) => id !== bootId), bootId].slice(-limits.fencedBootsKept);
  state.nodes[nodeId] = { ...node, state: node.state === 'gone' ? 'gone' : 'unknown', fencedBootIds };
  for (const service of Object.values(state.services)) {
    if (service.nodeId === nodeId && service.bootId === bootId && needsFencing(service.state)) {
      // A new request: what the target of a move has seen before may have been before its arrival.
      state.services[service.sid] = { ...service, state: 'fence', uid: index, running: false };
    }
    const unwatched = service.nodeId === nodeId && service.bootId === bootId && !mayRun(service.state);
    if (unwatched && proof !== 'takeover') state.services[service.sid] = { ...service, bootId: null };
  }
  return done;
}

/** Its services need no fencing: it has said that it runs nothing. Frozen ones wait for it, for a time. */
export function releaseNode(state: ClusterState, nodeId: number, bootId: string, index: number): ApplyResult {
  const node = state.nodes[nodeId];
  if (node === undefined || node.bootId !== bootId) return noSuchNode(nodeId);
  state.nodes[nodeId] = { ...node, state: 'unknown', releasedBootId: bootId };
  for (const service of Object.values(state.services)) {
    if (service.nodeId !== nodeId || service.bootId !== bootId || !needsFencing(service.state)) continue;
    if (service.state === 'migrate') continue;
    if (service.targetBootId !== null) {
      // It may have left already for where it was being moved to, which has to look again.
      state.services[service.sid] = { ...service, uid: index };
      continue;
    }
    state.services[service.sid] = {
      ...service,
      state: 'recovery',
      bootId: null,
      targetId: null,
      uid: index,
      running: false,
      reason: `${node.name} has shut down with nothing running`,
    };
  }
  return done;
}

export function protectNode(state: ClusterState, nodeId: number, bootId: string): ApplyResult {
  const node = state.nodes[nodeId];
  if (node === undefined || node.bootId !== bootId) return noSuchNode(nodeId);
  if (state.disarm?.phase === 'disarmed') return refuse('HF_CONFLICT', 'the cluster is disarmed');
  state.nodes[nodeId] = { ...node, unprotected: false };
  return done;
}

export function setMaintenance(state: ClusterState, nodeId: number, enabled: boolean): ApplyResult {
  const node = state.nodes[nodeId];
  if (node === undefined) return noSuchNode(nodeId);
  state.nodes[nodeId] = { ...node, maintenance: enabled };
  return done;
}

export function forgetNode(state: ClusterState, nodeId: number): ApplyResult {
  const node: NodeRecord | undefined = state.nodes[nodeId];
  if (node === undefined) return noSuchNode(nodeId);
  if (node.state !== 'gone' || isMentioned(state, nodeId))
    return refuse('HF_CONFLICT', `${node.name} is not gone, or still holds services`);
  delete state.nodes[nodeId];
  return done;
}

/** Some service was there last, is on its way there, or is to return there. */
export function isMentioned(state: ClusterState, nodeId: number): boolean {
  return Object.values(state.services).some(
    (service) => service.nodeId === nodeId || service.targetId === nodeId || service.maintenanceNodeId === nodeId,
  );
}
