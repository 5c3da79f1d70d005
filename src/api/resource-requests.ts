import { z } from 'zod';
import type { Mutation } from '../agent/control.js';
import { settingLimits } from '../agent/log-schema.js';
import { limits } from '../core/cluster-state.js';
import { HoldfastError } from '../core/errors.js';
import { integer, parse, parseNothing, parts, refuseContradiction } from './request-schema.js';

/** The bodies of requests that change resources. Everything here throws HF_ARGUMENT, and nothing else. */

const attempts = integer(0, settingLimits.attempts);
const dependencies = parts.list(parts.sidOrNumber, limits.dependencies);

const options = {
  agent: z.exactOptional(parts.agent),
  parameters: z.exactOptional(parts.parameters),
  state: z.exactOptional(parts.state),
  comment: z.exactOptional(parts.comment),
  maxRestart: z.exactOptional(attempts),
  maxRelocate: z.exactOptional(attempts),
  failback: z.exactOptional(parts.boolean),
  autoRebalance: z.exactOptional(parts.boolean),
  group: z.exactOptional(parts.identifier),
  priority: z.exactOptional(integer(-settingLimits.priority, settingLimits.priority)),
  requires: z.exactOptional(dependencies),
  after: z.exactOptional(dependencies),
  cpus: z.exactOptional(parts.number(0, settingLimits.cpus)),
  memoryMiB: z.exactOptional(integer(0, settingLimits.memoryMiB)),
};

const maxUnset = limits.parameters + Object.keys(options).length;
const unset = z.array(parts.name, { error: 'must be a list of names' }).max(maxUnset, {
  error: `must be at most ${maxUnset} names`,
});

const addSchema = z.strictObject({ ...options, sid: parts.newSid, node: z.exactOptional(parts.node) });
const setSchema = z.strictObject({ ...options, unset: z.exactOptional(unset) });

export function parseAdd(_name: string, body: unknown): Mutation {
  const { sid, node, ...options } = parse(addSchema, body);
  return { type: 'add', sid, options, ...(node === undefined ? {} : { node }) };
}

export function parseSet(sid: string, body: unknown): Mutation {
  const { unset = [], ...options } = parse(setSchema, body);
  refuseContradiction([...Object.keys(options), ...Object.keys(options.parameters ?? {})], unset);
  if (Object.keys(options).length === 0 && unset.length === 0) {
    throw new HoldfastError('HF_ARGUMENT', `nothing to change of ${sid}: name an option or a parameter`);
  }
  return { type: 'set', sid, options, unset: [...new Set(unset)] };
}

export function parseRequested(state: 'started' | 'disabled'): (sid: string, body: unknown) => Mutation {
  return (sid, body) => {
    parseNothing(body);
    return { type: 'set', sid, options: { state }, unset: [] };
  };
}

const removeSchema = z.strictObject({ purge: z.exactOptional(parts.boolean) });

export function parseRemove(sid: string, body: unknown): Mutation {
  const { purge = false } = parse(removeSchema, body);
  return { type: 'remove', sid, purge };
}

const stopSchema = z.strictObject({ timeoutS: z.exactOptional(integer(0, 86_400)) });

export function parseStop(sid: string, body: unknown): Mutation {
  const { timeoutS = null } = parse(stopSchema, body);
  return { type: 'stop', sid, timeoutS };
}

const moveSchema = z.strictObject({ node: parts.node });

export function parseMove(kind: 'migrate' | 'relocate'): (sid: string, body: unknown) => Mutation {
  return (sid, body) => ({ type: 'move', sid, kind, node: parse(moveSchema, body).node });
}
