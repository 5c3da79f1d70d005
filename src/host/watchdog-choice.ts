import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../core/errors.js';

/**
 * The device that `auto` stands for; looked for by name only, since opening would arm it. Throws HF_WATCHDOG.
 * @param root prefix of /dev; only tests set it
 */
export async function chooseWatchdogDevice(configured: string, root = '/'): Promise<string> {
  if (configured !== 'auto') return configured;
  for (const path of ['/dev/watchdog0', '/dev/watchdog']) {
    const there = await access(join(root, path)).then(
      () => true,
      () => false,
    );
    if (there) return path;
  }
  throw new HoldfastError(
    'HF_WATCHDOG',
    'this machine has no watchdog (/dev/watchdog0, /dev/watchdog): load its driver, or softdog if it has no hardware one',
  );
}
