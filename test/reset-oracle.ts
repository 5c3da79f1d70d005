import type { BootNotes, LogTail, ResetEvidence, Verdict } from '../src/agent/reset-record.js';

/**
 * How else can a machine have ended that left just this? A second answer to the question of `judge`, made the other way
 * round: not from the evidence to the end, but of each end whether it would leave that evidence. It shares nothing with
 * the code that it judges, its numbers included.
 */

const second = 1_000;
const minute = 60 * second;
/** Clocks of two boots, or a slow disk. */
const blur = 10 * second;
/** A warm reset comes back in this time, or something else has happened. */
const slowestFirmware = 10 * minute;
/** A shutdown that takes longer is none. */
const longestShutdown = 5 * minute;
/** Alive so shortly before an instant is alive at it: notes of trouble come every 2 s, and take a moment. */
const nearly = 5 * second;

interface Signs {
  readonly notes: BootNotes | null;
  readonly log: LogTail | null;
  /** Newest time of the log that can be one. */
  readonly logMs: number | null;
  /** When the machine was back; null: not known. */
  readonly backMs: number | null;
  /** The watchdog's own word, of this end. */
  readonly fired: boolean;
  readonly saysFired: boolean;
  readonly cannotHaveFired: boolean;
  readonly panic: 'told' | 'possible' | 'excluded';
  /** Systemd took the machine down. */
  readonly downByLog: boolean;
  readonly downByAgent: boolean;
}

function isOver(ms: number | null, limitMs: number): boolean {
  return ms !== null && ms > limitMs;
}

function signsOf(evidence: ResetEvidence): Signs {
  const noted = 'found' in evidence.notes ? evidence.notes.found : null;
  const notes = noted?.bootId === evidence.endedBootId ? noted : null;
  const log = 'found' in evidence.log ? evidence.log.found : null;
  const word = 'found' in evidence.watchdog ? evidence.watchdog.found : null;
  const logMs = isOver(log?.lastMs ?? null, evidence.foundMs) ? null : (log?.lastMs ?? null);
  const lifeMs = Math.max(notes?.aliveMs ?? 0, notes?.ending?.doneMs ?? 0, logMs ?? 0);
  const backMs = evidence.bootedMs !== null && evidence.bootedMs >= lifeMs - blur ? evidence.bootedMs : null;
  const saysFired = word?.causedReset === true;
  const ending = notes?.ending ?? null;
  return {
    notes,
    log,
    logMs,
    backMs,
    fired: saysFired && (word.emulated || !evidence.saidBefore),
    saysFired,
    cannotHaveFired: word?.emulated === true && word.causedReset === false,
    panic: panicIn(evidence, notes, log),
    downByLog: log?.orderly === true && !isOver(notes?.aliveMs ?? null, (log.lastMs ?? Infinity) + longestShutdown),
    downByAgent: ending?.doneMs != null && ending.kind !== 'agent' && !isOver(logMs, ending.doneMs + longestShutdown),
  };
}

function panicIn(evidence: ResetEvidence, notes: BootNotes | null, log: LogTail | null): Signs['panic'] {
  if (log?.panic != null) return 'told';
  if ('missing' in evidence.dumps) return 'possible';
  const panics = evidence.dumps.found.filter(({ kind }) => kind.toLowerCase() === 'panic');
  const its = panics.filter(
    ({ atMs }) => atMs === null || notes === null || (atMs >= notes.aliveMs - blur && atMs <= evidence.foundMs),
  );
  if (its.length === 0) return 'excluded';
  const isTold = notes !== null && evidence.bootedMs !== null && its.some(({ atMs }) => atMs !== null);
  return isTold ? 'told' : 'possible';
}

