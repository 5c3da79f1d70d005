import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { isAlive } from './live-process.js';

/** What the QEMU lab gives to its guests, and what it is told on its command line. */

const load = (name: string) => import(new URL(`../../scripts/qemu/${name}`, import.meta.url).href);

interface File {
  readonly path: string;
  readonly mode: number;
  readonly bytes: Buffer;
}
const cpio: { cpioArchive(entries: readonly unknown[]): Buffer; entriesOf(files: readonly File[]): unknown[] } =
  await load('cpio.mjs');
const { splitFrames }: { splitFrames(bytes: Buffer): { readonly frames: readonly Buffer[]; readonly left: Buffer } } =
  await load('hub.mjs');
const { nodeFiles }: { nodeFiles(node: object): readonly File[] } = await load('payload.mjs');
const { Cache }: { Cache: new (dir: string) => { get(kind: string, of: unknown, build: unknown): Promise<string> } } =
  await load('cache.mjs');
const { Control } = await load('control.mjs');
const { ownTemporaryDirectory }: { ownTemporaryDirectory(prefix: string): string } = await load('lock.mjs');
const options: {
  parseArguments(argv: readonly string[], known: object): Record<string, unknown> | null;
  isChosen(only: readonly object[], driver: string, name: string): boolean;
} = await load('arguments.mjs');
const { drivers } = await load('drivers.mjs');

t.test('other programs unpack our archives', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'qemu-guests-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const files = [
    { path: 'a/b/odd', mode: 0o755, bytes: Buffer.from('five!') },
    { path: 'a/empty', mode: 0o600, bytes: Buffer.alloc(0) },
  ];
  const archive = cpio.cpioArchive(cpio.entriesOf(files));
  // The kernel's own unpacker is not at hand; busybox's, cpio's or bsdtar's may be missing, python's never is.
  const unpack = `
import sys, os
data = sys.stdin.buffer.read()
at = 0
while True:
    field = lambda i: int(data[at + 6 + 8 * i: at + 14 + 8 * i], 16)
    assert data[at:at + 6] == b'070701'
    mode, size, names = field(1), field(6), field(11)
    name = data[at + 110: at + 110 + names - 1].decode()
    start = at + (110 + names + 3) // 4 * 4
    if name == 'TRAILER!!!': break
    path = os.path.join(sys.argv[1], name)
    if mode & 0o170000 == 0o040000: os.mkdir(path)
    else: open(path, 'wb').write(data[start:start + size]); os.chmod(path, mode & 0o7777)
    at = start + (size + 3) // 4 * 4
`;
  execFileSync('python3', ['-c', unpack, dir], { input: archive });
  t.equal(readFileSync(join(dir, 'a/b/odd'), 'utf8'), 'five!');
  t.equal(statSync(join(dir, 'a/b/odd')).mode & 0o777, 0o755);
  t.equal(statSync(join(dir, 'a/empty')).size, 0);
});

t.test('frames come out whole, however they came in', async (t) => {
  const bytes = Buffer.from([0, 0, 0, 2, 7, 8, 0, 0, 0, 1, 9, 0, 0, 0, 3, 1]);
  const { frames, left } = splitFrames(bytes);
  t.same(frames, [bytes.subarray(0, 6), bytes.subarray(6, 11)]);
  t.same(left, bytes.subarray(11));
  t.same(splitFrames(Buffer.from([0, 0])).left.length, 2);
});

t.test('a node has its own name and address, and all know all', async (t) => {
  const text = (node: object, path: string) =>
    nodeFiles({ driver: drivers[0], boundMs: 60_000, ...node })
      .find((file) => file.path === path)
      ?.bytes.toString() ?? '';
  t.match(text({ node: 2, nodes: 3 }, 'lab/settings'), /NODE=node2\nADDRESS=10\.77\.0\.2\/24/);
  t.equal(text({ node: 2, nodes: 3 }, 'etc/corosync/corosync.conf').match(/ring0_addr: 10\.77\.0\.\d/g)?.length, 3);
  t.match(text({ node: 1, nodes: 1 }, 'lab/settings'), /ADDRESS=\n/);
  const unvalidated = { node: 1, nodes: 1, kappa: null, allowUnvalidated: false };
  t.notMatch(text(unvalidated, 'etc/holdfast/holdfast.toml'), /kappa/);
});

