import { link, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type BootNotes, type ResetRecord, resetLimits } from '../agent/reset-record.js';
import { HoldfastError } from '../core/errors.js';
import { readPart } from './bounded-file.js';
import { makeDirectory, storeError, writeDurably } from './file-store.js';

/** What a node keeps of its resets, below `resets` of its state directory: the notes of this boot, and the history. */

/** Texts of one record: of its dumps, of the lines of its log, and fewer than these of all else. */
const recordTexts = 3 * resetLimits.dumps + resetLimits.logLines + 8;
/** A character takes three bytes at most, for none is a control character; names and numbers have room beside each text. */
const recordBytes = recordTexts * (3 * resetLimits.textCharacters + 100);
/** A file of this size may hold a million empty records: no more are looked at, the newest. Some may be malformed. */
const recordsLookedAt = 4 * resetLimits.records;
/** Damaged histories that are kept beside each other. */
const maxDamaged = 10;

/** Instants that a Date can hold, with room for sums. */
export const maxInstantMs = 4e15;
const instant = z.int().min(0).max(maxInstantMs);
const duration = z.int().min(0).max(1e10);
const bootId = z.string().min(1).max(64);
const text = z.string().max(resetLimits.textCharacters);

const troubleSchema = z.object({
  cause: z.enum([
    'quorum-lost',
    'corosync-stopped',
    'corosync-silent',
    'not-echoed',
    'agent-failed',
    'agent-stalled',
    'declared-fenced',
    'pets-failed',
    'restarted-without-lease',
  ]),
  sinceMs: instant,
  dueMs: instant,
  text,
});

const endingSchema = z.object({
  kind: z.enum(['agent', 'reboot', 'poweroff']),
  sinceMs: instant,
  doneMs: instant.nullable(),
});

const notesSchema: z.ZodType<BootNotes> = z.object({
  bootId,
  startedMs: instant,
  aliveMs: instant,
  stampMs: duration,
  armed: z.boolean(),
  effectiveMs: duration,
  leaseMs: duration,
  trouble: troubleSchema.nullable(),
  ending: endingSchema.nullable(),
});

function finding<T>(found: z.ZodType<T>) {
  return z.union([z.strictObject({ found }), z.strictObject({ missing: text })]);
}

const dumpSchema = z.object({ kind: text, file: text, atMs: instant.nullable(), line: text });

const logSchema = z.object({
  source: text,
  lines: z.array(z.object({ atMs: instant.nullable(), text })).max(resetLimits.logLines),
  lastMs: instant.nullable(),
  orderly: z.boolean(),
  target: z.enum(['reboot', 'poweroff']).nullable().default(null),
  panic: text.nullable(),
  unheld: z.object({ atMs: instant.nullable(), text }).nullable().default(null),
});

const peersSchema = z.object({
  lostMs: instant.nullable(),
  fenced: z
    .object({ proof: z.enum(['takeover', 'reboot', 'operator']).nullable(), atMs: instant.nullable() })
    .nullable(),
  releasedMs: instant.nullable(),
  backMs: instant.nullable(),
});

const validationSchema = z.object({
  device: text,
  beganMs: instant,
  mayResetUntilMs: instant.nullable().default(null),
});

const recordSchema: z.ZodType<ResetRecord> = z.object({
  evidence: z.object({
    endedBootId: bootId.nullable(),
    bootId,
    foundMs: instant,
    bootedMs: instant.nullable(),
    notes: finding(notesSchema),
    watchdog: finding(z.object({ device: text, emulated: z.boolean(), causedReset: z.boolean().nullable() })),
    saidBefore: z.boolean().default(false),
    validation: validationSchema.nullable(),
    dumps: finding(z.array(dumpSchema).max(resetLimits.dumps)),
    log: finding(logSchema),
    peers: finding(peersSchema),
  }),
  gathered: z.boolean(),
  acknowledgedMs: instant.nullable(),
});

/** Of the records each stands for itself: what one of them has lost costs no other. */
const historySchema = z.object({ records: z.array(z.unknown()), problem: text.nullable() });

export interface ResetHistory {
  /** Oldest first. */
  readonly records: readonly ResetRecord[];
  /** What has become of an earlier history; null: nothing. */
  readonly problem: string | null;
}

export interface KeptHistory extends ResetHistory {
  /** What of the file is lost, and why; null: nothing. */
  readonly damage: string | null;
}

