import type { ClusterOptions } from '../core/cluster-options.js';
import type { Command, ResourceSettings } from '../core/cluster-state.js';
import type { Group, NodePriority, Rule } from '../core/rules.js';
import type { Fault } from './fault.js';
import type { Draft } from './fuzz-misfortunes.js';
import type { Random } from './sim-random.js';

/** What operators do at any moment: every command that people can give. Many are refused; that is part of it. */

const ruleIds = ['r1', 'r2', 'r3'] as const;
const groupNames = ['g1', 'g2'] as const;

/** Two to six resources; the last may be of the type that fails by its digits. */
export function sidsOf(random: Random): string[] {
  const sids = ['vm:101', 'vm:102', 'ct:201', 'vm:103', 'ct:202'].slice(0, random.int(2, 5));
  if (random.chance(0.25)) sids.push(faultySid(random));
  return sids;
}

/** `fa:abcdef`: b start failures, c move failures, d cannot be stopped, e does not exist, f runs on that node only. */
function faultySid(random: Random): string {
  const starts = random.int(0, 3);
  const moves = random.int(0, 2);
  const unstoppable = random.chance(0.1) ? 1 : 0;
  const missing = random.chance(0.1) ? 1 : 0;
  const only = random.chance(0.2) ? random.int(1, 3) : 0;
  return `fa:1${starts}${moves}${unstoppable}${missing}${only}`;
}

/** The configuration of the beginning: all resources, and some rules and options. */
export function startingCommands(draft: Draft): Fault[] {
  const { random, sids, nodes } = draft;
  const first = nodes[0] ?? 1;
  const commands: Command[] = [];
  if (random.chance(0.15)) commands.push({ type: 'group-set', group: group(draft), mode: 'add' });
  if (random.chance(0.5)) commands.push({ type: 'options-set', changes: options(random) });
  for (const sid of sids) commands.push(addition(sid, draft));
  if (random.chance(0.35)) commands.push({ type: 'rule-set', rule: rule(draft), mode: 'add' });
  if (random.chance(0.2)) commands.push({ type: 'rule-set', rule: rule(draft), mode: 'add' });
  return commands.map((command) => ({ kind: 'ask', node: first, command }));
}

/** What one operator does now; sometimes nothing. */
export function operatorFaults(draft: Draft): Fault[] {
  const { random, nodes } = draft;
  const node = random.pick(nodes) ?? 1;
  if (random.chance(0.08)) return [{ kind: 'confirm-off', node, by: random.pick(nodes) ?? 1 }];
  const kind = random.pick(changes);
  return kind === undefined ? [] : [{ kind: 'ask', node, command: kind(draft) }];
}

const changes: readonly ((draft: Draft) => Command)[] = [
  (d) => ({ type: 'resource-set', sid: sid(d), changes: { requested: requested(d.random) }, unset: [] }),
  (d) => ({ type: 'resource-set', sid: sid(d), changes: { requested: requested(d.random) }, unset: [] }),
  (d) => ({ type: 'resource-set', sid: sid(d), changes: { requested: 'started' }, unset: [] }),
  (d) => ({ type: 'resource-set', sid: sid(d), changes: someSettings(d), unset: [] }),
  (d) => addition(sid(d), d),
  (d) => ({ type: 'resource-remove', sid: sid(d), purge: d.random.chance(0.5) }),
  (d) => ({ type: 'resource-stop', sid: sid(d), timeoutS: d.random.pick([null, 0, 30]) ?? null }),
  (d) => ({ type: 'resource-move', sid: sid(d), kind: 'migrate', nodeId: d.random.pick(d.nodes) ?? 1 }),
  (d) => ({ type: 'resource-move', sid: sid(d), kind: 'relocate', nodeId: d.random.pick(d.nodes) ?? 1 }),
  (d) => ({ type: 'group-set', group: group(d), mode: d.random.chance(0.5) ? 'add' : 'set' }),
  (d) => ({ type: 'group-remove', name: d.random.pick(groupNames) ?? 'g1' }),
  (d) => ({ type: 'rule-set', rule: rule(d), mode: d.random.chance(0.6) ? 'add' : 'set' }),
  (d) => ({ type: 'rule-remove', id: d.random.pick(ruleIds) ?? 'r1' }),
  (d) => ({ type: 'options-set', changes: options(d.random) }),
  (d) => ({ type: 'node-maintenance', nodeId: d.random.pick(d.nodes) ?? 1, enabled: d.random.chance(0.6) }),
  (d) => ({ type: 'disarm', mode: d.random.chance(0.5) ? 'freeze' : 'ignore' }),
  () => ({ type: 'arm' }),
];

