/**
 * The verdict of a validation from its steps and from what the machine is like afterwards. Whatever may have ended the
 * run, the verdict is never better than the truth: what could as well have been a power loss is no verdict, unless it
 * came just when the reset was due.
 */
import type { Begin, Measured, Step, Validation } from './validation-record.js';
import { cardReset } from './watchdog-sysfs.js';

export interface BootFacts {
  readonly bootId: string;
  /** When this kernel started, by the wall clock. */
  readonly bootWallMs: number;
  /** WDIOC_GETBOOTSTATUS of the device; null: the device is not there, or does not tell. */
  readonly bootStatus: number | null;
}

export type Judgement =
  /** The run ended before its last pet: it says nothing, and an earlier verdict stands. */
  | { readonly tried: false; readonly sentence: string }
  | { readonly tried: true; readonly validation: Validation }
  /** Tried, but its beginning is damaged: nobody can tell of which watchdog it speaks. */
  | { readonly tried: null };

/** From the expiry to the reset, at most: the budget's margin, see src/core/budget.ts. */
const marginMs = 2_000;
/** Drivers count in ticks of up to a second: each expiry may come so much early. */
const tickMs = 1_000;
/** A moment that is known less exactly than this does not tell which expiry it was. */
const maxUncertaintyMs = 1_500;
/** Our clock may be set on the way: further back than this, and it bounds nothing. */
const wallErrorMs = 3_000;
/** A slow firmware, and a file system check. */
export const maxBootMs = 600_000;

/** Each of them tells it, should the others be damaged. */
const triedSteps: ReadonlySet<Step['step']> = new Set(['last-pet-due', 'last-pet', 'alive', 'outlived']);

export function judgeRun(steps: readonly Step[], facts: BootFacts): Judgement {
  const begin = stepOf(steps, 'begin');
  const isTried = steps.some(({ step }) => triedSteps.has(step)) && stepOf(steps, 'aborted') === undefined;
  if (!isTried) return { tried: false, sentence: untried(begin, steps, facts) };
  if (begin === undefined) return { tried: null };
  const measured = stepOf(steps, 'measured');
  const finding = find(steps, begin, measured, facts);
  const bootAfter = begin.bootId === facts.bootId ? null : facts.bootId;
  return { tried: true, validation: { ...subjectOf(begin, measured), bootAfter, ...finding } };
}

function stepOf<Name extends Step['step']>(
  steps: readonly Step[],
  name: Name,
): Extract<Step, { step: Name }> | undefined {
  return steps.find((step): step is Extract<Step, { step: Name }> => step.step === name);
}

function untried(begin: Begin | undefined, steps: readonly Step[], facts: BootFacts): string {
  if (begin === undefined) return 'a validation ended before it had begun';
  const { device, bootId } = begin;
  const aborted = stepOf(steps, 'aborted');
  if (aborted !== undefined) return `the validation of ${device} was ended before its last pet: ${aborted.reason}`;
  const what = bootId === facts.bootId ? 'its command died' : 'the machine went down';
  return `the validation of ${device} was not finished: ${what} while the watchdog was still being petted: validate again`;
}

function subjectOf(begin: Begin, measured: Measured | undefined) {
  const { run, device, driver, kind, board, machine, firmware, timeoutAskedS, bootId: bootBefore } = begin;
  return {
    ...{ run, device, driver, kind, board, machine, firmware, timeoutAskedS, bootBefore },
    identity: measured?.identity ?? begin.identity,
    when: new Date(begin.wallMs).toISOString(),
    timeoutS: measured?.timeoutS ?? null,
    rounding: measured?.rounding ?? [],
    timeLeftS: measured?.timeLeftS ?? null,
    pets: measured?.pets ?? null,
  };
}

type Finding = Pick<Validation, 'verdict' | 'kappa' | 'measuredMs' | 'uncertaintyMs' | 'sentence' | 'evidence'>;

function unfinished(sentence: string, evidence: readonly string[] = []): Finding {
  return {
    ...{ verdict: 'unfinished', kappa: null, measuredMs: null, uncertaintyMs: null },
    sentence: `unfinished: ${sentence}: validate again`,
    evidence: [...evidence],
  };
}

function find(steps: readonly Step[], begin: Begin, measured: Measured | undefined, facts: BootFacts): Finding {
  const end = steps.find(({ step }) => step === 'outlived' || step === 'interrupted');
  const pet = stepOf(steps, 'last-pet');
  if (end?.step === 'interrupted') return unfinished(end.reason);
  if (measured === undefined || pet === undefined) return unfinished('the machine went down at the last pet');
  if (end?.step === 'outlived') return didNotReset((end.bootMs - pet.endMs) / 1_000, measured);
  if (begin.bootId === facts.bootId) return unfinished('its command died, and this machine was not reset');
  const silence = silenceOf(steps, pet);
  if (silence === null) return unfinished('the machine went down at the last pet');
  const bootedMs = facts.bootWallMs - pet.wallMs;
  return judgeReset(silence, measured, facts, bootedMs);
}

