import { assert } from './assert.js';
import type { ClusterState, ServiceRecord } from './cluster-state.js';
import { type Effect, notice } from './effects.js';
import { mayRun } from './service-states.js';

/**
 * The local resource manager: carries out on this node what the committed state asks of it, and reports. It acts
 * from committed state only, and starts something only while this node is protected by a lease and a watchdog.
 */
export interface Lrm {
  readonly selfId: number;
  readonly bootId: string;
  readonly units: Map<string, Unit>;
  nextOperationId: number;
  /** Operations under way, by id. */
  readonly operations: Map<number, { readonly sid: string; readonly operation: Operation }>;
  /** Committed state that all below follows; null before the first. */
  state: ClusterState | null;
  /** Log index of that state. */
  index: number;
  /** This boot runs them, or may, or is to. */
  mine: ServiceRecord[];
  /** They are being moved here, or were when their node was lost. */
  incoming: ServiceRecord[];
  /** Resources that were not looked for on this node yet. */
  readonly unknown: Set<string>;
  /** Grows with every change that a report may show. */
  revision: number;
  /** Nothing is due before, unless something changes. */
  dueMs: number;
  /** What was allowed when `dueMs` was found. */
  lastPermission: string;
}

export type Operation = 'start' | 'stop' | 'monitor' | 'migrate';

/** What is known of one resource on this node. */
export interface Unit {
  readonly sid: string;
  /** As last seen in the committed state; other agent or parameters make all that is known void. */
  service: ServiceRecord;
  /** `unknown` until looked at; `broken`: needs a stop before anything else. */
  condition: 'unknown' | 'running' | 'stopped' | 'broken';
  /** One operation at a time. */
  operationId: number | null;
  /** What the operation under way finds is out of date: to be looked at again after it. */
  lookAgain: boolean;
  /** Request that `attempts`, `failure` and `done` belong to. */
  uid: number;
  /** Starts tried for this request since it last ran. */
  attempts: number;
  /** Times it was found dead and started again on this node since it last ran for a good while. */
  restarts: number;
  runningSinceMs: number;
  /** The request has failed for good, with this sentence. */
  failure: string | null;
  /** The stop or the move of this request was carried out, whatever came of it. */
  done: boolean;
  /** When waiting for the target of a move ends; 0: it has not begun. */
  giveUpMs: number;
  detail: string;
  nextMonitorMs: number;
  /** When a failed attempt may be repeated. */
  retryMs: number;
}

/** What this node may do now; decided by core/acting.ts from view, lease and watchdog. */
export interface Permission {
  /** In a view, and everything that was committed before it is known here. */
  readonly caughtUp: boolean;
  /** Holds a lease with the watchdog armed on it, in a boot that is registered. */
  readonly mayStart: boolean;
  /** The machine goes down: what runs here is stopped, whoever wants it. */
  readonly stopAll: boolean;
  /** The node that it moves to has said, in this view, that it is protected and waits for it. */
  readonly isAwaited: (service: ServiceRecord) => boolean;
  /** It is in our view. */
  readonly isInView: (nodeId: number | null) => boolean;
}

/** Operations at a time; the peer's default. */
const maxWorkers = 4;
/** The node that a service is to be moved to has so long to arm its watchdog and say so. */
const awaitMs = 30_000;

export function newLrm(selfId: number, bootId: string): Lrm {
  return {
    selfId,
    bootId,
    units: new Map(),
    nextOperationId: 1,
    operations: new Map(),
    state: null,
    index: 0,
    mine: [],
    incoming: [],
    unknown: new Set(),
    revision: 1,
    dueMs: 0,
    lastPermission: '',
  };
}

/** Is this service this boot's business? */
export function isMine(lrm: Lrm, service: ServiceRecord): boolean {
  return service.nodeId === lrm.selfId && service.bootId === lrm.bootId && mayRun(service.state);
}

/** May this boot come to run it, for it is or was being moved here? */
export function isIncoming(lrm: Lrm, service: ServiceRecord): boolean {
  const moving = service.state === 'migrate' || service.state === 'fence';
  return moving && service.targetId === lrm.selfId && service.targetBootId === lrm.bootId;
}

/** Something runs here, may be running here, or is to run here: the node must be protected. */
export function needsProtection(lrm: Lrm): boolean {
  if ([...lrm.operations.values()].some(({ operation }) => operation !== 'monitor')) return true;
  if (lrm.state?.disarm?.phase === 'disarmed') return false;
  if (lrm.mine.length > 0 || lrm.incoming.length > 0) return true;
  // Found running: it can only be given to this node once nothing can run away with it.
  return [...lrm.units.values()].some((unit) => unit.condition === 'running');
}

