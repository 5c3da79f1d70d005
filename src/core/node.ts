import { act, resetIfFenced, watchLease } from './acting.js';
import { considerView, onFetch, onLogPart, onPrepare, onPromise } from './candidacy.js';
import { onConfiguration } from './configuration.js';
import { type Effect, notice } from './effects.js';
import { isAbout } from './electorate.js';
import { keepOnly } from './grants.js';
import { onHeartbeat, sendHeartbeat } from './heartbeats.js';
import { type DurableRecord, openLog } from './log.js';
import { onOutcome } from './lrm-outcome.js';
import { manage } from './manager-turn.js';
import { isInquorate, isQuorate, newMembership, sameRing, settleReach } from './membership.js';
import type { Message } from './messages.js';
import type { ClusterPart, NodeEvent, NodeOptions, NodeState, Now } from './node-state.js';
import { joined } from './peers.js';
import { onWatchdog } from './protection.js';
import { breakHold, expireHold, startRing } from './quorum-hold.js';
import { reconfigure } from './reconfiguration.js';
import { onAck, onAppend, onCommit, onNewView } from './replication.js';
import { onLocalRequest, onRequest, refuse } from './requests.js';
import { onSaved, onSaveFailed } from './saving.js';
import { onShutdown } from './shutdown.js';
import { deviceCounts, electorateOf, leaveView, type ViewContext } from './views.js';

/** One node: a function of state and event to effects. Time, randomness and I/O are the caller's. */

export function newNode(options: NodeOptions, record: DurableRecord): NodeState {
  return { options, log: openLog(record), membership: newMembership(), cluster: null, shutdown: null };
}

export function step(node: NodeState, event: NodeEvent, now: Now): Effect[] {
  const effects: Effect[] = [];
  if (event.type === 'configuration') onConfiguration(node, event.configuration, now, effects);
  const { cluster } = node;
  if (cluster === null) return rejectEarly(event, effects);
  expireHold(cluster.views.hold, cluster.views.view?.epoch ?? 0, cluster.budget.rideThroughMs, now.bootMs);
  if (!isAbout(cluster.configured, cluster.electorate)) breakHold(cluster.views.hold);
  const context = viewContext(node, cluster, now);
  onEvent(node, cluster, event, context, effects);
  if (!ofMembership.has(event.type)) {
    afterEvent(node, cluster, context, effects);
    return effects;
  }
  settleReach(node.membership);
  syncPeers(node, cluster, now.bootMs);
  afterEvent(node, cluster, viewContext(node, cluster, now), effects);
  return effects;
}

const ofMembership: ReadonlySet<NodeEvent['type']> = new Set<NodeEvent['type']>([
  'configuration',
  'quorum',
  'ring',
  'group',
  'disconnected',
]);

function rejectEarly(event: NodeEvent, effects: Effect[]): Effect[] {
  if (event.type === 'request')
    refuse(event.requestId, 'HF_NO_QUORUM', 'corosync does not answer yet: see corosync-quorumtool -s', effects);
  return effects;
}

function viewContext(node: NodeState, cluster: ClusterPart, now: Now): ViewContext {
  return {
    configured: cluster.configured,
    agentsInReach: node.membership.reach,
    rideThroughMs: cluster.budget.rideThroughMs,
    peers: cluster.peers,
    quorate: isQuorate(node.membership),
    nowMs: now.bootMs,
    wallMs: now.wallMs,
  };
}

function onEvent(
  node: NodeState,
  cluster: ClusterPart,
  event: NodeEvent,
  context: ViewContext,
  effects: Effect[],
): void {
  switch (event.type) {
    case 'tick':
    case 'configuration':
      return;
    case 'quorum':
      onQuorum(node, cluster, event, effects);
      break;
    case 'ring':
      node.membership.ring = event.ring;
      return;
    case 'group':
      onGroup(node, cluster, event, context.nowMs);
      break;
    case 'disconnected':
      onDisconnected(node, cluster, event.reason, effects);
      break;
    case 'message':
      onMessage(node, cluster, event.fromId, event.message, context, effects);
      break;
    case 'saved':
      onSaved(cluster.views, event.record, context.nowMs, effects);
      break;
    case 'save-failed':
      onSaveFailed(cluster.views, event.detail, context.nowMs, effects);
      break;
    case 'outcome':
      onOutcome(cluster.lrm, event.outcome, context.nowMs, effects);
      break;
    case 'watchdog':
      onWatchdog(cluster.protection, event.event, context.nowMs, effects);
      break;
    case 'request':
      onLocalRequest(cluster, event.requestId, event.command, context, effects);
      break;
    case 'load':
      cluster.load = event.load;
      break;
    case 'shutdown':
      onShutdown(node, cluster, event.kind, context.nowMs, effects);
      break;
  }
}

