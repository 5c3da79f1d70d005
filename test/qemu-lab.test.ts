import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { isAlive } from './live-process.js';

/** The QEMU lab as a program, on a machine whose apt, compiler and Debian are emulated: how it ends, and what it leaves. */

const scripts = fileURLToPath(new URL('../../scripts', import.meta.url));
const packages = 'qemu-system-x86 mmdebstrap squashfs-tools kmod e2fsprogs xz-utils g++ busybox-static';

/** What apt-get does as long as Debian's mirror is there. */
const aptGet = `case $1 in download) : >kernel.deb ;; esac`;
const programs = {
  'dpkg-query': `printf 'ii  %s\\n' ${packages}`,
  'qemu-system-x86_64': ':',
  'apt-cache': `echo 'Depends: linux-image-1'; echo 'Candidate: 2'`,
  'apt-get': aptGet,
  dpkg: 'mkdir -p boot lib/modules/1; cp "$FAKES/vmlinuz" boot/vmlinuz-1; touch lib/modules/1/modules.{builtin,order,builtin.modinfo}',
  depmod: ':',
  modprobe: ':',
  mmdebstrap: ':',
  mksquashfs: ': >"$2"',
  'g++': `case $1 in --version) cat "$FAKES/compiler" ;; *) : >"$(sed 's/.* -o \\([^ ]*\\).*/\\1/' <<<"$*")" ;; esac`,
};

const held = `export async function runDrivers(options, workshop, tell) {
  const results = [{ driver: 'softdog', case: 'agent-killed', predicted: null, watchedMs: 1, failures: [] }];
  results.forEach(tell);
  return results;
}`;
const workshop = `export class Workshop { saveLogs() { return 'LOGS'; } close() {} }`;
const replaced = { 'driver-part.mjs': held, 'workshop.mjs': workshop };

/** A bzImage with nothing in it but what makes it one. */
function kernelImage(): Buffer {
  const payload = execFileSync('xz', ['--stdout'], { input: '\x7fELF' });
  const head = Buffer.alloc(1024);
  head.writeUInt8(1, 0x1f1);
  head.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([head, payload]);
}

type Test = Pick<typeof t, 'teardown'>;

class Machine {
  readonly dir = mkdtempSync(join(tmpdir(), 'qemu-lab-'));
  #ran: ChildProcess[] = [];

  constructor(t: Test) {
    t.teardown(() => {
      for (const child of this.#ran) child.kill('SIGKILL');
      rmSync(this.dir, { recursive: true, maxRetries: 20, retryDelay: 200 });
    });
    for (const name of ['bin', 'tmp', 'fakes']) mkdirSync(join(this.dir, name));
    cpSync(scripts, join(this.dir, 'scripts'), { recursive: true });
    writeFileSync(join(this.dir, 'scripts', 'setup'), '#!/bin/sh\n');
    writeFileSync(join(this.dir, 'fakes', 'vmlinuz'), kernelImage());
    writeFileSync(join(this.dir, 'fakes', 'compiler'), 'g++ 12\n');
    for (const [name, body] of Object.entries(programs)) this.program(name, body);
    for (const [name, text] of Object.entries(replaced)) this.module(name, () => text);
  }

  program(name: string, body: string): void {
    const log = `echo "${name} $*" >>"$FAKES/calls"`;
    writeFileSync(join(this.dir, 'bin', name), `#!/bin/bash\n${log}\n${body}\n`, { mode: 0o755 });
  }

  module(name: string, change: (text: string) => string): void {
    const path = join(this.dir, 'scripts', 'qemu', name);
    writeFileSync(path, change(readFileSync(path, 'utf8')));
  }

  /** How many calls of emulated programs began so. */
  calls(begin: string): number {
    const path = join(this.dir, 'fakes', 'calls');
    const calls = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
    return calls.filter((call) => call.startsWith(begin)).length;
  }

  forgetCalls(): void {
    rmSync(join(this.dir, 'fakes', 'calls'));
  }

  cached(): readonly string[] {
    return readdirSync(join(this.dir, 'cache'));
  }

  start(...args: readonly string[]): ChildProcess {
    const env = {
      ...process.env,
      PATH: `${join(this.dir, 'bin')}:${process.env.PATH}`,
      HOLDFAST_QEMU_CACHE: join(this.dir, 'cache'),
      TMPDIR: join(this.dir, 'tmp'),
      FAKES: join(this.dir, 'fakes'),
    };
    const lab = join(this.dir, 'scripts', 'watchdog-lab.mjs');
    const child = spawn(process.execPath, [lab, '--accel', 'tcg', ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#ran.push(child);
    return child;
  }

  /** Its code, and what it said. */
  async run(...args: readonly string[]): Promise<{ code: number | null; said: string }> {
    return ended(this.start(...args));
  }
}

function ended(child: ChildProcess): Promise<{ code: number | null; said: string }> {
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (text) => {
      said += text;
    });
  }
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, said })));
}

