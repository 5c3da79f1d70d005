import { type Electorate, hasDevice, sameVotes } from './electorate.js';
import type { DurableRecord, Log } from './log.js';
import type { Ack, PromiseReply, ViewMember } from './messages.js';
import type { Peers } from './peers.js';
import { breakHold, newQuorumHold, type QuorumHold } from './quorum-hold.js';

/**
 * Viewstamped replication (Liskov and Cowling, 2012) over corosync's membership: the lowest live node of a
 * quorate partition leads, a quorum promises it an epoch, the newest log among the promises starts the view,
 * and what a quorum has stored in the view is committed. Every node, the leader too, acts on messages only as
 * they are delivered.
 */
export interface Views {
  readonly selfId: number;
  readonly incarnation: string;
  readonly log: Log;
  readonly hold: QuorumHold;
  /** The last save worked. While false this node promises and acknowledges nothing, but stays in the view. */
  storing: boolean;
  /** What was last asked to be saved. */
  asked: DurableRecord | null;
  /** Since when something waits to become durable; 0: nothing does. */
  unsavedSinceMs: number;
  /** When a failed save may be tried again; 0: nothing has failed. */
  retrySaveMs: number;
  /** The view whose log was adopted; null: none. Grants and actions need one. */
  view: AdoptedView | null;
  /** Last acknowledgement sent; heartbeats repeat it. */
  stored: Ack | null;
  /** Epoch to promise to its candidate as soon as the promise is durable; 0: none. */
  promising: number;
  /** Candidacies of ours in a row that were refused. */
  refusals: number;
  /** When a promise last came so late that it was asked for again; 0: never. */
  lateMs: number;
  /** Highest epoch ever heard of. */
  highestEpoch: number;
  /** Not null while this node tries to lead, or leads. */
  coordinator: Coordinator | null;
  /** Why there is no view, for people; null if there is one or nothing is known. */
  waitingFor: string | null;
}

export interface AdoptedView {
  readonly epoch: number;
  readonly leaderId: number;
  readonly members: readonly ViewMember[];
  /** Last index of the log it started with; once that is committed, this node has caught up. */
  readonly baseIndex: number;
}

/**
 * preparing → fetching → starting → active, or preparing → starting; from any phase back to nothing when
 * a higher epoch appears, quorum goes, or the phase takes longer than `phaseLimitMs` (then it starts again).
 */
export type Phase = 'preparing' | 'fetching' | 'starting' | 'active';

export interface Coordinator {
  readonly epoch: number;
  phase: Phase;
  phaseSinceMs: number;
  readonly promises: Map<number, PromiseReply>;
  /** Some node has promised a higher epoch to another. */
  refused: boolean;
  /** A promise came after the view had started without its sender. */
  late: boolean;
  /** Nodes whose answer is awaited. */
  readonly asked: readonly number[];
  members: readonly ViewMember[];
  /** Base of the view; valid from `starting` on. */
  baseIndex: number;
  /** Durable in this view, by nodes that count. */
  readonly acks: Map<number, number>;
  /** Index for the next command. */
  nextIndex: number;
  /** Since when commands of ours have been under way without coming back; 0: none is. */
  undeliveredSinceMs: number;
}

/** What the rest of the core knows that the protocol needs. */
export interface ViewContext {
  /** The votes of corosync's configuration. */
  readonly configured: Electorate;
  /** Agents that a message sent now reaches, this node's own among them. */
  readonly agentsInReach: readonly number[];
  /** What a ring may take to reform, the quorum device included, milliseconds. */
  readonly rideThroughMs: number;
  readonly peers: Peers;
  /** Corosync says quorate, in the ring in which messages are delivered. */
  readonly quorate: boolean;
  readonly nowMs: number;
  readonly wallMs: number;
}

export function newViews(selfId: number, incarnation: string, log: Log): Views {
  return {
    selfId,
    incarnation,
    log,
    hold: newQuorumHold(),
    storing: true,
    asked: null,
    unsavedSinceMs: 0,
    retrySaveMs: 0,
    view: null,
    stored: null,
    promising: 0,
    refusals: 0,
    lateMs: 0,
    highestEpoch: log.record.promisedEpoch,
    coordinator: null,
    waitingFor: null,
  };
}

/** A view is adopted and everything that was committed before it is known here. */
export function hasCaughtUp(views: Views): boolean {
  return views.view !== null && views.log.record.commitIndex >= views.view.baseIndex;
}

export function leads(views: Views): boolean {
  return views.coordinator?.phase === 'active';
}

/** Everything that this leader has ordered, in the view that it has itself adopted, is committed. */
export function isSettledLeader(views: Views): boolean {
  const { coordinator, view } = views;
  return (
    coordinator?.phase === 'active' &&
    view?.epoch === coordinator.epoch &&
    coordinator.nextIndex === views.log.record.commitIndex + 1
  );
}

/** Who counts: the log's electorate, or before there is one that of corosync's configuration. */
export function electorateOf(views: Views, context: ViewContext): Electorate {
  return views.log.electorate ?? context.configured;
}

/**
 * May the device's votes be counted now? Corosync, which knows whether it gives them, must be speaking of this
 * electorate; while that changes the device counts nowhere.
 */
export function deviceCounts(electorate: Electorate, context: ViewContext): boolean {
  return context.quorate && hasDevice(electorate) && !electorate.former && sameVotes(electorate, context.configured);
}

/** Quorum is gone for sure, or corosync is: a partition without quorum has no view. */
export function leaveView(views: Views): void {
  views.view = null;
  views.coordinator = null;
  breakHold(views.hold);
}
