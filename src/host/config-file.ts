import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type Config, parseConfig } from '../agent/config.js';
import { HoldfastError } from '../core/errors.js';

export const defaultConfigFile = '/etc/holdfast/holdfast.toml';

const maxFileBytes = 64 * 1024;

/**
 * Reads the agent's configuration file. Throws a HoldfastError (HF_CONFIG) if it cannot: one sentence that names the
 * file, the cause and the remedy.
 * @param named the file that somebody asked for, which has to be there; undefined: the usual one, or defaults without it
 */
export function loadConfig(named: string | undefined): Config {
  const path = named ?? defaultConfigFile;
  const bytes = readBounded(path);
  if (bytes === undefined && named !== undefined) {
    throw refuse(path, `is not there: correct its path, or do not name one, for ${defaultConfigFile} or the defaults`);
  }
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
