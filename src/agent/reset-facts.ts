import { afterLeaseMs } from '../core/budget.js';
import type {
  BootNotes,
  Dump,
  Ending,
  Finding,
  LogTail,
  ResetEvidence,
  Trouble,
  ValidatedReset,
} from './reset-record.js';

/** What the evidence of one reset comes down to: what its verdict is made from. */
export interface ResetFacts {
  /** The agent's notes, if they are of the boot that ended. */
  readonly notes: BootNotes | null;
  readonly armed: boolean;
  readonly ending: Ending | null;
  /** Trouble whose time had come, over a machine that did not live on after it. */
  readonly lapsed: Trouble | null;
  /** How long before that time the agent was last known alive; 0: it was alive then, or there is no such time. */
  readonly lapseUnseenMs: number;
  /** The machine was back soon after it. */
  readonly lapseBackSoon: boolean;
  /** `dated`: a panic's dump of this very end, or the kernel's own word in its log; `undated`: a dump of unknown age. */
  readonly panic: 'dated' | 'undated' | null;
  readonly panicLine: string;
  /** By a validation that was to do so. */
  readonly validated: boolean;
  /** An unfinished validation had armed a watchdog, and the machine is not known to have outlived that. */
  readonly underValidation: boolean;
  /** The machine was back soon after it. */
  readonly validationBackSoon: boolean;
  /** The kernel wrote after it had begun that a watchdog was left without a holder. */
  readonly validationLeft: boolean;
  /** Null: the watchdog cannot be asked. */
  readonly causedReset: boolean | null;
  /** It says that it has fired, and did not say so before: it speaks of this end. */
  readonly fired: boolean;
  /** It says that it has fired, and said so before, too: it may speak of an earlier end. */
  readonly staleWord: boolean;
  readonly emulated: boolean;
  /** The log ends as that of a machine that goes down in order. */
  readonly logOrderly: boolean;
  /** What the machine was to go down for, by its log; null: that does not tell. */
  readonly logTarget: LogTail['target'];
  /** The machine wrote its log for longer than an agent that is well stays silent, and no longer than one that hangs is let live. */
  readonly agentFellSilent: boolean;
  /** The machine wrote its log for longer than it lives after an agent that hangs: the notes were not kept. */
  readonly notesUnkept: boolean;
  /** The agent ended or died over an armed watchdog, and none had taken it up when that was due to fire. */
  readonly leftCounting: boolean;
  /** The machine was back soon after it was left so. */
  readonly leftBackSoon: boolean;
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
/** Longer than a firmware takes from a reset to the start of the kernel. */
const firmwareMs = 600_000;

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
  const { validation } = evidence;
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
  const bootedMs = areClocksAtOdds ? null : evidence.bootedMs;
  const isBackSoonAfter = (ms: number | null) => ms !== null && bootedMs !== null && bootedMs <= ms + firmwareMs;
  // Clocks that contradict each other bound nothing.
  const goneByMs = areClocksAtOdds ? Number.POSITIVE_INFINITY : endedByMs;
  const lapsed = notes === null ? null : lapsedTrouble(notes, goneByMs, logMs);
  const lapsedByMs = lapsed === null || notes === null ? null : latestLifeMs(lapsed.dueMs, notes);
  const silentMs = notes === null || isDown || logMs === null ? 0 : logMs - notes.aliveMs;
  const notesUnkept = notes?.armed === true && silentMs > hungLifeMs(notes);
  const leftMs = notes === null ? null : leftCountingMs(notes, log?.unheld?.atMs ?? null, logMs);
  const causedReset = watchdog?.causedReset ?? null;
  const staleWord = causedReset === true && evidence.saidBefore && watchdog?.emulated === false;
  return {
    notes,
    armed: notes?.armed ?? false,
    ending,
    lapsed,
    lapseUnseenMs: lapsed === null || notes === null ? 0 : Math.max(0, lapsed.dueMs - notes.aliveMs),
    lapseBackSoon: isBackSoonAfter(lapsedByMs),
    panic: log?.panic != null ? 'dated' : panic === null ? null : panic.atMs === null ? 'undated' : 'dated',
    panicLine: log?.panic ?? panic?.line ?? '',
    validated: validation?.mayResetUntilMs === null,
    underValidation: wentUnderValidation(evidence, notes, lastSeenMs),
    validationBackSoon: isBackSoonAfter(validation?.mayResetUntilMs ?? null),
    validationLeft: leftByValidation(validation, log),
    causedReset,
    fired: causedReset === true && !staleWord,
    staleWord,
    emulated: watchdog?.emulated ?? false,
    logOrderly: log?.orderly === true && !outlivedLog(notes, log),
    logTarget: log?.target ?? null,
    agentFellSilent: notes !== null && silentMs > notes.stampMs + slackMs && !notesUnkept,
    notesUnkept,
    leftCounting: leftMs !== null,
    leftBackSoon: isBackSoonAfter(leftMs),
    leaseOutlasted: outlasted(notes, goneByMs),
    stayedUp: isDown && logMs !== null && logMs - (ending?.doneMs ?? 0) > goingDownMs,
    released: wentAfterRelease(found(evidence.peers)?.releasedMs ?? null, notes),
    lastSeenMs,
    bootedMs,
    dumpsSeen: found(evidence.dumps) !== null,
    allAsked: watchdog?.causedReset === false && found(evidence.dumps) !== null && log !== null,
  };
}

