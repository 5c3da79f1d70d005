/** Attributes of sysfs and their like: small files that may be missing, or refuse to be read. */
import { open, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';

/** An attribute of sysfs has at most a page. */
const maxAttributeBytes = 4_096;

/** Its text, trimmed; undefined where there is none, or it cannot be read. */
export async function attribute(folder: string, name: string): Promise<string | undefined> {
  try {
    const file = await open(join(folder, name), 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(maxAttributeBytes));
      return buffer.toString('utf8', 0, bytesRead).trim();
    } finally {
      await file.close();
    }
  } catch {
    // Attributes that a driver does not have are not there, or refuse to be read.
    return undefined;
  }
}

/** An attribute that is a whole number, decimal or as 0x…; undefined where it is none. */
export async function numberAttribute(folder: string, name: string): Promise<number | undefined> {
  const text = await attribute(folder, name);
  const value = Number(text);
  return text && Number.isSafeInteger(value) ? value : undefined;
}

/** The last part of what a link points to, which is how sysfs names drivers; undefined where there is no link. */
export async function linkedName(folder: string, name: string): Promise<string | undefined> {
  return readlink(join(folder, name)).then(
    (target) => basename(target),
    () => undefined,
  );
}
