/**
 * A complete search of a model's worlds, by number of faults: first all that is reached without one, then all that one
 * fault and what follows it adds, and so on. A world that was reached with fewer faults is not looked at again, since
 * more can still happen to it. Worlds are compared byte by byte, never by a hash alone.
 */
export interface Model {
  /** Length of a world; each of its numbers is below 16. */
  readonly bytes: number;
  initial(): readonly Uint8Array[];
  moves(world: Uint8Array, offer: Offer): void;
  faults(world: Uint8Array, offer: Offer): void;
  /** Brings a world into the one form of all that differ in nothing that matters; in place. */
  settle(world: Uint8Array): Uint8Array;
}

/** `text` is only asked for when a schedule is told. */
export type Offer = (
  text: () => string,
  change: (world: Uint8Array, report: (violation: string) => void) => void,
) => void;

export interface Layer {
  readonly faults: number;
  states: number;
  transitions: number;
  /** Longest of the shortest ways from the layer's first worlds. */
  depth: number;
  complete: boolean;
}

export interface Counterexample {
  readonly violation: string;
  readonly faults: number;
  /** What happened, in order; the last line breaks the rule. */
  readonly schedule: readonly string[];
}

export interface SearchResult {
  readonly layers: readonly Layer[];
  readonly states: number;
  readonly transitions: number;
  readonly complete: boolean;
  readonly counterexample: Counterexample | null;
}

export interface SearchLimits {
  readonly faults: number;
  /** Asked now and then; true ends the search where it is. */
  readonly stop: () => boolean;
  readonly progress: (layers: readonly Layer[]) => void;
}

/** Worlds between two looks at the limits. */
const batch = 4_096;

/** Runs to the end, or until `stop`; yields now and then, so that the caller can let other things happen. */
export function* search(model: Model, limits: SearchLimits): Generator<void, SearchResult> {
  const store = new WorldStore(model.bytes);
  const layers: Layer[] = [];
  let layerFrom = 0;
  for (let faults = 0; faults <= limits.faults; faults++) {
    const layer: Layer = { faults, states: 0, transitions: 0, depth: 0, complete: false };
    layers.push(layer);
    const run = new LayerRun(model, store, layer);
    const from = store.size;
    if (faults === 0)
      for (const world of model.initial()) if (store.add(model.settle(world.slice()), -1, 0)) layer.states++;
    const seeded = faults === 0 || (yield* overAll(layerFrom, from, limits, layers, (i) => run.expand(i, 'faults')));
    const done = seeded && (yield* run.toTheEnd(from, limits, layers));
    layer.complete = done;
    if (!done) return result(layers, store, run.broken, faults);
    layerFrom = from;
  }
  return result(layers, store, null, limits.faults);
}

function* overAll(
  from: number,
  to: number,
  limits: SearchLimits,
  layers: readonly Layer[],
  expand: (index: number) => boolean,
): Generator<void, boolean> {
  for (let index = from; index < to; index++) {
    if (!expand(index)) return false;
    if (index % batch !== 0) continue;
    limits.progress(layers);
    yield;
    if (limits.stop()) return false;
  }
  return true;
}

class LayerRun {
  readonly #model: Model;
  readonly #store: WorldStore;
  readonly #layer: Layer;
  readonly #world: Uint8Array;
  readonly #next: Uint8Array;
  #broken: { readonly index: number; readonly way: number; readonly violation: string } | null = null;

  constructor(model: Model, store: WorldStore, layer: Layer) {
    this.#model = model;
    this.#store = store;
    this.#layer = layer;
    this.#world = new Uint8Array(model.bytes);
    this.#next = new Uint8Array(model.bytes);
  }

  get broken(): Counterexample | null {
    if (this.#broken === null) return null;
    const { index, way, violation } = this.#broken;
    return { violation, faults: this.#layer.faults, schedule: schedule(this.#model, this.#store, index, way) };
  }

  /** Breadth first, so that a counterexample has few moves. */
  *toTheEnd(from: number, limits: SearchLimits, layers: readonly Layer[]): Generator<void, boolean> {
    for (let start = from; start < this.#store.size; this.#layer.depth++) {
      const end = this.#store.size;
      if (!(yield* overAll(start, end, limits, layers, (index) => this.expand(index, 'moves')))) return false;
      start = end;
    }
    return true;
  }

  /** False once a rule is broken. */
  expand(index: number, which: 'moves' | 'faults'): boolean {
    this.#store.read(index, this.#world);
    // Ways are told apart by their number, moves even, faults odd.
    let way = which === 'moves' ? 0 : 1;
    this.#model[which](this.#world, (_, change) => {
      if (this.#broken === null) this.#take(index, way, change);
      way += 2;
    });
    return this.#broken === null;
  }

  #take(index: number, way: number, change: Parameters<Offer>[1]): void {
    this.#layer.transitions++;
    this.#next.set(this.#world);
    change(this.#next, (violation) => {
      this.#broken ??= { index, way, violation };
    });
    if (this.#broken === null && this.#store.add(this.#model.settle(this.#next), index, way)) this.#layer.states++;
  }
}

