import { nearestName } from '../core/nearest-name.js';

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

/** Of a setting that is not known. @param known names that it may have been meant to be */
export function noCounterpart(name: string, known: Iterable<string>): string {
  const near = nearestName(name, known);
  return `${quoted(name)} has no counterpart${near === undefined ? '' : `: did you mean ${near}?`}`;
}

/** Text of a file within a sentence: short, and on one line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length <= 60 ? text : `${text.slice(0, 57)}...`);
}
