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
  /** The view that this node is in, and since when; epoch 0: none. */
  viewEpoch: number;
  viewSinceMs: number;
  /** Last view in which proofs were missing for too long. */
  lostEpoch: number;
}

export function newQuorumHold(): QuorumHold {
  return { sinceMs: null, provedMs: 0, unbrokenEpoch: 0, viewEpoch: 0, viewSinceMs: 0, lostEpoch: 0 };
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

/**
 * Before anything else is looked at: proofs that were missing cannot be made up for, in this view. Those that a stopped
 * corosync has held back come when another node may have had the device's vote. `gapMs`: what a ring may take to reform.
 */
export function expireHold(hold: QuorumHold, viewEpoch: number, gapMs: number, nowMs: number): void {
  if (viewEpoch !== hold.viewEpoch) {
    hold.viewEpoch = viewEpoch;
    hold.viewSinceMs = nowMs;
  }
  const sinceProofMs = nowMs - hold.provedMs;
  if (sinceProofMs > silentAfterMs) hold.sinceMs = null;
  if (sinceProofMs > gapMs) hold.unbrokenEpoch = 0;
  // Until its first proof a view is as good as proved by its beginning.
  if (Math.min(sinceProofMs, nowMs - hold.viewSinceMs) > gapMs) hold.lostEpoch = Math.max(hold.lostEpoch, viewEpoch);
}

/** Our heartbeat came back under quorum. `inViewEpoch`: it was sent in that view, and this node is still in it; 0: not so. */
export function proveHold(hold: QuorumHold, sentMs: number, inViewEpoch: number, nowMs: number): void {
  hold.provedMs = Math.max(hold.provedMs, sentMs);
  hold.sinceMs ??= nowMs;
  if (inViewEpoch > hold.lostEpoch) hold.unbrokenEpoch = inViewEpoch;
}

/** Milliseconds for which quorum has been held in the present ring; 0: not now. */
export function heldMs(hold: QuorumHold, nowMs: number): number {
  return hold.sinceMs === null ? 0 : nowMs - hold.sinceMs;
}
