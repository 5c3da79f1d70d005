import type { NodeRecord, ServiceRecord } from '../core/cluster-state.js';
import { compileRules, type Unit } from '../core/compiled-rules.js';
import { HoldfastError } from '../core/errors.js';
import { mayRun, type ServiceState } from '../core/service-states.js';
import type { Mutation } from './control.js';
import { nodeNamed, serviceNamed } from './known-names.js';
import { type ChangeContext, type PlannedChange, planned, ruleInput } from './planned-change.js';
import { typeOf } from './resource-changes.js';

/** Orders to move resources, and changes to nodes, checked before they are accepted, as commands. */

type Of<Type extends Mutation['type']> = Extract<Mutation, { readonly type: Type }>;

export function planMaintenance({ state }: ChangeContext, { node, enabled }: Of<'maintenance'>): PlannedChange {
  const { nodeId, name, maintenance } = nodeNamed(state, node);
  if (maintenance === enabled) {
    throw new HoldfastError(
      'HF_EXISTS',
      `${name} is ${enabled ? '' : 'not '}in maintenance already: nothing to change`,
    );
  }
  return planned(name, { type: 'node-maintenance', nodeId, enabled });
}

export function planConfirmOff({ state }: ChangeContext, { node }: Of<'confirm-off'>): PlannedChange {
  const record = nodeNamed(state, node);
  const { nodeId, name, bootId } = record;
  if (record.state === 'online') {
    throw new HoldfastError('HF_CONFLICT', `${name} is online, so its machine is not off: nothing to confirm`);
  }
  const leftUnwatched = Object.values(state.services).some(
    (service) => service.nodeId === nodeId && service.bootId === bootId && !mayRun(service.state),
  );
  if (record.fencedBootIds.includes(bootId) && !leftUnwatched) {
    throw new HoldfastError('HF_EXISTS', `${name} is proved to run nothing already: nothing to confirm`);
  }
  return planned(name, { type: 'node-fenced', nodeId, bootId, proof: 'operator' });
}

export function planMove(context: ChangeContext, { sid, kind, node }: Of<'move'>): PlannedChange {
  const service = serviceNamed(context.state, sid);
  const target = nodeNamed(context.state, node);
  if (context.state.disarm !== null) {
    const remedy = "arm it first with 'holdfast arm'";
    throw new HoldfastError(
      'HF_CONFLICT',
      `${service.sid} cannot be moved now, for the cluster is disarmed: ${remedy}`,
    );
  }
  refuseUnmovable(service);
  refuseTarget(context, service, target);
  const unit = compileRules(ruleInput(context.state, context.nodeNames)).units.get(service.sid);
  if (unit !== undefined) {
    refuseByRule(service, unit, target);
    refuseMates(context, service, unit, target);
  }
  const others = (unit?.sids ?? []).filter((other) => other !== service.sid && !isOn(context, other, target));
  return {
    command: { type: 'resource-move', sid: service.sid, kind, nodeId: target.nodeId },
    subject: service.sid,
    warnings: [...liveWarnings(context, service, kind), ...returnWarnings(context, unit, target)],
    comigrated: others,
  };
}

/** Why nothing in this state can be moved, and what to do instead; null: it can be. */
const unmovable: Readonly<Partial<Record<ServiceState, string>>> = {
  fence: 'its node is lost: it is started elsewhere as soon as that is safe',
  recovery: 'it waits for a node: it is started as soon as there is one, and can be moved then',
  freeze: 'it waits for its node to come back: move it then',
  error: 'it is in error: mend it, then disable and enable it',
  ignored: 'it is ignored, so it is moved by hand, or looked after again with --state started',
};

function refuseUnmovable(service: ServiceRecord): void {
  const { sid, removing, state, requested } = service;
  if (removing) throw new HoldfastError('HF_CONFLICT', `${sid} is being removed, and cannot be moved`);
  const why = unmovable[requested === 'ignored' ? 'ignored' : state];
  if (why !== undefined) throw new HoldfastError('HF_CONFLICT', `${sid} cannot be moved now, for ${why}`);
}

