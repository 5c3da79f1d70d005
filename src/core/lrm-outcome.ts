import type { ServiceRecord } from './cluster-state.js';
import { type Effect, notice } from './effects.js';
import { isIncoming, isMine, type Lrm, type Unit } from './lrm.js';

/** What came of an operation on a resource, and what that means for the next one. */
export interface OperationOutcome {
  readonly operationId: number;
  readonly outcome: 'running' | 'stopped' | 'failed' | 'error';
  readonly permanent: boolean;
  readonly detail: string;
  /** When to look again, milliseconds from now. */
  readonly monitorIntervalMs: number;
}

/** Pause before the second attempt to start; doubled with each further one. */
const retryMs = 1_000;
const longestRetryMs = 60_000;
/** Pause before what has died for the second time is started again; doubled with each further time. */
const restartPauseMs = 5_000;
const longestRestartPauseMs = 300_000;
/** What has run for so long without dying has recovered from what made it die. */
const stableMs = 600_000;
/** Pause before looking again whether a resource runs here. */
const retryLookMs = 5_000;
/** Of what an operation says; it goes into heartbeats and, as a reason, into the log, which bound it too. */
const detailLimit = 1_024;

export function onOutcome(lrm: Lrm, reported: OperationOutcome, nowMs: number, effects: Effect[]): void {
  const outcome = { ...reported, detail: reported.detail.slice(0, detailLimit) };
  const running = lrm.operations.get(outcome.operationId);
  const unit = running && lrm.units.get(running.sid);
  if (running === undefined || unit === undefined) return;
  lrm.operations.delete(outcome.operationId);
  lrm.revision++;
  lrm.dueMs = 0;
  unit.operationId = null;
  unit.detail = outcome.detail;
  unit.nextMonitorMs = nowMs + outcome.monitorIntervalMs;
  const service = lrm.state?.services[unit.sid];
  const since = unit.service;
  if (running.operation === 'monitor') afterMonitor(lrm, unit, service, outcome, nowMs, effects);
  else if (running.operation === 'start') afterStart(unit, service, outcome, nowMs, effects);
  else if (running.operation === 'stop') afterStop(unit, service, outcome, nowMs, effects);
  else afterMigrate(unit, service, outcome, nowMs, effects);
  if (unit.lookAgain) unit.condition = 'unknown';
  unit.lookAgain = false;
  if (unit.condition === 'unknown') lrm.unknown.add(unit.sid);
  else lrm.unknown.delete(unit.sid);
  // What changed meanwhile has waited for the end of the operation.
  if (service === undefined || service !== since) lrm.index = -1;
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
  const moving = service !== undefined && (service.state === 'migrate' || isIncoming(lrm, service));
  if (before === 'unknown' && (!ours || moving) && outcome.outcome === 'error' && !outcome.permanent) {
    // It may run here, so nobody may start it yet. (Were it ours, a stop would make sure.)
    unit.retryMs = nowMs + retryLookMs;
    const text = `whether ${unit.sid} runs here is not known (${outcome.detail}): looking again`;
    notice(effects, 'service', 'warn', text, { sid: unit.sid });
    return;
  }
  unit.condition = conditionAfterMonitor(outcome);
  if (unit.condition === 'running' && before !== 'running') unit.runningSinceMs = nowMs;
  if (before === 'unknown') sayWhatWasFound(unit, ours, outcome, effects);
  if (before !== 'running' || unit.condition === 'running') return;
  if (nowMs - unit.runningSinceMs >= stableMs) unit.restarts = 0;
  unit.restarts++;
  const pauseMs = restartPause(unit.restarts);
  unit.retryMs = nowMs + pauseMs;
  const when = pauseMs === 0 ? '' : ` in ${pauseMs / 1_000} s, for it has died ${unit.restarts} times`;
  const repair = service?.state === 'started' ? `: starting it again${when}` : '';
  const text = `${unit.sid} was found ${unit.condition} (${outcome.detail})${repair}`;
  notice(effects, 'service', 'warn', text, { sid: unit.sid });
}

function sayWhatWasFound(unit: Unit, ours: boolean, outcome: OperationOutcome, effects: Effect[]): void {
  if (unit.condition === 'running') {
    const text = ours ? `${unit.sid} runs here: taken over as it is` : `${unit.sid} was found running here`;
    notice(effects, 'service', 'info', text, { sid: unit.sid });
  }
  if (unit.condition === 'broken') {
    const text = `whether ${unit.sid} runs here cannot be told: ${outcome.detail}`;
    notice(effects, 'service', 'warn', text, { sid: unit.sid });
  }
}

function restartPause(restarts: number): number {
  return restarts < 2 ? 0 : Math.min(longestRestartPauseMs, restartPauseMs * 2 ** (restarts - 2));
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
    unit.runningSinceMs = nowMs;
    notice(effects, 'service', 'info', `${unit.sid} runs`, { sid: unit.sid });
    return;
  }
  unit.condition = outcome.permanent ? 'stopped' : 'broken';
  unit.retryMs = nowMs + Math.min(longestRetryMs, retryMs * 2 ** (unit.attempts - 1));
  const tries = 1 + (service?.maxRestart ?? 0);
  if (outcome.permanent || unit.attempts >= tries) unit.failure = `start failed: ${outcome.detail}`;
  const next = unit.failure === null ? 'trying again' : 'giving up here';
  notice(effects, 'service', 'error', `start of ${unit.sid} failed (${outcome.detail}): ${next}`, { sid: unit.sid });
}

function afterStop(
  unit: Unit,
  service: ServiceRecord | undefined,
  outcome: OperationOutcome,
  nowMs: number,
  effects: Effect[],
): void {
  const asked = service !== undefined && service.uid === unit.uid;
  if (outcome.outcome === 'stopped') {
    unit.condition = 'stopped';
    unit.retryMs = service?.state === 'started' ? Math.max(unit.retryMs, nowMs) : 0;
    if (asked && (service.state === 'request_stop' || service.state === 'relocate')) unit.done = true;
    notice(effects, 'service', 'info', `${unit.sid} is stopped`, { sid: unit.sid });
    return;
  }
  unit.retryMs = nowMs + retryMs;
  unit.condition = 'broken';
  unit.failure = `stop failed: ${outcome.detail}`;
  const text = `stop of ${unit.sid} failed (${outcome.detail}): it may still run here`;
  notice(effects, 'service', 'error', text, { sid: unit.sid });
}

/** A move that says neither yes nor no is looked after: where it does not run, it has left. */
function afterMigrate(
  unit: Unit,
  service: ServiceRecord | undefined,
  outcome: OperationOutcome,
  nowMs: number,
  effects: Effect[],
): void {
  if (service?.uid === unit.uid) unit.done = true;
  if (outcome.outcome === 'stopped') {
    unit.condition = 'stopped';
    notice(effects, 'service', 'info', `${unit.sid} has moved away`, { sid: unit.sid });
    return;
  }
  unit.condition = outcome.outcome === 'running' ? 'running' : 'unknown';
  unit.retryMs = outcome.outcome === 'running' ? 0 : nowMs + retryMs;
  notice(effects, 'service', 'error', `move of ${unit.sid} failed (${outcome.detail})`, { sid: unit.sid });
}
