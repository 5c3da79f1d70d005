import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type Config, parseConfig } from '../agent/config.js';
import { HoldfastError } from '../core/errors.js';

export const defaultConfigFile = '/etc/holdfast/holdfast.toml';

const maxFileBytes = 64 * 1024;

/**
 * Reads the agent's configuration file; one that does not exist means defaults. Throws a HoldfastError
 * (HF_CONFIG) for whatever else: one sentence that names the file, the cause and the remedy.
 */
export function loadConfig(path: string): Config {
  const bytes = readBounded(path);
  return parseConfig(bytes === undefined ? '' : decode(bytes, path), path);
}

/** At most `maxFileBytes`; undefined when there is no such file. */
function readBounded(path: string): Uint8Array | undefined {
  let fd: number | undefined;
  try {
    // O_NONBLOCK: opening a FIFO would else wait for a writer, perhaps for ever.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw refuse(path, 'is a directory: give the path of a file');
    if (!stat.isFile()) throw refuse(path, 'is not a regular file: give the path of one');
    return readUpTo(fd, maxFileBytes, path);
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    if (code === 'ENOENT') return undefined;
    throw refuse(path, `cannot be read (${code}): correct its path or its permissions`, error);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function readUpTo(fd: number, limit: number, path: string): Uint8Array {
  const buffer = Buffer.alloc(limit + 1);
  let length = 0;
  for (let read = -1; read !== 0 && length < buffer.length; length += read) {
    read = readSync(fd, buffer, length, buffer.length - length, null);
  }
  if (length > limit) throw refuse(path, `is larger than ${limit} bytes: that is no configuration file`);
  return buffer.subarray(0, length);
}

function decode(bytes: Uint8Array, path: string): string {
  if (bytes.includes(0)) throw refuse(path, 'holds binary data, not TOML text: restore it or remove it');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw refuse(path, 'is not UTF-8 text: save it as UTF-8', error);
  }
}

function refuse(path: string, sentence: string, cause?: unknown): HoldfastError {
  return new HoldfastError('HF_CONFIG', `the configuration file ${path} ${sentence}`, { cause });
}
