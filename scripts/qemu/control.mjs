/** Of what a command said before it failed. */
const maxSaid = 300;

/** Shell commands for the guest, by its control port; see guest/control. */
export class Control {
  #write;
  #pending = new Map();
  #number = 0;

  constructor(write) {
    this.#write = write;
  }

  /** The command's output; rejects if it fails, is late, or the guest is reset meanwhile. */
  run(command, limitMs) {
    this.#number += 1;
    const id = String(this.#number);
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => this.#end(id, new Error(`no answer within ${limitMs} ms: ${command}`)), limitMs);
      this.#pending.set(id, { command, lines: [], late, resolve, reject });
      this.#write(`${id} ${command}\n`);
    });
  }

  take(line) {
    const [, id = '', sign, rest = ''] = /^(\d+) ([|=]) ?(.*)$/.exec(line) ?? [];
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    if (sign === '|') pending.lines.push(rest);
    else if (rest === '0') this.#end(id, null);
    else
      this.#end(
        id,
        new Error(`'${pending.command}' ended with ${rest}: ${pending.lines.join(' / ').slice(0, maxSaid)}`),
      );
  }

  /** Nothing that was asked will be answered. */
  abandon(reason) {
    for (const id of [...this.#pending.keys()]) this.#end(id, new Error(reason));
  }

  #end(id, error) {
    const { lines, late, resolve, reject } = this.#pending.get(id);
    clearTimeout(late);
    this.#pending.delete(id);
    if (error === null) resolve(lines.join('\n').trim());
    else reject(error);
  }
}
