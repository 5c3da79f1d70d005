import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentControl, Mutation } from '../agent/control.js';
import type { ResetsReport } from '../agent/reset-record.js';
import { HoldfastError } from '../core/errors.js';
import { nearestName } from '../core/nearest-name.js';
import type { Changes } from './commit.js';
import { serverLimits } from './limits.js';
import {
  parseArm,
  parseConfirmOff,
  parseDisarm,
  parseGroupAdd,
  parseGroupRemove,
  parseGroupSet,
  parseMaintenance,
  parseOptions,
  parseRuleAdd,
  parseRuleRemove,
  parseRuleSet,
  parseShutdown,
} from './policy-requests.js';
import { maxRehearsalBytes, rehearse } from './rehearsal.js';
import { type NameKind, parseNothing } from './request-schema.js';
import { parseAdd, parseMove, parseRemove, parseRequested, parseSet, parseStop } from './resource-requests.js';

/** Everything that can be asked for. */

interface Named {
  /** The part in braces is a name. */
  readonly path: string;
  readonly description: string;
}

/** A look. */
export interface ReadRoute extends Named {
  readonly method: 'GET';
  readonly read: (control: AgentControl, name: string, query: URLSearchParams, mayChange: () => boolean) => unknown;
  /** Names of what may stand behind the `?`. */
  readonly query: readonly string[];
  /** What is committed, as far as this node knows. */
  readonly replicated: boolean;
}

/** A change of the cluster; with `?dry-run=1` only what would become of it. Needs the right to it. */
export interface ChangeRoute extends Named {
  readonly method: 'POST';
  /** @throws HF_ARGUMENT */
  readonly change: (name: string, body: unknown) => Mutation;
  /** What the answer calls that which was changed. */
  readonly subject: NameKind | null;
}

/** Something else that needs the right to change. */
export interface ActRoute extends Named {
  readonly method: 'POST';
  readonly act: (body: unknown, control: AgentControl, changes: Changes) => Promise<unknown>;
  /** Unless it is that of a change. */
  readonly maxBodyBytes?: number;
}

export interface EventsRoute extends Named {
  readonly method: 'GET';
  readonly events: true;
}

export type Route = ReadRoute | ChangeRoute | ActRoute | EventsRoute;

/** Of this node, or what says itself how fresh it is. */
function local(path: string, description: string, answer: ReadRoute['read']): ReadRoute {
  return { method: 'GET', path, description, read: answer, query: [], replicated: false };
}

function read(path: string, description: string, answer: ReadRoute['read'], query: readonly string[] = []): ReadRoute {
  return { method: 'GET', path, description, read: answer, query, replicated: true };
}

function change(
  path: string,
  description: string,
  subject: NameKind | null,
  parse: ChangeRoute['change'],
): ChangeRoute {
  return { method: 'POST', path, description, subject, change: parse };
}

const resourceFields =
  'parameters, state, comment, maxRestart, maxRelocate, failback, autoRebalance, group, priority, requires, after, cpus, memoryMiB';

