import { z } from 'zod';
import { defaultOptions } from '../core/cluster-options.js';
import { type Command, limits } from '../core/cluster-state.js';
import type { Electorate } from '../core/electorate.js';
import type { Entry, Snapshot } from '../core/messages.js';
import { isIdentifier, nodeNamePattern, parameterNamePattern, sidPattern } from '../core/names.js';
import { serviceStates } from '../core/service-states.js';

/**
 * Commands, and the state that they add up to, as they are stored and sent. What a store of an earlier version has not
 * got yet is given its default here, the same on every node.
 */

export const count = z.int().nonnegative();
export const shortText = z.string().max(256);
export const longText = z.string().max(4_096);
export const sid = z.string().regex(sidPattern);
const nodeName = z.string().regex(nodeNamePattern);
const identifier = z.string().refine(isIdentifier);
const parameterName = z.string().regex(parameterNamePattern);
const members = z.array(sid).max(limits.members);
const dependencies = z.array(sid).max(limits.dependencies);
const parameters = z
  .record(parameterName, longText)
  .refine((record) => Object.keys(record).length <= limits.parameters);

export const serviceState = z.enum(serviceStates);

/** The limits of a resource's settings; what people send is held to them too. */
export const settingLimits = {
  attempts: 100,
  priority: 1_000,
  cpus: 4_096,
  memoryMiB: 64 * 1024 * 1024,
  nodePriority: 1_000_000,
} as const;

const attempts = z.int().min(0).max(settingLimits.attempts);
const settings = {
  agent: shortText,
  parameters,
  requested: z.enum(['started', 'stopped', 'disabled', 'ignored']),
  comment: longText,
  maxRestart: attempts,
  maxRelocate: attempts,
  failback: z.boolean(),
  autoRebalance: z.boolean(),
  group: identifier.nullable(),
  priority: z.int().min(-settingLimits.priority).max(settingLimits.priority),
  requires: dependencies,
  after: dependencies,
  cpus: z.number().min(0).max(settingLimits.cpus),
  memoryMiB: z.int().min(0).max(settingLimits.memoryMiB),
};

const storedSettings = {
  ...settings,
  maxRelocate: settings.maxRelocate.default(1),
  failback: settings.failback.default(true),
  autoRebalance: settings.autoRebalance.default(true),
  group: settings.group.default(null),
  priority: settings.priority.default(0),
  requires: settings.requires.default([]),
  after: settings.after.default([]),
  cpus: settings.cpus.default(0),
  memoryMiB: settings.memoryMiB.default(0),
};

const nodePriorities = z
  .array(z.strictObject({ name: nodeName, priority: z.int().min(0).max(settingLimits.nodePriority) }))
  .max(limits.members);

const group = z.strictObject({
  name: identifier,
  nodes: nodePriorities,
  restricted: z.boolean(),
  nofailback: z.boolean(),
  comment: longText,
});

const ruleParts = {
  id: identifier,
  resources: members,
  affinity: z.enum(['positive', 'negative']),
  disabled: z.boolean(),
  comment: longText,
};

const rule = z.discriminatedUnion('type', [
  z.strictObject({ ...ruleParts, type: z.literal('node-affinity'), nodes: nodePriorities, strict: z.boolean() }),
  z.strictObject({ ...ruleParts, type: z.literal('resource-affinity') }),
]);

const options = {
  scheduler: z.enum(['basic', 'static', 'dynamic']),
  rebalanceOnStart: z.boolean(),
  autoRebalance: z.boolean(),
  autoRebalanceMethod: z.enum(['bruteforce', 'topsis']),
  autoRebalanceThreshold: z.number().min(0).max(10),
  autoRebalanceHoldS: z.int().min(0).max(86_400),
  autoRebalanceMargin: z.number().min(0).max(1),
  shutdownPolicy: z.enum(['conditional', 'freeze', 'failover', 'migrate']),
  freezeLimitS: z
    .int()
    .min(0)
    .max(7 * 86_400),
};

/** Any of the fields; what is there is complete. */
function changesOf<Shape extends Readonly<Record<string, z.ZodType>>>(shape: Shape) {
  const optional = Object.entries(shape).map(([name, schema]) => [name, z.exactOptional(schema)]);
  return z.strictObject(Object.fromEntries(optional) as { [Name in keyof Shape]: z.ZodExactOptional<Shape[Name]> });
}

const failures = z.array(count).max(1_024);
const memo = z.strictObject({
  failedStarts: count,
  failedNodeIds: failures,
  maintenanceNodeId: count.nullable(),
  failedMoves: count,
});

const configurationCommands = [
  z.strictObject({ type: z.literal('resource-add'), sid, nodeId: count.nullable().default(null), ...storedSettings }),
  z.strictObject({
    type: z.literal('resource-set'),
    sid,
    changes: changesOf(settings),
    unset: z.array(parameterName).max(limits.parameters),
  }),
  z.strictObject({ type: z.literal('resource-remove'), sid, purge: z.boolean().default(false) }),
  z.strictObject({
    type: z.literal('resource-stop'),
    sid,
    timeoutS: z.int().min(0).max(86_400).nullable(),
  }),
  z.strictObject({
    type: z.literal('resource-move'),
    sid,
    kind: z.enum(['migrate', 'relocate']),
    nodeId: count,
  }),
  z.strictObject({ type: z.literal('group-set'), group, mode: z.enum(['add', 'set']) }),
  z.strictObject({ type: z.literal('group-remove'), name: identifier }),
  z.strictObject({ type: z.literal('rule-set'), rule, mode: z.enum(['add', 'set']) }),
  z.strictObject({ type: z.literal('rule-remove'), id: identifier }),
  z.strictObject({ type: z.literal('options-set'), changes: changesOf(options) }),
  z.strictObject({ type: z.literal('node-maintenance'), nodeId: count, enabled: z.boolean() }),
  z.strictObject({ type: z.literal('disarm'), mode: z.enum(['freeze', 'ignore']) }),
  z.strictObject({ type: z.literal('arm') }),
] as const;

