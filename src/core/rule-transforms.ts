import type { NodeChoice } from './compiled-rules.js';
import type { Group, NodeAffinityRule, ResourceAffinityRule, Rule, RuleInput } from './rules.js';

/** From what the operator wrote to what holds: groups as rules, rules that are in force, sets that belong together. */

export interface SortedRules {
  readonly nodeAffinity: readonly NodeAffinityRule[];
  readonly together: readonly ResourceAffinityRule[];
  readonly apart: readonly ResourceAffinityRule[];
}

/** Rules that are enabled, and those of groups, each with the resources that exist; all sorted. */
export function rulesInForce({ rules, groups, services }: RuleInput): SortedRules {
  const exists = new Set(services.map((service) => service.sid));
  const enabled = rules.filter((rule) => !rule.disabled);
  const explicit = new Set(enabled.filter(isNodeAffinity).flatMap((rule) => rule.resources));
  const ofGroups = groups.map((group) => ruleOfGroup(group, services, explicit));
  const all = [...enabled, ...ofGroups.filter((rule) => rule.resources.length > 0)]
    .map((rule): Rule => ({ ...rule, resources: sortedUnique(rule.resources.filter((sid) => exists.has(sid))) }))
    .sort((a, b) => compareText(a.id, b.id));
  const resourceAffinity = all.filter(isResourceAffinity);
  return {
    nodeAffinity: all.filter(isNodeAffinity).filter((rule) => rule.resources.length > 0),
    together: resourceAffinity.filter((rule) => rule.affinity === 'positive'),
    apart: resourceAffinity.filter((rule) => rule.affinity === 'negative'),
  };
}

/** A group is a node-affinity rule for those of its members that no rule of that kind names. */
function ruleOfGroup(group: Group, services: RuleInput['services'], explicit: ReadonlySet<string>): NodeAffinityRule {
  const members = services.filter((service) => service.group === group.name && !explicit.has(service.sid));
  return {
    id: `ha-group-${group.name}`,
    type: 'node-affinity',
    resources: members.map((service) => service.sid),
    nodes: group.nodes,
    strict: group.restricted,
    affinity: 'positive',
    disabled: false,
    comment: group.comment,
  };
}

function isNodeAffinity(rule: Rule): rule is NodeAffinityRule {
  return rule.type === 'node-affinity';
}

function isResourceAffinity(rule: Rule): rule is ResourceAffinityRule {
  return rule.type === 'resource-affinity';
}

/** Resources that keep-together rules join, directly or through others. */
export interface TogetherSet {
  readonly sids: readonly string[];
  readonly ruleIds: readonly string[];
}

/** Rules that share a resource make one set, and so do sets that share one. Each set and the list are sorted. */
export function togetherSets(rules: readonly ResourceAffinityRule[]): TogetherSet[] {
  const setOf = new Map<string, { sids: string[]; ruleIds: string[] }>();
  for (const rule of rules) {
    const joined = [...new Set(rule.resources.flatMap((sid) => setOf.get(sid) ?? []))];
    const merged = {
      sids: sortedUnique([...joined.flatMap((set) => set.sids), ...rule.resources]),
      ruleIds: sortedUnique([...joined.flatMap((set) => set.ruleIds), rule.id]),
    };
    for (const sid of merged.sids) setOf.set(sid, merged);
  }
  const sets = [...new Set(setOf.values())];
  return sets.sort((a, b) => compareText(a.sids[0] ?? '', b.sids[0] ?? ''));
}

/** The rule as classes of nodes, best first; nodes that are not in any are forbidden. */
export function nodeChoice(rule: NodeAffinityRule, nodeNames: readonly string[]): NodeChoice {
  const listed = new Map<string, number>();
  for (const { name, priority } of rule.nodes) listed.set(name, Math.max(priority, listed.get(name) ?? priority));
  const others = nodeNames.filter((name) => !listed.has(name)).sort(compareText);
  const named = rule.affinity === 'positive' ? priorityClasses(listed) : [[...listed.keys()].sort(compareText)];
  const wanted = rule.affinity === 'positive' ? named : [others];
  const rest = rule.affinity === 'positive' ? [others] : named;
  const classes = rule.strict ? wanted : [...wanted, ...rest];
  return { ruleId: rule.id, classes: classes.filter((names) => names.length > 0), strict: rule.strict };
}

function priorityClasses(priorities: ReadonlyMap<string, number>): string[][] {
  const levels = [...new Set(priorities.values())].sort((a, b) => b - a);
  return levels.map((level) =>
    [...priorities].flatMap(([name, priority]) => (priority === level ? [name] : [])).sort(compareText),
  );
}

export function sortedUnique(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort(compareText);
}

/** The same everywhere, whatever the locale. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
