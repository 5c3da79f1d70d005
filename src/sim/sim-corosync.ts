import type { ClusterConfiguration, ClusterEvent, GroupMember, SendResult } from '../ports/cluster.js';
import type { Random } from './sim-random.js';
import type { Ring } from './sim-ring.js';
import type { Timeline } from './sim-timeline.js';

/** What a client of corosync is to it: one agent's connection. */
export interface CorosyncClient {
  readonly pid: number;
  event(event: ClusterEvent): void;
}

/** What a ring puts in order; a message is told as it is. */
export type Item =
  | { readonly type: 'message'; readonly nodeId: number; readonly pid: number; readonly data: Uint8Array }
  | { readonly type: 'join' | 'leave'; readonly nodeId: number; readonly pid: number };

interface Late {
  readonly item: Item;
  delivered: boolean;
}

const announceMs = [0, 40] as const;
/** What corosync takes from its client and has not sent; more is refused. */
const outgoingLimit = 256;

export interface CorosyncSurroundings {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly nodeId: number;
  /** What this machine's corosync.conf says now. */
  readonly configuration: () => ClusterConfiguration;
  /** Its state has changed: rings may break or form. */
  readonly onChange: () => void;
  /** Something waits to be put in order. */
  readonly onOutgoing: () => void;
}

/** The corosync of one machine: its place in a ring, its one client, and what it holds back. */
export class SimCorosync {
  readonly nodeId: number;
  state: 'down' | 'running' | 'stopped' = 'down';
  ring: Ring | null = null;
  client: CorosyncClient | null = null;
  /** The group as its client was told of it. */
  groupView: readonly GroupMember[] = [];
  /** Its own agent's join has come back through the ring: pid; null: none has. */
  joinedPid: number | null = null;
  outgoing: Item[] = [];
  /** Since then its ring is whole and something of it waits for its place in the order. */
  orderScheduled = false;
  readonly #world: CorosyncSurroundings;
  #lastDeliveryMs = 0;
  /** Of this process, so that what was meant for a former one comes to nothing. */
  #epoch = 0;
  /** What waits for a stopped process to go on. */
  #held: (() => void)[] = [];
  /** In the order of the ring, on their way. */
  #late: Late[] = [];
  /** The client was told in which ring it is. */
  #ringTold = false;

  constructor(world: CorosyncSurroundings) {
    this.#world = world;
    this.nodeId = world.nodeId;
  }

  get configuration(): ClusterConfiguration {
    return this.#world.configuration();
  }

  // ---- what befalls it ----

  start(): void {
    if (this.state !== 'down') return;
    this.state = 'running';
    this.#world.onChange();
  }

  /** Killed, or its machine is off: everything it held is gone. */
  kill(reason: string): void {
    if (this.state === 'down') return;
    const { client } = this;
    this.state = 'down';
    this.ring = null;
    this.client = null;
    this.groupView = [];
    this.joinedPid = null;
    this.outgoing = [];
    this.#held = [];
    this.#late = [];
    this.#epoch++;
    client?.event({ type: 'disconnected', reason });
    this.#world.onChange();
  }

  stop(): void {
    if (this.state !== 'running') return;
    this.state = 'stopped';
    this.#world.onChange();
  }

  goOn(): void {
    if (this.state !== 'stopped') return;
    this.state = 'running';
    const held = this.#held;
    this.#held = [];
    for (const run of held) run();
    this.#world.onChange();
  }

