/** What the operator says about where resources may run. Nodes are named; placement knows their ids. */

export interface NodePriority {
  readonly name: string;
  /** Higher wins. */
  readonly priority: number;
}

export interface NodeAffinityRule {
  readonly id: string;
  readonly type: 'node-affinity';
  readonly resources: readonly string[];
  readonly nodes: readonly NodePriority[];
  /** Strict: never anywhere else. Otherwise the other nodes are used when none of the preferred ones can be. */
  readonly strict: boolean;
  /** Negative: the nodes are to be avoided instead. */
  readonly affinity: 'positive' | 'negative';
  readonly disabled: boolean;
  readonly comment: string;
}

/** Positive: keep the resources together on one node. Negative: keep each on a node of its own. Always strict. */
export interface ResourceAffinityRule {
  readonly id: string;
  readonly type: 'resource-affinity';
  readonly resources: readonly string[];
  readonly affinity: 'positive' | 'negative';
  readonly disabled: boolean;
  readonly comment: string;
}

export type Rule = NodeAffinityRule | ResourceAffinityRule;

export interface Group {
  readonly name: string;
  readonly nodes: readonly NodePriority[];
  /** Never outside the group's nodes. */
  readonly restricted: boolean;
  readonly nofailback: boolean;
  readonly comment: string;
}

/** What the rules need to know of a resource. */
export interface RuledService {
  readonly sid: string;
  readonly group: string | null;
  readonly failback: boolean;
}

export interface RuleInput {
  readonly rules: readonly Rule[];
  readonly groups: readonly Group[];
  /** All resources that exist. */
  readonly services: readonly RuledService[];
  /** All nodes of the cluster, whether online or not. */
  readonly nodeNames: readonly string[];
}

/** One sentence or two about one rule: what is wrong with it, and what to change. */
export interface RuleNote {
  readonly ruleId: string;
  readonly reason: string;
}