/** Brings the units in line with the committed state. */
export function follow(lrm: Lrm, state: ClusterState, index: number): void {
  if (lrm.state === state && lrm.index === index) return;
  lrm.state = state;
  lrm.index = index;
  lrm.mine = [];
  lrm.incoming = [];
  for (const unit of lrm.units.values()) {
    const service = state.services[unit.sid];
    if ((service === undefined || service.state === 'ignored') && unit.operationId === null) forget(lrm, unit);
  }
  for (const sid in state.services) {
    const service = state.services[sid];
    if (service === undefined || service.state === 'ignored') continue;
    followService(lrm, service);
    if (isMine(lrm, service)) lrm.mine.push(service);
    if (isIncoming(lrm, service)) lrm.incoming.push(service);
  }
  lrm.revision++;
  lrm.dueMs = 0;
}

function forget(lrm: Lrm, unit: Unit): void {
  lrm.units.delete(unit.sid);
  lrm.unknown.delete(unit.sid);
}

function followService(lrm: Lrm, service: ServiceRecord): void {
  const known = lrm.units.get(service.sid);
  if (known === undefined) {
    newUnit(lrm, service);
    return;
  }
  if (known.service === service) return;
  if (!sameResource(known.service, service)) {
    if (known.operationId === null) newUnit(lrm, service);
    else lookAgain(lrm, known);
    return;
  }
  const wasComing = isIncoming(lrm, known.service);
  if (known.operationId === null) known.service = service;
  if (known.uid === service.uid) return;
  newRequest(known, service.uid);
  // What comes and goes by a migration does so without this node's doing: it has to look.
  const moves = wasComing || isIncoming(lrm, service) || (service.state === 'fence' && service.targetBootId !== null);
  // No stop makes sure any more, for it is another's now: this node would never be empty.
  const isLeftOpen = known.condition === 'broken' && !isMine(lrm, service);
  if (moves || isLeftOpen) lookAgain(lrm, known);
}

/** After the operation under way, if there is one: nothing that is known holds. */
function lookAgain(lrm: Lrm, unit: Unit): void {
  unit.condition = 'unknown';
  unit.lookAgain = unit.operationId !== null;
  lrm.unknown.add(unit.sid);
}

function newUnit(lrm: Lrm, service: ServiceRecord): void {
  lrm.unknown.add(service.sid);
  lrm.units.set(service.sid, {
    sid: service.sid,
    service,
    condition: 'unknown',
    operationId: null,
    lookAgain: false,
    uid: service.uid,
    attempts: 0,
    restarts: 0,
    runningSinceMs: 0,
    failure: null,
    done: false,
    giveUpMs: 0,
    detail: '',
    nextMonitorMs: 0,
    retryMs: 0,
  });
}

/** Looked after since the same moment, by the same agent with the same parameters. */
function sameResource(a: ServiceRecord, b: ServiceRecord): boolean {
  if (a.addedIndex !== b.addedIndex || a.agent !== b.agent) return false;
  if (a.parameters === b.parameters) return true;
  const names = Object.keys(a.parameters);
  return (
    names.length === Object.keys(b.parameters).length &&
    names.every((name) => a.parameters[name] === b.parameters[name])
  );
}

function newRequest(unit: Unit, uid: number): void {
  unit.uid = uid;
  unit.attempts = 0;
  unit.failure = null;
  unit.done = false;
  unit.retryMs = 0;
  unit.giveUpMs = 0;
}

/** Starts what can be started now; call it after everything that may have changed something, and as time passes. */
export function reconcile(lrm: Lrm, permission: Permission, nowMs: number, effects: Effect[]): void {
  const { state } = lrm;
  const allowed = `${permission.caughtUp} ${permission.mayStart} ${permission.stopAll}`;
  const waits = lrm.mine.some((service) => service.state === 'migrate');
  if (state === null || (nowMs < lrm.dueMs && allowed === lrm.lastPermission && !waits)) return;
  if (allowed !== lrm.lastPermission) lrm.revision++;
  lrm.lastPermission = allowed;
  lrm.dueMs = Number.POSITIVE_INFINITY;
  for (const sid of concerned(lrm)) {
    if (lrm.operations.size >= maxWorkers) {
      // The end of an operation makes it due again.
      lrm.dueMs = Number.POSITIVE_INFINITY;
      return;
    }
    const unit = lrm.units.get(sid);
    const service = state.services[sid];
    if (unit === undefined || service === undefined || unit.operationId !== null) continue;
    const operation = nextOperation(lrm, unit, service, permission, nowMs);
    if (operation !== null) begin(lrm, unit, service, operation, effects);
    else lrm.dueMs = Math.min(lrm.dueMs, dueAgainMs(unit, nowMs));
  }
}

