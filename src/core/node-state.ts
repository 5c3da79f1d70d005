import type { Budget, BudgetInput } from './budget.js';
import type { Command } from './cluster-state.js';
import type { Electorate } from './electorate.js';
import type { Grants } from './grants.js';
import type { Lease } from './lease.js';
import type { DurableRecord, Log } from './log.js';
import type { Lrm, OperationOutcome } from './lrm.js';
import type { Membership, RingId } from './membership.js';
import type { Message } from './messages.js';
import type { Peers } from './peers.js';
import type { Protection, WatchdogEvent } from './protection.js';
import type { Views } from './views.js';

/** What one node knows, and what can happen to it. */

export interface NodeOptions {
  /** Random per start of the agent. */
  readonly incarnation: string;
  readonly bootId: string;
  /** Start of the agent, CLOCK_BOOTTIME. */
  readonly startedMs: number;
  readonly fenceBoundMs: number;
  /** What the watchdog is; null: there is none. */
  readonly watchdog: WatchdogFacts | null;
  /** As shown everywhere; `protected`, or in which way not. */
  readonly protectionLabel: string;
  /** Why services must not run on this node whatever corosync says; null: they may. */
  readonly refusal: string | null;
}

export interface WatchdogFacts {
  readonly kappa: 1 | 2;
  readonly minTimeoutS: number;
  readonly maxTimeoutS: number;
  /** Counting down already at the start: a former agent armed it. */
  readonly active: boolean;
}

export interface Configuration {
  readonly localNodeId: number;
  readonly clusterName: string;
  readonly nodes: Electorate['nodes'];
  readonly expectedVotes: number;
  readonly deviceVotes: number;
  readonly tokenMs: number;
  readonly consensusMs: number;
  readonly quorumOptions: readonly string[];
}

export interface NodeState {
  readonly options: NodeOptions;
  readonly log: Log;
  membership: Membership;
  /** Everything that needs to know who we are; null until corosync has told. */
  cluster: ClusterPart | null;
  shuttingDown: boolean;
}

export interface ClusterPart {
  readonly selfId: number;
  configuration: Configuration;
  electorate: Electorate;
  budgetInput: BudgetInput;
  budget: Budget;
  /** Why nothing is started here; null: services are welcome. */
  refusal: string | null;
  readonly peers: Peers;
  readonly views: Views;
  readonly lease: Lease;
  readonly grants: Grants;
  readonly lrm: Lrm;
  readonly protection: Protection;
  /** This agent has once known everything that was committed, and so what an earlier one had been given. */
  hasKnownAll: boolean;
  lastHeartbeatMs: number;
  lastHeartbeatEpoch: number;
  /** Something changed that the others should hear at once. */
  heartbeatDue: boolean;
  /** LRM report as last sent, to see changes. */
  lastReport: string;
  /** When each node was last heard; only ever shown. */
  readonly heardMs: Map<number, number>;
  lastManagerMs: number;
  lastManagerIndex: number;
  /** The lease is running out and that has been said. */
  runningOut: boolean;
}

export type NodeEvent =
  | { readonly type: 'tick' }
  | { readonly type: 'configuration'; readonly configuration: Configuration }
  | { readonly type: 'quorum'; readonly quorate: boolean; readonly ring: RingId; readonly members: readonly number[] }
  | { readonly type: 'ring'; readonly ring: RingId; readonly members: readonly number[] }
  | {
      readonly type: 'group';
      readonly members: readonly { readonly nodeId: number }[];
      readonly joined: readonly { readonly nodeId: number }[];
    }
  | { readonly type: 'disconnected'; readonly reason: string }
  | { readonly type: 'message'; readonly fromId: number; readonly message: Message }
  | { readonly type: 'saved'; readonly record: DurableRecord }
  | { readonly type: 'save-failed'; readonly detail: string }
  | { readonly type: 'outcome'; readonly outcome: OperationOutcome }
  | { readonly type: 'watchdog'; readonly event: WatchdogEvent }
  | { readonly type: 'request'; readonly requestId: string; readonly command: Command }
  /** The agent is to end: release the watchdog if nothing runs here. */
  | { readonly type: 'shutdown' };

export interface Now {
  readonly bootMs: number;
  readonly wallMs: number;
}
