import { write } from 'node:fs';

/** Writes beside the program, and calls back when the text is out or is not going to be. */
export type WriteBeside = (text: string, done: () => void) => void;

const toStandardError: WriteBeside = (text, done) => write(2, text, () => done());

const maxWaitingCharacters = 4_096;

/**
 * What a validation says to its operator. A terminal that is stopped (Ctrl-S), a serial console or a log on storage that
 * stalls must not hold up its signs of life: the watchdog would not be disarmed, and its reset be taken for an earlier one.
 */
export class ValidationWords {
  readonly #write: WriteBeside;
  #waiting = '';
  #isWriting = false;
  #onSilence: () => void = () => undefined;

  /** @param writeBeside only tests set it */
  constructor(writeBeside: WriteBeside = toStandardError) {
    this.#write = writeBeside;
  }

  /** Returns at once. What is said while nothing gets out is lost after some lines. */
  say(text: string): void {
    if (this.#waiting.length < maxWaitingCharacters) this.#waiting += `${text}\n`;
    if (!this.#isWriting) this.#writeNext();
  }

  /** Resolves when all is out that was said. */
  silence(): Promise<void> {
    return new Promise((resolve) => {
      this.#onSilence = resolve;
      if (!this.#isWriting) resolve();
    });
  }

  /** One after the other: each that is held up holds one of the few threads that the signs of life are stored by. */
  #writeNext(): void {
    const text = this.#waiting;
    this.#waiting = '';
    this.#isWriting = text !== '';
    if (this.#isWriting) this.#write(text, () => this.#writeNext());
    else this.#onSilence();
  }
}
