import { budgetLines } from '../core/budget.js';
import type { Disarm, NodeRecord, ServiceRecord } from '../core/cluster-state.js';
import { nodeName, quorumVotes, votesOf } from '../core/electorate.js';
import { heartbeatMs } from '../core/heartbeats.js';
import { isHeld } from '../core/lease.js';
import { isMine, type Unit } from '../core/lrm.js';
import { newRound } from '../core/manager-round.js';
import { managerInput } from '../core/manager-turn.js';
import { isQuorate } from '../core/membership.js';
import type { ClusterPart, NodeState } from '../core/node-state.js';
import { mayRun, needsFencing } from '../core/service-states.js';
import { untilTakeoverMs } from '../core/takeover.js';
import { whyWaiting } from '../core/waiting.js';
import type { KeeperStats, WatchdogInfo } from '../ports/watchdog.js';
import type {
  LeaseStatus,
  NodeStatus,
  Protection,
  ServiceStatus,
  StatusReport,
  TimingReport,
  WatchdogStatus,
} from './status.js';

/** What is told of a node: a picture of its state, taken whenever somebody asks. */
export interface ReportInput {
  readonly node: NodeState;
  readonly nowMs: number;
  readonly version: string;
  readonly connected: boolean;
  /** The agent has failed and does nothing any more; its error. */
  readonly failed: Error | null;
  readonly protection: Protection;
  readonly watchdog: WatchdogInfo | null;
  /** Why there is no usable watchdog. */
  readonly watchdogProblem: string | null;
  readonly keeper: KeeperStats | null;
  readonly storeProblem: string | null;
  /** Types of resources that there is a driver for. */
  readonly resourceTypes: readonly string[];
}

export function statusReport(input: ReportInput): StatusReport {
  const { node } = input;
  const { cluster } = node;
  const electorate = cluster?.electorate ?? { nodes: [], expectedVotes: 0 };
  const view = cluster?.views.view ?? null;
  const whyWaits = waitsOf(input);
  return {
    version: input.version,
    cluster: {
      name: cluster?.configuration.clusterName ?? null,
      connected: input.connected,
      quorate: isQuorate(node.membership),
      votes: votesOf(electorate, node.membership.quorum?.members ?? []),
      expectedVotes: electorate.expectedVotes,
      quorumVotes: quorumVotes(electorate),
    },
    local: {
      nodeId: cluster?.selfId ?? null,
      name: cluster === null ? null : nodeName(electorate, cluster.selfId),
      bootId: node.options.bootId,
    },
    leader: view === null ? null : nodeName(electorate, view.leaderId),
    epoch: view?.epoch ?? 0,
    commitIndex: node.log.record.commitIndex,
    protection: input.protection,
    watchdog: watchdogStatus(input),
    lease: leaseStatus(cluster, input.nowMs),
    store: { ok: cluster?.views.storing ?? true, detail: input.storeProblem },
    warnings: warnings(input),
    nodes: cluster === null ? [] : electorate.nodes.map(({ nodeId }) => nodeStatus(input, cluster, nodeId)),
    services: Object.values(node.log.committed.services)
      .sort((a, b) => (a.sid < b.sid ? -1 : 1))
      .map((service) => serviceStatus(cluster, service, whyWaits)),
    disarm: node.log.committed.disarm && disarmStatus(node.log.committed.disarm),
    options: node.log.committed.options,
    rulesDropped: cluster === null ? [] : managerInput(node, cluster, input.nowMs).rules.dropped,
    resourceTypes: input.resourceTypes,
  };
}

function disarmStatus({ mode, phase }: Disarm): Pick<Disarm, 'mode' | 'phase'> {
  return { mode, phase };
}

function watchdogStatus({ watchdog, keeper, node, watchdogProblem, nowMs }: ReportInput): WatchdogStatus {
  const state = node.cluster?.protection.state ?? 'idle';
  const refusal = node.cluster?.refusal ?? node.options.refusal;
  const keeperState = keeper?.state ?? 'idle';
  return {
    device: watchdog?.device ?? null,
    kind: watchdog?.kind ?? null,
    identity: watchdog?.identity ?? null,
    state: state === 'failed' ? 'failed' : keeperState === 'idle' && refusal !== null ? 'refused' : keeperState,
    timeoutS: node.cluster?.budget.timeoutS ?? null,
    effectiveMs: node.cluster?.budget.effectiveMs ?? null,
    lastPetAgoMs: keeper === null || keeper.lastPetMs === 0 ? null : Math.round(nowMs - keeper.lastPetMs),
    pets: keeper?.pets ?? 0,
    worstLatenessMs: keeper?.worstLatenessMs ?? 0,
    wakeups: keeper?.wakeups ?? 0,
    realtime: keeper?.realtime ?? false,
    detail: node.cluster?.protection.detail ?? watchdogProblem ?? refusal,
  };
}

