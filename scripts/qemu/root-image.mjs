import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { run, unfitIfFailed } from './command.mjs';
import { kernelVersion, moduleFiles } from './kernel.mjs';

/** What the agent and corosync need, and a shell; no systemd: the lab's own init is up in a second. */
const rootPackages = [
  ...['base-files', 'busybox-static', 'dash', 'coreutils', 'kmod', 'iproute2'],
  ...['corosync', 'libcpg4', 'libcmap4', 'libquorum5', 'libvotequorum8', 'libstdc++6'],
];
const suite = 'bookworm';
const mirror = `deb http://deb.debian.org/debian ${suite} main`;
const leftOut = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*', '/usr/share/i18n/*'];

/** Modules that a guest may load once its root is there. */
const guestModules = [
  ...['softdog', 'i6300esb', 'i2c-i801', 'lpc_ich', 'iTCO_wdt', 'ib700wdt', 'ipmi_si', 'ipmi_watchdog'],
  ...['virtio_net', 'ext4', 'ramoops'],
];

/** Fills `directory` with root.squashfs: Debian, this machine's Node, and the modules of the kernel in `kernel`. */
export async function buildRoot(directory, kernel) {
  const root = join(directory, 'root');
  const exclusions = leftOut.map((pattern) => `--dpkgopt=path-exclude=${pattern}`);
  const packages = `--include=${rootPackages.join(',')}`;
  // Extracting is enough: what the packages' scripts would set up is what init does.
  const args = ['--quiet', '--variant=extract', '--mode=root', packages, ...exclusions, suite, root, mirror];
  await unfitIfFailed(run('mmdebstrap', args));
  await run('install', ['-D', '-m755', process.execPath, join(root, 'usr/local/bin/node')]);
  await copyModules(kernel, root, guestModules);
  const options = ['-comp', 'zstd', '-Xcompression-level', '3', '-noappend', '-quiet', '-no-progress'];
  await run('mksquashfs', [root, join(directory, 'root.squashfs'), ...options]);
  rmSync(root, { recursive: true, force: true });
}

/** Copies them with what they need, and the lists by which modprobe finds them. */
export async function copyModules(kernel, root, names) {
  const version = kernelVersion(kernel);
  const lists = ['builtin', 'order', 'builtin.modinfo'].map((name) => `lib/modules/${version}/modules.${name}`);
  for (const file of [...(await moduleFiles(kernel, names)), ...lists]) {
    await run('install', ['-D', '-m644', join(kernel, file), join(root, file)]);
  }
  await run('depmod', ['-b', root, version]);
}
