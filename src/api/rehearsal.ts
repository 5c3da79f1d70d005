import { z } from 'zod';
import type { Mutation, Rehearsal } from '../agent/control.js';
import { limits } from '../core/cluster-state.js';
import { HoldfastError } from '../core/errors.js';
import type { Changes } from './commit.js';
import { parseGroupAdd, parseOptions, parseRuleAdd } from './policy-requests.js';
import { parse } from './request-schema.js';
import { parseAdd } from './resource-requests.js';

/** Whether a list of changes would be accepted, each after those before it. An import asks this first. */

/** Longest body that is read, in bytes: more than the settings of a whole cluster. */
export const maxRehearsalBytes = 2 * limits.settingsBytes;

/** By the path that makes such a change. */
const parsers: Readonly<Record<string, (name: string, body: unknown) => Mutation>> = {
  '/v1/groups': parseGroupAdd,
  '/v1/resources': parseAdd,
  '/v1/rules': parseRuleAdd,
  '/v1/options': parseOptions,
};

const paths = Object.keys(parsers);
const maxChanges = limits.groups + limits.services + limits.rules;
const pathRule = `must be one of ${paths.join(', ')}`;
const schema = z.strictObject({
  changes: z
    .array(z.strictObject({ path: z.string({ error: pathRule }), body: z.unknown() }), { error: 'must be a list' })
    .max(maxChanges, { error: `must be at most ${maxChanges}` }),
});

/** @throws HF_ARGUMENT for what is no such list; what is wrong with one of its changes is the refusal of that one */
export async function rehearse(body: unknown, changes: Changes): Promise<Rehearsal> {
  const wanted = parse(schema, body).changes;
  const mutations: Mutation[] = [];
  let malformed: HoldfastError | null = null;
  for (const each of wanted) {
    try {
      mutations.push(mutationOf(each.path, each.body));
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      malformed = error;
      break;
    }
  }
  const rehearsal = await changes.rehearse(mutations);
  if (rehearsal.refusal !== null || malformed === null) return rehearsal;
  return { ...rehearsal, refusal: { code: malformed.code, message: malformed.message } };
}

function mutationOf(path: string, body: unknown): Mutation {
  const parser = Object.hasOwn(parsers, path) ? parsers[path] : undefined;
  if (parser === undefined) throw new HoldfastError('HF_ARGUMENT', `the path ${JSON.stringify(path)} ${pathRule}`);
  return parser('', body);
}
