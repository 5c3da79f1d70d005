import { assert } from './assert.js';
import { type Budget, type BudgetInput, deriveBudget, takeoverMs } from './budget.js';
import type { Command } from './cluster-state.js';
import { isFenced } from './cluster-state.js';
import { type Effect, notice } from './effects.js';
import type { Electorate } from './electorate.js';
import type { ErrorCode } from './errors.js';
import { type Grants, grant, keepOnly, newGrants, silenceMs } from './grants.js';
import { isHeld, type Lease, newLease, noteEcho, renew, stamp } from './lease.js';
import { type DurableRecord, declaresFenced, type Log, openLog } from './log.js';
import {
  type Lrm,
  needsProtection,
  newLrm,
  type OperationOutcome,
  onOutcome,
  probedThrough,
  reconcile,
  results,
  strays,
} from './lrm.js';
import { decide, type ManagerInput } from './manager.js';
import { groupMembers, isInquorate, isQuorate, type Membership, newMembership, type RingId } from './membership.js';
import type { Heartbeat, Message, Request } from './messages.js';
import { heard, joined, type Peers } from './peers.js';
import {
  newProtection,
  onWatchdog,
  type Protection,
  type ProtectionInput,
  protect,
  type WatchdogEvent,
} from './protection.js';
import type { SilenceReport } from './takeover.js';
import {
  considerView,
  hasCaughtUp,
  isSettledLeader,
  leads,
  leaveView,
  newViews,
  onAck,
  onAppend,
  onCommit,
  onFetch,
  onHeartbeatOf,
  onLogPart,
  onNewView,
  onPrepare,
  onPromise,
  onSaved,
  onSaveFailed,
  propose,
  type ViewContext,
  type Views,
} from './views.js';

/** One node: a function of state and event to effects. Time, randomness and I/O are the caller's. */
export interface NodeOptions {
  /** Random per start of the agent. */
  readonly incarnation: string;
  readonly bootId: string;
  /** Start of the agent, CLOCK_BOOTTIME. */
  readonly startedMs: number;
  readonly fenceBoundMs: number;
  /** What the watchdog is; null: there is none. */
  readonly watchdog: WatchdogFacts | null;
  /** As shown everywhere; `protected`, or in which way not. */
  readonly protectionLabel: string;
  /** Why services must not run on this node whatever corosync says; null: they may. */
  readonly refusal: string | null;
}

export interface WatchdogFacts {
  readonly kappa: 1 | 2;
  readonly minTimeoutS: number;
  readonly maxTimeoutS: number;
  /** Counting down already at the start: a former agent armed it. */
  readonly active: boolean;
}

export interface Configuration {
  readonly localNodeId: number;
  readonly clusterName: string;
  readonly nodes: Electorate['nodes'];
  readonly expectedVotes: number;
  readonly deviceVotes: number;
  readonly tokenMs: number;
  readonly consensusMs: number;
  readonly quorumOptions: readonly string[];
}

export interface NodeState {
  readonly options: NodeOptions;
  readonly log: Log;
  membership: Membership;
  /** Everything that needs to know who we are; null until corosync has told. */
  cluster: ClusterPart | null;
  shuttingDown: boolean;
}

export interface ClusterPart {
  readonly selfId: number;
  configuration: Configuration;
  electorate: Electorate;
  budgetInput: BudgetInput;
  budget: Budget;
  /** Why nothing is started here; null: services are welcome. */
  refusal: string | null;
  readonly peers: Peers;
  readonly views: Views;
  readonly lease: Lease;
  readonly grants: Grants;
  readonly lrm: Lrm;
  readonly protection: Protection;
  /** This agent has once known everything that was committed, and so what an earlier one had been given. */
  hasKnownAll: boolean;
  lastHeartbeatMs: number;
  lastHeartbeatEpoch: number;
  /** Something changed that the others should hear at once. */
  heartbeatDue: boolean;
  /** LRM report as last sent, to see changes. */
  lastReport: string;
  lastManagerMs: number;
  lastManagerIndex: number;
  /** The lease is running out and that has been said. */
  runningOut: boolean;
}

