import { readFileSync } from 'node:fs';
import { HoldfastError } from '../core/errors.js';

/** Numeric id of a group in /etc/group (group(5)). Throws HF_CONFIG if there is none of that name. */
export function groupIdOf(name: string, file = '/etc/group'): number {
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .find((candidate) => candidate.startsWith(`${name}:`));
  const gid = Number(line?.split(':')[2]);
  if (line !== undefined && Number.isSafeInteger(gid)) return gid;
  throw new HoldfastError(
    'HF_CONFIG',
    `adminGroup names '${name}', a group that does not exist: create it (groupadd ${name}) or name another`,
  );
}
