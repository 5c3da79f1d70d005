import type { Budget, BudgetInput } from './budget.js';
import type { ClusterState, Command } from './cluster-state.js';
import type { CompiledRules } from './compiled-rules.js';
import type { Electorate } from './electorate.js';
import type { Grants } from './grants.js';
import type { Lease } from './lease.js';
import type { DurableRecord, Log } from './log.js';
import type { Lrm } from './lrm.js';
import type { OperationOutcome } from './lrm-outcome.js';
import type { ManagerMemory } from './manager-memory.js';
import type { Membership, RingId } from './membership.js';
import type { LoadReport, Message } from './messages.js';
import type { Peers } from './peers.js';
import type { Protection, WatchdogEvent } from './protection.js';
import type { ServiceLoad } from './usage.js';
import type { AdoptedView, Views } from './views.js';

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
  /** Types of resources that this node's drivers move without a stop. */
  readonly migratesLive: readonly string[];
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
  /** Corosync's quorum.device.timeout and .sync_timeout, milliseconds; absent: corosync's defaults. */
  readonly deviceTimeoutMs?: number;
  readonly deviceSyncTimeoutMs?: number;
}

export interface NodeState {
  readonly options: NodeOptions;
  readonly log: Log;
  membership: Membership;
  /** Everything that needs to know who we are; null until corosync has told. */
  cluster: ClusterPart | null;
  /** Null: it goes on. */
  shutdown: Shutdown | null;
}

/** `restart`: of the agent alone, over running services; else the machine goes down. */
export type ShutdownKind = 'restart' | 'reboot' | 'poweroff';

export interface Shutdown {
  readonly kind: ShutdownKind;
  readonly sinceMs: number;
  /** Without a view since then; null: in one. */
  aloneSinceMs: number | null;
  /** Nothing runs here and all know it since then; null: not so. Only others can be a reason to stay. */
  doneSinceMs: number | null;
  /** All was stopped that can be, and something cannot, since then; null: not so. */
  stuckSinceMs: number | null;
  /** The agent was told. */
  prepared: boolean;
}

/** The rules as compiled for what they were compiled for. */
export interface CompiledFor {
  readonly state: ClusterState | null;
  readonly key: string;
  readonly rules: CompiledRules;
  readonly order: readonly string[];
}

export interface ClusterPart {
  readonly selfId: number;
  configuration: Configuration;
  /** The votes of corosync's configuration. */
  configured: Electorate;
  /** What counts: the log's, or where none is in the log the configured one. */
  electorate: Electorate;
  /** The change of the electorate that is under way, and since when it is known here to be committed. */
  change: { readonly version: string; readonly sinceMs: number } | null;
  budgetInput: BudgetInput;
  budget: Budget;
  /** Why nothing is started here; null: services are welcome. */
  refusal: string | null;
  readonly peers: Peers;
  readonly views: Views;
  readonly lease: Lease;
  readonly grants: Grants;
  /** The view that grants were last cut down to. */
  grantsView: AdoptedView | null;
  readonly lrm: Lrm;
  readonly protection: Protection;
  /** This agent has once known everything that was committed, and so what an earlier one had been given. */
  hasKnownAll: boolean;
  lastHeartbeatMs: number;
  lastHeartbeatEpoch: number;
  /** Something changed that the others should hear at once. */
  heartbeatDue: boolean;
  /** What the last report was made of, to see changes. */
  lastReport: readonly (string | number | boolean | undefined)[];
  /** Loads of this node, measured since the last heartbeat; null: sent. */
  load: LoadReport | null;
  /** When each node was last heard; only ever shown. */
  readonly heardMs: Map<number, number>;
  lastManagerMs: number;
  lastManagerIndex: number;
  /** What the manager has seen last: it need not look at the same twice. */
  lastManagerInput: string;
  readonly managerMemory: ManagerMemory;
  compiled: CompiledFor;
  /** What services use, as last reported by whoever had them; their loss must not make it unknown. */
  readonly serviceLoads: Map<string, ServiceLoad>;
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
  | { readonly type: 'load'; readonly load: LoadReport }
  /** The agent is to end: release the watchdog if nothing runs here; before the machine does: by its policy. */
  | { readonly type: 'shutdown'; readonly kind: ShutdownKind };

export interface Now {
  readonly bootMs: number;
  readonly wallMs: number;
}
