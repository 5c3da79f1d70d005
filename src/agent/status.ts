import type { ClusterOptions } from '../core/cluster-options.js';
import type { Disarm, Order, RequestedState } from '../core/cluster-state.js';
import type { LrmMode } from '../core/messages.js';
import type { RuleNote } from '../core/rules.js';
import type { NodeLoad } from '../core/usage.js';

/** What the agent tells of itself and of the cluster; the body of GET /v1/status, and what the CLI prints. */

export type Protection =
  /** A validated device is armed or can be. */
  | 'protected'
  /** The same, by a timer of the kernel itself: a kernel that hangs is not reset. */
  | 'protected (not by hardware)'
  /** The watchdog is emulated: it resets a laboratory's process, not a machine. */
  | 'UNPROTECTED (emulated)'
  /** The device was never seen to reset this machine, and the configuration allows that. */
  | 'UNPROTECTED (unvalidated)'
  /** No usable watchdog: nothing is started on this node. */
  | 'UNPROTECTED (no watchdog)';

export interface NodeStatus {
  readonly nodeId: number;
  readonly name: string;
  /**
   * The manager's view; `maintenance`: online, and to be emptied; `released`: has shut down with nothing running;
   * `fenced`: proved to run nothing any more, and not back yet; `gone`: not in the list of nodes any more.
   */
  readonly state: 'online' | 'maintenance' | 'unknown' | 'released' | 'fence' | 'fenced' | 'gone';
  /** The operator wants it empty, whether it is online or not. */
  readonly maintenance: boolean;
  /** What its local resource manager is about; null: not heard. */
  readonly mode: LrmMode | null;
  /** It was disarmed when it was lost, so that no waiting proves that it was reset. */
  readonly unprotected: boolean;
  /** Milliseconds since this agent last heard a heartbeat of it; null: not since it started. */
  readonly lastHeardAgoMs: number | null;
  readonly protection: Protection | null;
  /** `active`: lease held and watchdog armed; `idle`: nothing to run, nothing armed. */
  readonly lrm: 'active' | 'idle' | 'unknown';
  readonly storeOk: boolean | null;
  /** While it is being fenced: milliseconds until survivors may declare it fenced, at the earliest. */
  readonly takeoverInMs: number | null;
  /** Services that run there or may. */
  readonly services: number;
  /** Null: not measured. */
  readonly load: NodeLoad | null;
}

export interface ServiceStatus {
  readonly sid: string;
  readonly state: string;
  readonly requested: RequestedState;
  readonly node: string | null;
  /** Where it is being moved to. */
  readonly target: string | null;
  /** A move that was asked for and has not begun. */
  readonly order: { readonly kind: Order['kind']; readonly node: string } | null;
  /** Nodes on which it failed to start since it last ran. */
  readonly failedNodes: readonly string[];
  /** Where it goes back to after maintenance. */
  readonly origin: string | null;
  /** Times that it was found dead and started again; null: only the node that runs it knows. */
  readonly restarts: number | null;
  /** What there is to say beyond the state: `starting`, what it waits for, an error's sentence; else null. */
  readonly detail: string | null;
}

export interface LeaseStatus {
  readonly held: boolean;
  readonly remainingMs: number;
  readonly leaseMs: number;
}

export interface WatchdogStatus {
  readonly device: string | null;
  readonly kind: 'kernel' | 'emulated' | null;
  readonly identity: string | null;
  readonly state: 'idle' | 'open' | 'armed' | 'expired' | 'failed' | 'refused';
  readonly timeoutS: number | null;
  /** Measured or assumed reset time of the device at that timeout. */
  readonly effectiveMs: number | null;
  readonly lastPetAgoMs: number | null;
  readonly pets: number;
  readonly worstLatenessMs: number;
  readonly wakeups: number;
  readonly realtime: boolean;
  /** Why it was refused or failed, a sentence; else null. */
  readonly detail: string | null;
}

export interface StatusReport {
  readonly version: string;
  readonly cluster: {
    readonly name: string | null;
    readonly connected: boolean;
    readonly quorate: boolean;
    readonly votes: number;
    readonly expectedVotes: number;
    readonly quorumVotes: number;
  };
  readonly local: { readonly nodeId: number | null; readonly name: string | null; readonly bootId: string };
  /** Name of the leader of the view that this node has adopted; null: no view. */
  readonly leader: string | null;
  readonly epoch: number;
  readonly commitIndex: number;
  readonly protection: Protection;
  readonly watchdog: WatchdogStatus;
  readonly lease: LeaseStatus;
  readonly store: { readonly ok: boolean; readonly detail: string | null };
  /** Sentences that must be shown wherever the status is: unprotected, waiting for nodes, refused to arm, ... */
  readonly warnings: readonly string[];
  readonly nodes: readonly NodeStatus[];
  readonly services: readonly ServiceStatus[];
  /** Null: armed, as it should be. */
  readonly disarm: Pick<Disarm, 'mode' | 'phase'> | null;
  readonly options: ClusterOptions;
  /** Rules that are not in force, and why. */
  readonly rulesDropped: readonly RuleNote[];
  /** Types of resources that this node has a driver for. */
  readonly resourceTypes: readonly string[];
}

/** One line of the budget of design §2.3. */
export interface TimingLine {
  readonly name: string;
  readonly valueMs: number;
  /** Where the number comes from: a configuration key, corosync's cmap key, a measurement, or a formula. */
  readonly source: string;
}

export interface TimingReport {
  readonly lines: readonly TimingLine[];
  readonly fits: boolean;
  /** What does not fit and which value to change; empty when it fits. */
  readonly problems: readonly string[];
}

/** What `/v1/events` sends, one per server-sent event; `type` is the event name. */
export interface AgentEvent {
  readonly type: 'service' | 'node' | 'lease' | 'watchdog' | 'view' | 'cluster' | 'store';
  readonly bootMs: number;
  readonly wallMs: number;
  /** One sentence. */
  readonly text: string;
  readonly detail: Readonly<Record<string, string | number | boolean | null>>;
}
