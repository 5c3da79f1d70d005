/** Watchdogs that a validation which was ended in this boot may have left counting, with nobody to pet them. */
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readBootId } from '../host/boot-id.js';
import { isUnderWay } from '../host/validation-completion.js';
import { type Step, ValidationFiles } from '../host/validation-record.js';
import type { KnownWatchdog } from '../host/watchdog-choice.js';

/** From the second expiry to the reset, and for the record to be written. */
const marginMs = 5_000;

/** What a validation has left behind. */
interface Remains {
  readonly timeoutS: number;
  /** File that was last written when it had ended, or after; null: its end is not known. */
  readonly writtenAtEnd: string | null;
}

/**
 * One sentence for each. Closing it without magic close, as whoever is killed does, pets it once more.
 * @param root prefix of /proc; only tests set it
 */
export async function leftCounting(
  watchdogs: readonly KnownWatchdog[],
  stateDir: string,
  root = '/',
): Promise<readonly string[]> {
  const files = new ValidationFiles(stateDir);
  const bootId = readBootId(root);
  const steps = (await files.run().catch(() => null)) ?? [];
  const [begin] = steps;
  const ended = begin?.step !== 'begin' || !(await isUnderWay(begin, bootId, root)) ? steps : [];
  const sentences: string[] = [];
  for (const watchdog of watchdogs) {
    const remains = ofRun(watchdog, ended, bootId, files.runPath) ?? ofVerdict(watchdog, bootId, stateDir);
    const sentence = remains && (await sentenceOf(watchdog, remains));
    if (sentence !== null) sentences.push(sentence);
  }
  return sentences;
}

function ofRun({ device }: KnownWatchdog, steps: readonly Step[], bootId: string, runPath: string): Remains | null {
  const [begin] = steps;
  if (begin?.step !== 'begin' || begin.device !== device || begin.bootId !== bootId) return null;
  const measured = steps.find((step) => step.step === 'measured');
  // After it the file is written until the end, and by the witness of a death.
  const isLeft = steps.some(({ step }) => step === 'last-pet-due');
  return { timeoutS: measured?.timeoutS ?? begin.timeoutAskedS, writtenAtEnd: isLeft ? runPath : null };
}

function ofVerdict({ device, validation, foreign }: KnownWatchdog, bootId: string, stateDir: string): Remains | null {
  const last = validation ?? foreign?.validation;
  if (last === undefined || last.verdict === 'resets') return null;
  if (last.bootBefore !== bootId || last.bootAfter !== null) return null;
  const writtenAtEnd = join(stateDir, 'watchdog', `${basename(device)}.json`);
  return { timeoutS: last.timeoutS ?? last.timeoutAskedS, writtenAtEnd };
}

/** Null: it does not count, somebody has it in hand, or it would have reset this machine by now. */
async function sentenceOf(
  { device, inSysfs, active, holder }: KnownWatchdog,
  { timeoutS, writtenAtEnd }: Remains,
): Promise<string | null> {
  if (holder !== null || (inSysfs && !active)) return null;
  const endedMs = writtenAtEnd === null ? null : await writtenMs(writtenAtEnd);
  const untilMs = endedMs === null ? null : endedMs + 2 * timeoutS * 1_000 + marginMs;
  if (untilMs !== null && untilMs < Date.now()) return null;
  const until = untilMs === null ? '' : ` until ${new Date(untilMs).toISOString()}`;
  const counts = inSysfs ? 'is counting' : 'may be counting (its driver does not tell)';
  return `${device} ${counts} since a validation of it was ended, and nobody pets it: it may reset this machine at any moment${until}: start nothing here before`;
}

async function writtenMs(path: string): Promise<number | null> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => null,
  );
}
