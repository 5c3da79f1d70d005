import { silentAfterMs } from './peers.js';

/**
 * For how long this node has held quorum. Corosync's word alone does not tell: a stopped corosync goes on saying what it
 * said last. What proves it are heartbeats of this node, delivered back to it while corosync says quorate.
 */
export interface QuorumHold {
  /** Since when, in the present ring and without a proof missing; null: not now. */
  sinceMs: number | null;
  /** When the newest proof was sent. */
  provedMs: number;
  /** View since which this node has held quorum without a gap, the last that it was part of; 0: there was a gap since. */
  unbrokenEpoch: number;
}

export function newQuorumHold(): QuorumHold {
  return { sinceMs: null, provedMs: 0, unbrokenEpoch: 0 };
}

/** Quorum was lost, or corosync was. */
export function breakHold(hold: QuorumHold): void {
  hold.sinceMs = null;
  hold.unbrokenEpoch = 0;
}

/** Another ring: it is held from its first proof on. */
export function startRing(hold: QuorumHold): void {
  hold.sinceMs = null;
}

/** Before anything else is looked at: proofs that were missing cannot be made up for. `gapMs`: what a ring may take to reform. */
export function expireHold(hold: QuorumHold, gapMs: number, nowMs: number): void {
  const sinceProofMs = nowMs - hold.provedMs;
  if (sinceProofMs > silentAfterMs) hold.sinceMs = null;
  if (sinceProofMs > gapMs) hold.unbrokenEpoch = 0;
}

/** Our heartbeat came back under quorum. `inViewEpoch`: it was sent in that view, and this node is still in it; 0: not so. */
export function proveHold(hold: QuorumHold, sentMs: number, inViewEpoch: number, nowMs: number): void {
  hold.provedMs = Math.max(hold.provedMs, sentMs);
  hold.sinceMs ??= nowMs;
  if (inViewEpoch > 0) hold.unbrokenEpoch = inViewEpoch;
}

/** Milliseconds for which quorum has been held in the present ring; 0: not now. */
export function heldMs(hold: QuorumHold, nowMs: number): number {
  return hold.sinceMs === null ? 0 : nowMs - hold.sinceMs;
}
