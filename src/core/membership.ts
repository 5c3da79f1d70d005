/**
 * Corosync's two services told as one. CPG and quorum are two sockets with no order between them: what they say
 * belongs together only when both speak of the same ring.
 */
export interface RingId {
  readonly nodeId: number;
  readonly seq: number;
}

export interface Membership {
  quorum: { readonly quorate: boolean; readonly ring: RingId; readonly members: readonly number[] } | null;
  ring: RingId | null;
  /** Nodes whose agent is in the group. */
  group: readonly number[];
  /** Agents that a message sent now reaches; follows from the rest, see `settleReach`. */
  reach: readonly number[];
}

export function newMembership(): Membership {
  return { quorum: null, ring: null, group: [], reach: [] };
}

export function sameRing(a: RingId | null, b: RingId | null): boolean {
  return a !== null && b !== null && a.nodeId === b.nodeId && a.seq === b.seq;
}

/** Both services speak of the same ring. */
export function isSettled(membership: Membership): boolean {
  return membership.quorum !== null && sameRing(membership.quorum.ring, membership.ring);
}

/** Quorate beyond doubt: in the ring in which the group's messages are delivered. */
export function isQuorate(membership: Membership): boolean {
  return isSettled(membership) && membership.quorum?.quorate === true;
}

/** Surely without quorum, as opposed to between two rings. */
export function isInquorate(membership: Membership): boolean {
  return membership.quorum === null || !membership.quorum.quorate;
}

/** To be called after every change of the membership. */
export function settleReach(membership: Membership): void {
  const ring = membership.quorum?.members ?? [];
  const { group } = membership;
  membership.reach = isSettled(membership) ? group.filter((nodeId) => ring.includes(nodeId)) : group;
}
