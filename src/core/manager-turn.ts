import { compileRules } from './compiled-rules.js';
import type { Effect } from './effects.js';
import { decide } from './manager.js';
import { forgetAll } from './manager-memory.js';
import { inOrder, type ManagerInput } from './manager-round.js';
import type { Heartbeat, LoadReport } from './messages.js';
import type { ClusterPart, CompiledFor, NodeState } from './node-state.js';
import { propose } from './replication.js';
import type { SilenceReport } from './takeover.js';
import { isSettledLeader, type ViewContext } from './views.js';

/** When the leader decides, and what it may know then. */

/** The manager looks again after this, and sooner after a commit, since one decision often waits for another. */
export const managerGapMs = 50;
const managerGapAfterCommitMs = 5;
/** What only time makes due is looked for this often. */
const idleGapMs = 1_000;

export function manage(node: NodeState, cluster: ClusterPart, context: ViewContext, effects: Effect[]): void {
  if (!isSettledLeader(cluster.views)) return;
  const sinceMs = context.nowMs - cluster.lastManagerMs;
  const committed = node.log.record.commitIndex !== cluster.lastManagerIndex;
  if (sinceMs < (committed ? managerGapAfterCommitMs : managerGapMs)) return;
  const seen = committed ? '' : whatIsSeen(node, cluster);
  if (seen !== '' && seen === cluster.lastManagerInput && sinceMs < idleGapMs) return;
  cluster.lastManagerMs = context.nowMs;
  cluster.lastManagerIndex = node.log.record.commitIndex;
  const commands = decide(managerInput(node, cluster, context.nowMs));
  cluster.lastManagerInput = commands.length === 0 ? whatIsSeen(node, cluster) : '';
  if (commands.length === 0) return;
  const proposals = commands.map((command) => ({ command, origin: null }));
  propose(cluster.views, proposals, context, effects);
}

/** Two that are the same lead to the same decisions, but for the time; empty: time matters, for some node is missed. */
function whatIsSeen(node: NodeState, cluster: ClusterPart): string {
  const { view } = cluster.views;
  if (Object.keys(node.log.committed.nodes).length > (view?.members.length ?? 0)) return '';
  let seen = `${view?.epoch}`;
  for (const { nodeId } of view?.members ?? []) {
    const peer = cluster.peers.get(nodeId);
    const heartbeat = peer?.heartbeat;
    if (heartbeat == null || heartbeat.epoch !== view?.epoch) return '';
    const { lrm } = heartbeat;
    const able = `${lrm.canRun}${lrm.active}${lrm.mode}${lrm.released}${lrm.empty}`;
    seen += ` ${nodeId} ${peer?.incarnation} ${lrm.revision} ${able}`;
  }
  return seen;
}

/** What the manager may know: only what members of this view have said in this view. */
export function managerInput(node: NodeState, cluster: ClusterPart, nowMs: number): ManagerInput {
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
  const { managerMemory: memory } = cluster;
  if (memory.epoch !== (view?.epoch ?? 0)) forgetAll(memory, view?.epoch ?? 0);
  return {
    state: node.log.committed,
    electorate: cluster.electorate,
    ...compiled(node, cluster),
    members,
    unheard,
    silences,
    loads: loadsOf(cluster),
    serviceLoads: cluster.serviceLoads,
    leaseMs: cluster.budget.leaseMs,
    nowMs,
    memory,
  };
}

function loadsOf({ peers }: ClusterPart): Map<number, LoadReport> {
  const loads = new Map<number, LoadReport>();
  for (const { nodeId, load } of peers.values()) if (load !== null) loads.set(nodeId, load);
  return loads;
}

/** Compiled anew only when rules, resources or nodes have changed. */
function compiled({ log }: NodeState, cluster: ClusterPart): Pick<CompiledFor, 'rules' | 'order'> {
  const { committed } = log;
  const nodeNames = Object.values(committed.nodes).map((record) => record.name);
  const key = `${committed.configurationIndex} ${nodeNames.join(' ')}`;
  if (cluster.compiled.state !== committed || cluster.compiled.key !== key) {
    const rules = compileRules({
      rules: Object.values(committed.rules),
      groups: Object.values(committed.groups),
      services: Object.values(committed.services),
      nodeNames,
    });
    cluster.compiled = { state: committed, key, rules, order: inOrder(committed) };
  }
  return { rules: cluster.compiled.rules, order: cluster.compiled.order };
}
