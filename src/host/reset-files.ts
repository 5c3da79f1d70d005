import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type BootNotes, type ResetRecord, resetLimits } from '../agent/reset-record.js';
import { readPart } from './bounded-file.js';
import { makeDirectory, writeDurably } from './file-store.js';

/** What a node keeps of its resets, below `resets` of its state directory: the notes of this boot, and the history. */

const maxBytes = 4 * 1024 * 1024;

/** Instants that a Date can hold, with room for sums. */
const instant = z.int().min(0).max(4e15);
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
  panic: text.nullable(),
});

const peersSchema = z.object({
  lostMs: instant.nullable(),
  fenced: z
    .object({ proof: z.enum(['takeover', 'reboot', 'operator']).nullable(), atMs: instant.nullable() })
    .nullable(),
  releasedMs: instant.nullable(),
  backMs: instant.nullable(),
});

const recordSchema: z.ZodType<ResetRecord> = z.object({
  evidence: z.object({
    endedBootId: bootId.nullable(),
    bootId,
    foundMs: instant,
    bootedMs: instant,
    notes: finding(notesSchema),
    watchdog: finding(z.object({ device: text, emulated: z.boolean(), causedReset: z.boolean().nullable() })),
    validation: z.object({ device: text, beganMs: instant }).nullable(),
    dumps: finding(z.array(dumpSchema).max(resetLimits.dumps)),
    log: finding(logSchema),
    peers: finding(peersSchema),
  }),
  gathered: z.boolean(),
  acknowledgedMs: instant.nullable(),
});

const historySchema: z.ZodType<ResetHistory> = z.object({
  records: z.array(recordSchema).max(resetLimits.records),
  problem: text.nullable(),
});

export interface ResetHistory {
  /** Oldest first. */
  readonly records: readonly ResetRecord[];
  /** What has become of an earlier history; null: nothing. */
  readonly problem: string | null;
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
    return join(this.#directory, 'boot.json');
  }

  loadNotes(): Promise<Loaded<BootNotes>> {
    return this.#load('boot.json', notesSchema);
  }

  loadHistory(): Promise<Loaded<ResetHistory>> {
    return this.#load('history.json', historySchema);
  }

  /** What is damaged is kept, for people, as `history.damaged`. */
  async setHistoryAside(): Promise<void> {
    await rename(join(this.#directory, 'history.json'), join(this.#directory, 'history.damaged'));
  }

  saveNotes(notes: BootNotes): Promise<void> {
    return this.#save('boot.json', notes);
  }

  saveHistory(history: ResetHistory): Promise<void> {
    return this.#save('history.json', history);
  }

  async #load<T>(name: string, schema: z.ZodType<T>): Promise<Loaded<T>> {
    const path = join(this.#directory, name);
    try {
      const { text, cut } = await readPart(path, 'head', maxBytes);
      if (cut) return { outcome: 'damaged', why: `${path} is longer than ${maxBytes} bytes` };
      const parsed = schema.safeParse(JSON.parse(text));
      if (parsed.success) return { outcome: 'loaded', value: parsed.data };
      const where = parsed.error.issues[0]?.path.join('.') ?? '';
      return { outcome: 'damaged', why: `${path} is malformed at '${where}'` };
    } catch (error) {
      if (error instanceof SyntaxError) return { outcome: 'damaged', why: `${path} is not JSON` };
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      return code === 'ENOENT' ? { outcome: 'none' } : { outcome: 'damaged', why: `${path} cannot be read (${code})` };
    }
  }

  async #save(name: string, value: unknown): Promise<void> {
    await makeDirectory(this.#directory);
    await writeDurably(join(this.#directory, name), `${JSON.stringify(value)}\n`);
  }
}
