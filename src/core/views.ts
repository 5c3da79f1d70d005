import { assert } from './assert.js';
import type { ApplyResult, Command } from './cluster-state.js';
import { type Effect, notice } from './effects.js';
import { type Electorate, isQuorum, nodeName, quorumValue } from './electorate.js';
import {
  append,
  commitTo,
  type DurableRecord,
  entriesAfter,
  follows,
  install,
  isBlank,
  type Log,
  lastIndex,
  promise,
} from './log.js';
import type {
  Ack,
  Append,
  Commit,
  Entry,
  Fetch,
  Heartbeat,
  LogPart,
  Message,
  NewView,
  Prepare,
  PromiseReply,
  ViewMember,
} from './messages.js';
import { liveMembers, type Peer, type Peers } from './peers.js';

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
  readonly electorate: Electorate;
  readonly peers: Peers;
  /** Corosync says quorate, in the ring in which messages are delivered. */
  readonly quorate: boolean;
  readonly nowMs: number;
  readonly wallMs: number;
}

/** Answers to Prepare come within milliseconds plus one fsync; whoever takes longer is not waited for. */
const promiseWaitMs = 1_000;
/** After a promise that came late: it is worth waiting for a slow disk, within phaseLimitMs. */
const latePromiseWaitMs = 2_500;
const phaseLimitMs = 3_000;
/** A candidate that was refused asks again at once, and waits this much longer after each further refusal. */
const refusedGapMs = 100;
/** Commands that may be under way; a limit on memory and on the size of messages. */
const outstandingLimit = 1_024;
const saveRetryMs = 5_000;
/** A member may take this long after the start of a view to say that it has adopted it. */
const adoptWaitMs = 2_000;
/** A live node that has not answered the last Prepare is asked again after this, or when its late answer comes. */
const askAgainMs = 10_000;
/** A save that takes longer counts as failed until it comes back. */
const saveLimitMs = 5_000;

