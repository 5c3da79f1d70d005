import type { ClusterOptions } from '../core/cluster-options.js';
import type { Disarm, Order, RequestedState, ResourceSettings } from '../core/cluster-state.js';
import type { ErrorCode } from '../core/errors.js';
import type { Explanation } from '../core/explanation.js';
import type { Preview } from '../core/preview.js';
import type { Group, NodePriority, Rule } from '../core/rules.js';
import type { ResetsReport } from './reset-record.js';
import type { AgentEvent, StatusReport, TimingReport } from './status.js';

/** A resource as configured. */
export interface ResourceConfig extends Omit<ResourceSettings, 'requested'> {
  readonly sid: string;
  readonly state: RequestedState;
}

/** Options of a resource as users give them; absent: the default, or unchanged. */
export type ResourceOptions = Partial<Omit<ResourceConfig, 'sid'>>;

/** Settings of a group as users give them. A group needs nodes. */
export type GroupOptions = Partial<Omit<Group, 'name'>>;

/** Settings of a rule as users give them. `nodes` and `strict` belong to node-affinity only. */
export interface RuleOptions {
  readonly resources?: readonly string[];
  readonly nodes?: readonly NodePriority[];
  readonly strict?: boolean;
  readonly affinity?: 'positive' | 'negative';
  readonly disabled?: boolean;
  readonly comment?: string;
}

/**
 * What may be asked for. Resources that are there may be named by a bare number (`100`), if one resource has it as its
 * own name; names to unset may be written as the options of the CLI are (`max-restart`).
 */
export type Mutation =
  | {
      readonly type: 'add';
      readonly sid: string;
      readonly options: ResourceOptions;
      /** Where to start it if rules allow. */
      readonly node?: string;
    }
  /** `unset` names parameters or options to put back to their defaults. */
  | { readonly type: 'set'; readonly sid: string; readonly options: ResourceOptions; readonly unset: readonly string[] }
  /** Stops it, then forgets it; `purge`: also takes it out of rules and dependencies. */
  | { readonly type: 'remove'; readonly sid: string; readonly purge: boolean }
  /** Requests `stopped`. Seconds that the stop may take; 0: at once, by force; null: as its agent says. */
  | { readonly type: 'stop'; readonly sid: string; readonly timeoutS: number | null }
  | { readonly type: 'move'; readonly sid: string; readonly kind: Order['kind']; readonly node: string }
  | { readonly type: 'group-add'; readonly name: string; readonly options: GroupOptions }
  | {
      readonly type: 'group-set';
      readonly name: string;
      readonly options: GroupOptions;
      readonly unset: readonly string[];
    }
  | { readonly type: 'group-remove'; readonly name: string }
  /** `force`: also if it would not be in force at once. */
  | {
      readonly type: 'rule-add';
      readonly id: string;
      readonly ruleType: Rule['type'];
      readonly options: RuleOptions;
      readonly force: boolean;
    }
  | {
      readonly type: 'rule-set';
      readonly id: string;
      /** Undefined: whatever it is; else it has to be of this type. */
      readonly ruleType?: Rule['type'];
      readonly options: RuleOptions;
      readonly unset: readonly string[];
      readonly force: boolean;
    }
  | { readonly type: 'rule-remove'; readonly id: string }
  | { readonly type: 'options'; readonly changes: Partial<ClusterOptions> }
  | { readonly type: 'maintenance'; readonly node: string; readonly enabled: boolean }
  | { readonly type: 'disarm'; readonly mode: Disarm['mode'] }
  | { readonly type: 'arm' }
  /** Somebody has seen that the node's machine is off; if it is not, its services run twice. */
  | { readonly type: 'confirm-off'; readonly node: string };

export interface Committed {
  /** Of the command in the log. */
  readonly index: number;
  /** What was changed, by its full name; empty: the cluster. */
  readonly subject: string;
  /** What the operator should know besides; sentences. */
  readonly warnings: readonly string[];
  /** Resources that are kept together with a moved one, and move too. */
  readonly comigrated: readonly string[];
}

/** What changes would be answered with, if they were made one after the other up to the first refusal. */
export interface Rehearsal {
  /** What the operator should know of each that would be made. */
  readonly warnings: readonly (readonly string[])[];
  /** Of the one after those; null: all would be made. */
  readonly refusal: { readonly code: ErrorCode; readonly message: string } | null;
}

export interface RuleReport {
  readonly rule: Rule;
  /** Why it is not in force; null: it is, or it is disabled. */
  readonly dropped: string | null;
  readonly warnings: readonly string[];
}

/** Something that was committed and is of interest to people. */
export interface Decision {
  readonly index: number;
  /** By the leader's wall clock. */
  readonly wallMs: number;
  /** What and why, a sentence. */
  readonly text: string;
  readonly sid: string | null;
  readonly node: string | null;
}

/** What the status socket asks of the agent. Rejections and what is thrown are HoldfastErrors. */
export interface AgentControl {
  status(): StatusReport;
  timing(): TimingReport;
  /** By name. */
  resources(): readonly ResourceConfig[];
  groups(): readonly Group[];
  rules(): readonly RuleReport[];
  options(): ClusterOptions;
  /**
   * Full name of a resource given as such or as a bare number.
   * @throws HF_NOT_FOUND with the nearest name; HF_NO_QUORUM while this node knows nothing of the cluster
   */
  resolve(sid: string): string;
  /** @throws HF_NOT_FOUND; HF_NO_QUORUM while this node knows nothing of the cluster */
  explain(sid: string): Explanation;
  /** Newest first. */
  decisions(limit: number): readonly Decision[];
  /** Why this node was reset, and when. */
  resets(): ResetsReport;
  /** Marks them as seen; resolves with how many unexpected ones had not been. Rejects with HF_STORE. */
  acknowledgeResets(): Promise<number>;
  /** Resolves when committed; `HF_OUTCOME_UNKNOWN` when that cannot be told. */
  mutate(mutation: Mutation): Promise<Committed>;
  /** What would become of it; nothing is changed. Rejects as `mutate` would when it would be refused. */
  preview(mutation: Mutation): Promise<Preview>;
  /** Whether they would be accepted, each after those before it; nothing is changed. Rejects with HF_NO_QUORUM. */
  rehearse(mutations: readonly Mutation[]): Promise<Rehearsal>;
  /**
   * Prepares the machine's shutdown as the shutdown policy wants it; resolves when nothing of the cluster runs here any
   * more. Asked again, it goes on with what it does already.
   */
  prepareShutdown(kind: 'reboot' | 'poweroff'): Promise<void>;
  /** Called for each event until the returned function is called. Must not block. */
  subscribe(listener: (event: AgentEvent) => void): () => void;
}
