/**
 * What this node has promised to others (the other side of lease.ts), and for how long it has promised a node
 * nothing, which is what a takeover rests on (design §2.4).
 */
export interface Grants {
  /** Start of this agent, CLOCK_BOOTTIME: what an earlier one granted is not known here. */
  readonly startedMs: number;
  /** Time at which the last grant to each node was given; never removed, bounded by the number of nodes. */
  readonly lastGrantMs: Map<number, number>;
  /** Newest heartbeat granted to each node of the adopted view: what our heartbeats echo. */
  readonly echoes: Map<number, { readonly incarnation: string; readonly seq: number }>;
}

export function newGrants(startedMs: number): Grants {
  return { startedMs, lastGrantMs: new Map(), echoes: new Map() };
}

/** Grants a lease for a heartbeat delivered now. The caller has checked that it may be granted at all. */
export function grant(grants: Grants, nodeId: number, incarnation: string, seq: number, nowMs: number): void {
  const known = grants.echoes.get(nodeId);
  if (known !== undefined && known.incarnation === incarnation && known.seq >= seq) return;
  grants.lastGrantMs.set(nodeId, nowMs);
  grants.echoes.set(nodeId, { incarnation, seq });
}

/** Echoes nothing any more to nodes outside the view. */
export function keepOnly(grants: Grants, viewMembers: ReadonlySet<number>): void {
  for (const nodeId of grants.echoes.keys()) if (!viewMembers.has(nodeId)) grants.echoes.delete(nodeId);
}

/**
 * Milliseconds since this node last granted that one anything, or since this agent started. `quorateSinceMs`: since when
 * this node has held quorum, where that counts too.
 */
export function silenceMs(grants: Grants, nodeId: number, nowMs: number, quorateSinceMs = 0): number {
  return Math.max(0, nowMs - Math.max(grants.startedMs, grants.lastGrantMs.get(nodeId) ?? 0, quorateSinceMs));
}
