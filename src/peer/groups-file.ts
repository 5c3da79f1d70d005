import type { Group } from '../core/rules.js';
import { type Note, NoteBook } from './notes.js';
import { parseSections, type Section } from './section-file.js';
import { SectionReader } from './section-reader.js';

export interface GroupsFile {
  readonly groups: readonly { readonly group: Group; readonly line: number }[];
  readonly notes: readonly Note[];
}

/** groups.cfg of the peer. @param file only named in the notes */
export function parseGroups(text: string, file: string): GroupsFile {
  const book = new NoteBook(file);
  const groups = parseSections(text, book).flatMap((section) => {
    const group = parseGroup(section, book);
    return group === null ? [] : [{ group, line: section.line }];
  });
  return { groups, notes: book.notes };
}

function parseGroup(section: Section, book: NoteBook): Group | null {
  const reader = new SectionReader(section, book);
  if (section.type !== 'group') {
    reader.refuse(section.line, `a section of type ${section.type} does not belong in a file of groups`);
    return null;
  }
  const group: Group = {
    name: section.id,
    nodes: reader.nodes('nodes'),
    restricted: reader.boolean('restricted', false),
    nofailback: reader.boolean('nofailback', false),
    comment: reader.comment(),
  };
  reader.finish();
  return reader.ok ? group : null;
}
