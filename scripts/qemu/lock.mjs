import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Directories that belong to one process: the kernel gives them back when it ends, however it does. */

const pollMs = 500;
/** Another lab that builds everything on a busy machine needs a quarter of it. */
const waitMs = 3_600_000;

/** Locks a directory; its descriptor, which unlocks it when closed; null: it is another process's, or gone. */
export function lockDirectory(path) {
  let descriptor = null;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
  // The lock is the descriptor's, which flock shares with us.
  const stdio = ['ignore', 'ignore', 'ignore', descriptor];
  if (spawnSync('flock', ['--nonblock', '3'], { stdio }).status === 0) return descriptor;
  closeSync(descriptor);
  return null;
}

/** Does `work` when no other process does it with this directory; its result. */
export async function alone(path, say, work) {
  const begunMs = performance.now();
  let descriptor = lockDirectory(path);
  if (descriptor === null) say(`another lab builds in ${path}: waiting for it`);
  while (descriptor === null) {
    if (performance.now() - begunMs > waitMs) throw new Error(`another lab has been building in ${path} for an hour`);
    await sleep(pollMs);
    descriptor = lockDirectory(path);
  }
  try {
    return await work();
  } finally {
    closeSync(descriptor);
  }
}

/** A new temporary directory of this process. Those with the same `prefix` whose process has ended are removed. */
export function ownTemporaryDirectory(prefix) {
  const fits = new RegExp(`^${prefix}[A-Za-z0-9]{6}$`);
  for (const name of readdirSync(tmpdir()).filter((each) => fits.test(each))) removeIfLeft(join(tmpdir(), name));
  // It has its name only when it is locked.
  const made = mkdtempSync(join(tmpdir(), `new-${prefix}`));
  if (lockDirectory(made) === null) throw new Error(`${made} cannot be locked`);
  const place = join(tmpdir(), basename(made).slice('new-'.length));
  renameSync(made, place);
  return place;
}

function removeIfLeft(path) {
  const descriptor = lockDirectory(path);
  if (descriptor === null) return;
  rmSync(path, { recursive: true, force: true });
  closeSync(descriptor);
}
