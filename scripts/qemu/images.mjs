import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cache } from './cache.mjs';
import { fetchKernel, kernelPackage } from './kernel.mjs';
import { buildLoader, loaderModules, loaderScript } from './loader.mjs';
import { compilePrograms, programSources } from './programs.mjs';
import { buildRoot, guestModules, nodeHash, rootPackages } from './root-image.mjs';

/** Raised when what is built changes though its ingredients do not. */
const version = 1;

/** The parts of a guest, from the cache or built now: { vmlinux, root, loader, programs }, paths. */
export async function prepareImages(say) {
  const cache = new Cache();
  const told = (kind, build) => async (directory) => {
    say(`building ${kind}`);
    await build(directory);
  };
  const packageName = await kernelPackage();
  const kernel = await cache.get(
    'kernel',
    [version, packageName],
    told('the kernel', (to) => fetchKernel(to, packageName)),
  );
  const root = await cache.get(
    'root',
    [version, packageName, await nodeHash(), rootPackages, guestModules],
    told('the root image', (to) => buildRoot(to, kernel)),
  );
  const loader = await cache.get(
    'loader',
    [version, packageName, loaderModules, readFileSync(loaderScript, 'utf8')],
    told('the loader', (to) => buildLoader(to, kernel)),
  );
  const programs = await cache.get(
    'programs',
    [version, programSources()],
    told('the guest programs', compilePrograms),
  );
  return {
    vmlinux: join(kernel, 'vmlinux'),
    root: join(root, 'root.squashfs'),
    loader: join(loader, 'loader.cpio.gz'),
    programs,
  };
}