export function newViews(selfId: number, incarnation: string, log: Log): Views {
  return {
    selfId,
    incarnation,
    log,
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

/** Quorum is gone for sure, or corosync is: a partition without quorum has no view. */
export function leaveView(views: Views): void {
  views.view = null;
  views.coordinator = null;
}

/** Called after everything that may call for a new view, and as time passes. */
export function considerView(views: Views, context: ViewContext, effects: Effect[]): void {
  retrySave(views, context, effects);
  watchSaves(views, context.nowMs, effects);
  if (!context.quorate) {
    if (views.coordinator?.phase !== 'active') views.coordinator = null;
    return;
  }
  if (!isCandidate(views, context)) return;
  const coordinator = views.coordinator;
  if (coordinator === null || needsNewView(views, coordinator, context)) {
    startPrepare(views, context, effects);
  } else if (coordinator.phase === 'preparing') {
    finishPrepare(views, coordinator, context, effects);
  }
}

/** The lowest live node leads, of those that can store: a leader whose own promise is lost could lead one epoch twice. */
function isCandidate(views: Views, context: ViewContext): boolean {
  const able = liveMembers(context.peers, views.selfId, context.nowMs).find((peer) =>
    peer.nodeId === views.selfId ? views.storing : peer.heartbeat?.storing !== false,
  );
  return able?.nodeId === views.selfId;
}

function retrySave(views: Views, context: ViewContext, effects: Effect[]): void {
  if (views.retrySaveMs === 0 || context.nowMs < views.retrySaveMs) return;
  views.retrySaveMs = 0;
  save(views, effects);
}

function save(views: Views, effects: Effect[]): void {
  views.asked = views.log.record;
  effects.push({ type: 'save', record: views.asked });
}

/** A disk that hangs says nothing, and must be taken for one that fails. */
function watchSaves(views: Views, nowMs: number, effects: Effect[]): void {
  if (!views.storing) return;
  const saving = effects.some((effect) => effect.type === 'save');
  if (views.unsavedSinceMs === 0 && saving) views.unsavedSinceMs = nowMs;
  if (views.unsavedSinceMs === 0 || nowMs - views.unsavedSinceMs <= saveLimitMs) return;
  views.storing = false;
  notice(
    effects,
    'store',
    'error',
    `the store has not answered for ${saveLimitMs} ms: nothing is promised or acknowledged until it does`,
  );
}

function needsNewView(views: Views, coordinator: Coordinator, context: ViewContext): boolean {
  const inPhaseMs = context.nowMs - coordinator.phaseSinceMs;
  const live = liveMembers(context.peers, views.selfId, context.nowMs);
  if (coordinator.phase !== 'active') {
    const someoneNew = live.some((peer) => !coordinator.asked.includes(peer.nodeId));
    const again = coordinator.phase === 'preparing' && (someoneNew || coordinator.refused);
    return inPhaseMs > phaseLimitMs || (again && inPhaseMs >= (views.refusals - 1) * refusedGapMs);
  }
  const { undeliveredSinceMs } = coordinator;
  if (undeliveredSinceMs > 0 && context.nowMs - undeliveredSinceMs > phaseLimitMs) return true;
  const gone = coordinator.members.some((member) => !live.some((peer) => peer.nodeId === member.nodeId));
  return gone || coordinator.late || live.some((peer) => belongsInNewView(peer, coordinator, inPhaseMs));
}

function belongsInNewView(peer: Peer, coordinator: Coordinator, inPhaseMs: number): boolean {
  const member = coordinator.members.find((candidate) => candidate.nodeId === peer.nodeId);
  if (member === undefined) {
    if (!coordinator.asked.includes(peer.nodeId)) return true;
    // Whoever was asked and has not answered (a hanging disk) must not keep the others from working; but if the
    // question was lost on the way, its lease must not run out over that.
    const unasked = peer.heartbeat !== null && peer.heartbeat.promisedEpoch < coordinator.epoch;
    return inPhaseMs > (unasked ? adoptWaitMs : askAgainMs);
  }
  if (peer.incarnation !== null && peer.incarnation !== member.incarnation) return true;
  const lags = peer.heartbeat !== null && peer.heartbeat.epoch !== coordinator.epoch;
  return lags && inPhaseMs > adoptWaitMs;
}

function startPrepare(views: Views, context: ViewContext, effects: Effect[]): void {
  const live = liveMembers(context.peers, views.selfId, context.nowMs).map((peer) => peer.nodeId);
  if (!isQuorum(context.electorate, live)) {
    views.coordinator = null;
    views.waitingFor = 'the agents that answer have too few votes for a quorum';
    return;
  }
  const epoch = Math.max(views.highestEpoch, views.log.record.promisedEpoch) + 1;
  views.highestEpoch = epoch;
  views.coordinator = {
    epoch,
    phase: 'preparing',
    phaseSinceMs: context.nowMs,
    promises: new Map(),
    refused: false,
    late: false,
    asked: live,
    members: [],
    baseIndex: 0,
    acks: new Map(),
    nextIndex: 0,
    undeliveredSinceMs: 0,
  };
  effects.push({ type: 'send', message: { type: 'prepare', epoch } });
}

export function onPrepare(
  views: Views,
  fromId: number,
  message: Prepare,
  context: ViewContext,
  effects: Effect[],
): void {
  views.highestEpoch = Math.max(views.highestEpoch, message.epoch);
  if (!context.peers.has(fromId)) return;
  if (message.epoch <= views.log.record.promisedEpoch) {
    effects.push({ type: 'send', message: promiseReply(views, message.epoch, fromId, views.log.record, false) });
    return;
  }
  abandonBelow(views, message.epoch);
  promise(views.log, message.epoch, fromId);
  views.promising = message.epoch;
  save(views, effects);
}

function abandonBelow(views: Views, epoch: number): void {
  if (views.coordinator !== null && views.coordinator.epoch < epoch) views.coordinator = null;
}

function promiseReply(views: Views, epoch: number, to: number, record: DurableRecord, granted: boolean): PromiseReply {
  return {
    type: 'promise',
    epoch,
    to,
    incarnation: views.incarnation,
    granted,
    storing: views.storing,
    promisedEpoch: record.promisedEpoch,
    viewEpoch: record.viewEpoch,
    lastIndex: lastIndex(record),
    commitIndex: record.commitIndex,
    valid: record.valid,
    blank: isBlank(record),
  };
}

export function onPromise(
  views: Views,
  fromId: number,
  message: PromiseReply,
  context: ViewContext,
  effects: Effect[],
): void {
  views.highestEpoch = Math.max(views.highestEpoch, message.promisedEpoch);
  const { coordinator } = views;
  // Two candidates may ask for the same epoch: what was promised to the other is not for us.
  if (coordinator === null || coordinator.epoch !== message.epoch || message.to !== views.selfId) return;
  if (coordinator.phase !== 'preparing') {
    if (message.granted && !coordinator.promises.has(fromId)) onLatePromise(views, coordinator, context.nowMs);
    return;
  }
  if (!message.granted && message.storing && message.promisedEpoch >= coordinator.epoch) {
    // Promised to another already: ask again with a higher one, in a while, so that two candidates do not race.
    if (!coordinator.refused) views.refusals++;
    coordinator.refused = true;
    return;
  }
  coordinator.promises.set(fromId, message);
  finishPrepare(views, coordinator, context, effects);
}

/** Its sender is taken in at once, but a disk that is slow every time must not make one view follow the other. */
function onLatePromise(views: Views, coordinator: Coordinator, nowMs: number): void {
  if (views.lateMs !== 0 && nowMs - views.lateMs <= askAgainMs) return;
  views.lateMs = nowMs;
  coordinator.late = true;
}

function finishPrepare(views: Views, coordinator: Coordinator, context: ViewContext, effects: Effect[]): void {
  const answered = coordinator.asked.every((nodeId) => coordinator.promises.has(nodeId));
  const someoneIsSlow = views.lateMs !== 0 && context.nowMs - views.lateMs <= askAgainMs;
  const waitMs = someoneIsSlow ? latePromiseWaitMs : promiseWaitMs;
  if (!answered && context.nowMs - coordinator.phaseSinceMs < waitMs) return;
  const granted = [...coordinator.promises].filter(([, reply]) => reply.granted);
  if (!coordinator.promises.get(views.selfId)?.granted) return;
  const bootstrap = isBootstrap(context.electorate, granted);
  const counting = granted.filter(([, reply]) => reply.valid || bootstrap);
  if (
    !isQuorum(
      context.electorate,
      counting.map(([nodeId]) => nodeId),
    )
  ) {
    views.waitingFor = explainNoQuorum(context.electorate, coordinator.promises);
    return;
  }
  const [sourceId, source] = newest(views.selfId, counting);
  coordinator.phaseSinceMs = context.nowMs;
  if (sourceId === views.selfId) {
    startView(views, coordinator, bootstrap, effects);
  } else {
    coordinator.phase = 'fetching';
    const afterIndex = views.log.record.commitIndex;
    effects.push({ type: 'send', message: { type: 'fetch', epoch: coordinator.epoch, from: sourceId, afterIndex } });
  }
  views.highestEpoch = Math.max(views.highestEpoch, source.promisedEpoch);
}

/** A new cluster: all that vote are here and nobody has ever stored anything, so nothing can be forgotten. */
function isBootstrap(electorate: Electorate, granted: readonly (readonly [number, PromiseReply])[]): boolean {
  const blank = new Set(granted.filter(([, reply]) => reply.blank).map(([nodeId]) => nodeId));
  return electorate.nodes.every((node) => node.votes === 0 || blank.has(node.nodeId));
}

function explainNoQuorum(electorate: Electorate, promises: ReadonlyMap<number, PromiseReply>): string {
  const names = (wanted: (reply: PromiseReply | undefined) => boolean): string =>
    electorate.nodes
      .filter((node) => wanted(promises.get(node.nodeId)))
      .map((node) => node.name)
      .join(', ');
  const broken = names((reply) => reply !== undefined && !reply.storing);
  if (broken !== '') return `the store of ${broken} does not work, and the others have too few votes`;
  const unknowing = [...promises.values()].every((reply) => !reply.valid);
  const absent = names((reply) => reply === undefined);
  if (unknowing && absent !== '') return `a new cluster starts when all its nodes are there: waiting for ${absent}`;
  const lost = names((reply) => reply !== undefined && !reply.valid);
  if (lost !== '')
    return `the store of ${lost} was lost, and the others have too few votes: waiting for ${absent || 'them'}`;
  return `waiting for ${absent}`;
}

function newest(
  selfId: number,
  replies: readonly (readonly [number, PromiseReply])[],
): readonly [number, PromiseReply] {
  const rank = ([nodeId, reply]: readonly [number, PromiseReply]): readonly number[] => [
    reply.viewEpoch,
    reply.lastIndex,
    // Among equals ourselves, which saves the transfer.
    nodeId === selfId ? 1 : 0,
  ];
  const [best] = [...replies].sort((a, b) => compare(rank(b), rank(a)));
  assert(best !== undefined, 'a quorum of promises is not empty');
  return best;
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [i, value] of a.entries()) if (value !== b[i]) return value - (b[i] ?? 0);
  return 0;
}

export function onFetch(views: Views, message: Fetch, effects: Effect[]): void {
  const { record } = views.log;
  if (message.from !== views.selfId || message.epoch !== record.promisedEpoch) return;
  const needsSnapshot = message.afterIndex < record.snapshot.index;
  const part: LogPart = {
    type: 'log-part',
    epoch: message.epoch,
    snapshot: needsSnapshot ? record.snapshot : null,
    entries: entriesAfter(record, needsSnapshot ? record.snapshot.index : message.afterIndex),
    commitIndex: record.commitIndex,
  };
  effects.push({ type: 'send', message: part });
}

export function onLogPart(
  views: Views,
  fromId: number,
  message: LogPart,
  context: ViewContext,
  effects: Effect[],
): void {
  const { coordinator, log } = views;
  if (coordinator === null || coordinator.phase !== 'fetching' || coordinator.epoch !== message.epoch) return;
  const source = coordinator.promises.get(fromId);
  if (source === undefined) return;
  const afterIndex = message.snapshot?.index ?? (message.entries[0]?.index ?? log.record.commitIndex + 1) - 1;
  const { snapshot, entries } = message;
  if (!install(log, { viewEpoch: source.viewEpoch, snapshot, afterIndex, entries })) return;
  coordinator.phaseSinceMs = context.nowMs;
  startView(views, coordinator, false, effects);
}

function startView(views: Views, coordinator: Coordinator, bootstrap: boolean, effects: Effect[]): void {
  const { record } = views.log;
  const replies = [...coordinator.promises];
  const oldest = Math.min(...replies.map(([, reply]) => reply.commitIndex));
  const needsSnapshot = oldest < record.snapshot.index;
  const afterIndex = needsSnapshot ? record.snapshot.index : oldest;
  coordinator.phase = 'starting';
  coordinator.members = replies.map(([nodeId, { incarnation }]) => ({ nodeId, incarnation }));
  coordinator.baseIndex = lastIndex(record);
  coordinator.nextIndex = coordinator.baseIndex + 1;
  const view: NewView = {
    type: 'new-view',
    epoch: coordinator.epoch,
    members: coordinator.members,
    bootstrap,
    snapshot: needsSnapshot ? record.snapshot : null,
    afterIndex,
    entries: entriesAfter(record, afterIndex),
    commitIndex: record.commitIndex,
  };
  effects.push({ type: 'send', message: view });
}

export function onNewView(
  views: Views,
  fromId: number,
  message: NewView,
  context: ViewContext,
  effects: Effect[],
): void {
  const { log } = views;
  const included = message.members.some((m) => m.nodeId === views.selfId && m.incarnation === views.incarnation);
  const promised = message.epoch === log.record.promisedEpoch && fromId === log.record.promisedTo;
  if (!context.peers.has(fromId) || !included || !promised) return;
  if (!install(log, { ...message, viewEpoch: message.epoch })) {
    views.view = null;
    return;
  }
  if (message.bootstrap) log.record = { ...log.record, valid: true, lost: false };
  const baseIndex = lastIndex(log.record);
  views.view = { epoch: message.epoch, leaderId: fromId, members: message.members, baseIndex };
  views.waitingFor = null;
  views.refusals = 0;
  advance(views, message.commitIndex, effects);
  save(views, effects);
  const names = message.members.map((member) => nodeName(context.electorate, member.nodeId));
  const leader = nodeName(context.electorate, fromId);
  notice(effects, 'view', 'info', `view ${message.epoch}: ${leader} leads ${names.join(', ')}`, {
    epoch: message.epoch,
    leader,
    members: names.join(' '),
  });
}

export function onAppend(views: Views, fromId: number, message: Append, effects: Effect[]): void {
  const { log, view, coordinator } = views;
  if (view === null || message.epoch !== view.epoch || fromId !== view.leaderId) return;
  if (message.epoch !== log.record.promisedEpoch) return;
  if (!follows(log.record, message.entries)) {
    // Something was lost between the leader and us: leave, and be taken into the next view.
    views.view = null;
    return;
  }
  append(log, message.entries);
  if (coordinator !== null && coordinator.nextIndex === lastIndex(log.record) + 1) coordinator.undeliveredSinceMs = 0;
  advance(views, message.commitIndex, effects);
  save(views, effects);
}

export function onCommit(views: Views, fromId: number, message: Commit, effects: Effect[]): void {
  if (views.view === null || message.epoch !== views.view.epoch || fromId !== views.view.leaderId) return;
  advance(views, message.commitIndex, effects);
}

/** Commits what is known to be, applies it, and counts among those who know everything once caught up. */
function advance(views: Views, commitIndex: number, effects: Effect[]): void {
  const { log } = views;
  commitTo(log, commitIndex, (entry: Entry, result: ApplyResult) => effects.push({ type: 'applied', entry, result }));
  if (!log.record.valid && hasCaughtUp(views) && log.record.viewEpoch === views.view?.epoch) {
    log.record = { ...log.record, valid: true, lost: false };
    save(views, effects);
  }
}

/** A record has become durable: only now may be said what it holds. */
export function onSaved(views: Views, record: DurableRecord, nowMs: number, effects: Effect[]): void {
  if (!views.storing) notice(effects, 'store', 'info', 'the store works again');
  views.storing = true;
  views.unsavedSinceMs = record === views.asked ? 0 : nowMs;
  if (views.promising !== 0 && record.promisedEpoch === views.promising) {
    effects.push({ type: 'send', message: promiseReply(views, record.promisedEpoch, record.promisedTo, record, true) });
    views.promising = 0;
  }
  const { view } = views;
  if (view !== null && record.viewEpoch === view.epoch && record.promisedEpoch === view.epoch) {
    views.stored = { type: 'ack', epoch: view.epoch, index: lastIndex(record), valid: record.valid };
    effects.push({ type: 'send', message: views.stored });
  }
}

/** Heartbeats repeat what a lost message may have said: what is stored, and what is committed. */
export function onHeartbeatOf(
  views: Views,
  fromId: number,
  heartbeat: Heartbeat,
  context: ViewContext,
  effects: Effect[],
): void {
  views.highestEpoch = Math.max(views.highestEpoch, heartbeat.promisedEpoch);
  if (heartbeat.stored !== null) onAck(views, fromId, heartbeat.stored, context, effects);
  const { view, log } = views;
  if (view === null || fromId !== view.leaderId || heartbeat.epoch !== view.epoch) return;
  // What the leader has committed it has sent before: if it is not here, it was lost on the way.
  if (heartbeat.commitIndex > lastIndex(log.record)) views.view = null;
  else advance(views, heartbeat.commitIndex, effects);
}

/** The store has failed: this node says so, and takes part without promising or acknowledging. */
export function onSaveFailed(views: Views, detail: string, nowMs: number, effects: Effect[]): void {
  if (views.storing) notice(effects, 'store', 'error', `nothing can be stored: ${detail}`);
  views.storing = false;
  views.unsavedSinceMs = 0;
  views.retrySaveMs = nowMs + saveRetryMs;
  if (views.promising !== 0) {
    const { record } = views.log;
    effects.push({ type: 'send', message: promiseReply(views, views.promising, record.promisedTo, record, false) });
    views.promising = 0;
  }
}

export function onAck(views: Views, fromId: number, message: Ack, context: ViewContext, effects: Effect[]): void {
  const { coordinator } = views;
  if (coordinator === null || coordinator.epoch !== message.epoch || !message.valid) return;
  if (coordinator.phase !== 'starting' && coordinator.phase !== 'active') return;
  coordinator.acks.set(fromId, Math.max(message.index, coordinator.acks.get(fromId) ?? 0));
  const stored = quorumValue(context.electorate, coordinator.acks);
  if (stored === undefined || stored < coordinator.baseIndex) return;
  if (coordinator.phase === 'starting') {
    coordinator.phase = 'active';
    coordinator.phaseSinceMs = context.nowMs;
  } else if (stored <= views.log.record.commitIndex) {
    return;
  }
  effects.push({ type: 'send', message: { type: 'commit', epoch: coordinator.epoch, commitIndex: stored } });
  advance(views, stored, effects);
}

/** Orders commands, if this node leads and has room for them; false: nothing was done. */
export function propose(
  views: Views,
  commands: readonly { readonly command: Command; readonly origin: Entry['origin'] }[],
  context: ViewContext,
  effects: Effect[],
): boolean {
  const { coordinator } = views;
  if (coordinator === null || coordinator.phase !== 'active' || !context.quorate) return false;
  const outstanding = coordinator.nextIndex - 1 - views.log.record.commitIndex;
  if (outstanding + commands.length > outstandingLimit) return false;
  const entries = commands.map(({ command, origin }, i) => ({
    index: coordinator.nextIndex + i,
    epoch: coordinator.epoch,
    command,
    origin,
    wallMs: context.wallMs,
  }));
  coordinator.nextIndex += entries.length;
  if (coordinator.undeliveredSinceMs === 0) coordinator.undeliveredSinceMs = context.nowMs;
  const { commitIndex } = views.log.record;
  const message: Message = { type: 'append', epoch: coordinator.epoch, entries, commitIndex };
  effects.push({ type: 'send', message });
  return true;
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
