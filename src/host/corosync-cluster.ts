import { HoldfastError } from '../core/errors.js';
import type { Cluster, ClusterEvent, SendResult } from '../ports/cluster.js';
import type { CorosyncLink, CorosyncNative, CorosyncStats, LinkEvent } from './corosync-native.js';
import { loadNative } from './native.js';

/** Half of what one CPG message may hold (1 047 552 bytes), so that none is ever sent in fragments. */
const maxMessageBytes = 512 * 1024;
const closeMs = 2_000;
/** The queue takes a whole log with the most resources that there may be, in parts: what a node that has none is sent. */
const limits = {
  outboundMessages: 1_024,
  outboundBytes: 32 * 1024 * 1024,
  inboundEvents: 4_096,
  inboundBytes: 16 * 1024 * 1024,
} as const;

export interface CorosyncClusterOptions {
  /** The addon's, by default. */
  readonly native?: CorosyncNative;
  /** CPG group, 1 to 128 bytes; `holdfast` by default. */
  readonly group?: string;
  /**
   * Milliseconds, 100 to 600 000, 10 000 by default. An event loop that leaves events alone for longer is stuck;
   * its node leaves the group, so that the others need not wait for it.
   */
  readonly stallMs?: number;
}

/** `stats` is for the status page and for tests: nothing is decided by it. */
export interface CorosyncCluster extends Cluster {
  stats(): CorosyncStats;
}

/**
 * The real cluster: a link to corosync on a thread of its own. Throws HoldfastError HF_ARGUMENT or HF_ADDON.
 *
 * `disconnected` is also told when the first attempt to connect fails, and again when later ones fail for another
 * cause than that corosync is down or starting; its reason is `call: CS_ERR_NAME`.
 */
export function createCorosyncCluster(options: CorosyncClusterOptions = {}): CorosyncCluster {
  const group = options.group ?? 'holdfast';
  const groupBytes = Buffer.byteLength(group);
  if (groupBytes < 1 || groupBytes > 128) throw badArgument(`the group name has ${groupBytes} bytes; use 1 to 128`);
  const stallMs = options.stallMs ?? 10_000;
  if (!Number.isSafeInteger(stallMs) || stallMs < 100 || stallMs > 600_000) {
    throw badArgument(`stallMs is ${stallMs}; use a whole number from 100 to 600000`);
  }
  const { CorosyncLink } = options.native ?? loadNative();
  return new LinkedCluster((bell) => new CorosyncLink({ ...limits, group, stallMs, maxMessageBytes }, bell));
}

class LinkedCluster implements CorosyncCluster {
  readonly maxMessageBytes = maxMessageBytes;
  readonly #connect: (bell: () => void) => CorosyncLink;
  #link: CorosyncLink | undefined;
  #handler: (event: ClusterEvent) => void = () => {};
  #batch: LinkEvent[] = [];
  #next = 0;
  #turnDue = false;
  #closing: Promise<void> | undefined;
  #left: () => void = () => {};

  constructor(connect: (bell: () => void) => CorosyncLink) {
    this.#connect = connect;
  }

  start(handler: (event: ClusterEvent) => void): void {
    if (this.#link !== undefined || this.#closing !== undefined) throw badArgument('the cluster was started before');
    if (typeof handler !== 'function') throw badArgument('the handler of cluster events is not a function');
    this.#handler = handler;
    try {
      this.#link = this.#connect(() => this.#scheduleTurn());
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new HoldfastError(
        'HF_COROSYNC',
        `The thread for corosync cannot be started (${why}); check the limits of this process.`,
        { cause },
      );
    }
  }

  send(data: Uint8Array): SendResult {
    if (!(data instanceof Uint8Array)) throw badArgument('a message to the cluster must be a Uint8Array');
    if (data.byteLength > maxMessageBytes) {
      throw badArgument(
        `a message to the cluster has ${data.byteLength} bytes; at most ${maxMessageBytes} are allowed`,
      );
    }
    if (this.#link === undefined || this.#closing !== undefined) return 'disconnected';
    return this.#link.send(data);
  }

  close(): Promise<void> {
    this.#closing ??= this.#link === undefined ? Promise.resolve() : this.#leave(this.#link);
    return this.#closing;
  }

  stats(): CorosyncStats {
    return this.#link?.stats() ?? { outboundMessages: 0, inFlightMessages: 0, inboundEvents: 0, tryAgains: 0 };
  }

  async #leave(link: CorosyncLink): Promise<void> {
    // A corosync that is stopped never answers: the thread is then left to itself.
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#left = resolve;
      timer = setTimeout(resolve, closeMs);
      link.close();
    });
    clearTimeout(timer);
    link.dispose();
  }

  #scheduleTurn(): void {
    if (this.#turnDue) return;
    this.#turnDue = true;
    setImmediate(() => {
      this.#turnDue = false;
      this.#takeTurn();
    });
  }

  /** One batch a turn, so that timers and sockets get theirs. The rest of a batch survives a handler that throws. */
  #takeTurn(): void {
    if (this.#next >= this.#batch.length) {
      this.#batch = this.#link?.drain() ?? [];
      this.#next = 0;
      if (this.#batch.length === 0) return;
    }
    try {
      for (let event = this.#batch[this.#next++]; event !== undefined; event = this.#batch[this.#next++]) {
        this.#deliver(event);
      }
    } finally {
      this.#scheduleTurn();
    }
  }

  #deliver(event: LinkEvent): void {
    if (event.type === 'closed') this.#left();
    else if (this.#closing === undefined) this.#handler(event);
  }
}

function badArgument(what: string): HoldfastError {
  return new HoldfastError('HF_ARGUMENT', `${what.charAt(0).toUpperCase()}${what.slice(1)}.`);
}
