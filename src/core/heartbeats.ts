import { mayStart, runsNothing } from './acting.js';
import { limits } from './cluster-state.js';
import type { Effect } from './effects.js';
import { fingerprint, hasDevice, isAbout } from './electorate.js';
import { grant, silenceMs } from './grants.js';
import { isHeld, noteDelivery, noteEcho, stamp } from './lease.js';
import { declaresFenced } from './log.js';
import { probedThrough, results, strays } from './lrm-report.js';
import type { Heartbeat, LrmReport } from './messages.js';
import type { ClusterPart, NodeState } from './node-state.js';
import { heard } from './peers.js';
import { proveHold } from './quorum-hold.js';
import { onHeartbeatOf } from './replication.js';
import { isLeaving, isReleased, lrmMode } from './shutdown.js';
import { waitMs } from './takeover.js';
import type { ViewContext } from './views.js';

/** Heartbeats carry the lease's stamps and echoes, what is stored, and what runs here. */

export const heartbeatMs = 1_000;
/** Heartbeats out of turn are at least this far apart, except the first in a view: leases wait for it. */
const heartbeatGapMs = 10;

export function sendHeartbeat(node: NodeState, cluster: ClusterPart, context: ViewContext, effects: Effect[]): void {
  if (!cluster.peers.has(cluster.selfId)) return;
  const epoch = cluster.views.view?.epoch ?? 0;
  const sinceMs = context.nowMs - cluster.lastHeartbeatMs;
  const news = newsOf(node, cluster, epoch, context.nowMs);
  const isNew = news.some((fact, i) => fact !== cluster.lastReport[i]);
  if (isNew || takeoverDue(node, cluster, context.nowMs, sinceMs)) cluster.heartbeatDue = true;
  const firstInView = epoch !== cluster.lastHeartbeatEpoch;
  if (!firstInView && sinceMs < (cluster.heartbeatDue ? heartbeatGapMs : heartbeatMs)) return;
  cluster.lastHeartbeatEpoch = epoch;
  cluster.lastReport = news;
  cluster.heartbeatDue = false;
  cluster.lastHeartbeatMs = context.nowMs;
  effects.push({
    type: 'send',
    message: heartbeat(node, cluster, lrmReport(node, cluster, context.nowMs), context.nowMs),
  });
  cluster.load = null;
}

/** All that others should hear of at once. */
function newsOf(node: NodeState, cluster: ClusterPart, epoch: number, nowMs: number): ClusterPart['lastReport'] {
  const { lrm, views, protection, electorate } = cluster;
  return [
    lrm.revision,
    epoch,
    views.storing,
    electorate.version,
    canRun(node, cluster),
    protection.state === 'armed',
    mayStart(node, cluster, nowMs),
    node.shutdown?.kind,
    isReleased(node, cluster),
  ];
}

/** A node outside the view has become ripe for its takeover since the last heartbeat: the leader waits to hear it. */
function takeoverDue(node: NodeState, cluster: ClusterPart, nowMs: number, sinceMs: number): boolean {
  const { view } = cluster.views;
  if (view === null) return false;
  return Object.values(node.log.committed.nodes).some(({ nodeId, fenceBoundMs }) => {
    if (view.members.some((member) => member.nodeId === nodeId)) return false;
    const ripeSinceMs = silence(cluster, nodeId, nowMs) - waitMs(cluster.electorate, fenceBoundMs);
    return ripeSinceMs >= 0 && ripeSinceMs < sinceMs;
  });
}

/** How long this node has kept silent towards that one; with a quorum device, while it held quorum. */
function silence({ grants, electorate, views }: ClusterPart, nodeId: number, nowMs: number): number {
  return silenceMs(grants, nodeId, nowMs, hasDevice(electorate) ? (views.hold.sinceMs ?? nowMs) : 0);
}

/** Nodes that may be out of reach and alive: all that vote, and all that the log holds, whether configured or not. */
function outsideNodes(node: NodeState, { views, electorate }: ClusterPart): number[] {
  if (views.view === null) return [];
  const members = new Set(views.view.members.map((member) => member.nodeId));
  const known = [
    ...electorate.nodes.map((voter) => voter.nodeId),
    ...Object.values(node.log.committed.nodes).map((record) => record.nodeId),
  ];
  return [...new Set(known)].filter((nodeId) => !members.has(nodeId));
}

