import { assert } from './assert.js';
import type { ClusterState, ServiceRecord } from './cluster-state.js';
import { type Effect, notice } from './effects.js';
import type { LrmResult } from './messages.js';
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
}

export type Operation = 'start' | 'stop' | 'monitor';

/** What is known of one resource on this node. */
export interface Unit {
  readonly sid: string;
  /** As last seen in the committed state; other agent or parameters make all that is known void. */
  service: ServiceRecord;
  /** `unknown` until looked at; `broken`: needs a stop before anything else. */
  condition: 'unknown' | 'running' | 'stopped' | 'broken';
  /** One operation at a time. */
  operationId: number | null;
  /** Request that `attempts`, `failure` and `answered` belong to. */
  uid: number;
  /** Starts tried for this request since it last ran. */
  attempts: number;
  /** The request has failed for good, with this sentence. */
  failure: string | null;
  /** A stop for this request has been carried out. */
  stopDone: boolean;
  detail: string;
  nextMonitorMs: number;
  /** When a failed attempt may be repeated. */
  retryMs: number;
}

export interface OperationOutcome {
  readonly operationId: number;
  readonly outcome: 'running' | 'stopped' | 'failed' | 'error';
  readonly permanent: boolean;
  readonly detail: string;
  /** When to look again, milliseconds from now. */
  readonly monitorIntervalMs: number;
}

/** What this node may do now; decided by core/acting.ts from view, lease and watchdog. */
export interface Permission {
  /** In a view, and everything that was committed before it is known here. */
  readonly caughtUp: boolean;
  /** Holds a lease with the watchdog armed on it, in a boot that is registered. */
  readonly mayStart: boolean;
}

/** Operations at a time; the peer's default. */
const maxWorkers = 4;
/** Pause between attempts to start. */
const retryMs = 1_000;
/** Pause before looking again whether a resource runs here. */
const retryLookMs = 5_000;
/** Of what an operation says; it goes into heartbeats and, as a reason, into the log, which bound it too. */
const detailLimit = 1_024;

export function newLrm(selfId: number, bootId: string): Lrm {
  return { selfId, bootId, units: new Map(), nextOperationId: 1, operations: new Map() };
}

/** Is this service this boot's business? */
export function isMine(lrm: Lrm, service: ServiceRecord): boolean {
  return service.nodeId === lrm.selfId && service.bootId === lrm.bootId && mayRun(service.state);
}

/** Something runs here, may be running here, or is to run here: the node must be protected. */
export function needsProtection(lrm: Lrm, state: ClusterState): boolean {
  if (lrm.operations.size > 0 && [...lrm.operations.values()].some(({ operation }) => operation !== 'monitor'))
    return true;
  return Object.values(state.services).some((service) => isMine(lrm, service));
}

/** Starts what can be started now; call it after everything that may have changed something, and as time passes. */
export function reconcile(
  lrm: Lrm,
  state: ClusterState,
  permission: Permission,
  nowMs: number,
  effects: Effect[],
): void {
  forgetRemoved(lrm, state);
  for (const service of Object.values(state.services)) {
    if (lrm.operations.size >= maxWorkers) return;
    const unit = unitOf(lrm, service);
    if (unit.operationId !== null) continue;
    const operation = nextOperation(lrm, unit, service, permission, nowMs);
    if (operation !== null) begin(lrm, unit, service, operation, effects);
  }
}

function forgetRemoved(lrm: Lrm, state: ClusterState): void {
  for (const unit of lrm.units.values()) {
    if (state.services[unit.sid] === undefined && unit.operationId === null) lrm.units.delete(unit.sid);
  }
}

function unitOf(lrm: Lrm, service: ServiceRecord): Unit {
  const known = lrm.units.get(service.sid);
  if (known !== undefined && (known.operationId !== null || sameResource(known.service, service))) {
    if (known.operationId === null) known.service = service;
    if (known.uid !== service.uid) newRequest(known, service.uid);
    return known;
  }
  const unit: Unit = {
    sid: service.sid,
    service,
    condition: 'unknown',
    operationId: null,
    uid: service.uid,
    attempts: 0,
    failure: null,
    stopDone: false,
    detail: '',
    nextMonitorMs: 0,
    retryMs: 0,
  };
  lrm.units.set(service.sid, unit);
  return unit;
}

