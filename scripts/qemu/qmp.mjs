import { instantOfStamp } from './host-clock.mjs';
import { openLineSocket } from './line-socket.mjs';

const answerMs = 30_000;

/** QEMU's own protocol: commands to the machine, and its events with the instant at which each happened. */
export class Qmp {
  #socket = null;
  #waiting = new Map();
  #number = 0;
  #onEvent;
  #limitMs;

  /** `onEvent({ name, atMs, data })`; `limitMs`: how long a command waits for its answer. */
  constructor(onEvent, limitMs = answerMs) {
    this.#onEvent = onEvent;
    this.#limitMs = limitMs;
  }

  async open(path, options) {
    this.#socket = await openLineSocket(path, (line) => this.#take(line), options);
    await this.send('qmp_capabilities');
  }

  /** The command's answer; rejects if QEMU refuses it, or does not answer. */
  send(execute, args) {
    this.#number += 1;
    const id = this.#number;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`QEMU does not answer ${execute}`));
      }, this.#limitMs);
      this.#waiting.set(id, ({ error, return: answer }) => {
        clearTimeout(late);
        if (error === undefined) resolve(answer);
        else reject(new Error(`QEMU refuses ${execute}: ${error.desc}`));
      });
      this.#socket.write(`${JSON.stringify({ execute, id, ...(args && { arguments: args }) })}\n`);
    });
  }

  close() {
    this.#socket?.destroy();
  }

  #take(line) {
    const message = JSON.parse(line);
    if (message.event !== undefined) {
      const { event, timestamp, data = {} } = message;
      this.#onEvent({ name: event, atMs: instantOfStamp(timestamp), data });
    } else if (message.QMP === undefined) {
      const answer = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      answer?.(message);
    }
  }
}