export const routes: readonly Route[] = [
  local('/v1', 'this list', () => ({ routes: listed() })),
  local('/v1/status', 'the cluster and this node', (control) => control.status()),
  local('/v1/timing', 'the budget of times', (control) => control.timing()),
  { method: 'GET', path: '/v1/events', description: 'server-sent events', events: true },
  read('/v1/decisions', 'what was decided lately, newest first; ?limit=N', decisions, ['limit']),
  local('/v1/resets', 'why this node was reset, newest first', resets),
  {
    method: 'POST',
    path: '/v1/resets/acknowledge',
    description: 'marks all of them as seen',
    act: (body, control) => acknowledgeResets(control, body),
  },
  read('/v1/resources', 'the resources as configured', (control) => ({ resources: control.resources() })),
  read('/v1/resources/{sid}', 'one resource as configured', resource),
  read('/v1/resources/{sid}/explanation', 'why it is where it is', (control, sid) => control.explain(sid)),
  change('/v1/resources', `adds {sid, node, agent, ${resourceFields}}`, 'sid', parseAdd),
  change('/v1/resources/{sid}', `sets {agent, ${resourceFields}, unset}`, 'sid', parseSet),
  change('/v1/resources/{sid}/remove', 'stops it, then forgets it; {purge}', 'sid', parseRemove),
  change('/v1/resources/{sid}/enable', 'asks for it to be started', 'sid', parseRequested('started')),
  change('/v1/resources/{sid}/disable', 'asks for it to be stopped and left alone', 'sid', parseRequested('disabled')),
  change('/v1/resources/{sid}/stop', 'asks for it to be stopped within {timeoutS}; 0: at once', 'sid', parseStop),
  change('/v1/resources/{sid}/migrate', 'moves it to {node} without a stop', 'sid', parseMove('migrate')),
  change('/v1/resources/{sid}/relocate', 'stops it and starts it on {node}', 'sid', parseMove('relocate')),
  read('/v1/groups', 'the groups', (control) => ({ groups: control.groups() })),
  read('/v1/groups/{group}', 'one group', group),
  change('/v1/groups', 'adds {name, nodes, restricted, nofailback, comment}', 'group', parseGroupAdd),
  change('/v1/groups/{group}', 'sets {nodes, restricted, nofailback, comment, unset}', 'group', parseGroupSet),
  change('/v1/groups/{group}/remove', 'removes it', 'group', parseGroupRemove),
  read('/v1/rules', 'the rules, and which are not in force', (control) => ({ rules: control.rules() })),
  read('/v1/rules/{rule}', 'one rule', rule),
  change(
    '/v1/rules',
    'adds {type, id, resources, nodes, strict, affinity, disabled, comment, force}',
    'rule',
    parseRuleAdd,
  ),
  change(
    '/v1/rules/{rule}',
    'sets {type, resources, nodes, strict, affinity, disabled, comment, unset, force}',
    'rule',
    parseRuleSet,
  ),
  change('/v1/rules/{rule}/remove', 'removes it', 'rule', parseRuleRemove),
  read('/v1/options', 'the options of the cluster', (control) => control.options()),
  change('/v1/options', 'sets some of them', null, parseOptions),
  read('/v1/nodes', 'the nodes, as in the status', (control) => ({ nodes: control.status().nodes })),
  change('/v1/nodes/{node}/maintenance', 'begins or ends it: {enabled}', 'node', parseMaintenance),
  change('/v1/nodes/{node}/confirm-off', 'says that its machine is off: {confirmed}', 'node', parseConfirmOff),
  change('/v1/disarm', 'nothing is fenced or recovered any more: {mode: freeze or ignore}', null, parseDisarm),
  change('/v1/arm', 'ends that', null, parseArm),
  {
    method: 'POST',
    path: '/v1/node/shutdown',
    description: "prepares this node's shutdown: {kind: reboot or poweroff}; ask again until it is prepared",
    act: (body, control) => prepareShutdown(control, body),
  },
  {
    method: 'POST',
    path: '/v1/rehearsal',
    description: 'whether {changes: [{path, body}]} would be accepted one after the other; changes nothing',
    act: (body, _control, changes) => rehearse(body, changes),
    maxBodyBytes: maxRehearsalBytes,
  },
];

function listed(): unknown {
  return routes.map(({ method, path, description }) => ({ method, path, description }));
}

function decisions(control: AgentControl, _name: string, query: URLSearchParams): unknown {
  const text = query.get('limit') ?? '50';
  const limit = Number(text);
  if (!/^\d{1,4}$/.test(text) || limit < 1 || limit > serverLimits.decisions) {
    throw new HoldfastError('HF_ARGUMENT', `limit must be an integer from 1 to ${serverLimits.decisions}`);
  }
  return { decisions: control.decisions(limit) };
}

/** Lines of the machine's log are not for everybody who may look at the cluster. */
function resets(control: AgentControl, _name: string, _query: URLSearchParams, mayChange: () => boolean): ResetsReport {
  const report = control.resets();
  if (mayChange()) return report;
  return { ...report, resets: report.resets.map((reset) => ({ ...reset, lastLines: [] })) };
}

async function acknowledgeResets(control: AgentControl, body: unknown): Promise<{ readonly acknowledged: number }> {
  parseNothing(body);
  return { acknowledged: await control.acknowledgeResets() };
}

function resource(control: AgentControl, sid: string): unknown {
  const full = control.resolve(sid);
  return found('resource', full, control.resources(), (each) => each.sid);
}

function group(control: AgentControl, name: string): unknown {
  return found('group', name, control.groups(), (each) => each.name);
}

function rule(control: AgentControl, id: string): unknown {
  return found('rule', id, control.rules(), (each) => each.rule.id);
}

function found<Thing>(kind: string, name: string, all: readonly Thing[], nameOf: (thing: Thing) => string): Thing {
  const thing = all.find((each) => nameOf(each) === name);
  if (thing !== undefined) return thing;
  const near = nearestName(name, all.map(nameOf));
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  throw new HoldfastError('HF_NOT_FOUND', `there is no ${kind} ${name}${hint}`);
}

/** Answers in time, prepared or not; whoever asks again waits on. */
export async function prepareShutdown(
  control: AgentControl,
  body: unknown,
  limitMs: number = serverLimits.shutdownMs,
): Promise<{ readonly prepared: boolean }> {
  const kind = parseShutdown(body);
  const giveUp = new AbortController();
  const late = sleep(limitMs, false, { signal: giveUp.signal, ref: false });
  late.catch(() => undefined);
  try {
    return { prepared: await Promise.race([control.prepareShutdown(kind).then(() => true), late]) };
  } finally {
    giveUp.abort();
  }
}