export type NodeEvent =
  | { readonly type: 'tick' }
  | { readonly type: 'configuration'; readonly configuration: Configuration }
  | { readonly type: 'quorum'; readonly quorate: boolean; readonly ring: RingId; readonly members: readonly number[] }
  | { readonly type: 'ring'; readonly ring: RingId; readonly members: readonly number[] }
  | {
      readonly type: 'group';
      readonly members: readonly { readonly nodeId: number }[];
      readonly joined: readonly { readonly nodeId: number }[];
    }
  | { readonly type: 'disconnected'; readonly reason: string }
  | { readonly type: 'message'; readonly fromId: number; readonly message: Message }
  | { readonly type: 'saved'; readonly record: DurableRecord }
  | { readonly type: 'save-failed'; readonly detail: string }
  | { readonly type: 'outcome'; readonly outcome: OperationOutcome }
  | { readonly type: 'watchdog'; readonly event: WatchdogEvent }
  | { readonly type: 'request'; readonly requestId: string; readonly command: Command }
  /** The agent is to end: release the watchdog if nothing runs here. */
  | { readonly type: 'shutdown' };

export interface Now {
  readonly bootMs: number;
  readonly wallMs: number;
}

export const heartbeatMs = 1_000;
/** Heartbeats out of turn are at least this far apart, except the first in a view: leases wait for it. */
const heartbeatGapMs = 10;
/** The manager looks again after this, and sooner after a commit, since one decision often waits for another. */
const managerGapMs = 50;
const managerGapAfterCommitMs = 5;
/** A lease that has not been renewed for this long is running out: two heartbeats and some. */
const renewalLateMs = 2_500;

export function newNode(options: NodeOptions, record: DurableRecord): NodeState {
  return { options, log: openLog(record), membership: newMembership(), cluster: null, shuttingDown: false };
}

export function step(node: NodeState, event: NodeEvent, now: Now): Effect[] {
  const effects: Effect[] = [];
  if (event.type === 'configuration') onConfiguration(node, event.configuration, now, effects);
  const { cluster } = node;
  if (cluster === null) return rejectEarly(event, effects);
  const context = viewContext(node, cluster, now);
  onEvent(node, cluster, event, context, effects);
  afterEvent(node, cluster, now, effects);
  return effects;
}

function rejectEarly(event: NodeEvent, effects: Effect[]): Effect[] {
  if (event.type === 'request')
    refuse(event.requestId, 'HF_NO_QUORUM', 'corosync does not answer yet: see corosync-quorumtool -s', effects);
  return effects;
}

function refuse(requestId: string, code: ErrorCode, message: string, effects: Effect[]): void {
  effects.push({ type: 'refused', requestId, code, message });
}

function viewContext(node: NodeState, cluster: ClusterPart, now: Now): ViewContext {
  return {
    electorate: cluster.electorate,
    peers: cluster.peers,
    quorate: isQuorate(node.membership),
    nowMs: now.bootMs,
    wallMs: now.wallMs,
  };
}

// ---- corosync's word ----

function onConfiguration(node: NodeState, configuration: Configuration, now: Now, effects: Effect[]): void {
  const { options } = node;
  const electorate = { nodes: configuration.nodes, expectedVotes: configuration.expectedVotes };
  const budgetInput: BudgetInput = {
    fenceBoundMs: options.fenceBoundMs,
    kappa: options.watchdog?.kappa ?? 1,
    minTimeoutS: options.watchdog?.minTimeoutS ?? 1,
    maxTimeoutS: options.watchdog?.maxTimeoutS ?? 0,
    tokenMs: configuration.tokenMs,
    consensusMs: configuration.consensusMs,
  };
  const budget = deriveBudget(budgetInput);
  const refusal = options.refusal ?? refusalOf(configuration) ?? budget.problems[0] ?? null;
  if (node.cluster !== null) {
    const { selfId } = node.cluster;
    // What was granted, promised and started under the old id would be forgotten under the new one.
    assert(selfId === configuration.localNodeId, `corosync's id of this node went from ${selfId} to another`);
    Object.assign(node.cluster, { configuration, electorate, budgetInput, budget, refusal });
  } else {
    node.cluster = newClusterPart(node, { configuration, electorate, budgetInput, budget, refusal }, now);
    if (options.watchdog?.active) {
      const text =
        'a former agent has left the watchdog running: it is taken over with the first lease, or resets this node';
      notice(effects, 'watchdog', 'warn', text);
    }
  }
  if (refusal !== null) notice(effects, 'watchdog', 'error', `nothing is started on this node: ${refusal}`);
}

