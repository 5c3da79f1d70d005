import { limits } from '../core/cluster-state.js';
import type { NodePriority } from '../core/rules.js';
import { type NoteBook, noCounterpart, quoted } from './notes.js';
import type { Property, Section } from './section-file.js';

const longestComment = 4_096;
const highestPriority = 1_000_000;

/** Reads the settings of one section. What is wrong becomes a note and makes `ok` false. */
export class SectionReader {
  ok = true;
  readonly #section: Section;
  readonly #book: NoteBook;
  readonly #read = new Set<string>();

  constructor(section: Section, book: NoteBook) {
    this.#section = section;
    this.#book = book;
  }

  get name(): string {
    return `${this.#section.type}: ${this.#section.id}`;
  }

  /** As in a heading; a key that stands alone is true. */
  boolean(key: string, otherwise: boolean): boolean {
    const property = this.#take(key);
    if (property === null) return otherwise;
    if (property.value === '') return true;
    const value = parseBoolean(property.value);
    if (value === null) this.#refuse(property, 'must be 0 or 1');
    return value ?? otherwise;
  }

  integer(key: string, otherwise: number, lowest: number, highest: number): number {
    const property = this.#take(key);
    if (property === null) return otherwise;
    const value = Number(property.value);
    if (/^\d{1,9}$/.test(property.value) && value >= lowest && value <= highest) return value;
    this.#refuse(property, `must be an integer from ${lowest} to ${highest}`);
    return otherwise;
  }

  /** One of the words. @param otherwise null: it has to be there */
  word<Word extends string>(key: string, words: readonly Word[], otherwise: Word | null): Word | null {
    const property = this.#take(key);
    if (property === null) {
      if (otherwise === null) this.refuse(this.#section.line, `${this.name} has no ${key}`);
      return otherwise;
    }
    const word = words.find((each) => each === property.value);
    if (word === undefined) this.#refuse(property, `must be one of ${words.join(', ')}`);
    return word ?? otherwise;
  }

  /** Comments are stored percent-encoded. */
  comment(): string {
    const property = this.#take('comment');
    if (property === null) return '';
    const comment = decodeText(property.value);
    if (comment.length <= longestComment) return comment;
    this.#book.add('changed', property.line, `the comment is cut to ${longestComment} characters`);
    return comment.slice(0, longestComment);
  }

  text(key: string): string | null {
    return this.#take(key)?.value ?? null;
  }

  /** A list of names, each once. Has to be there. */
  names(key: string): readonly string[] {
    const property = this.#take(key);
    const names = [...new Set(splitList(property?.value ?? ''))];
    if (names.length === 0) this.refuse(property?.line ?? this.#section.line, `${this.name} has no ${key}`);
    if (names.length > limits.members) {
      this.refuse(property?.line ?? 0, `${this.name} has more than ${limits.members} ${key}`);
    }
    return names;
  }

  /** `name[:priority]` of each; a higher priority wins. Has to be there. */
  nodes(key: string): readonly NodePriority[] {
    const line = this.lineOf(key);
    const byName = new Map<string, NodePriority>();
    for (const item of this.names(key)) {
      const node = parseNodePriority(item);
      if (node === null) {
        this.refuse(line, `${quoted(item)} is not a node, nor NODE:PRIORITY`);
        continue;
      }
      if (byName.has(node.name)) this.changed(key, `${this.name} names ${node.name} twice; the last one counts`);
      byName.set(node.name, node);
    }
    return [...byName.values()];
  }

  lineOf(key: string): number {
    return this.#section.properties.find((property) => property.key === key)?.line ?? this.#section.line;
  }

  changed(key: string, text: string): void {
    this.#book.add('changed', this.lineOf(key), text);
  }

  /** Notes whatever was not asked for, unless there is worse to say. Call it last. */
  finish(): void {
    if (!this.ok) return;
    for (const { key, line } of this.#section.properties) {
      if (this.#read.has(key)) continue;
      this.#book.add('ignored', line, `${this.name}: ${noCounterpart(key, this.#read)}`);
    }
  }

  refuse(line: number, text: string): void {
    this.ok = false;
    this.#book.add('refused', line, text);
  }

  #refuse(property: Property, rule: string): void {
    this.refuse(property.line, `${this.name}: ${property.key} ${rule}, not ${quoted(property.value)}`);
  }

  #take(key: string): Property | null {
    this.#read.add(key);
    return this.#section.properties.find((property) => property.key === key) ?? null;
  }
}

const booleans: Readonly<Record<string, boolean>> = {
  '1': true,
  on: true,
  yes: true,
  true: true,
  '0': false,
  off: false,
  no: false,
  false: false,
};

/** Null: neither. */
export function parseBoolean(text: string): boolean | null {
  const word = text.toLowerCase();
  return Object.hasOwn(booleans, word) ? (booleans[word] ?? null) : null;
}

/** The peer separates the items of a list by commas, semicolons or blanks. */
export function splitList(text: string): string[] {
  return text.split(/[,;\s]+/).filter((item) => item !== '');
}

/** `name` or `name:priority`. Null: neither. */
export function parseNodePriority(text: string): NodePriority | null {
  const [, name, digits = '0'] = /^([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::(\d{1,7}))?$/.exec(text) ?? [];
  const priority = Number(digits);
  return name === undefined || priority > highestPriority ? null : { name, priority };
}

function decodeText(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}
