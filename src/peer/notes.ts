/** What is to be said about a file of the peer that was read. */

/**
 * `changed`: taken over, with another spelling or meaning; `ignored`: a setting without a counterpart, the rest of its
 * section is taken over; `refused`: the section or line cannot be taken over.
 */
export type NoteKind = 'changed' | 'ignored' | 'refused';

export interface Note {
  readonly file: string;
  /** From 1; 0: the file as a whole. */
  readonly line: number;
  readonly kind: NoteKind;
  /** One sentence. */
  readonly text: string;
}

/** Collects the notes on one file. */
export class NoteBook {
  readonly notes: Note[] = [];
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  add(kind: NoteKind, line: number, text: string): void {
    this.notes.push({ file: this.#file, line, kind, text });
  }
}

/** Text of a file within a sentence: short, and on one line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length <= 60 ? text : `${text.slice(0, 57)}...`);
}
