import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { HoldfastError } from '../core/errors.js';

/** Files of a scenario: read within bounds, and what is wrong with one said in a sentence. */

const maxFileBytes = 8 * 1024 * 1024;
const pieceBytes = 64 * 1024;

/** @param place the file, with line or element if that is known */
export function fileProblem(directory: string, place: string, text: string): HoldfastError {
  return new HoldfastError('HF_ARGUMENT', `${join(directory, place)}: ${text}`);
}

/**
 * Null: there is no such file.
 * @throws HoldfastError HF_ARGUMENT if there is one that cannot be read, or has more than 8 MiB
 */
export async function readScenarioText(directory: string, file: string): Promise<string | null> {
  try {
    return decode(await readBounded(join(directory, file)));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw fileProblem(directory, file, error instanceof Unreadable ? error.message : causeOf(error));
  }
}

/** @throws HoldfastError HF_ARGUMENT with the place in the file */
export function parseScenarioJson<Schema extends z.ZodType>(
  directory: string,
  file: string,
  text: string,
  schema: Schema,
): z.infer<Schema> {
  const value = parseJson(directory, file, text);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw fileProblem(directory, file, issue === undefined ? 'it is malformed' : sentenceOf(issue, value));
}

/** Why the file system refuses, for people; remedies are in it. */
export function causeOf(error: unknown): string {
  const code = codeOf(error);
  return Object.hasOwn(causes, code) ? (causes[code] ?? code) : `the system refuses (${code})`;
}

const causes: Readonly<Record<string, string>> = {
  ENOENT: 'it is not there: check the name',
  ENOTDIR: 'it is no directory, or something above it is not: check the path',
  EACCES: 'it may not be used by you (EACCES): change its permissions, or run this as another user',
  EPERM: 'it may not be used by you (EPERM): change its permissions, or run this as another user',
  EROFS: 'its file system is read-only: choose another place',
  ENOSPC: 'its file system is full: make room, or choose another place',
  ENAMETOOLONG: 'its name is too long: choose a shorter one',
  ELOOP: 'its links lead in a circle: correct them',
};

export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error) return String(error.code);
  return error instanceof Error ? error.message : String(error);
}

class Unreadable extends Error {}

async function readBounded(path: string): Promise<Buffer> {
  // O_NONBLOCK: opening a FIFO would else wait for a writer, perhaps for ever.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = await handle.stat();
    if (stat.isDirectory()) throw new Unreadable('it is a directory: put a file there');
    if (!stat.isFile()) throw new Unreadable('it is no regular file: put one there');
    return await readAll(handle);
  } finally {
    await handle.close();
  }
}

/** In pieces: files of the kernel's own file systems state no size. */
async function readAll(handle: FileHandle): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let length = 0; length <= maxFileBytes; ) {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(pieceBytes), 0, pieceBytes, null);
    if (bytesRead === 0) return Buffer.concat(pieces);
    pieces.push(buffer.subarray(0, bytesRead));
    length += bytesRead;
  }
  throw new Unreadable(`it has more than ${maxFileBytes} bytes: make it smaller`);
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Unreadable('it is not UTF-8 text: save it as UTF-8');
  }
}

function parseJson(directory: string, file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const [, position] = /at position (\d+)/.exec(message) ?? [];
    const line = position === undefined ? '' : `:${text.slice(0, Number(position)).split('\n').length}`;
    throw fileProblem(directory, `${file}${line}`, `it is not JSON (${message.split('\n')[0]}): correct it`);
  }
}

type Issue = z.core.$ZodIssue;

/** Schemas state what a value must be. A key has no value. */
function sentenceOf(issue: Issue, input: unknown): string {
  const place = placeOf(issue.path);
  if (issue.code === 'invalid_key') return `${place}it ${issue.issues[0]?.message ?? 'has a name that cannot be used'}`;
  const rule = limitOf(issue) ?? issue.message;
  const value = valueAt(input, issue.path);
  return value === undefined ? `${place}it is missing, and ${rule}` : `${place}it ${rule}, not ${shown(value)}`;
}

/** Of what is too long; what numbers must be is stated by their schemas. */
function limitOf(issue: Issue): string | null {
  if (issue.code !== 'too_big' || (issue.origin !== 'string' && issue.origin !== 'array')) return null;
  return `must have at most ${issue.maximum} ${issue.origin === 'string' ? 'characters' : 'elements'}`;
}

/** Elements of lists count from one, as people do. */
function placeOf(path: readonly PropertyKey[]): string {
  const parts = path.map((part) => (typeof part === 'number' ? `element ${part + 1}` : String(part)));
  return parts.length === 0 ? '' : `${parts.join('.')}: `;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Object.getOwnPropertyDescriptor(value, part)?.value;
  }
  return value;
}

const shownLength = 60;

function shown(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'string' && value.length > shownLength) return `a text of ${value.length} characters`;
  return JSON.stringify(value);
}
