import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ValidationChanges } from '../src/host/validation-changes.js';

t.test(
  'each record that is written, removed or restored is a change, and what a validation writes on its way is none',
  async (t) => {
    const stateDir = mkdtempSync(join(tmpdir(), 'holdfast-'));
    t.teardown(() => rmSync(stateDir, { recursive: true, force: true }));
    const directory = join(stateDir, 'watchdog');
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
