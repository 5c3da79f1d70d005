import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';

/** The kernel keeps some megabytes of lines at most; so many are read. */
const maxLines = 50_000;
/** The kernel gives one record at a time, and none is longer (CONSOLE_EXT_LOG_MAX). */
const recordBytes = 8_192;

/**
 * The lines of the kernel's log, oldest first, without time and level; none where it may not be read.
 * @param root prefix of /dev; only tests set it
 */
export function readKernelLog(root = '/'): readonly string[] {
  let fd: number;
  try {
    fd = openSync(join(root, '/dev/kmsg'), constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return [];
  }
  try {
    const lines: string[] = [];
    const buffer = Buffer.alloc(recordBytes);
    for (let text = readRecord(fd, buffer); text !== '' && lines.length < maxLines; text = readRecord(fd, buffer)) {
      lines.push(...text.split('\n').flatMap(messageOf));
    }
    return lines;
  } finally {
    closeSync(fd);
  }
}

/** Empty at the end. */
function readRecord(fd: number, buffer: Buffer): string {
  for (;;) {
    try {
      return buffer.toString('utf8', 0, readSync(fd, buffer));
    } catch (error) {
      // EPIPE: the record was overwritten while it waited to be read; the next one is there.
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') return '';
    }
  }
}

/** `6,339,5140900,-;text`, and lines of keys that begin with a space. */
function messageOf(line: string): string[] {
  const [, message] = /^\d+,\d+,\d+,[^;]*;(.*)$/.exec(line) ?? [];
  return message === undefined ? [] : [message];
}