/** Sids of what there may be something to do for. */
function* concerned(lrm: Lrm): Generator<string> {
  for (const service of lrm.mine) yield service.sid;
  for (const service of lrm.incoming) yield service.sid;
  yield* lrm.unknown;
}

function dueAgainMs(unit: Unit, nowMs: number): number {
  const times = [unit.retryMs, unit.condition === 'running' ? unit.nextMonitorMs : 0].filter((ms) => ms > nowMs);
  return Math.min(...times, Number.POSITIVE_INFINITY);
}

function nextOperation(
  lrm: Lrm,
  unit: Unit,
  service: ServiceRecord,
  permission: Permission,
  nowMs: number,
): Operation | null {
  if (nowMs < unit.retryMs) return null;
  // Looking changes nothing, and is allowed to anybody at any time.
  if (unit.condition === 'unknown') return 'monitor';
  if (!isMine(lrm, service)) return null;
  const mayNeedStop = unit.condition === 'running' || unit.condition === 'broken';
  // A move that is under way is an operation under way: here it has not begun, or was given up.
  if (permission.stopAll) return (mayNeedStop || isAskedToStop(unit, service)) && unit.failure === null ? 'stop' : null;
  if (!permission.caughtUp || lrm.state?.disarm?.phase === 'disarmed') return null;
  switch (service.state) {
    case 'request_stop':
    case 'relocate':
      return isAskedToStop(unit, service) && unit.failure === null ? 'stop' : null;
    case 'migrate':
      if (unit.condition === 'broken') return unit.failure === null ? 'stop' : null;
      return unit.condition === 'running' && !unit.done ? nextOfMove(unit, service, permission, nowMs) : null;
    case 'started':
      return keepStarted(unit, permission, nowMs);
    default:
      return null;
  }
}

/** Also what does not run is stopped once when that is asked for: its answer is the proof. */
function isAskedToStop({ done }: Unit, { state }: ServiceRecord): boolean {
  return !done && (state === 'request_stop' || state === 'relocate');
}

/** Whether the move has begun is known here alone, so it is also given up here alone, for good. */
function nextOfMove(unit: Unit, service: ServiceRecord, permission: Permission, nowMs: number): Operation | null {
  if (permission.isAwaited(service)) return 'migrate';
  if (unit.giveUpMs === 0) unit.giveUpMs = nowMs + awaitMs;
  if (permission.isInView(service.targetId) && nowMs < unit.giveUpMs) return null;
  unit.done = true;
  unit.detail = 'the other node was not ready to take it';
  return null;
}

function keepStarted(unit: Unit, permission: Permission, nowMs: number): Operation | null {
  if (unit.condition === 'running') return nowMs >= unit.nextMonitorMs ? 'monitor' : null;
  if (unit.failure !== null) return null;
  if (unit.condition === 'broken') return 'stop';
  return permission.mayStart ? 'start' : null;
}

function begin(lrm: Lrm, unit: Unit, service: ServiceRecord, operation: Operation, effects: Effect[]): void {
  assert(operation === 'monitor' || isMine(lrm, service), `${operation} of ${service.sid}, which is not ours`);
  const operationId = lrm.nextOperationId++;
  unit.operationId = operationId;
  if (operation === 'start') unit.attempts++;
  lrm.operations.set(operationId, { sid: unit.sid, operation });
  const timeoutMs = operation === 'stop' && service.stopTimeoutS !== null ? service.stopTimeoutS * 1_000 : null;
  const targetId = operation === 'migrate' ? service.targetId : null;
  effects.push({ type: 'operate', operationId, operation, service, timeoutMs, targetId });
  lrm.revision++;
  if (operation !== 'monitor') {
    const attempt = operation === 'start' && unit.attempts > 1 ? ` (attempt ${unit.attempts})` : '';
    notice(effects, 'service', 'info', `${operation} of ${unit.sid}${attempt}: ${service.reason}`, {
      sid: unit.sid,
      operation,
    });
  }
}
