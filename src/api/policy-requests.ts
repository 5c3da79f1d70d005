import { z } from 'zod';
import type { Mutation } from '../agent/control.js';
import { limits } from '../core/cluster-state.js';
import { HoldfastError } from '../core/errors.js';
import { integer, parse, parseNothing, parts, refuseContradiction } from './request-schema.js';

/** The bodies of requests that change groups, rules, options and nodes. Everything here throws HF_ARGUMENT only. */

const groupOptions = {
  nodes: z.exactOptional(parts.nodes),
  restricted: z.exactOptional(parts.boolean),
  nofailback: z.exactOptional(parts.boolean),
  comment: z.exactOptional(parts.comment),
};
const unset = z.exactOptional(parts.list(parts.name, 16));
const groupAddSchema = z.strictObject({ ...groupOptions, name: parts.identifier });
const groupSetSchema = z.strictObject({ ...groupOptions, unset });

export function parseGroupAdd(_name: string, body: unknown): Mutation {
  const { name, ...options } = parse(groupAddSchema, body);
  return { type: 'group-add', name, options };
}

export function parseGroupSet(name: string, body: unknown): Mutation {
  const { unset = [], ...options } = parse(groupSetSchema, body);
  refuseInVain(`group ${name}`, options, unset);
  return { type: 'group-set', name, options, unset };
}

export function parseGroupRemove(name: string, body: unknown): Mutation {
  parseNothing(body);
  return { type: 'group-remove', name };
}

const ruleType = parts.word(['node-affinity', 'resource-affinity']);
const ruleOptions = {
  resources: z.exactOptional(parts.list(parts.sidOrNumber, limits.members)),
  nodes: z.exactOptional(parts.nodes),
  strict: z.exactOptional(parts.boolean),
  affinity: z.exactOptional(parts.word(['positive', 'negative'])),
  disabled: z.exactOptional(parts.boolean),
  comment: z.exactOptional(parts.comment),
};
const force = z.exactOptional(parts.boolean);
const ruleAddSchema = z.strictObject({ ...ruleOptions, id: parts.identifier, type: ruleType, force });
const ruleSetSchema = z.strictObject({ ...ruleOptions, type: z.exactOptional(ruleType), unset, force });

export function parseRuleAdd(_name: string, body: unknown): Mutation {
  const { id, type: ruleType, force = false, ...options } = parse(ruleAddSchema, body);
  return { type: 'rule-add', id, ruleType, options, force };
}

export function parseRuleSet(id: string, body: unknown): Mutation {
  const { type: ruleType, force = false, unset = [], ...options } = parse(ruleSetSchema, body);
  refuseInVain(`rule ${id}`, options, unset);
  return { type: 'rule-set', id, ...(ruleType === undefined ? {} : { ruleType }), options, unset, force };
}

export function parseRuleRemove(id: string, body: unknown): Mutation {
  parseNothing(body);
  return { type: 'rule-remove', id };
}

function refuseInVain(what: string, options: object, unset: readonly string[]): void {
  refuseContradiction(Object.keys(options), unset);
  if (Object.keys(options).length > 0 || unset.length > 0) return;
  throw new HoldfastError('HF_ARGUMENT', `nothing to change of ${what}: name an option`);
}

const optionsSchema = z.strictObject({
  scheduler: z.exactOptional(parts.word(['basic', 'static', 'dynamic'])),
  rebalanceOnStart: z.exactOptional(parts.boolean),
  autoRebalance: z.exactOptional(parts.boolean),
  autoRebalanceMethod: z.exactOptional(parts.word(['bruteforce', 'topsis'])),
  autoRebalanceThreshold: z.exactOptional(parts.number(0, 10)),
  autoRebalanceHoldS: z.exactOptional(integer(0, 86_400)),
  autoRebalanceMargin: z.exactOptional(parts.number(0, 1)),
  shutdownPolicy: z.exactOptional(parts.word(['conditional', 'freeze', 'failover', 'migrate'])),
  freezeLimitS: z.exactOptional(integer(0, 604_800)),
});

export function parseOptions(_name: string, body: unknown): Mutation {
  const changes = parse(optionsSchema, body);
  refuseInVain('the options', changes, []);
  return { type: 'options', changes };
}

const maintenanceSchema = z.strictObject({ enabled: parts.boolean });

export function parseMaintenance(node: string, body: unknown): Mutation {
  return { type: 'maintenance', node, enabled: parse(maintenanceSchema, body).enabled };
}

const confirmSchema = z.strictObject({ confirmed: z.exactOptional(parts.boolean) });

export function parseConfirmOff(node: string, body: unknown): Mutation {
  if (parse(confirmSchema, body).confirmed === true) return { type: 'confirm-off', node };
  throw new HoldfastError(
    'HF_ARGUMENT',
    `confirm that the machine of ${node} is off ("confirmed": true): its services are then started elsewhere, and run twice with damaged data if it is not`,
  );
}

const disarmSchema = z.strictObject({ mode: parts.word(['freeze', 'ignore']) });

export function parseDisarm(_name: string, body: unknown): Mutation {
  return { type: 'disarm', mode: parse(disarmSchema, body).mode };
}

export function parseArm(_name: string, body: unknown): Mutation {
  parseNothing(body);
  return { type: 'arm' };
}

const shutdownSchema = z.strictObject({ kind: parts.word(['reboot', 'poweroff']) });

export function parseShutdown(body: unknown): 'reboot' | 'poweroff' {
  return parse(shutdownSchema, body).kind;
}