  /** Its configuration file was changed and read again. */
  reload(): void {
    if (this.state === 'down') return;
    this.#whenRunning(() => {
      this.#tell({ type: 'configuration', configuration: this.configuration });
      this.announceQuorum();
    });
  }

  // ---- its client ----

  /** False: it does not answer now. */
  connect(client: CorosyncClient): boolean {
    if (this.state !== 'running') return false;
    this.client = client;
    this.groupView = [];
    this.#tell({ type: 'configuration', configuration: this.configuration });
    // The ring is told now, or with the client's own join.
    this.#ringTold = false;
    if (this.#world.random.chance(0.5)) this.#tellRing();
    this.#later(() => this.announceQuorum());
    this.#take({ type: 'join', nodeId: this.nodeId, pid: client.pid });
    return true;
  }

  /** The client closes its connection, or dies: the others hear of it through the ring. */
  disconnect(client: CorosyncClient): void {
    if (this.client !== client || this.state === 'down') return;
    this.client = null;
    this.groupView = [];
    // Of what it had in its own queue, some had not come this far.
    const own = this.outgoing.filter((item) => item.pid === client.pid);
    const kept = new Set(own.slice(0, this.#world.random.int(0, own.length)));
    this.outgoing = this.outgoing.filter((item) => item.pid !== client.pid || kept.has(item));
    const join = this.outgoing.findIndex((item) => item.type === 'join' && item.pid === client.pid);
    const isKnown = this.joinedPid === client.pid || join >= 0;
    if (isKnown) this.#take({ type: 'leave', nodeId: this.nodeId, pid: client.pid });
  }

  multicast(client: CorosyncClient, data: Uint8Array): SendResult {
    if (this.client !== client || this.state === 'down') return 'disconnected';
    if (this.outgoing.length >= outgoingLimit) return 'full';
    this.#take({ type: 'message', nodeId: this.nodeId, pid: client.pid, data });
    return 'sent';
  }

  #take(item: Item): void {
    this.outgoing.push(item);
    if (!this.orderScheduled) this.#world.onOutgoing();
  }

  // ---- its ring ----

  /** In the ring's order; `skewMs` later than the order was made, but never before what came earlier. */
  receive(item: Item, skewMs: number): void {
    if (this.state === 'down') return;
    const { timeline } = this.#world;
    const atMs = Math.max(timeline.nowMs + skewMs, this.#lastDeliveryMs);
    if (atMs <= timeline.nowMs && this.state === 'running') {
      this.#deliver(item);
      return;
    }
    this.#lastDeliveryMs = atMs;
    const late: Late = { item, delivered: false };
    this.#late.push(late);
    const epoch = this.#epoch;
    timeline.at(atMs, () => {
      if (this.#epoch === epoch) this.#whenRunning(() => this.#deliverLate(late));
    });
  }

  #deliverLate(late: Late): void {
    if (late.delivered) return;
    late.delivered = true;
    this.#late = this.#late.filter((other) => other !== late);
    this.#deliver(late.item);
  }

  #deliver(item: Item): void {
    const { client } = this;
    if (item.type === 'message') {
      // Before its own join has come back, a client is told of nothing in the group.
      if (client !== null && this.joinedPid === client.pid) this.#tell(item);
      return;
    }
    const { nodeId, pid } = item;
    const isOwn = nodeId === this.nodeId;
    if (isOwn && item.type === 'join' && client?.pid === pid) this.joinedPid = pid;
    if (isOwn && item.type === 'leave' && this.joinedPid === pid) this.joinedPid = null;
    if (client === null || this.joinedPid !== client.pid) return;
    this.#changeGroup();
    if (!this.#ringTold) this.#tellRing();
  }

  #tellRing(): void {
    const { ring } = this;
    if (ring === null) return;
    this.#ringTold = true;
    this.#tell({ type: 'ring', ring: ring.id, members: ring.memberIds });
  }

  /** What the group is by the ring's order; told as what has changed. */
  #changeGroup(): void {
    const members = this.ring?.group() ?? [];
    const has = (list: readonly GroupMember[], one: GroupMember): boolean =>
      list.some(({ nodeId, pid }) => nodeId === one.nodeId && pid === one.pid);
    const left = this.groupView.filter((one) => !has(members, one));
    const joined = members.filter((one) => !has(this.groupView, one));
    if (left.length === 0 && joined.length === 0) return;
    const kept = this.groupView.filter((one) => has(members, one));
    // As cpg tells it: first who is gone, then who has come.
    if (left.length > 0) this.#tell({ type: 'group', members: kept, joined: [], left });
    if (joined.length > 0) this.#tell({ type: 'group', members, joined, left: [] });
    this.groupView = members;
  }

  /** Before a new ring forms, what the old one has ordered is delivered. */
  leaveRing(): void {
    for (const late of this.#late) this.#deliverLate(late);
  }

  /** A new ring: cpg's word before anything is delivered in it; the quorum service's is not ordered to that. */
  enter(ring: Ring): void {
    this.ring = ring;
    const quorum = (): void => this.announceQuorum();
    const group = (): void => {
      this.#tellRing();
      if (this.client !== null && this.joinedPid === this.client.pid) this.#changeGroup();
    };
    const [first, second] = this.#world.random.chance(0.5) ? [quorum, group] : [group, quorum];
    first();
    this.#later(() => {
      if (this.ring === ring) second();
    });
  }

  announceQuorum(): void {
    const { ring } = this;
    if (ring === null || ring.awaitsDevice) return;
    const quorate = ring.isQuorate(this.configuration);
    this.#tell({ type: 'quorum', quorate, ring: ring.id, members: ring.memberIds });
  }

  /** In less time than a ring waits after it has formed, before it orders anything. */
  #later(run: () => void): void {
    const epoch = this.#epoch;
    this.#world.timeline.after(this.#world.random.within(announceMs), () => {
      if (this.#epoch === epoch) this.#whenRunning(run);
    });
  }

  #whenRunning(run: () => void): void {
    if (this.state === 'running' && this.#held.length === 0) run();
    else this.#held.push(run);
  }

  #tell(event: ClusterEvent): void {
    this.client?.event(event);
  }
}
