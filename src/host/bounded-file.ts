import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** A part of a file, and when it was last written. */
export interface FilePart {
  readonly text: string;
  readonly modifiedMs: number;
  /** The whole file was longer. */
  readonly cut: boolean;
}

/**
 * The first (`head`) or last (`tail`) so many bytes of a regular file.
 * @throws what the file system says; ENXIO for what is no regular file
 */
export async function readPart(path: string, end: 'head' | 'tail', maxBytes: number): Promise<FilePart> {
  // O_NONBLOCK: opening a FIFO would else wait for a writer, perhaps for ever.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw Object.assign(new Error(`ENXIO: ${path} is not a regular file`), { code: 'ENXIO' });
    const position = end === 'tail' ? Math.max(0, stat.size - maxBytes) : 0;
    const buffer = Buffer.alloc(maxBytes);
    let length = 0;
    // Files of the kernel's own file systems may state no size, and give what they have in pieces.
    for (let read = -1; read !== 0 && length < maxBytes; length += read) {
      read = (await file.read(buffer, length, maxBytes - length, position + length)).bytesRead;
    }
    return { text: buffer.toString('utf8', 0, length), modifiedMs: stat.mtimeMs, cut: stat.size > maxBytes };
  } finally {
    await file.close();
  }
}
