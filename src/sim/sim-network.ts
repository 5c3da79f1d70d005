import type { SimCorosync } from './sim-corosync.js';
import type { Random } from './sim-random.js';
import { Ring } from './sim-ring.js';
import type { SimEvent, Timeline } from './sim-timeline.js';
import type { NetworkOptions } from './world-options.js';

/** From the forming of a ring until it orders anything: its members synchronise first. */
const syncMs = 50;
/** Until members of two rings that reach each other again have found each other. */
const mergeMs = [100, 600] as const;
/** Beyond token and consensus. */
const lossJitterMs = [0, 300] as const;
/** While not everybody who reaches somebody reaches the same, rings come and go. */
const flapMs = [4_000, 15_000] as const;
/** What was being sent when a ring broke was on its way with this chance; else it is sent in the next ring. */
const cutShortRate = 0.5;

export interface NetworkSurroundings {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly tokenMs: number;
  readonly consensusMs: number;
  /** There is a quorum device, which a new ring has to wait for. */
  readonly hasDevice: () => boolean;
  /** Reach has changed: who is out of quorum in truth may be another. */
  readonly onReach: () => void;
}

/** The links between machines, each way, and the rings that totem makes of them. */
export class SimNetwork {
  readonly options: { -readonly [Key in keyof NetworkOptions]: NetworkOptions[Key] };
  readonly corosyncs: SimCorosync[] = [];
  /** Nodes that are not in corosync's node list: nobody has links to them. */
  readonly unlisted = new Set<number>();
  readonly #world: NetworkSurroundings;
  /** `from/to` of what is cut. */
  readonly #cuts = new Set<string>();
  #ringSeq = 0;
  #flap: SimEvent | null = null;

  constructor(world: NetworkSurroundings, options: NetworkOptions) {
    this.#world = world;
    this.options = { ...options };
  }

  add(corosync: SimCorosync): void {
    this.corosyncs.push(corosync);
  }

  // ---- links ----

  /** To be followed by `changed`. */
  setLink(from: number, to: number, works: boolean): void {
    if (from === to) return;
    if (works) this.#cuts.delete(`${from}/${to}`);
    else this.#cuts.add(`${from}/${to}`);
  }

  isLinked(from: number, to: number): boolean {
    if (from === to) return true;
    if (this.unlisted.size > 0 && (this.unlisted.has(from) || this.unlisted.has(to))) return false;
    return this.#cuts.size === 0 || !this.#cuts.has(`${from}/${to}`);
  }

  /** Both run, and reach each other. */
  reaches(a: SimCorosync, b: SimCorosync): boolean {
    if (a.state !== 'running' || b.state !== 'running') return false;
    return this.isLinked(a.nodeId, b.nodeId) && this.isLinked(b.nodeId, a.nodeId);
  }

  // ---- rings ----

