import type { ResourceConfig, RuleReport } from '../agent/control.js';
import type { ClusterOptions } from '../core/cluster-options.js';
import type { Group, Rule } from '../core/rules.js';
import type { DatacenterFile } from '../peer/datacenter-file.js';
import type { GroupsFile } from '../peer/groups-file.js';
import type { Note } from '../peer/notes.js';
import { peerOptions } from '../peer/option-names.js';
import type { PeerResource, ResourcesFile } from '../peer/resources-file.js';
import type { RulesFile } from '../peer/rules-file.js';

/** What an import of the peer's files comes to, worked out before anything is changed. */

export interface PeerFiles {
  readonly groups: GroupsFile;
  readonly resources: ResourcesFile;
  readonly rules: RulesFile;
  readonly datacenter: DatacenterFile;
  /** Names of the files as read, for the notes. */
  readonly names: Readonly<Record<'groups' | 'resources' | 'rules' | 'datacenter', string>>;
}

/** What the cluster has got already. */
export interface PresentConfiguration {
  readonly groups: readonly Group[];
  readonly resources: readonly ResourceConfig[];
  readonly rules: readonly RuleReport[];
  readonly options: ClusterOptions;
  readonly resourceTypes: readonly string[];
}

/** One request, in the order in which they are to be made. */
export interface ImportStep {
  /** As in "group web". */
  readonly what: string;
  readonly path: string;
  readonly body: unknown;
}

export interface ImportPlan {
  readonly steps: readonly ImportStep[];
  /** What is there already, just so. */
  readonly present: readonly string[];
  readonly notes: readonly Note[];
}

type Planned = { readonly step: ImportStep } | { readonly present: string } | { readonly note: Note };

/** @param partial what cannot be taken over is left out, so rules may be without some of their resources */
export function planImport(files: PeerFiles, present: PresentConfiguration, partial: boolean): ImportPlan {
  const { names } = files;
  const groupNames = new Set([...files.groups.groups.map(({ group }) => group.name), ...present.groups.map(nameOf)]);
  const all: Planned[] = [
    ...files.groups.groups.map(({ group, line }) => planGroup(group, present, { file: names.groups, line })),
    ...files.resources.resources.map((each) => planResource(each, present, groupNames, names.resources)),
    ...files.rules.rules.map(({ rule, line }) => planRule(rule, present, partial, { file: names.rules, line })),
    ...planOptions(files.datacenter.options, present.options),
  ];
  return {
    steps: all.flatMap((each) => ('step' in each ? [each.step] : [])),
    present: all.flatMap((each) => ('present' in each ? [each.present] : [])),
    notes: inOrder(names, [
      ...files.groups.notes,
      ...files.resources.notes,
      ...files.rules.notes,
      ...files.datacenter.notes,
      ...all.flatMap((each) => ('note' in each ? [each.note] : [])),
    ]),
  };
}

/** File by file, and within each from its first line to its last. */
function inOrder(names: PeerFiles['names'], notes: readonly Note[]): readonly Note[] {
  const order = [names.groups, names.resources, names.rules, names.datacenter];
  return notes.toSorted((a, b) => order.indexOf(a.file) - order.indexOf(b.file) || a.line - b.line);
}

type Where = Pick<Note, 'file' | 'line'>;

function nameOf({ name }: Group): string {
  return name;
}

function refusal(where: Where, text: string): Planned {
  return { note: { ...where, kind: 'refused', text } };
}

function planGroup(group: Group, { groups }: PresentConfiguration, where: Where): Planned {
  const what = `group ${group.name}`;
  const there = groups.find(({ name }) => name === group.name);
  if (there === undefined) return { step: { what, path: '/v1/groups', body: group } };
  if (isSame(sortedNodes(there), sortedNodes(group))) return { present: what };
  return refusal(where, `${what} is there already with other settings: remove it, or change it by hand`);
}

function planResource(
  resource: PeerResource,
  { resources, resourceTypes }: PresentConfiguration,
  groupNames: ReadonlySet<string>,
  file: string,
): Planned {
  const { sid, line, group, ...settings } = resource;
  const where = { file, line };
  const there = resources.find((each) => each.sid === sid);
  if (there !== undefined) {
    if (
      Object.entries({ group, ...settings }).every(([name, value]) => isSame(there[name as keyof typeof there], value))
    )
      return { present: sid };
    return refusal(where, `${sid} is there already with other settings: remove it, or change it by hand`);
  }
  const type = sid.slice(0, sid.indexOf(':'));
  if (!resourceTypes.includes(type)) {
    const known = resourceTypes.join(', ');
    return refusal(where, `${sid}: this version cannot run resources of type ${type} yet, only of type ${known}`);
  }
  if (type === 'ocf') {
    return refusal(where, `${sid} needs an agent, which resources.cfg has no word for: add it with 'holdfast add'`);
  }
  if (group !== null && !groupNames.has(group)) {
    return refusal(where, `${sid} is in group ${group}, which is neither there nor in the files`);
  }
  const body = { sid, ...settings, ...(group === null ? {} : { group }) };
  return { step: { what: sid, path: '/v1/resources', body } };
}

function planRule(rule: Rule, { rules }: PresentConfiguration, partial: boolean, where: Where): Planned {
  const what = `rule ${rule.id}`;
  const there = rules.find((each) => each.rule.id === rule.id);
  // Without some of its resources it may not be in force; they may come later.
  if (there === undefined) return { step: { what, path: '/v1/rules', body: { ...rule, force: partial } } };
  if (isSame(sortedRule(there.rule), sortedRule(rule))) return { present: what };
  return refusal(where, `${what} is there already with other settings: remove it, or change it by hand`);
}

function planOptions(wanted: Partial<ClusterOptions>, present: ClusterOptions): Planned[] {
  const differs = (name: string): boolean => Reflect.get(wanted, name) !== Reflect.get(present, name);
  const changes = Object.fromEntries(Object.entries(wanted).filter(([name]) => differs(name)));
  if (Object.keys(wanted).length === 0) return [];
  if (Object.keys(changes).length === 0) return [{ present: 'the options' }];
  const after = { ...present, ...wanted };
  const shown = Object.entries(peerOptions)
    .filter(([, option]) => option.show(after) !== option.show(present))
    .map(([name, option]) => `${name}=${option.show(after)}`);
  return [{ step: { what: `the options ${shown.join(', ')}`, path: '/v1/options', body: changes } }];
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}

function sortedNodes(group: Group): unknown {
  return { ...group, nodes: group.nodes.toSorted(byName) };
}

function sortedRule(rule: Rule): unknown {
  const resources = rule.resources.toSorted();
  return rule.type === 'node-affinity'
    ? { ...rule, resources, nodes: rule.nodes.toSorted(byName) }
    : { ...rule, resources };
}

/** Of plain data; the order of an object's fields does not count. */
function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => Object.hasOwn(b, name) && isSame(Reflect.get(a, name), Reflect.get(b, name)));
}
