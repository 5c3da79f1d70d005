import { afterLeaseMs } from '../core/budget.js';
import type { BootNotes, Dump, Ending, Finding, ResetEvidence, Trouble } from './reset-record.js';

/** What the evidence of one reset comes down to: what its verdict is made from. */
export interface ResetFacts {
  /** The agent's notes, if they are of the boot that ended. */
  readonly notes: BootNotes | null;
  readonly armed: boolean;
  readonly ending: Ending | null;
  /** Trouble whose time had come, over a machine that did not live on after it. */
  readonly lapsed: Trouble | null;
  /** `dated`: a panic's dump of this very end, or the kernel's own word in its log; `undated`: a dump of unknown age. */
  readonly panic: 'dated' | 'undated' | null;
  readonly panicLine: string;
  readonly validated: boolean;
  /** Null: the watchdog cannot be asked. */
  readonly causedReset: boolean | null;
  readonly emulated: boolean;
  /** The log ends as that of a machine that goes down in order. */
  readonly logOrderly: boolean;
  /** The machine wrote its log for longer than an agent that is well stays silent. */
  readonly agentFellSilent: boolean;
  /** The agent died over an armed watchdog, and none had taken it up when that was due to fire. */
  readonly leftCounting: boolean;
  /** The machine was gone before the lease that it held at the last sign of life can have ended: it has not self-fenced. */
  readonly leaseOutlasted: boolean;
  /** The machine wrote its log for long after the agent had ended for its shutdown. */
  readonly stayedUp: boolean;
  readonly released: boolean;
  readonly lastSeenMs: number | null;
  /** Null: not known, or the clocks contradict each other. */
  readonly bootedMs: number | null;
  /** Where the kernel keeps its last words could be looked at. */
  readonly dumpsSeen: boolean;
  /** All that would show another end was there to be asked. */
  readonly allAsked: boolean;
}

/** For a disk that is slow to store, and two clocks that were set. */
const slackMs = 10_000;
/** Longer than a machine takes to go down once the agent has ended. */
const goingDownMs = 300_000;

export function found<T>(finding: Finding<T>): T | null {
  return 'found' in finding ? finding.found : null;
}

/** A mark of another boot says nothing of this one's end. */
export function notesOf({ notes, endedBootId }: ResetEvidence): BootNotes | null {
  const candidate = found(notes);
  return candidate !== null && candidate.bootId === endedBootId ? candidate : null;
}

export function factsOf(evidence: ResetEvidence): ResetFacts {
  const notes = notesOf(evidence);
  const log = found(evidence.log);
  const watchdog = found(evidence.watchdog);
  const logMs = log?.lastMs != null && log.lastMs <= evidence.foundMs ? log.lastMs : null;
  const seen = [notes?.aliveMs, notes?.ending?.doneMs, logMs].filter((at) => at != null);
  const lastSeenMs = seen.length === 0 ? null : Math.max(...seen);
  const endedByMs = evidence.bootedMs ?? evidence.foundMs;
  const areClocksAtOdds = lastSeenMs !== null && endedByMs < lastSeenMs - slackMs;
  const panic = panicOf(evidence, notes);
  const ending = notes?.ending ?? null;
  const isDown = ending?.doneMs != null;
  return {
    notes,
    armed: notes?.armed ?? false,
    ending,
    lapsed: notes === null ? null : lapsedTrouble(notes, areClocksAtOdds ? evidence.foundMs : endedByMs, logMs),
    panic: log?.panic != null ? 'dated' : panic === null ? null : panic.atMs === null ? 'undated' : 'dated',
    panicLine: log?.panic ?? panic?.line ?? '',
    validated: evidence.validation !== null,
    causedReset: watchdog?.causedReset ?? null,
    emulated: watchdog?.emulated ?? false,
    logOrderly: log?.orderly ?? false,
    agentFellSilent: notes !== null && !isDown && logMs !== null && logMs - notes.aliveMs > notes.stampMs + slackMs,
    leftCounting: notes !== null && isLeftCounting(notes, log?.unheld?.atMs ?? null, logMs),
    leaseOutlasted: outlasted(evidence, notes, areClocksAtOdds ? Number.POSITIVE_INFINITY : endedByMs),
    stayedUp: isDown && logMs !== null && logMs - (ending?.doneMs ?? 0) > goingDownMs,
    released: wentAfterRelease(found(evidence.peers)?.releasedMs ?? null, notes),
    lastSeenMs,
    bootedMs: areClocksAtOdds ? null : evidence.bootedMs,
    dumpsSeen: found(evidence.dumps) !== null,
    allAsked: watchdog?.causedReset === false && found(evidence.dumps) !== null && log !== null,
  };
}

/** An agent that is started again writes its notes again; a machine that lives on was petted by somebody. */
function isLeftCounting({ armed, aliveMs, effectiveMs }: BootNotes, unheldMs: number | null, logMs: number | null) {
  if (!armed || unheldMs === null || unheldMs < aliveMs) return false;
  return (logMs ?? unheldMs) <= unheldMs + effectiveMs + slackMs;
}

/** Notes without trouble are of a lease that was renewed no longer ago than that. */
const renewalLateMs = 2_500;

/** Of two upper bounds of the machine's end, one is by another node's clock. */
function outlasted({ peers }: ResetEvidence, notes: BootNotes | null, endedByMs: number): boolean {
  if (notes === null) return false;
  const lostMs = found(peers)?.lostMs ?? Number.POSITIVE_INFINITY;
  const goneMs = Math.min(endedByMs, lostMs + slackMs);
  return goneMs < (notes.trouble?.dueMs ?? notes.aliveMs + notes.leaseMs - renewalLateMs);
}

/** A node that has told the others, and lives on for long, did not go down then. */
function wentAfterRelease(releasedMs: number | null, notes: BootNotes | null): boolean {
  return releasedMs !== null && (notes === null || notes.aliveMs - releasedMs <= goingDownMs);
}

/** A machine that booted before its lease had ended, or that lived on long after, was not reset for it. */
function lapsedTrouble({ trouble, effectiveMs }: BootNotes, endMs: number, logMs: number | null): Trouble | null {
  if (trouble === null || trouble.dueMs > endMs) return null;
  const latestMs = trouble.dueMs + afterLeaseMs(effectiveMs) + slackMs;
  return logMs !== null && logMs > latestMs ? null : trouble;
}

/** A dump older than the agent's last sign of life is of something that the machine has outlived. */
function panicOf(evidence: ResetEvidence, notes: BootNotes | null): Dump | null {
  const panics = (found(evidence.dumps) ?? []).filter(({ kind }) => /^panic$/i.test(kind));
  const sinceMs = notes === null ? null : notes.aliveMs - slackMs;
  const dated = panics.find(
    ({ atMs }) => atMs !== null && sinceMs !== null && atMs >= sinceMs && atMs <= evidence.foundMs,
  );
  if (dated !== undefined) return dated;
  const undated = panics.find(({ atMs }) => atMs === null || sinceMs === null);
  return undated === undefined ? null : { ...undated, atMs: null };
}