function onMessage(
  node: NodeState,
  cluster: ClusterPart,
  fromId: number,
  message: Message,
  context: ViewContext,
  effects: Effect[],
): void {
  const { views } = cluster;
  switch (message.type) {
    case 'heartbeat':
      onHeartbeat(node, cluster, fromId, message, context, effects);
      break;
    case 'prepare':
      onPrepare(views, fromId, message, context, effects);
      break;
    case 'promise':
      onPromise(views, fromId, message, context, effects);
      break;
    case 'fetch':
      onFetch(views, message, effects);
      break;
    case 'log-part':
      onLogPart(views, fromId, message, context, effects);
      break;
    case 'new-view':
      onNewView(views, fromId, message, context, effects);
      break;
    case 'append':
      onAppend(views, fromId, message, effects);
      break;
    case 'ack':
      onAck(views, fromId, message, context, effects);
      break;
    case 'commit':
      onCommit(views, fromId, message, effects);
      break;
    case 'request':
      onRequest(cluster, fromId, message, context, effects);
      break;
    case 'refusal':
      if (message.to === cluster.selfId) refuse(message.requestId, message.code, message.message, effects);
      return;
  }
}

function onQuorum(
  node: NodeState,
  cluster: ClusterPart,
  event: NodeEvent & { type: 'quorum' },
  effects: Effect[],
): void {
  const before = node.membership.quorum;
  if (!event.quorate) breakHold(cluster.views.hold);
  else if (!sameRing(before?.ring ?? null, event.ring)) startRing(cluster.views.hold);
  node.membership.quorum = event;
  const members = event.members.join(' ');
  if (before?.quorate !== event.quorate || before.members.join(' ') !== members) {
    const text = event.quorate ? `quorate; in reach: node ids ${members}` : `no quorum; in reach: node ids ${members}`;
    notice(effects, 'cluster', event.quorate ? 'info' : 'error', text, { quorate: event.quorate, members });
  }
}

function onGroup(node: NodeState, cluster: ClusterPart, event: NodeEvent & { type: 'group' }, nowMs: number): void {
  node.membership.group = event.members.map((member) => member.nodeId);
  for (const member of event.joined) joined(cluster.peers, member.nodeId, nowMs);
}

function syncPeers(node: NodeState, cluster: ClusterPart, nowMs: number): void {
  const present = node.membership.reach;
  for (const nodeId of cluster.peers.keys()) if (!present.includes(nodeId)) cluster.peers.delete(nodeId);
  for (const nodeId of present) if (!cluster.peers.has(nodeId)) joined(cluster.peers, nodeId, nowMs);
}

function onDisconnected(node: NodeState, cluster: ClusterPart, reason: string, effects: Effect[]): void {
  node.membership = newMembership();
  cluster.peers.clear();
  notice(effects, 'cluster', 'error', `corosync is gone (${reason}): reconnecting`);
}

function afterEvent(node: NodeState, cluster: ClusterPart, context: ViewContext, effects: Effect[]): void {
  if (isInquorate(node.membership)) leaveView(cluster.views);
  cluster.electorate = electorateOf(cluster.views, context);
  cluster.lease.agentsInReach = deviceCounts(cluster.electorate, context) ? context.agentsInReach : null;
  considerView(cluster.views, context, effects);
  grantOnlyInView(cluster);
  reconfigure(node, cluster, context, effects);
  manage(node, cluster, context, effects);
  watchLease(node, cluster, context, effects);
  resetIfFenced(node, cluster, effects);
  act(node, cluster, context, effects);
  sendHeartbeat(node, cluster, context, effects);
}

function grantOnlyInView(cluster: ClusterPart): void {
  const { view } = cluster.views;
  if (cluster.grantsView === view) return;
  cluster.grantsView = view;
  keepOnly(cluster.grants, new Set(view?.members.map((member) => member.nodeId)));
}
