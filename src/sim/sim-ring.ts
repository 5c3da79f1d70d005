import type { ClusterConfiguration, GroupMember, RingId } from '../ports/cluster.js';
import type { Item, SimCorosync } from './sim-corosync.js';

/** A message that was being sent when its ring broke: only some have it. */
interface Tail {
  readonly item: Item;
  readonly heldBy: Set<SimCorosync>;
  readonly deliveredTo: Set<SimCorosync>;
}

/**
 * One membership of totem. While it is whole, what its members send is delivered to all of them in one order. When
 * it breaks, nothing more is ordered; what was on its way at that moment reaches some. Members that go on together
 * deliver the same of it (extended virtual synchrony).
 */
export class Ring {
  readonly id: RingId;
  readonly members: readonly SimCorosync[];
  readonly memberIds: readonly number[];
  whole = true;
  /** Since when it is not whole. */
  brokenMs = 0;
  /** Nothing is ordered before this. */
  freeMs: number;
  /** Votes that a quorum device gives to this ring. */
  deviceVotes = 0;
  /** Its members tell nobody of quorum before the device has decided: corosync waits for it when a ring forms. */
  awaitsDevice = false;
  readonly #tails: Tail[] = [];
  readonly #group = new Map<number, number>();

  constructor(seq: number, members: readonly SimCorosync[], freeMs: number) {
    this.members = members;
    this.memberIds = members.map((member) => member.nodeId).sort((a, b) => a - b);
    this.id = { nodeId: this.memberIds[0] ?? 0, seq };
    this.freeMs = freeMs;
    for (const { nodeId, joinedPid } of members) if (joinedPid !== null) this.#group.set(nodeId, joinedPid);
  }

  /** The agents that have joined, by the order so far. */
  group(): GroupMember[] {
    return [...this.#group].map(([nodeId, pid]) => ({ nodeId, pid })).sort((a, b) => a.nodeId - b.nodeId);
  }

  isQuorate({ nodes, expectedVotes }: ClusterConfiguration): boolean {
    const votes = nodes.reduce((sum, node) => (this.memberIds.includes(node.nodeId) ? sum + node.votes : sum), 0);
    return votes + this.deviceVotes > expectedVotes / 2;
  }

  order(item: Item, skewMs: () => number): void {
    this.#note(item);
    for (const member of this.members) member.receive(item, skewMs());
  }

  #note({ type, nodeId, pid }: Item): void {
    if (type === 'join') this.#group.set(nodeId, pid);
    else if (type === 'leave' && this.#group.get(nodeId) === pid) this.#group.delete(nodeId);
  }

  /** The token is lost while this was being sent; the sender has it in any case. */
  cutShort(item: Item, heldBy: readonly SimCorosync[]): void {
    const tail: Tail = { item, heldBy: new Set(heldBy), deliveredTo: new Set() };
    this.#tails.push(tail);
    // Whoever lacks something earlier cannot deliver it yet; whoever is stopped has it in a buffer of the kernel's.
    for (const member of heldBy) {
      if (member.state !== 'running') continue;
      if (this.#tails.every((earlier) => earlier === tail || earlier.deliveredTo.has(member))) this.#give(tail, member);
    }
  }

  /** Healed before anybody has given the ring up: everything is sent again. */
  mend(): void {
    for (const tail of this.#tails) for (const member of this.members) this.#give(tail, member);
    this.#tails.length = 0;
  }

  /** These go on together: what one of them holds, all of them deliver, up to the first gap that only others can fill. */
  recover(together: readonly SimCorosync[]): void {
    let gap = false;
    for (const tail of this.#tails) {
      const held = together.some((member) => tail.heldBy.has(member));
      const senderIsHere = together.some((member) => member.nodeId === tail.item.nodeId);
      if (!held) gap = true;
      else if (!gap || senderIsHere) for (const member of together) this.#give(tail, member);
    }
  }

  #give(tail: Tail, member: SimCorosync): void {
    if (tail.deliveredTo.has(member)) return;
    tail.deliveredTo.add(member);
    // Before it is delivered: what the member tells of the group is looked up here.
    this.#note(tail.item);
    member.receive(tail.item, 0);
  }
}
