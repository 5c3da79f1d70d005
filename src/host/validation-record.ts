/**
 * What is kept of validations in `stateDir/watchdog`: `run`, lines that a validation under way appends, each durable
 * before it goes on; and `NAME.json` for each device, the verdict of its last run.
 */
import {
  close,
  closeSync,
  constants,
  fdatasync,
  fsyncSync,
  linkSync,
  openSync,
  rmSync,
  write,
  writeSync,
} from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { HoldfastError } from '../core/errors.js';
import type { Board } from './board.js';
import { readPart } from './bounded-file.js';
import { storeError, writeDurably } from './file-store.js';

/** Instants that a Date can hold, with room for sums. */
const maxInstantMs = 4e15;
const instant = z.number().min(0).max(maxInstantMs);
export const maxTextCharacters = 1_000;
const text = z.string().max(maxTextCharacters);

/** Instants are CLOCK_BOOTTIME milliseconds unless they are called wall…Ms. */
export const stepSchema = z.discriminatedUnion('step', [
  /** Written before the device is opened. */
  z.object({
    step: z.literal('begin'),
    run: z.string().regex(/^[0-9a-f]{16}$/),
    device: text,
    driver: text.nullable(),
    kind: z.enum(['hardware', 'software']),
    identity: text,
    board: text,
    machine: text.nullable(),
    firmware: text.nullable(),
    bootId: text,
    pid: z.int().positive(),
    /** Of /proc/PID/stat, so that another process with this pid is not taken for it. */
    pidStarted: text,
    bootMs: instant,
    wallMs: instant,
    timeoutAskedS: z.int().positive(),
  }),
  /** What was measured while it was petted. */
  z.object({
    step: z.literal('measured'),
    identity: text,
    timeoutS: z.int().positive(),
    /** Before it was armed. */
    bootStatus: z.int().nonnegative(),
    /** So much does the board's clock, from which the next kernel takes its time, differ from ours; null: no such clock. */
    boardClockErrorMs: instant.nullable(),
    /** What the driver makes of a timeout; null: it refuses it. */
    rounding: z.array(z.object({ askedS: z.int(), setS: z.int().nullable() })).max(32),
    /** Null: the driver does not tell, or tells 0. */
    timeLeftS: z.int().nullable(),
    pets: z.object({ count: z.int().positive(), medianMs: instant, maxMs: instant }),
  }),
  /** From here on the machine may be reset by the watchdog. */
  z.object({ step: z.literal('last-pet-due'), bootMs: instant }),
  z.object({ step: z.literal('last-pet'), startMs: instant, endMs: instant, wallMs: instant }),
  /** By `untilMs` the watchdog has been disarmed, or petted where it cannot be, unless another sign was durable before. */
  z.object({ step: z.literal('alive'), bootMs: instant, untilMs: instant }),
  /** Ended before the last pet: nothing was tried. */
  z.object({ step: z.literal('aborted'), reason: text }),
  /** The run lost its hold of the device after the last pet: a reset from here on proves nothing. */
  z.object({ step: z.literal('interrupted'), reason: text }),
  /** The whole wait has passed without a reset. */
  z.object({ step: z.literal('outlived'), bootMs: instant }),
]);

export type Step = z.infer<typeof stepSchema>;
export type Begin = Extract<Step, { step: 'begin' }>;
export type Measured = Extract<Step, { step: 'measured' }>;
/** The last word of a process that has outlived its run. */
export type Ending = Extract<Step, { step: 'aborted' | 'interrupted' | 'outlived' }>;

