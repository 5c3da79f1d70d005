import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { createWatchdog } from '../src/host/keeper-watchdog.js';
import { loadNative } from '../src/host/native.js';
import { busyCause } from '../src/host/watchdog-failure.js';
import { findHolder, readKernelWatchdog, refusalToArm } from '../src/host/watchdog-sysfs.js';
import { fakeRoot } from './watchdog-trees.js';

const i6300esb = {
  dev: '511:0',
  identity: 'i6300ESB timer',
  state: 'active',
  timeout: '30',
  min_timeout: '1',
  max_timeout: '2046',
  nowayout: '1',
  pretimeout: '5',
  bootstatus: '32',
};

t.test('reads all that sysfs has, by number and not by name', async (t) => {
  const { root, device, watchdog } = fakeRoot(t);
  watchdog('watchdog0', i6300esb);
  watchdog('watchdog1', {
    dev: '511:1',
    identity: 'Software Watchdog',
    state: 'inactive',
    timeout: '60',
    nowayout: '0',
  });
  device('watchdog', 10, 130);
  device('watchdog0', 511, 0);
  device('by-another-name', 511, 1);
  const expected = {
    identity: 'i6300ESB timer',
    driver: null,
    active: true,
    timeoutS: 30,
    minTimeoutS: 1,
    maxTimeoutS: 2046,
    pretimeoutS: 5,
    timeLeftS: null,
    nowayout: true,
    bootStatus: 0x20,
    stopsOnClose: false,
    inSysfs: true,
  };
  t.same(await readKernelWatchdog('/dev/watchdog0', root), expected);
  t.same(await readKernelWatchdog('/dev/watchdog', root), expected, 'the old name of watchdog0');
  t.match(await readKernelWatchdog('/dev/by-another-name', root), {
    identity: 'Software Watchdog',
    active: false,
    maxTimeoutS: 0,
    nowayout: false,
  });
});

t.test('a driver that the death of the agent would stop is not armed', async (t) => {
  const { root, device, watchdog } = fakeRoot(t);
  device('watchdog0', 511, 0);
  const cases = [
    { options: '0x8080', nowayout: '0', refused: true },
    { options: '0x8180', nowayout: '0', refused: false },
    { options: '0x8080', nowayout: '1', refused: false },
  ];
  for (const { refused, ...attributes } of cases) {
    watchdog('watchdog0', { ...i6300esb, ...attributes });
    const refusal = refusalToArm('/dev/watchdog0', await readKernelWatchdog('/dev/watchdog0', root));
    if (refused) t.match(refusal, /cannot arm \/dev\/watchdog0: its driver stops when the agent dies .*nowayout=1/);
    else t.equal(refusal, null, JSON.stringify(attributes));
  }
});

t.test('an old driver without an entry in sysfs', async (t) => {
  const { root, device } = fakeRoot(t);
  device('watchdog', 10, 130);
  t.match(await readKernelWatchdog('/dev/watchdog', root), {
    identity: 'unknown',
    active: false,
    timeoutS: 0,
    minTimeoutS: 0,
    maxTimeoutS: 0,
    inSysfs: false,
  });
});

t.test('refuses what is not a watchdog', async (t) => {
  const { root, device, watchdog, write } = fakeRoot(t);
  watchdog('watchdog0', i6300esb);
  device('other', 511, 7);
  write('dev/watchdog9', 'a file');
  for (const path of ['/dev/other', '/dev/watchdog9', '/dev']) {
    await t.rejects(readKernelWatchdog(path, root), { code: 'HF_WATCHDOG', message: /is not a watchdog/ }, path);
  }
  await t.rejects(readKernelWatchdog('/dev/none', root), { code: 'HF_WATCHDOG', message: /there is no .*ENOENT/ });
  await t.rejects(readKernelWatchdog('/dev/other/x', root), { code: 'HF_WATCHDOG', message: /ENOTDIR/ });
});

t.test('names who holds the device', async (t) => {
  const { root, device, watchdog, opens, write } = fakeRoot(t);
  watchdog('watchdog0', i6300esb);
  device('watchdog', 10, 130);
  device('watchdog0', 511, 0);
  device('watchdog1', 511, 1);
  device('null', 1, 3);
  write('proc/self-made', '');
  opens(40, 'innocent', 'dev/null');
  opens(41, 'other', 'dev/watchdog1');
  t.equal(await findHolder('/dev/watchdog0', root), undefined);
  t.match(await busyCause('/dev/watchdog0', root), /cannot be found in \/proc/);
  opens(812, 'watchdogd', 'dev/watchdog');
  t.same(await findHolder('/dev/watchdog0', root), { pid: 812, program: 'watchdogd' }, 'under its old name');
  t.equal(
    await busyCause('/dev/watchdog0', root),
    'held by pid 812 (watchdogd): stop that program, or name another device',
  );
  opens(1, 'systemd', 'dev/watchdog0');
  t.equal(
    await busyCause('/dev/watchdog', root),
    'held by pid 1 (systemd, RuntimeWatchdogSec=30): set RuntimeWatchdogSec=0 in system.conf, or name another device',
  );
});

