import { type ApplyResult, refuse } from './apply-result.js';
import { type ClusterState, limits, type ResourceSettings } from './cluster-state.js';
import type { Group, NodePriority, Rule } from './rules.js';

/**
 * How large the configuration is. Characters count as one byte each: a bound for people's texts and lists, not an
 * account.
 */

/** Refusal of a change that takes `removed` bytes away and adds `added`; null: there is room. */
export function refuseTooLarge(state: ClusterState, removed: number, added: number): ApplyResult | null {
  if (added <= removed || bytesOfState(state) - removed + added <= limits.settingsBytes) return null;
  return refuse(
    'HF_CONFLICT',
    `parameters, comments, rules and groups together may not exceed ${limits.settingsBytes} bytes: shorten or remove some`,
  );
}

type Sized = Pick<ResourceSettings, 'parameters' | 'comment' | 'requires' | 'after'>;

export function bytesOfResource({ parameters, comment, requires, after }: Sized): number {
  const named = Object.entries(parameters).reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  return named + comment.length + bytesOfNames(requires) + bytesOfNames(after);
}

export function bytesOfRule(rule: Rule): number {
  const nodes = rule.type === 'node-affinity' ? bytesOfNodes(rule.nodes) : 0;
  return rule.id.length + rule.comment.length + bytesOfNames(rule.resources) + nodes;
}

export function bytesOfGroup({ name, comment, nodes }: Group): number {
  return name.length + comment.length + bytesOfNodes(nodes);
}

function bytesOfNames(names: readonly string[]): number {
  return names.reduce((sum, name) => sum + name.length, 0);
}

function bytesOfNodes(nodes: readonly NodePriority[]): number {
  return nodes.reduce((sum, { name }) => sum + name.length, 0);
}

function bytesOfState({ services, rules, groups }: ClusterState): number {
  let sum = 0;
  for (const service of Object.values(services)) sum += bytesOfResource(service);
  for (const rule of Object.values(rules)) sum += bytesOfRule(rule);
  for (const group of Object.values(groups)) sum += bytesOfGroup(group);
  return sum;
}
