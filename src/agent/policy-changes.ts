import { HoldfastError } from '../core/errors.js';
import { checkRule } from '../core/rule-change.js';
import type { Group, NodePriority, Rule } from '../core/rules.js';
import type { GroupOptions, Mutation, RuleOptions } from './control.js';
import { groupNamed, ruleNamed, serviceNamed } from './known-names.js';
import {
  type ChangeContext,
  type PlannedChange,
  planned,
  ruleInput,
  ruleWarnings,
  saidOnce,
} from './planned-change.js';
import { unknownName } from './resource-changes.js';
import { settingOf } from './typed-names.js';

/** Changes to groups and rules as people ask for them, checked, as commands. */

type Of<Type extends Mutation['type']> = Extract<Mutation, { readonly type: Type }>;

const groupDefaults = { restricted: false, nofailback: false, comment: '' } as const;

export function planGroup(context: ChangeContext, mutation: Of<'group-add'> | Of<'group-set'>): PlannedChange {
  const { name } = mutation;
  const adds = mutation.type === 'group-add';
  const base: GroupOptions = adds ? groupDefaults : groupNamed(context.state, name);
  const reset = defaultsOf(adds ? [] : mutation.unset, groupDefaults);
  const { nodes = [], ...rest } = { ...groupDefaults, ...base, ...reset, ...mutation.options };
  if (nodes.length === 0) {
    throw new HoldfastError('HF_ARGUMENT', `group ${name} needs nodes: give them, as in --nodes node1:2,node2`);
  }
  const group: Group = { ...rest, name, nodes };
  const command = { type: 'group-set', group, mode: adds ? 'add' : 'set' } as const;
  return planned(name, command, [...unknownNodes(context, name, nodes), ...ruleWarnings(context, command)]);
}

export function planGroupRemove(context: ChangeContext, mutation: Of<'group-remove'>): PlannedChange {
  const { name } = groupNamed(context.state, mutation.name);
  return planned(name, { type: 'group-remove', name });
}

function unknownNodes({ nodeNames }: ChangeContext, group: string, nodes: readonly NodePriority[]): string[] {
  return nodes
    .filter(({ name }) => !nodeNames.includes(name))
    .map(({ name }) => `group ${group}: there is no node ${name} in the cluster: check the name`);
}

const ruleDefaults = { strict: false, affinity: 'positive', disabled: false, comment: '' } as const;

export function planRule(context: ChangeContext, mutation: Of<'rule-add'> | Of<'rule-set'>): PlannedChange {
  const { id, force } = mutation;
  const adds = mutation.type === 'rule-add';
  const rule = adds ? newRule(context, mutation) : changedRule(context, mutation);
  const { errors, warnings } = checkRule(ruleInput(context.state, context.nodeNames), rule);
  if (errors.length > 0 && !force) throw new HoldfastError('HF_CONFLICT', saidOnce(errors).join('; '));
  return planned(id, { type: 'rule-set', rule, mode: adds ? 'add' : 'set' }, [...errors, ...warnings]);
}

export function planRuleRemove(context: ChangeContext, mutation: Of<'rule-remove'>): PlannedChange {
  const { id } = ruleNamed(context.state, mutation.id);
  return planned(id, { type: 'rule-remove', id });
}

function newRule(context: ChangeContext, { id, ruleType, options }: Of<'rule-add'>): Rule {
  if (Object.hasOwn(context.state.rules, id)) {
    throw new HoldfastError('HF_EXISTS', `rule ${id} exists already: change it with 'holdfast rules set'`);
  }
  const { disabled, comment } = ruleDefaults;
  const common = { id, resources: [], disabled, comment };
  if (ruleType === 'node-affinity') {
    const { strict, affinity } = ruleDefaults;
    return withOptions(context, { ...common, type: ruleType, nodes: [], strict, affinity }, options);
  }
  if (options.affinity === undefined) {
    const text = `rule ${id} needs --affinity positive (keep together) or negative (keep apart)`;
    throw new HoldfastError('HF_ARGUMENT', text);
  }
  return withOptions(context, { ...common, type: ruleType, affinity: options.affinity }, options);
}

function changedRule(context: ChangeContext, { id, ruleType, options, unset }: Of<'rule-set'>): Rule {
  const known = ruleNamed(context.state, id);
  if (ruleType !== undefined && ruleType !== known.type) {
    throw new HoldfastError(
      'HF_ARGUMENT',
      `rule ${id} is of type ${known.type}, not ${ruleType}: remove it and add it anew`,
    );
  }
  const { strict, affinity, ...common } = ruleDefaults;
  const defaults = known.type === 'node-affinity' ? { ...common, strict, affinity } : common;
  return withOptions(context, known, { ...defaultsOf(unset, defaults), ...options });
}

function withOptions(context: ChangeContext, rule: Rule, options: RuleOptions): Rule {
  const { nodes, strict, resources, ...common } = options;
  const named = resources === undefined ? {} : { resources: resourcesOf(context, resources) };
  if (rule.type === 'node-affinity') {
    return { ...rule, ...common, ...named, ...(nodes && { nodes }), ...(strict === undefined ? {} : { strict }) };
  }
  if (nodes !== undefined || strict !== undefined) {
    const name = nodes === undefined ? 'strict' : 'nodes';
    throw new HoldfastError(
      'HF_ARGUMENT',
      `rule ${rule.id} is about resources: ${name} belongs to node-affinity rules`,
    );
  }
  return { ...rule, ...common, ...named };
}

/** A rule may name what is not there yet; a bare number has to be there. */
function resourcesOf({ state }: ChangeContext, sids: readonly string[]): string[] {
  return [...new Set(sids.map((sid) => (sid.includes(':') ? sid : serviceNamed(state, sid).sid)))];
}

/** The defaults of what is to be unset. */
function defaultsOf<Defaults extends object>(unset: readonly string[], defaults: Defaults): Partial<Defaults> {
  const known = Object.keys(defaults);
  const named = unset.map(settingOf);
  const unknown = unset.find((_name, at) => !known.includes(named[at] ?? ''));
  if (unknown !== undefined) throw new HoldfastError('HF_ARGUMENT', unknownName(unknown, known));
  const chosen = Object.entries(defaults).filter(([name]) => named.includes(name));
  return Object.fromEntries(chosen) as Partial<Defaults>;
}
