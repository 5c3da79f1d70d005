import type { ErrorCode } from './errors.js';
import { isTransition, mayRun, needsFencing, type ServiceState } from './service-states.js';

/** What the log's commands add up to: the configuration and the manager's decisions. Plain data, JSON-safe. */
export interface ClusterState {
  /** By node id, decimal. */
  readonly nodes: Record<string, NodeRecord>;
  readonly services: Record<string, ServiceRecord>;
}

export type NodeState = 'online' | 'unknown' | 'fence';

export interface NodeRecord {
  readonly nodeId: number;
  readonly name: string;
  /** The kernel's boot in which services may be assigned to it. */
  readonly bootId: string;
  /** The bound by which it resets itself; survivors wait for this one, not for their own. */
  readonly fenceBoundMs: number;
  readonly state: NodeState;
  /** Boots declared fenced, newest last, at most `fencedBootsKept`. */
  readonly fencedBootIds: readonly string[];
}

export type RequestedState = 'started' | 'stopped' | 'disabled';

export interface ResourceSettings {
  readonly agent: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly requested: RequestedState;
  readonly comment: string;
  /** Further attempts of a node to start it before it counts as failed. */
  readonly maxRestart: number;
}

export interface ServiceRecord extends ResourceSettings {
  readonly sid: string;
  readonly state: ServiceState;
  /** Node that runs it, may run it, or ran it last. Not null in a state that may run. */
  readonly nodeId: number | null;
  /** Boot of that node in which it was assigned; a fenced boot runs nothing. */
  readonly bootId: string | null;
  /** Log index of the last change of state: one request to a node, answered once. */
  readonly uid: number;
  /** The node has reported it running since `uid`. */
  readonly running: boolean;
  /** Why it is in this state, one sentence. */
  readonly reason: string;
  /** Being removed: stopped, then forgotten. */
  readonly removing: boolean;
  /** Its stop has failed since the operator last asked for anything: it is not tried again by itself. */
  readonly stopFailed: boolean;
  /** Log index of its addition; nodes probe for it before it is first started. */
  readonly addedIndex: number;
}

export type Command =
  | ({ readonly type: 'resource-add'; readonly sid: string } & ResourceSettings)
  | {
      readonly type: 'resource-set';
      readonly sid: string;
      readonly changes: Partial<ResourceSettings>;
      /** Parameters to remove. */
      readonly unset: readonly string[];
    }
  | { readonly type: 'resource-remove'; readonly sid: string }
  | {
      readonly type: 'node-up';
      readonly nodeId: number;
      readonly name: string;
      readonly bootId: string;
      readonly fenceBoundMs: number;
    }
  | { readonly type: 'node-state'; readonly nodeId: number; readonly state: 'unknown' | 'fence' }
  | {
      readonly type: 'node-fenced';
      readonly nodeId: number;
      readonly bootId: string;
      /** `takeover`: the wait of design §2.4; `reboot`: it came back with another boot id. */
      readonly proof: 'takeover' | 'reboot';
    }
  | {
      readonly type: 'service-state';
      readonly sid: string;
      readonly expectUid: number;
      readonly state: ServiceState;
      readonly nodeId: number | null;
      readonly reason: string;
    }
  | { readonly type: 'service-running'; readonly sid: string; readonly uid: number }
  | { readonly type: 'service-forget'; readonly sid: string; readonly expectUid: number };

/** Limits that keep the state, and so every message and file, bounded. */
export const limits = {
  services: 20_000,
  parameters: 64,
  fencedBootsKept: 8,
  /** Of all parameters and comments: a node that knows nothing gets them in one message, which corosync's queue must take. */
  settingsBytes: 4 * 1024 * 1024,
} as const;

export type ApplyResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

const done: ApplyResult = { ok: true };

function refuse(code: ErrorCode, message: string): ApplyResult {
  return { ok: false, code, message };
}

export function emptyState(): ClusterState {
  return { nodes: {}, services: {} };
}

/**
 * Applies one command, in place. Deterministic: the same commands give the same state on every node, refused
 * ones included. A refused command changes nothing.
 */
