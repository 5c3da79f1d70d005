import { z } from 'zod';
import { settingLimits } from '../agent/log-schema.js';
import { settingOf } from '../agent/typed-names.js';
import { limits } from '../core/cluster-state.js';
import { HoldfastError } from '../core/errors.js';
import { isIdentifier, nodeNamePattern, parameterNamePattern, sidPattern } from '../core/names.js';
import { nearestName } from '../core/nearest-name.js';

/** What requests are made of, each part with the rule that a refusal quotes. Lengths are in bytes of UTF-8. */

export const textLimits = { valueBytes: 4_096, commentBytes: 4_096 } as const;

const agentPattern = /^ocf:[A-Za-z0-9][A-Za-z0-9_.-]{0,63}:[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
/** A resource by its own name alone, as people say it of virtual machines. */
const bareSidPattern = /^\d{1,9}$/;
const loneSurrogate = /\p{Surrogate}/u;

const sidRule = 'must be a type and a name, such as ocf:web (a name has at most 64 letters, digits, "_", "." and "-")';
const nameRule = 'must be a name of at most 64 letters, digits, "_" and "-", the first a letter or "_"';
const identifierRule = 'must be a name of at most 64 letters, digits, "_", "." and "-", the first a letter';
const nodeRule = 'must be a node\'s name: letters, digits, "_", "." and "-"';

/** Text that can be a process's argument, environment or a line of a file: no NUL, no half characters. */
export function text(limitBytes: number) {
  const sound = (value: string) => !value.includes('\0') && !loneSurrogate.test(value);
  return z
    .string({ error: 'must be a text' })
    .refine((value) => Buffer.byteLength(value) <= limitBytes, { error: `must be at most ${limitBytes} bytes long` })
    .refine(sound, { error: 'must be text without NUL characters and unpaired surrogates' });
}

function word<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words, { error: `must be one of ${words.map((each) => JSON.stringify(each)).join(', ')}` });
}

export function integer(lowest: number, highest: number) {
  const error = `must be an integer from ${lowest} to ${highest}`;
  return z.int({ error }).min(lowest, { error }).max(highest, { error });
}

function number(lowest: number, highest: number) {
  const error = `must be a number from ${lowest} to ${highest}`;
  return z.number({ error }).min(lowest, { error }).max(highest, { error });
}

const boolean = z.boolean({ error: 'must be true or false' });

function list<Item extends z.ZodType>(item: Item, most: number) {
  return z.array(item, { error: 'must be a list' }).max(most, { error: `must be at most ${most}` });
}

const name = z.string({ error: nameRule }).regex(parameterNamePattern, { error: nameRule });
const sidOrNumber = z
  .string({ error: sidRule })
  .refine((value) => sidPattern.test(value) || bareSidPattern.test(value), { error: sidRule });
/** Of what is to be added, there is nothing yet that a number could mean. */
const newSid = sidOrNumber.transform((value) => (value.includes(':') ? value : `vm:${value}`));
const identifier = z.string({ error: identifierRule }).refine(isIdentifier, { error: identifierRule });
const node = z.string({ error: nodeRule }).regex(nodeNamePattern, { error: nodeRule });
const agentRule = 'must be a resource agent as ocf:PROVIDER:TYPE, such as ocf:heartbeat:IPaddr2';
const agent = z.string({ error: agentRule }).regex(agentPattern, { error: agentRule });

const parameters = z
  .record(name, text(textLimits.valueBytes), {
    error: (issue) => (issue.code === 'invalid_key' ? nameRule : 'must be an object of names and texts'),
  })
  .refine((value) => Object.keys(value).length <= limits.parameters, {
    error: `must be at most ${limits.parameters}`,
  });

const nodes = list(
  z.strictObject(
    { name: node, priority: integer(0, settingLimits.nodePriority).default(0) },
    { error: 'must be {"name", "priority"}' },
  ),
  limits.members,
).superRefine((all, context) => {
  const twice = twiceIn(all.map((each) => each.name));
  if (twice !== undefined) {
    context.addIssue({ code: 'custom', message: `must have each node once, and ${twice} is there twice` });
  }
});

