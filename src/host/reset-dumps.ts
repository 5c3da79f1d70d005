import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Dump, type Finding, oneLine, resetLimits } from '../agent/reset-record.js';
import { readPart } from './bounded-file.js';

/** What the kernel wrote as it died, in pstore, or where systemd-pstore has moved it to. */

const directories = ['/sys/fs/pstore', '/var/lib/systemd/pstore'] as const;
const backendFile = '/sys/module/pstore/parameters/backend';
const dumpBytes = 64 * 1024;
/** Looked at in one directory. */
const maxNames = 64;

/** @param root prefix of /sys and /var */
export async function findDumps(root: string): Promise<Finding<readonly Dump[]>> {
  const dumps: Dump[] = [];
  for (const directory of directories) dumps.push(...(await dumpsIn(root, directory, 2)));
  if (dumps.length > 0) return { found: dumps.sort(newestFirst).slice(0, resetLimits.dumps) };
  const backend = await readPart(join(root, backendFile), 'head', 64).then(
    ({ text }) => text.trim(),
    () => '',
  );
  if (backend === '' || backend === '(null)')
    return { missing: 'this machine has no place that keeps them (pstore has no backend)' };
  return { found: [] };
}

function newestFirst(a: Dump, b: Dump): number {
  return (b.atMs ?? 0) - (a.atMs ?? 0);
}

async function dumpsIn(root: string, directory: string, depth: number): Promise<readonly Dump[]> {
  const entries = await readdir(join(root, directory), { withFileTypes: true }).catch(() => []);
  const dumps: Dump[] = [];
  for (const entry of entries.slice(-maxNames)) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory() && depth > 1) dumps.push(...(await dumpsIn(root, path, depth - 1)));
    if (!entry.isFile() || !/^(dmesg|console)/.test(entry.name)) continue;
    const dump = await readDump(root, path).catch(() => null);
    if (dump !== null) dumps.push(dump);
  }
  return dumps;
}

/** Null: a console that has nothing to say of an end. */
async function readDump(root: string, path: string): Promise<Dump | null> {
  const { text, modifiedMs } = await readPart(join(root, path), 'tail', dumpBytes);
  const line = lastWords(text);
  const kind = /^([A-Z][A-Za-z ]{2,20})#\d+ Part\d+/m.exec(text)?.[1] ?? (isPanic(line) ? 'Panic' : '');
  if (kind === '' && path.includes('/console')) return null;
  // Some backends have no clock.
  return { kind, file: oneLine(path), atMs: modifiedMs > 0 ? Math.round(modifiedMs) : null, line };
}

export function isPanic(text: string): boolean {
  return text.includes('Kernel panic - not syncing');
}

/** The kernel's line on the cause, without its level and time. */
function lastWords(text: string): string {
  const lines = text.split('\n');
  const line = lines.findLast(isPanic) ?? lines.find((each) => /\b(BUG|Oops|general protection fault)\b.*:/.test(each));
  return oneLine((line ?? '').replace(/^(<\d+>)?\s*(\[[^\]]{1,20}\]\s*)?/, ''));
}