/** What had to reset the machine at an instant at which it is known to have been alive, if it was reset at about that. */
function dueEnd(evidence: ResetEvidence, { notes, log, logMs, backMs }: Signs): Verdict | null {
  if (evidence.validation?.mayResetUntilMs === null) return 'watchdog-fired';
  if (notes === null || backMs === null) return null;
  const { trouble, ending, aliveMs, armed, effectiveMs } = notes;
  const wasThen = (lastMs: number) => !isOver(logMs, lastMs + blur) && !isOver(backMs, lastMs + blur + slowestFirmware);
  if (trouble !== null && trouble.dueMs - aliveMs <= nearly && trouble.dueMs <= backMs) {
    if (wasThen(trouble.dueMs + 3 * effectiveMs + 2 * second))
      return trouble.cause === 'pets-failed' ? 'watchdog-fired' : 'self-fenced';
  }
  const leftMs = ending?.kind === 'agent' && ending.doneMs !== null ? ending.doneMs : (log?.unheld?.atMs ?? null);
  const isLeft = armed && leftMs !== null && (leftMs >= aliveMs || ending?.kind === 'agent');
  return isLeft && wasThen(leftMs + effectiveMs) ? 'watchdog-fired' : null;
}

/** The lease ended without a note of it, or with one. */
function canHaveSelfFenced(signs: Signs): boolean {
  const { notes, backMs, logMs, downByLog, downByAgent } = signs;
  if (notes?.armed !== true || downByAgent) return false;
  const { trouble, aliveMs, leaseMs, effectiveMs, ending } = notes;
  // Renewed a little before the last note at the earliest.
  if (backMs !== null && backMs < (trouble?.dueMs ?? aliveMs + leaseMs - 2.5 * second)) return false;
  if (!downByLog || ending === null) return true;
  return trouble !== null && !isOver(logMs, trouble.dueMs + 3 * effectiveMs + 2 * second + blur);
}

function orderlyEnds({ notes, log, downByLog, downByAgent }: Signs): readonly Verdict[] {
  if (!downByLog && !downByAgent) return [];
  const kind = notes?.ending?.kind;
  const byAgent = kind === undefined || kind === 'agent' ? [] : [kind];
  const byLog = downByLog && log?.target != null ? [log.target] : [];
  const kinds = [...byAgent, ...byLog];
  return (kinds.length === 0 ? (['reboot', 'poweroff'] as const) : kinds).map((each) => `orderly-${each}` as const);
}

/** An unfinished validation may have left a watchdog counting, and the machine is not known to have outlived that. */
function isLeftByValidation({ validation }: ResetEvidence, { notes, logMs }: Signs): boolean {
  if (validation === null || validation.mayResetUntilMs === null) return false;
  const lastMs = validation.mayResetUntilMs + blur;
  const signs = [notes?.aliveMs ?? null, notes?.ending?.doneMs ?? null, logMs];
  return signs.every((at) => !isOver(at, lastMs));
}

/** Every end that would have left this evidence. */
export function endsThatFit(evidence: ResetEvidence): ReadonlySet<Verdict> {
  const signs = signsOf(evidence);
  const { notes, fired, saysFired, cannotHaveFired, panic, downByLog, downByAgent } = signs;
  // The kernel's own word, after which there is nothing.
  if (panic === 'told') return new Set(['kernel-panic']);
  const inOrder = orderlyEnds(signs);
  const due = dueEnd(evidence, signs);
  if (fired && evidence.validation?.mayResetUntilMs === null) return new Set(['watchdog-fired']);
  if (fired && due !== null) return new Set([due, ...inOrder]);
  const isBusy = notes?.armed === true && notes.ending === null;
  const isOverInOrder = downByLog && !isBusy;
  const fits: Verdict[] = [...inOrder];
  if (!fired && !isOverInOrder) fits.push('power-loss');
  if (panic === 'possible' && !downByLog && !downByAgent) fits.push('kernel-panic');
  if (canHaveSelfFenced(signs)) fits.push('self-fenced');
  const wasCounting = notes?.armed === true || isLeftByValidation(evidence, signs);
  if (saysFired || (wasCounting && !cannotHaveFired)) fits.push('watchdog-fired');
  return new Set(fits);
}