/** How long a machine lives at most after its pets were due to end. */
function latestLifeMs(dueMs: number, { effectiveMs }: BootNotes): number {
  return dueMs + afterLeaseMs(effectiveMs) + slackMs;
}

/** How long after its last notes a machine lives at most whose agent hangs. */
function hungLifeMs(notes: BootNotes): number {
  return latestLifeMs(notes.stampMs + notes.leaseMs, notes);
}

/** An agent that is started again writes its notes again; a machine that lives on was petted by somebody. */
function leftCountingMs(notes: BootNotes, unheldMs: number | null, logMs: number | null): number | null {
  const { armed, aliveMs, effectiveMs, ending } = notes;
  const endedMs = ending?.kind === 'agent' ? ending.doneMs : null;
  const leftMs = endedMs ?? (unheldMs === null || unheldMs < aliveMs ? null : unheldMs);
  if (!armed || leftMs === null) return null;
  return (logMs ?? leftMs) <= leftMs + effectiveMs + slackMs ? leftMs : null;
}

/** A watchdog that the agent has armed is nobody else's. */
function wentUnderValidation(
  { validation, watchdog }: ResetEvidence,
  notes: BootNotes | null,
  lastSeenMs: number | null,
): boolean {
  if (validation === null || validation.mayResetUntilMs === null || notes?.armed === true) return false;
  const word = found(watchdog);
  const isAnother = word?.causedReset === true && word.device !== validation.device;
  return !isAnother && (lastSeenMs ?? 0) <= validation.mayResetUntilMs + slackMs;
}

function leftByValidation(validation: ValidatedReset | null, log: LogTail | null): boolean {
  if (validation === null || log === null || log.unheld === null) return false;
  return log.unheld.atMs === null || log.unheld.atMs >= validation.beganMs;
}

/** What ended was the log alone: the agent wrote for long after. */
function outlivedLog(notes: BootNotes | null, { lastMs }: LogTail): boolean {
  return notes !== null && lastMs !== null && notes.aliveMs - lastMs > goingDownMs;
}

/** Notes without trouble are of a lease that was renewed no longer ago than that. */
const renewalLateMs = 2_500;

/** That the others lost sight of it bounds nothing: one that is cut off lives on until its lease ends. */
function outlasted(notes: BootNotes | null, endedByMs: number): boolean {
  return notes !== null && endedByMs < (notes.trouble?.dueMs ?? notes.aliveMs + notes.leaseMs - renewalLateMs);
}

/** A node that has told the others, and lives on for long, did not go down then. */
function wentAfterRelease(releasedMs: number | null, notes: BootNotes | null): boolean {
  return releasedMs !== null && (notes === null || notes.aliveMs - releasedMs <= goingDownMs);
}

/** A machine that booted before its lease had ended, or that lived on long after, was not reset for it. */
function lapsedTrouble(notes: BootNotes, endMs: number, logMs: number | null): Trouble | null {
  const { trouble } = notes;
  if (trouble === null || trouble.dueMs > endMs) return null;
  return logMs !== null && logMs > latestLifeMs(trouble.dueMs, notes) ? null : trouble;
}

/** A dump older than the agent's last sign of life is of something that the machine has outlived. */
function panicOf(evidence: ResetEvidence, notes: BootNotes | null): Dump | null {
  const panics = (found(evidence.dumps) ?? []).filter(({ kind }) => /^panic$/i.test(kind));
  const sinceMs = notes === null ? null : notes.aliveMs - slackMs;
  const dated = panics.find(
    ({ atMs }) => atMs !== null && sinceMs !== null && atMs >= sinceMs && atMs <= evidence.foundMs,
  );
  // It may as well be of the boot in between.
  if (dated !== undefined) return evidence.bootedMs === null ? { ...dated, atMs: null } : dated;
  const undated = panics.find(({ atMs }) => atMs === null || sinceMs === null);
  return undated === undefined ? null : { ...undated, atMs: null };
}
