import {
  checkOneNodeRuleEach,
  checkOneNodeRulePerSet,
  checkOnePriority,
  checkStrictlyApart,
  checkTogetherOrApart,
  checkTwoResources,
  firstPerRule,
  warnOfNoNode,
  warnOfSurplus,
} from './rule-checks.js';
import {
  compareText,
  nodeChoice,
  rulesInForce,
  type SortedRules,
  type TogetherSet,
  togetherSets,
} from './rule-transforms.js';
import type { NodeAffinityRule, ResourceAffinityRule, RuleInput, RuleNote } from './rules.js';

/** Where the members of a unit may run: on nodes of the first class that can be used, never on one that is in none. */
export interface NodeChoice {
  readonly ruleId: string;
  /** Names of nodes, best class first. The nodes that a rule that is not strict does not want are the last class. */
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
  /** The members of each of these that are not in this unit have to be on other nodes. */
  readonly separations: readonly Separation[];
  /** Whether it moves to a better class of nodes by itself: only if all its members may. */
  readonly failback: boolean;
}

/** A keep-separate rule, extended to the sets that its resources are in. */
export interface Separation {
  readonly ruleId: string;
  readonly sids: readonly string[];
}

export interface CompiledRules {
  /** By sid; every resource that exists has one. */
  readonly units: ReadonlyMap<string, Unit>;
  /** Rules that are not in force because they contradict each other or cannot be kept, sorted by rule. */
  readonly dropped: readonly RuleNote[];
  /** Rules that are in force, but cannot be kept in full at present, sorted by rule. */
  readonly warnings: readonly RuleNote[];
}

/** To be called when rules, groups, resources or nodes change, not in every round. */
export function compileRules(input: RuleInput): CompiledRules {
  const { rules, sets, dropped } = consistentRules(rulesInForce(input));
  const grouped = unitsWithoutSeparations(input, rules, sets);
  const separations = rules.apart.map((rule) => separationOf(rule, grouped));
  const impossible = separations.flatMap(({ separation, units }) => checkStrictlyApart(separation, units));
  const kept = separations.filter(({ separation }) => !impossible.some((note) => note.ruleId === separation.ruleId));
  return {
    units: withSeparations(grouped, kept),
    dropped: sortedNotes([...dropped, ...impossible]),
    warnings: sortedNotes([
      ...kept.flatMap(({ separation, units }) => warnOfSurplus(separation, units, input.nodeNames)),
      ...warnOfNoNode(strictRules(rules.nodeAffinity, input.nodeNames), input.nodeNames),
    ]),
  };
}

/** The rules that do not contradict each other, and the sets that they keep together. */
function consistentRules(inForce: SortedRules): {
  rules: SortedRules;
  sets: TogetherSet[];
  dropped: RuleNote[];
} {
  const doubled = checkOneNodeRuleEach(inForce.nodeAffinity);
  const nodeAffinity = without(inForce.nodeAffinity, doubled);
  const nodeRuleOf = new Map(nodeAffinity.flatMap((rule) => rule.resources.map((sid) => [sid, rule] as const)));
  const resourceRules = [...inForce.together, ...inForce.apart];
  const unusable = [...checkTwoResources(resourceRules), ...checkOnePriority(resourceRules, nodeRuleOf)];
  const joinable = without(inForce.together, unusable);
  const torn = checkOneNodeRulePerSet(togetherSets(joinable), nodeRuleOf);
  const whole = without(joinable, torn);
  const apart = without(inForce.apart, unusable);
  const opposed = checkTogetherOrApart(togetherSets(whole), apart);
  const together = without(whole, opposed);
  return {
    rules: { nodeAffinity, together, apart: without(apart, opposed) },
    sets: togetherSets(together),
    dropped: [...doubled, ...unusable, ...torn, ...opposed],
  };
}

function without<R extends { readonly id: string }>(rules: readonly R[], notes: readonly RuleNote[]): R[] {
  const ids = new Set(notes.map((note) => note.ruleId));
  return rules.filter((rule) => !ids.has(rule.id));
}

/** One unit a set, one for each resource that is in none; a set has the node-affinity rule of any of its members. */
function unitsWithoutSeparations(
  input: RuleInput,
  rules: SortedRules,
  sets: readonly TogetherSet[],
): ReadonlyMap<string, Unit> {
  const choices = rules.nodeAffinity.map((rule) => ({ rule, choice: nodeChoice(rule, input.nodeNames) }));
  const choiceOf = new Map(choices.flatMap(({ rule, choice }) => rule.resources.map((sid) => [sid, choice] as const)));
  const fallsBack = failbackPerService(input);
  const inSet = new Set(sets.flatMap((set) => set.sids));
  const singles = input.services.filter(({ sid }) => !inSet.has(sid)).map(({ sid }) => ({ sids: [sid], ruleIds: [] }));
  const units = [...sets, ...singles].map(({ sids, ruleIds }): Unit => {
    const choice = sids.flatMap((sid) => choiceOf.get(sid) ?? [])[0] ?? null;
    return { sids, ruleIds, choice, separations: [], failback: sids.every((sid) => fallsBack.get(sid) ?? true) };
  });
  return new Map(units.flatMap((unit) => unit.sids.map((sid) => [sid, unit] as const)));
}

function failbackPerService({ services, groups }: RuleInput): ReadonlyMap<string, boolean> {
  const stay = new Set(groups.filter((group) => group.nofailback).map((group) => group.name));
  return new Map(
    services.map(({ sid, failback, group }) => [sid, failback && !(group !== null && stay.has(group))] as const),
  );
}

interface SeparatedUnits {
  readonly separation: Separation;
  readonly units: readonly Unit[];
}

function separationOf(rule: ResourceAffinityRule, grouped: ReadonlyMap<string, Unit>): SeparatedUnits {
  const units = [...new Set(rule.resources.flatMap((sid) => grouped.get(sid) ?? []))];
  return { separation: { ruleId: rule.id, sids: units.flatMap((unit) => unit.sids) }, units };
}

function withSeparations(
  grouped: ReadonlyMap<string, Unit>,
  separated: readonly SeparatedUnits[],
): ReadonlyMap<string, Unit> {
  const result = new Map(grouped);
  for (const { separation, units } of separated) {
    for (const { sids } of units) {
      const unit = result.get(sids[0] ?? '');
      if (unit === undefined) continue;
      const extended: Unit = { ...unit, separations: [...unit.separations, separation] };
      for (const sid of sids) result.set(sid, extended);
    }
  }
  return result;
}

function strictRules(
  rules: readonly NodeAffinityRule[],
  nodeNames: readonly string[],
): { readonly id: string; readonly allowed: readonly string[] }[] {
  return rules
    .filter((rule) => rule.strict)
    .map((rule) => ({ id: rule.id, allowed: nodeChoice(rule, nodeNames).classes.flat() }));
}

function sortedNotes(notes: readonly RuleNote[]): RuleNote[] {
  return firstPerRule(notes).sort((a, b) => compareText(a.ruleId, b.ruleId));
}
