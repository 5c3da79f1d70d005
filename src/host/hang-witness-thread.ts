import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { BootNotes } from '../agent/reset-record.js';

/**
 * The thread that writes the notes of an agent whose own loop stands still. It imports nothing that it does not need:
 * each megabyte would be paid on every node.
 */

export interface WitnessTold {
  readonly notes: BootNotes;
  /** When the lease ends unless it is renewed, by the wall clock. */
  readonly leaseUntilMs: number;
}

/** Longer than a loop that is told of every second is ever late. */
const silentMs = 3_000;
/** A write of the agent's own that was under way may come after. */
const againMs = 2_000;

const port = parentPort;
if (port !== null && typeof workerData === 'string') {
  let timer: NodeJS.Timeout | undefined;
  const note = (told: WitnessTold): void => {
    if (writeStalled(workerData, told)) port.postMessage('noted');
    timer = setTimeout(note, againMs, told);
  };
  port.on('message', (told: WitnessTold) => {
    clearTimeout(timer);
    // What is not armed is not reset; who is in trouble already has said why, and who has ended is silent.
    const { armed, trouble, ending } = told.notes;
    const isNeeded = armed && trouble === null && ending?.doneMs == null;
    timer = isNeeded ? setTimeout(note, silentMs, told) : undefined;
  });
}

/** False if it could not be written. */
function writeStalled(path: string, { notes, leaseUntilMs }: WitnessTold): boolean {
  const trouble = { cause: 'agent-stalled', sinceMs: notes.aliveMs, dueMs: leaseUntilMs, text: '' } as const;
  const temporary = `${path}.stalled`;
  try {
    const file = openSync(temporary, 'w', 0o600);
    try {
      writeSync(file, `${JSON.stringify({ ...notes, trouble } satisfies BootNotes)}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    const directory = openSync(dirname(path), 'r');
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
    return true;
  } catch {
    return false;
  }
}
