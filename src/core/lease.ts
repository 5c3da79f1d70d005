import { type Electorate, quorumValue } from './electorate.js';

/**
 * The lease of this node (design §2.1): it lasts `leaseMs` from the moment before the newest heartbeat was sent
 * that nodes with (our own and) a quorum of votes have echoed.
 */
export interface Lease {
  readonly selfId: number;
  readonly incarnation: string;
  readonly leaseMs: number;
  nextSeq: number;
  /** When each heartbeat was about to be sent; ascending, at most `heartbeatsKept`. */
  sent: { readonly seq: number; readonly atMs: number }[];
  /** Highest of our sequence numbers that each other node has echoed. */
  readonly echoed: Map<number, number>;
  /** CLOCK_BOOTTIME; 0: never held. Never goes back. */
  deadlineMs: number;
}

/** Older heartbeats than these could not extend any lease: at 1 s, 10 minutes is the longest bound. */
const heartbeatsKept = 600;

export function newLease(selfId: number, incarnation: string, leaseMs: number): Lease {
  return { selfId, incarnation, leaseMs, nextSeq: 1, sent: [], echoed: new Map(), deadlineMs: 0 };
}

/** Takes the next sequence number and notes the time; call it before the heartbeat is sent, never after. */
export function stamp(lease: Lease, nowMs: number): number {
  const seq = lease.nextSeq++;
  lease.sent = [...lease.sent.slice(-(heartbeatsKept - 1)), { seq, atMs: nowMs }];
  return seq;
}

/** Another node promises: it has delivered our heartbeat `seq` and grants us a lease from its sending. */
export function noteEcho(lease: Lease, fromId: number, incarnation: string, seq: number): void {
  if (incarnation !== lease.incarnation || fromId === lease.selfId || seq >= lease.nextSeq) return;
  lease.echoed.set(fromId, Math.max(seq, lease.echoed.get(fromId) ?? 0));
}

/**
 * Extends the lease as far as the echoes allow. `quorate` is corosync's own word, without which nothing is
 * extended. True if the deadline has moved.
 */
export function renew(lease: Lease, electorate: Electorate, quorate: boolean): boolean {
  if (!quorate) return false;
  const newest = lease.nextSeq - 1;
  const seq = quorumValue(electorate, new Map([...lease.echoed, [lease.selfId, newest]]));
  const sentAt = lease.sent.find((heartbeat) => heartbeat.seq === seq);
  if (sentAt === undefined || sentAt.atMs + lease.leaseMs <= lease.deadlineMs) return false;
  lease.deadlineMs = sentAt.atMs + lease.leaseMs;
  return true;
}

export function isHeld(lease: Lease, nowMs: number): boolean {
  return nowMs < lease.deadlineMs;
}
