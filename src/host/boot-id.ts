import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The kernel's id of this boot: another one after every reset. @param root prefix of /proc; only tests set it */
export function readBootId(root = '/'): string {
  return readFileSync(join(root, '/proc/sys/kernel/random/boot_id'), 'utf8').trim();
}