export function apply(state: ClusterState, command: Command, index: number): ApplyResult {
  switch (command.type) {
    case 'resource-add':
      return addResource(state, command, index);
    case 'resource-set':
      return setResource(state, command);
    case 'resource-remove':
      return update(state, command.sid, (service) => ({ ...service, removing: true, stopFailed: false }));
    case 'node-up':
      return nodeUp(state, command);
    case 'node-state':
      return nodeState(state, command.nodeId, command.state);
    case 'node-fenced':
      return nodeFenced(state, command.nodeId, command.bootId);
    case 'service-state':
      return serviceState(state, command, index);
    case 'service-running':
      return update(state, command.sid, (service) =>
        service.uid === command.uid && service.state === 'started' ? { ...service, running: true } : undefined,
      );
    case 'service-forget':
      return forget(state, command.sid, command.expectUid);
  }
}

function update(
  state: ClusterState,
  sid: string,
  change: (service: ServiceRecord) => ServiceRecord | undefined,
): ApplyResult {
  const service = state.services[sid];
  if (service === undefined) return refuse('HF_NOT_FOUND', `there is no resource ${sid}: 'holdfast status' lists them`);
  const changed = change(service);
  if (changed === undefined) return refuse('HF_BUSY', `${sid} has changed meanwhile: try again`);
  state.services[sid] = changed;
  return done;
}

function addResource(state: ClusterState, command: Command & { type: 'resource-add' }, index: number): ApplyResult {
  const { type: _, sid, ...settings } = command;
  if (state.services[sid] !== undefined) {
    return refuse('HF_EXISTS', `${sid} exists already: change it with 'holdfast set ${sid}'`);
  }
  if (Object.keys(state.services).length >= limits.services) {
    return refuse('HF_BUSY', `the cluster holds ${limits.services} resources already: remove one first`);
  }
  if (settingsBytes(state) + bytesOf(settings) > limits.settingsBytes) return tooLarge;
  state.services[sid] = {
    ...settings,
    sid,
    state: settings.requested === 'started' ? 'request_start' : 'stopped',
    nodeId: null,
    bootId: null,
    uid: index,
    running: false,
    reason: 'added',
    removing: false,
    stopFailed: false,
    addedIndex: index,
  };
  return done;
}

function setResource(state: ClusterState, command: Command & { type: 'resource-set' }): ApplyResult {
  const service = state.services[command.sid];
  const running = service !== undefined && mayRun(service.state);
  const changesIdentity =
    command.changes.agent !== undefined || command.changes.parameters !== undefined || command.unset.length > 0;
  if (running && changesIdentity) {
    return refuse(
      'HF_BUSY',
      `agent and parameters of ${command.sid} cannot change while it is ${service.state}: ` +
        `run 'holdfast disable ${command.sid}' first`,
    );
  }
  if (service === undefined) return update(state, command.sid, () => undefined);
  const merged = { ...service.parameters, ...command.changes.parameters };
  const kept = Object.entries(merged).filter(([name]) => !command.unset.includes(name));
  if (kept.length > limits.parameters) {
    return refuse('HF_ARGUMENT', `${command.sid} may have at most ${limits.parameters} parameters`);
  }
  const changed = { ...service, ...command.changes, parameters: Object.fromEntries(kept), stopFailed: false };
  if (settingsBytes(state) - bytesOf(service) + bytesOf(changed) > limits.settingsBytes) return tooLarge;
  return update(state, command.sid, () => changed);
}

const tooLarge = refuse(
  'HF_BUSY',
  `parameters and comments of all resources may not exceed ${limits.settingsBytes} bytes: shorten or remove some`,
);

/** Characters count as one byte each: a bound for people's texts, not an account. */
function bytesOf({ parameters, comment }: Pick<ResourceSettings, 'parameters' | 'comment'>): number {
  return Object.entries(parameters).reduce((sum, [name, value]) => sum + name.length + value.length, comment.length);
}

function settingsBytes(state: ClusterState): number {
  return Object.values(state.services).reduce((sum, service) => sum + bytesOf(service), 0);
}

function nodeUp(state: ClusterState, command: Command & { type: 'node-up' }): ApplyResult {
  const { nodeId, name, bootId, fenceBoundMs } = command;
  const old = state.nodes[nodeId];
  if (old?.fencedBootIds.includes(bootId)) {
    return refuse('HF_BUSY', `boot ${bootId} of ${name} was declared fenced: it has to reset first`);
  }
  const lost = Object.values(state.services).some(
    (service) =>
      service.nodeId === nodeId &&
      service.bootId !== bootId &&
      needsFencing(service.state) &&
      !provedDead(state, service),
  );
  if (lost) return refuse('HF_BUSY', `an earlier boot of ${name} still holds services and is not proved dead`);
  state.nodes[nodeId] = {
    nodeId,
    name,
    bootId,
    fenceBoundMs,
    state: 'online',
    fencedBootIds: old?.fencedBootIds ?? [],
  };
  return done;
}

