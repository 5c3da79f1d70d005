import type { RuleNote } from './rules.js';

/** Where the members of a unit may run: nodes of the first class that can be used, and none that is in no class. */
export interface NodeChoice {
  readonly ruleId: string;
  /** Names of nodes, best class first. The nodes that a rule that is not strict does not name are in the last class. */
  readonly classes: readonly (readonly string[])[];
  readonly strict: boolean;
}

/** Resources that have to be on one node: those of a keep-together set, or a single one. */
export interface Unit {
  /** Sorted. */
  readonly sids: readonly string[];
  /** The keep-together rules that made it, sorted; empty for a single resource. */
  readonly ruleIds: readonly string[];
  /** Null: any node will do. */
  readonly choice: NodeChoice | null;
  /** Every unit else of each of these has to be on another node. */
  readonly separations: readonly Separation[];
  /** Whether it moves to a better class of nodes by itself. */
  readonly failback: boolean;
}

/** A keep-separate rule, over units instead of resources. */
export interface Separation {
  readonly ruleId: string;
  readonly sids: readonly string[];
}

export interface CompiledRules {
  /** By sid; every resource that exists has one. */
  readonly units: ReadonlyMap<string, Unit>;
  /** Rules that are not in force because they contradict each other or cannot be kept, sorted by rule. */
  readonly dropped: readonly RuleNote[];
  /** Rules that are in force, but cannot be kept in full at present. */
  readonly warnings: readonly RuleNote[];
}
