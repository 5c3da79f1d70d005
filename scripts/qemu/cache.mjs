import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.mjs';

/** What was built before is kept; of each kind the last few, by when they were used. */
const kept = 3;
const unfinished = '.new';
/** What an ended lab had started may write for some seconds more. */
const removal = { recursive: true, force: true, maxRetries: 15, retryDelay: 200 };

/** What the guests are made of, each named after a hash of what it was made from. For one process at a time. */
export class Cache {
  #dir;

  constructor(dir) {
    this.#dir = dir;
  }

  /**
   * The directory of `kind` for these ingredients; `build(directory)` fills it if it is not there. Filled beside its
   * place and moved there when whole and on the disk, so that what was interrupted is never taken for built.
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
    const beside = `${place}${unfinished}`;
    rmSync(beside, removal);
    mkdirSync(beside);
    try {
      await build(beside);
      await run('sync', ['--file-system', beside]);
      renameSync(beside, place);
    } finally {
      rmSync(beside, removal);
    }
  }

  #dropOld(kind) {
    const names = readdirSync(this.#dir).filter((name) => name.startsWith(`${kind}-`));
    const places = names.map((name) => ({ path: join(this.#dir, name), whole: !name.includes(unfinished) }));
    const usedMs = ({ path }) => statSync(path).mtimeMs;
    const whole = places.filter((place) => place.whole).sort((a, b) => usedMs(b) - usedMs(a));
    const interrupted = places.filter((place) => !place.whole);
    for (const { path } of [...whole.slice(kept), ...interrupted]) rmSync(path, removal);
  }
}
