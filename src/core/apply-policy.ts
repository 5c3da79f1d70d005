import { type ApplyResult, done, refuse } from './apply-result.js';
import type { ClusterOptions } from './cluster-options.js';
import { type ClusterState, type Command, limits } from './cluster-state.js';
import { bytesOfGroup, bytesOfRule, refuseTooLarge } from './settings-size.js';

/** Groups, rules, options of the cluster, and disarming it. */

export function setGroup(state: ClusterState, { group, mode }: Command & { type: 'group-set' }): ApplyResult {
  const exists = state.groups[group.name] !== undefined;
  if (mode === 'add' && exists) {
    return refuse('HF_EXISTS', `group ${group.name} exists already: change it with 'holdfast groupset ${group.name}'`);
  }
  if (mode === 'set' && !exists) return noSuchGroup(group.name);
  if (!exists && Object.keys(state.groups).length >= limits.groups) {
    return refuse('HF_CONFLICT', `the cluster holds ${limits.groups} groups already: remove one first`);
  }
  const former = state.groups[group.name];
  const tooLarge = refuseTooLarge(state, former === undefined ? 0 : bytesOfGroup(former), bytesOfGroup(group));
  if (tooLarge !== null) return tooLarge;
  state.groups[group.name] = group;
  return done;
}

function noSuchGroup(name: string): ApplyResult {
  return refuse('HF_NOT_FOUND', `there is no group ${name}: 'holdfast groupconfig' lists them`);
}

export function removeGroup(state: ClusterState, name: string): ApplyResult {
  if (state.groups[name] === undefined) return noSuchGroup(name);
  const user = Object.values(state.services).find((service) => service.group === name);
  if (user !== undefined) {
    return refuse(
      'HF_CONFLICT',
      `${user.sid} is in group ${name}: take it out first with 'holdfast set ${user.sid} --unset group'`,
    );
  }
  delete state.groups[name];
  return done;
}

export function setRule(state: ClusterState, { rule, mode }: Command & { type: 'rule-set' }): ApplyResult {
  const exists = state.rules[rule.id] !== undefined;
  if (mode === 'add' && exists) {
    return refuse('HF_EXISTS', `rule ${rule.id} exists already: change it with 'holdfast rules set'`);
  }
  if (mode === 'set' && !exists) return noSuchRule(rule.id);
  if (!exists && Object.keys(state.rules).length >= limits.rules) {
    return refuse('HF_CONFLICT', `the cluster holds ${limits.rules} rules already: remove one first`);
  }
  const former = state.rules[rule.id];
  const tooLarge = refuseTooLarge(state, former === undefined ? 0 : bytesOfRule(former), bytesOfRule(rule));
  if (tooLarge !== null) return tooLarge;
  state.rules[rule.id] = rule;
  return done;
}

function noSuchRule(id: string): ApplyResult {
  return refuse('HF_NOT_FOUND', `there is no rule ${id}: 'holdfast rules list' shows them`);
}

export function removeRule(state: ClusterState, id: string): ApplyResult {
  if (state.rules[id] === undefined) return noSuchRule(id);
  delete state.rules[id];
  return done;
}

export function setOptions(state: ClusterState, changes: Partial<ClusterOptions>): ApplyResult {
  state.options = { ...state.options, ...changes };
  return done;
}

export function disarm(state: ClusterState, mode: 'freeze' | 'ignore', index: number): ApplyResult {
  if (state.disarm !== null) {
    return refuse('HF_EXISTS', `the cluster is ${state.disarm.phase} already (${state.disarm.mode}): arm it first`);
  }
  state.disarm = { mode, phase: 'disarming', index };
  return done;
}

/** From here on watchdogs may be released over what runs: no node can be proved dead by waiting until it is armed again. */
export function finishDisarm(state: ClusterState, expectIndex: number): ApplyResult {
  if (state.disarm?.index !== expectIndex) return refuse('HF_CONFLICT', 'the cluster was armed meanwhile');
  state.disarm = { ...state.disarm, phase: 'disarmed' };
  for (const node of Object.values(state.nodes)) state.nodes[node.nodeId] = { ...node, unprotected: true };
  return done;
}

export function arm(state: ClusterState, index: number): ApplyResult {
  if (state.disarm === null) return refuse('HF_EXISTS', 'the cluster is armed already');
  state.disarm = null;
  state.armedIndex = index;
  return done;
}
