import { compileRules } from './compiled-rules.js';
import { list } from './rule-checks.js';
import type { Rule, RuleInput, RuleNote } from './rules.js';

/** What is said to whoever changes the configuration, before the change is made. Each entry is one sentence. */
export interface RuleProblems {
  /** With the change, these rules would not be in force. */
  readonly errors: readonly string[];
  /** It would work, but maybe not as meant. */
  readonly warnings: readonly string[];
}

/** Adds the rule or replaces the one with its id. A disabled rule is judged as if enabled, but only with warnings. */
export function checkRule(input: RuleInput, changed: Rule): RuleProblems {
  const others = input.rules.filter((rule) => rule.id !== changed.id);
  const after = { ...input, rules: [...others, { ...changed, disabled: false }] };
  const problems = problemsOfChange({ ...input, rules: others }, after);
  const errors = [...emptyParts(changed), ...problems.errors];
  const warnings = [...problems.warnings, ...unknownNames(input, changed)];
  if (!changed.disabled) return { errors, warnings };
  return { errors: [], warnings: [...errors.map((error) => `once it is enabled: ${error}`), ...warnings] };
}

/** What a change of rules, groups, resources or nodes makes worse. */
export function problemsOfChange(before: RuleInput, after: RuleInput): RuleProblems {
  const old = compileRules(before);
  const next = compileRules(after);
  return { errors: added(old.dropped, next.dropped), warnings: added(old.warnings, next.warnings) };
}

function added(before: readonly RuleNote[], after: readonly RuleNote[]): string[] {
  const known = new Set(before.map(sentence));
  return after.map(sentence).filter((text) => !known.has(text));
}

/** A note as a sentence that names its rule. */
export function sentence({ ruleId, reason }: RuleNote): string {
  return `rule ${ruleId}: ${reason}`;
}

function emptyParts(rule: Rule): string[] {
  const where = `rule ${rule.id}`;
  if (rule.resources.length === 0) return [`${where} names no resource: name at least one`];
  const nodeless = rule.type === 'node-affinity' && rule.nodes.length === 0;
  return nodeless ? [`${where} names no node: name at least one`] : [];
}

function unknownNames(input: RuleInput, rule: Rule): string[] {
  const resources = new Set(input.services.map((service) => service.sid));
  const nodes = new Set(input.nodeNames);
  const namedNodes = rule.type === 'node-affinity' ? rule.nodes.map((node) => node.name) : [];
  const noResource = rule.resources.filter((sid) => !resources.has(sid));
  const noNode = namedNodes.filter((name) => !nodes.has(name));
  return [
    ...(noResource.length === 0
      ? []
      : [`there is no resource ${list(noResource)}: the rule leaves it out until there is`]),
    ...(noNode.length === 0 ? [] : [`there is no node ${list(noNode)} in the cluster: check the name`]),
  ];
}
