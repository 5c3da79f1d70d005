/** Directories whose content does not survive a reset. */
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

/** TMPFS_MAGIC and RAMFS_MAGIC of linux/magic.h. */
const inMemory: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

/** Does it lie in memory, or would it once it is made? What cannot be asked does not count as volatile. */
export async function isVolatile(directory: string): Promise<boolean> {
  try {
    return inMemory.has((await statfs(directory)).type);
  } catch (error) {
    const parent = dirname(directory);
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT' && parent !== directory;
    return isMissing ? isVolatile(parent) : false;
  }
}
