import { z } from 'zod';
import type { Mutation, ResourceOptions } from '../agent/control.js';
import { HoldfastError } from '../core/errors.js';
import { nearestName } from '../core/nearest-name.js';

/** What a resource may consist of. Lengths are in bytes of UTF-8. */
export const resourceLimits = { parameters: 64, valueBytes: 4096, commentBytes: 4096, maxRestart: 100 } as const;

const sidPattern = /^[a-z][a-z0-9]*:[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
const namePattern = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;
const agentPattern = /^ocf:[A-Za-z0-9][A-Za-z0-9_.-]{0,63}:[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
const loneSurrogate = /\p{Surrogate}/u;

const sidRule = 'must be a type and a name, such as ocf:web (a name has at most 64 letters, digits, "_", "." and "-")';
const nameRule = 'must be a name of at most 64 letters, digits, "_" and "-", the first a letter or "_"';

/** Text that can be a process's argument, environment or a line of a file: no NUL, no half characters. */
function text(limitBytes: number) {
  const sound = (value: string) => !value.includes('\0') && !loneSurrogate.test(value);
  return z
    .string({ error: 'must be a text' })
    .refine((value) => Buffer.byteLength(value) <= limitBytes, { error: `must be at most ${limitBytes} bytes long` })
    .refine(sound, { error: 'must be text without NUL characters and unpaired surrogates' });
}

const name = z.string({ error: nameRule }).regex(namePattern, { error: nameRule });
const sid = z.string({ error: sidRule }).regex(sidPattern, { error: sidRule });
const agentRule = 'must be a resource agent as ocf:PROVIDER:TYPE, such as ocf:heartbeat:IPaddr2';
const agent = z.string({ error: agentRule }).regex(agentPattern, { error: agentRule });
const maxRestartRule = `must be an integer from 0 to ${resourceLimits.maxRestart}`;

const parameters = z
  .record(name, text(resourceLimits.valueBytes), {
    error: (issue) => (issue.code === 'invalid_key' ? nameRule : 'must be an object of names and texts'),
  })
  .refine((value) => Object.keys(value).length <= resourceLimits.parameters, {
    error: `must be at most ${resourceLimits.parameters}`,
  });

const options = {
  agent: z.exactOptional(agent),
  parameters: z.exactOptional(parameters),
  state: z.exactOptional(
    z.enum(['started', 'stopped', 'disabled'], { error: 'must be "started", "stopped" or "disabled"' }),
  ),
  comment: z.exactOptional(text(resourceLimits.commentBytes)),
  maxRestart: z.exactOptional(
    z.int({ error: maxRestartRule }).min(0, { error: maxRestartRule }).max(resourceLimits.maxRestart, {
      error: maxRestartRule,
    }),
  ),
};

/** One more than the parameters for each other option that has a default. */
const maxUnset = resourceLimits.parameters + 3;
const unset = z.array(name, { error: 'must be a list of names' }).max(maxUnset, {
  error: `must be at most ${maxUnset} names`,
});

const addSchema = z.strictObject({ ...options, sid, agent });
const setSchema = z.strictObject({ ...options, unset: z.exactOptional(unset) });
const nothingSchema = z.strictObject({});

const shown = (value: unknown) => JSON.stringify(String(value).slice(0, 80));

/** A finding of zod's as a sentence. */
function sentenceOf(issue: z.core.$ZodIssue, known: readonly string[]): string {
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    const near = nearestName(key, known);
    const hint = near === undefined ? ` (known: ${known.join(', ') || 'none'})` : `; did you mean "${near}"?`;
    return `there is no option ${shown(key)}${hint}`;
  }
  if (issue.path.length === 0) return 'the body must be a JSON object';
  const [first, second] = issue.path;
  if (first === 'parameters' && second !== undefined) {
    return issue.code === 'invalid_key'
      ? `the parameter name ${shown(second)} ${nameRule}`
      : `the parameter ${shown(second)} ${issue.message}`;
  }
  return second === undefined
    ? `${String(first)} ${issue.message}`
    : `${String(first)}[${String(second)}] ${issue.message}`;
}

function parse<T>(schema: z.ZodObject & z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const known = Object.keys(schema.shape);
  throw new HoldfastError('HF_ARGUMENT', issue ? sentenceOf(issue, known) : 'the body is malformed');
}

/** @throws HF_ARGUMENT */
export function parseSid(value: string): string {
  if (!sidPattern.test(value)) throw new HoldfastError('HF_ARGUMENT', `the resource id ${shown(value)} ${sidRule}`);
  return value;
}

/** @throws HF_ARGUMENT */
export function parseAdd(body: unknown): Mutation {
  const { sid, ...options } = parse(addSchema, body);
  return { type: 'add', sid, options };
}

/** @throws HF_ARGUMENT */
export function parseSet(sid: string, body: unknown): Mutation {
  const { unset = [], ...options } = parse(setSchema, body);
  refuseContradiction(options, unset);
  if (Object.keys(options).length === 0 && unset.length === 0) {
    throw new HoldfastError('HF_ARGUMENT', `nothing to change of ${sid}: name an option or a parameter`);
  }
  return { type: 'set', sid, options, unset: [...new Set(unset)] };
}

function refuseContradiction(options: ResourceOptions, unset: readonly string[]): void {
  const given = new Set([...Object.keys(options), ...Object.keys(options.parameters ?? {})]);
  const both = unset.find((each) => given.has(each));
  if (both !== undefined) throw new HoldfastError('HF_ARGUMENT', `"${both}" cannot be set and unset at once`);
}

/** For the requests that take no body. @throws HF_ARGUMENT */
export function parseNothing(body: unknown): void {
  parse(nothingSchema, body);
}
