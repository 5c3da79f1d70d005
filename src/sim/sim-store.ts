import { HoldfastError } from '../core/errors.js';
import type { DurableRecord } from '../core/log.js';
import type { LoadResult, Store } from '../ports/store.js';
import type { Random, Range } from './sim-random.js';
import type { Timeline } from './sim-timeline.js';

/** The disk of one machine, which survives its agents and its boots. */
export class SimDisk {
  record: DurableRecord | null;
  /** What is there cannot be read any more, and nothing has been stored since. */
  damaged = false;
  /** Saves fail: no space. */
  full = false;
  /** Each save takes so much longer. */
  delayMs = 0;
  /** Nothing is written before this true time. */
  hangsUntilMs = 0;
  /** How often a power loss in the middle of a save damages the store altogether. */
  tornRate = 0;
  /** Being written, not yet known to be durable; a power loss decides what becomes of it. */
  unsynced: DurableRecord | null = null;

  constructor(record: DurableRecord | null) {
    this.record = record;
  }

  load(): LoadResult {
    if (this.damaged) return { outcome: 'damaged', detail: 'simulated: its checksum does not match' };
    return this.record === null ? { outcome: 'empty' } : { outcome: 'loaded', record: this.record };
  }

  /** The rename may have reached the disk, or not, when the writer was cut off. */
  cutOff(random: Random, powerLoss: boolean): void {
    const { unsynced } = this;
    this.unsynced = null;
    if (unsynced === null || this.full) return;
    if (powerLoss && random.chance(this.tornRate)) this.lose();
    else if (random.chance(0.5)) this.#write(unsynced);
  }

  lose(): void {
    this.record = null;
    this.damaged = true;
  }

  finish(record: DurableRecord): void {
    this.unsynced = null;
    if (!this.full) this.#write(record);
  }

  /** A record is immutable, so it can be kept as it is. */
  #write(record: DurableRecord): void {
    this.record = record;
    this.damaged = false;
  }
}

export interface StoreSurroundings {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly disk: SimDisk;
  readonly saveMs: Range;
  readonly isAlive: () => boolean;
  readonly deliver: (run: () => void) => void;
  readonly misuse: (text: string) => void;
}

export class SimStore implements Store {
  readonly #world: StoreSurroundings;
  #saving = false;

  constructor(world: StoreSurroundings) {
    this.#world = world;
  }

  async load(): Promise<LoadResult> {
    return this.#world.disk.load();
  }

  save(record: DurableRecord): Promise<void> {
    const { timeline, random, disk, saveMs, isAlive, misuse } = this.#world;
    if (!isAlive()) return new Promise(() => undefined);
    if (this.#saving) misuse('saves overlap');
    this.#saving = true;
    disk.unsynced = record;
    const hangsMs = Math.max(0, disk.hangsUntilMs - timeline.nowMs);
    return new Promise((resolve, reject) => {
      timeline.after(hangsMs + disk.delayMs + random.within(saveMs), () => this.#saved(record, resolve, reject));
    });
  }

  #saved(record: DurableRecord, resolve: () => void, reject: (error: Error) => void): void {
    const { disk, isAlive, deliver } = this.#world;
    if (!isAlive()) return;
    this.#saving = false;
    disk.finish(record);
    if (!disk.full) deliver(resolve);
    else
      deliver(() => reject(new HoldfastError('HF_STORE', 'cannot write the simulated store: ENOSPC: free some space')));
  }
}
