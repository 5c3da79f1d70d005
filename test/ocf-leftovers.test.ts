import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { OcfDriver } from '../src/host/ocf-driver.js';
import { Leftover } from '../src/host/ocf-leftovers.js';
import { readLiving } from '../src/host/ocf-process-group.js';
import type { OperationResult, ResourceDefinition } from '../src/ports/resource-driver.js';
import { definition, FakeOcfRoot } from './fake-ocf-agents.js';
import type { DriverOrder } from './fixtures/ocf-driver-process.js';
import { isAlive } from './live-process.js';

const fake = new FakeOcfRoot();
t.teardown(() => fake.remove());
const killGraceMs = 400;
const options = { ocfRoot: fake.root, runtimeDirectory: fake.runtimeDirectory, killGraceMs };
const program = fileURLToPath(new URL('fixtures/ocf-driver-process.js', import.meta.url));

/** A process with a driver of its own that runs one operation; `prefix` is a command to run it under. */
function driverProcess(t: Test, order: Omit<DriverOrder, 'options'>, prefix: readonly string[] = []): ChildProcess {
  const [file = '', ...args] = [...prefix, process.execPath, program, JSON.stringify({ ...order, options })];
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  return child;
}

async function resultOf(child: ChildProcess): Promise<OperationResult> {
  if (child.stdout === null) throw new Error('no output');
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return JSON.parse(line) as OperationResult;
}

