import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { attribute } from './sysfs.js';

const dmiNames = ['sys_vendor', 'product_name', 'board_vendor', 'board_name', 'board_version'] as const;

/**
 * The board this machine is built on: its names in DMI, or in the device tree; `unknown board` where neither tells.
 * @param root prefix of /sys and /proc; only tests set it
 */
export async function readBoard(root = '/'): Promise<string> {
  const names = await Promise.all(dmiNames.map((name) => attribute(join(root, '/sys/class/dmi/id'), name)));
  const told = [...new Set(names.filter((name) => name !== undefined && name !== ''))];
  if (told.length > 0) return told.join(', ');
  const model = await attribute(join(root, '/proc/device-tree'), 'model');
  return model?.replaceAll('\0', '') || 'unknown board';
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
