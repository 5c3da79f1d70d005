import type { Random } from './sim-random.js';
import type { Ring } from './sim-ring.js';
import type { Timeline } from './sim-timeline.js';

export interface DeviceSurroundings {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly votes: number;
  readonly rings: () => Iterable<Ring>;
  /** Who could have its votes has changed; to call `reconsider`. */
  readonly onReach: () => void;
}

/** Until a ring is told that it has the vote, after another has lost it. */
const voteMs = [50, 500] as const;

/**
 * A quorum device in the manner of ffsplit: its votes go to one ring at a time, the one with the most nodes that
 * reach it, and among equals the one with the lowest node. Taken from a ring that has broken at once, given later.
 */
export class SimQuorumDevice {
  readonly votes: number;
  up = true;
  /** Nodes that do not reach it. */
  readonly #cutOff = new Set<number>();
  readonly #world: DeviceSurroundings;
  #generation = 0;

  constructor(world: DeviceSurroundings) {
    this.#world = world;
    this.votes = world.votes;
  }

  setUp(up: boolean): void {
    this.up = up;
    this.#world.onReach();
  }

  setReach(nodeId: number, works: boolean): void {
    if (works) this.#cutOff.delete(nodeId);
    else this.#cutOff.add(nodeId);
    this.#world.onReach();
  }

  putRight(): void {
    this.#cutOff.clear();
    this.setUp(true);
  }

  /** Could these nodes have its votes, were they a ring? */
  votesFor(nodes: readonly { readonly nodeId: number }[]): number {
    return this.up && nodes.some(({ nodeId }) => !this.#cutOff.has(nodeId)) ? this.votes : 0;
  }

  /** Call it when rings or reach have changed. */
  reconsider(): void {
    const generation = ++this.#generation;
    const { timeline, random, rings } = this.#world;
    const best = this.#best();
    for (const ring of rings()) if (ring !== best) this.#give(ring, 0);
    const waits = [...rings()].some((ring) => ring.awaitsDevice);
    if (!waits && (best === undefined || best.deviceVotes === this.votes)) return;
    timeline.after(random.within(voteMs), () => {
      if (this.#generation === generation) this.#decide(best);
    });
  }

  #decide(best: Ring | undefined): void {
    for (const ring of this.#world.rings()) {
      const waited = ring.awaitsDevice;
      ring.awaitsDevice = false;
      this.#give(ring, ring === best ? this.votes : 0, waited);
    }
  }

  #best(): Ring | undefined {
    const reach = (ring: Ring): number => ring.memberIds.filter((nodeId) => !this.#cutOff.has(nodeId)).length;
    const whole = [...this.#world.rings()].filter((ring) => this.up && ring.whole && reach(ring) > 0);
    return whole.sort((a, b) => reach(b) - reach(a) || a.id.nodeId - b.id.nodeId)[0];
  }

  #give(ring: Ring, votes: number, tell = false): void {
    if (ring.deviceVotes === votes && !tell) return;
    ring.deviceVotes = votes;
    for (const member of ring.members) if (member.ring === ring) member.announceQuorum();
  }
}