function result(
  layers: readonly Layer[],
  store: WorldStore,
  counterexample: Counterexample | null,
  faults: number,
): SearchResult {
  return {
    layers,
    states: store.size,
    transitions: layers.reduce((sum, layer) => sum + layer.transitions, 0),
    complete: layers.length === faults + 1 && layers.every((layer) => layer.complete),
    counterexample,
  };
}

/** The way to a world and one change more, told in the texts of its moves. */
function schedule(model: Model, store: WorldStore, index: number, way: number): string[] {
  const lines: string[] = [];
  const world = new Uint8Array(model.bytes);
  for (let at = index, by = way; at >= 0; ) {
    store.read(at, world);
    let number = by % 2;
    model[by % 2 === 0 ? 'moves' : 'faults'](world, (text) => {
      if (number === by) lines.unshift(text());
      number += 2;
    });
    [at, by] = [store.parent(at), store.way(at)];
  }
  return lines;
}

const chunkBits = 16;
const chunkSize = 1 << chunkBits;

/** Worlds in the order in which they were found, two numbers to a byte, each with the way to it. */
class WorldStore {
  readonly #packedBytes: number;
  readonly #worldBytes: number;
  readonly #chunks: Uint8Array[] = [];
  readonly #parents: Int32Array[] = [];
  readonly #ways: Uint16Array[] = [];
  /** Open addressing; index + 1, 0: free. */
  #table = new Int32Array(1 << 16);
  readonly #packed: Uint8Array;
  size = 0;

  constructor(worldBytes: number) {
    this.#worldBytes = worldBytes;
    this.#packedBytes = Math.ceil(worldBytes / 2);
    this.#packed = new Uint8Array(this.#packedBytes);
  }

  /** False if it is known. */
  add(world: Uint8Array, parent: number, way: number): boolean {
    const hash = this.#pack(world);
    const mask = this.#table.length - 1;
    let place = hash & mask;
    for (let known = this.#table[place] ?? 0; known !== 0; known = this.#table[place] ?? 0) {
      if (this.#equals(known - 1)) return false;
      place = (place + 1) & mask;
    }
    this.#table[place] = this.size + 1;
    this.#append(parent, way);
    if (this.size * 2 > this.#table.length) this.#grow();
    return true;
  }

  read(index: number, world: Uint8Array): void {
    const chunk = this.#chunks[index >> chunkBits];
    const from = (index & (chunkSize - 1)) * this.#packedBytes;
    for (let i = 0; i < this.#packedBytes; i++) {
      const pair = chunk?.[from + i] ?? 0;
      world[2 * i] = pair & 15;
      world[2 * i + 1] = pair >> 4;
    }
  }

  parent(index: number): number {
    return this.#parents[index >> chunkBits]?.[index & (chunkSize - 1)] ?? -1;
  }

  way(index: number): number {
    return this.#ways[index >> chunkBits]?.[index & (chunkSize - 1)] ?? 0;
  }

  #pack(world: Uint8Array): number {
    for (let i = 0; i < this.#packedBytes; i++) {
      const [low, high] = [world[2 * i] ?? 0, 2 * i + 1 < this.#worldBytes ? (world[2 * i + 1] ?? 0) : 0];
      if (low > 15 || high > 15) throw new Error(`a world's number ${Math.max(low, high)} at ${2 * i} is not below 16`);
      this.#packed[i] = low | (high << 4);
    }
    return hashOf(this.#packed, 0, this.#packedBytes);
  }

  #equals(index: number): boolean {
    const chunk = this.#chunks[index >> chunkBits];
    const from = (index & (chunkSize - 1)) * this.#packedBytes;
    for (let i = 0; i < this.#packedBytes; i++) if (chunk?.[from + i] !== this.#packed[i]) return false;
    return true;
  }

  #append(parent: number, way: number): void {
    const [chunkIndex, inChunk] = [this.size >> chunkBits, this.size & (chunkSize - 1)];
    if (inChunk === 0) {
      this.#chunks.push(new Uint8Array(chunkSize * this.#packedBytes));
      this.#parents.push(new Int32Array(chunkSize));
      this.#ways.push(new Uint16Array(chunkSize));
    }
    this.#chunks[chunkIndex]?.set(this.#packed, inChunk * this.#packedBytes);
    this.#parents[chunkIndex]?.fill(parent, inChunk, inChunk + 1);
    this.#ways[chunkIndex]?.fill(way, inChunk, inChunk + 1);
    this.size++;
  }

  #grow(): void {
    const table = new Int32Array(this.#table.length * 2);
    const mask = table.length - 1;
    for (let index = 0; index < this.size; index++) {
      const chunk = this.#chunks[index >> chunkBits] ?? this.#packed;
      const from = (index & (chunkSize - 1)) * this.#packedBytes;
      let place = hashOf(chunk, from, this.#packedBytes) & mask;
      while (table[place] !== 0) place = (place + 1) & mask;
      table[place] = index + 1;
    }
    this.#table = table;
  }
}

/** FNV-1a with a last mixing, so that its low bits are good. */
function hashOf(bytes: Uint8Array, from: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ (bytes[from + i] ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
