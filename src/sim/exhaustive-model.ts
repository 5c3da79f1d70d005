import { canonical, countsAnywhere } from './exhaustive-canonical.js';
import {
  arm,
  boot,
  commit,
  grant,
  hasAgent,
  heardInView,
  hearEcho,
  isMine,
  isSettled,
  killAgent,
  latePet,
  learnable,
  mayCommit,
  mayGrant,
  mayTakeOver,
  newView,
  powerOff,
  start,
  startAgent,
  storers,
  takeOver,
  tick,
} from './exhaustive-moves.js';
import { type CoarseRules, coarseRules } from './exhaustive-rules.js';
import type { Model, Offer } from './exhaustive-search.js';
import {
  at,
  get,
  keeper,
  lastEntry,
  nodes,
  noEcho,
  set,
  setEntry,
  type World,
  worldBytes,
} from './exhaustive-state.js';

/**
 * Three nodes and one resource, the core's rules of lease, grant and takeover, all interleavings at a coarse step,
 * complete. Time is relative and saturates, so the worlds are finite and no run is cut off; one takeover follows the
 * other once all know of the first.
 *
 * The network may do anything at any time and as often as it likes: each message of each step reaches each receiver or
 * not, so that cuts of any shape, one-way too, stopped corosyncs and agents that stand still are all among the runs and
 * cost no fault. A message that comes late does what a prompt one does, with less left: an echo gives the same
 * deadline, a grant makes the giver wait longer; an echo is repeated until it is too old to extend anything. Corosync's
 * word on quorum is not asked, the lease has to hold by its echoes alone. What costs a fault is what happens to a
 * machine, and a message of the log that only some receive. Views and the log are short: a view is promised and
 * adopted, an entry stored, in one move by any subset. Message by message they are left to the random faults.
 */
export interface CoarseOptions {
  readonly kappa: 1 | 2;
  /** The keeper's own request for a reset works, as opposed to the watchdog alone. */
  readonly resetWorks: boolean;
}

/** `rules`: others than the core's, to see what that breaks. */
export function coarseModel({ kappa, resetWorks }: CoarseOptions, rules: CoarseRules = coarseRules(kappa)): Model {
  return {
    bytes: worldBytes,
    initial: () => nodes.map((holder) => initialWorld(rules, holder)),
    moves: (world, offer) => {
      offer(
        () => 'a step passes',
        (next, report) => tick(next, rules, resetWorks, report),
      );
      offerHeartbeats(world, rules, offer);
      offerViews(world, only('move', offer));
      offerTakeovers(world, rules, only('move', offer));
      offerCommits(world, rules, offer);
      offerStarts(world, rules, offer);
      offerRecoveries(world, rules, resetWorks, offer);
    },
    faults: (world, offer) => {
      offerFaults(world, rules, offer);
      offerViews(world, only('fault', offer));
      offerTakeovers(world, rules, only('fault', offer));
    },
    settle: (world) => canonical(world, rules),
  };
}

function initialWorld(rules: CoarseRules, holder: number): World {
  const world = new Uint8Array(worldBytes);
  for (const node of nodes) {
    for (const offset of [at.on, at.agent, at.epoch, at.logLength, at.committed]) set(world, node, offset, 1);
    set(world, node, at.members, 7);
    for (const other of nodes) set(world, node, at.echo + other, noEcho);
    setEntry(world, node, 0, { epoch: 0, node: holder, sameBoot: true });
  }
  for (const giver of nodes) {
    if (giver === holder) continue;
    grant(world, rules, giver, holder);
    hearEcho(world, rules, giver, holder);
  }
  arm(world, rules, holder);
  set(world, holder, at.running, 1);
  return world;
}

const name = (node: number): string => `node ${node + 1}`;
const names = (list: readonly number[]): string => list.map((node) => node + 1).join(', ');

/** Of a mask, so that nothing is made anew for each world. */
const subsetsByMask: readonly (readonly (readonly number[])[])[] = Array.from({ length: 8 }, (_, mask) =>
  [0, 1, 2, 3, 4, 5, 6, 7]
    .filter((subset) => (subset & ~mask) === 0)
    .map((subset) => nodes.filter((node) => (subset & (1 << node)) !== 0)),
);

function subsets(list: readonly number[]): readonly (readonly number[])[] {
  return subsetsByMask[list.reduce((mask, node) => mask | (1 << node), 0)] ?? [];
}

// ---- what happens by itself, or by the network's leave ----

function offerHeartbeats(world: World, rules: CoarseRules, offer: Offer): void {
  for (const receiver of nodes) {
    if (!countsAnywhere(world, receiver)) continue;
    for (const giver of nodes) {
      if (giver === receiver) continue;
      const age = get(world, giver, at.echo + receiver);
      const silence = get(world, giver, at.silence + receiver);
      if (mayGrant(world, giver, receiver) && (age !== 0 || silence !== 0))
        offer(
          () => `${name(giver)} grants ${name(receiver)} a lease`,
          (next) => grant(next, rules, giver, receiver),
        );
      if (age !== noEcho)
        offer(
          () => `${name(receiver)} hears the echo of ${name(giver)}`,
          (next) => hearEcho(next, rules, giver, receiver),
        );
    }
  }
}