/** `damaged`: why what stands there cannot be used. */
export type Loaded<T> =
  | { readonly outcome: 'loaded'; readonly value: T }
  | { readonly outcome: 'none' }
  | { readonly outcome: 'damaged'; readonly why: string };

export class ResetFiles {
  readonly #directory: string;

  /** @param stateDir exists */
  constructor(stateDir: string) {
    this.#directory = join(stateDir, 'resets');
  }

  get notesPath(): string {
    return this.#path('boot.json');
  }

  get #historyPath(): string {
    return this.#path('history.json');
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }

  async loadNotes(): Promise<Loaded<BootNotes>> {
    try {
      return await load(this.notesPath, notesSchema, recordBytes);
    } catch (error) {
      if (error instanceof HoldfastError) return { outcome: 'damaged', why: error.message };
      throw error;
    }
  }

  /** What can be used of it. @throws HF_STORE if it cannot be read: what stands there may be whole */
  async loadHistory(): Promise<KeptHistory> {
    const path = this.#historyPath;
    const loaded = await load(path, historySchema, resetLimits.records * recordBytes);
    if (loaded.outcome === 'none') return { records: [], problem: null, damage: null };
    if (loaded.outcome === 'damaged') {
      return { records: [], problem: null, damage: `earlier resets are not known: ${loaded.why}` };
    }
    const { records, problem } = loaded.value;
    const parsed = records.slice(-recordsLookedAt).map((record) => recordSchema.safeParse(record));
    const good = parsed.flatMap(({ data }) => (data === undefined ? [] : [data]));
    const first = parsed.findIndex(({ success }) => !success);
    const index = records.length - parsed.length + first;
    const where = placeOf(['records', index, ...(parsed[first]?.error?.issues[0]?.path ?? [])]);
    const lost = `${records.length - good.length} of ${records.length} earlier resets are not known`;
    const damage = first < 0 ? null : `${lost}: ${path} is malformed at ${where}`;
    return { records: good.slice(-resetLimits.records), problem, damage };
  }

  /**
   * Has what stands there kept, for people: by a second name, for the next save takes its own. The second name, within
   * the directory.
   * @throws HF_STORE if it is not kept: then it is not to be overwritten
   */
  async keepDamaged(): Promise<string> {
    for (let i = 1; i <= maxDamaged; i++) {
      const name = i === 1 ? 'history.damaged' : `history.damaged-${i}`;
      if (await this.#isKeptAs(this.#path(name))) return name;
    }
    throw new HoldfastError(
      'HF_STORE',
      `${this.#historyPath} is damaged, and so were ${maxDamaged} before it: remove the history.damaged files there that nobody needs`,
    );
  }

  /** False: that is another one. */
  async #isKeptAs(path: string): Promise<boolean> {
    try {
      await link(this.#historyPath, path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw storeError('write', path, error);
    }
    // Kept before, by an agent that could not write the history anew.
    const [kept, own] = await Promise.all([stat(path), stat(this.#historyPath)]);
    return kept.ino === own.ino && kept.dev === own.dev;
  }

  /** @throws HF_STORE */
  saveNotes(notes: BootNotes): Promise<void> {
    return this.#save(this.notesPath, notes);
  }

  /** What stands there stays if it fails. @throws HF_STORE */
  saveHistory({ records, problem }: ResetHistory): Promise<void> {
    return this.#save(this.#historyPath, { records, problem });
  }

  async #save(path: string, value: unknown): Promise<void> {
    try {
      await makeDirectory(this.#directory);
      await writeDurably(path, `${JSON.stringify(value)}\n`);
    } catch (error) {
      throw storeError('write', path, error);
    }
  }
}

/** @throws HF_STORE if it cannot be read */
async function load<T>(path: string, schema: z.ZodType<T>, maxBytes: number): Promise<Loaded<T>> {
  const part = await readPart(path, 'head', maxBytes).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw storeError('read', path, error);
  });
  if (part === null) return { outcome: 'none' };
  if (part.cut) return { outcome: 'damaged', why: `${path} is longer than ${maxBytes} bytes` };
  try {
    const parsed = schema.safeParse(JSON.parse(part.text));
    if (parsed.success) return { outcome: 'loaded', value: parsed.data };
    return { outcome: 'damaged', why: `${path} is malformed at ${placeOf(parsed.error.issues[0]?.path ?? [])}` };
  } catch (error) {
    if (error instanceof SyntaxError) return { outcome: 'damaged', why: `${path} is not JSON` };
    throw error;
  }
}

function placeOf(path: readonly PropertyKey[]): string {
  return `'${path.map(String).join('.')}'`;
}