function canRun(node: NodeState, { refusal, protection }: ClusterPart): boolean {
  const disarmed = node.log.committed.disarm?.phase === 'disarmed';
  return refusal === null && node.shutdown === null && !disarmed && !protection.doomed && protection.state !== 'failed';
}

function lrmReport(node: NodeState, cluster: ClusterPart, nowMs: number): LrmReport {
  const { lrm, protection } = cluster;
  const starts = mayStart(node, cluster, nowMs);
  return {
    results: results(lrm, starts),
    strays: strays(lrm),
    probedThrough: probedThrough(lrm),
    canRun: canRun(node, cluster),
    active: protection.state === 'armed' && isHeld(cluster.lease, nowMs),
    mode: lrmMode(node, cluster),
    leaving: isLeaving(node),
    empty: runsNothing(node),
    released: isReleased(node, cluster),
    migratesLive: node.options.migratesLive,
    revision: lrm.revision,
  };
}

function heartbeat(node: NodeState, cluster: ClusterPart, lrm: LrmReport, nowMs: number): Heartbeat {
  const { views, grants, lease } = cluster;
  return {
    type: 'heartbeat',
    incarnation: node.options.incarnation,
    bootId: node.options.bootId,
    fenceBoundMs: node.options.fenceBoundMs,
    protection: node.options.protectionLabel,
    // The stamp is taken here, before anything is sent (design §2.1).
    seq: stamp(lease, nowMs),
    epoch: views.view?.epoch ?? 0,
    promisedEpoch: node.log.record.promisedEpoch,
    commitIndex: node.log.record.commitIndex,
    storing: views.storing,
    electorate: cluster.electorate.version ?? '',
    configured: fingerprint(cluster.configured),
    stored: views.stored,
    echoes: [...grants.echoes].map(([nodeId, echo]) => ({ nodeId, ...echo })),
    silences: outsideNodes(node, cluster).map((nodeId) => ({ nodeId, silenceMs: silence(cluster, nodeId, nowMs) })),
    lrm,
    load: cluster.load,
  };
}

function noteLoads({ log }: NodeState, { serviceLoads }: ClusterPart, { load }: Heartbeat): void {
  if (load === null) return;
  for (const service of load.services) serviceLoads.set(service.sid, service);
  if (serviceLoads.size <= limits.services) return;
  for (const sid of serviceLoads.keys()) if (log.committed.services[sid] === undefined) serviceLoads.delete(sid);
}

/** A heartbeat is granted when it is delivered, if its sender is in our view and its boot is not declared fenced. */
export function onHeartbeat(
  node: NodeState,
  cluster: ClusterPart,
  fromId: number,
  heartbeat: Heartbeat,
  context: ViewContext,
  effects: Effect[],
): void {
  const { views, grants, lease, selfId } = cluster;
  onHeartbeatOf(views, fromId, heartbeat, context, effects);
  cluster.heardMs.set(fromId, context.nowMs);
  noteLoads(node, cluster, heartbeat);
  if (heard(cluster.peers, fromId, heartbeat, context.nowMs)) cluster.heartbeatDue = true;
  const inView = views.view?.members.some(
    (member) => member.nodeId === fromId && member.incarnation === heartbeat.incarnation,
  );
  if (inView && fromId !== selfId && !declaresFenced(node.log, fromId, heartbeat.bootId)) {
    if (grants.echoes.get(fromId)?.incarnation !== heartbeat.incarnation) cluster.heartbeatDue = true;
    grant(grants, fromId, heartbeat.incarnation, heartbeat.seq, context.nowMs);
  }
  if (fromId === selfId) onOwnHeartbeat(cluster, heartbeat, context);
  for (const echo of heartbeat.echoes) {
    if (echo.nodeId === selfId) noteEcho(lease, fromId, echo.incarnation, echo.seq, heartbeat.electorate);
  }
}

function onOwnHeartbeat(cluster: ClusterPart, heartbeat: Heartbeat, { quorate, nowMs }: ViewContext): void {
  const { lease, views, configured, electorate } = cluster;
  const sentMs = noteDelivery(lease, heartbeat.incarnation, heartbeat.seq);
  if (!quorate || sentMs === null || !isAbout(configured, electorate)) return;
  const inView = views.view !== null && views.view.epoch === heartbeat.epoch;
  proveHold(views.hold, sentMs, inView ? heartbeat.epoch : 0, nowMs);
}
