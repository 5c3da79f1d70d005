import { createHash } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { entriesSchema, snapshotSchema } from '../agent/log-schema.js';
import { HoldfastError } from '../core/errors.js';
import type { DurableRecord } from '../core/log.js';
import type { LoadResult, Store } from '../ports/store.js';

/**
 * The log on disk, design §3: `log` holds promises, entries and the name of the snapshot file that they follow;
 * replacing `log` is the one step that makes a save count. Each file is a line with format, length and SHA-256 of
 * what follows, then JSON. The previous `log` and its snapshot stay, for people.
 */

const format = 'holdfast-1';

const logSchema = z.strictObject({
  promisedEpoch: z.int().nonnegative(),
  promisedTo: z.int().nonnegative(),
  viewEpoch: z.int().nonnegative(),
  valid: z.boolean(),
  lost: z.boolean(),
  commitIndex: z.int().nonnegative(),
  snapshot: z.string().regex(/^snapshot-\d+-[0-9a-f]{16}$/),
  entries: entriesSchema,
});

class Damage extends Error {}

export class FileStore implements Store {
  readonly #directory: string;
  #snapshot: { readonly value: DurableRecord['snapshot']; readonly name: string } | null = null;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async load(): Promise<LoadResult> {
    try {
      await makeDirectory(this.#directory);
      const text = await readIfThere(join(this.#directory, 'log'));
      if (text === null)
        return (await this.#hasPrevious()) ? damaged(this.#directory, 'log is missing') : { outcome: 'empty' };
      const log = check(logSchema, unwrap(text, 'log'), 'log');
      const snapshotText = await readIfThere(join(this.#directory, log.snapshot));
      if (snapshotText === null) throw new Damage(`${log.snapshot} is missing`);
      const value = check(
        snapshotSchema,
        unwrap(snapshotText, log.snapshot),
        log.snapshot,
      ) as DurableRecord['snapshot'];
      const { snapshot: name, ...rest } = log;
      const record = { ...rest, snapshot: value } as DurableRecord;
      assertConsistent(record);
      this.#snapshot = { value, name };
      return { outcome: 'loaded', record };
    } catch (error) {
      if (error instanceof Damage) return damaged(this.#directory, error.message);
      throw storeError('read', this.#directory, error);
    }
  }

  /** A previous log without a present one: what replaced it is lost. */
  async #hasPrevious(): Promise<boolean> {
    return (await readdir(this.#directory)).includes('log.previous');
  }

  async save(record: DurableRecord): Promise<void> {
    try {
      const name = await this.#saveSnapshot(record.snapshot);
      const { snapshot: _, ...rest } = record;
      await this.#replace('log', wrap(JSON.stringify({ ...rest, snapshot: name })));
      if (this.#snapshot?.name !== name) await this.#removeOldSnapshots(name);
      this.#snapshot = { value: record.snapshot, name };
    } catch (error) {
      throw storeError('write', this.#directory, error);
    }
  }

  async #saveSnapshot(value: DurableRecord['snapshot']): Promise<string> {
    if (this.#snapshot?.value === value) return this.#snapshot.name;
    const text = wrap(JSON.stringify(value));
    const name = `snapshot-${value.index}-${sha256(text).slice(0, 16)}`;
    await this.#replace(name, text);
    return name;
  }

  async #replace(name: string, text: string): Promise<void> {
    const path = join(this.#directory, name);
    const temporary = `${path}.new`;
    try {
      await writeSynced(temporary, text);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    if (name === 'log') await keepPrevious(path);
    await rename(temporary, path);
    await syncDirectory(this.#directory);
  }

  async #removeOldSnapshots(current: string): Promise<void> {
    const kept = new Set([current, this.#snapshot?.name]);
    for (const name of await readdir(this.#directory)) {
      if (name.startsWith('snapshot-') && !kept.has(name)) await rm(join(this.#directory, name), { force: true });
    }
  }
}

/** Not recursively: on some file systems (proc) Node's own way never ends. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
    // Or all that is ever stored in it is lost with its name.
    await syncDirectory(dirname(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

async function keepPrevious(path: string): Promise<void> {
  const previous = `${path}.previous`;
  await rm(previous, { force: true });
  await link(path, previous).catch((error: NodeJS.ErrnoException) => {
    // There is none before the first save; any other failure shows again in the rename.
    if (error.code !== 'ENOENT') throw error;
  });
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Writes a small file so that it survives a reset right after. What stands there stays if it fails. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  try {
    await writeSynced(temporary, text);
    await rename(temporary, path);
  } catch (error) {
    // On a full disk it would take the last room of what is written next.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}

function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

function wrap(body: string): string {
  return `${format} ${Buffer.byteLength(body)} ${sha256(body)}\n${body}`;
}

function unwrap(text: string, name: string): unknown {
  const end = text.indexOf('\n');
  const [kind, length, hash] = text.slice(0, Math.max(end, 0)).split(' ');
  const body = text.slice(end + 1);
  if (end < 0 || kind !== format) throw new Damage(`${name} is not in format ${format}`);
  if (Number(length) !== Buffer.byteLength(body))
    throw new Damage(`${name} is ${Buffer.byteLength(body)} bytes long, not ${length}`);
  if (hash !== sha256(body)) throw new Damage(`${name} does not match its checksum`);
  return JSON.parse(body);
}

function check<T>(schema: z.ZodType<T>, value: unknown, name: string): T {
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0];
  throw new Damage(`${name} is malformed at ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}

function assertConsistent(record: DurableRecord): void {
  const { snapshot, entries, commitIndex } = record;
  const gap = entries.some((entry, i) => entry.index !== snapshot.index + 1 + i);
  if (gap) throw new Damage('log does not follow its snapshot');
  if (commitIndex < snapshot.index || commitIndex > snapshot.index + entries.length) {
    throw new Damage(`log says that ${commitIndex} is committed, which it does not hold`);
  }
}

function damaged(directory: string, detail: string): LoadResult {
  return { outcome: 'damaged', detail: `${directory}: ${detail}` };
}

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space on its file system',
  EDQUOT: 'free some space on its file system',
  EROFS: 'mount its file system for writing, or make it writable for the service (ReadWritePaths=)',
  EACCES: 'make it writable for root, and run this as root',
  EPERM: 'make it writable for root, and run this as root',
  EMFILE: 'raise the limit of open files (LimitNOFILE=)',
  ENFILE: 'raise the limit of open files (fs.file-max)',
  ENOTDIR: 'remove the file that stands where a directory should, or set another stateDir',
};

export function storeError(failed: 'read' | 'write', path: string, error: unknown): HoldfastError {
  const { code, message } = error as NodeJS.ErrnoException;
  const remedy = remedies[code ?? ''] ?? 'see to its file system';
  return new HoldfastError('HF_STORE', `cannot ${failed} ${path}: ${code ?? message}: ${remedy}`, { cause: error });
}