const resultSchema = z.object({
  run: z.string(),
  device: text,
  driver: text.nullable(),
  kind: z.enum(['hardware', 'software']),
  identity: text,
  board: text,
  /** As in Board; not there in a record of an earlier version, which does not count. */
  machine: text.nullable().optional(),
  firmware: text.nullable().optional(),
  /** Beginning of the run, ISO 8601. */
  when: text.refine((when) => instant.safeParse(Date.parse(when)).success),
  /** The boot in which it was begun, and which it was to end; null: a record of an earlier version. */
  bootBefore: text.nullable().default(null),
  /** The boot that came after the run, in which it got its verdict; null: the machine outlived the run. */
  bootAfter: text.nullable().default(null),
  timeoutAskedS: z.int().positive(),
  /** As read back; null: the run ended before. */
  timeoutS: z.int().positive().nullable(),
  verdict: z.enum(['resets', 'did-not-reset', 'unfinished']),
  /** Not null where it resets: from the last pet to the reset passes this times the timeout, and less than 2 s. */
  kappa: z.union([z.literal(1), z.literal(2)]).nullable(),
  /** From the last pet to the reset. Null: not measured. */
  measuredMs: z.number().nullable(),
  /** The reset came within so much of `measuredMs`, before or after. */
  uncertaintyMs: z.number().nullable(),
  /** The verdict as a sentence, and those that it rests on. */
  sentence: z.string(),
  evidence: z.array(z.string()),
  rounding: z.array(z.object({ askedS: z.int(), setS: z.int().nullable() })),
  timeLeftS: z.int().nullable(),
  pets: z.object({ count: z.int(), medianMs: z.number(), maxMs: z.number() }).nullable(),
});

export type Validation = Readonly<z.infer<typeof resultSchema>>;

/** What a record belongs to. */
export interface Subject extends Board {
  readonly device: string;
  readonly driver: string | null;
  /** `unknown` where only opening the device would tell. */
  readonly identity: string;
}

/** Why a record says nothing about a device, or null. */
export function mismatch(validation: Validation, subject: Subject): string | null {
  const was = (what: string, then: string | null) => `it was validated with the ${what} ${then ?? 'unknown'}`;
  const { device, driver, identity, board, machine, firmware } = validation;
  if (device !== subject.device) return was('device', device);
  if (driver !== subject.driver) return was('driver', driver);
  if (subject.identity !== 'unknown' && identity.trim() !== subject.identity.trim()) return was('identity', identity);
  if (board !== subject.board) return was('board', board);
  if (machine === undefined || firmware === undefined)
    return 'an earlier version recorded it, without the serial number and the firmware of the machine';
  if (machine !== subject.machine) return 'it was validated on another machine of this name, by UUID and serial number';
  if (firmware === subject.firmware) return null;
  return `${was('firmware', firmware)}, and this machine now has ${subject.firmware ?? 'an unknown one'}`;
}

/** As the kernel names watchdogs; not the copies that somebody keeps beside a record. */
const recordName = /^watchdog\d{0,2}\.json$/;

/** As long as a run with a timeout of a minute: a file that does not grow needs one write a step, and no journal of the file system. */
const runFileBytes = 131_072;
/** Longer timeouts, and what the witness writes. */
const maxFileBytes = 2 * runFileBytes;

export interface ValidationRecords {
  readonly results: readonly Validation[];
  /** Devices whose verdict is damaged or cannot be read, with the path of its record. */
  readonly damaged: ReadonlyMap<string, string>;
}

export class ValidationFiles {
  readonly #directory: string;

  /** @param stateDir the agent's state directory */
  constructor(stateDir: string) {
    this.#directory = join(stateDir, 'watchdog');
  }

