import { type ApplyResult, done, refuse } from './apply-result.js';
import { type ClusterState, type Command, limits, type ResourceSettings, type ServiceRecord } from './cluster-state.js';
import { cycleThrough } from './dependencies.js';
import { mayRun } from './service-states.js';
import { bytesOfResource, refuseTooLarge } from './settings-size.js';

/** Changes to resources that people ask for. */

const noMemo = { failedStarts: 0, failedNodeIds: [], maintenanceNodeId: null, failedMoves: 0 } as const;

export function noSuchResource(sid: string): ApplyResult {
  return refuse('HF_NOT_FOUND', `there is no resource ${sid}: 'holdfast status' lists them`);
}

export function addResource(
  state: ClusterState,
  command: Command & { type: 'resource-add' },
  index: number,
): ApplyResult {
  const { type: _, sid, nodeId, ...settings } = command;
  if (state.services[sid] !== undefined) {
    return refuse('HF_EXISTS', `${sid} exists already: change it with 'holdfast set ${sid}'`);
  }
  if (Object.keys(state.services).length >= limits.services) {
    return refuse('HF_CONFLICT', `the cluster holds ${limits.services} resources already: remove one first`);
  }
  const tooLarge = refuseTooLarge(state, 0, bytesOfResource(settings));
  if (tooLarge !== null) return tooLarge;
  const problem = problemOf(state, sid, settings);
  if (problem !== null) return problem;
  state.services[sid] = {
    ...settings,
    ...noMemo,
    sid,
    state: initialState[settings.requested],
    nodeId,
    bootId: null,
    targetId: null,
    targetBootId: null,
    uid: index,
    running: false,
    reason: 'added',
    removing: false,
    stopFailed: false,
    stopTimeoutS: null,
    order: null,
    addedIndex: index,
  };
  return done;
}

const initialState = { started: 'request_start', stopped: 'stopped', disabled: 'stopped', ignored: 'ignored' } as const;

/** What other resources and groups have to say to these settings; null: nothing. */
function problemOf(state: ClusterState, sid: string, settings: Partial<ResourceSettings>): ApplyResult | null {
  const { group, requires = [], after = [] } = settings;
  if (group !== undefined && group !== null && state.groups[group] === undefined) {
    return refuse('HF_NOT_FOUND', `there is no group ${group}: 'holdfast groupconfig' lists them`);
  }
  const missing = [...requires, ...after].find((other) => state.services[other] === undefined);
  if (missing !== undefined)
    return refuse('HF_NOT_FOUND', `${sid} cannot depend on ${missing}: there is no such resource`);
  const cycle = cycleThrough(state, sid, [...requires, ...after]);
  if (cycle === null) return null;
  return refuse(
    'HF_ARGUMENT',
    `${sid} would wait for itself (${cycle.join(' -> ')}): take one of these dependencies away`,
  );
}

export function setResource(
  state: ClusterState,
  command: Command & { type: 'resource-set' },
  index: number,
): ApplyResult {
  const { sid, changes, unset } = command;
  const service = state.services[sid];
  if (service === undefined) return noSuchResource(sid);
  const changesIdentity = changes.agent !== undefined || changes.parameters !== undefined || unset.length > 0;
  if (mayRun(service.state) && changesIdentity) {
    return refuse(
      'HF_CONFLICT',
      `agent and parameters of ${sid} cannot change while it is ${service.state}: run 'holdfast disable ${sid}' first`,
    );
  }
  const merged = { ...service.parameters, ...changes.parameters };
  const kept = Object.entries(merged).filter(([name]) => !unset.includes(name));
  if (kept.length > limits.parameters) {
    return refuse('HF_ARGUMENT', `${sid} may have at most ${limits.parameters} parameters`);
  }
  const problem = problemOf(state, sid, changes);
  if (problem !== null) return problem;
  const changed: ServiceRecord = {
    ...service,
    ...changes,
    parameters: Object.fromEntries(kept),
    stopFailed: false,
    stopTimeoutS: null,
    // A new wish is a new chance.
    failedStarts: changes.requested === undefined ? service.failedStarts : 0,
    failedNodeIds: changes.requested === undefined ? service.failedNodeIds : [],
    // It is another thing now, which may run anywhere already: to be looked for before it is started.
    addedIndex: changesIdentity ? index : service.addedIndex,
  };
  const tooLarge = refuseTooLarge(state, bytesOfResource(service), bytesOfResource(changed));
  if (tooLarge !== null) return tooLarge;
  state.services[sid] = changed;
  return done;
}

