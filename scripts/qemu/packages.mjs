import { spawnSync } from 'node:child_process';

/** Package by the program that shows that it is there. */
const packages = {
  'qemu-system-x86_64': 'qemu-system-x86',
  mmdebstrap: 'mmdebstrap',
  mksquashfs: 'squashfs-tools',
  modprobe: 'kmod',
  mke2fs: 'e2fsprogs',
  xz: 'xz-utils',
  'g++': 'g++',
};

/** Busybox has to be the static one: it runs where there is no libc yet. */
const staticBusybox = 'busybox-static';

/** Installs what is missing, with apt. Throws an Error with one sentence. */
export function installMissing(say) {
  const names = Object.entries(packages).filter(([program]) => !onPath(program));
  const missing = names.map(([, name]) => name);
  if (!isInstalled(staticBusybox)) missing.push(staticBusybox);
  if (missing.length === 0) return;
  say(`installing with apt: ${missing.join(' ')}`);
  // An outdated list may still do, so only the installation's failure counts.
  run('apt-get', ['update', '-q']);
  const { status, stderr } = run('apt-get', ['install', '-qy', '--no-install-recommends', ...missing]);
  if (status !== 0) throw new Error(`apt cannot install ${missing.join(' ')}: ${lastLine(stderr)}`);
}

function onPath(program) {
  return spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;
}

function isInstalled(name) {
  const { stdout } = spawnSync('dpkg-query', ['-s', name], { encoding: 'utf8' });
  return stdout?.includes('\nStatus: install ok installed\n') ?? false;
}

function run(program, args) {
  const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync(program, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function lastLine(text) {
  return text?.trim().split('\n').at(-1) ?? 'no reason was given';
}
