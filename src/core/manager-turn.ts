import type { Effect } from './effects.js';
import { decide, type ManagerInput } from './manager.js';
import type { Heartbeat } from './messages.js';
import type { ClusterPart, NodeState } from './node-state.js';
import { propose } from './replication.js';
import type { SilenceReport } from './takeover.js';
import { isSettledLeader, type ViewContext } from './views.js';

/** When the leader decides, and what it may know then. */

/** The manager looks again after this, and sooner after a commit, since one decision often waits for another. */
export const managerGapMs = 50;
const managerGapAfterCommitMs = 5;

export function manage(node: NodeState, cluster: ClusterPart, context: ViewContext, effects: Effect[]): void {
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