function sid({ random, sids }: Draft): string {
  return random.pick(sids) ?? '';
}

function requested(random: Random): ResourceSettings['requested'] {
  return random.pick(['started', 'started', 'stopped', 'disabled', 'ignored'] as const) ?? 'started';
}

export function addition(sid: string, draft: Draft): Command {
  const { random } = draft;
  const settings: ResourceSettings = {
    agent: 'sim',
    parameters: {},
    requested: random.chance(0.9) ? 'started' : requested(random),
    comment: '',
    maxRestart: random.int(0, 2),
    maxRelocate: random.int(0, 2),
    failback: random.chance(0.8),
    autoRebalance: random.chance(0.8),
    group: null,
    priority: random.chance(0.2) ? random.int(-2, 2) : 0,
    requires: [],
    after: [],
    cpus: 0,
    memoryMiB: 0,
  };
  const nodeId = random.chance(0.8) ? null : (random.pick(draft.nodes) ?? null);
  return { type: 'resource-add', sid, nodeId, ...settings, ...(random.chance(0.2) ? dependency(sid, draft) : {}) };
}

function someSettings(draft: Draft): Partial<ResourceSettings> {
  const { random } = draft;
  switch (random.int(0, 5)) {
    case 0:
      return { group: random.chance(0.7) ? (random.pick(groupNames) ?? null) : null };
    case 1:
      return dependency(draft.random.pick(draft.sids) ?? '', draft);
    case 2:
      return { failback: random.chance(0.5), priority: random.int(-2, 2) };
    case 3:
      return { maxRestart: random.int(0, 2), maxRelocate: random.int(0, 3) };
    case 4:
      return { parameters: { size: String(random.int(1, 9)) } };
    default:
      return { comment: `change ${random.int(1, 1_000_000)}`, autoRebalance: random.chance(0.5) };
  }
}

function dependency(of: string, { random, sids }: Draft): Partial<ResourceSettings> {
  const other = random.pick(sids.filter((each) => each !== of));
  const on = other === undefined || random.chance(0.3) ? [] : [other];
  return random.chance(0.5) ? { requires: on } : { after: on };
}

function someNodes({ random, nodes }: Draft): NodePriority[] {
  const chosen = nodes.filter(() => random.chance(0.6));
  const named = chosen.length > 0 ? chosen : [random.pick(nodes) ?? 1];
  const flat = random.chance(0.5);
  return named.map((nodeId) => ({ name: `node${nodeId}`, priority: flat ? 0 : random.int(0, 2) }));
}

function group(draft: Draft): Group {
  const { random } = draft;
  const name = random.pick(groupNames) ?? 'g1';
  const choice = { restricted: random.chance(0.4), nofailback: random.chance(0.3) };
  return { name, nodes: someNodes(draft), comment: '', ...choice };
}

function rule(draft: Draft): Rule {
  const { random, sids } = draft;
  const common = { id: random.pick(ruleIds) ?? 'r1', disabled: random.chance(0.1), comment: '' };
  if (random.chance(0.5)) {
    const affinity = random.chance(0.85) ? 'positive' : 'negative';
    const chosen = sids.filter(() => random.chance(0.4));
    const resources = chosen.length > 0 ? chosen : [sid(draft)];
    return {
      ...common,
      type: 'node-affinity',
      resources,
      nodes: someNodes(draft),
      strict: random.chance(0.5),
      affinity,
    };
  }
  const chosen = sids.filter(() => random.chance(0.6));
  const resources = chosen.length > 1 ? chosen : sids.slice(0, 2);
  return { ...common, type: 'resource-affinity', resources, affinity: random.chance(0.4) ? 'positive' : 'negative' };
}

function options(random: Random): Partial<ClusterOptions> {
  switch (random.int(0, 4)) {
    case 0:
      return { scheduler: random.pick(['basic', 'static', 'dynamic'] as const) ?? 'basic' };
    case 1:
      return { rebalanceOnStart: random.chance(0.6), autoRebalance: random.chance(0.5), autoRebalanceHoldS: 5 };
    case 2:
      return { freezeLimitS: random.pick([0, 5, 20, 600]) ?? 600 };
    default:
      return {
        shutdownPolicy: random.pick(['conditional', 'freeze', 'failover', 'migrate'] as const) ?? 'conditional',
      };
  }
}
