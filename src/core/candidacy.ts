import { assert } from './assert.js';
import type { Effect } from './effects.js';
import { deviceTimeoutMs, type Electorate, isDeviceQuorum, isQuorum } from './electorate.js';
import { entriesAfter, install, lastIndex, promise } from './log.js';
import type { Entry, Fetch, LogPart, NewView, Prepare, PromiseReply } from './messages.js';
import { isLive, liveMembers, type Peer } from './peers.js';
import { heldMs } from './quorum-hold.js';
import { promiseReply, retrySave, save, watchSaves } from './saving.js';
import { type Coordinator, deviceCounts, electorateOf, type ViewContext, type Views } from './views.js';

/** The way to lead: whose turn it is, the promises of a quorum, the newest log among them, and the view that starts with it. */

/** Answers to Prepare come within milliseconds plus one fsync; whoever takes longer is not waited for. */
const promiseWaitMs = 1_000;
/** After a promise that came late: it is worth waiting for a slow disk, within phaseLimitMs. */
const latePromiseWaitMs = 2_500;
const phaseLimitMs = 3_000;
/** A candidate that was refused asks again at once, and waits this much longer after each further refusal. */
const refusedGapMs = 100;
/** A member may take this long after the start of a view to say that it has adopted it. */
const adoptWaitMs = 2_000;
/** A live node that has not answered the last Prepare is asked again after this, or when its late answer comes. */
const askAgainMs = 10_000;

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
  if (!views.storing || !context.peers.has(views.selfId)) return false;
  for (const peer of context.peers.values()) {
    const isAble = isLive(peer, views.selfId, context.nowMs) && peer.heartbeat?.storing !== false;
    if (peer.nodeId < views.selfId && isAble) return false;
  }
  return true;
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
  const hopeless = whyHopeless(views, live, context);
  if (hopeless !== null) {
    views.coordinator = null;
    views.waitingFor = hopeless;
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

/**
 * Why it is no use to ask. What this node knows of the electorate may be old: where corosync's configuration gives those
 * who answer a quorum, their logs decide.
 */
function whyHopeless(views: Views, live: readonly number[], context: ViewContext): string | null {
  const electorate = electorateOf(views, context);
  if (isQuorum(electorate, live) || isQuorum(context.configured, live)) return null;
  if (!deviceCounts(electorate, context) || !isDeviceQuorum(electorate, live)) {
    return 'the agents that answer have too few votes for a quorum';
  }
  return deviceWait(views, electorate, context);
}

/**
 * A view that rests on the device's vote starts only when its partition has held quorum for so long that every other
 * node has either noticed that it has none, or would not take itself for unbroken any more.
 */
function deviceWait(views: Views, electorate: Electorate, context: ViewContext): string | null {
  const neededMs = context.rideThroughMs + deviceTimeoutMs(electorate);
  const remainingMs = neededMs - heldMs(views.hold, context.nowMs);
  return remainingMs > 0 ? `quorum rests on the quorum device, and has to be held for ${neededMs} ms first` : null;
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
  const counting = countingPromises(views, granted, context);
  const obstacle = whyNoQuorum(views, coordinator, counting, context);
  if (obstacle !== null) {
    views.waitingFor = obstacle;
    return;
  }
  const [sourceId, source] = newest(views.selfId, counting);
  coordinator.phaseSinceMs = context.nowMs;
  if (sourceId === views.selfId) {
    startView(views, coordinator, context, effects);
  } else {
    coordinator.phase = 'fetching';
    const afterIndex = views.log.record.commitIndex;
    effects.push({ type: 'send', message: { type: 'fetch', epoch: coordinator.epoch, from: sourceId, afterIndex } });
  }
  views.highestEpoch = Math.max(views.highestEpoch, source.promisedEpoch);
}

type Promises = readonly (readonly [number, PromiseReply])[];

/** Whose promises count: those that know what they ever acknowledged, or all at the start of a new cluster. */
function countingPromises(views: Views, granted: Promises, context: ViewContext): Promises {
  return isBootstrap(views, granted, context) ? granted : granted.filter(([, reply]) => reply.valid);
}

/**
 * A new cluster: all that vote are here and nobody has ever stored anything, so nothing can be forgotten. Where a first
 * electorate was stored already, all of that one.
 */
function isBootstrap(views: Views, granted: Promises, context: ViewContext): boolean {
  if (granted.length === 0) return false;
  const electorate = newest(views.selfId, granted)[1].electorate ?? context.configured;
  const blank = new Set(granted.filter(([, reply]) => reply.blank).map(([nodeId]) => nodeId));
  return electorate.nodes.every((node) => node.votes === 0 || blank.has(node.nodeId));
}

/** Null: the view may start. The newest log of those that count says who must be among them. */
function whyNoQuorum(views: Views, coordinator: Coordinator, counting: Promises, context: ViewContext): string | null {
  if (counting.length === 0) return explainNoQuorum(electorateOf(views, context), coordinator.promises);
  const electorate = newest(views.selfId, counting)[1].electorate ?? context.configured;
  const nodeIds = counting.map(([nodeId]) => nodeId);
  if (isQuorum(electorate, nodeIds)) return null;
  const byDevice = deviceCounts(electorate, context) && isDeviceQuorum(electorate, nodeIds);
  if (!byDevice) return explainNoQuorum(electorate, coordinator.promises);
  // Whoever is in reach may know what the device does not: nobody is left out.
  if (!context.agentsInReach.every((nodeId) => nodeIds.includes(nodeId)))
    return 'quorum rests on the quorum device: every agent in reach has to answer, and to know what it once stored';
  if (!counting.some(([, reply]) => reply.unbrokenEpoch > 0)) {
    const absent = namesOf(electorate, (nodeId) => !nodeIds.includes(nodeId));
    return `quorum rests on the quorum device, and no node here has held it ever since it was last in a view: waiting for ${absent}`;
  }
  return deviceWait(views, electorate, context);
}

function namesOf(electorate: Electorate, wanted: (nodeId: number) => boolean): string {
  return electorate.nodes
    .filter((node) => wanted(node.nodeId))
    .map((node) => node.name)
    .join(', ');
}

function explainNoQuorum(electorate: Electorate, promises: ReadonlyMap<number, PromiseReply>): string {
  const names = (wanted: (reply: PromiseReply | undefined) => boolean): string =>
    namesOf(electorate, (nodeId) => wanted(promises.get(nodeId)));
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

function newest(selfId: number, replies: Promises): Promises[number] {
  const rank = ([nodeId, reply]: Promises[number]): readonly number[] => [
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
  startView(views, coordinator, context, effects);
}

function startView(views: Views, coordinator: Coordinator, context: ViewContext, effects: Effect[]): void {
  const { record } = views.log;
  const first = firstElectorate(views, coordinator.epoch, context);
  const granted = [...coordinator.promises].filter(([, reply]) => reply.granted);
  const replies = [...coordinator.promises];
  const oldest = Math.min(...replies.map(([, reply]) => reply.commitIndex));
  const needsSnapshot = oldest < record.snapshot.index;
  const afterIndex = needsSnapshot ? record.snapshot.index : oldest;
  coordinator.phase = 'starting';
  coordinator.members = replies
    .map(([nodeId, { incarnation }]) => ({ nodeId, incarnation }))
    .sort((a, b) => a.nodeId - b.nodeId);
  coordinator.baseIndex = lastIndex(record) + first.length;
  coordinator.nextIndex = coordinator.baseIndex + 1;
  const view: NewView = {
    type: 'new-view',
    epoch: coordinator.epoch,
    members: coordinator.members,
    bootstrap: isBootstrap(views, granted, context),
    snapshot: needsSnapshot ? record.snapshot : null,
    afterIndex,
    entries: [...entriesAfter(record, afterIndex), ...first],
    commitIndex: record.commitIndex,
  };
  effects.push({ type: 'send', message: view });
}

/** A log without an electorate, new or of an earlier version, begins its next view with one. */
function firstElectorate(views: Views, epoch: number, { configured, wallMs }: ViewContext): Entry[] {
  if (views.log.electorate !== null) return [];
  const index = lastIndex(views.log.record) + 1;
  const electorate = { ...configured, version: `${epoch}.${index}`, former: null };
  return [{ index, epoch, command: { type: 'electorate', electorate }, origin: null, wallMs }];
}
