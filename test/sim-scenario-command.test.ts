import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { startProgram } from './fixtures/node-program.js';

const holdfast = fileURLToPath(new URL('../src/cli/holdfast.js', import.meta.url));
const scenarios = fileURLToPath(new URL('../../scripts/scenarios.mjs', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'scenario-command-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

function run(program: string, args: readonly string[], begin: (child: ChildProcess) => void = () => {}) {
  const { child, ended } = startProgram(program, args, { cwd: directory });
  begin(child);
  return ended;
}

/** Two nodes of three are off. */
function write(name: string, files: Readonly<Record<string, string>> = {}): void {
  const all = {
    cmdlist: '[["power node1 on"]]',
    hardware_status: '{"node1":{},"node2":{},"node3":{}}',
    service_config: '{"vm:1":{"node":"node1","state":"started","colour":"red"}}',
    'expect.json': '{"services":{},"fenced":[],"reset":[]}',
    ...files,
  };
  mkdirSync(join(directory, name), { recursive: true });
  for (const [file, text] of Object.entries(all)) writeFileSync(join(directory, name, file), text);
}

t.test('a directory without a name is a wrong argument, one that cannot be used a failure', async (t) => {
  write('full');
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [[''], 2, /the name of the directory is empty: give one, or "." for this one/],
    [['--init', ''], 2, /the name of the directory is empty/],
    [['--init', 'full'], 1, /full is not empty: name a new directory/],
    [['--init', 'full/cmdlist'], 1, /no scenario can be made in full\/cmdlist: it is no directory/],
    [['--init', '/proc/holdfast'], 1, /nothing can be made there: choose another place/],
  ];
  for (const [args, exitCode, stderr] of cases) {
    t.match(await run(holdfast, ['simulate', ...args]), { exitCode, stdout: /^$/, stderr }, args.join(' '));
  }
});

t.test('the end says why a service does not run; with --json, notes are told on standard error too', async (t) => {
  write('alone');
  const { stdout } = await run(holdfast, ['simulate', 'alone']);
  t.match(stdout, /service_config: vm:1: "colour" has no counterpart/);
  t.match(stdout, /no manager has ever led, so these are as they were configured:/);
  t.match(stdout, /vm:1 +node1 +request_start runs nowhere: no node leads, so nothing is started/);
  const json = await run(holdfast, ['simulate', 'alone', '--json']);
  t.match(JSON.parse(json.stdout), {
    services: {},
    unmanaged: { 'vm:1': { node: 'node1', state: 'request_start', running: [], reason: /no node leads/ } },
    notes: ['service_config: vm:1: "colour" has no counterpart'],
  });
  t.match(json.stderr, /warning: service_config: vm:1: "colour" has no counterpart/);
});

t.test('a run of scenarios: counted in words, and nothing is run if a directory is wrong', async (t) => {
  write('suite/one');
  const ends = /^1 scenario: 1 as expected, 0 differ on purpose, 0 differ, 0 failed$/m;
  t.match(await run(scenarios, ['suite']), { exitCode: 0, stdout: ends });
  const wrong = await run(scenarios, ['suite', 'nowhere']);
  t.match(wrong, { exitCode: 2, stdout: /^$/, stderr: /^scenarios: .*nowhere: it is not there: check the name\n$/ });
  t.match(await run(scenarios, ['']), { exitCode: 2, stdout: /^$/, stderr: /^usage: / });
});

t.test('a reader of the scenarios that goes away changes nothing of the verdict', async (t) => {
  write('suite/one');
  write('suite/two', { 'expect.json': '{"services":{},"fenced":["node1"],"reset":[]}' });
  const leave = ({ stdout }: ChildProcess): void => void stdout?.destroy();
  t.match(await run(scenarios, ['suite/one'], leave), { exitCode: 0, stderr: /^$/ });
  t.match(await run(scenarios, ['suite'], leave), { exitCode: 1, stderr: /^$/ });
});

t.test('random faults that were interrupted are no success, and say so', async (t) => {
  const interrupt = (child: ChildProcess): void => {
    child.stderr?.once('data', () => child.kill('SIGINT'));
  };
  const { exitCode, stdout } = await run(holdfast, ['simulate', '--fuzz', '--seeds', '1-300000', '--json'], interrupt);
  t.equal(exitCode, 130);
  const { seeds, ...rest } = JSON.parse(stdout);
  t.match(rest, { from: 1, to: 300_000, interrupted: true, violations: [] });
  t.ok(seeds > 0 && seeds < 300_000, `${seeds} seeds`);
  const inWords = await run(holdfast, ['simulate', '--fuzz', '--seeds', '1-300000', '--jobs', '2'], interrupt);
  t.match(inWords, { exitCode: 130, stdout: /^interrupted after \d+ of 300000 seeds, no violation\n/ });
});