const chosen = ['--part', 'drivers'];
const count = (text: string, part: string) => text.split(part).length - 1;

async function comesTrue(holds: () => boolean): Promise<boolean> {
  for (let attempt = 0; attempt < 500 && !holds(); attempt++) await sleep(20);
  return holds();
}

t.test('what is built once needs neither apt nor a compiler again', async (t) => {
  const machine = new Machine(t);
  const first = await machine.run(...chosen);
  t.equal(first.code, 0, first.said);
  t.match(first.said, /1 runs: every expectation held/);
  t.equal(count(first.said, 'building '), 4, first.said);
  machine.forgetCalls();
  for (const name of ['apt-get', 'apt-cache', 'mmdebstrap']) machine.program(name, 'exit 100');
  const second = await machine.run(...chosen);
  t.equal(second.code, 0, second.said);
  t.equal(count(second.said, 'building '), 0, second.said);
  t.equal(machine.calls('apt'), 0);
});

t.test('what a part is made by belongs to it', async (t) => {
  const machine = new Machine(t);
  await machine.run(...chosen);
  const built = async () => {
    const { said } = await machine.run(...chosen);
    return [...said.matchAll(/building (\w+)/g)].map(([, kind]) => kind);
  };
  t.same(await built(), []);
  writeFileSync(join(machine.dir, 'fakes', 'compiler'), 'g++ 13\n');
  t.same(await built(), ['programs'], 'another compiler');
  machine.module('programs.mjs', (text) => text.replace('-O2', '-O1'));
  t.same(await built(), ['programs'], 'other flags');
  machine.module('root-image.mjs', (text) => text.replace('/usr/share/man/*', '/usr/share/info/*'));
  t.same(await built(), ['root', 'loader'], 'something else is left out');
  appendFileSync(join(machine.dir, 'scripts', 'qemu', 'guest', 'load-root'), '# another\n');
  t.same(await built(), ['loader'], 'another first program');
});

t.test('two labs at once build everything once', async (t) => {
  const machine = new Machine(t);
  machine.program('mmdebstrap', 'sleep 1');
  const both = await Promise.all([machine.run(...chosen), machine.run(...chosen)]);
  t.same(
    both.map(({ code }) => code),
    [0, 0],
    JSON.stringify(both),
  );
  const said = both.map((each) => each.said).join('');
  t.equal(count(said, 'building root'), 1, said);
  t.equal(count(said, 'waiting for it'), 1, said);
});

t.test('a machine that cannot have guests is no failure', async (t) => {
  const machine = new Machine(t);
  machine.program('apt-get', `echo 'E: no network' >&2; exit 100`);
  const { code, said } = await machine.run(...chosen);
  t.equal(code, 77, said);
  t.match(said.trim().split('\n').at(-1), /there can be no guests here: apt-get download failed: E: no network/);
  t.equal(machine.calls('apt-get update'), 1);
  machine.program('apt-get', aptGet);
  machine.program('mmdebstrap', 'exit 1');
  t.equal((await machine.run(...chosen)).code, 77, 'Debian cannot be fetched');
  machine.program('qemu-system-x86_64', 'exit 1');
  t.equal((await machine.run(...chosen)).code, 77, 'QEMU does not run');
});

