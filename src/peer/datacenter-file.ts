import type { ClusterOptions } from '../core/cluster-options.js';
import { type Note, NoteBook, noCounterpart, quoted } from './notes.js';
import { parsePeerOption, peerOptions } from './option-names.js';

export interface DatacenterFile {
  /** What the file says; what it does not say stays as it is. */
  readonly options: Partial<ClusterOptions>;
  readonly notes: readonly Note[];
}

interface Entry {
  /** Of the peer's property string: `crs` or `ha`. */
  readonly table: string;
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

/**
 * datacenter.cfg of the peer: lines `crs: ha=static,…` and `ha: shutdown_policy=…`; or, as its simulator has it, one
 * JSON object. Other options have nothing to do with high availability, and are passed over. @param file only named in the notes
 */
export function parseDatacenter(text: string, file: string): DatacenterFile {
  const book = new NoteBook(file);
  const entries = text.trimStart().startsWith('{') ? entriesOfJson(text, book) : entriesOfLines(text, book);
  let options: Partial<ClusterOptions> = {};
  for (const { table, key, value, line } of entries) {
    const parsed = belongs[table]?.test(key) === true ? parsePeerOption(key, value) : null;
    if (parsed === null) book.add('ignored', line, `${table}: ${noCounterpart(key, namesIn(table))}`);
    else if ('problem' in parsed) book.add('refused', line, `${table}: ${parsed.problem}`);
    else {
      options = { ...options, ...parsed.changes };
      if (parsed.note !== null) book.add('changed', line, `${table}: ${parsed.note}`);
    }
  }
  return { options, notes: book.notes };
}

/** The options of each table that is read. */
const belongs: Readonly<Record<string, RegExp>> = { crs: /^ha(-|$)/, ha: /^(shutdown_policy|freeze-limit)$/ };
const tables: readonly string[] = Object.keys(belongs);

function namesIn(table: string): string[] {
  return Object.keys(peerOptions).filter((name) => belongs[table]?.test(name));
}

function entriesOfLines(text: string, book: NoteBook): Entry[] {
  const lineOf = new Map<string, number>();
  return text.split('\n').flatMap((raw, at) => {
    const line = at + 1;
    const content = raw.trim();
    if (content === '' || content.startsWith('#')) return [];
    const [, table, value = ''] = /^([a-z0-9_-]+):\s*(.*)$/i.exec(content) ?? [];
    if (table === undefined) book.add('refused', line, `${quoted(content)} is not written NAME: VALUE`);
    if (table === undefined || !tables.includes(table)) return [];
    const earlier = lineOf.get(table);
    if (earlier === undefined) {
      lineOf.set(table, line);
      return entriesOfString(table, value, line, book);
    }
    book.add('refused', line, `${table} stands in line ${earlier} already; the first one counts`);
    return [];
  });
}

/** A property string: `key=value,key=value`; the first value may stand without its key, which is `ha`. */
function entriesOfString(table: string, text: string, line: number, book: NoteBook): Entry[] {
  const parts = text.split(',').map((part) => part.trim());
  const entries = parts.flatMap((part, at): Entry[] => {
    const equals = part.indexOf('=');
    if (equals > 0) return [{ table, key: part.slice(0, equals).trim(), value: part.slice(equals + 1).trim(), line }];
    if (part !== '' && equals < 0 && at === 0 && table === 'crs') return [{ table, key: 'ha', value: part, line }];
    if (part !== '') book.add('refused', line, `${table}: ${quoted(part)} is not written NAME=VALUE`);
    return [];
  });
  return entries.filter(({ key }, at) => {
    const isFirst = entries.findIndex((each) => each.key === key) === at;
    if (!isFirst) book.add('refused', line, `${table}: ${quoted(key)} is given twice; the first one counts`);
    return isFirst;
  });
}

function entriesOfJson(text: string, book: NoteBook): Entry[] {
  const parsed = parseJson(text);
  if (!isTable(parsed)) {
    book.add('refused', 0, 'the file begins with { but is not a JSON object');
    return [];
  }
  return tables.flatMap((table) => {
    const value = parsed[table];
    if (value === undefined) return [];
    if (typeof value === 'string') return entriesOfString(table, value, 0, book);
    if (!isTable(value)) {
      book.add('refused', 0, `${table} is neither an object nor a string`);
      return [];
    }
    return Object.entries(value).map(([key, each]) => ({ table, key, value: String(each), line: 0 }));
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