  /** Call it when links or corosyncs have changed. */
  changed(): void {
    const { timeline, random, tokenMs, consensusMs, onReach } = this.#world;
    for (const ring of this.rings()) this.#judge(ring);
    timeline.after(random.within(mergeMs), () => this.#reform());
    timeline.after(tokenMs + consensusMs + random.within(lossJitterMs), () => this.#reform());
    onReach();
  }

  rings(): Set<Ring> {
    return new Set(this.corosyncs.flatMap(({ ring }) => ring ?? []));
  }

  #judge(ring: Ring): void {
    const whole = ring.members.every((a) => a.ring === ring && ring.members.every((b) => this.reaches(a, b)));
    if (ring.whole === whole) return;
    ring.whole = whole;
    if (whole) {
      ring.mend();
      for (const member of ring.members) this.outgoing(member);
    } else {
      ring.brokenMs = this.#world.timeline.nowMs;
      this.#break(ring);
    }
  }

  /** What is being sent at this moment reaches those of the others whom its sender reaches, as chance has it. */
  #break(ring: Ring): void {
    const { random } = this.#world;
    for (const sender of ring.members) {
      if (sender.state !== 'running' || sender.ring !== ring || sender.outgoing.length === 0) continue;
      if (!random.chance(cutShortRate)) continue;
      const items = sender.outgoing.splice(0, random.int(1, sender.outgoing.length));
      for (const item of items) {
        const heldBy = ring.members.filter((member) => member === sender || this.#mayGet(sender, member, ring));
        ring.cutShort(item, heldBy);
      }
    }
  }

  #mayGet(sender: SimCorosync, member: SimCorosync, ring: Ring): boolean {
    const alive = member.state !== 'down' && member.ring === ring;
    return (
      alive &&
      (this.isLinked(sender.nodeId, member.nodeId) || this.#world.random.chance(0.3)) &&
      this.#world.random.chance(0.8)
    );
  }

  #reform(): void {
    const groups = this.#groups();
    for (const group of groups) {
      const [first] = group;
      const ring = first?.ring ?? null;
      const same =
        ring !== null && ring.members.length === group.length && group.every((member) => member.ring === ring);
      if (!same && !group.some((member) => this.#waitsForToken(member.ring))) this.#form(group);
    }
  }

  /** Broken, but nobody can know it yet. */
  #waitsForToken(ring: Ring | null): boolean {
    const { timeline, tokenMs, consensusMs } = this.#world;
    return ring !== null && !ring.whole && timeline.nowMs - ring.brokenMs < tokenMs + consensusMs;
  }

  /** Those who all reach each other; where that is not clear, as chance has it, and not for long. */
  #groups(): SimCorosync[][] {
    const { timeline, random } = this.#world;
    const order = this.corosyncs.filter(({ state }) => state === 'running');
    const clear = order.every((a) =>
      order.every((b) => !this.reaches(a, b) || order.every((c) => this.reaches(a, c) === this.reaches(b, c))),
    );
    if (!clear) {
      shuffle(order, random);
      this.#flap ??= timeline.after(random.within(flapMs), () => {
        this.#flap = null;
        this.#reform();
      });
    }
    const groups: SimCorosync[][] = [];
    for (const corosync of order) {
      const group = groups.find((members) => members.every((member) => this.reaches(member, corosync)));
      if (group === undefined) groups.push([corosync]);
      else group.push(corosync);
    }
    return groups;
  }

  #form(members: readonly SimCorosync[]): void {
    const { timeline } = this.#world;
    for (const old of new Set(members.flatMap(({ ring }) => ring ?? []))) {
      old.recover(members.filter((member) => member.ring === old));
      if (old.whole) old.brokenMs = timeline.nowMs;
      old.whole = false;
    }
    // Who has joined the group is known only when this has come through.
    for (const member of members) member.leaveRing();
    const freeMs = timeline.nowMs + syncMs;
    const ring = new Ring(++this.#ringSeq * 4, members, freeMs);
    ring.awaitsDevice = this.#world.hasDevice();
    for (const member of members) member.enter(ring);
    for (const member of members) this.outgoing(member);
    this.#world.onReach();
  }

  /** A member has something to send. */
  outgoing(corosync: SimCorosync): void {
    const { timeline, random } = this.#world;
    const { ring } = corosync;
    if (corosync.orderScheduled || corosync.outgoing.length === 0) return;
    if (ring === null || !ring.whole || corosync.state !== 'running') return;
    corosync.orderScheduled = true;
    const atMs = Math.max(timeline.nowMs, ring.freeMs) + random.within(this.options.orderMs);
    timeline.at(atMs, () => this.#order(corosync, ring));
  }

  #order(corosync: SimCorosync, ring: Ring): void {
    corosync.orderScheduled = false;
    if (corosync.ring !== ring || !ring.whole) {
      this.outgoing(corosync);
      return;
    }
    const items = corosync.outgoing;
    corosync.outgoing = [];
    const { skewMs } = this.options;
    const { random } = this.#world;
    const skew = skewMs[1] === 0 ? (): number => 0 : (): number => random.within(skewMs);
    for (const item of items) ring.order(item, skew);
  }
}

function shuffle<T>(list: T[], random: Random): void {
  for (let i = list.length - 1; i > 0; i--) {
    const j = random.int(0, i);
    const [a, b] = [list[i], list[j]];
    if (a !== undefined && b !== undefined) [list[i], list[j]] = [b, a];
  }
}
