import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Finding, oneLine, type ValidatedBoot, type WatchdogWord } from '../agent/reset-record.js';
import { HoldfastError } from '../core/errors.js';
import type { WatchdogInfo } from '../ports/watchdog.js';
import { numberAttribute } from './sysfs.js';
import { ValidationFiles } from './validation-record.js';
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
 * Resets of this machine that validations have brought about, in whatever boot. Those whose boots are not on record
 * explain nothing.
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
  return results.flatMap(({ device, verdict, when, bootBefore, bootAfter }) => {
    const beganMs = Date.parse(when);
    if (verdict !== 'resets' || !(beganMs >= 0) || bootBefore === null || bootAfter === null) return [];
    return [{ device: oneLine(device), beganMs, bootBefore, bootAfter }];
  });
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
