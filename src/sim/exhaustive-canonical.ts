import { hasAgent, leads, membersOf, sameView } from './exhaustive-moves.js';
import type { CoarseRules } from './exhaustive-rules.js';
import {
  at,
  entry,
  foldLogs,
  get,
  keeper,
  nodes,
  noEcho,
  rankEpochs,
  sameLogs,
  set,
  type World,
} from './exhaustive-state.js';

/** One form for all worlds that differ in nothing that can make a difference later. */

export function canonical(world: World, rules: CoarseRules): World {
  foldLogs(world);
  const counting = nodes.filter((node) => countsAnywhere(world, node));
  for (const node of nodes) if (!counting.includes(node)) forgetHeard(world, rules, node);
  forgetDeadViews(world, counting);
  rankEpochs(world);
  for (const node of nodes) {
    // One that pets has just done so at worst.
    if (get(world, node, at.keeper) === keeper.pets) set(world, node, at.watchdog, rules.resetSteps + 1);
  }
  return world;
}

/** The resource is, was or may be given to the present boot of this node. */
export function countsAnywhere(world: World, node: number): boolean {
  if (get(world, node, at.keeper) !== keeper.none || get(world, node, at.running) === 1) return true;
  for (const owner of nodes) {
    for (let index = 0; index < get(world, owner, at.logLength); index++) {
      const given = entry(world, owner, index);
      if (given.node === node && given.sameBoot) return true;
    }
  }
  return false;
}

/**
 * The lease of any other node makes no difference, nor what it was granted: it gets a newer lease when the resource is
 * given to it, its new leader has granted it just then, and that the third node may be taken to have waited for long
 * hides nothing, for the leader has to wait in any case.
 */
function forgetHeard(world: World, rules: CoarseRules, node: number): void {
  set(world, node, at.lease, 0);
  for (const giver of nodes) {
    if (giver === node || !hasAgent(world, giver)) continue;
    set(world, giver, at.silence + node, rules.silenceCap);
    set(world, giver, at.echo + node, noEcho);
  }
}

/** In a view without a leader and another member nothing is decided: all it does is to grant. */
function forgetDeadViews(world: World, counting: readonly number[]): void {
  const dead = nodes.filter((node) => !isLive(world, node));
  const same = sameLogs(world);
  for (const node of dead) {
    const granted = membersOf(world, node).filter((member) => counting.includes(member));
    set(
      world,
      node,
      at.members,
      granted.reduce((mask, member) => mask | (1 << member), 0),
    );
    set(world, node, at.promised, granted.length === 0 ? 0 : 1);
    if (same) set(world, node, at.epoch, 0);
  }
}

function isLive(world: World, node: number): boolean {
  const leader = membersOf(world, node)[0];
  if (leader === undefined || !hasAgent(world, node) || !sameView(world, node, leader) || !leads(world, leader))
    return false;
  return nodes.some((other) => other !== leader && sameView(world, leader, other));
}
