import type { z } from 'zod';
import type { ClusterState } from '../core/cluster-state.js';
import { compileRules } from '../core/compiled-rules.js';
import { sentence } from '../core/rule-change.js';
import type { NodePriority, Rule } from '../core/rules.js';
import { noCounterpart } from '../peer/notes.js';

/** What is said of a scenario before it is run: names that nothing answers to, and rules that are not in force. */

/** Settings of the peer that say nothing here, by file. */
const silent: Readonly<Record<string, readonly string[]>> = {
  hardware_status: ['cfs', 'pve-manager-version'],
  service_config: ['uid', 'sid', 'type', 'digest'],
  dynamic_service_stats: ['maxcpu', 'maxmem', 'uptime'],
};

/** A setting that a later version of the peer may have is no reason to refuse the rest. */
export function unknownSettings(
  file: string,
  schema: { readonly valueType: z.ZodType & { readonly shape: object } },
  all: Readonly<Record<string, object>>,
): string[] {
  const known = Object.keys(schema.valueType.shape);
  const passed = new Set([...known, ...(silent[file] ?? [])]);
  return Object.entries(all).flatMap(([name, settings]) =>
    Object.keys(settings)
      .filter((key) => !passed.has(key))
      .map((key) => `${file}: ${name}: ${noCounterpart(key, known)}`),
  );
}

/** Those of the peer's datacenter.cfg: only the first two have to do with high availability. */
const tables = (
  'crs ha bwlimit consent-text console description digest email_from fencing http_proxy keyboard language location ' +
  'mac_prefix max_workers migration migration_unsecure next-id notify registered-tags replication tag-style u2f ' +
  'user-tag-access webauthn'
).split(' ');

/** @param text of a datacenter.cfg that could be parsed: an object, or lines */
export function unknownTables(text: string): string[] {
  const names = text.trimStart().startsWith('{')
    ? Object.keys(JSON.parse(text))
    : [...text.matchAll(/^([A-Za-z0-9_-]+):/gm)].map(([, name = '']) => name);
  return names.filter((name) => !tables.includes(name)).map((name) => `datacenter.cfg: ${noCounterpart(name, tables)}`);
}

/** Rules that are not in force, or not as meant; and what rules and groups name though it is not there. */
export function ruleNotes(state: ClusterState, nodeNames: readonly string[]): string[] {
  const rules = Object.values(state.rules);
  const groups = Object.values(state.groups);
  const { dropped, warnings } = compileRules({ rules, groups, services: Object.values(state.services), nodeNames });
  return [
    ...groups.flatMap(({ name, nodes }) => strangers(`groups: group ${name}`, nodes, nodeNames)),
    ...rules.flatMap((rule) => strangersOf(rule, state, nodeNames)),
    ...[...dropped, ...warnings].map((note) => `rules_config: ${sentence(note)}`),
  ];
}

function strangersOf(rule: Rule, { services }: ClusterState, nodeNames: readonly string[]): string[] {
  const place = `rules_config: rule ${rule.id}`;
  const nodes = rule.type === 'node-affinity' ? strangers(place, rule.nodes, nodeNames) : [];
  const resources = rule.resources
    .filter((sid) => services[sid] === undefined)
    .map((sid) => `${place}: service_config has no service "${sid}", so the rule leaves it out until there is one`);
  return [...nodes, ...resources];
}

function strangers(place: string, nodes: readonly NodePriority[], nodeNames: readonly string[]): string[] {
  return nodes
    .filter(({ name }) => !nodeNames.includes(name))
    .map(({ name }) => `${place}: hardware_status has no node "${name}": check the name`);
}