function leaseStatus(cluster: ClusterPart | null, nowMs: number): LeaseStatus {
  if (cluster === null) return { held: false, remainingMs: 0, leaseMs: 0 };
  const { lease } = cluster;
  return { held: isHeld(lease, nowMs), remainingMs: Math.max(0, lease.deadlineMs - nowMs), leaseMs: lease.leaseMs };
}

function warnings(input: ReportInput): string[] {
  const { node, keeper, watchdog } = input;
  const { cluster } = node;
  const lines: (string | null | false | undefined)[] = [
    input.failed !== null && `this agent has failed and does nothing any more: ${input.failed.message}`,
    protectionWarning(input.protection, watchdog?.device ?? null, input.watchdogProblem),
    !input.connected && 'corosync does not answer: what is shown of the cluster is what was last known',
    cluster !== null && deliversNothing(input, cluster),
    cluster?.refusal && `nothing is started on this node: ${cluster.refusal}`,
    cluster?.runningOut && 'the lease of this node is running out',
    cluster?.protection.doomed && 'this boot was declared fenced: this node has to reset',
    cluster !== null && cluster.views.view === null && noView(input, cluster),
    input.storeProblem !== null && `the store does not work: ${input.storeProblem}`,
    keeper !== null &&
      keeper.state === 'armed' &&
      !keeper.realtime &&
      'the keeper has no real-time priority: a busy machine may delay its pets',
    keeper?.state === 'expired' && 'the lease has run out: this node is about to be reset',
  ];
  return lines.filter((line): line is string => typeof line === 'string' && line !== '');
}

/** What a node's watchdog does not protect from, one sentence; null: it protects from everything. */
export function protectionWarning(
  protection: Protection,
  device: string | null,
  problem: string | null,
): string | null {
  switch (protection) {
    case 'protected':
      return null;
    case 'protected (not by hardware)':
      return `protected, but not by hardware: ${device} does not reset this machine when its kernel hangs`;
    case 'UNPROTECTED (emulated)':
      return 'UNPROTECTED: the watchdog is emulated; it ends a laboratory machine, never a real one';
    case 'UNPROTECTED (unvalidated)':
      return `UNPROTECTED: ${problem ?? `${device} was never seen to reset this machine`}`;
    case 'UNPROTECTED (no watchdog)':
      return `UNPROTECTED: ${problem ?? 'no watchdog'}`;
  }
}

/** Corosync stopped, or hanging: it says nothing, and what it last said still stands there. */
function deliversNothing({ nowMs }: ReportInput, cluster: ClusterPart): string | false {
  const silentMs = nowMs - (cluster.heardMs.get(cluster.selfId) ?? nowMs);
  if (silentMs < 3 * heartbeatMs) return false;
  return `corosync has delivered nothing for ${Math.round(silentMs / 1_000)} s, not even to this node: what is shown of the cluster may be stale`;
}

function noView(input: ReportInput, cluster: ClusterPart): string {
  if (!isQuorate(input.node.membership)) return 'no quorum: nothing is decided, and what is shown below may be stale';
  return `no view yet: ${cluster.views.waitingFor ?? 'the cluster is forming'}`;
}

function nodeStatus(input: ReportInput, cluster: ClusterPart, nodeId: number): NodeStatus {
  const { node, nowMs } = input;
  const heartbeat = cluster.peers.get(nodeId)?.heartbeat ?? null;
  const heardMs = cluster.heardMs.get(nodeId);
  const record = node.log.committed.nodes[nodeId];
  const services = Object.values(node.log.committed.services);
  return {
    nodeId,
    name: nodeName(cluster.electorate, nodeId),
    state: record === undefined ? 'unknown' : nodeStateShown(record),
    maintenance: record?.maintenance ?? false,
    mode: heartbeat?.lrm.mode ?? null,
    unprotected: record?.unprotected ?? false,
    lastHeardAgoMs: heardMs === undefined ? null : Math.max(0, nowMs - heardMs),
    protection: (heartbeat?.protection as Protection | undefined) ?? null,
    lrm: heartbeat === null ? 'unknown' : heartbeat.lrm.active ? 'active' : 'idle',
    storeOk: heartbeat?.storing ?? null,
    takeoverInMs: takeoverIn(input, cluster, nodeId),
    services: services.filter((service) => service.nodeId === nodeId && mayRun(service.state)).length,
    load: cluster.peers.get(nodeId)?.load?.node ?? null,
  };
}

