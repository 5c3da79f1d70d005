import { isQuorate } from '../core/membership.js';
import type { ClusterPart, NodeState } from '../core/node-state.js';
import {
  type BootNotes,
  type Ending,
  oneLine,
  type PeersView,
  type Trouble,
  type TroubleCause,
} from './reset-record.js';
import { causeWords, instant } from './reset-sentences.js';
import { stampMs, troubledStampMs } from './reset-times.js';

/** The record ahead of a reset, made from what the agent is at a moment; and what the others decided afterwards. */

export interface NotesInput {
  readonly node: NodeState;
  /** To corosync. */
  readonly connected: boolean;
  readonly failed: Error | null;
  /** Null: no watchdog. */
  readonly keeper: KeeperPicture | null;
  /** Pauses of the agent's loop since the notes before. */
  readonly stalledMs: number;
  readonly startedMs: number;
  /** Noted by an earlier agent of this boot; null: nothing. */
  readonly formerTrouble: Trouble | null;
  readonly nowBootMs: number;
  readonly nowWallMs: number;
}

/** The part of the keeper's own numbers that is used here. */
export interface KeeperPicture {
  readonly state: 'idle' | 'open' | 'armed' | 'expired' | 'failed';
  /** CLOCK_BOOTTIME; 0: no pet yet. */
  readonly lastPetMs: number;
  readonly petError: string | null;
}

/** Longer than any pause of a loop that is well. */
const stalledFromMs = 2_500;

export function bootNotesOf(input: NotesInput): BootNotes {
  const { node, startedMs, nowWallMs } = input;
  const armed = isArmed(input);
  const trouble = armed ? troubleOf(input) : null;
  return {
    bootId: node.options.bootId,
    startedMs,
    aliveMs: nowWallMs,
    stampMs,
    armed,
    effectiveMs: node.cluster?.budget.effectiveMs ?? 0,
    leaseMs: node.cluster?.lease.leaseMs ?? 0,
    // A text that is longer than what is read again would cost the notes.
    trouble: trouble && { ...trouble, text: oneLine(trouble.text) },
    ending: endingOf(input),
  };
}

/** Something counts over this node, petted or not. */
function isArmed({ node, keeper }: NotesInput): boolean {
  if (keeper === null) return false;
  if (keeper.state !== 'idle') return true;
  return node.cluster === null
    ? node.options.watchdog?.active === true
    : node.cluster.protection.state === 'unattended';
}

function troubleOf(input: NotesInput): Trouble | null {
  const { node, startedMs } = input;
  const { cluster } = node;
  if (cluster === null || cluster.protection.state === 'unattended') {
    const silent = cluster === null ? ['corosync has not answered since'] : [];
    const text = [...silent, ...formerly(input.formerTrouble)].join('; ');
    return { cause: 'restarted-without-lease', sinceMs: startedMs, dueMs: startedMs, text };
  }
  return petTrouble(input, cluster) ?? leaseTrouble(input, cluster);
}

function formerly(trouble: Trouble | null): readonly string[] {
  if (trouble === null) return [];
  // Of a whole chain of agents that died the first reason is kept.
  if (trouble.cause === 'restarted-without-lease') return /before that: .*/.exec(trouble.text) ?? [];
  return [`before that: ${causeWords[trouble.cause]} since ${instant(trouble.sinceMs)}`];
}

function wallOf({ nowBootMs, nowWallMs }: NotesInput, bootMs: number): number {
  // A machine without a clock of its own begins in 1970.
  return Math.max(0, Math.round(nowWallMs + bootMs - nowBootMs));
}

/** The lease holds, and the pets do not come through. */
function petTrouble(input: NotesInput, { budget, lease }: ClusterPart): Trouble | null {
  const { keeper, nowBootMs } = input;
  if (keeper === null || keeper.lastPetMs === 0 || keeper.state === 'expired') return null;
  const late = nowBootMs - keeper.lastPetMs > 2 * budget.petIntervalMs + stalledFromMs;
  if (!late || nowBootMs >= lease.deadlineMs) return null;
  const sinceMs = wallOf(input, keeper.lastPetMs);
  return { cause: 'pets-failed', sinceMs, dueMs: sinceMs, text: keeper.petError ?? '' };
}