export function removeResource(state: ClusterState, command: Command & { type: 'resource-remove' }): ApplyResult {
  const { sid, purge } = command;
  const service = state.services[sid];
  if (service === undefined) return noSuchResource(sid);
  const dependants = Object.values(state.services).filter(
    ({ requires, after }) => requires.includes(sid) || after.includes(sid),
  );
  const [first] = dependants;
  if (first !== undefined && !purge) {
    return refuse('HF_CONFLICT', `${first.sid} depends on ${sid}: change it first, or remove ${sid} with --purge`);
  }
  for (const dependant of dependants) {
    state.services[dependant.sid] = {
      ...dependant,
      requires: dependant.requires.filter((other) => other !== sid),
      after: dependant.after.filter((other) => other !== sid),
    };
  }
  if (purge) purgeFromRules(state, sid);
  state.services[sid] = { ...service, removing: true, stopFailed: false };
  return done;
}

/** A rule that is left without resources goes, too. */
function purgeFromRules(state: ClusterState, sid: string): void {
  for (const rule of Object.values(state.rules)) {
    if (!rule.resources.includes(sid)) continue;
    const resources = rule.resources.filter((other) => other !== sid);
    if (resources.length === 0) delete state.rules[rule.id];
    else state.rules[rule.id] = { ...rule, resources };
  }
}

export function stopResource(state: ClusterState, command: Command & { type: 'resource-stop' }): ApplyResult {
  const { sid, timeoutS } = command;
  const service = state.services[sid];
  if (service === undefined) return noSuchResource(sid);
  if (service.requested === 'ignored') {
    return refuse('HF_CONFLICT', `${sid} is ignored: 'holdfast set ${sid} --state started' has it looked after again`);
  }
  state.services[sid] = { ...service, requested: 'stopped', stopTimeoutS: timeoutS, stopFailed: false };
  return done;
}

export function orderMove(state: ClusterState, command: Command & { type: 'resource-move' }): ApplyResult {
  const { sid, kind, nodeId } = command;
  const service = state.services[sid];
  if (service === undefined) return noSuchResource(sid);
  if (state.nodes[nodeId] === undefined) return refuse('HF_NOT_FOUND', `node ${nodeId} was never seen`);
  if (service.removing) return refuse('HF_CONFLICT', `${sid} is being removed`);
  state.services[sid] = { ...service, order: { kind, nodeId } };
  return done;
}

export function dropOrder(state: ClusterState, command: Command & { type: 'service-order-dropped' }): ApplyResult {
  const service = state.services[command.sid];
  if (service === undefined) return noSuchResource(command.sid);
  if (service.uid !== command.expectUid) return refuse('HF_CONFLICT', `${command.sid} has changed meanwhile`);
  state.services[command.sid] = { ...service, order: null };
  return done;
}

export function forgetService(state: ClusterState, sid: string, expectUid: number): ApplyResult {
  const service = state.services[sid];
  if (service === undefined) return noSuchResource(sid);
  // What could not be stopped is given up: nobody looks after it, and nobody starts it elsewhere.
  const givenUp = service.state === 'error' && service.stopFailed;
  if (service.uid !== expectUid || !service.removing || (mayRun(service.state) && !givenUp)) {
    return refuse('HF_CONFLICT', `${sid} is not stopped`);
  }
  delete state.services[sid];
  return done;
}
