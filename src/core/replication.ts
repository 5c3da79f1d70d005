import type { ApplyResult, Command } from './cluster-state.js';
import { type Effect, notice } from './effects.js';
import { deviceValue, nodeName, quorumValue } from './electorate.js';
import { append, commitTo, follows, install, lastIndex } from './log.js';
import type { Ack, Append, Commit, Entry, Heartbeat, Message, NewView } from './messages.js';
import { save } from './saving.js';
import { type Coordinator, deviceCounts, electorateOf, hasCaughtUp, type ViewContext, type Views } from './views.js';

/** Life in a view: its log adopted, entries appended, stored by a quorum, committed; heartbeats repeat what was lost. */

/** Commands that may be under way; a limit on memory and on the size of messages. */
const outstandingLimit = 1_024;

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
  const electorate = electorateOf(views, context);
  const names = message.members.map((member) => nodeName(electorate, member.nodeId));
  const leader = nodeName(electorate, fromId);
  notice(effects, 'view', 'info', `view ${message.epoch}: ${leader} leads ${names.join(', ')}`, {
    epoch: message.epoch,
    leader,
    members: names.join(' '),
  });
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

export function onAck(views: Views, fromId: number, message: Ack, context: ViewContext, effects: Effect[]): void {
  const { coordinator } = views;
  if (coordinator === null || coordinator.epoch !== message.epoch || !message.valid) return;
  if (coordinator.phase !== 'starting' && coordinator.phase !== 'active') return;
  coordinator.acks.set(fromId, Math.max(message.index, coordinator.acks.get(fromId) ?? 0));
  const stored = storedIndex(views, coordinator, context);
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

/**
 * What a quorum has stored in the view. With the device's votes: what every member has, since any of them may be the one
 * that goes on with it.
 */
function storedIndex(views: Views, { members, acks }: Coordinator, context: ViewContext): number | undefined {
  const electorate = electorateOf(views, context);
  const byNodes = quorumValue(electorate, acks);
  if (!deviceCounts(electorate, context)) return byNodes;
  const memberIds = members.map((member) => member.nodeId);
  const withDevice = deviceValue(electorate, memberIds, acks);
  return withDevice === undefined ? byNodes : Math.max(withDevice, byNodes ?? 0);
}

export function onCommit(views: Views, fromId: number, message: Commit, effects: Effect[]): void {
  if (views.view === null || message.epoch !== views.view.epoch || fromId !== views.view.leaderId) return;
  advance(views, message.commitIndex, effects);
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
  // What the leader has stored or committed it has sent before: if it is not here, it was lost on the way.
  const leaderIndex = heartbeat.stored?.epoch === view.epoch ? heartbeat.stored.index : 0;
  if (Math.max(leaderIndex, heartbeat.commitIndex) > lastIndex(log.record)) views.view = null;
  else advance(views, heartbeat.commitIndex, effects);
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
