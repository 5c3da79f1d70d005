import { readFileSync } from 'node:fs';
import { HoldfastError } from '../core/errors.js';

/** Numeric id of a group in /etc/group (group(5)). Throws HF_CONFIG if there is none of that name. */
export function groupIdOf(name: string, file = '/etc/group'): number {
  const line = readGroups(file)
    .split('\n')
    .find((candidate) => candidate.startsWith(`${name}:`));
  const digits = line?.split(':')[2] ?? '';
  // Not Number alone: of an empty field it would make the group of root.
  if (/^\d{1,10}$/.test(digits)) return Number(digits);
  throw new HoldfastError(
    'HF_CONFIG',
    `adminGroup names '${name}', a group that does not exist: create it (groupadd ${name}) or name another`,
  );
}

function readGroups(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new HoldfastError('HF_CONFIG', `adminGroup cannot be looked up: ${file} cannot be read (${code})`, {
      cause: error,
    });
  }
}
