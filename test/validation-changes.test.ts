import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { ValidationChanges } from '../src/host/validation-changes.js';

function directories(t: Test): { readonly stateDir: string; readonly directory: string } {
  const stateDir = mkdtempSync(join(tmpdir(), 'holdfast-'));
  t.teardown(() => rmSync(stateDir, { recursive: true, force: true }));
  return { stateDir, directory: join(stateDir, 'watchdog') };
}

t.test(
  'each record that is written, removed or restored is a change, and what a validation writes on its way is none',
  async (t) => {
    const { stateDir, directory } = directories(t);
    const record = join(directory, 'watchdog0.json');
    const put = (text: string): void => {
      writeFileSync(join(directory, 'new'), text);
      renameSync(join(directory, 'new'), record);
    };
    const none = await ValidationChanges.open(stateDir);
    t.equal(await none.problem(), null);
    mkdirSync(directory);
    t.equal(await none.problem(), null, 'a directory without a record says nothing');
    writeFileSync(join(directory, 'run'), 'a validation');
    t.equal(await none.problem(), null);
    put('one');
    t.match(await none.problem(), /has changed since this agent started: it has to be started again/);
    const one = await ValidationChanges.open(stateDir);
    t.equal(await one.problem(), null);
    put('one');
    t.match(await one.problem(), /has changed/, 'of the same length, within the same second');
    const again = await ValidationChanges.open(stateDir);
    rmSync(record);
    t.match(await again.problem(), /has changed/, 'removed');
  },
);

t.test('who may not be told, for something is armed, is told once that is over, and once only', async (t) => {
  const { stateDir, directory } = directories(t);
  const changes = await ValidationChanges.open(stateDir);
  let asked = 0;
  const told: number[] = [];
  changes.watch(
    () => ++asked > 5,
    () => told.push(asked),
    1,
  );
  mkdirSync(directory);
  writeFileSync(join(directory, 'watchdog0.json'), 'a verdict');
  while (told.length === 0) await sleep(1);
  t.ok((told[0] ?? 0) > 5, 'not before');
  const askedThen = asked;
  await sleep(50);
  t.equal(asked, askedThen, 'nobody looks any more');
  t.equal(told.length, 1);
});
