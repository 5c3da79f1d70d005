import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { PeerCredentials } from '../src/api/peer-authority.js';
import { createStatusServer } from '../src/api/status-server.js';
import { HoldfastError } from '../src/core/errors.js';
import { FakeAgentControl, fittingTiming, healthyReport } from './fake-agent-control.js';

const binary = fileURLToPath(new URL('../bundle/bin/holdfast.js', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
const socketPath = join(directory, 'holdfast.sock');
const control = new FakeAgentControl();
let peer: PeerCredentials = { pid: process.pid, uid: 0, gid: 0 };
const log = { warn: () => undefined, error: () => undefined };
const server = createStatusServer({ socketPath, control, peerCredentials: () => peer, log });
await server.listen();

t.teardown(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});

interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

function start(args: readonly string[], environment: NodeJS.ProcessEnv = {}, program = binary): Running {
  const env = { PATH: process.env.PATH, HOLDFAST_SOCKET: socketPath, ...environment };
  const child = spawn(process.execPath, [program, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (exitCode) => resolve({ exitCode, stdout, stderr }));
  });
  return { child, ended };
}

function run(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return start(args, environment).ended;
}

/** Resolves once `condition` holds; tap's own timeout is the limit. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

t.test('reads', async (t) => {
  const status = await run(['status']);
  t.match(status, {
    exitCode: 0,
    stderr: /^$/,
    stdout: /^quorum OK .*\nleader node1 \(active.*\nservice ocf:web \(node1, started\)/s,
  });
  t.notOk(status.stdout.includes('\u001b'), 'no colour into a pipe');
  t.same(JSON.parse((await run(['status', '--json'])).stdout), healthyReport);
  t.same(JSON.parse((await run(['--json', 'timing'])).stdout), fittingTiming);
  t.match(await run(['timing']), { exitCode: 0, stdout: /leaseMs +46000 ms +fenceBound.*The times fit\./s });
  control.budget = { ...fittingTiming, fits: false, problems: ['lower totem.token'] };
  t.match(await run(['timing']), { exitCode: 1, stdout: /DO NOT FIT:\n {2}lower totem.token/ });
  t.equal((await run(['timing', '--json'])).exitCode, 1);
  t.match(await run(['config']), { exitCode: 0, stdout: /^$/ });
  t.same(JSON.parse((await run(['config', '--json'])).stdout), { resources: [] });
});

t.test('changes', async (t) => {
  const add = [
    'add',
    'ocf:web',
    '--agent',
    'ocf:heartbeat:IPaddr2',
    'ip=10.0.0.9',
    '--param',
    'opts=a=b',
    '--param',
    'x=',
  ];
  t.match(await run([...add, '--comment', 'two words', '--max-restart', '0', '--state', 'stopped']), {
    exitCode: 0,
    stdout: 'added ocf:web\n',
  });
  const parameters = { ip: '10.0.0.9', opts: 'a=b', x: '' };
  const options = { agent: 'ocf:heartbeat:IPaddr2', parameters, comment: 'two words', maxRestart: 0, state: 'stopped' };
  t.same(control.mutations.at(-1), { type: 'add', sid: 'ocf:web', options });
  t.match(await run(add), { exitCode: 1, stdout: /^$/, stderr: 'holdfast: there is a resource ocf:web already\n' });
  t.match((await run(['config', 'ocf:web'])).stdout, /^ocf:web\n\tagent ocf:heartbeat:IPaddr2\n.*\tparam opts=a=b\n/s);
  t.match(JSON.parse((await run(['config', 'ocf:web', '--json'])).stdout), { sid: 'ocf:web', ...options });

  t.match(await run(['set', 'ocf:web', 'ip=10.0.0.8', '--unset', 'x', '--unset', 'max-restart']), { exitCode: 0 });
  const set = { options: { parameters: { ip: '10.0.0.8' } }, unset: ['x', 'maxRestart'] };
  t.same(control.mutations.at(-1), { type: 'set', sid: 'ocf:web', ...set });
  t.match(await run(['disable', 'ocf:web']), { exitCode: 0, stdout: 'disabled ocf:web\n' });
  t.match(control.mutations.at(-1), { options: { state: 'disabled' } });
  t.match(await run(['enable', 'ocf:web']), { exitCode: 0, stdout: 'enabled ocf:web\n' });
  const removed = await run(['remove', 'ocf:web', '--json']);
  t.same(JSON.parse(removed.stdout), { sid: 'ocf:web', index: control.mutations.length });
  t.match(await run(['remove', 'ocf:web']), { exitCode: 1, stderr: /no resource ocf:web/ });
});

t.test('wrong input is refused by name, and nothing is done', async (t) => {
  const before = control.mutations.length;
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /a command is missing; see "holdfast --help"/],
    [['statsu'], /unknown command 'statsu' \(Did you mean status\?\)/],
    [['status', '--jsno'], /unknown option '--jsno' \(Did you mean --json\?\)/],
    [['status', 'extra'], /too many arguments/],
    [['watch', 'extra'], /too many arguments/],
    [['timing', '--param', 'x'], /unknown option '--param'/],
    [['config', 'web'], /"web" must be a type and a name/],
    [['add'], /missing required argument 'sid'/],
    [['add', 'ocf:web'], /agent must be a resource agent/],
    [['add', 'ocf:web', '--agnet', 'x'], /unknown option '--agnet' \(Did you mean --agent\?\)/],
    [['add', 'ocf:web', '--agent', 'IPaddr2'], /agent must be a resource agent as ocf:PROVIDER:TYPE/],
    [['add', '../x', '--agent', 'ocf:a:b'], /sid must be a type and a name/],
    [['add', 'ocf:web', '--agent', 'ocf:a:b', 'ip'], /written NAME=VALUE, not "ip"/],
    [['add', 'ocf:web', '--agent', 'ocf:a:b', '=x'], /written NAME=VALUE, not "=x"/],
    [['add', 'ocf:web', '--agent', 'ocf:a:b', 'a=1', '--param', 'a=2'], /"a" is given twice/],
    [['add', 'ocf:web', '--agent', 'ocf:a:b', '1a=1'], /parameter name "1a" must be a name/],
    [['add', 'ocf:web', '--agent', 'ocf:a:b', '__proto__=1'], /"__proto__" cannot be used/],
    [['add', 'ocf:web', '--agent', 'ocf:a:b', '--state', 'on'], /Allowed choices are started, stopped, disabled/],
    [['add', 'ocf:web', '--agent', 'ocf:a:b', '--max-restart', '1.5'], /--max-restart must be an integer/],
    [['add', 'ocf:web', '--agent', 'ocf:a:b', '--comment'], /argument missing/],
    [['add', 'ocf:web', '--agent', 'ocf:a:b', '--comment', 'x'.repeat(4_097)], /comment must be at most 4096 bytes/],
    [['set', 'ocf:web'], /nothing to change of ocf:web/],
    [['set', 'ocf:web', '--unset', 'a b'], /unset\[0\] must be a name/],
    [['set', 'ocf:web', 'a=1', '--unset', 'a'], /"a" cannot be set and unset at once/],
    [['remove'], /missing required argument 'sid'/],
    [['remove', 'ocf:web/../x'], /must be a type and a name/],
    [['enable', 'ocf:web', '--timeout', '0'], /--timeout must be an integer from 1 to 120, not "0"/],
    [['disable', 'ocf:web', '--timeout', 'soon'], /--timeout must be an integer/],
    [['status', '--socket', 'x'.repeat(108)], /must have 1 to 107 bytes/],
  ];
  for (const [args, message] of cases) {
    const { exitCode, stdout, stderr } = await run(args);
    t.match({ exitCode, stdout, stderr }, { exitCode: 2, stdout: /^$/, stderr: message }, args.slice(0, 5).join(' '));
    t.notMatch(stderr, /\n\s+at /, 'no stack');
  }
  for (const args of [['statsu'], ['add', 'web', '--agent', 'ocf:a:b'], ['enable', 'x', '--timeout', '0']]) {
    const { exitCode, stdout, stderr } = await run([...args, '--json']);
    t.match(JSON.parse(stdout), { error: { code: 'HF_ARGUMENT', message: String } });
    t.match({ exitCode, stderr }, { exitCode: 2, stderr: /^$/ });
  }
  t.equal(control.mutations.length, before);
});

t.test("the agent's refusals have exit codes", async (t) => {
  const codes = { HF_NO_QUORUM: 3, HF_BUSY: 3, HF_OUTCOME_UNKNOWN: 4, HF_AGENT: 1, HF_EXISTS: 1 } as const;
  for (const code of Object.keys(codes) as (keyof typeof codes)[]) {
    control.refusal = new HoldfastError(code, 'for a reason');
    t.match(await run(['remove', 'ocf:x']), { exitCode: codes[code], stderr: 'holdfast: for a reason\n' }, code);
    const { exitCode, stdout } = await run(['remove', 'ocf:x', '--json']);
    t.equal(exitCode, codes[code]);
    t.same(JSON.parse(stdout), { error: { code, message: 'for a reason' } });
  }
  control.refusal = null;
  peer = { pid: 0, uid: 1000, gid: 1000 };
  t.match(await run(['remove', 'ocf:x']), { exitCode: 6, stderr: /only root and members of the admin group/ });
  t.equal((await run(['status'])).exitCode, 0, 'looking is allowed');
  peer = { pid: process.pid, uid: 0, gid: 0 };
});

t.test('an outcome that cannot be told', async (t) => {
  control.stuck = true;
  t.match(await run(['remove', 'ocf:x', '--timeout', '1']), {
    exitCode: 4,
    stdout: /^$/,
    stderr: /may or may not have happened, since no answer came within 1 s; look before trying again/,
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const before = control.mutations.length;
    const { child, ended } = start(['remove', 'ocf:x']);
    await until(() => control.mutations.length > before);
    child.kill(signal);
    t.match(await ended, { exitCode: 4, stderr: /interrupted: the change may or may not have happened/ }, signal);
  }
  control.stuck = false;
});

t.test('the agent dies during a change', async (t) => {
  const path = join(directory, 'dying.sock');
  const dying = createServer((socket) => socket.once('data', () => socket.destroy())).listen(path);
  const environment = { HOLDFAST_SOCKET: path };
  t.match(await run(['remove', 'ocf:x'], environment), { exitCode: 4, stderr: /may or may not have happened/ });
  t.match(await run(['status'], environment), { exitCode: 5, stderr: /ended the connection/ });
  t.match(await run(['watch'], environment), { exitCode: 5, stderr: /ended the connection/ });
  dying.close();
});

t.test('watch', async (t) => {
  const event = {
    type: 'node',
    bootMs: 1,
    wallMs: 1_700_000_000_123,
    text: 'node2 is gone',
    detail: { votes: 2 },
  } as const;
  for (const [args, line] of [
    [['watch'], /^\d\d:\d\d:\d\d\.123 node {5}node2 is gone\n$/],
    [['watch', '--json'], `${JSON.stringify(event)}\n`],
  ] as const) {
    const { child, ended } = start(args);
    await until(() => control.listeners === 1);
    const shown = new Promise((resolve) => child.stdout?.once('data', resolve));
    control.emit(event);
    await shown;
    child.kill('SIGINT');
    t.match(await ended, { exitCode: 0, stdout: line, stderr: /^$/ }, args.join(' '));
    await until(() => control.listeners === 0);
  }
});

t.test('watch ends quietly when its reader does', async (t) => {
  const event = { type: 'node', bootMs: 1, wallMs: 1, text: 'x', detail: {} } as const;
  const { child, ended } = start(['watch']);
  await until(() => control.listeners === 1);
  child.stdout?.destroy();
  const ticker = setInterval(() => control.emit(event), 20);
  t.match(await ended, { exitCode: 0, stderr: /^$/ });
  clearInterval(ticker);
});

t.test('watch says when the agent goes', async (t) => {
  const path = join(directory, 'going.sock');
  const going = new FakeAgentControl();
  const second = createStatusServer({ socketPath: path, control: going, peerCredentials: () => peer, log });
  await second.listen();
  const { ended } = start(['watch', '--socket', path]);
  await until(() => going.listeners === 1);
  await second.close();
  t.match(await ended, { exitCode: 5, stderr: /ended the stream of events/ });
});

t.test('the agent does not answer', async (t) => {
  const file = join(directory, 'file');
  writeFileSync(file, '');
  const strange = join(directory, 'strange.sock');
  const other = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi')).listen(strange);
  const cases: readonly (readonly [string, RegExp])[] = [
    [join(directory, 'none.sock'), /none\.sock: there is no such socket; is holdfastd running\? Start it/],
    [file, /file: nobody listens there, so holdfastd has died/],
    [join(file, 'x'), /is not a directory/],
    [strange, /what answers there is not holdfastd/],
  ];
  for (const [path, message] of cases) {
    for (const command of [['status'], ['watch'], ['config']]) {
      t.match(await run([...command, '--socket', path]), { exitCode: 5, stdout: /^$/, stderr: message });
    }
  }
  const change = await run(['remove', 'ocf:x'], { HOLDFAST_SOCKET: cases[0]?.[0] });
  t.match(change, { exitCode: 5 }, 'a change that was never sent is not in doubt');
  const json = await run(['status', '--json', '--socket', file]);
  t.match(JSON.parse(json.stdout), { error: { code: 'HF_UNREACHABLE' } });
  other.close();
});

t.test('help, version, and the other name', async (t) => {
  t.match(await run(['--help']), {
    exitCode: 0,
    stdout: /^Usage: holdfast .*Exit codes:\n {2}0 {2}done/s,
    stderr: /^$/,
  });
  t.match(await run(['set', '--help']), { exitCode: 0, stdout: /--unset <name>.*--json/s });
  t.match(await run(['--version']), { exitCode: 0, stdout: /^\d+\.\d+\.\d+\n$/ });
  const manager = join(directory, 'ha-manager');
  symlinkSync(binary, manager);
  t.match(await start(['--help'], {}, manager).ended, { exitCode: 0, stdout: /^Usage: ha-manager / });
  t.match(await start(['statsu'], {}, manager).ended, { exitCode: 2, stderr: /^ha-manager: unknown command/ });
});