/** A nodelist may hold more nodes than a group (PROCESSOR_COUNT_MAX of corosync). */
const votes = {
  nodes: z.array(z.strictObject({ nodeId: count, name: shortText, votes: count })).max(384),
  expectedVotes: count,
  deviceVotes: z.exactOptional(count),
  deviceTimeoutMs: z.exactOptional(count),
};
export const electorateSchema: z.ZodType<Electorate> = z.strictObject({
  ...votes,
  version: z.exactOptional(shortText),
  former: z.exactOptional(z.strictObject(votes).nullable()),
});

const managerCommands = [
  z.strictObject({ type: z.literal('electorate'), electorate: electorateSchema }),
  z.strictObject({ type: z.literal('disarmed'), expectIndex: count }),
  z.strictObject({
    type: z.literal('node-up'),
    nodeId: count,
    name: shortText,
    bootId: shortText,
    fenceBoundMs: count,
  }),
  z.strictObject({ type: z.literal('node-state'), nodeId: count, state: z.enum(['unknown', 'fence', 'gone']) }),
  z.strictObject({
    type: z.literal('node-fenced'),
    nodeId: count,
    bootId: shortText,
    proof: z.enum(['takeover', 'reboot', 'operator']),
  }),
  z.strictObject({ type: z.literal('node-released'), nodeId: count, bootId: shortText }),
  z.strictObject({ type: z.literal('node-protected'), nodeId: count, bootId: shortText }),
  z.strictObject({ type: z.literal('node-forget'), nodeId: count }),
  z.strictObject({
    type: z.literal('service-state'),
    sid,
    expectUid: count,
    state: serviceState,
    nodeId: count.nullable(),
    targetId: count.nullable().default(null),
    memo: memo.default({ failedStarts: 0, failedNodeIds: [], maintenanceNodeId: null, failedMoves: 0 }),
    reason: longText,
  }),
  z.strictObject({ type: z.literal('service-order-dropped'), sid, expectUid: count, reason: longText }),
  z.strictObject({ type: z.literal('service-found'), sid, expectUid: count, nodeId: count }),
  z.strictObject({ type: z.literal('service-running'), sid, uid: count }),
  z.strictObject({ type: z.literal('service-forget'), sid, expectUid: count }),
] as const;

export const commandSchema: z.ZodType<Command> = z.discriminatedUnion('type', [
  ...configurationCommands,
  ...managerCommands,
]);

const entry = z.strictObject({
  index: count,
  epoch: count,
  command: commandSchema,
  origin: z.strictObject({ nodeId: count, requestId: shortText }).nullable(),
  wallMs: z.number(),
});

const nodeRecord = z.strictObject({
  nodeId: count,
  name: shortText,
  bootId: shortText,
  fenceBoundMs: count,
  state: z.enum(['online', 'unknown', 'fence', 'gone']),
  fencedBootIds: z.array(shortText).max(limits.fencedBootsKept),
  maintenance: z.boolean().default(false),
  releasedBootId: shortText.nullable().default(null),
  unprotected: z.boolean().default(false),
});

const serviceRecord = z.strictObject({
  ...storedSettings,
  sid,
  state: serviceState,
  nodeId: count.nullable(),
  bootId: shortText.nullable(),
  targetId: count.nullable().default(null),
  targetBootId: shortText.nullable().default(null),
  uid: count,
  running: z.boolean(),
  reason: longText,
  removing: z.boolean(),
  stopFailed: z.boolean(),
  stopTimeoutS: count.nullable().default(null),
  order: z
    .strictObject({ kind: z.enum(['migrate', 'relocate']), nodeId: count })
    .nullable()
    .default(null),
  failedStarts: count.default(0),
  failedNodeIds: failures.default([]),
  maintenanceNodeId: count.nullable().default(null),
  failedMoves: count.default(0),
  addedIndex: count,
});

const disarm = z.strictObject({
  mode: z.enum(['freeze', 'ignore']),
  phase: z.enum(['disarming', 'disarmed']),
  index: count,
});

/** Nodes of the list, and those that were in it and are not forgotten yet. */
const maxNodes = 1_024;

/** Not more than there may be, each under its own name. */
function recordOf<Schema extends z.ZodType>(
  name: z.ZodString,
  schema: Schema,
  max: number,
  nameOf: (value: z.output<Schema>) => string,
) {
  return z.record(name, schema).refine(
    (record) => {
      const all = Object.entries(record);
      return all.length <= max && all.every(([key, value]) => nameOf(value) === key);
    },
    { error: `more than ${max}, or one under the name of another` },
  );
}

export const snapshotSchema: z.ZodType<Snapshot> = z.strictObject({
  index: count,
  state: z.strictObject({
    nodes: recordOf(z.string(), nodeRecord, maxNodes, ({ nodeId }) => String(nodeId)),
    services: recordOf(sid, serviceRecord, limits.services, (service) => service.sid),
    electorate: z.exactOptional(electorateSchema),
    groups: recordOf(identifier, group, limits.groups, ({ name }) => name).default({}),
    rules: recordOf(identifier, rule, limits.rules, ({ id }) => id).default({}),
    options: z.strictObject(options).default(defaultOptions),
    disarm: disarm.nullable().default(null),
    armedIndex: count.default(0),
    configurationIndex: count.default(0),
  }),
});

export const entriesSchema: z.ZodType<Entry[]> = z.array(entry).max(4_096);
