import type { RequestedState } from '../core/cluster-state.js';
import { type Note, NoteBook } from './notes.js';
import { parseSections, type Section } from './section-file.js';
import { SectionReader } from './section-reader.js';

/** A resource as the peer's resources.cfg has it, with the peer's defaults. */
export interface PeerResource {
  readonly sid: string;
  readonly line: number;
  readonly state: RequestedState;
  readonly comment: string;
  readonly maxRestart: number;
  readonly maxRelocate: number;
  readonly failback: boolean;
  readonly autoRebalance: boolean;
  readonly group: string | null;
}

export interface ResourcesFile {
  readonly resources: readonly PeerResource[];
  readonly notes: readonly Note[];
}

const highestCount = 100;

/** resources.cfg of the peer. @param file only named in the notes */
export function parseResources(text: string, file: string): ResourcesFile {
  const book = new NoteBook(file);
  const resources = parseSections(text, book).flatMap((section) => {
    const reader = new SectionReader(section, book);
    const resource = parseResource(section, reader);
    reader.finish();
    return reader.ok ? [resource] : [];
  });
  return { resources, notes: book.notes };
}

function parseResource(section: Section, reader: SectionReader): PeerResource {
  return {
    sid: `${section.type}:${section.id}`,
    line: section.line,
    state: parseState(reader),
    comment: reader.comment(),
    maxRestart: reader.integer('max_restart', 1, 0, highestCount),
    maxRelocate: reader.integer('max_relocate', 1, 0, highestCount),
    failback: reader.boolean('failback', true),
    autoRebalance: reader.boolean('auto-rebalance', true),
    group: reader.text('group'),
  };
}

function parseState(reader: SectionReader): RequestedState {
  const word = reader.word('state', ['started', 'stopped', 'disabled', 'ignored', 'enabled'], 'started') ?? 'started';
  if (word !== 'enabled') return word;
  reader.changed('state', `${reader.name}: state "enabled" becomes "started", which is the same`);
  return 'started';
}
