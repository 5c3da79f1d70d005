import { parseXml, type XmlElement, XmlError } from './ocf-xml.js';

/** What an agent says of itself (`meta-data`), as far as Holdfast uses it. */
export interface AgentMetaData {
  /** By name. */
  readonly parameters: ReadonlyMap<string, AgentParameter>;
  readonly actions: readonly AgentAction[];
}

export interface AgentParameter {
  readonly required: boolean;
  /** `string`, `integer`, `boolean`, or what else the agent claims. */
  readonly type: string;
  readonly default: string | undefined;
}

export interface AgentAction {
  readonly name: string;
  /** Recommended timeout, milliseconds, 1 000 to 3 600 000; undefined: none given. */
  readonly timeoutMs: number | undefined;
  /** Recommended time between two monitors, milliseconds, 1 000 to 3 600 000; undefined: none, or 0. */
  readonly intervalMs: number | undefined;
  /** Depth of check of a monitor: 0 is the plain one. */
  readonly depth: number;
  /** For which role it is meant; undefined: any. */
  readonly role: string | undefined;
}

export const maxMetaDataBytes = 256 * 1024;
const minTimeMs = 1000;
const maxTimeMs = 3_600_000;

/** Throws an XmlError that says what is wrong. */
export function parseMetaData(source: string): AgentMetaData {
  const root = parseXml(source);
  if (root.name !== 'resource-agent') throw new XmlError(`the root element is <${root.name}>, not <resource-agent>`);
  const parameters = new Map<string, AgentParameter>();
  for (const element of grandchildren(root, 'parameters', 'parameter')) {
    parameters.set(attribute(element, 'name'), parseParameter(element));
  }
  const actions = grandchildren(root, 'actions', 'action').map(parseAction);
  return { parameters, actions };
}

/**
 * The entry that fits a plain (not promotable) resource: among those of that name, without or with depth 0
 * before deeper checks, for any role or a started one before other roles.
 */
export function findAction(metaData: AgentMetaData, name: string): AgentAction | undefined {
  const rank = (action: AgentAction) =>
    (action.depth === 0 ? 0 : 2) + (action.role === undefined || action.role === 'Started' ? 0 : 1);
  return metaData.actions.filter((action) => action.name === name).sort((a, b) => rank(a) - rank(b))[0];
}

/** `20s`, `20` (seconds), `500ms`, `2m`, `1h`; clamped to 1 s .. 1 h; undefined: zero or not a time. */
export function parseTimeMs(text: string | undefined): number | undefined {
  const [, digits = '', unit = ''] = /^\s*(\d{1,9}) *([a-z]*)\s*$/i.exec(text ?? '') ?? [];
  const unitMs = unitsMs.get(unit.toLowerCase());
  if (digits === '' || unitMs === undefined || Number(digits) === 0) return undefined;
  return Math.min(maxTimeMs, Math.max(minTimeMs, Number(digits) * unitMs));
}

/** Pacemaker's units; a bare number is seconds. */
const unitsMs: ReadonlyMap<string, number> = new Map([
  ['', 1000],
  ['s', 1000],
  ['sec', 1000],
  ['ms', 1],
  ['msec', 1],
  ['m', 60_000],
  ['min', 60_000],
  ['h', 3_600_000],
  ['hr', 3_600_000],
]);

function grandchildren(root: XmlElement, group: string, name: string): XmlElement[] {
  return root.children
    .filter((child) => child.name === group)
    .flatMap((child) => child.children.filter((element) => element.name === name));
}

function attribute(element: XmlElement, name: string): string {
  const value = element.attributes.get(name);
  if (value === undefined || value === '') throw new XmlError(`<${element.name}> without the attribute ${name}`);
  return value;
}

function parseParameter(element: XmlElement): AgentParameter {
  const content = element.children.find((child) => child.name === 'content')?.attributes;
  return {
    required: ['1', 'true', 'yes'].includes(element.attributes.get('required') ?? '0'),
    type: content?.get('type') ?? 'string',
    default: content?.get('default'),
  };
}

function parseAction(element: XmlElement): AgentAction {
  return {
    name: attribute(element, 'name'),
    timeoutMs: parseTimeMs(element.attributes.get('timeout')),
    intervalMs: parseTimeMs(element.attributes.get('interval')),
    depth: Number(element.attributes.get('depth') ?? 0) || 0,
    role: element.attributes.get('role'),
  };
}