function refuseTarget({ lrmOf }: ChangeContext, service: ServiceRecord, target: NodeRecord): void {
  const { sid, nodeId, targetId } = service;
  const { name } = target;
  const refuse = (why: string) => new HoldfastError('HF_CONFLICT', `${sid} cannot be moved to ${name}: ${why}`);
  if ((targetId ?? nodeId) === target.nodeId) {
    const where = targetId === null ? 'is on' : 'is on its way to';
    throw new HoldfastError('HF_EXISTS', `${sid} ${where} ${name} already: nothing to move`);
  }
  if (target.state !== 'online' || target.fencedBootIds.includes(target.bootId)) {
    throw refuse('it is not online: choose another node, or wait until it is back');
  }
  if (target.maintenance) {
    throw refuse(`it is in maintenance: choose another node, or end that with 'holdfast maintenance disable ${name}'`);
  }
  const lrm = lrmOf(target.nodeId);
  if (lrm !== null && lrm.mode !== 'active') throw refuse('it is about to go down: choose another node');
  if (lrm !== null && !lrm.canRun) throw refuse("it may not run services: 'holdfast status' there says why");
}

/** A rule that is strict forbids it. */
function refuseByRule({ sid }: ServiceRecord, { choice }: Unit, { name }: NodeRecord): void {
  if (choice === null || !choice.strict || choice.classes.some((names) => names.includes(name))) return;
  const allowed = choice.classes.flat().join(', ');
  throw new HoldfastError(
    'HF_CONFLICT',
    `${sid} cannot be moved to ${name}: rule ${choice.ruleId} allows only ${allowed}: change the rule first`,
  );
}

/** What is to be kept apart from it is on the target, or on its way there. */
function refuseMates({ state }: ChangeContext, service: ServiceRecord, unit: Unit, target: NodeRecord): void {
  for (const { ruleId, sids } of unit.separations) {
    const mate = sids
      .filter((sid) => !unit.sids.includes(sid))
      .map((sid) => state.services[sid])
      .find((other) => other !== undefined && occupies(other, target.nodeId));
    if (mate === undefined) continue;
    const where = mate.nodeId === target.nodeId ? 'is there' : 'is on its way there';
    throw new HoldfastError(
      'HF_CONFLICT',
      `${service.sid} cannot be moved to ${target.name}: ${mate.sid} ${where}, and rule ${ruleId} keeps them apart: move ${mate.sid} first`,
    );
  }
}

function occupies({ state, nodeId, targetId, order }: ServiceRecord, node: number): boolean {
  return (mayRun(state) && nodeId === node) || targetId === node || order?.nodeId === node;
}

function isOn({ state }: ChangeContext, sid: string, { nodeId }: NodeRecord): boolean {
  const service = state.services[sid];
  return service?.nodeId === nodeId && service.targetId === null;
}

function liveWarnings({ lrmOf }: ChangeContext, service: ServiceRecord, kind: string): string[] {
  if (kind !== 'migrate' || service.nodeId === null || !mayRun(service.state)) return [];
  const live = lrmOf(service.nodeId)?.migratesLive.includes(typeOf(service.sid)) ?? true;
  return live
    ? []
    : [`${service.sid} is stopped and started, for resources of its type cannot be moved while they run`];
}

/** A class without a node that is there attracts nothing. */
function returnWarnings({ state }: ChangeContext, unit: Unit | undefined, { name }: NodeRecord): string[] {
  const choice = unit?.choice ?? null;
  const online = new Set(Object.values(state.nodes).flatMap((node) => (node.state === 'online' ? node.name : [])));
  const classes = choice?.classes.map((names) => names.filter((each) => online.has(each))) ?? [];
  const best = classes.find((names) => names.length > 0) ?? [];
  if (choice === null || unit?.failback !== true || best.length === 0 || best.includes(name)) return [];
  return [`rule ${choice.ruleId} prefers ${best.join(', ')}: it goes back there by itself`];
}