t.test('missing or outdated lists of apt are renewed', async (t) => {
  const machine = new Machine(t);
  const onceUpdated = `[ -e "$FAKES/updated" ] || { echo 'E: 404' >&2; exit 100; }`;
  machine.program('dpkg-query', `[ -e "$FAKES/installed" ] && printf 'ii  %s\\n' ${packages}; :`);
  machine.program(
    'apt-get',
    `case $1 in
      update) [ -e "$FAKES/installed" ] && touch "$FAKES/updated"; touch "$FAKES/ready" ;;
      install) [ -e "$FAKES/ready" ] || exit 100; touch "$FAKES/installed" ;;
      download) ${onceUpdated}; : >kernel.deb ;;
    esac`,
  );
  const { code, said } = await machine.run(...chosen);
  t.equal(code, 0, said);
  t.equal(machine.calls('apt-get update'), 2, 'once for each that failed');
  t.equal(machine.calls('apt-get install'), 2);
});

t.test('a defect of the lab is a failure', async (t) => {
  const machine = new Machine(t);
  machine.program('g++', `[ $1 = --version ] && exit; echo 'witness.cc:1: error' >&2; exit 1`);
  const wrong = await machine.run(...chosen);
  t.equal(wrong.code, 1);
  t.match(wrong.said, /witness\.cc:1: error/);
  t.notOk(machine.cached().some((name) => name.startsWith('programs')));
  machine.module('images.mjs', (text) => text.replace('installMissing(say)', 'installMissing(tell)'));
  t.equal((await machine.run(...chosen)).code, 1);
});

t.test('what the lab has started ends with it', async (t) => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const machine = new Machine(t);
    const pids = join(machine.dir, 'fakes', 'pids');
    machine.program('g++', `[ $1 = --version ] && exit; sleep 600 & echo $$ $! >"$FAKES/pids"; wait`);
    const lab = machine.start(...chosen);
    const end = ended(lab);
    t.ok(await comesTrue(() => existsSync(pids) && readFileSync(pids, 'utf8') !== ''), 'a compiler runs');
    const both = readFileSync(pids, 'utf8').trim().split(' ').map(Number);
    lab.kill(signal);
    t.equal((await end).code, signal === 'SIGTERM' ? 143 : null);
    t.ok(await comesTrue(() => !both.some(isAlive)), signal);
    machine.program('g++', programs['g++']);
    t.equal((await machine.run(...chosen)).code, 0);
    t.same(
      machine.cached().filter((name) => name.includes('.new')),
      [],
      'nor is it left in the cache',
    );
  }
});

t.test('a lab that fails halfway tells what it has measured', async (t) => {
  const machine = new Machine(t);
  const told = async (how: string, reason: RegExp) => {
    machine.module('driver-part.mjs', () => held.replace('return results;', `${how}; return results;`));
    const { code, said } = await machine.run(...chosen);
    t.equal(code, 1);
    for (const part of [/softdog +agent-killed +no reset/, /1 runs: /, /logs: LOGS/, reason]) t.match(said, part);
  };
  machine.module('images.mjs', () => 'export const prepareImages = async () => ({});');
  const forever = 'await new Promise(() => {})';
  await told(`throw new Error('no more sockets')`, /no more sockets/);
  await told(`setImmediate(() => { throw new Error('out of the blue'); }); ${forever}`, /out of the blue/);
  machine.module('arguments.mjs', (text) => text.replace('Minutes = 180', 'Minutes = 0.1').replace('= 5;', '= 0;'));
  await told(forever, /not done within 0\.1 minutes/);
});

t.test('a choice with nothing in it is told as such', async (t) => {
  const machine = new Machine(t);
  const { code, said } = await machine.run('--part', 'validate', '--only', 'itco/agent-killed');
  t.equal(code, 1);
  t.match(said, /nothing was run/);
  t.notMatch(said, /every expectation held/);
});
