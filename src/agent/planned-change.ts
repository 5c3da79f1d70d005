import type { ApplyResult } from '../core/apply-result.js';
import { apply, type ClusterState, type Command } from '../core/cluster-state.js';
import type { LrmReport } from '../core/messages.js';
import { problemsOfChange } from '../core/rule-change.js';
import { list } from '../core/rule-checks.js';
import type { RuleInput } from '../core/rules.js';
import type { ResourceDriver } from '../ports/resource-driver.js';

/** What a change is judged by: the committed state, and what is known of the nodes besides. */
export interface ChangeContext {
  readonly state: ClusterState;
  /** All nodes of the cluster, seen or not. */
  readonly nodeNames: readonly string[];
  readonly drivers: ReadonlyMap<string, ResourceDriver>;
  /** What a node's local resource manager has said last; null: nothing yet. */
  readonly lrmOf: (nodeId: number) => LrmReport | null;
}

/** A change as it goes into the log, with what is to be said about it. */
export interface PlannedChange {
  readonly command: Command;
  /** What is changed, by its full name; empty: the cluster. */
  readonly subject: string;
  readonly warnings: readonly string[];
  readonly comigrated: readonly string[];
}

export function planned(subject: string, command: Command, warnings: readonly string[] = []): PlannedChange {
  return { command, subject, warnings, comigrated: [] };
}

/** What would become of a command; `state` stays as it is. */
export function tryOut(
  state: ClusterState,
  command: Command,
): { readonly result: ApplyResult; readonly after: ClusterState } {
  // Commands replace records and never change one.
  const after: ClusterState = {
    ...state,
    nodes: { ...state.nodes },
    services: { ...state.services },
    groups: { ...state.groups },
    rules: { ...state.rules },
  };
  return { result: apply(after, command, Number.MAX_SAFE_INTEGER), after };
}

export function ruleInput(state: ClusterState, nodeNames: readonly string[]): RuleInput {
  return {
    rules: Object.values(state.rules),
    groups: Object.values(state.groups),
    services: Object.values(state.services),
    nodeNames,
  };
}

/** What the command would make worse among the rules, in sentences. */
export function ruleWarnings({ state, nodeNames }: ChangeContext, command: Command): string[] {
  const { result, after } = tryOut(state, command);
  if (!result.ok) return [];
  const { errors, warnings } = problemsOfChange(ruleInput(state, nodeNames), ruleInput(after, nodeNames));
  return [...errors, ...warnings];
}

/** Of rules that contradict each other the same is true, and is said of all of them at once. */
export function saidOnce(sentences: readonly string[]): string[] {
  const rulesOf = new Map<string, string[]>();
  for (const sentence of new Set(sentences)) {
    const [, rule, reason = sentence] = /^rule (\S+): (.*)$/s.exec(sentence) ?? [];
    rulesOf.set(reason, [...(rulesOf.get(reason) ?? []), ...(rule === undefined ? [] : [rule])]);
  }
  return [...rulesOf].map(([reason, rules]) => {
    if (rules.length === 0) return reason;
    return `${rules.length === 1 ? 'rule' : 'rules'} ${list(rules)}: ${reason}`;
  });
}