t.test('what was interrupted while it was built is not there', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'qemu-cache-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const cache = new Cache(dir);
  let built = 0;
  const build = async () => {
    built += 1;
  };
  const failing = async () => {
    throw new Error('no disk');
  };
  await t.rejects(cache.get('root', [1], failing), /no disk/);
  t.same(readdirSync(dir), []);
  mkdirSync(join(dir, 'root-0.new'));
  const first = await cache.get('root', [1], build);
  t.equal(await cache.get('root', [1], build), first);
  t.not(await cache.get('root', [2], build), first);
  t.equal(built, 2, 'once for each');
  t.equal(readdirSync(dir).length, 2, 'and what was left halfway is gone');
});

t.test('commands are answered each by its own output, and none outlives a reset', async (t) => {
  const sent: string[] = [];
  const control = new Control((line: string) => sent.push(line));
  const [one, two, three] = ['a', 'b', 'c'].map((command) => control.run(command, 5_000));
  t.same(sent, ['1 a\n', '2 b\n', '3 c\n']);
  for (const line of ['1 | x', '2 | y', '1 | z', '1 = 0', '2 = 3', '9 = 0']) control.take(line);
  t.equal(await one, 'x\nz');
  await t.rejects(two, /'b' ended with 3: y/);
  control.abandon('node1 was reset');
  await t.rejects(three, /node1 was reset/);
});

const guestModule = new URL('../../scripts/qemu/guest.mjs', import.meta.url).href;

/** A lab of its own process with one guest, whose QEMU is `body`; what QEMU left in `directory` is its pid. */
function labWith(directory: string, body: string) {
  writeFileSync(join(directory, 'qemu-system-x86_64'), `#!/usr/bin/python3\n${body}`, { mode: 0o755 });
  const machine = { driver: drivers[0], accel: 'tcg', images: {}, disk: 'disk' };
  const program = `
import { Guest } from ${JSON.stringify(guestModule)};
const guest = new Guest('node1', ${JSON.stringify(directory)});
await guest.start(${JSON.stringify(machine)}).catch(({ message }) => process.stdout.write(message));
setInterval(() => undefined, 1_000);
`;
  const env = { ...process.env, PATH: `${directory}:${process.env.PATH}` };
  const args = ['--input-type=module', '--eval', program];
  return spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
}

const notesPid = (directory: string) => `
import os, time, socket, sys
with open(${JSON.stringify(join(directory, 'pid.new'))}, 'w') as file: file.write(str(os.getpid()))
os.rename(${JSON.stringify(join(directory, 'pid.new'))}, ${JSON.stringify(join(directory, 'pid'))})
`;

/** Opens every port as QEMU would, and refuses each command. */
const refusing = (directory: string) => `
listeners = []
for name in ['console', 'control', 'observer', 'witness', 'qmp']:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(${JSON.stringify(directory)}, name))
    listener.listen()
    listeners.append(listener)
qmp = [listener.accept()[0] for listener in listeners][-1]
qmp.recv(4096)
qmp.send(b'{"error": {"desc": "no"}, "id": 1}\\n')
time.sleep(600)
`;

async function comesTrue(holds: () => boolean): Promise<boolean> {
  for (let attempt = 0; attempt < 500 && !holds(); attempt++) await sleep(20);
  return holds();
}

t.test('no guest outlives its lab, not even one that is killed', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'qemu-killed-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const lab = labWith(dir, `${notesPid(dir)}time.sleep(600)\n`);
  t.ok(await comesTrue(() => existsSync(join(dir, 'pid'))), 'the guest runs');
  const guest = Number(readFileSync(join(dir, 'pid'), 'utf8'));
  t.ok(isAlive(guest));
  lab.kill('SIGKILL');
  t.ok(await comesTrue(() => !isAlive(guest)));
});

