import { type NoteBook, quoted } from './notes.js';

/**
 * The peer's section files (resources.cfg, groups.cfg, rules.cfg): a line `type: id`, then an indented line
 * `key value` for each setting, then an empty line. Lines that begin with # are comments.
 */

export interface Property {
  readonly key: string;
  /** Empty: the key stood alone. */
  readonly value: string;
  readonly line: number;
}

export interface Section {
  readonly type: string;
  readonly id: string;
  readonly line: number;
  readonly properties: readonly Property[];
}

interface OpenSection extends Section {
  readonly properties: Property[];
}

/** Reads what can be read; for every other line there is a note of kind `refused`. */
export function parseSections(text: string, book: NoteBook): readonly Section[] {
  const sections: OpenSection[] = [];
  let open: OpenSection | null = null;
  for (const [at, raw] of text.split('\n').entries()) {
    const line = at + 1;
    const content = raw.trimEnd();
    if (content === '') open = null;
    if (content === '' || /^\s*#/.test(content)) continue;
    if (/^\s/.test(content)) addProperty(open, content.trim(), line, book);
    else {
      open = parseHeader(content, line, book);
      if (open !== null && isNew(open, sections, book)) sections.push(open);
    }
  }
  return sections;
}

function parseHeader(content: string, line: number, book: NoteBook): OpenSection | null {
  const [, type, id] = /^([^\s:]+):\s*(\S+)$/.exec(content) ?? [];
  if (type !== undefined && id !== undefined) return { type, id, line, properties: [] };
  book.add('refused', line, `${quoted(content)} is neither a heading "type: name" nor an indented setting`);
  return null;
}

function isNew(section: Section, sections: readonly Section[], book: NoteBook): boolean {
  const earlier = sections.find(({ type, id }) => type === section.type && id === section.id);
  if (earlier === undefined) return true;
  book.add('refused', section.line, `${section.type}: ${section.id} stands in line ${earlier.line} already`);
  return false;
}

function addProperty(section: OpenSection | null, content: string, line: number, book: NoteBook): void {
  const [, key = '', value = ''] = /^(\S+)\s*(.*)$/.exec(content) ?? [];
  if (section === null) book.add('refused', line, `${quoted(content)} belongs to no section`);
  else if (section.properties.some((property) => property.key === key)) {
    book.add('refused', line, `${key} is given twice in ${section.type}: ${section.id}; the first one counts`);
  } else section.properties.push({ key, value, line });
}
