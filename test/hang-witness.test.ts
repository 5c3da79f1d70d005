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

/** What stands in each file after this thread's loop stood still for so long, having told of its notes just before. */
async function blocked(ms: number, told: Readonly<Record<string, BootNotes>>): Promise<readonly Seen[]> {
  const all = Object.entries(told).map(([name, notes]) => {
    const path = join(directory, name);
    const one = { path, notes, noted: 0 };
    const witness = startHangWitness(
      path,
      () => one.noted++,
      (text) => t.fail(text),
    );
    witness.tell({ notes: wellNotes, leaseUntilMs: 1 });
    return { one, witness };
  });
  await sleep(500);
  for (const { one, witness } of all) witness.tell({ notes: one.notes, leaseUntilMs: 77 });
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  await sleep(50);
  await Promise.all(all.map(({ witness }) => witness.stop()));
  return Promise.all(
    all.map(async ({ one: { path, noted } }) => {
      const text = await readFile(path, 'utf8').catch(() => null);
      return { notes: text === null ? null : JSON.parse(text), noted };
    }),
  );
}

t.test('a loop that stands still is noted, with the end of its lease; again while it does', async (t) => {
  const [seen] = await blocked(5_500, { still: wellNotes });
  const trouble = { cause: 'agent-stalled', sinceMs: wellNotes.aliveMs, dueMs: 77, text: '' };
  t.strictSame(seen, { notes: { ...wellNotes, trouble }, noted: 2 }, 'and the agent is told when it goes on');
});

t.test('nothing is noted of a short pause', async (t) => {
  t.strictSame(await blocked(2_000, { short: wellNotes }), [{ notes: null, noted: 0 }]);
});

t.test('nor where nothing is to be noted, or nothing can be', async (t) => {
  await writeFile(join(directory, 'file'), '');
  const seen = await blocked(3_500, {
    idle: { ...wellNotes, armed: false },
    troubled: { ...wellNotes, trouble: quorumLost },
    ended: { ...wellNotes, ending: { kind: 'agent', sinceMs: 1, doneMs: 2 } },
    'file/below': wellNotes,
    control: wellNotes,
  });
  const none = { notes: null, noted: 0 };
  t.strictSame(seen.slice(0, 4), [none, none, none, none]);
  t.equal(seen[4]?.noted, 1);
});
