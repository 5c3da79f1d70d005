import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { cpioArchive, entriesOf } from './cpio.mjs';
import { copyModules } from './root-image.mjs';

/** What it takes to find the root, and to speak to the lab. */
const loaderModules = ['virtio_pci', 'virtio_blk', 'virtio_console', 'overlay', 'squashfs'];
export const loaderScript = new URL('guest/load-root', import.meta.url);
export const busybox = '/bin/busybox';

/** Fills `directory` with loader.cpio.gz: busybox, modules, and the script that mounts the root. */
export async function buildLoader(directory, kernel) {
  const root = join(directory, 'root');
  await copyModules(kernel, root, loaderModules);
  const files = readdirSync(root, { recursive: true })
    .filter((path) => statSync(join(root, path)).isFile())
    .map((path) => ({ path, mode: 0o644, bytes: readFileSync(join(root, path)) }));
  files.push({ path: 'init', mode: 0o755, bytes: readFileSync(loaderScript) });
  files.push({ path: 'bin/busybox', mode: 0o755, bytes: readFileSync(busybox) });
  const nodes = [
    { path: 'dev', type: 'directory', mode: 0o755 },
    { path: 'dev/console', type: 'device', mode: 0o600, device: [5, 1] },
  ];
  const archive = cpioArchive([...entriesOf(files), ...nodes]);
  writeFileSync(join(directory, 'loader.cpio.gz'), gzipSync(archive, { level: 1 }));
  rmSync(root, { recursive: true });
}