function sameResource(a: ServiceRecord, b: ServiceRecord): boolean {
  if (a === b) return true;
  const names = Object.keys(a.parameters);
  return (
    a.agent === b.agent &&
    names.length === Object.keys(b.parameters).length &&
    names.every((name) => a.parameters[name] === b.parameters[name])
  );
}

function newRequest(unit: Unit, uid: number): void {
  unit.uid = uid;
  unit.attempts = 0;
  unit.failure = null;
  unit.stopDone = false;
  unit.retryMs = 0;
}

function nextOperation(
  lrm: Lrm,
  unit: Unit,
  service: ServiceRecord,
  permission: Permission,
  nowMs: number,
): Operation | null {
  // Looking changes nothing, and is allowed to anybody at any time.
  if (unit.condition === 'unknown') return nowMs < unit.retryMs ? null : 'monitor';
  if (!isMine(lrm, service) || !permission.caughtUp || nowMs < unit.retryMs) return null;
  if (service.state === 'request_stop') return unit.stopDone || unit.failure !== null ? null : 'stop';
  if (service.state !== 'started') return null;
  if (unit.condition === 'running') return nowMs >= unit.nextMonitorMs ? 'monitor' : null;
  if (unit.failure !== null) return null;
  if (unit.condition === 'broken') return 'stop';
  return permission.mayStart ? 'start' : null;
}

function begin(lrm: Lrm, unit: Unit, service: ServiceRecord, operation: Operation, effects: Effect[]): void {
  assert(operation !== 'start' || isMine(lrm, service), `start of ${service.sid}, which is not ours`);
  const operationId = lrm.nextOperationId++;
  unit.operationId = operationId;
  if (operation === 'start') unit.attempts++;
  lrm.operations.set(operationId, { sid: unit.sid, operation });
  effects.push({ type: 'operate', operationId, operation, service });
  if (operation !== 'monitor') {
    const attempt = operation === 'start' && unit.attempts > 1 ? ` (attempt ${unit.attempts})` : '';
    notice(effects, 'service', 'info', `${operation} of ${unit.sid}${attempt}: ${service.reason}`, {
      sid: unit.sid,
      operation,
    });
  }
}

export function onOutcome(
  lrm: Lrm,
  reported: OperationOutcome,
  state: ClusterState,
  nowMs: number,
  effects: Effect[],
): void {
  const outcome = { ...reported, detail: reported.detail.slice(0, detailLimit) };
  const running = lrm.operations.get(outcome.operationId);
  const unit = running && lrm.units.get(running.sid);
  if (running === undefined || unit === undefined) return;
  lrm.operations.delete(outcome.operationId);
  unit.operationId = null;
  unit.detail = outcome.detail;
  unit.nextMonitorMs = nowMs + outcome.monitorIntervalMs;
  const service = state.services[unit.sid];
  if (running.operation === 'monitor') afterMonitor(lrm, unit, service, outcome, nowMs, effects);
  else if (running.operation === 'start') afterStart(unit, service, outcome, nowMs, effects);
  else afterStop(unit, service, outcome, nowMs, effects);
}

function afterMonitor(
  lrm: Lrm,
  unit: Unit,
  service: ServiceRecord | undefined,
  outcome: OperationOutcome,
  nowMs: number,
  effects: Effect[],
): void {
  const before = unit.condition;
  const ours = service !== undefined && isMine(lrm, service);
  if (before === 'unknown' && !ours && outcome.outcome === 'error' && !outcome.permanent) {
    // It may run here, so nobody may start it yet. (Were it ours, a stop would make sure.)
    unit.retryMs = nowMs + retryLookMs;
    notice(
      effects,
      'service',
      'warn',
      `whether ${unit.sid} runs here is not known (${outcome.detail}): looking again`,
      {
        sid: unit.sid,
      },
    );
    return;
  }
  unit.condition = conditionAfterMonitor(outcome);
  if (before === 'unknown' && unit.condition === 'running') {
    notice(effects, 'service', 'info', `${unit.sid} runs here already: adopted`, { sid: unit.sid });
  }
  if (before === 'unknown' && unit.condition === 'broken') {
    const text = `whether ${unit.sid} runs here cannot be told: ${outcome.detail}`;
    notice(effects, 'service', 'warn', text, { sid: unit.sid });
  }
  if (before !== 'running' || unit.condition === 'running') return;
  unit.retryMs = nowMs;
  const repair = service?.state === 'started' ? ': starting it again' : '';
  notice(effects, 'service', 'warn', `${unit.sid} was found ${unit.condition} (${outcome.detail})${repair}`, {
    sid: unit.sid,
  });
}

