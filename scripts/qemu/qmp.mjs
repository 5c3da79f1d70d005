import { instantOfStamp } from './host-clock.mjs';
import { openLineSocket } from './line-socket.mjs';

const answerMs = 30_000;

/** QEMU's own protocol: commands to the machine, and its events with the instant at which each happened. */
export class Qmp {
  #socket = null;
  #waiting = [];
  #onEvent;

  /** `onEvent({ name, atMs, data })`. */
  constructor(onEvent) {
    this.#onEvent = onEvent;
  }

  async open(path, options) {
    this.#socket = await openLineSocket(path, (line) => this.#take(line), options);
    await this.send('qmp_capabilities');
  }

  /** The command's answer; rejects if QEMU refuses it, or does not answer. */
  send(execute, args) {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`QEMU does not answer ${execute}`)), answerMs);
      this.#waiting.push(({ error, return: answer }) => {
        clearTimeout(late);
        if (error === undefined) resolve(answer);
        else reject(new Error(`QEMU refuses ${execute}: ${error.desc}`));
      });
      this.#socket.write(`${JSON.stringify({ execute, ...(args && { arguments: args }) })}\n`);
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
      this.#waiting.shift()?.(message);
    }
  }
}
