import { isFenced, type ServiceRecord } from './cluster-state.js';
import { type Effect, notice } from './effects.js';
import { isHeld, renew } from './lease.js';
import { follow, needsProtection, type Permission, reconcile } from './lrm.js';
import { allStopped, probedThrough } from './lrm-report.js';
import type { ClusterPart, NodeState } from './node-state.js';
import { type ProtectionInput, protect } from './protection.js';
import { isEnding, prepareShutdown, stopsAll } from './shutdown.js';
import { hasCaughtUp, type ViewContext } from './views.js';

/** What this node does to itself: resources, the watchdog over them, and the reset of a boot declared fenced. */

/** A lease that has not been renewed for this long is running out: two heartbeats and some. */
const renewalLateMs = 2_500;

export function watchLease(node: NodeState, cluster: ClusterPart, context: ViewContext, effects: Effect[]): void {
  const { lease, protection } = cluster;
  const fenced = isFenced(node.log.committed, cluster.selfId, node.options.bootId);
  if (!fenced && renew(lease, cluster.electorate, context.quorate) && cluster.runningOut) {
    cluster.runningOut = false;
    notice(effects, 'lease', 'info', 'the lease is renewed again');
  }
  const remainingMs = lease.deadlineMs - context.nowMs;
  const late = lease.deadlineMs > 0 && remainingMs < lease.leaseMs - renewalLateMs;
  if (!late || cluster.runningOut) return;
  cluster.runningOut = true;
  const why = whyNotRenewed(cluster, context);
  const armed = protection.state === 'armed';
  const next = armed ? `this node is reset in ${remainingMs} ms unless that changes` : 'nothing runs here';
  notice(effects, 'lease', armed ? 'error' : 'warn', `the lease is running out: ${why}; ${next}`, { remainingMs });
  if (armed) effects.push({ type: 'last-words', reason: `lease ran out: ${why}` });
}

function whyNotRenewed({ heardMs, selfId }: ClusterPart, { quorate, nowMs }: ViewContext): string {
  if (!quorate) return 'there is no quorum';
  const silent = nowMs - (heardMs.get(selfId) ?? 0) > renewalLateMs / 2;
  return silent ? 'corosync delivers nothing, not even to this node itself' : 'too few nodes echo its heartbeats';
}

export function resetIfFenced(node: NodeState, cluster: ClusterPart, effects: Effect[]): void {
  const { protection } = cluster;
  if (protection.doomed || !isFenced(node.log.committed, cluster.selfId, node.options.bootId)) return;
  protection.doomed = true;
  const reason = 'this boot was declared fenced: others may run its resources';
  notice(effects, 'watchdog', 'error', `${reason}; resetting`);
  effects.push({ type: 'last-words', reason }, { type: 'watchdog-reset', reason });
}

export function act(node: NodeState, cluster: ClusterPart, context: ViewContext, effects: Effect[]): void {
  const { lrm, protection, views } = cluster;
  const state = node.log.committed;
  follow(lrm, state, node.log.record.commitIndex);
  const caughtUp = hasCaughtUp(views) && !protection.doomed;
  if (caughtUp) cluster.hasKnownAll = true;
  const registered = state.nodes[cluster.selfId];
  // Survivors wait for the registered bound: a longer lease would outlive their wait.
  const boundIsKnown =
    registered?.bootId === node.options.bootId && registered.fenceBoundMs >= node.options.fenceBoundMs;
  if (!isEnding(node)) {
    const input: ProtectionInput = {
      effectiveMs: cluster.budget.effectiveMs,
      leaseDeadlineMs: cluster.lease.deadlineMs,
      needed: needsProtection(lrm),
      mayArm: cluster.refusal === null && boundIsKnown,
      certain: caughtUp && context.quorate && hasLooked(node, cluster),
      disarmed: node.log.committed.disarm?.phase === 'disarmed',
      nowMs: context.nowMs,
    };
    protect(protection, input, effects);
  }
  const permission: Permission = {
    caughtUp,
    mayStart: mayStart(node, cluster, context.nowMs),
    stopAll: stopsAll(node, cluster, context.nowMs),
    isAwaited: (service) => isAwaited(cluster, service),
    isInView: (nodeId) => views.view?.members.some((member) => member.nodeId === nodeId) ?? false,
  };
  reconcile(lrm, permission, context.nowMs, effects);
  prepareShutdown(node, cluster, context, effects);
}

/** May this node start something, or take over what is moved here, at this moment? */
export function mayStart(node: NodeState, cluster: ClusterPart, nowMs: number): boolean {
  const registered = node.log.committed.nodes[cluster.selfId];
  return (
    cluster.protection.state === 'armed' &&
    isHeld(cluster.lease, nowMs) &&
    registered?.bootId === node.options.bootId &&
    registered.fenceBoundMs === node.options.fenceBoundMs &&
    registered.releasedBootId === null &&
    node.log.committed.disarm?.phase !== 'disarmed' &&
    node.shutdown === null
  );
}

/** Its target has said in this view that it is protected and knows that the service is coming. */
function isAwaited({ peers, views }: ClusterPart, service: ServiceRecord): boolean {
  const { view } = views;
  const heartbeat = service.targetId === null ? null : (peers.get(service.targetId)?.heartbeat ?? null);
  if (heartbeat === null || view === null || heartbeat.epoch !== view.epoch) return false;
  if (heartbeat.bootId !== service.targetBootId) return false;
  return heartbeat.lrm.results.some(
    (result) => result.sid === service.sid && result.uid === service.uid && result.outcome === 'ready',
  );
}

/** For sure: an agent that has just started does not know yet what an earlier one has left running. */
export function runsNothing(node: NodeState): boolean {
  const { cluster } = node;
  if (cluster === null || !cluster.hasKnownAll || !hasLooked(node, cluster)) return false;
  return allStopped(cluster.lrm);
}

/** Every resource that is known of was looked for on this node. */
function hasLooked(node: NodeState, cluster: ClusterPart): boolean {
  return probedThrough(cluster.lrm) >= node.log.record.commitIndex;
}