function conditionAfterMonitor(outcome: OperationOutcome): Unit['condition'] {
  if (outcome.outcome === 'running' || outcome.outcome === 'stopped') return outcome.outcome;
  // An agent that is not installed here, or refuses its parameters, runs nothing here.
  return outcome.permanent ? 'stopped' : 'broken';
}

function afterStart(
  unit: Unit,
  service: ServiceRecord | undefined,
  outcome: OperationOutcome,
  nowMs: number,
  effects: Effect[],
): void {
  if (outcome.outcome === 'running') {
    unit.condition = 'running';
    unit.attempts = 0;
    notice(effects, 'service', 'info', `${unit.sid} runs`, { sid: unit.sid });
    return;
  }
  unit.condition = outcome.permanent ? 'stopped' : 'broken';
  unit.retryMs = nowMs + retryMs;
  const tries = 1 + (service?.maxRestart ?? 0);
  if (outcome.permanent || unit.attempts >= tries) unit.failure = `start failed: ${outcome.detail}`;
  const next = unit.failure === null ? 'trying again' : 'giving up';
  notice(effects, 'service', 'error', `start of ${unit.sid} failed (${outcome.detail}): ${next}`, { sid: unit.sid });
}

function afterStop(
  unit: Unit,
  service: ServiceRecord | undefined,
  outcome: OperationOutcome,
  nowMs: number,
  effects: Effect[],
): void {
  unit.retryMs = nowMs + retryMs;
  if (outcome.outcome === 'stopped') {
    unit.condition = 'stopped';
    unit.retryMs = 0;
    if (service?.state === 'request_stop' && service.uid === unit.uid) unit.stopDone = true;
    notice(effects, 'service', 'info', `${unit.sid} is stopped`, { sid: unit.sid });
    return;
  }
  unit.condition = 'broken';
  unit.failure = `stop failed: ${outcome.detail}`;
  notice(effects, 'service', 'error', `stop of ${unit.sid} failed (${outcome.detail}): it may still run here`, {
    sid: unit.sid,
  });
}

/** Answers to the present requests, as far as the committed state does not hold them yet. */
export function results(lrm: Lrm, state: ClusterState): LrmResult[] {
  return [...lrm.units.values()].flatMap((unit): LrmResult[] => {
    const service = state.services[unit.sid];
    if (service === undefined || !isMine(lrm, service) || unit.uid !== service.uid) return [];
    const outcome = answerTo(unit, service);
    return outcome === null ? [] : [{ sid: unit.sid, uid: unit.uid, outcome, detail: unit.failure ?? unit.detail }];
  });
}

function answerTo(unit: Unit, service: ServiceRecord): LrmResult['outcome'] | null {
  if (service.state !== 'started' && service.state !== 'request_stop') return null;
  if (unit.failure !== null) return 'error';
  if (service.state === 'request_stop') return unit.stopDone ? 'stopped' : null;
  return unit.condition === 'running' && unit.operationId === null && !service.running ? 'running' : null;
}

/** Found running here though not assigned here. */
export function strays(lrm: Lrm, state: ClusterState): string[] {
  return [...lrm.units.values()]
    .filter((unit) => {
      const service = state.services[unit.sid];
      return unit.condition === 'running' && service !== undefined && !isMine(lrm, service);
    })
    .map((unit) => unit.sid);
}

/** Every resource added up to this log index has been looked for on this node. */
export function probedThrough(lrm: Lrm, state: ClusterState, commitIndex: number): number {
  return Object.values(state.services).reduce((through, service) => {
    const known = (lrm.units.get(service.sid)?.condition ?? 'unknown') !== 'unknown';
    return known ? through : Math.min(through, service.addedIndex - 1);
  }, commitIndex);
}
