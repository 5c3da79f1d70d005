import type { ServiceRecord } from './cluster-state.js';
import { isIncoming, isMine, type Lrm, type Unit } from './lrm.js';
import type { LrmResult } from './messages.js';

/** What the local resource manager tells the leader. */

/** Answers to the present requests, as far as the committed state does not hold them yet. */
export function results(lrm: Lrm, mayStart: boolean): LrmResult[] {
  const all: LrmResult[] = [];
  for (const service of lrm.mine) {
    const unit = lrm.units.get(service.sid);
    const outcome = unit === undefined || unit.uid !== service.uid ? null : answerAsHost(unit, service);
    if (unit !== undefined && outcome !== null) all.push(resultOf(unit, outcome));
  }
  for (const service of lrm.incoming) {
    const unit = lrm.units.get(service.sid);
    const outcome = unit === undefined || unit.uid !== service.uid ? null : answerAsTarget(unit, service, mayStart);
    if (unit !== undefined && outcome !== null) all.push(resultOf(unit, outcome));
  }
  return all;
}

function resultOf(unit: Unit, outcome: LrmResult['outcome']): LrmResult {
  return { sid: unit.sid, uid: unit.uid, outcome, detail: unit.failure ?? unit.detail };
}

function answerAsHost(unit: Unit, service: ServiceRecord): LrmResult['outcome'] | null {
  switch (service.state) {
    case 'started':
      if (unit.failure !== null) return 'error';
      return unit.condition === 'running' && unit.operationId === null && !service.running ? 'running' : null;
    case 'request_stop':
    case 'relocate':
      if (unit.failure !== null) return 'error';
      return unit.done ? 'stopped' : null;
    case 'migrate':
      if (unit.operationId !== null) return null;
      if (unit.condition === 'stopped') return 'left';
      // Found broken before it could leave, and not to be stopped: it has stayed.
      if (unit.condition === 'broken' && unit.failure !== null) return 'running';
      return unit.done && unit.condition === 'running' ? 'running' : null;
    case 'fence':
      return service.targetBootId === null ? null : whatIsSeen(unit);
    default:
      return null;
  }
}

function answerAsTarget(unit: Unit, service: ServiceRecord, mayStart: boolean): LrmResult['outcome'] | null {
  if (service.state === 'migrate') return mayStart ? 'ready' : null;
  return whatIsSeen(unit);
}

function whatIsSeen(unit: Unit): LrmResult['outcome'] | null {
  if (unit.operationId !== null) return null;
  return unit.condition === 'running' || unit.condition === 'stopped' ? unit.condition : null;
}

/** Found running here though not assigned here. */
export function strays(lrm: Lrm): string[] {
  const found: string[] = [];
  for (const unit of lrm.units.values()) {
    if (unit.condition !== 'running') continue;
    const service = lrm.state?.services[unit.sid];
    if (service !== undefined && !isMine(lrm, service) && !isIncoming(lrm, service)) found.push(unit.sid);
  }
  return found;
}

/** Every resource looked after since this log index or before has been looked for on this node. */
export function probedThrough(lrm: Lrm): number {
  let through = lrm.index;
  for (const sid of lrm.unknown) {
    const service = lrm.state?.services[sid];
    if (service !== undefined) through = Math.min(through, service.addedIndex - 1);
  }
  return through;
}

/** Nothing runs here that is known of, nothing is under way, and nothing may arrive by a move. */
export function allStopped(lrm: Lrm): boolean {
  if (lrm.operations.size > 0 || lrm.incoming.length > 0) return false;
  for (const unit of lrm.units.values()) if (unit.condition !== 'stopped') return false;
  return true;
}
