import { HoldfastError } from '../core/errors.js';
import type { NodePriority } from '../core/rules.js';
import { parseBoolean, splitList } from '../peer/section-reader.js';

/** What is typed, as values. Everything here throws HF_ARGUMENT only. */

/** An integer within a range. */
export function parseInteger(name: string, text: string, lowest: number, highest: number): number {
  const value = Number(text);
  if (!/^-?\d{1,9}$/.test(text) || value < lowest || value > highest) {
    throw new HoldfastError('HF_ARGUMENT', `${name} must be an integer from ${lowest} to ${highest}, not "${text}"`);
  }
  return value;
}

/** A number with up to three decimals within a range. */
export function parseNumber(name: string, text: string, lowest: number, highest: number): number {
  const value = Number(text);
  if (!/^\d{1,9}(\.\d{1,3})?$/.test(text) || value < lowest || value > highest) {
    throw new HoldfastError('HF_ARGUMENT', `${name} must be a number from ${lowest} to ${highest}, not "${text}"`);
  }
  return value;
}

/** What names something, and so is not empty. */
export function parseName(what: string, text: string): string {
  if (text === '') throw new HoldfastError('HF_ARGUMENT', `${what} must not be empty: name one, or leave it out`);
  return text;
}

/** `0` or `1`, and what else the peer takes. */
export function parseFlag(name: string, text: string): boolean {
  const value = parseBoolean(text);
  if (value === null) throw new HoldfastError('HF_ARGUMENT', `${name} must be 0 or 1, not "${text}"`);
  return value;
}

/** `node1:2,node2`: a higher priority wins. The agent judges the names. */
export function parseNodes(text: string): readonly NodePriority[] {
  return splitList(text).map((item) => {
    const [, name, priority = '0'] = /^([^:]+)(?::(\d{1,7}))?$/.exec(item) ?? [];
    if (name === undefined) throw new HoldfastError('HF_ARGUMENT', `"${item}" is not a node, nor NODE:PRIORITY`);
    return { name, priority: Number(priority) };
  });
}

/** `name=value` of each; the value may be empty and have further equals signs. */
export function parsePairs(what: string, pairs: readonly string[]): Readonly<Record<string, string>> {
  const values = new Map<string, string>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) throw new HoldfastError('HF_ARGUMENT', `${article(what)} ${what} is written NAME=VALUE, not "${pair}"`);
    const name = pair.slice(0, at);
    if (values.has(name)) throw new HoldfastError('HF_ARGUMENT', `the ${what} "${name}" is given twice`);
    values.set(name, pair.slice(at + 1));
  }
  return Object.fromEntries(values);
}

function article(noun: string): string {
  return /^[aeiou]/.test(noun) ? 'an' : 'a';
}

/** `--unset NAME`, which may be repeated, and the peer's `--delete NAME,NAME`. */
export interface UnsetArguments {
  readonly unset?: readonly string[];
  readonly delete?: string;
}

/** What is to be unset, as it was typed. */
export function parseUnset({ unset = [], delete: deleted = '' }: UnsetArguments): readonly string[] | undefined {
  const names = [...unset, ...splitList(deleted)];
  return names.length === 0 ? undefined : [...new Set(names)];
}

/** The options of `add` and `set` as commander gives them. */
export interface ResourceArguments {
  readonly param?: readonly string[];
  readonly [option: string]: unknown;
}

const bodyNames = [
  'agent',
  'state',
  'comment',
  'maxRestart',
  'maxRelocate',
  'failback',
  'autoRebalance',
  'group',
  'priority',
  'requires',
  'after',
  'cpus',
  'node',
];

/** The options of a request's body. */
export function bodyOf(pairs: readonly string[], given: ResourceArguments): Readonly<Record<string, unknown>> {
  const parameters = parsePairs('parameter', [...(given.param ?? []), ...pairs]);
  return {
    ...Object.fromEntries(bodyNames.map((name) => [name, given[name]])),
    memoryMiB: given.memory,
    parameters: Object.keys(parameters).length === 0 ? undefined : parameters,
  };
}
