import type { Heartbeat, LoadReport } from './messages.js';

/** What is known of the agents in the group, this node's own included. */
export interface Peer {
  readonly nodeId: number;
  /** Null until its first heartbeat in this membership. */
  readonly incarnation: string | null;
  /** Newest heartbeat of this incarnation. */
  readonly heartbeat: Heartbeat | null;
  /** What it carries, as last reported. */
  readonly load: LoadReport | null;
  /** When it joined the group, or was last heard: it counts as alive for `silentAfterMs` from here. */
  readonly heardMs: number;
}

export type Peers = Map<number, Peer>;

/**
 * An agent that has said nothing for this long while its corosync lives is stopped or stuck: views are formed
 * without it. Three lost heartbeats; liveness only, safety never rests on it.
 */
export const silentAfterMs = 3_500;

export function joined(peers: Peers, nodeId: number, nowMs: number): void {
  peers.set(nodeId, { nodeId, incarnation: null, heartbeat: null, load: null, heardMs: nowMs });
}

/** True if this is a new incarnation, or the first word of it. */
export function heard(peers: Peers, nodeId: number, heartbeat: Heartbeat, nowMs: number): boolean {
  const known = peers.get(nodeId);
  if (known === undefined) return false;
  const load = heartbeat.load ?? known.load;
  peers.set(nodeId, { nodeId, incarnation: heartbeat.incarnation, heartbeat, load, heardMs: nowMs });
  return known.incarnation !== heartbeat.incarnation;
}

export function isLive(peer: Peer, selfId: number, nowMs: number): boolean {
  return peer.nodeId === selfId || nowMs - peer.heardMs <= silentAfterMs;
}

export function liveMembers(peers: Peers, selfId: number, nowMs: number): Peer[] {
  return [...peers.values()].filter((peer) => isLive(peer, selfId, nowMs)).sort((a, b) => a.nodeId - b.nodeId);
}
