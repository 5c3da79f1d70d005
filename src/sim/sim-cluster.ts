import type { Cluster, ClusterEvent, SendResult } from '../ports/cluster.js';
import type { CorosyncClient, SimCorosync } from './sim-corosync.js';
import type { Random } from './sim-random.js';
import type { Timeline } from './sim-timeline.js';

/** As in host/corosync-cluster.ts. */
const maxMessageBytes = 512 * 1024;
const closeMs = 2_000;
const connectMs = [1, 30] as const;
const retryMs = [100, 500] as const;

export interface ClusterSurroundings {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly corosync: SimCorosync;
  readonly pid: number;
  readonly lossRate: () => number;
  readonly isAlive: () => boolean;
  /** Brings an event to the agent's event loop. */
  readonly deliver: (run: () => void) => void;
  /** Nothing waits for the event loop: an event may be handed over at once. */
  readonly isFree: () => boolean;
}

/** One agent's link to the corosync of its machine. */
export class SimCluster implements Cluster, CorosyncClient {
  readonly maxMessageBytes = maxMessageBytes;
  readonly pid: number;
  readonly #world: ClusterSurroundings;
  #handler: (event: ClusterEvent) => void = () => undefined;
  #connected = false;
  #closed = false;
  #failureTold = false;

  constructor(world: ClusterSurroundings) {
    this.#world = world;
    this.pid = world.pid;
  }

  start(handler: (event: ClusterEvent) => void): void {
    this.#handler = handler;
    this.#connectLater(connectMs);
  }

  send(data: Uint8Array): SendResult {
    const { isAlive, random, lossRate, corosync } = this.#world;
    if (!this.#connected || this.#closed || !isAlive()) return 'disconnected';
    if (random.chance(lossRate())) return 'full';
    return corosync.multicast(this, data);
  }

  close(): Promise<void> {
    const { timeline, random, deliver, corosync } = this.#world;
    this.#closed = true;
    const answers = this.#connected && corosync.state === 'running';
    corosync.disconnect(this);
    this.#connected = false;
    const afterMs = answers ? random.within(connectMs) : closeMs;
    return new Promise((resolve) => timeline.after(afterMs, () => deliver(resolve)));
  }

  /** The process is gone. */
  die(): void {
    this.#closed = true;
    this.#connected = false;
    this.#world.corosync.disconnect(this);
  }

  /** The event loop has left events alone for too long: the link leaves the group, and comes back when it can. */
  leave(): void {
    if (!this.#connected) return;
    this.#world.corosync.disconnect(this);
    this.event({ type: 'disconnected', reason: 'left the group because the event loop of this process is stuck' });
  }

  event(event: ClusterEvent): void {
    const { deliver, isFree } = this.#world;
    if (event.type === 'disconnected') {
      this.#connected = false;
      deliver(() => {
        this.#handler(event);
        this.#connectLater(retryMs);
      });
    } else if (isFree()) {
      if (!this.#closed) this.#handler(event);
    } else {
      deliver(() => {
        if (!this.#closed) this.#handler(event);
      });
    }
  }

  #connectLater(range: readonly [number, number]): void {
    const { timeline, random, isAlive, corosync } = this.#world;
    timeline.after(random.within(range), () => {
      if (this.#closed || this.#connected || !isAlive()) return;
      this.#connected = true;
      if (corosync.connect(this)) {
        this.#failureTold = false;
        return;
      }
      this.#connected = false;
      // A stopped corosync does not answer; one that is down refuses, and that is told once.
      if (corosync.state === 'down' && !this.#failureTold) {
        this.#failureTold = true;
        this.event({ type: 'disconnected', reason: 'cpg_model_initialize: CS_ERR_LIBRARY' });
      } else {
        this.#connectLater(retryMs);
      }
    });
  }
}
