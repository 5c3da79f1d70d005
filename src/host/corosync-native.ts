/** The corosync half of the addon as it is: arguments are not checked there. native/corosync.cc implements it. */
import type { ClusterEvent, SendResult } from '../ports/cluster.js';

export interface CorosyncLinkOptions {
  /** CPG group to join, 1 to 128 bytes. */
  readonly group: string;
  readonly maxMessageBytes: number;
  /** JavaScript that leaves events alone for longer than this is taken for stuck: the link leaves the group. */
  readonly stallMs: number;
  /** Messages that wait to be given to corosync; `send` answers `full` beyond. */
  readonly outboundMessages: number;
  readonly outboundBytes: number;
  /** Events that wait for JavaScript; the thread stops reading from corosync beyond. */
  readonly inboundEvents: number;
  readonly inboundBytes: number;
}

export interface CorosyncStats {
  /** Waiting to be given to corosync. */
  readonly outboundMessages: number;
  /** Given to corosync and not yet delivered back to us; at most 150. */
  readonly inFlightMessages: number;
  /** Waiting for JavaScript. */
  readonly inboundEvents: number;
  /** How often corosync was too busy to take a message (CS_ERR_TRY_AGAIN) since connecting. */
  readonly tryAgains: number;
}

/** `closed`: the last event; the group is left. */
export type LinkEvent = ClusterEvent | { readonly type: 'closed' };

export interface CorosyncLink {
  /** `disconnected` also while JavaScript has not yet drained the `configuration` of the present connection. */
  send(data: Uint8Array): SendResult;
  /** A bounded number of the oldest events, all of one connection. The bell rings again only after an empty one. */
  drain(): LinkEvent[];
  /** Sends what is queued (at most one second), leaves the group, then `closed`. Only that is drained from now on. */
  close(): void;
  /** The bell never rings again and no longer keeps the event loop alive. Implies `close`. */
  dispose(): void;
  stats(): CorosyncStats;
}

export interface CorosyncNative {
  /** Connects at once, for ever. Calls `bell` (which must not throw) when there is something to drain. */
  readonly CorosyncLink: new (
    options: CorosyncLinkOptions,
    bell: () => void,
  ) => CorosyncLink;
}
