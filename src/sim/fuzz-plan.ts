import type { TimedFault } from './fault.js';
import { type Draft, deviceMisfortunes, type Misfortune, misfortunes } from './fuzz-misfortunes.js';
import { operatorFaults, sidsOf, startingCommands } from './fuzz-operator.js';
import { unwatchedMisfortunes } from './fuzz-unwatched.js';
import { Random, type Range } from './sim-random.js';
import type { NetworkOptions, SimNodeOptions } from './world-options.js';

/** One run, all of it: follows from the seed and the number of nodes, and is plain data. */
export interface FuzzPlan {
  readonly seed: number;
  readonly nodes: readonly SimNodeOptions[];
  readonly fenceBoundMs: number;
  readonly quorumDevice?: { readonly votes: number };
  readonly network: Partial<NetworkOptions>;
  /** How long a move without a stop takes. */
  readonly migrateMs: Range;
  readonly sids: readonly string[];
  /** In the order of time. */
  readonly faults: readonly TimedFault[];
  /** Faults end, and everything is put right. */
  readonly faultsEndMs: number;
}

/** Nodes have found each other by then. */
const bootstrapMs = 4_000;
/** With a quorum device a lease has to outlast its timeouts, too. */
const deviceBounds = [20_000, 25_000, 60_000] as const;
const bounds = [15_000, 15_000, 15_000, 20_000, 36_000, 60_000] as const;

/** @param nodes 1 to 9; absent: mostly three */
export function newPlan(seed: number, nodes?: number): FuzzPlan {
  const random = new Random(seed + planSalt);
  // Drawn in any case: the same run again, with the number that was drawn, is the same.
  const drawn = random.pick([3, 3, 3, 3, 3, 3, 3, 2, 4, 5]) ?? 3;
  const count = nodes ?? drawn;
  const device = random.chance(count === 2 ? 0.9 : 0.05);
  const fenceBoundMs = (device ? random.pick(deviceBounds) : random.pick(bounds)) ?? 15_000;
  const sids = sidsOf(random);
  const draft: Draft = { random, nodes: range(count), fenceBoundMs, sids, fragileNode: random.int(1, count) };
  const faults: TimedFault[] = startingCommands(draft).map((fault) => ({ atMs: bootstrapMs, fault }));
  const spared = random.chance(0.5) ? 'stores' : 'voters';
  const possible = [...misfortunes, ...unwatchedMisfortunes, ...(device ? deviceMisfortunes : [])].filter(
    ({ touches }) => touches !== spared,
  );
  const faultsEndMs = addFaults(draft, possible, bootstrapMs + random.int(0, 8_000), faults);
  faults.sort((a, b) => a.atMs - b.atMs);
  return {
    seed,
    nodes: draft.nodes.map((nodeId) => nodeOptions(nodeId, count, random)),
    fenceBoundMs,
    ...(device ? { quorumDevice: { votes: 1 } } : {}),
    network: random.chance(0.3) ? { skewMs: [0, random.int(1, 200)], orderMs: [0.2, random.int(3, 80)] } : {},
    migrateMs: random.chance(0.4) ? [20, 400] : [2_000, 6_000],
    sids,
    faults: faults.filter(({ atMs }) => atMs < faultsEndMs),
    faultsEndMs,
  };
}

/** So that the plan and the world of one seed do not draw the same. */
const planSalt = 7 * 2 ** 32;

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

/** Many short runs, few long ones; short pauses pile misfortunes up, long ones let a takeover come to its end. */
function addFaults(draft: Draft, possible: readonly Misfortune[], fromMs: number, faults: TimedFault[]): number {
  const { random, fenceBoundMs } = draft;
  const count = random.chance(0.1) ? random.int(10, 25) : random.int(2, 9);
  // Every run has its own few kinds of trouble, which meet each other the more often for that.
  const kinds = possible.filter(() => random.chance(0.35));
  const operators = random.chance(0.7);
  let atMs = fromMs;
  for (let i = 0; i < count; i++) {
    const kind = pickWeighted(kinds.length > 0 ? kinds : possible, random);
    for (const { afterMs, fault } of kind.draw(draft)) faults.push({ atMs: atMs + afterMs, fault });
    if (operators && random.chance(0.6)) {
      for (const fault of operatorFaults(draft)) faults.push({ atMs: atMs + random.int(0, 3_000), fault });
    }
    atMs += random.chance(0.2) ? random.int(fenceBoundMs / 2, fenceBoundMs * 1.5) : random.int(10, 4_000);
  }
  return atMs + random.int(0, 2_000);
}

function pickWeighted<T extends { readonly weight: number }>(list: readonly T[], random: Random): T {
  let rest = random.next() * list.reduce((sum, { weight }) => sum + weight, 0);
  for (const one of list) {
    rest -= one.weight;
    if (rest < 0) return one;
  }
  const [first] = list;
  if (first === undefined) throw new RangeError('nothing to choose from');
  return first;
}

function nodeOptions(nodeId: number, count: number, random: Random): SimNodeOptions {
  const kappa = random.chance(0.5) ? 2 : 1;
  const votes = count > 3 && nodeId === 1 && random.chance(0.3) ? 0 : 1;
  // Clocks as far apart as they may be, more often than not.
  const clockPpm = random.chance(0.6) ? (random.pick([-500, 500]) ?? 0) : random.int(-500, 500);
  return { nodeId, name: `node${nodeId}`, kappa, votes, clockPpm };
}
