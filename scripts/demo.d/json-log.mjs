import { closeSync, openSync, readSync } from 'node:fs';

const chunkBytes = 65_536;

/** Reads a growing file of JSON lines, from its beginning. */
export class JsonLog {
  records = [];
  #path;
  #offset = 0;
  #rest = '';

  constructor(path) {
    this.#path = path;
  }

  /** Takes in what was written since. A file that is not there yet is empty. */
  read() {
    for (const line of this.#lines()) this.records.push(JSON.parse(line));
  }

  #lines() {
    let file;
    try {
      file = openSync(this.#path, 'r');
    } catch (error) {
      if (error.code === 'ENOENT') return [];
      throw error;
    }
    try {
      const chunk = Buffer.alloc(chunkBytes);
      for (;;) {
        const length = readSync(file, chunk, 0, chunkBytes, this.#offset);
        if (length === 0) break;
        this.#offset += length;
        this.#rest += chunk.toString('latin1', 0, length); // the lines are ASCII
      }
    } finally {
      closeSync(file);
    }
    const lines = this.#rest.split('\n');
    this.#rest = lines.pop();
    return lines;
  }
}
