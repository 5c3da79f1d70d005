import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs';

/** The lines of JSON that are appended to a file from the construction on, parsed. */
export class LogTail {
  #path;
  #offset;
  #rest = '';
  #records = [];

  constructor(path) {
    this.#path = path;
    this.#offset = existsSync(path) ? statSync(path).size : 0;
  }

  /** All so far; the same array each time. */
  records() {
    if (!existsSync(this.#path)) return this.#records;
    const fd = openSync(this.#path, 'r');
    const bytes = Buffer.alloc(Math.max(0, fstatSync(fd).size - this.#offset));
    this.#offset += readSync(fd, bytes, 0, bytes.length, this.#offset);
    closeSync(fd);
    const lines = (this.#rest + bytes.toString('latin1')).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('{')) this.#records.push(JSON.parse(line));
    return this.#records;
  }
}