function didNotReset(waitedS: number, { timeoutS }: Measured): Finding {
  return {
    ...{ verdict: 'did-not-reset', kappa: null, measuredMs: null, uncertaintyMs: null },
    sentence: `it did not reset this machine: ${waitedS.toFixed(1)} s after the last pet, with a timeout of ${timeoutS} s, the machine still ran`,
    evidence: [],
  };
}

/** When the machine fell silent, milliseconds after the last pet. */
interface Silence {
  readonly earliestMs: number;
  readonly latestMs: number;
}

/** The machine lived at its last sign of life; had it lived when the next was overdue, it would have been disarmed. */
function silenceOf(steps: readonly Step[], pet: Extract<Step, { step: 'last-pet' }>): Silence | null {
  const last = steps.findLast((step) => step.step === 'alive');
  if (last?.step !== 'alive') return null;
  return { earliestMs: last.bootMs - pet.endMs, latestMs: last.untilMs - pet.startMs };
}

/** @param bootedMs from the last pet to the start of the kernel that runs now, by the wall clock */
function judgeReset(silence: Silence, measured: Measured, facts: BootFacts, bootedMs: number): Finding {
  const { earliestMs, latestMs } = silence;
  const evidence = [
    `the last sign of life came ${inSeconds(earliestMs)} after the last pet; without another one the watchdog would have been disarmed after ${inSeconds(latestMs)}`,
    `another kernel (boot id ${facts.bootId}) started ${inSeconds(bootedMs)} after the last pet, by the wall clock${clockSentence(measured)}`,
    bootStatusSentence(measured.bootStatus, facts.bootStatus),
  ];
  if (latestMs - earliestMs > 2 * maxUncertaintyMs) {
    return unfinished('the storage is too slow, or the machine too busy, to tell when it went down', evidence);
  }
  if (bootedMs < earliestMs - wallErrorMs - (measured.boardClockErrorMs ?? 0)) {
    return unfinished(
      'the wall clock went back over the reset, so that nothing bounds the time: set the clock',
      evidence,
    );
  }
  if (bootedMs - latestMs > maxBootMs) {
    return unfinished('the machine came back so long after that it cannot have been the watchdog alone', evidence);
  }
  const kappa = kappaOf(latestMs, measured.timeoutS);
  if (kappa === null) return unfinished(mistimed(silence, measured.timeoutS), evidence);
  const measuredMs = Math.round((earliestMs + latestMs) / 2);
  const uncertaintyMs = Math.ceil((latestMs - earliestMs) / 2);
  return {
    ...{ verdict: 'resets', kappa, measuredMs, uncertaintyMs },
    sentence: `it reset this machine ${inSeconds(measuredMs)} ± ${inSeconds(uncertaintyMs)} after the last pet, with a timeout of ${measured.timeoutS} s: kappa ${kappa}`,
    evidence,
  };
}

/** What the reset was in time for, the worse where both fit; its latest moment counts, for that must stay in the margin. */
function kappaOf(latestMs: number, timeoutS: number): 1 | 2 | null {
  const fits = (kappa: 1 | 2) => {
    const dueMs = kappa * timeoutS * 1_000;
    return latestMs >= dueMs - kappa * tickMs && latestMs < dueMs + marginMs;
  };
  if (fits(2)) return 2;
  return fits(1) ? 1 : null;
}

function mistimed({ earliestMs, latestMs }: Silence, timeoutS: number): string {
  const went = `the machine went down ${inSeconds(earliestMs)} to ${inSeconds(latestMs)} after the last pet`;
  if (latestMs < timeoutS * 1_000) return `${went}, before the watchdog was due (timeout ${timeoutS} s)`;
  return `${went}, neither one timeout of ${timeoutS} s after it nor two, so that it cannot have been a watchdog that may be used`;
}

function clockSentence({ boardClockErrorMs }: Measured): string {
  if (boardClockErrorMs === null || boardClockErrorMs < wallErrorMs) return '';
  return `, from which the board's clock differed by ${inSeconds(boardClockErrorMs)}`;
}

function bootStatusSentence(before: number, after: number | null): string {
  if (after === null) return 'the driver is not there to say what caused the reset';
  if ((after & cardReset) === 0) return 'the driver does not say that it caused the reset; many do not';
  const already = (before & cardReset) !== 0 ? ', but it said so before, too' : '';
  return `the driver says that it caused the reset (WDIOF_CARDRESET)${already}`;
}

function inSeconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}
