import type { ClusterState, Command } from './cluster-state.js';
import type { Electorate } from './electorate.js';
import type { ErrorCode } from './errors.js';
import type { NodeLoad, ServiceLoad } from './usage.js';

/** What agents say to each other. Parsed as hostile input before it gets here (agent/wire.ts). */

/** One command in its place in the log. */
export interface Entry {
  readonly index: number;
  /** Epoch of the view in which it was ordered. */
  readonly epoch: number;
  readonly command: Command;
  /** Who asked for it, so that they learn of the commit; null for the manager's own. */
  readonly origin: { readonly nodeId: number; readonly requestId: string } | null;
  /** Wall clock of the leader; only ever printed. */
  readonly wallMs: number;
}

export interface Snapshot {
  /** Every command up to this index is in `state`. */
  readonly index: number;
  readonly state: ClusterState;
}

/** Result of the current request to a node's LRM. */
export interface LrmResult {
  readonly sid: string;
  readonly uid: number;
  /**
   * `ready`: protected, and waiting for what is being migrated here; `left`: what was to be migrated does not run here
   * any more. To a request to migrate `running` says that it has stayed.
   */
  readonly outcome: 'running' | 'stopped' | 'error' | 'ready' | 'left';
  readonly detail: string;
}

/**
 * `maintenance`: to be emptied; `shutdown`: stops all, to be started elsewhere; `restart`: stops all, to be started here
 * again; `disarm`: looks after nothing.
 */
export type LrmMode = 'active' | 'maintenance' | 'shutdown' | 'restart' | 'disarm';

export interface LrmReport {
  readonly results: readonly LrmResult[];
  /** Services found running here that are not assigned here. */
  readonly strays: readonly string[];
  /** Every resource added up to this log index has been looked for here. */
  readonly probedThrough: number;
  /** May services be given to this node? */
  readonly canRun: boolean;
  /** Holds a lease, and the watchdog is armed on it. */
  readonly active: boolean;
  readonly mode: LrmMode;
  /** Its agent ends, for the machine is to go down. */
  readonly leaving: boolean;
  /** Nothing runs here at this moment. */
  readonly empty: boolean;
  /** Nothing runs here and nothing will be started here by this agent. */
  readonly released: boolean;
  /** Types of resources that its drivers move without a stop. */
  readonly migratesLive: readonly string[];
  /** Grows with every change of this report. */
  readonly revision: number;
}

export interface Heartbeat {
  readonly type: 'heartbeat';
  /** Random per start of the agent. */
  readonly incarnation: string;
  /** The kernel's. */
  readonly bootId: string;
  readonly fenceBoundMs: number;
  readonly protection: string;
  /** From 1 for each incarnation. */
  readonly seq: number;
  /** Epoch of the adopted view; 0: none. */
  readonly epoch: number;
  readonly promisedEpoch: number;
  readonly commitIndex: number;
  readonly storing: boolean;
  /** Version of the electorate that its echoes go by; empty: none is in its log. */
  readonly electorate: string;
  /** Fingerprint of the votes in its corosync's configuration. */
  readonly configured: string;
  /** Last acknowledgement, repeated. */
  readonly stored: Ack | null;
  /** For each node whose heartbeat was granted: the last sequence number delivered from it. */
  readonly echoes: readonly { readonly nodeId: number; readonly incarnation: string; readonly seq: number }[];
  /** For each node outside the adopted view: milliseconds since the last grant to it, or since this agent's start. */
  readonly silences: readonly { readonly nodeId: number; readonly silenceMs: number }[];
  readonly lrm: LrmReport;
  /** Measured since the last heartbeat; null: nothing new. */
  readonly load: LoadReport | null;
}

export interface LoadReport {
  readonly node: NodeLoad;
  /** Guests that run there and are not managed. */
  readonly otherGuests: number;
  readonly services: readonly ({ readonly sid: string } & ServiceLoad)[];
}

export interface Prepare {
  readonly type: 'prepare';
  readonly epoch: number;
}

/** Answer to Prepare; sent only when what it says is durable. */
export interface PromiseReply {
  readonly type: 'promise';
  readonly epoch: number;
  /** The candidate that this answers. */
  readonly to: number;
  readonly incarnation: string;
  /** Durably promised; false: refused (see `promisedEpoch`), or the store does not work. */
  readonly granted: boolean;
  readonly storing: boolean;
  readonly promisedEpoch: number;
  readonly viewEpoch: number;
  readonly lastIndex: number;
  readonly commitIndex: number;
  /** Knows what it ever acknowledged; false after a lost or damaged store. */
  readonly valid: boolean;
  /** Nothing but a first electorate was ever stored here. */
  readonly blank: boolean;
  /** The last in its log, committed or not; null: none. */
  readonly electorate: Electorate | null;
  /** View since which it has held quorum without a gap; 0: there was one. */
  readonly unbrokenEpoch: number;
}

/** The leader asks the node with the newest state for what lies behind `afterIndex`. */
export interface Fetch {
  readonly type: 'fetch';
  readonly epoch: number;
  readonly from: number;
  readonly afterIndex: number;
}

export interface LogPart {
  readonly type: 'log-part';
  readonly epoch: number;
  readonly snapshot: Snapshot | null;
  /** Consecutive; the first follows the snapshot, or `afterIndex` of the Fetch. */
  readonly entries: readonly Entry[];
  readonly commitIndex: number;
}

export interface ViewMember {
  readonly nodeId: number;
  readonly incarnation: string;
}

export interface NewView {
  readonly type: 'new-view';
  readonly epoch: number;
  readonly members: readonly ViewMember[];
  /** First view of a new cluster: every node is there and none has ever stored anything. */
  readonly bootstrap: boolean;
  /** Present if some member needs more than `entries`. */
  readonly snapshot: Snapshot | null;
  /** Consecutive, from `afterIndex` + 1 to the last of the log. */
  readonly afterIndex: number;
  readonly entries: readonly Entry[];
  readonly commitIndex: number;
}

export interface Append {
  readonly type: 'append';
  readonly epoch: number;
  readonly entries: readonly Entry[];
  readonly commitIndex: number;
}

/** Stored durably in this view up to `index`. */
export interface Ack {
  readonly type: 'ack';
  readonly epoch: number;
  readonly index: number;
  readonly valid: boolean;
}

export interface Commit {
  readonly type: 'commit';
  readonly epoch: number;
  readonly commitIndex: number;
}

/** A client's command on its way to the leader. */
export interface Request {
  readonly type: 'request';
  readonly requestId: string;
  readonly command: Command;
}

/** The leader has not taken the request: it will never be in the log. */
export interface Refusal {
  readonly type: 'refusal';
  readonly to: number;
  readonly requestId: string;
  readonly code: ErrorCode;
  readonly message: string;
}

export type Message =
  | Heartbeat
  | Prepare
  | PromiseReply
  | Fetch
  | LogPart
  | NewView
  | Append
  | Ack
  | Commit
  | Request
  | Refusal;
