import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Finding, oneLine, type ValidatedBoot, type WatchdogWord } from '../agent/reset-record.js';
import { HoldfastError } from '../core/errors.js';
import type { WatchdogInfo } from '../ports/watchdog.js';
import { maxInstantMs } from './reset-files.js';
import { numberAttribute } from './sysfs.js';
import { type Validation, ValidationFiles } from './validation-record.js';
import { cardReset } from './watchdog-sysfs.js';

/** Whether a watchdog says that it has caused the last reset; to be asked before it is armed, and evidence only. */

/** @param info null: this node has no watchdog that can be used */
export function wordOf(info: WatchdogInfo | null): Finding<WatchdogWord> {
  if (info === null) return { missing: 'this node has no watchdog that can be used' };
  const { device, kind, identity, bootStatus } = info;
  // An old driver that has no entry in sysfs tells it only to who opens it, which arms it.
  const isTold = kind === 'emulated' || identity !== 'unknown';
  const causedReset = isTold ? (bootStatus & cardReset) !== 0 : null;
  return { found: { device, emulated: kind === 'emulated', causedReset } };
}

/**
 * Resets of this machine that validations have brought about, or may have, in whatever boot; what explains most comes
 * first. Those whose boots are not on record explain nothing.
 * @param onProblem told if they cannot be read; then there are none
 */
export async function validatedResets(
  stateDir: string,
  onProblem: (text: string) => void,
): Promise<readonly ValidatedBoot[]> {
  const results = await new ValidationFiles(stateDir).results().catch((error: unknown) => {
    if (!(error instanceof HoldfastError)) throw error;
    onProblem(`a reset by a validation is not told from others: ${error.message}`);
    return [];
  });
  const lateness = ({ mayResetUntilMs }: ValidatedBoot) => mayResetUntilMs ?? Number.MAX_VALUE;
  return results.flatMap(resetBy).toSorted((a, b) => lateness(b) - lateness(a));
}

function resetBy({ device, verdict, when, bootBefore, bootAfter, ...run }: Validation): readonly ValidatedBoot[] {
  const beganMs = Date.parse(when);
  if (!(beganMs >= 0) || bootBefore === null) return [];
  const its = { device: oneLine(device), beganMs, bootBefore };
  if (verdict === 'resets' && bootAfter !== null) return [{ ...its, bootAfter, mayResetUntilMs: null }];
  // It had its verdict before the reset, or in whatever boot came later.
  return verdict === 'unfinished' ? [{ ...its, bootAfter: null, mayResetUntilMs: endOfCount(beganMs, run) }] : [];
}

/** From the beginning of a validation to its last pet, at most: it measures, and waits for slow storage. */
const beforeLastPetMs = 60_000;
/** It waits for four after the last pet. Whoever is killed pets it once more, and it may take twice its timeout. */
const timeoutsAfterLastPet = 6;

/** An unfinished one was at its last pet, or past it. */
function endOfCount(beganMs: number, { timeoutS, timeoutAskedS }: Pick<Validation, 'timeoutS' | 'timeoutAskedS'>) {
  const countedMs = timeoutsAfterLastPet * (timeoutS ?? timeoutAskedS) * 1_000;
  return Math.min(maxInstantMs, beganMs + beforeLastPetMs + countedMs);
}

/** From sysfs, of whichever watchdog says it; without the agent. @param root prefix of /sys */
export async function readWatchdogWord(root: string): Promise<Finding<WatchdogWord>> {
  const parent = join(root, '/sys/class/watchdog');
  const words: WatchdogWord[] = [];
  for (const name of await readdir(parent).catch(() => [])) {
    const status = await numberAttribute(join(parent, name), 'bootstatus');
    const causedReset = status === undefined ? null : (status & cardReset) !== 0;
    words.push({ device: `/dev/${name}`, emulated: false, causedReset });
  }
  const found =
    words.find(({ causedReset }) => causedReset === true) ?? words.find((word) => word.causedReset !== null);
  return found === undefined ? { missing: 'no watchdog in sysfs tells it' } : { found };
}
