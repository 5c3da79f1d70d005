import { isQuorum } from '../core/electorate.js';
import type { CoarseRules } from './exhaustive-rules.js';
import {
  at,
  copyLog,
  entry,
  get,
  keeper,
  lastEntry,
  logFences,
  logLimit,
  nextEpoch,
  nodes,
  noEcho,
  set,
  setEntry,
  type World,
} from './exhaustive-state.js';

/**
 * What happens in a coarse world, each a change in place. The rules come from the core; this says only when they are
 * asked, as heartbeats.ts, candidacy.ts, replication.ts and acting.ts do.
 */

/** What must never be, in words. */
export type Report = (violation: string) => void;

export function hasAgent(world: World, node: number): boolean {
  return get(world, node, at.agent) === 1;
}

function maskOf(members: readonly number[]): number {
  return members.reduce((mask, node) => mask | (1 << node), 0);
}

export function membersOf(world: World, node: number): readonly number[] {
  return membersByMask[get(world, node, at.members)] ?? [];
}

const membersByMask: readonly (readonly number[])[] = Array.from({ length: 8 }, (_, mask) =>
  nodes.filter((node) => (mask & (1 << node)) !== 0),
);

function isQuorate(rules: CoarseRules, members: readonly number[]): boolean {
  return isQuorum(
    rules.electorate,
    members.map((node) => node + 1),
  );
}

// ---- heartbeats ----

/** The giver delivers a heartbeat that the receiver has just sent. */
export function grant(world: World, rules: CoarseRules, giver: number, receiver: number): void {
  if (!mayGrant(world, giver, receiver)) return;
  const known = get(world, giver, at.echo + receiver);
  const silence = get(world, giver, at.silence + receiver);
  set(world, giver, at.silence + receiver, rules.granted(silence, known, 0));
  set(world, giver, at.echo + receiver, 0);
  set(world, receiver, at.out, 0);
}

export function mayGrant(world: World, giver: number, receiver: number): boolean {
  if (!hasAgent(world, giver) || !hasAgent(world, receiver)) return false;
  if ((get(world, giver, at.members) & (1 << receiver)) === 0) return false;
  return !logFences(world, giver, receiver, 0, get(world, giver, at.logLength));
}

/** The receiver delivers a heartbeat of the giver, with what that echoes. */
export function hearEcho(world: World, rules: CoarseRules, giver: number, receiver: number): void {
  if (!hasAgent(world, giver) || !hasAgent(world, receiver)) return;
  const age = get(world, giver, at.echo + receiver);
  // A deadline that has passed is final for the keeper.
  if (age === noEcho || get(world, receiver, at.keeper) >= keeper.stalledLate) return;
  set(world, receiver, at.lease, rules.renewed(get(world, receiver, at.lease), age));
}

// ---- time ----

/** A step passes: keepers pet or stop, watchdogs fire, everything grows older. */
export function tick(world: World, rules: CoarseRules, resetWorks: boolean, report: Report): void {
  for (const node of nodes) petOrFire(world, rules, node);
  for (const node of nodes) growOlder(world, rules, node);
  for (const node of nodes) {
    expire(world, node, resetWorks);
    if (get(world, node, at.running) === 1 && get(world, node, at.out) >= rules.boundSteps)
      report(`nobody has granted node ${node + 1} anything for the bound, and it still runs the resource`);
  }
}

function petOrFire(world: World, rules: CoarseRules, node: number): void {
  if (get(world, node, at.keeper) === keeper.pets && get(world, node, at.lease) > 0) pet(world, rules, node);
  else if (get(world, node, at.watchdog) === 1) powerOff(world, node);
}

function pet(world: World, rules: CoarseRules, node: number): void {
  set(world, node, at.watchdog, rules.resetSteps + 1);
}

function growOlder(world: World, rules: CoarseRules, node: number): void {
  for (const offset of [at.watchdog, at.lease]) {
    const left = get(world, node, offset);
    if (left > 0) set(world, node, offset, left - 1);
  }
  if (get(world, node, at.running) === 1)
    set(world, node, at.out, Math.min(get(world, node, at.out) + 1, rules.boundSteps));
  if (!hasAgent(world, node)) return;
  for (const other of nodes) {
    if (other === node) continue;
    const silence = get(world, node, at.silence + other);
    if (silence < rules.silenceCap) set(world, node, at.silence + other, silence + 1);
    // An echo older than any lease extends none.
    const age = get(world, node, at.echo + other);
    if (age !== noEcho) set(world, node, at.echo + other, age >= rules.leaseSteps ? noEcho : age + 1);
  }
}

