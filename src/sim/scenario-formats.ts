import { z } from 'zod';
import { nodeNamePattern } from '../core/names.js';

/** What the JSON files of a scenario hold. What a value must be is said so that it can follow "it". */

export const limits = { nodes: 64, services: 2_000, lists: 1_000, commandsPerList: 1_000 } as const;

const must = (rule: string) => ({ error: `must be ${rule}` });
const object = must('an object');
const list = must('a list');
const text = z.string(must('a text'));
const textOrNull = z.string(must('a text or null')).nullable();

const flag = z
  .union([z.boolean(), z.literal([0, 1, '0', '1'])], must('0, 1, true or false'))
  .transform((value) => value === true || Number(value) === 1);
const count = (most: number) => {
  const rule = must(`an integer from -${most} to ${most}`);
  return z
    .union([z.number(), z.string().regex(/^-?\d{1,6}$/)], rule)
    .transform(Number)
    .pipe(z.int(rule).min(-most, rule).max(most, rule));
};
const onOff = z.enum(['on', 'off'], must('on or off'));
const notNegative = must('a number of 0 or more');
const amount = z
  .union([z.number(), z.string().regex(/^\d{1,18}(\.\d+)?$/)], notNegative)
  .transform(Number)
  .pipe(z.number(notNegative).min(0, notNegative));
const nodeRule = must('the name of a node');
const nodeName = z.string(nodeRule).regex(nodeNamePattern, nodeRule);
const sidRule = must('written vm:NAME, ct:NAME or fa:NAME');
const sid = z.string(sidRule).regex(/^(vm|ct|fa):[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, sidRule);
const sids = z.array(sid, list).max(32);
const states = ['started', 'stopped', 'disabled', 'ignored', 'enabled', 'request_stop'] as const;

export const commandLists = z.array(z.array(text.max(1_024), list).max(limits.commandsPerList), list).max(limits.lists);

export const hardware = z.record(
  nodeName,
  z.looseObject(
    {
      power: onOff.default('off'),
      network: onOff.default('off'),
      maxcpu: amount.optional(),
      maxmem: amount.optional(),
    },
    object,
  ),
  object,
);

export const services = z.record(
  sid,
  z.looseObject(
    {
      node: nodeName,
      state: z.enum(states, must(`one of ${states.join(', ')}`)).default('disabled'),
      max_restart: count(100).default(1),
      max_relocate: count(100).default(1),
      failback: flag.default(true),
      'auto-rebalance': flag.default(true),
      group: textOrNull.default(null),
      lock: textOrNull.default(null),
      comment: text.max(4_096).default(''),
      // What the peer has not.
      priority: count(1_000).default(0),
      requires: sids.default([]),
      after: sids.default([]),
    },
    object,
  ),
  object,
);

const serviceStatus = z.looseObject(
  {
    state: text,
    node: text.optional(),
    target: textOrNull.optional(),
    failed_nodes: z.array(text, must('a list or null')).nullable().optional(),
    maintenance_node: textOrNull.optional(),
  },
  object,
);
export const managerStatus = z.looseObject(
  {
    service_status: z.record(z.string(), serviceStatus, object).default({}),
    node_request: z.record(z.string(), z.looseObject({ maintenance: z.unknown() }, object), object).default({}),
  },
  object,
);

export const staticStats = z.record(
  z.string(),
  z.looseObject({ maxcpu: amount.optional(), maxmem: amount.optional() }, object),
  object,
);
export const dynamicStats = z.record(
  z.string(),
  z.looseObject({ cpu: amount.optional(), mem: amount.optional() }, object),
  object,
);
export const running = z.record(z.string(), z.unknown(), object);

const names = z.array(text, list);
export const expectation = z.object(
  {
    services: z.record(
      z.string(),
      z.object({ node: textOrNull, state: text, running: names.optional() }, object),
      object,
    ),
    fenced: names,
    reset: names,
  },
  object,
);
