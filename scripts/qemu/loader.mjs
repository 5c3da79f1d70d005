import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { cpioArchive, entriesOf } from './cpio.mjs';
import { copyModules } from './root-image.mjs';

/** What it takes to find the root, and to speak to the lab. */
export const loaderModules = ['virtio_pci', 'virtio_blk', 'virtio_console', 'overlay', 'squashfs'];
export const loaderScript = new URL('guest/load-root', import.meta.url);

/** Fills `directory` with loader.cpio.gz: busybox, modules, and the script that mounts the root. */
export async function buildLoader(directory, kernel) {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-loader-'));
  try {
    await copyModules(kernel, root, loaderModules);
    const files = readdirSync(root, { recursive: true })
      .filter((path) => statSync(join(root, path)).isFile())
      .map((path) => ({ path, mode: 0o644, bytes: readFileSync(join(root, path)) }));
    files.push({ path: 'init', mode: 0o755, bytes: readFileSync(loaderScript) });
    files.push({ path: 'bin/busybox', mode: 0o755, bytes: readFileSync('/bin/busybox') });
    const nodes = [
      { path: 'dev', type: 'directory', mode: 0o755 },
      { path: 'dev/console', type: 'device', mode: 0o600, device: [5, 1] },
    ];
    const archive = cpioArchive([...entriesOf(files), ...nodes]);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'loader.cpio.gz'), gzipSync(archive, { level: 1 }));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
