/** The cluster engine: membership, quorum and an ordered multicast. In production corosync. */

/** A membership of totem has this identity; two are the same only if both numbers are. */
export interface RingId {
  readonly nodeId: number;
  readonly seq: number;
}

export interface ClusterNode {
  readonly nodeId: number;
  readonly name: string;
  readonly votes: number;
}

/** What the engine is configured to be; read anew after every reconnect. */
export interface ClusterConfiguration {
  readonly localNodeId: number;
  readonly clusterName: string;
  readonly nodes: readonly ClusterNode[];
  /** Votes that the whole cluster has, a quorum device's included. */
  readonly expectedVotes: number;
  /** Votes of the quorum device; 0 without one. */
  readonly deviceVotes: number;
  /** Corosync's quorum.device.timeout and .sync_timeout, milliseconds; there with a device only. */
  readonly deviceTimeoutMs?: number;
  readonly deviceSyncTimeoutMs?: number;
  /** Effective totem token timeout, milliseconds. */
  readonly tokenMs: number;
  /** Effective totem consensus timeout, milliseconds. */
  readonly consensusMs: number;
  /** Votequorum options that are switched on: `two_node`, `auto_tie_breaker`, `last_man_standing`, ... */
  readonly quorumOptions: readonly string[];
}

export interface GroupMember {
  readonly nodeId: number;
  readonly pid: number;
}

export type ClusterEvent =
  /** Connected, or configuration changed. Always the first event after a (re)connect. */
  | { readonly type: 'configuration'; readonly configuration: ClusterConfiguration }
  /** Quorum service: who is in the ring and whether the votes reach quorum. */
  | { readonly type: 'quorum'; readonly quorate: boolean; readonly ring: RingId; readonly members: readonly number[] }
  /** CPG's totem callback: the ring in which group events that follow take place. */
  | { readonly type: 'ring'; readonly ring: RingId; readonly members: readonly number[] }
  /** CPG membership of the agents' group, after every change. */
  | {
      readonly type: 'group';
      readonly members: readonly GroupMember[];
      readonly joined: readonly GroupMember[];
      readonly left: readonly GroupMember[];
    }
  /** A multicast, our own included, in the order that all members agree on. */
  | { readonly type: 'message'; readonly nodeId: number; readonly pid: number; readonly data: Uint8Array }
  /** The engine is gone. Everything known of membership is void; the port reconnects by itself. */
  | { readonly type: 'disconnected'; readonly reason: string };

/** `sent`: queued, in order; `full`: the bounded queue has no room and nothing was queued; `disconnected`: nowhere to send. */
export type SendResult = 'sent' | 'full' | 'disconnected';

export interface Cluster {
  /** Starts connecting, for ever. Events arrive one at a time, never from inside a call to this port. */
  start(handler: (event: ClusterEvent) => void): void;
  /** Multicasts to the group. Never blocks. At most `maxMessageBytes` bytes. */
  send(data: Uint8Array): SendResult;
  readonly maxMessageBytes: number;
  /** Leaves the group; resolves when left, or after two seconds. */
  close(): Promise<void>;
}
