import { deviceValue, type Electorate, quorumValue } from './electorate.js';

/**
 * The lease of this node (design §2.1): it lasts `leaseMs` from the moment before the newest heartbeat was sent
 * that nodes with (our own and) a quorum of votes have echoed.
 */
export interface Lease {
  readonly selfId: number;
  readonly incarnation: string;
  readonly leaseMs: number;
  nextSeq: number;
  /** When each heartbeat was about to be sent; ascending, the newest `heartbeatsKept` and at most as many older ones. */
  sent: { readonly seq: number; readonly atMs: number }[];
  /** Highest of our sequence numbers that each other node has echoed, and the electorate it went by last. */
  readonly echoed: Map<number, { readonly seq: number; readonly version: string }>;
  /** Highest of our sequence numbers that corosync has delivered back to us. */
  deliveredSeq: number;
  /** Agents that must all have echoed where the device's votes are needed; null: they do not count now. */
  agentsInReach: readonly number[] | null;
  /** CLOCK_BOOTTIME; 0: never held. Never goes back. */
  deadlineMs: number;
  /** Grows with whatever may extend the lease. */
  changes: number;
  /** What the lease was last judged by: the same again extends nothing. */
  judged: {
    readonly changes: number;
    readonly electorate: Electorate | null;
    readonly agents: readonly number[] | null;
  };
}

/** Older heartbeats than these could not extend any lease: at 1 s, 10 minutes is the longest bound. */
const heartbeatsKept = 600;

export function newLease(selfId: number, incarnation: string, leaseMs: number): Lease {
  return {
    selfId,
    incarnation,
    leaseMs,
    nextSeq: 1,
    sent: [],
    echoed: new Map(),
    deliveredSeq: 0,
    agentsInReach: null,
    deadlineMs: 0,
    changes: 0,
    judged: { changes: -1, electorate: null, agents: null },
  };
}

/** Takes the next sequence number and notes the time; call it before the heartbeat is sent, never after. */
export function stamp(lease: Lease, nowMs: number): number {
  const seq = lease.nextSeq++;
  lease.changes++;
  lease.sent.push({ seq, atMs: nowMs });
  if (lease.sent.length > 2 * heartbeatsKept) lease.sent.splice(0, heartbeatsKept);
  return seq;
}

/**
 * Another node promises: it has delivered our heartbeat `seq` and grants us a lease from its sending. `version` names the
 * electorate that it goes by.
 */
export function noteEcho(lease: Lease, fromId: number, incarnation: string, seq: number, version: string): void {
  if (incarnation !== lease.incarnation || fromId === lease.selfId || seq >= lease.nextSeq) return;
  lease.changes++;
  lease.echoed.set(fromId, { seq: Math.max(seq, lease.echoed.get(fromId)?.seq ?? 0), version });
}

/** Corosync has delivered our own heartbeat: it was alive when that was sent. Null: not one of ours, or too old. */
export function noteDelivery(lease: Lease, incarnation: string, seq: number): number | null {
  if (incarnation !== lease.incarnation || seq >= lease.nextSeq) return null;
  lease.changes++;
  lease.deliveredSeq = Math.max(lease.deliveredSeq, seq);
  return sentAt(lease, seq);
}

/**
 * Extends the lease as far as the echoes allow. `quorate` is corosync's own word, without which nothing is
 * extended. True if the deadline has moved.
 */
export function renew(lease: Lease, electorate: Electorate, quorate: boolean): boolean {
  const { judged } = lease;
  const known = judged.changes === lease.changes && judged.agents === lease.agentsInReach;
  if (!quorate || (known && judged.electorate === electorate)) return false;
  lease.judged = { changes: lease.changes, electorate, agents: lease.agentsInReach };
  const seq = Math.max(echoedByNodes(lease, electorate) ?? 0, echoedWithDevice(lease, electorate) ?? 0);
  const sentMs = sentAt(lease, seq);
  if (sentMs === null || sentMs + lease.leaseMs <= lease.deadlineMs) return false;
  lease.deadlineMs = sentMs + lease.leaseMs;
  return true;
}

/** Null: not one of ours, or too old. Those that are asked for are nearly always the newest. */
function sentAt({ sent }: Lease, seq: number): number | null {
  return sent.findLast((heartbeat) => heartbeat.seq === seq)?.atMs ?? null;
}

/**
 * Only those who go by the same electorate as this node count: once a change is stored by a quorum of the former
 * electorate, that one makes nobody's lease any more, however late some node hears of the change.
 */
function echoes(lease: Lease, electorate: Electorate): Map<number, number> {
  const same = new Map<number, number>();
  for (const [nodeId, { seq, version }] of lease.echoed) {
    if (version === (electorate.version ?? '')) same.set(nodeId, seq);
  }
  return same;
}

function echoedByNodes(lease: Lease, electorate: Electorate): number | undefined {
  return quorumValue(electorate, echoes(lease, electorate).set(lease.selfId, lease.nextSeq - 1));
}

/**
 * The device echoes nothing: what counts instead is what corosync, quorate by its vote, has delivered back. A stopped
 * corosync delivers nothing, and an agent in reach that does not grant has a say.
 */
function echoedWithDevice(lease: Lease, electorate: Electorate): number | undefined {
  if (lease.agentsInReach === null) return undefined;
  return deviceValue(
    electorate,
    [...new Set([...lease.agentsInReach, lease.selfId])],
    echoes(lease, electorate).set(lease.selfId, lease.deliveredSeq),
  );
}

export function isHeld(lease: Lease, nowMs: number): boolean {
  return nowMs < lease.deadlineMs;
}
