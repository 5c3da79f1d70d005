import { runsNothing } from './acting.js';
import type { ServiceRecord } from './cluster-state.js';
import { type Effect, notice } from './effects.js';
import { needsProtection, type Unit } from './lrm.js';
import type { LrmMode } from './messages.js';
import type { ClusterPart, NodeState, Shutdown, ShutdownKind } from './node-state.js';
import type { ViewContext } from './views.js';

/**
 * How a node leaves. A restart of the agent alone leaves everything running under the armed watchdog. Before the machine
 * goes down, the shutdown policy says what becomes of its services; the end is always the same: nothing runs, the others
 * know it, the watchdog is released.
 */

/** A node that has no view for so long cannot hand anything over: it stops what it runs and goes. */
const aloneMs = 5_000;
/**
 * Longer than a service takes to stop, by far. Who still stops something after that is reset when the others are gone,
 * which costs its service a clean end; one that hangs must not keep all machines on for ever.
 */
const longestStayMs = 600_000;
/** For others to take what was stopped, when something else here cannot be stopped. */
const handOverMs = 10_000;

export function onShutdown(
  node: NodeState,
  cluster: ClusterPart,
  kind: ShutdownKind,
  nowMs: number,
  effects: Effect[],
): void {
  if (node.shutdown !== null && node.shutdown.kind !== 'restart') return;
  node.shutdown = { kind, sinceMs: nowMs, aloneSinceMs: null, doneSinceMs: null, stuckSinceMs: null, prepared: false };
  if (kind === 'restart') {
    endAgent(node, cluster, effects);
    return;
  }
  notice(effects, 'node', 'info', `this node is to go down (${kind}): ${sentences[lrmMode(node, cluster)]}`, { kind });
}

const sentences: Readonly<Record<LrmMode, string>> = {
  active: 'nothing is done',
  maintenance: 'what runs here is moved away',
  shutdown: 'what runs here is stopped, and started elsewhere',
  restart: 'what runs here is stopped, and waits for this node to come back',
  disarm: 'the cluster is disarmed, and what runs here is left alone',
};

/** The watchdog stays armed over what runs; it is released if nothing does. */
function endAgent(node: NodeState, { lrm, protection }: ClusterPart, effects: Effect[]): void {
  if (protection.state !== 'armed' && protection.state !== 'unattended') return;
  if (runsNothing(node) && !needsProtection(lrm)) {
    protection.state = 'releasing';
    effects.push({ type: 'watchdog-release' });
    return;
  }
  const text =
    'ending with resources running: the watchdog stays armed, and resets this node unless an agent starts in time';
  notice(effects, 'watchdog', 'warn', text);
}

/** The agent's last effects were asked for: nothing is armed or extended any more. */
export function isEnding({ shutdown }: NodeState): boolean {
  return shutdown !== null && (shutdown.kind === 'restart' || shutdown.prepared);
}

/** What this node is to the manager. */
export function lrmMode(node: NodeState, cluster: ClusterPart): LrmMode {
  const { committed } = node.log;
  if (committed.disarm?.phase === 'disarmed') return 'disarm';
  const maintained = committed.nodes[cluster.selfId]?.maintenance === true;
  const { shutdown } = node;
  if (shutdown === null || shutdown.kind === 'restart') return maintained ? 'maintenance' : 'active';
  if (maintained) return 'maintenance';
  switch (committed.options.shutdownPolicy) {
    case 'migrate':
      return 'maintenance';
    case 'freeze':
      return 'restart';
    case 'failover':
      return 'shutdown';
    case 'conditional':
      return shutdown.kind === 'reboot' ? 'restart' : 'shutdown';
  }
}

export function isLeaving({ shutdown }: NodeState): boolean {
  return shutdown !== null && shutdown.kind !== 'restart';
}

/** Is what runs here to be stopped, whoever wants it? Stopping is always safe, with a view and without. */
export function stopsAll(node: NodeState, cluster: ClusterPart, nowMs: number): boolean {
  if (!isLeaving(node) || isEnding(node)) return false;
  if (isAlone(node, nowMs)) return true;
  const mode = lrmMode(node, cluster);
  if (mode === 'shutdown') return true;
  // The others are to know first that it waits for this node; what can be moved is not stopped.
  const { mine, units } = cluster.lrm;
  const isLeft = ({ sid, state }: ServiceRecord): boolean =>
    state === 'freeze' || state === 'error' || isUnstoppable(units.get(sid));
  return mine.length > 0 && mine.every(isLeft);
}