async function killed(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function linesIn(file: string, count: number): Promise<string[]> {
  for (;;) {
    const lines = existsSync(fake.path(file)) ? fake.read(file).split('\n').slice(0, -1) : [];
    if (lines.length >= count) return lines;
    await sleep(10);
  }
}

const named = (agent: string, sid = `ocf:${agent}`): ResourceDefinition => ({ ...definition(agent), sid });

t.test('a start that outlives its driver ends before the next driver’s first operation', async (t) => {
  fake.agent(
    'slow',
    `case $1 in
      start) echo $$ >"$HERE/slow.pid"; sleep 1.5; setsid sleep 300 & echo $! >"$HERE/slow.daemon"; echo started;;
      stop) [ -f "$HERE/slow.daemon" ] && kill $(cat "$HERE/slow.daemon") && rm "$HERE/slow.daemon"; echo stopped;;
    esac >>"$HERE/slow.log"`,
  );
  const order = { operation: 'start', definition: named('slow'), timeoutMs: 10_000 } as const;
  const child = driverProcess(t, order);
  const [pid = 0] = (await linesIn('slow.pid', 1)).map(Number);
  const bystander = new OcfDriver(options);
  fake.agent('quick', 'exit 0');
  t.match(await bystander.run('stop', named('quick', 'ocf:slow')), { outcome: 'stopped' });
  t.ok(isAlive(pid), 'as long as its driver lives, another one on this machine leaves it alone');

  await killed(child);
  const driver = new OcfDriver(options);
  t.match(await driver.run('stop', named('quick')), { outcome: 'stopped' });
  t.ok(isAlive(pid), 'other resources need not wait for it');
  t.match(await driver.run('stop', named('slow')), { outcome: 'stopped' });
  // Were it not waited for: long enough for it to do its harm.
  while (isAlive(pid)) await sleep(10);
  t.same(await linesIn('slow.log', 2), ['started', 'stopped']);
  t.notOk(existsSync(fake.path('slow.daemon')), 'it stays stopped');
});

t.test('daemons of an earlier start are neither waited for nor killed', async (t) => {
  // In the start's own group; in a session of its own; the agent itself in a session of its own.
  fake.agent(
    'daemons',
    `case $1 in
      start) for daemon in 'sleep 300' 'setsid sleep 300' "setsid $0 daemon"; do
        $daemon & echo $! >>"$HERE/daemons"
      done;;
      daemon) while :; do sleep 1; done;;
    esac`,
  );
  const child = driverProcess(t, { operation: 'start', definition: named('daemons'), timeoutMs: 1000 });
  t.match(await resultOf(child), { outcome: 'running' });
  const pids = (await linesIn('daemons', 3)).map(Number);
  t.teardown(() => {
    for (const pid of pids) process.kill(pid, 'SIGKILL');
  });
  await killed(child);
  // Out of time, would they count: killed at once then.
  await sleep(1000);
  const result = await new OcfDriver(options).run('stop', named('daemons'));
  t.match(result, { outcome: 'stopped' });
  t.same(pids.map(isAlive), [true, true, true]);
  // The agent's own time; the rest is for a busy machine.
  t.ok(result.durationMs < 1000, `${result.durationMs} ms`);
});

t.test('a leftover that hangs is ended when its own time is up, with its group', async (t) => {
  fake.agent(
    'hanging',
    `[ $1 = stop ] && exit 0
    trap '' TERM; sleep 300 & echo $$ >>"$HERE/hanging"; echo $! >>"$HERE/hanging"; while :; do sleep 300; done`,
  );
  const startMs = performance.now();
  const child = driverProcess(t, { operation: 'start', definition: named('hanging'), timeoutMs: 2000 });
  const pids = (await linesIn('hanging', 2)).map(Number);
  const begunMs = performance.now();
  await killed(child);
  await sleep(1500);
  const result = await new OcfDriver(options).run('stop', named('hanging'));
  t.match(result, { outcome: 'stopped' });
  t.same(pids.filter(isAlive), []);
  const endMs = performance.now();
  t.ok(endMs - startMs >= 2000 + killGraceMs, 'it had its time, and the grace');
  // Counted from its begin, with polls; the rest is for a busy machine. Counted anew it would take 3.9 s.
  t.ok(endMs - begunMs < 3500, `${endMs - begunMs} ms`);
});

t.test('a later process with the pid of a leftover is not signalled', async (t) => {
  const child = spawn('sleep', ['300'], { detached: true, stdio: 'ignore' });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  const startTicks = (await readLiving(pid))?.startTicks ?? 0;
  t.same(await new Leftover({ pid, startTicks: startTicks - 1 }, 0).end(killGraceMs), []);
  t.ok(isAlive(pid));
  t.same(await new Leftover({ pid, startTicks }, 0).end(killGraceMs), []);
  t.notOk(isAlive(pid));
});

/** A driver that may not signal other users' processes stands in for a process that hangs in the kernel. */
const withoutKill = ['setpriv', '--bounding-set', '-kill', '--inh-caps', '-kill'];

t.test(
  'as long as a leftover cannot be ended, nothing is done',
  { skip: process.getuid?.() !== 0 && 'dropping CAP_KILL takes root' },
  async (t) => {
    const file = fake.agent('stuck', `[ $1 = start ] || { echo $1 >>"$HERE/stuck"; exit 0; }\nkill -STOP $$`);
    chmodSync(fake.root, 0o755);
    const stuck = spawn(file, ['start'], {
      detached: true,
      stdio: 'ignore',
      uid: 65_534,
      env: { PATH: process.env.PATH, HOLDFAST_OPERATION: 'ocf:stuck 0 100' },
    });
    await once(stuck, 'spawn');
    const groupId = stuck.pid ?? 0;
    t.teardown(() => stuck.kill('SIGKILL'));
    const order = { operation: 'stop', definition: named('stuck'), timeoutMs: 5000 } as const;
    const child = driverProcess(t, order, withoutKill);
    const refusal = {
      outcome: 'error',
      permanent: false,
      detail: new RegExp(
        `^stop of ocf:test:stuck: not run, for even SIGKILL did not end pid ${groupId} \\(stuck, state .\\)` +
          '.*, left by an earlier operation; it may take a restart of the node$',
      ),
    };
    t.match(await resultOf(child), refusal);
    child.stdin?.write('\n');
    t.match(await resultOf(child), refusal, 'nor at the next attempt');
    t.notOk(existsSync(fake.path('stuck')), 'the agent was not even asked');
    process.kill(-groupId, 'SIGKILL');
    await once(stuck, 'exit');
    while (isAlive(groupId)) await sleep(10);
    child.stdin?.write('\n');
    t.match(await resultOf(child), { outcome: 'stopped' }, 'it is gone');
  },
);

t.test(
  'as long as something of an own operation cannot be ended, nothing is done with its resource',
  { skip: process.getuid?.() !== 0 && 'dropping CAP_KILL takes root' },
  async (t) => {
    // In the driver's process group, and of another user: there is no CAP_KILL to end it with.
    const nobody = 'setpriv --reuid 65534 --clear-groups sleep 300';
    fake.agent('held', `[ $1 = start ] || { echo $1 >>"$HERE/held"; exit 7; }\n${nobody} & echo $! >"$HERE/pid"; wait`);
    const start = { operation: 'start', definition: named('held'), timeoutMs: 500 } as const;
    const child = driverProcess(t, start, withoutKill);
    t.match(await resultOf(child), {
      outcome: 'error',
      detail: /timed out .* even SIGKILL did not end pid \d+ \(sleep/,
    });
    const pid = Number(fake.read('pid'));
    t.teardown(() => isAlive(pid) && process.kill(pid, 'SIGKILL'));
    child.stdin?.write('monitor\n');
    const refusal = { outcome: 'error', permanent: false, detail: /^monitor .*not run, for even SIGKILL did not end/ };
    t.match(await resultOf(child), refusal, 'it is not called stopped');
    t.notOk(existsSync(fake.path('held')), 'the agent was not even asked');
    process.kill(pid, 'SIGKILL');
    while (isAlive(pid)) await sleep(10);
    child.stdin?.write('monitor\n');
    t.match(await resultOf(child), { outcome: 'stopped' }, 'it is gone');
  },
);