/** What reaches all whom it is for is a move, what some of them miss is a fault. */
type ManyOffer = (kind: 'move' | 'fault', ...offered: Parameters<Offer>) => void;

function only(wanted: 'move' | 'fault', offer: Offer): ManyOffer {
  return (kind, text, change) => {
    if (kind === wanted) offer(kind === 'fault' ? () => `FAULT ${text()}` : text, change);
  };
}

const quorums = [
  [0, 1],
  [0, 2],
  [1, 2],
  [0, 1, 2],
] as const;

function offerViews(world: World, offer: ManyOffer): void {
  for (const members of quorums) {
    if (!members.every((node) => hasAgent(world, node)) || isSettled(world, members)) continue;
    const [leader, ...others] = members;
    for (const adopting of subsets(others)) {
      const all = adopting.length === others.length;
      const by = adopting.length === 0 ? [] : [leader, ...adopting];
      const missed = (): string => (all ? '' : `, adopted by ${names(by) || 'nobody'} alone`);
      const text = (): string => `${name(leader)} leads a new view of ${names(members)}${missed()}`;
      offer(all ? 'move' : 'fault', text, (next) => newView(next, members, by));
    }
  }
}

function offerTakeovers(world: World, rules: CoarseRules, offer: ManyOffer): void {
  for (const leader of nodes) {
    if (!mayTakeOver(world, rules, leader)) continue;
    const holder = lastEntry(world, leader).node;
    const all = storers(world, leader);
    for (const to of heardInView(world, leader)) {
      for (const stores of subsets(all)) {
        const kind = stores.length === all.length ? 'move' : 'fault';
        const missed = (): string => (kind === 'move' ? '' : `; stored by ${names([leader, ...stores])} alone`);
        const text = (): string =>
          `${name(leader)} declares ${name(holder)} fenced, the resource goes to ${name(to)}${missed()}`;
        offer(kind, text, (next) => takeOver(next, rules, leader, to, stores));
      }
    }
  }
}

function offerCommits(world: World, rules: CoarseRules, offer: Offer): void {
  for (const node of nodes) {
    if (mayCommit(world, rules, node))
      offer(
        () => `${name(node)} commits`,
        (next, report) => commit(next, node, get(next, node, at.logLength), report),
      );
    const known = learnable(world, node);
    if (known !== null)
      offer(
        () => `${name(node)} learns what is committed`,
        (next, report) => commit(next, node, known, report),
      );
  }
}

function offerStarts(world: World, rules: CoarseRules, offer: Offer): void {
  for (const node of nodes) {
    if (!hasAgent(world, node) || !isMine(world, node)) continue;
    const left = get(world, node, at.lease);
    const state = get(world, node, at.keeper);
    if (state === keeper.none && rules.mayArm(left, get(world, node, at.watchdog) > 0))
      offer(
        () => `${name(node)} arms its watchdog`,
        (next) => arm(next, rules, node),
      );
    const armed = state === keeper.pets || state === keeper.stalled;
    if (armed && left > 0 && get(world, node, at.running) === 0)
      offer(
        () => `${name(node)} starts the resource`,
        (next, report) => start(next, node, report),
      );
  }
}

function offerRecoveries(world: World, rules: CoarseRules, resetWorks: boolean, offer: Offer): void {
  for (const node of nodes) {
    const state = get(world, node, at.keeper);
    if (get(world, node, at.on) === 0)
      offer(
        () => `${name(node)} boots`,
        (next) => boot(next, rules, node),
      );
    else if (!hasAgent(world, node))
      offer(
        () => `the agent of ${name(node)} starts`,
        (next) => startAgent(next, rules, node),
      );
    if (state === keeper.stalled || state === keeper.stalledLate)
      offer(
        () => `the keeper of ${name(node)} goes on: it pets, then looks at the clock`,
        (next) => latePet(next, rules, node, resetWorks),
      );
  }
}

// ---- what happens to machines ----

function offerFaults(world: World, rules: CoarseRules, offer: Offer): void {
  for (const node of nodes) {
    if (get(world, node, at.on) === 0) continue;
    offer(
      () => `FAULT ${name(node)} loses power`,
      (next) => powerOff(next, node),
    );
    if (hasAgent(world, node))
      offer(
        () => `FAULT the agent of ${name(node)} is killed`,
        (next) => killAgent(next, rules, node),
      );
    // Between its look at the clock, which was in time, and the pet.
    if (get(world, node, at.keeper) === keeper.pets && get(world, node, at.lease) > 0)
      offer(
        () => `FAULT the keeper of ${name(node)} stands still before its pet`,
        (next) => set(next, node, at.keeper, keeper.stalled),
      );
  }
}