t.test('asks no file that is not below /dev who it is: it may lie on a file system that answers nobody', async (t) => {
  const { root, device, watchdog, opens } = fakeRoot(t);
  watchdog('watchdog1', { ...i6300esb, dev: '511:1' });
  device('watchdog1', 511, 1);
  mkdirSync(join(root, 'mnt/nfs'), { recursive: true });
  opens(50, 'innocent', 'mnt/nfs/file');
  // Were it asked, it would say that it is the device.
  symlinkSync('../../dev/watchdog1', join(root, 'mnt/nfs/file'));
  t.equal(await findHolder('/dev/watchdog1', root), undefined);
});

t.test('a device that is gone, and a /proc that cannot be read, tell of no holder', async (t) => {
  const { root, device, watchdog } = fakeRoot(t);
  watchdog('watchdog1', { ...i6300esb, dev: '511:1' });
  t.equal(await findHolder('/dev/watchdog1', root), undefined);
  device('watchdog1', 511, 1);
  rmSync(join(root, 'proc'), { recursive: true });
  t.equal(await findHolder('/dev/watchdog1', root), undefined);
});

t.test('opens nothing but watchdogs', async (t) => {
  for (const device of ['/dev/null', '/etc/passwd', '/dev']) {
    const watchdog = createWatchdog({ device });
    await t.rejects(watchdog.adopt(), { code: 'HF_WATCHDOG', message: /is not a watchdog/ }, device);
    await t.rejects(watchdog.inspect(), { code: 'HF_WATCHDOG', message: /is not a watchdog/ }, device);
    t.equal(watchdog.stats().state, 'idle');
  }
  const none = createWatchdog({ device: '/dev/watchdog-none' });
  await t.rejects(none.adopt(), { code: 'HF_WATCHDOG', message: /^cannot adopt \/dev\/watchdog-none: there is none/ });
  t.match(await readKernelWatchdog('/dev/watchdog-none').catch((error: Error) => error.message), /load this board's/);
});

const resetOfNull = `
  const { createWatchdog } = await import(process.argv[1]);
  const watchdog = createWatchdog({ device: '/dev/null' });
  watchdog.onEvent((event) => {
    if (event.type !== 'reset-failed') return;
    console.log(JSON.stringify({ ...event, state: watchdog.stats().state }));
    process.exit(0);
  });
  watchdog.reset('test');
  setTimeout(() => {}, 5_000);
`;

t.test('sysrq and reboot(2) are out of reach without a watchdog', async (t) => {
  const port = fileURLToPath(new URL('../src/host/keeper-watchdog.js', import.meta.url));
  const trap = join(mkdtempSync(join(tmpdir(), 'holdfast-sysrq-')), 'trigger');
  t.teardown(() => rmSync(dirname(trap), { recursive: true }));
  writeFileSync(trap, '');
  // Should it ever go wrong: sysrq is a file here, and reboot(2) in a pid namespace ends that namespace only.
  const mask = '[ ! -e /proc/sysrq-trigger ] || mount --bind "$0" /proc/sysrq-trigger';
  const script = `${mask} && exec "$1" --input-type=module -e "$2" "$3"`;
  const args = ['-p', '-f', '-m', '--mount-proc', '--kill-child', 'sh', '-c', script, trap];
  const { stdout } = await promisify(execFile)('unshare', [...args, process.execPath, resetOfNull, port]);
  t.same(JSON.parse(stdout), { type: 'reset-failed', error: 'ENOTTY', state: 'expired' });
  t.equal(execFileSync('cat', [trap], { encoding: 'utf8' }), '', 'sysrq was not written');
});

t.test('who is at the other end of a socket', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-peer-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'socket');
  const native = loadNative();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const client = createConnection(path);
  const { fd } = ((await accepted) as unknown as { _handle: { fd: number } })._handle;
  t.same(native.peerCredentials(fd), { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() });
  t.equal(native.peerCredentials(-1), 9, 'EBADF');
  client.destroy();
  server.close();
});