  get runPath(): string {
    return join(this.#directory, 'run');
  }

  /** What is recorded of the watchdogs. @throws HF_STORE if the directory of the records cannot be read */
  async records(): Promise<ValidationRecords> {
    const names = (await namesIn(this.#directory)).filter((name) => recordName.test(name));
    const records = await Promise.all(names.map((name) => readRecord(join(this.#directory, name))));
    const damaged = records.filter(({ result }) => result === null);
    return {
      results: records.flatMap(({ result }) => (result === null ? [] : [result])),
      damaged: new Map(damaged.map(({ path }) => [deviceOf(path), path])),
    };
  }

  /** The verdicts, but for those that are damaged. @throws HF_STORE as above */
  async results(): Promise<readonly Validation[]> {
    return (await this.records()).results;
  }

  /** @throws HF_STORE */
  async writeResult(result: Validation): Promise<void> {
    await stored(this.#directory, async () => {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      await writeDurably(
        join(this.#directory, `${basename(result.device)}.json`),
        `${JSON.stringify(result, null, 2)}\n`,
      );
    });
  }

  /** The steps of the run that was begun and has no verdict yet; null: there is none. @throws HF_STORE */
  async run(): Promise<readonly Step[] | null> {
    try {
      const { text: content, cut } = await readPart(this.runPath, 'head', maxFileBytes);
      if (!cut) return parseSteps(content);
    } catch (error) {
      if (isMissing(error)) return null;
      throw storeError('read', this.runPath, error);
    }
    throw damagedRun(this.runPath);
  }

  async removeRun(): Promise<void> {
    await stored(this.#directory, () => rm(this.runPath, { force: true }));
  }

  /** Begins a run. @throws HF_CONFLICT if one is under way, HF_STORE */
  async begin(first: Begin): Promise<RunFile> {
    return stored(this.#directory, async () => {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      return RunFile.create(this.runPath, first);
    });
  }
}

/** Lines that were not written to their end do not count. */
export function parseSteps(content: string): readonly Step[] {
  const lines = content
    .split('\n')
    .slice(0, -1)
    .filter((line) => line !== '');
  return lines.map((line) => parsed(stepSchema, line)).filter((step) => step !== undefined);
}

/** The file of a run under way. */
export class RunFile {
  readonly #path: string;
  readonly #fd: number;
  #length = 0;

  private constructor(path: string, fd: number) {
    this.#path = path;
    this.#fd = fd;
  }

  /** It is there with its first step, or not at all. Throws errors of the file system. */
  static create(path: string, first: Begin): RunFile {
    const whole = `${path}.${process.pid}`;
    try {
      const fd = openSync(whole, constants.O_CREAT | constants.O_TRUNC | constants.O_WRONLY, 0o600);
      const file = new RunFile(path, fd);
      const line = lineOf(first);
      file.#length = line.length;
      writeSync(fd, Buffer.concat([line, Buffer.alloc(runFileBytes - line.length, '\n')]));
      fsyncSync(fd);
      // Not by a rename, which would replace the run of another process.
      linkSync(whole, path);
      return file;
    } finally {
      rmSync(whole, { force: true });
      syncDirectory(dirname(path));
    }
  }

  /**
   * Resolves when the step is durable. Nothing waits in the program meanwhile, and a step that follows is written beside
   * it: storage that stalls must not keep anybody from disarming a watchdog.
   * @throws HF_STORE
   */
  async append(step: Step): Promise<void> {
    const line = lineOf(step);
    const position = this.#length;
    this.#length += line.length;
    try {
      const { bytesWritten } = await writeAt(this.#fd, line, 0, line.length, position);
      if (bytesWritten < line.length) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
      await datasync(this.#fd);
    } catch (error) {
      throw storeError('write', this.#path, error);
    }
  }

  /** Waits for nothing. */
  close(): void {
    close(this.#fd, () => undefined);
  }
}

const writeAt = promisify(write);
const datasync = promisify(fdatasync);

function lineOf(step: Step): Buffer {
  return Buffer.from(`${JSON.stringify(step)}\n`);
}

function syncDirectory(path: string): void {
  const directory = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function parsed<T>(schema: z.ZodType<T>, content: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(content)).data;
  } catch {
    return undefined;
  }
}

interface ResultRecord {
  readonly path: string;
  /** Null: it is damaged, or cannot be read, and may be that of a watchdog that does not reset. */
  readonly result: Validation | null;
}

async function readRecord(path: string): Promise<ResultRecord> {
  const content = await readPart(path, 'head', maxFileBytes).then(
    ({ text: whole, cut }) => (cut ? '' : whole),
    () => '',
  );
  const result = parsed(resultSchema, content);
  return { path, result: result?.device === deviceOf(path) ? result : null };
}

function deviceOf(path: string): string {
  return `/dev/${basename(path, '.json')}`;
}

/** A run that says no more than that something was tried. */
export function damagedRun(path: string): HoldfastError {
  const sentence = `${path} is damaged, so that nobody can tell which watchdog was validated, and with what result: remove it, and validate each watchdog again`;
  return new HoldfastError('HF_STORE', sentence);
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isMissing(error)) return [];
    throw storeError('read', directory, error);
  }
}

function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}

async function stored<T>(directory: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new HoldfastError('HF_CONFLICT', `a validation is under way (${join(directory, 'run')}): wait for it`, {
        cause: error,
      });
    throw storeError('write', directory, error);
  }
}
