import { execFileSync } from 'node:child_process';
import { appendFileSync, closeSync, existsSync, openSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { OcfDriver } from '../src/host/ocf-driver.js';
import { runProcess } from '../src/host/ocf-process.js';
import type { OperationResult, ResourceOperation } from '../src/ports/resource-driver.js';
import { definition, FakeOcfRoot, plainMetaData } from './fake-ocf-agents.js';
import { isAlive } from './live-process.js';

const fake = new FakeOcfRoot();
t.teardown(() => fake.remove());
const killGraceMs = 400;
const driver = new OcfDriver({
  ocfRoot: fake.root,
  runtimeDirectory: fake.runtimeDirectory,
  metaDataTimeoutMs: 1000,
  killGraceMs,
});

/** Process ids that a fake agent wrote into a file. */
const pidsIn = (file: string) => fake.read(file).trim().split(/\s+/).map(Number);

t.test('every exit code', async (t) => {
  fake.agent('exit', 'exit $OCF_RESKEY_code');
  // code; what start, stop and monitor then mean; permanent
  const rows: [number, OperationResult['outcome'], OperationResult['outcome'], OperationResult['outcome'], boolean][] =
    [
      [0, 'running', 'stopped', 'running', false],
      [1, 'failed', 'error', 'failed', false],
      [2, 'failed', 'error', 'error', true],
      [3, 'failed', 'error', 'error', true],
      [4, 'failed', 'error', 'error', true],
      [5, 'failed', 'error', 'error', true],
      [6, 'failed', 'error', 'error', true],
      [7, 'failed', 'stopped', 'stopped', false],
      [8, 'failed', 'error', 'running', false],
      [9, 'failed', 'error', 'failed', false],
      [190, 'failed', 'error', 'running', false],
      [191, 'failed', 'error', 'running', false],
      [127, 'failed', 'error', 'failed', false],
      [255, 'failed', 'error', 'failed', false],
    ];
  const operations: ResourceOperation[] = ['start', 'stop', 'monitor'];
  for (const [code, ...expected] of rows) {
    for (const [i, operation] of operations.entries()) {
      const result = await driver.run(operation, definition('exit', { code: String(code) }));
      t.equal(result.outcome, expected[i], `${operation} ${code}`);
      t.equal(result.permanent, expected[3], `${operation} ${code}`);
      t.match(result.detail, new RegExp(`^${operation} of ocf:test:exit: .*\\(${code}\\)$`));
    }
  }
});

t.test('the agent’s own words are in the detail', async (t) => {
  fake.agent('words', 'echo "ocf-exit-reason:no link on eth7" >&2; echo "INFO: bye" >&2; exit 1');
  const { detail } = await driver.run('start', definition('words'));
  t.equal(detail, 'start of ocf:test:words: generic error (1): no link on eth7');
});

t.test('environment, session and standard input are the agent’s own', async (t) => {
  process.env.HOLDFAST_TEST_SECRET = 'secret';
  t.teardown(() => delete process.env.HOLDFAST_TEST_SECRET);
  fake.agent(
    'look',
    'env >"$HERE/env.$1"; cut -d" " -f1,5,6 /proc/$$/stat >"$HERE/session"; readlink /proc/$$/fd/0 /proc/$$/cwd >"$HERE/files"; read x && exit 1; exit 0',
  );
  const given = { address: 'a b"\'$(touch /nowhere)\nc', port: '80' };
  await driver.run('start', definition('look', given), 12_345);
  t.same(environment('env.start'), {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C',
    PWD: '/',
    HA_RSCTMP: fake.runtimeDirectory,
    HA_VARRUN: '/var/run',
    OCF_ROOT: fake.root,
    OCF_RA_VERSION_MAJOR: '1',
    OCF_RA_VERSION_MINOR: '1',
    HOLDFAST_OPERATION: `ocf:web ${process.pid} 12345`,
    OCF_RESOURCE_INSTANCE: 'web',
    OCF_RESOURCE_TYPE: 'look',
    OCF_RESOURCE_PROVIDER: 'test',
    OCF_RESKEY_address: given.address,
    OCF_RESKEY_port: '80',
    OCF_RESKEY_CRM_meta_name: 'start',
    OCF_RESKEY_CRM_meta_timeout: '12345',
    OCF_RESKEY_CRM_meta_interval: '0',
  });
  const [pid, group, session] = pidsIn('session');
  t.same([group, session], [pid, pid], 'leader of its own group and session');
  t.equal(fake.read('files'), '/dev/null\n/\n');
});

/** As `env` wrote it, less what tap adds to every child process of a test. */
function environment(file: string): Record<string, string> {
  const lines = fake
    .read(file)
    .trimEnd()
    .split(/\n(?=[A-Za-z_]+=)/);
  const entries = lines.map((line): [string, string] => {
    const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(line) ?? [];
    return [name, value];
  });
  return Object.fromEntries(entries.filter(([name]) => !name.startsWith('_TAPJS_') && name !== 'NODE_OPTIONS'));
}

t.test('timeouts and intervals come from the meta-data, and a probe is told from a monitor', async (t) => {
  fake.agent(
    'times',
    'echo "$1 $OCF_RESKEY_CRM_meta_timeout $OCF_RESKEY_CRM_meta_interval $OCF_CHECK_LEVEL" >>"$HERE/times"',
  );
  const own = new OcfDriver({ ocfRoot: fake.root, runtimeDirectory: fake.runtimeDirectory });
  for (const operation of ['monitor', 'monitor', 'stop', 'monitor', 'start', 'monitor'] as const) {
    await own.run(operation, definition('times'));
  }
  t.same(fake.read('times').trim().split('\n'), [
    'monitor 9000 0 0',
    'monitor 9000 13000 0',
    'stop 8000 0 ',
    'monitor 9000 0 0',
    'start 7000 0 ',
    'monitor 9000 13000 0',
  ]);
  t.match(await own.run('stop', definition('times'), 0), { outcome: 'stopped' }, 'there is no stop by force');
  t.match(fake.read('times').trim().split('\n').at(-1), /^stop 8000 0/);
  t.equal(await own.monitorIntervalMs(definition('times')), 13_000);
  t.equal(await own.monitorIntervalMs(definition('missing')), 10_000);
  await t.rejects(own.monitorIntervalMs({ ...definition('times'), agent: 'nonsense' }), { code: 'HF_ARGUMENT' });
});

t.test('a timeout ends the whole group, grandchildren that ignore SIGTERM included', async (t) => {
  const body = `(trap '' TERM; sleep 300 & echo $! >>"$HERE/pids"; wait) &
    echo $$ $! >>"$HERE/pids"
    echo "Nov 22 16:51:17 ERROR: waiting for the device" >&2
    sleep 300`;
  fake.agent('slow', body);
  const result = await driver.run('start', definition('slow'), 500);
  t.equal(result.outcome, 'error');
  t.equal(result.permanent, false);
  t.equal(result.detail, 'start of ocf:test:slow: timed out after 0.5 s and was killed: waiting for the device');
  t.ok(result.durationMs >= 500 + killGraceMs, 'it was given its time to end');
  // Timeout, grace and a poll; the rest is for a busy machine.
  t.ok(result.durationMs < 3500, `${result.durationMs} ms`);
  const pids = pidsIn('pids');
  t.equal(pids.length, 3);
  t.same(pids.filter(isAlive), [], 'nothing of the group is left');
});

t.test('what an agent began that was killed does not go on unseen', async (t) => {
  fake.agent('begun', '(sleep 1; echo up >"$HERE/up") & kill -KILL $$');
  const result = await driver.run('start', definition('begun'));
  t.match(result, { outcome: 'error', detail: /was killed by SIGKILL/ });
  await sleep(1_200);
  t.notOk(existsSync(fake.path('up')), 'it would have come up after it was reported as failed');
});

t.test('an agent that ends on SIGTERM is not waited for any longer', async (t) => {
  fake.agent('polite', 'trap "echo cleaned >$HERE/cleaned; exit 0" TERM; sleep 300 & wait');
  const result = await new OcfDriver({ ocfRoot: fake.root, runtimeDirectory: fake.runtimeDirectory }).run(
    'monitor',
    definition('polite'),
    300,
  );
  t.equal(result.outcome, 'error', 'even though it then exits with 0');
  t.match(result.detail, /timed out/);
  t.equal(fake.read('cleaned'), 'cleaned\n');
  // The grace is 5 s here.
  t.ok(result.durationMs < 3000, `${result.durationMs} ms`);
});

t.test('a zombie that nobody reaps is not taken for a survivor', async (t) => {
  // A shell starts a child in the agent's group, then leaves for a session of its own and never waits. The child ends after
  // that: before, the shell itself might reap it.
  fake.agent(
    'zombie',
    '(sleep 0.2 & echo $! >"$HERE/zombie"; exec setsid sleep 300) & echo $! >"$HERE/parent"; sleep 300',
  );
  const result = await driver.run('start', definition('zombie'), 500);
  const [parent = 0] = pidsIn('parent');
  t.teardown(() => process.kill(parent));
  t.match(readFileSync(`/proc/${fake.read('zombie').trim()}/stat`, 'latin1'), / Z /, 'it is still there');
  t.match(result.detail, /timed out after 0.5 s and was killed$/);
});

t.test('a daemon that keeps the output open holds nothing up and lives on', async (t) => {
  fake.agent('daemon', 'sleep 300 & echo $! >"$HERE/daemon"; echo "WARN: started" >&2; exit 1');
  const result = await driver.run('start', definition('daemon'), 5000);
  const [daemon = 0] = pidsIn('daemon');
  t.teardown(() => process.kill(daemon));
  t.ok(result.durationMs < 3000, `${result.durationMs} ms`);
  t.match(result.detail, /: started$/, 'what was written before the exit is not lost');
  t.ok(isAlive(daemon));
});

t.test('endless output neither hangs nor piles up', async (t) => {
  fake.agent('chatty', 'head -c 20000000 /dev/zero | tr "\\0" x; echo "ERROR: the end" >&2; exit 1');
  t.match((await driver.run('start', definition('chatty'))).detail, /: the end$/);
  const file = fake.script('flood', '#!/bin/sh\nyes >&2 & yes');
  const end = await runProcess({ file, args: [], environment: {}, timeoutMs: 500, killGraceMs, keepBytes: 16_384 });
  t.equal(end.kind, 'timeout');
  t.same([end.stdout.length, end.stderr.length, end.truncated], [16_384, 16_384, true]);
});

t.test('what cannot be run', async (t) => {
  fake.script('uninterpreted', '#!/nonexistent/interpreter\n');
  fake.script('unexecutable', '#!/bin/sh\n', 0o644);
  fake.agent('suicidal', 'kill -KILL $$');
  const cases: [string, boolean, RegExp][] = [
    ['uninterpreted', true, /^start of ocf:test:uninterpreted: the agent cannot be run \(ENOENT\)$/],
    ['unexecutable', true, /is not executable \(EACCES\)$/],
    ['missing', true, /^ocf:test:missing is not installed on this node: /],
    ['suicidal', false, /: the agent was killed by SIGKILL$/],
  ];
  for (const [agent, permanent, detail] of cases) {
    const result = await driver.run('start', definition(agent));
    t.match(result, { outcome: 'error', permanent, detail }, agent);
  }
  const wrong = await driver.run('stop', { ...definition('exit'), agent: 'ocf:..:exit' });
  t.match(wrong, { outcome: 'error', permanent: true, detail: /is not the name of an OCF agent/ });
});

t.test('meta-data are asked for once for each version of the agent', async (t) => {
  const path = fake.script(
    'counted',
    `#!/bin/sh\necho >>"${fake.path('asked')}"\ncat <<'END'\n${plainMetaData}\nEND\n`,
  );
  const web = definition('counted', { address: 'a' });
  await Promise.all([driver.validate(web), driver.validate(web), driver.monitorIntervalMs(web)]);
  await driver.validate(web);
  t.equal(fake.read('asked').length, 1);
  appendFileSync(path, '\n');
  await driver.validate(web);
  t.equal(fake.read('asked').length, 2);
  utimesSync(path, 1, 1);
  await driver.validate(web);
  t.equal(fake.read('asked').length, 3);
});

t.test('meta-data that could not be had are asked for again', async (t) => {
  fake.agent('later', 'exit 0', '$(cat "$HERE/later" 2>/dev/null)');
  const path = fake.path('resource.d/test/later');
  writeFileSync(path, readFileSync(path, 'utf8').replace("<<'END'", '<<END'));
  await t.rejects(driver.validate(definition('later', { address: 'a' })), { code: 'HF_AGENT' });
  writeFileSync(fake.path('later'), plainMetaData);
  await t.resolves(driver.validate(definition('later', { address: 'a' })));
});

t.test('meta-data that cannot be used: a sentence from validate, defaults for run', async (t) => {
  const meta = (name: string, body: string) =>
    fake.script(name, `#!/bin/sh\nif [ "$1" = meta-data ]; then ${body}; fi\nexit 0\n`);
  const cases: [string, string, RegExp][] = [
    ['garbage', 'echo hello', /: text outside of the root element on line 1; repair or replace .*\/garbage$/],
    ['empty', ':', /: no element at all;/],
    [
      'failing',
      'echo "ocf-exit-reason:no python" >&2; exit 5',
      /: required software is not installed \(5\): no python;/,
    ],
    ['other', 'echo "<html/>"', /: the root element is <html>, not <resource-agent>;/],
    ['huge', 'echo "<a>"; yes | head -c 300000; echo "</a>"', /: they are longer than 262144 bytes;/],
    [
      'bomb',
      'echo "<!DOCTYPE a [<!ENTITY b SYSTEM \\"file:///etc/passwd\\">]><a x=\\"&b;\\"/>"',
      /: malformed markup on line 1;/,
    ],
    ['hanging', 'sleep 300 & echo $$ $! >"$OCF_ROOT/hanging"; wait', /: timed out after 1 s and was killed;/],
  ];
  for (const [name, body, message] of cases) {
    meta(name, body);
    await t.rejects(driver.validate(definition(name)), { code: 'HF_AGENT', message }, name);
  }
  t.same(pidsIn('hanging').filter(isAlive), []);
  t.match(await driver.run('start', definition('garbage')), { outcome: 'running' });
  t.equal(await driver.monitorIntervalMs(definition('garbage')), 10_000);
  meta('garbage', `echo '${plainMetaData}'; exit 0`);
  await t.resolves(driver.validate(definition('garbage', { address: 'a' })), 'repaired, it is asked again');
});

t.test('many resources at once', async (t) => {
  fake.agent('busy', 'echo "$OCF_RESOURCE_INSTANCE" >&2; exit 1');
  const names = Array.from({ length: 60 }, (_, i) => `r${i}`);
  const results = await Promise.all(
    names.map((name) => driver.run('start', { ...definition('busy'), sid: `ocf:${name}` })),
  );
  for (const [i, name] of names.entries()) t.match(results[i]?.detail, new RegExp(`: ${name}$`));
});

t.test('without file descriptors: an error that may pass, and a timeout still ends the group', async (t) => {
  fake.agent('starved', 'trap "" TERM; echo $$ >"$HERE/starved"; while :; do sleep 300; done');
  const running = driver.run('start', definition('starved'), 700);
  const fresh = new OcfDriver({ ocfRoot: fake.root, runtimeDirectory: fake.runtimeDirectory });
  while (!existsSync(fake.path('starved')) || fake.read('starved') === '') await sleep(10);
  const [pid = 0] = pidsIn('starved');
  const release = exhaustDescriptors();
  const refused = await driver.run('start', definition('exit', { code: '0' }));
  const blind = await fresh.run('start', definition('exit', { code: '0' }));
  const ended = await running;
  release();
  t.match(refused, { outcome: 'error', permanent: false, detail: /cannot be run \(EMFILE\)$/ });
  t.match(ended, { outcome: 'error', detail: /timed out after 0.7 s/ });
  t.notOk(isAlive(pid));
  t.match(blind, { outcome: 'error', permanent: false, detail: /^cannot look for operations .*\(EMFILE\)$/ });
  for (const each of [driver, fresh]) {
    t.match(await each.run('start', definition('exit', { code: '0' })), { outcome: 'running' });
  }
});

/** Opens all that this process may; the limit is lowered first, for it can be a million. */
function exhaustDescriptors(): () => void {
  const limit = (count: string) => execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${count}:`]);
  const [, before = ''] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  limit('256');
  const open: number[] = [];
  try {
    for (;;) open.push(openSync('/dev/null', 'r'));
  } catch {
    // EMFILE: that is what is wanted.
  }
  return () => {
    for (const fd of open) closeSync(fd);
    limit(before);
  };
}