function nodeStateShown(record: NodeRecord): NodeStatus['state'] {
  if (record.state === 'online') return record.maintenance ? 'maintenance' : 'online';
  if (record.state === 'gone') return 'gone';
  if (record.fencedBootIds.includes(record.bootId)) return 'fenced';
  return record.releasedBootId === record.bootId ? 'released' : record.state;
}

function takeoverIn({ node, nowMs }: ReportInput, cluster: ClusterPart, nodeId: number): number | null {
  const record = node.log.committed.nodes[nodeId];
  const inView = cluster.views.view?.members.some((member) => member.nodeId === nodeId) ?? true;
  const holds = Object.values(node.log.committed.services).some((s) => s.nodeId === nodeId && needsFencing(s.state));
  if (record === undefined || inView || !holds || record.unprotected || record.fencedBootIds.includes(record.bootId))
    return null;
  return untilTakeoverMs(
    cluster.electorate,
    managerInput(node, cluster, nowMs).silences.get(nodeId) ?? [],
    record.fenceBoundMs,
  );
}

function serviceStatus(cluster: ClusterPart | null, service: ServiceRecord, whyWaits: WhyWaits): ServiceStatus {
  const name = (nodeId: number | null): string | null =>
    nodeId === null || cluster === null ? null : nodeName(cluster.electorate, nodeId);
  const { order, state } = service;
  return {
    sid: service.sid,
    state,
    requested: service.requested,
    node: name(service.nodeId),
    target: name(service.targetId),
    order: order && { kind: order.kind, node: name(order.nodeId) ?? '' },
    failedNodes: [...new Set(service.failedNodeIds.map((nodeId) => name(nodeId) ?? ''))],
    origin: name(service.maintenanceNodeId),
    restarts: unitOf(cluster, service)?.restarts ?? null,
    detail: service.removing ? 'deleting' : serviceDetail(cluster, service, whyWaits),
  };
}

/** What this node knows of a service that it runs. */
function unitOf(cluster: ClusterPart | null, service: ServiceRecord): Unit | undefined {
  return cluster !== null && isMine(cluster.lrm, service) ? cluster.lrm.units.get(service.sid) : undefined;
}

function serviceDetail(cluster: ClusterPart | null, service: ServiceRecord, whyWaits: WhyWaits): string | null {
  switch (service.state) {
    case 'error':
      return service.reason;
    case 'request_stop':
      return 'stopping';
    case 'started': {
      const unit = unitOf(cluster, service);
      if (unit?.condition === 'broken' && unit.detail !== '') return `starting: ${unit.detail}`;
      return service.running ? null : 'starting';
    }
    case 'migrate':
    case 'relocate':
    case 'ignored':
      return null;
    default: {
      const why = whyWaits(service);
      if (why !== null) return `waiting: ${why}`;
      return service.state === 'stopped' ? null : service.reason;
    }
  }
}

/** What a service waits for; null: for nothing, or that would take too long to find out. */
type WhyWaits = (service: ServiceRecord) => string | null;

/** Of how many services it is found out what they wait for: for each the nodes are gone through. */
const explainedWaits = 100;

function waitsOf({ node, nowMs }: ReportInput): WhyWaits {
  const { cluster } = node;
  if (cluster === null) return () => null;
  const round = newRound(managerInput(node, cluster, nowMs));
  let explained = 0;
  return (service) => {
    if (service.state !== 'stopped' && ++explained > explainedWaits) return null;
    return whyWaiting(service, round);
  };
}

export function timingReport(node: NodeState, kappaSource: string): TimingReport {
  const { cluster } = node;
  if (cluster === null)
    return { lines: [], fits: false, problems: ['corosync has not told its times yet: is it running?'] };
  return {
    lines: budgetLines(cluster.budgetInput, cluster.budget, kappaSource),
    fits: cluster.budget.problems.length === 0,
    problems: cluster.budget.problems,
  };
}
