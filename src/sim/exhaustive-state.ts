/**
 * Where each fact of a coarse world stands in its row of small numbers (each below 16, so that two fit into a byte).
 * Times are steps relative to now; epochs are ranks. Nodes are 0, 1, 2; sets of nodes are bit masks.
 */
import { nodeCount } from './exhaustive-rules.js';

export type World = Uint8Array;

/** Offsets in a node's part. */
export const at = {
  /** The machine is on. */
  on: 0,
  /** Its agent runs. */
  agent: 1,
  /** The resource runs on it. */
  running: 2,
  /** Watchdog: 0 not counting, else steps until it fires + 1. */
  watchdog: 3,
  keeper: 4,
  /** Steps for which its lease may still be used; 0: it has run out. */
  lease: 5,
  /** Members of the adopted view; 0: none. Its leader is the lowest. */
  members: 6,
  /** It has promised a later view than the one it is in, and stores nothing in this one any more. */
  promised: 7,
  /** Epoch of the view in which the log was stored, and of the adopted view, if there is one; durable. */
  epoch: 8,
  logLength: 9,
  committed: 10,
  /** While the resource runs: steps since anybody granted anything. */
  out: 11,
  /** Steps since the last grant to each node, or since the start. */
  silence: 12,
  /** Age of the newest heartbeat of each node that was granted, what its own heartbeats echo. */
  echo: 15,
  /** Log: who the resource is given to, in turn; each entry declares the boot of the one before it fenced. */
  log: 18,
} as const;

export const keeper = {
  none: 0,
  pets: 1,
  /** Has checked the lease, and stands still before its pet. */
  stalled: 2,
  /** Stands still before its pet, and the deadline has passed, which is final. */
  stalledLate: 3,
  /** Has seen that the lease ran out; its request for a reset does nothing. */
  expired: 4,
} as const;

/** An entry: epoch of its order, node × 2 + whether that node is still in the boot it was given to. */
export const entryBytes = 2;
/** One entry that all have committed, and one takeover: the next comes when all know of it. */
export const logLimit = 2;
const nodeBytes = at.log + logLimit * entryBytes;
export const worldBytes = nodeCount * nodeBytes;

/** No echo at all. */
export const noEcho = 15;

export const nodes = [0, 1, 2] as const;

export function field(node: number, offset: number): number {
  return node * nodeBytes + offset;
}

export function entryAt(node: number, index: number): number {
  return node * nodeBytes + at.log + index * entryBytes;
}

export function get(world: World, node: number, offset: number): number {
  return world[field(node, offset)] ?? 0;
}

export function set(world: World, node: number, offset: number, value: number): void {
  world[field(node, offset)] = value;
}

export function byte(world: World, index: number): number {
  return world[index] ?? 0;
}

export interface LogEntry {
  readonly epoch: number;
  readonly node: number;
  readonly sameBoot: boolean;
}

export function entry(world: World, node: number, index: number): LogEntry {
  const where = entryAt(node, index);
  const second = byte(world, where + 1);
  return { epoch: byte(world, where), node: second >> 1, sameBoot: (second & 1) === 1 };
}

export function setEntry(world: World, node: number, index: number, { epoch, node: to, sameBoot }: LogEntry): void {
  const where = entryAt(node, index);
  world[where] = epoch;
  world[where + 1] = to * 2 + (sameBoot ? 1 : 0);
}

export function lastEntry(world: World, node: number): LogEntry {
  return entry(world, node, get(world, node, at.logLength) - 1);
}

export function copyLog(world: World, from: number, to: number): void {
  const length = logLimit * entryBytes;
  world.copyWithin(entryAt(to, 0), entryAt(from, 0), entryAt(from, 0) + length);
  set(world, to, at.logLength, get(world, from, at.logLength));
}

/** Does this log, from one index to another, declare the present boot of that node fenced? */
export function logFences(world: World, owner: number, target: number, from: number, to: number): boolean {
  for (let index = Math.max(1, from); index < to; index++) {
    if (byte(world, entryAt(owner, index - 1) + 1) === target * 2 + 1) return true;
  }
  return false;
}

/** Drops what every node has committed. */
export function foldLogs(world: World): void {
  const folds = Math.min(get(world, 0, at.committed), get(world, 1, at.committed), get(world, 2, at.committed)) - 1;
  for (const node of nodes) {
    const first = entryAt(node, 0);
    if (folds > 0) {
      world.copyWithin(first, first + folds * entryBytes, first + logLimit * entryBytes);
      world.fill(0, first + (logLimit - folds) * entryBytes, first + logLimit * entryBytes);
      set(world, node, at.logLength, get(world, node, at.logLength) - folds);
      set(world, node, at.committed, get(world, node, at.committed) - folds);
    }
    // Which view a committed first entry came from decides nothing any more.
    world[first] = 0;
  }
}

/** Then it makes no difference when one that takes part in no view was stored. */
export function sameLogs(world: World): boolean {
  const length = get(world, 0, at.logLength);
  if (nodes.some((node) => get(world, node, at.logLength) !== length)) return false;
  for (let index = 0; index < length; index++) {
    const first = entry(world, 0, index);
    for (const node of nodes) {
      const where = entryAt(node, index);
      if (byte(world, where) !== first.epoch || byte(world, where + 1) >> 1 !== first.node) return false;
    }
  }
  return true;
}

/** Numbers the epochs that are still in use from 1. */
export function rankEpochs(world: World): void {
  let used = 0;
  for (const place of epochPlaces) used |= 1 << byte(world, place);
  for (const place of epochPlaces) {
    const epoch = byte(world, place);
    if (epoch > 0) world[place] = bitCount((used >> 1) & ((1 << epoch) - 1));
  }
}

/** Entries beyond the end of a log are 0, and stay so. */
const epochPlaces: readonly number[] = nodes.flatMap((node) => [
  field(node, at.epoch),
  ...Array.from({ length: logLimit }, (_, index) => entryAt(node, index)),
]);

/** Higher than every epoch that anybody has stored. */
export function nextEpoch(world: World): number {
  return 1 + Math.max(...nodes.map((node) => get(world, node, at.epoch)));
}

function bitCount(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
