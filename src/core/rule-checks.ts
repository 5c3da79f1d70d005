import type { Separation, Unit } from './compiled-rules.js';
import { distinctNodes } from './distinct-nodes.js';
import { sortedUnique, type TogetherSet } from './rule-transforms.js';
import type { NodeAffinityRule, ResourceAffinityRule, RuleNote } from './rules.js';

/** Where rules contradict each other or cannot be kept. Every check names all rules concerned, in any order of rules. */

/** A resource in two node-affinity rules. */
export function checkOneNodeRuleEach(rules: readonly NodeAffinityRule[]): RuleNote[] {
  const rulesOf = new Map<string, NodeAffinityRule[]>();
  for (const rule of rules) {
    for (const sid of rule.resources) rulesOf.set(sid, [...(rulesOf.get(sid) ?? []), rule]);
  }
  return rules.flatMap((rule): RuleNote[] => {
    const shared = rule.resources.find((sid) => (rulesOf.get(sid)?.length ?? 0) > 1);
    if (shared === undefined) return [];
    const ids = (rulesOf.get(shared) ?? []).map(({ id }) => id);
    return [
      {
        ruleId: rule.id,
        reason: `${shared} is in more than one node-affinity rule (${list(ids)}), so none of them is in force: leave it in one`,
      },
    ];
  });
}

export function checkTwoResources(rules: readonly ResourceAffinityRule[]): RuleNote[] {
  return rules
    .filter((rule) => rule.resources.length < 2)
    .map((rule) => ({
      ruleId: rule.id,
      reason:
        `a resource-affinity rule needs two resources that exist, and this one has ` +
        `${rule.resources[0] === undefined ? 'none' : `only ${rule.resources[0]}`}: add a resource or remove the rule`,
    }));
}

/** A member whose node-affinity rule has several priorities. */
export function checkOnePriority(
  rules: readonly ResourceAffinityRule[],
  nodeRuleOf: ReadonlyMap<string, NodeAffinityRule>,
): RuleNote[] {
  return rules.flatMap((rule): RuleNote[] => {
    for (const sid of rule.resources) {
      const nodeRule = nodeRuleOf.get(sid);
      if (nodeRule === undefined || nodeRule.affinity === 'negative') continue;
      if (new Set(nodeRule.nodes.map((node) => node.priority)).size < 2) continue;
      const reason =
        `${sid} is also in the node-affinity rule ${nodeRule.id}, which gives its nodes different priorities: ` +
        'give them all the same, or take the resource out of one of the rules';
      return [{ ruleId: rule.id, reason }];
    }
    return [];
  });
}

/** A keep-together set with members in different node-affinity rules. */
export function checkOneNodeRulePerSet(
  sets: readonly TogetherSet[],
  nodeRuleOf: ReadonlyMap<string, NodeAffinityRule>,
): RuleNote[] {
  return sets.flatMap((set): RuleNote[] => {
    const nodeRules = sortedUnique(set.sids.flatMap((sid) => nodeRuleOf.get(sid)?.id ?? []));
    if (nodeRules.length < 2) return [];
    const reason =
      `it keeps ${list(set.sids)} together, but they are in different node-affinity rules (${list(nodeRules)}): ` +
      'put them into one of these rules only';
    return set.ruleIds.map((ruleId) => ({ ruleId, reason }));
  });
}

/** Two resources to be kept both together and apart. */
export function checkTogetherOrApart(sets: readonly TogetherSet[], apart: readonly ResourceAffinityRule[]): RuleNote[] {
  const setOf = new Map(sets.flatMap((set) => set.sids.map((sid) => [sid, set] as const)));
  const notes = apart.flatMap((rule): RuleNote[] => {
    const conflicts = [...new Set(rule.resources.flatMap((sid) => setOf.get(sid) ?? []))].flatMap((set) => {
      const shared = rule.resources.filter((sid) => setOf.get(sid) === set);
      return shared.length < 2 ? [] : [{ set, shared }];
    });
    return conflicts.flatMap(({ set, shared }) => {
      const reason =
        `${rule.id} keeps ${list(shared)} apart and ${list(set.ruleIds)} ${set.ruleIds.length > 1 ? 'keep' : 'keeps'} ` +
        'them together, so none of these rules is in force: take the resources out of one of them';
      return [rule.id, ...set.ruleIds].map((ruleId) => ({ ruleId, reason }));
    });
  });
  return firstPerRule(notes);
}

/** Members with strict node rules that could not all have a node of their own even if every node named were there. */
export function checkStrictlyApart(separation: Separation, units: readonly Unit[]): RuleNote[] {
  const strict = units.filter((unit) => unit.choice?.strict);
  const possible = distinctNodes(strict.map((unit) => unit.choice?.classes.flat() ?? []));
  if (possible === strict.length) return [];
  const nodeRules = sortedUnique(strict.flatMap((unit) => unit.choice?.ruleId ?? []));
  const reason =
    `${strict.length} of its resources are bound to nodes by ${list(nodeRules)}, which ` +
    `${nodeRules.length > 1 ? 'leave' : 'leaves'} nodes of their own for ${possible} of them only: ` +
    'allow more nodes there, or take resources out';
  return [{ ruleId: separation.ruleId, reason }];
}

/** A keep-separate rule that stays in force although not all of its members can run at the same time. */
export function warnOfSurplus(
  separation: Separation,
  units: readonly Unit[],
  nodeNames: readonly string[],
): RuleNote[] {
  const there = new Set(nodeNames);
  const accepted = units.map((unit) =>
    unit.choice === null ? nodeNames : unit.choice.classes.flat().filter((name) => there.has(name)),
  );
  const waiting = units.length - distinctNodes(accepted);
  if (waiting === 0) return [];
  const reason =
    `it keeps ${units.length} resources or sets apart, and the nodes of the cluster that they may use are enough ` +
    `for ${units.length - waiting}: ${waiting} of them will wait for a node; add nodes or take resources out`;
  return [{ ruleId: separation.ruleId, reason }];
}

/** A strict rule that no node of the cluster fulfils. */
export function warnOfNoNode(
  rules: readonly { readonly id: string; readonly allowed: readonly string[] }[],
  nodeNames: readonly string[],
): RuleNote[] {
  const there = new Set(nodeNames);
  return rules
    .filter((rule) => !rule.allowed.some((name) => there.has(name)))
    .map((rule) => ({
      ruleId: rule.id,
      reason: 'it is strict and no node of the cluster fulfils it, so its resources can run nowhere: change its nodes',
    }));
}

export function firstPerRule(notes: readonly RuleNote[]): RuleNote[] {
  const seen = new Set<string>();
  return notes.filter(({ ruleId }) => !seen.has(ruleId) && seen.add(ruleId));
}

const named = 4;

/** `a, b, c and 5 more`. */
export function list(names: readonly string[]): string {
  const more = names.length - named;
  if (more > 0) return `${names.slice(0, named).join(', ')} and ${more} more`;
  const last = names.at(-1) ?? '';
  return names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${last}` : last;
}