type Derived = Pick<ClusterPart, 'configuration' | 'electorate' | 'budgetInput' | 'budget' | 'refusal'>;

function newClusterPart(node: NodeState, derived: Derived, now: Now): ClusterPart {
  const { incarnation, bootId, startedMs } = node.options;
  const selfId = derived.configuration.localNodeId;
  return {
    ...derived,
    selfId,
    peers: new Map(),
    views: newViews(selfId, incarnation, node.log),
    lease: newLease(selfId, incarnation, derived.budget.leaseMs),
    grants: newGrants(startedMs),
    lrm: newLrm(selfId, bootId),
    protection: newProtection(node.options.watchdog?.active ?? false),
    hasKnownAll: false,
    lastHeartbeatMs: 0,
    lastHeartbeatEpoch: 0,
    heartbeatDue: true,
    lastReport: '',
    lastManagerMs: now.bootMs - managerGapMs,
    lastManagerIndex: 0,
    runningOut: false,
  };
}

/** Options of corosync that let two partitions be quorate, or a quorum move where no grant is seen (design §2.4). */
function refusalOf(configuration: Configuration): string | null {
  const unsafe = ['two_node', 'auto_tie_breaker', 'last_man_standing', 'allow_downscale'].find((option) =>
    configuration.quorumOptions.includes(option),
  );
  if (unsafe !== undefined) {
    return `corosync's quorum.${unsafe} is on, so two quorums need not share a node: remove it from corosync.conf`;
  }
  if (configuration.deviceVotes > 0) {
    return 'corosync uses a quorum device, which this version does not support: remove quorum.device from corosync.conf';
  }
  return null;
}

function onGroup(node: NodeState, cluster: ClusterPart, event: NodeEvent & { type: 'group' }, nowMs: number): void {
  node.membership.group = event.members.map((member) => member.nodeId);
  for (const member of event.joined) joined(cluster.peers, member.nodeId, nowMs);
}

function syncPeers(node: NodeState, cluster: ClusterPart, nowMs: number): void {
  const present = groupMembers(node.membership);
  for (const nodeId of cluster.peers.keys()) if (!present.includes(nodeId)) cluster.peers.delete(nodeId);
  for (const nodeId of present) if (!cluster.peers.has(nodeId)) joined(cluster.peers, nodeId, nowMs);
}

function onDisconnected(node: NodeState, cluster: ClusterPart, reason: string, effects: Effect[]): void {
  node.membership = newMembership();
  cluster.peers.clear();
  notice(effects, 'cluster', 'error', `corosync is gone (${reason}): reconnecting`);
}

// ---- events ----

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
      onQuorum(node, event, effects);
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
      onOutcome(cluster.lrm, event.outcome, node.log.committed, context.nowMs, effects);
      break;
    case 'watchdog':
      onWatchdog(cluster.protection, event.event, context.nowMs, effects);
      break;
    case 'request':
      onLocalRequest(cluster, event.requestId, event.command, context, effects);
      break;
    case 'shutdown':
      onShutdown(node, cluster, effects);
      break;
  }
}