function nodeState(state: ClusterState, nodeId: number, to: 'unknown' | 'fence'): ApplyResult {
  const node = state.nodes[nodeId];
  if (node === undefined) return refuse('HF_NOT_FOUND', `node ${nodeId} was never seen`);
  state.nodes[nodeId] = { ...node, state: to };
  return done;
}

function nodeFenced(state: ClusterState, nodeId: number, bootId: string): ApplyResult {
  const node = state.nodes[nodeId];
  if (node === undefined || node.bootId !== bootId)
    return refuse('HF_NOT_FOUND', `node ${nodeId} is not in boot ${bootId}`);
  const fencedBootIds = [...node.fencedBootIds.filter((id) => id !== bootId), bootId].slice(-limits.fencedBootsKept);
  state.nodes[nodeId] = { ...node, state: 'unknown', fencedBootIds };
  for (const service of Object.values(state.services)) {
    if (service.nodeId === nodeId && service.bootId === bootId && needsFencing(service.state)) {
      state.services[service.sid] = { ...service, state: 'fence', running: false };
    }
  }
  return done;
}

export function isFenced(state: ClusterState, nodeId: number, bootId: string): boolean {
  return state.nodes[nodeId]?.fencedBootIds.includes(bootId) ?? false;
}

/** The safety rule, where it cannot be walked around: a command that breaks it is refused on every node. */
function serviceState(state: ClusterState, command: Command & { type: 'service-state' }, index: number): ApplyResult {
  const service = state.services[command.sid];
  if (service === undefined) return refuse('HF_NOT_FOUND', `there is no resource ${command.sid}`);
  if (service.uid !== command.expectUid) return refuse('HF_BUSY', `${command.sid} has changed meanwhile`);
  if (!isTransition(service.state, command.state)) {
    return refuse('HF_ARGUMENT', `${command.sid} cannot go from ${service.state} to ${command.state}`);
  }
  const moves = command.nodeId !== service.nodeId;
  if (mayRun(service.state) && command.state !== 'recovery' && moves) {
    return refuse('HF_ARGUMENT', `${command.sid} may still run on node ${service.nodeId}`);
  }
  if (command.state === 'recovery' && !provedDead(state, service)) {
    return refuse('HF_ARGUMENT', `node ${service.nodeId} is not declared fenced`);
  }
  if (service.state === 'fence' && command.state !== 'recovery' && provedDead(state, service)) {
    return refuse('HF_ARGUMENT', `node ${service.nodeId} was declared fenced: ${command.sid} can only be recovered`);
  }
  const bootId = bootFor(state, service, command);
  if (mayRun(command.state) && bootId === null) {
    return refuse('HF_ARGUMENT', `node ${command.nodeId} cannot run ${command.sid}: it is not online`);
  }
  state.services[command.sid] = {
    ...service,
    state: command.state,
    nodeId: command.nodeId,
    bootId,
    uid: index,
    running: false,
    reason: command.reason,
    stopFailed: service.state === 'request_stop' && command.state === 'error',
  };
  return done;
}

function provedDead(state: ClusterState, service: ServiceRecord): boolean {
  return service.nodeId !== null && service.bootId !== null && isFenced(state, service.nodeId, service.bootId);
}

function bootFor(
  state: ClusterState,
  service: ServiceRecord,
  command: Command & { type: 'service-state' },
): string | null {
  if (command.nodeId === null) return null;
  const staysInPlace = mayRun(service.state) && service.nodeId === command.nodeId;
  // What may already run keeps the boot it may run in, except that an error's node may have rebooted since.
  if (staysInPlace && service.state !== 'error') return service.bootId;
  if (!mayRun(command.state)) return service.bootId;
  const node = state.nodes[command.nodeId];
  if (node === undefined || node.state !== 'online' || node.fencedBootIds.includes(node.bootId)) return null;
  return node.bootId;
}

function forget(state: ClusterState, sid: string, expectUid: number): ApplyResult {
  const service = state.services[sid];
  if (service === undefined) return refuse('HF_NOT_FOUND', `there is no resource ${sid}`);
  const idle = service.state === 'stopped' || service.state === 'request_start';
  if (service.uid !== expectUid || !service.removing || !idle) return refuse('HF_BUSY', `${sid} is not stopped`);
  delete state.services[sid];
  return done;
}
