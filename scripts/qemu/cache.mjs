import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';

/** What was built before is kept; of each kind the last few, by when they were used. */
const kept = 3;
/** Nobody builds for so long: what is older and not whole was interrupted. */
const interruptedMs = 24 * 3_600_000;

/** What the guests are made of, outside the repository, each named after a hash of what it was made from. */
export class Cache {
  #dir;

  constructor(dir = process.env.HOLDFAST_QEMU_CACHE ?? '/var/cache/holdfast-qemu') {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true });
  }

  /**
   * The directory of `kind` for these ingredients; `build(directory)` fills it if it is not there. Filled beside its
   * place and moved there when whole, so that what was interrupted is never taken for built.
   */
  async get(kind, ingredients, build) {
    const hash = createHash('sha256').update(JSON.stringify(ingredients)).digest('hex').slice(0, 16);
    const place = join(this.#dir, `${kind}-${hash}`);
    if (!existsSync(place)) await this.#fill(place, build);
    const now = new Date();
    utimesSync(place, now, now);
    this.#dropOld(kind);
    return place;
  }

  async #fill(place, build) {
    const beside = mkdtempSync(`${place}.new-`);
    try {
      await build(beside);
      renameSync(beside, place);
    } catch (error) {
      // Another lab may have built the same meanwhile.
      if (!existsSync(place)) throw error;
    } finally {
      rmSync(beside, { recursive: true, force: true });
    }
  }

  #dropOld(kind) {
    const names = readdirSync(this.#dir).filter((name) => name.startsWith(`${kind}-`));
    const places = names.map((name) => {
      const path = join(this.#dir, name);
      // Another lab may have moved or removed it meanwhile.
      return { path, whole: !name.includes('.new-'), usedMs: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 };
    });
    places.sort((a, b) => b.usedMs - a.usedMs);
    const unused = places.filter(({ whole }) => whole).slice(kept);
    const interrupted = places.filter(({ whole, usedMs }) => !whole && usedMs < Date.now() - interruptedMs);
    for (const { path } of [...unused, ...interrupted]) rmSync(path, { recursive: true, force: true });
  }
}
