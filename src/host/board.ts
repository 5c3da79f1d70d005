import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { attribute } from './sysfs.js';
import { maxTextCharacters } from './validation-record.js';

export const unknownBoard = 'unknown board';

/** What a machine is, as far as it decides whether its watchdog resets it, and after how long. */
export interface Board {
  /** Its names in DMI, or in the device tree; `unknown board` where neither tells. */
  readonly board: string;
  /** Which one of that name it is: its UUID and serial numbers, which only root may read. Null: it has none. */
  readonly machine: string | null;
  /** Version and date of its firmware, whose settings may forbid the reset. Null: it does not tell. */
  readonly firmware: string | null;
}

const names = ['sys_vendor', 'product_name', 'board_vendor', 'board_name', 'board_version'];
const serials = ['product_uuid', 'product_serial', 'board_serial'];
const firmware = ['bios_version', 'bios_date'];

/** @param root prefix of /sys and /proc; only tests set it */
export async function readBoard(root = '/'): Promise<Board> {
  const dmi = join(root, '/sys/class/dmi/id');
  const tree = join(root, '/proc/device-tree');
  return {
    board: (await told(dmi, names)) ?? (await told(tree, ['model'])) ?? unknownBoard,
    machine: (await told(dmi, serials)) ?? (await told(tree, ['serial-number'])),
    firmware: await told(dmi, firmware),
  };
}

/** What these attributes say, each word once, as long as a record may hold; null: nothing. */
async function told(folder: string, attributes: readonly string[]): Promise<string | null> {
  const texts = await Promise.all(attributes.map((name) => attribute(folder, name)));
  const words = new Set(texts.map((text) => text?.replaceAll('\0', '') ?? '').filter((text) => text !== ''));
  return words.size === 0 ? null : [...words].join(', ').slice(0, maxTextCharacters);
}

/**
 * By how much the board's clock, from which a kernel takes its time at boot, differs from the wall clock, without a sign;
 * null where there is none. It tells whole seconds, which are taken at their middle.
 * @param root prefix of /sys; only tests set it
 */
export function boardClockErrorMs(wallMs: number, root = '/'): number | null {
  try {
    const clockS = Number(readFileSync(join(root, '/sys/class/rtc/rtc0/since_epoch'), 'utf8'));
    return Number.isSafeInteger(clockS) && clockS > 0 ? Math.abs(clockS * 1_000 + 500 - wallMs) : null;
  } catch {
    return null;
  }
}