t.test('what a killed lab has left is removed by the next, and nobody else is robbed', async (t) => {
  const module = new URL('../../scripts/qemu/lock.mjs', import.meta.url).href;
  const prefix = `qemu-own${process.pid}-`;
  const program = `
import { ownTemporaryDirectory } from ${JSON.stringify(module)};
process.stdout.write(ownTemporaryDirectory(${JSON.stringify(prefix)}));
setInterval(() => undefined, 1_000);
`;
  const lab = async () => {
    const args = ['--input-type=module', '--eval', program];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => child.kill('SIGKILL'));
    const [place] = await once(child.stdout, 'data');
    return { child, place: String(place) };
  };
  const [killed, living] = [await lab(), await lab()];
  t.teardown(() => rmSync(living.place, { recursive: true }));
  writeFileSync(join(killed.place, 'disk'), 'x');
  const logs = mkdtempSync(join(tmpdir(), `${prefix}logs-`));
  t.teardown(() => rmSync(logs, { recursive: true }));
  killed.child.kill('SIGKILL');
  await once(killed.child, 'exit');
  const own = ownTemporaryDirectory(prefix);
  t.teardown(() => rmSync(own, { recursive: true }));
  t.notOk(existsSync(killed.place));
  t.ok(existsSync(living.place));
  t.ok(existsSync(logs));
  t.notOk(existsSync(join(own, '..', `new-${own.split('/').at(-1)}`)));
});

t.test('a guest that cannot be started is ended', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'qemu-refuses-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const lab = labWith(dir, notesPid(dir) + refusing(dir));
  t.teardown(() => lab.kill('SIGKILL'));
  let said = '';
  lab.stdout.on('data', (text) => {
    said += text;
  });
  t.ok(await comesTrue(() => said !== ''), said);
  t.match(said, /QEMU refuses qmp_capabilities: no/);
  t.notOk(isAlive(Number(readFileSync(join(dir, 'pid'), 'utf8'))));
});

t.test('the command line', async (t) => {
  const known = { drivers: ['softdog', 'itco'], cases: ['agent-killed'] };
  const parse = (...argv: string[]) => options.parseArguments(argv, known);
  t.equal(parse('--help'), null);
  t.match(parse(), { short: false, parts: ['drivers', 'cluster', 'validate'], times: 10, only: [] });
  t.match(parse('--short'), { short: true, parts: ['drivers', 'cluster'], times: 1 });
  t.match(parse('--only', 'itco'), { parts: ['drivers', 'validate'] }, 'the cluster has no driver to choose');
  t.match(parse('--only', 'itco/agent-killed'), { parts: ['drivers'] }, 'and cases are of drivers');
  t.match(parse('--only', 'itco,softdog/agent-killed'), { parts: ['drivers', 'validate'] });
  t.match(parse('--only', 'softdog/agent-killed,itco'), {
    only: [
      { driver: 'softdog', case: 'agent-killed' },
      { driver: 'itco', case: null },
    ],
  });
  t.throws(() => parse('--only', 'hpwdt'), /'hpwdt', not one of softdog, itco/);
  t.throws(() => parse('--only', 'itco/sleep'), /'sleep', not one of agent-killed/);
  t.throws(() => parse('--times', '0'), /--times is '0'/);
  const { limitMs } = parse('--times', '100') ?? {};
  t.ok(Number(limitMs) > 100 * 2 * 91_000 + 180 * 60_000, 'a cut takes 91 s, and everything else its time');
  t.ok(Number(parse()?.limitMs) < 4 * 3_600_000, 'it ends on the same day');
  t.throws(() => parse('--part', 'all'), /--part is 'all'/);
  t.ok(options.isChosen([{ driver: 'itco', case: null }], 'itco', 'agent-killed'));
  t.notOk(options.isChosen([{ driver: 'itco', case: null }], 'softdog', 'agent-killed'));
});