function isAlone({ shutdown }: NodeState, nowMs: number): boolean {
  return shutdown?.aloneSinceMs != null && nowMs - shutdown.aloneSinceMs >= aloneMs;
}

/** Says so to the manager, in heartbeats: it may give away what this boot had. */
export function isReleased(node: NodeState, cluster: ClusterPart): boolean {
  if (!isLeaving(node) || !runsNothing(node)) return false;
  const mode = lrmMode(node, cluster);
  const waits = cluster.lrm.mine.some((service) => service.state !== 'freeze' && service.state !== 'error');
  return mode === 'shutdown' || !waits;
}

/** All that are here go down, and another one has still something to stop: without this vote its lease might end first. */
function isNeeded(node: NodeState, { views, peers, selfId }: ClusterPart): boolean {
  const others = (views.view?.members ?? []).filter(({ nodeId }) => nodeId !== selfId);
  const heartbeats = others.map(({ nodeId }) => peers.get(nodeId)?.heartbeat ?? null);
  if (!heartbeats.every((heartbeat) => heartbeat?.lrm.leaving === true)) return false;
  const { nodes } = node.log.committed;
  return others.some(({ nodeId }, i) => nodes[nodeId]?.releasedBootId !== heartbeats[i]?.bootId);
}

function isUnstoppable(unit: Unit | undefined): boolean {
  return unit !== undefined && unit.failure !== null && unit.condition === 'broken' && unit.operationId === null;
}

/** Something here ends only with the machine; all the rest was stopped, and others have taken it. */
function isStuck(node: NodeState, cluster: ClusterPart, shutdown: Shutdown, nowMs: number): boolean {
  const { lrm } = cluster;
  if (!stopsAll(node, cluster, nowMs) || ![...lrm.units.values()].some(isUnstoppable)) return false;
  if (lrm.operations.size > 0) return nowMs - shutdown.sinceMs >= longestStayMs;
  shutdown.stuckSinceMs ??= nowMs;
  const isTaken = lrm.mine.every(({ sid }) => isUnstoppable(lrm.units.get(sid)));
  const handsOver = lrmMode(node, cluster) === 'shutdown' && !isAlone(node, nowMs);
  return isTaken || !handsOver || nowMs - shutdown.stuckSinceMs >= handOverMs;
}

/** Goes on with the shutdown of the machine, as far as it can go now. */
export function prepareShutdown(node: NodeState, cluster: ClusterPart, context: ViewContext, effects: Effect[]): void {
  const { shutdown } = node;
  if (shutdown === null || shutdown.kind === 'restart' || shutdown.prepared) return;
  if (cluster.views.view !== null) shutdown.aloneSinceMs = null;
  else shutdown.aloneSinceMs ??= context.nowMs;
  const told = node.log.committed.nodes[cluster.selfId]?.releasedBootId === node.options.bootId;
  const alone = isAlone(node, context.nowMs);
  const stopped = cluster.lrm.operations.size === 0 && (alone ? runsNothing(node) : isReleased(node, cluster));
  if (stopped && told) shutdown.doneSinceMs ??= context.nowMs;
  const stayedMs = shutdown.doneSinceMs === null ? 0 : context.nowMs - shutdown.doneSinceMs;
  const stays = stayedMs < longestStayMs && isNeeded(node, cluster);
  const gone = stopped && (alone || (told && !stays));
  if (!gone && !isStuck(node, cluster, shutdown, context.nowMs)) return;
  shutdown.prepared = true;
  finish(cluster, gone, effects);
}

function finish({ protection }: ClusterPart, clean: boolean, effects: Effect[]): void {
  if (!clean) {
    const text = 'a resource cannot be stopped: the watchdog stays armed, and resets this node if it does not go down';
    notice(effects, 'watchdog', 'error', text);
  } else if (protection.state === 'armed' || protection.state === 'unattended') {
    protection.state = 'releasing';
    effects.push({ type: 'watchdog-release' });
  }
  effects.push({ type: 'prepared', clean });
}
