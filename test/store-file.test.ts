import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { emptyState } from '../src/core/cluster-state.js';
import { blankRecord, type DurableRecord } from '../src/core/log.js';
import { FileStore } from '../src/host/file-store.js';

const directory = await mkdtemp(join(tmpdir(), 'holdfast-store-'));
t.teardown(() => rm(directory, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => join(directory, `state${++count}`);

async function opened(path: string): Promise<FileStore> {
  const store = new FileStore(path);
  await store.load();
  return store;
}

function recordOf(entries: number, snapshotIndex = 0): DurableRecord {
  const snapshot = { index: snapshotIndex, state: emptyState() };
  return {
    ...blankRecord(false),
    promisedEpoch: 7,
    promisedTo: 2,
    viewEpoch: 6,
    valid: true,
    snapshot,
    commitIndex: snapshotIndex,
    entries: Array.from({ length: entries }, (_, i) => ({
      index: snapshotIndex + i + 1,
      epoch: 6,
      command: { type: 'resource-remove', sid: `ocf:r${i}`, purge: false } as const,
      origin: null,
      wallMs: 1,
    })),
  };
}

t.test('nothing, then what was saved last', async (t) => {
  const path = fresh();
  t.match(await new FileStore(path).load(), { outcome: 'empty' });
  const store = await opened(path);
  for (const entries of [1, 2, 3]) await store.save(recordOf(entries));
  t.strictSame(await new FileStore(path).load(), { outcome: 'loaded', record: recordOf(3) });
  await store.save(recordOf(5, 40));
  t.strictSame(await new FileStore(path).load(), { outcome: 'loaded', record: recordOf(5, 40) });
  const names = await readdir(path);
  t.ok(names.includes('log.previous'), 'the previous copy is kept');
  t.equal(
    names.filter((name) => name.startsWith('snapshot-')).length,
    2,
    'with the snapshot that it follows, and no others',
  );
});

t.test('one flipped or missing byte anywhere is found', async (t) => {
  const path = fresh();
  await (await opened(path)).save(recordOf(3));
  for (const name of await readdir(path)) {
    const file = join(path, name);
    const good = await readFile(file);
    for (let at = 0; at < good.length; at += 7) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ 0x41;
      await writeFile(file, bad);
      if ((await new FileStore(path).load()).outcome !== 'damaged') t.fail(`${name}: byte ${at} changed unnoticed`);
    }
    for (const length of [0, 1, good.length - 1]) {
      await writeFile(file, good.subarray(0, length));
      t.match(await new FileStore(path).load(), { outcome: 'damaged' }, `${name} cut to ${length} bytes`);
    }
    await rm(file);
    if (name !== 'log') t.match(await new FileStore(path).load(), { outcome: 'damaged' }, `${name} missing`);
    await writeFile(file, good);
  }
  t.match(await new FileStore(path).load(), { outcome: 'loaded' });
});

t.test('a log that is gone while its predecessor is there is damage, not a new node', async (t) => {
  const path = fresh();
  const store = await opened(path);
  await store.save(recordOf(1));
  await store.save(recordOf(2));
  await rm(join(path, 'log'));
  t.match(await new FileStore(path).load(), { outcome: 'damaged' });
});

t.test('files that say what cannot be are damage', async (t) => {
  const path = fresh();
  const cases: Record<string, DurableRecord> = {
    'a gap': { ...recordOf(3), entries: recordOf(3).entries.slice(1) },
    'more committed than there is': { ...recordOf(1), commitIndex: 9 },
    'less committed than the snapshot': { ...recordOf(1, 5), commitIndex: 2 },
  };
  for (const [name, record] of Object.entries(cases)) {
    await (await opened(path)).save(record);
    t.match(await new FileStore(path).load(), { outcome: 'damaged' }, name);
  }
});

t.test('a path that cannot be used is an error with a remedy', async (t) => {
  const file = join(directory, 'a-file');
  await writeFile(file, '');
  await t.rejects(new FileStore(join(file, 'state')).load(), { code: 'HF_STORE', message: /cannot read .*ENOTDIR/ });
});

t.test('killed at any moment while saving, what is found is what was saved, or its successor', async (t) => {
  const path = fresh();
  const program = `
    import { FileStore } from ${JSON.stringify(new URL('../src/host/file-store.js', import.meta.url).href)};
    const store = new FileStore(${JSON.stringify(path)});
    const loaded = await store.load();
    let record = loaded.record ?? JSON.parse(${JSON.stringify(JSON.stringify(recordOf(0)))});
    for (;;) {
      const promisedEpoch = record.promisedEpoch + 1;
      const snapshot = promisedEpoch % 5 ? record.snapshot : { index: promisedEpoch, state: record.snapshot.state };
      record = { ...record, promisedEpoch, snapshot, commitIndex: snapshot.index, entries: [] };
      await store.save(record);
      process.stdout.write(promisedEpoch + '\\n');
    }`;
  for (let round = 0; round < 8; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    const ended = new Promise((resolve) => child.once('close', resolve));
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (data) => {
        text += data;
        // Another place in the cycle of writes each time.
        if (text.split('\n').length > 3 + round) setTimeout(resolve, round);
      });
    });
    child.kill('SIGKILL');
    await ended;
    const saved = Number(text.trim().split('\n').at(-1));
    const loaded = await new FileStore(path).load();
    t.equal(loaded.outcome, 'loaded');
    const found = loaded.outcome === 'loaded' ? loaded.record.promisedEpoch : -1;
    t.ok(found === saved || found === saved + 1, `said ${saved}, found ${found}`);
  }
});