function expire(world: World, node: number, resetWorks: boolean): void {
  if (get(world, node, at.lease) > 0) return;
  const state = get(world, node, at.keeper);
  if (state === keeper.stalled) set(world, node, at.keeper, keeper.stalledLate);
  if (state !== keeper.pets) return;
  if (resetWorks) powerOff(world, node);
  else set(world, node, at.keeper, keeper.expired);
}

/** The keeper that stood still before its pet goes on: the pet comes late, then it looks at the clock again. */
export function latePet(world: World, rules: CoarseRules, node: number, resetWorks: boolean): void {
  pet(world, rules, node);
  set(world, node, at.keeper, keeper.pets);
  expire(world, node, resetWorks);
}

// ---- machines and agents ----

export function powerOff(world: World, node: number): void {
  endAgent(world, node);
  for (const offset of [at.on, at.running, at.watchdog, at.out]) set(world, node, offset, 0);
}

/** All that was in memory is gone; what is promised and stored stays. */
function endAgent(world: World, node: number): void {
  for (const offset of [at.agent, at.keeper, at.lease, at.members, at.promised]) set(world, node, offset, 0);
  for (const other of nodes) {
    set(world, node, at.silence + other, 0);
    set(world, node, at.echo + other, noEcho);
    // No other agent of this node takes these echoes for its own.
    set(world, other, at.echo + node, noEcho);
  }
}

/** Killed: the kernel pets once more on behalf of the process that had the watchdog open. */
export function killAgent(world: World, rules: CoarseRules, node: number): void {
  if (get(world, node, at.keeper) !== keeper.none) pet(world, rules, node);
  endAgent(world, node);
}

export function startAgent(world: World, rules: CoarseRules, node: number): void {
  set(world, node, at.agent, 1);
  for (const other of nodes) if (other !== node) set(world, node, at.silence + other, rules.silenceAtStart());
}

export function boot(world: World, rules: CoarseRules, node: number): void {
  set(world, node, at.on, 1);
  for (const owner of nodes) {
    for (let index = 0; index < get(world, owner, at.logLength); index++) {
      const old = entry(world, owner, index);
      if (old.node === node) setEntry(world, owner, index, { ...old, sameBoot: false });
    }
  }
  startAgent(world, rules, node);
}

/** It has caught up, and the resource is given to it in this boot. */
export function isMine(world: World, node: number): boolean {
  if (get(world, node, at.members) === 0 || get(world, node, at.committed) !== get(world, node, at.logLength))
    return false;
  const { node: owner, sameBoot } = lastEntry(world, node);
  return owner === node && sameBoot;
}

export function arm(world: World, rules: CoarseRules, node: number): void {
  set(world, node, at.keeper, keeper.pets);
  pet(world, rules, node);
}

export function start(world: World, node: number, report: Report): void {
  set(world, node, at.running, 1);
  for (const other of nodes) {
    if (other !== node && get(world, other, at.running) === 1)
      report(`the resource runs on node ${other + 1} and on node ${node + 1}`);
  }
}

// ---- views and the log ----

/** All of `members` promise a new view; those in `adopting` install the newest log among them. */
export function newView(world: World, members: readonly number[], adopting: readonly number[]): void {
  const epoch = nextEpoch(world);
  for (const member of members) if (get(world, member, at.members) !== 0) set(world, member, at.promised, 1);
  if (adopting.length === 0) return;
  const source = newest(world, members);
  const mask = maskOf(members);
  for (const member of adopting) if (member !== source) copyLog(world, source, member);
  for (const member of adopting) {
    set(world, member, at.epoch, epoch);
    set(world, member, at.members, mask);
    set(world, member, at.promised, 0);
    for (const other of nodes) if ((mask & (1 << other)) === 0) set(world, member, at.echo + other, noEcho);
  }
}

function newest(world: World, members: readonly number[]): number {
  const rank = (node: number): number => get(world, node, at.epoch) * 16 + get(world, node, at.logLength);
  return members.reduce((best, node) => (rank(node) > rank(best) ? node : best));
}