function leaseTrouble(input: NotesInput, cluster: ClusterPart): Trouble | null {
  const { failed, keeper } = input;
  const { lease, protection, runningOut } = cluster;
  if (!runningOut && !protection.doomed && failed === null && keeper?.state !== 'expired') return null;
  return {
    cause: leaseCause(input, cluster),
    sinceMs: wallOf(input, lease.deadlineMs - lease.leaseMs),
    dueMs: protection.doomed ? input.nowWallMs : wallOf(input, lease.deadlineMs),
    text: failed?.message ?? '',
  };
}

function leaseCause(input: NotesInput, cluster: ClusterPart): TroubleCause {
  const { node, connected, failed, keeper, stalledMs, nowBootMs } = input;
  if (cluster.protection.doomed) return 'declared-fenced';
  if (failed !== null) return 'agent-failed';
  if (keeper?.state === 'expired' && stalledMs >= stalledFromMs) return 'agent-stalled';
  if (!connected) return 'corosync-stopped';
  if (!isQuorate(node.membership)) return 'quorum-lost';
  const silentMs = nowBootMs - (cluster.heardMs.get(cluster.selfId) ?? 0);
  return silentMs >= stalledFromMs ? 'corosync-silent' : 'not-echoed';
}

function endingOf(input: NotesInput): Ending | null {
  const { shutdown } = input.node;
  if (shutdown === null) return null;
  const kind = shutdown.kind === 'restart' ? 'agent' : shutdown.kind;
  return { kind, sinceMs: wallOf(input, shutdown.sinceMs), doneMs: null };
}

/** Have these notes to be stored, after those? */
export function areNews(notes: BootNotes, stored: BootNotes): boolean {
  const dueMs = notes.trouble === null ? stampMs : troubledStampMs;
  // A clock that was set back must not silence them.
  const sinceMs = Math.abs(notes.aliveMs - stored.aliveMs);
  return (
    sinceMs >= dueMs ||
    notes.armed !== stored.armed ||
    notes.trouble?.cause !== stored.trouble?.cause ||
    notes.ending?.kind !== stored.ending?.kind ||
    notes.ending?.doneMs !== stored.ending?.doneMs
  );
}

/** Null: not known yet. The others' decisions on `bootId`, from what is left of the log. */
export function peersViewOf(node: NodeState, bootId: string): PeersView | null {
  const { cluster, log, options } = node;
  const record = cluster === null ? undefined : log.committed.nodes[cluster.selfId];
  if (cluster === null || !cluster.hasKnownAll || record === undefined || record.bootId !== options.bootId) return null;
  let view: PeersView = { lostMs: null, fenced: null, releasedMs: null, backMs: null };
  if (record.fencedBootIds.includes(bootId)) view = { ...view, fenced: { proof: null, atMs: null } };
  for (const { command, wallMs, index } of log.record.entries) {
    if (index > log.record.commitIndex || !('nodeId' in command) || command.nodeId !== cluster.selfId) continue;
    if (command.type === 'node-up' && command.bootId === bootId) {
      view = { ...view, lostMs: null, releasedMs: null, backMs: null };
    } else if (command.type === 'node-up' && command.bootId === options.bootId) {
      view = { ...view, backMs: view.backMs ?? wallMs };
    } else if (command.type === 'node-state' && command.state === 'unknown' && view.backMs === null) {
      view = { ...view, lostMs: wallMs };
    } else if (command.type === 'node-fenced' && command.bootId === bootId) {
      view = { ...view, fenced: { proof: command.proof, atMs: wallMs } };
    } else if (command.type === 'node-released' && command.bootId === bootId) {
      view = { ...view, releasedMs: wallMs };
    }
  }
  return view;
}
