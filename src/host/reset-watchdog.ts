import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Finding, oneLine, type ValidatedReset, type WatchdogWord } from '../agent/reset-record.js';
import type { WatchdogInfo } from '../ports/watchdog.js';
import { readPart } from './bounded-file.js';
import { ValidationFiles } from './validation-record.js';

/** Whether a watchdog says that it has caused the last reset; to be asked before it is armed, and evidence only. */

/** WDIOF_CARDRESET of linux/watchdog.h. */
const cardReset = 0x20;

/** @param info null: this node has no watchdog that can be used */
export function wordOf(info: WatchdogInfo | null): Finding<WatchdogWord> {
  if (info === null) return { missing: 'this node has no watchdog that can be used' };
  const { device, kind, identity, bootStatus } = info;
  // An old driver that has no entry in sysfs tells it only to who opens it, which arms it.
  const isTold = kind === 'emulated' || identity !== 'unknown';
  const causedReset = isTold ? (bootStatus & cardReset) !== 0 : null;
  return { found: { device, emulated: kind === 'emulated', causedReset } };
}

/** Resets of this machine that validations have brought about. */
export async function validatedResets(stateDir: string): Promise<readonly ValidatedReset[]> {
  const results = await new ValidationFiles(stateDir).results();
  return results.flatMap(({ device, verdict, when }) => {
    const beganMs = Date.parse(when);
    return verdict === 'resets' && beganMs >= 0 ? [{ device: oneLine(device), beganMs }] : [];
  });
}

/** From sysfs, of whichever watchdog says it; without the agent. @param root prefix of /sys */
export async function readWatchdogWord(root: string): Promise<Finding<WatchdogWord>> {
  const parent = join(root, '/sys/class/watchdog');
  const words: WatchdogWord[] = [];
  for (const name of await readdir(parent).catch(() => [])) {
    const text = await readPart(join(parent, name, 'bootstatus'), 'head', 32).then(
      (part) => part.text.trim(),
      () => '',
    );
    const causedReset = /^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text) ? (Number(text) & cardReset) !== 0 : null;
    words.push({ device: `/dev/${name}`, emulated: false, causedReset });
  }
  const found =
    words.find(({ causedReset }) => causedReset === true) ?? words.find((word) => word.causedReset !== null);
  return found === undefined ? { missing: 'no watchdog in sysfs tells it' } : { found };
}