/** Do all of them take part in one view of just them, with one log? Then a new one would change nothing. */
export function isSettled(world: World, members: readonly number[]): boolean {
  const mask = maskOf(members);
  const [first] = members;
  return members.every(
    (node) =>
      get(world, node, at.members) === mask &&
      get(world, node, at.promised) === 0 &&
      first !== undefined &&
      get(world, node, at.epoch) === get(world, first, at.epoch) &&
      get(world, node, at.logLength) === get(world, first, at.logLength),
  );
}

/** Leads the view that it is in, and has promised no other. */
export function leads(world: World, node: number): boolean {
  return hasAgent(world, node) && get(world, node, at.promised) === 0 && membersOf(world, node)[0] === node;
}

export function sameView(world: World, a: number, b: number): boolean {
  return hasAgent(world, b) && get(world, b, at.members) !== 0 && get(world, a, at.epoch) === get(world, b, at.epoch);
}

/** Members whose heartbeats, sent in this view, can reach the leader; itself too. */
export function heardInView(world: World, leader: number): number[] {
  return membersOf(world, leader).filter((node) => sameView(world, leader, node));
}

/** May this leader give the resource to somebody else, by the wait or because its node came back in another boot? */
export function mayTakeOver(world: World, rules: CoarseRules, leader: number): boolean {
  const length = get(world, leader, at.logLength);
  if (!leads(world, leader) || get(world, leader, at.committed) !== length || length === logLimit) return false;
  const { node: holder, sameBoot } = lastEntry(world, leader);
  const heard = heardInView(world, leader);
  if (membersOf(world, leader).includes(holder)) return !sameBoot && heard.includes(holder);
  return rules.mayDeclare(heard.map((node) => ({ node, silence: get(world, node, at.silence + holder) })));
}

/** Who would store an entry that the leader sends now. */
export function storers(world: World, leader: number): number[] {
  const length = get(world, leader, at.logLength);
  return heardInView(world, leader).filter(
    (node) => node !== leader && get(world, node, at.promised) === 0 && get(world, node, at.logLength) === length,
  );
}

export function takeOver(
  world: World,
  rules: CoarseRules,
  leader: number,
  to: number,
  stores: readonly number[],
): void {
  const epoch = get(world, leader, at.epoch);
  const length = get(world, leader, at.logLength);
  for (const node of [leader, ...stores]) {
    setEntry(world, node, length, { epoch, node: to, sameBoot: true });
    set(world, node, at.logLength, length + 1);
  }
  // The leader has just heard it; until now nobody counted what was granted to the new node.
  for (const giver of membersOf(world, leader)) if (giver !== to) grant(world, rules, giver, to);
}

/** Have enough members stored all that the leader has? */
export function mayCommit(world: World, rules: CoarseRules, leader: number): boolean {
  const length = get(world, leader, at.logLength);
  if (!leads(world, leader) || get(world, leader, at.committed) === length) return false;
  return isQuorate(
    rules,
    heardInView(world, leader).filter((node) => get(world, node, at.logLength) === length),
  );
}

/** Up to where the leader of its view can tell this member that the log is committed; null: nothing new. */
export function learnable(world: World, member: number): number | null {
  const leader = membersOf(world, member)[0];
  if (leader === undefined || leader === member || !sameView(world, member, leader)) return null;
  const known = Math.min(get(world, leader, at.committed), get(world, member, at.logLength));
  return known > get(world, member, at.committed) ? known : null;
}

/** Commits up to `length`; who learns that its own boot is declared fenced resets itself. */
export function commit(world: World, node: number, length: number, report: Report): void {
  const before = get(world, node, at.committed);
  set(world, node, at.committed, length);
  checkAgreement(world, report);
  for (const target of nodes) {
    if (!logFences(world, node, target, before, length) || get(world, target, at.on) === 0) continue;
    if (get(world, target, at.running) === 1 || get(world, target, at.watchdog) > 0) {
      report(`node ${target + 1} is declared fenced, and can still run the resource`);
    }
  }
  if (logFences(world, node, node, 0, length)) powerOff(world, node);
}

function checkAgreement(world: World, report: Report): void {
  for (const a of nodes) {
    for (const b of nodes) {
      const shared = Math.min(get(world, a, at.committed), get(world, b, at.committed));
      for (let index = 1; index < shared; index++) {
        const [one, other] = [entry(world, a, index), entry(world, b, index)];
        if (one.epoch !== other.epoch || one.node !== other.node)
          report(`nodes ${a + 1} and ${b + 1} have committed different entries`);
      }
    }
  }
}
