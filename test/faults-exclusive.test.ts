import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

const agent = fileURLToPath(new URL('../../scripts/lab.d/ocf/exclusive', import.meta.url));
const probe: { doubleRuns(lines: readonly unknown[]): string[] } = await import(
  new URL('../../scripts/faults.d/probe.mjs', import.meta.url).href
);
const [success, failed, configured, notRunning] = [0, 1, 6, 7];

/** Two machines that share a directory; what the agent answers on each. */
function machines(t: Test) {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  const record = join(dir, 'shared');
  for (const name of ['shared', 'one', 'two']) mkdirSync(join(dir, name));
  const run = (machine: string, action: string, directory = record) => {
    const env = {
      PATH: process.env.PATH,
      HA_RSCTMP: join(dir, machine),
      OCF_RESOURCE_INSTANCE: 'test',
      OCF_RESKEY_record: directory,
    };
    return spawnSync(agent, [action], { env, timeout: 20_000 }).status;
  };
  t.teardown(() => {
    for (const machine of ['one', 'two']) run(machine, 'stop');
    rmSync(dir, { recursive: true, force: true });
  });
  const lines = () =>
    readFileSync(join(record, 'test.log'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  return { run, lines };
}

t.test('runs once, and can be moved', async (t) => {
  const { run, lines } = machines(t);
  t.equal(run('one', 'monitor'), notRunning);
  t.equal(run('one', 'start'), success);
  t.equal(run('one', 'start'), success, 'again: nothing happens');
  t.equal(run('one', 'monitor'), success);
  t.equal(run('two', 'monitor'), notRunning);
  t.equal(run('one', 'stop'), success);
  t.equal(run('one', 'monitor'), notRunning);
  t.equal(run('one', 'stop'), success, 'again: nothing happens');
  t.equal(run('two', 'start'), success);
  t.same(probe.doubleRuns(lines()), []);
});

t.test('a second one is refused, and that is recorded as a double run', async (t) => {
  const { run, lines } = machines(t);
  t.equal(run('one', 'start'), success);
  t.equal(run('two', 'start'), failed);
  t.equal(run('two', 'monitor'), notRunning);
  t.equal(run('one', 'monitor'), success, 'the first one goes on');
  t.match(probe.doubleRuns(lines()), [/^started on .* while it ran elsewhere$/]);
});

t.test('a directory that is not there is a configuration error', async (t) => {
  const { run } = machines(t);
  t.equal(run('one', 'start', '/nonexistent'), configured);
});
