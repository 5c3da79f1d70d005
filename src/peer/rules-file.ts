import type { Rule } from '../core/rules.js';
import { type Note, NoteBook } from './notes.js';
import { parseSections, type Section } from './section-file.js';
import { SectionReader } from './section-reader.js';

export interface RulesFile {
  readonly rules: readonly { readonly rule: Rule; readonly line: number }[];
  readonly notes: readonly Note[];
}

/** rules.cfg of the peer. @param file only named in the notes */
export function parseRules(text: string, file: string): RulesFile {
  const book = new NoteBook(file);
  const rules = parseSections(text, book).flatMap((section) => {
    const reader = new SectionReader(section, book);
    const rule = parseRule(section, reader);
    reader.finish();
    return rule === null || !reader.ok ? [] : [{ rule, line: section.line }];
  });
  return { rules, notes: book.notes };
}

const affinities = ['positive', 'negative'] as const;

function parseRule(section: Section, reader: SectionReader): Rule | null {
  const common = {
    id: section.id,
    resources: reader.names('resources'),
    disabled: reader.boolean('disable', false),
    comment: reader.comment(),
  };
  if (section.type === 'node-affinity') {
    const affinity = reader.word('affinity', affinities, 'positive') ?? 'positive';
    const strict = reader.boolean('strict', false);
    return { ...common, type: 'node-affinity', nodes: reader.nodes('nodes'), strict, affinity };
  }
  if (section.type === 'resource-affinity') {
    const affinity = reader.word('affinity', affinities, null);
    return affinity === null ? null : { ...common, type: 'resource-affinity', affinity };
  }
  reader.refuse(section.line, `there are no rules of type ${section.type}: only node-affinity and resource-affinity`);
  return null;
}
