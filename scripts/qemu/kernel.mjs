import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, UnfitMachine, unfitIfFailed } from './command.mjs';
import { aptGet, withFreshLists } from './packages.mjs';

/** Debian's ordinary kernel: the one for clouds has no driver of a watchdog but softdog. */
const metaPackage = 'linux-image-amd64';
const unpackMs = 300_000;

/** Fills `directory`: vmlinux, the modules below lib/modules/VERSION with their dependencies, and `package`. */
export async function fetchKernel(directory) {
  const packageName = await withFreshLists(async () => {
    const name = await newestKernel();
    await aptGet(['download', name], { cwd: directory });
    return name;
  });
  const file = readdirSync(directory).find((name) => name.endsWith('.deb'));
  await run('dpkg', ['-x', file, '.'], { cwd: directory });
  const version = kernelVersion(directory);
  await run('depmod', ['-b', directory, version]);
  const image = readFileSync(join(directory, 'boot', `vmlinuz-${version}`));
  writeFileSync(join(directory, 'vmlinux'), unpackImage(image));
  await run('rm', ['-rf', file, 'boot', 'usr'], { cwd: directory });
  writeFileSync(join(directory, 'package'), packageName);
}

/** The package that it was made from, as apt names it: `linux-image-6.1.0-56-amd64=6.1.192-2`. */
export function kernelPackage(directory) {
  return readFileSync(join(directory, 'package'), 'utf8');
}

/** The package of the kernel that Debian has now. */
async function newestKernel() {
  const depends = await unfitIfFailed(run('apt-cache', ['depends', metaPackage]));
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  const policy = await unfitIfFailed(run('apt-cache', ['policy', name ?? metaPackage]));
  const version = /Candidate: (\S+)/.exec(policy)?.[1];
  if (name === undefined || version === undefined) throw new UnfitMachine(`apt knows no ${metaPackage}`);
  return `${name}=${version}`;
}

export function kernelVersion(directory) {
  const [version] = readdirSync(join(directory, 'lib', 'modules'));
  if (version === undefined) throw new Error(`there are no modules in ${directory}`);
  return version;
}

/** The files of these modules and of what they need, below lib/modules. */
export async function moduleFiles(directory, names) {
  const version = kernelVersion(directory);
  const files = new Set();
  for (const name of names) {
    const text = await run('modprobe', ['-d', directory, '-S', version, '--show-depends', name]);
    for (const [, path] of text.matchAll(/^insmod (\S+)/gm)) files.add(path.slice(path.indexOf('lib/modules/')));
  }
  return [...files];
}

/**
 * The ELF kernel within a bzImage; unpacked here once and not by each guest, whose emulated processor takes seconds.
 * Documentation/x86/boot.rst: setup_sects at 0x1f1, payload_offset and payload_length at 0x248.
 */
export function unpackImage(image) {
  const setupSectors = image.readUInt8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + image.readUInt32LE(0x248);
  const payload = image.subarray(start, start + image.readUInt32LE(0x24c));
  // The stream is followed by its unpacked size.
  const options = { input: payload, maxBuffer: 512 * 1024 * 1024, timeout: unpackMs };
  const kernel = spawnSync('xz', ['--decompress', '--stdout', '--single-stream'], options).stdout;
  if (kernel?.subarray(0, 4).toString('latin1') === '\x7fELF') return kernel;
  throw new Error('the kernel image is not an ELF file packed with xz, as Debian 12 has it');
}
