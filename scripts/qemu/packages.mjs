import { run, UnfitMachine, unfitIfFailed } from './command.mjs';

/** Busybox is the static one: it runs where there is no libc yet. */
const packages = [
  ...['qemu-system-x86', 'mmdebstrap', 'squashfs-tools', 'kmod', 'e2fsprogs', 'xz-utils', 'g++'],
  'busybox-static',
];
/** Somebody else may be installing something. */
const lockWaitS = 300;

/** Installs what is missing, with apt. Rejects with an UnfitMachine if it cannot, or if QEMU does not run here. */
export async function installMissing(say) {
  const missing = await missingPackages();
  if (missing.length > 0) {
    say(`installing with apt: ${missing.join(' ')}`);
    await withFreshLists(() => aptGet(['install', '-y', '--no-install-recommends', ...missing]));
  }
  await unfitIfFailed(run('qemu-system-x86_64', ['--version']));
}

/** Runs apt-get. Rejects with an UnfitMachine. */
export function aptGet(args, options) {
  return unfitIfFailed(run('apt-get', [...args, '-q', '-o', `DPkg::Lock::Timeout=${lockWaitS}`], options));
}

/** What `ask` gets from apt. Its lists may be missing, or name what the mirror no longer has: then once more. */
export async function withFreshLists(ask) {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof UnfitMachine)) throw error;
    // What is outdated in part may still do: only the answer counts.
    await aptGet(['update']).catch(() => undefined);
    return ask();
  }
}

async function missingPackages() {
  const status = await run('dpkg-query', ['-W', '-f', `\${db:Status-Abbrev} \${Package}\n`]);
  const known = status.split('\n');
  return packages.filter((name) => !known.includes(`ii  ${name}`));
}