function twiceIn(names: readonly string[]): string | undefined {
  return names.find((name, at) => names.indexOf(name) !== at);
}

/** The peer says `enabled`, too. */
const state = word(['started', 'stopped', 'disabled', 'ignored', 'enabled']).transform((value) =>
  value === 'enabled' ? 'started' : value,
);

export const parts = {
  name,
  newSid,
  sidOrNumber,
  identifier,
  node,
  agent,
  parameters,
  nodes,
  state,
  boolean,
  word,
  list,
  number,
  comment: text(textLimits.commentBytes),
};

export const shown = (value: unknown) => JSON.stringify(String(value).slice(0, 80));

/** A finding of zod's as a sentence. */
function sentenceOf(issue: z.core.$ZodIssue, known: readonly string[], body: unknown): string {
  if (issue.code === 'unrecognized_keys' && issue.path.length === 0) {
    const key = issue.keys[0] ?? '';
    const near = nearestName(key, known);
    const hint = near === undefined ? ` (known: ${known.join(', ') || 'none'})` : `; did you mean "${near}"?`;
    return `there is no option ${shown(key)}${hint}`;
  }
  if (issue.path.length === 0) return 'the body must be a JSON object';
  const [first, second, ...rest] = issue.path.map(String);
  if (first === 'parameters' && second !== undefined) {
    return issue.code === 'invalid_key'
      ? `the parameter name ${shown(second)} ${nameRule}`
      : `the parameter ${shown(second)} ${issue.message}`;
  }
  const where = second === undefined ? `${first}` : `${first}[${second}]${rest.map((key) => `.${key}`).join('')}`;
  if (issue.code === 'unrecognized_keys') return `${where} has no ${shown(issue.keys[0])}`;
  const given = issue.path.reduce<unknown>((value, key) => Reflect.get(Object(value), key), body);
  return `${where} ${issue.message}${contradicted(given)}`;
}

/** Lists and objects are too long to be said again. */
function contradicted(given: unknown): string {
  if (typeof given === 'string') return `, not ${shown(given)}`;
  return typeof given === 'number' || typeof given === 'boolean' ? `, not ${given}` : '';
}

/** @throws HF_ARGUMENT: one sentence on the first thing that is wrong */
export function parse<T>(schema: z.ZodObject & z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const known = Object.keys(schema.shape);
  throw new HoldfastError('HF_ARGUMENT', issue ? sentenceOf(issue, known, body) : 'the body is malformed');
}

const nothingSchema = z.strictObject({});

/** For the requests that take no body. @throws HF_ARGUMENT */
export function parseNothing(body: unknown): void {
  parse(nothingSchema, body);
}

/** What a path may name. */
export type NameKind = 'sid' | 'group' | 'rule' | 'node';

const pathNames: Readonly<
  Record<NameKind, { readonly what: string; readonly rule: string; readonly schema: z.ZodType }>
> = {
  sid: { what: 'resource id', rule: sidRule, schema: sidOrNumber },
  group: { what: 'group', rule: identifierRule, schema: identifier },
  rule: { what: 'rule', rule: identifierRule, schema: identifier },
  node: { what: 'node', rule: nodeRule, schema: node },
};

/** @throws HF_ARGUMENT */
export function parseName(kind: NameKind, value: string): string {
  const { what, rule, schema } = pathNames[kind];
  if (schema.safeParse(value).success) return value;
  throw new HoldfastError('HF_ARGUMENT', `the ${what} ${shown(value)} ${rule}`);
}

/** What is set and unset at once. @throws HF_ARGUMENT */
export function refuseContradiction(given: readonly string[], unset: readonly string[]): void {
  const both = unset.find((each) => given.includes(each) || given.includes(settingOf(each)));
  if (both !== undefined) throw new HoldfastError('HF_ARGUMENT', `"${both}" cannot be set and unset at once`);
}
