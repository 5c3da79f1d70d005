import { takeoverMs } from './budget.js';
import { type Effect, notice } from './effects.js';
import { deviceTimeoutMs, type Electorate, fingerprint, quorumValue, sameVotes } from './electorate.js';
import type { ClusterPart, NodeState } from './node-state.js';
import { propose } from './replication.js';
import { isSettledLeader, type ViewContext } from './views.js';

/**
 * How the electorate of the log follows corosync's configuration: first both count, and after a takeover wait the new one
 * alone. Until then a lease may hold that the former electorate alone has given.
 */

/** Called after every event; proposes at most one step, and nothing while anything else is under way. */
export function reconfigure(node: NodeState, cluster: ClusterPart, context: ViewContext, effects: Effect[]): void {
  watchChange(node, cluster, context.nowMs);
  if (!isSettledLeader(cluster.views)) return;
  const present = node.log.committed.electorate;
  if (present === undefined) return;
  const next = present.former ? completion(node, cluster, present, context.nowMs) : change(node, cluster, present);
  if (next === null) return;
  const { coordinator } = cluster.views;
  const version = `${coordinator?.epoch ?? 0}.${coordinator?.nextIndex ?? 0}`;
  const command = { type: 'electorate', electorate: { ...next, version } } as const;
  if (!propose(cluster.views, [{ command, origin: null }], context, effects)) return;
  const text = next.former
    ? 'the votes change: until that is settled, quorums of both count'
    : 'the new votes count alone';
  notice(effects, 'cluster', 'info', `${text} (${fingerprint(next)})`);
}

/** Since when this agent has known that the present change is committed: later than it was, never sooner. */
function watchChange({ log }: NodeState, cluster: ClusterPart, nowMs: number): void {
  const present = log.committed.electorate;
  const version = present?.former ? (present.version ?? '') : null;
  if (cluster.change?.version === version) return;
  cluster.change = version === null ? null : { version, sinceMs: nowMs };
}

/** The first step, if every member of the view is configured alike, and quorums of both have stored the log. */
function change(node: NodeState, cluster: ClusterPart, present: Electorate): Electorate | null {
  const { configured, views } = cluster;
  if (sameVotes(configured, present)) return null;
  const wanted = fingerprint(configured);
  const agreed = views.view?.members.every(({ nodeId }) => cluster.peers.get(nodeId)?.heartbeat?.configured === wanted);
  const { former: _, version: __, ...former } = present;
  const next: Electorate = { ...configured, former };
  const stored = quorumValue(next, views.coordinator?.acks ?? new Map());
  return agreed && stored !== undefined && stored >= node.log.record.commitIndex ? next : null;
}

/** The second step, when no lease can be left that the former electorate alone has given. */
function completion(
  { log }: NodeState,
  { change: watched }: ClusterPart,
  present: Electorate,
  nowMs: number,
): Electorate | null {
  const boundsMs = Object.values(log.committed.nodes).map(({ fenceBoundMs }) => fenceBoundMs);
  const waitMs = takeoverMs(Math.max(0, ...boundsMs) + deviceTimeoutMs(present));
  if (watched === null || nowMs - watched.sinceMs < waitMs) return null;
  return { ...present, former: null };
}
