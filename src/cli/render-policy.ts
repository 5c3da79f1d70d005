import type { RuleReport } from '../agent/control.js';
import type { ClusterOptions } from '../core/cluster-options.js';
import type { Group, NodePriority } from '../core/rules.js';
import { peerOptions } from '../peer/option-names.js';
import { comment, type Paint, printable, section, word } from './render.js';

/** Groups, rules and options, in the manner of the peer's files. */

function nodeList(nodes: readonly NodePriority[]): string {
  return word(nodes.map(({ name, priority }) => (priority === 0 ? name : `${name}:${priority}`)).join(','));
}

export function renderGroup({ name, nodes, restricted, nofailback, comment: text }: Group): readonly string[] {
  return section(`group: ${name}`, [
    `nodes ${nodeList(nodes)}`,
    ...(restricted ? ['restricted 1'] : []),
    ...(nofailback ? ['nofailback 1'] : []),
    ...comment(text),
  ]);
}

export function renderRule(report: RuleReport, paint: Paint): readonly string[] {
  const { rule } = report;
  const placed =
    rule.type === 'node-affinity' ? [`nodes ${nodeList(rule.nodes)}`, ...(rule.strict ? ['strict 1'] : [])] : [];
  const usual = rule.type === 'node-affinity' && rule.affinity === 'positive';
  return section(`${rule.type}: ${rule.id}`, [
    `resources ${word(rule.resources.join(','))}`,
    ...placed,
    ...(usual ? [] : [`affinity ${rule.affinity}`]),
    ...(rule.disabled ? ['disable 1'] : []),
    ...comment(rule.comment),
    ...remarks(report, paint).map((remark) => `# ${remark}`),
  ]);
}

function remarks({ dropped, warnings }: RuleReport, paint: Paint): readonly string[] {
  const lost = dropped === null ? [] : [`${paint('bad', 'NOT IN FORCE:')} ${printable(dropped)}`];
  return [...lost, ...warnings.map(printable)];
}

/** One line. */
export function ruleLine(report: RuleReport, paint: Paint): string {
  const { rule } = report;
  const whom = rule.resources.join(', ');
  const facts = rule.disabled ? ['disabled'] : remarks(report, paint);
  const note = facts.length === 0 ? '' : ` - ${facts.join('; ')}`;
  return `${printable(rule.id)}: ${printable(meaning(report.rule, whom))}${note}`;
}

function meaning(rule: RuleReport['rule'], whom: string): string {
  if (rule.type === 'resource-affinity') {
    return rule.affinity === 'positive' ? `${whom} on one node` : `${whom} on different nodes`;
  }
  const modal = rule.strict ? 'must' : 'should';
  return `${whom} ${modal} ${rule.affinity === 'positive' ? 'be' : 'not be'} on ${nodeList(rule.nodes)}`;
}

export function renderOptions(options: ClusterOptions): readonly string[] {
  return Object.entries(peerOptions).map(([name, option]) => `${name}=${option.show(options)}`);
}