function onQuorum(node: NodeState, event: NodeEvent & { type: 'quorum' }, effects: Effect[]): void {
  const before = node.membership.quorum;
  node.membership.quorum = event;
  const members = event.members.join(' ');
  if (before?.quorate !== event.quorate || before.members.join(' ') !== members) {
    const text = event.quorate ? `quorate; in reach: node ids ${members}` : `no quorum; in reach: node ids ${members}`;
    notice(effects, 'cluster', event.quorate ? 'info' : 'error', text, { quorate: event.quorate, members });
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

/** A heartbeat is granted when it is delivered, if its sender is in our view and its boot is not declared fenced. */
function onHeartbeat(
  node: NodeState,
  cluster: ClusterPart,
  fromId: number,
  heartbeat: Heartbeat,
  context: ViewContext,
  effects: Effect[],
): void {
  const { views, grants, lease, selfId } = cluster;
  onHeartbeatOf(views, fromId, heartbeat, context, effects);
  if (heard(cluster.peers, fromId, heartbeat, context.nowMs)) cluster.heartbeatDue = true;
  const inView = views.view?.members.some(
    (member) => member.nodeId === fromId && member.incarnation === heartbeat.incarnation,
  );
  if (inView && fromId !== selfId && !declaresFenced(node.log, fromId, heartbeat.bootId)) {
    if (grants.echoes.get(fromId)?.incarnation !== heartbeat.incarnation) cluster.heartbeatDue = true;
    grant(grants, fromId, heartbeat.incarnation, heartbeat.seq, context.nowMs);
  }
  for (const echo of heartbeat.echoes) {
    if (echo.nodeId === selfId) noteEcho(lease, fromId, echo.incarnation, echo.seq);
  }
}

function onLocalRequest(
  cluster: ClusterPart,
  requestId: string,
  command: Command,
  context: ViewContext,
  effects: Effect[],
): void {
  if (!context.quorate || cluster.views.view === null) {
    const why = context.quorate
      ? (cluster.views.waitingFor ?? 'the cluster is just forming: try again')
      : 'there is no quorum';
    refuse(requestId, 'HF_NO_QUORUM', `nothing was changed: ${why}`, effects);
    return;
  }
  effects.push({ type: 'send', message: { type: 'request', requestId, command } });
}

/** Everybody delivers a request; only the leader takes it. */
function onRequest(
  cluster: ClusterPart,
  fromId: number,
  { requestId, command }: Request,
  context: ViewContext,
  effects: Effect[],
): void {
  const { views } = cluster;
  if (views.view?.leaderId !== cluster.selfId) return;
  if (propose(views, [{ command, origin: { nodeId: fromId, requestId } }], context, effects)) return;
  const code: ErrorCode = leads(views) ? 'HF_BUSY' : 'HF_NO_QUORUM';
  const why = leads(views) ? 'too many changes are under way' : 'the leader is not ready';
  effects.push({
    type: 'send',
    message: { type: 'refusal', to: fromId, requestId, code, message: `nothing was changed: ${why}, try again` },
  });
}

function onShutdown(node: NodeState, cluster: ClusterPart, effects: Effect[]): void {
  node.shuttingDown = true;
  const { protection } = cluster;
  const idle = runsNothing(node) && !needsProtection(cluster.lrm, node.log.committed);
  if (protection.state !== 'armed' && protection.state !== 'unattended') return;
  if (idle) {
    protection.state = 'releasing';
    effects.push({ type: 'watchdog-release' });
  } else {
    notice(
      effects,
      'watchdog',
      'warn',
      'ending with resources running: the watchdog stays armed, and resets this node unless an agent starts in time',
    );
  }
}

/** For sure: an agent that has just started does not know yet what an earlier one has left running. */
export function runsNothing(node: NodeState): boolean {
  const { cluster } = node;
  if (cluster === null || !cluster.hasKnownAll || !hasLooked(node, cluster)) return false;
  return [...cluster.lrm.units.values()].every((unit) => unit.condition === 'stopped' && unit.operationId === null);
}

// ---- after every event ----

function afterEvent(node: NodeState, cluster: ClusterPart, now: Now, effects: Effect[]): void {
  syncPeers(node, cluster, now.bootMs);
  if (isInquorate(node.membership)) leaveView(cluster.views);
  const context = viewContext(node, cluster, now);
  considerView(cluster.views, context, effects);
  const members = cluster.views.view?.members ?? [];
  keepOnly(cluster.grants, new Set(members.map((member) => member.nodeId)));
  manage(node, cluster, context, effects);
  watchLease(node, cluster, context, effects);
  resetIfFenced(node, cluster, effects);
  act(node, cluster, context, effects);
  sendHeartbeat(node, cluster, context, effects);
}

function manage(node: NodeState, cluster: ClusterPart, context: ViewContext, effects: Effect[]): void {
  if (!isSettledLeader(cluster.views)) return;
  const { commitIndex } = node.log.record;
  const gapMs = commitIndex === cluster.lastManagerIndex ? managerGapMs : managerGapAfterCommitMs;
  if (context.nowMs - cluster.lastManagerMs < gapMs) return;
  cluster.lastManagerMs = context.nowMs;
  cluster.lastManagerIndex = commitIndex;
  const commands = decide(managerInput(node, cluster));
  if (commands.length > 0)
    propose(
      cluster.views,
      commands.map((command) => ({ command, origin: null })),
      context,
      effects,
    );
}

/** What the manager may know: only what members of this view have said in this view. */
export function managerInput(node: NodeState, cluster: ClusterPart): ManagerInput {
  const { view } = cluster.views;
  const members = new Map<number, Heartbeat>();
  const unheard = new Set<number>();
  const silences = new Map<number, SilenceReport[]>();
  for (const { nodeId, incarnation } of view?.members ?? []) {
    const peer = cluster.peers.get(nodeId);
    if (peer?.heartbeat?.epoch !== view?.epoch || peer?.incarnation !== incarnation || !peer?.heartbeat) {
      unheard.add(nodeId);
      continue;
    }
    members.set(nodeId, peer.heartbeat);
    for (const report of peer.heartbeat.silences) {
      const reports = silences.get(report.nodeId) ?? [];
      reports.push({ fromId: nodeId, silenceMs: report.silenceMs });
      silences.set(report.nodeId, reports);
    }
  }
  return {
    state: node.log.committed,
    electorate: cluster.electorate,
    members,
    unheard,
    silences,
    leaseMs: cluster.budget.leaseMs,
  };
}

function watchLease(node: NodeState, cluster: ClusterPart, context: ViewContext, effects: Effect[]): void {
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
  const why = context.quorate ? 'too few nodes echo its heartbeats' : 'there is no quorum';
  const armed = protection.state === 'armed';
  const next = armed ? `this node is reset in ${remainingMs} ms unless that changes` : 'nothing runs here';
  notice(effects, 'lease', armed ? 'error' : 'warn', `the lease is running out: ${why}; ${next}`, { remainingMs });
  if (armed) effects.push({ type: 'last-words', reason: `lease ran out: ${why}` });
}

function resetIfFenced(node: NodeState, cluster: ClusterPart, effects: Effect[]): void {
  const { protection } = cluster;
  if (protection.doomed || !isFenced(node.log.committed, cluster.selfId, node.options.bootId)) return;
  protection.doomed = true;
  const reason = 'this boot was declared fenced: others may run its resources';
  notice(effects, 'watchdog', 'error', `${reason}; resetting`);
  effects.push({ type: 'last-words', reason }, { type: 'watchdog-reset', reason });
}

function act(node: NodeState, cluster: ClusterPart, context: ViewContext, effects: Effect[]): void {
  const { lrm, protection, views } = cluster;
  const state = node.log.committed;
  const caughtUp = hasCaughtUp(views) && !protection.doomed;
  const looked = hasLooked(node, cluster);
  if (caughtUp) cluster.hasKnownAll = true;
  const registered = state.nodes[cluster.selfId];
  // Survivors wait for the registered bound: a longer lease would outlive their wait.
  const boundIsKnown =
    registered?.bootId === node.options.bootId && registered.fenceBoundMs >= node.options.fenceBoundMs;
  if (!node.shuttingDown) {
    const input: ProtectionInput = {
      effectiveMs: cluster.budget.effectiveMs,
      leaseDeadlineMs: cluster.lease.deadlineMs,
      needed: needsProtection(lrm, state),
      mayArm: cluster.refusal === null && boundIsKnown,
      certain: caughtUp && context.quorate && looked,
      nowMs: context.nowMs,
    };
    protect(protection, input, effects);
  }
  const mayStart =
    protection.state === 'armed' &&
    isHeld(cluster.lease, context.nowMs) &&
    registered?.bootId === node.options.bootId &&
    registered.fenceBoundMs === node.options.fenceBoundMs &&
    !node.shuttingDown;
  reconcile(lrm, state, { caughtUp, mayStart }, context.nowMs, effects);
}

/** Every resource that is known of was looked for on this node. */
function hasLooked(node: NodeState, cluster: ClusterPart): boolean {
  const { commitIndex } = node.log.record;
  return probedThrough(cluster.lrm, node.log.committed, commitIndex) >= commitIndex;
}

// ---- heartbeats ----

function sendHeartbeat(node: NodeState, cluster: ClusterPart, context: ViewContext, effects: Effect[]): void {
  if (!cluster.peers.has(cluster.selfId)) return;
  const report = lrmReport(node, cluster);
  const epoch = cluster.views.view?.epoch ?? 0;
  const { probedThrough: through, ...news } = report;
  const text = JSON.stringify([news, through >= node.log.record.commitIndex, epoch, cluster.views.storing]);
  const sinceMs = context.nowMs - cluster.lastHeartbeatMs;
  if (text !== cluster.lastReport || takeoverDue(node, cluster, context.nowMs, sinceMs)) cluster.heartbeatDue = true;
  const firstInView = epoch !== cluster.lastHeartbeatEpoch;
  if (!firstInView && sinceMs < (cluster.heartbeatDue ? heartbeatGapMs : heartbeatMs)) return;
  cluster.lastHeartbeatEpoch = epoch;
  cluster.lastReport = text;
  cluster.heartbeatDue = false;
  cluster.lastHeartbeatMs = context.nowMs;
  effects.push({ type: 'send', message: heartbeat(node, cluster, report, context.nowMs) });
}

/** A node outside the view has become ripe for its takeover since the last heartbeat: the leader waits to hear it. */
function takeoverDue(node: NodeState, cluster: ClusterPart, nowMs: number, sinceMs: number): boolean {
  const { view } = cluster.views;
  if (view === null) return false;
  return Object.values(node.log.committed.nodes).some(({ nodeId, fenceBoundMs }) => {
    const ripeSinceMs = silenceMs(cluster.grants, nodeId, nowMs) - takeoverMs(fenceBoundMs);
    const outside = !view.members.some((member) => member.nodeId === nodeId);
    return outside && ripeSinceMs >= 0 && ripeSinceMs < sinceMs;
  });
}

function lrmReport(node: NodeState, cluster: ClusterPart): Heartbeat['lrm'] {
  const state = node.log.committed;
  const { lrm, protection } = cluster;
  return {
    results: results(lrm, state),
    strays: strays(lrm, state),
    probedThrough: probedThrough(lrm, state, node.log.record.commitIndex),
    canRun: cluster.refusal === null && !node.shuttingDown && !protection.doomed && protection.state !== 'failed',
    active: protection.state === 'armed',
  };
}

function heartbeat(node: NodeState, cluster: ClusterPart, lrm: Heartbeat['lrm'], nowMs: number): Heartbeat {
  const { views, grants, lease } = cluster;
  const members = new Set(views.view?.members.map((member) => member.nodeId));
  const outside = views.view === null ? [] : cluster.electorate.nodes.filter((voter) => !members.has(voter.nodeId));
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
    stored: views.stored,
    echoes: [...grants.echoes].map(([nodeId, echo]) => ({ nodeId, ...echo })),
    silences: outside.map(({ nodeId }) => ({ nodeId, silenceMs: silenceMs(grants, nodeId, nowMs) })),
    lrm,
  };
}
