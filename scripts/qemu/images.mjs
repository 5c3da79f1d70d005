import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cache } from './cache.mjs';
import { UnfitMachine } from './command.mjs';
import { fetchKernel, kernelPackage } from './kernel.mjs';
import { buildLoader, busybox, loaderScript } from './loader.mjs';
import { alone } from './lock.mjs';
import { installMissing } from './packages.mjs';
import { compilePrograms, compilerVersion, programSources } from './programs.mjs';
import { buildRoot } from './root-image.mjs';

/** Outside the repository. Nothing in it is renewed because Debian has something newer. */
const cacheDirectory = process.env.HOLDFAST_QEMU_CACHE ?? '/var/cache/holdfast-qemu';

/**
 * The parts of a guest, from the cache or built now: { vmlinux, root, loader, programs }, paths. Rejects with an
 * UnfitMachine where there can be no guests, with any other Error if they cannot be built.
 */
export async function prepareImages(say) {
  if (process.arch !== 'x64') throw new UnfitMachine(`the guests are x86-64 machines, and this is ${process.arch}`);
  mkdirSync(cacheDirectory, { recursive: true });
  return alone(cacheDirectory, say, async () => {
    await installMissing(say);
    return build(say);
  });
}

/** What builds a part is among its ingredients, with every option in it. What needs no network comes first. */
async function build(say) {
  const cache = new Cache(cacheDirectory);
  const get = (kind, ingredients, fill) =>
    cache.get(kind, ingredients, async (directory) => {
      say(`building ${kind}`);
      await fill(directory);
    });
  const programs = await get(
    'programs',
    [source('programs.mjs'), programSources(), await compilerVersion()],
    compilePrograms,
  );
  const kernel = await get('kernel', [source('kernel.mjs')], fetchKernel);
  const packageName = kernelPackage(kernel);
  const modules = [packageName, source('kernel.mjs'), source('root-image.mjs')];
  const root = await get('root', [modules, hashOf(process.execPath)], (to) => buildRoot(to, kernel));
  const loader = await get(
    'loader',
    [modules, source('loader.mjs'), source('cpio.mjs'), hashOf(loaderScript), hashOf(busybox)],
    (to) => buildLoader(to, kernel),
  );
  say(`guests have ${packageName}; to get what Debian has now, remove ${cacheDirectory}`);
  return {
    vmlinux: join(kernel, 'vmlinux'),
    root: join(root, 'root.squashfs'),
    loader: join(loader, 'loader.cpio.gz'),
    programs,
  };
}

function source(name) {
  return readFileSync(new URL(name, import.meta.url), 'utf8');
}

function hashOf(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
