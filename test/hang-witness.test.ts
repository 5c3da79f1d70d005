import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { BootNotes } from '../src/agent/reset-record.js';
import { startHangWitness } from '../src/host/hang-witness.js';
import { quorumLost, wellNotes } from './reset-samples.js';

/** The thread that writes down that the agent's own loop stands still. */

const directory = await mkdtemp(join(tmpdir(), 'holdfast-witness-'));
t.teardown(() => rm(directory, { recursive: true, force: true }));

interface Seen {
  readonly notes: BootNotes | null;
  readonly noted: number;
}

const step = new Int32Array(new SharedArrayBuffer(4));
const patienceMs = 30_000;

/** This thread's loop stands still until `path` is there. */
function standStillUntil(path: string): void {
  const deadline = performance.now() + patienceMs;
  while (!existsSync(path) && performance.now() < deadline) Atomics.wait(step, 0, 0, 20);
}

/** What stands in each file after this thread's loop stood still, having told of its notes just before. */
async function seenAfter(standStill: () => void, told: Readonly<Record<string, BootNotes>>): Promise<readonly Seen[]> {
  const all = Object.entries(told).map(([name, notes]) => {
    const one = { path: join(directory, name), notes, noted: 0 };
    const witness = startHangWitness(
      one.path,
      () => one.noted++,
      (text) => t.fail(text),
    );
    witness.tell({ notes: { ...wellNotes, armed: false }, leaseUntilMs: 1 });
    return { one, witness };
  });
  await sleep(500);
  for (const { one, witness } of all) witness.tell({ notes: one.notes, leaseUntilMs: 77 });
  standStill();
  await sleep(300);
  await Promise.all(all.map(({ witness }) => witness.stop()));
  return Promise.all(
    all.map(async ({ one: { path, noted } }) => {
      const text = await readFile(path, 'utf8').catch(() => null);
      return { notes: text === null ? null : JSON.parse(text), noted };
    }),
  );
}

t.test('a loop that stands still is noted, with the end of its lease; again while it does', async (t) => {
  const path = join(directory, 'still');
  const twice = () => {
    standStillUntil(path);
    rmSync(path);
    standStillUntil(path);
  };
  const [seen] = await seenAfter(twice, { still: wellNotes });
  const trouble = { cause: 'agent-stalled', sinceMs: wellNotes.aliveMs, dueMs: 77, text: '' };
  t.strictSame(seen?.notes, { ...wellNotes, trouble });
  t.ok((seen?.noted ?? 0) >= 2, 'and the agent is told when it goes on');
});

t.test('nothing is noted of a short pause', async (t) => {
  const shortly = () => void Atomics.wait(step, 0, 0, 1_000);
  t.strictSame(await seenAfter(shortly, { short: wellNotes }), [{ notes: null, noted: 0 }]);
});

t.test('nor where nothing is to be noted, or nothing can be', async (t) => {
  await writeFile(join(directory, 'file'), '');
  const longer = () => {
    standStillUntil(join(directory, 'control'));
    Atomics.wait(step, 0, 0, 1_000);
  };
  const seen = await seenAfter(longer, {
    idle: { ...wellNotes, armed: false },
    troubled: { ...wellNotes, trouble: quorumLost },
    ended: { ...wellNotes, ending: { kind: 'agent', sinceMs: 1, doneMs: 2 } },
    'file/below': wellNotes,
    control: wellNotes,
  });
  const none = { notes: null, noted: 0 };
  t.strictSame(seen.slice(0, 4), [none, none, none, none]);
  t.ok((seen[4]?.noted ?? 0) >= 1, 'where something is to be noted it was');
});
