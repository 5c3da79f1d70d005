import { isDeepStrictEqual } from 'node:util';
import type { ClusterState, ServiceRecord } from '../core/cluster-state.js';
import { breachAt, isAt, type RulesInForce, rulesInForce } from './rule-invariants.js';
import type { World } from './world.js';

/**
 * What must come to be once everything works: all nodes in one view, every service that can run running where it
 * should, once, and nothing in between. An oracle of its own, from the committed state and the truth.
 */
export interface Excuses {
  /** They have said what was not so, so what Holdfast thinks of them need not be true. */
  readonly liars: ReadonlySet<string>;
  /** They were put somewhere by hand where nobody could see it, and run there beside the place that they were given. */
  readonly unseen: ReadonlySet<string>;
}

/** What is not as it should be, a sentence each; empty: all is well. */
export function unsettled(world: World, { liars, unseen }: Excuses): string[] {
  const { state } = world;
  const rules = rulesInForce(state);
  const ofServices = Object.values(state.services)
    .filter(({ sid }) => !liars.has(sid) && !unseen.has(sid))
    .flatMap((service) => ofService(world, rules, service));
  return [
    ...ofNodes(world),
    ...ofServices,
    ...scattered(world.state, rules, (sid) => liars.has(sid) || unseen.has(sid)),
  ];
}

/** What a rule keeps together runs on one node, unless a move of it has failed and is tried again later. */
function scattered(state: ClusterState, { together }: RulesInForce, isExcused: (sid: string) => boolean): string[] {
  return together.flatMap(({ id, resources }) => {
    if (resources.some((sid) => isExcused(sid) || movesForbidden(sid))) return [];
    const running = resources.flatMap((sid) => (state.services[sid]?.state === 'started' ? state.services[sid] : []));
    const places = new Set(running.map(({ nodeId }) => nodeId));
    if (places.size <= 1 || running.some(({ failedMoves }) => failedMoves > 0)) return [];
    return [`rule ${id} keeps ${resources.join(' ')} together, which run on nodes ${[...places].join(', ')}`];
  });
}

function ofNodes(world: World): string[] {
  const problems: string[] = [];
  const epochs = new Set(world.nodes.map(({ agent }) => agent?.node.cluster?.views.view?.epoch ?? 0));
  if (epochs.size > 1 || epochs.has(0)) problems.push('not all nodes are in one view');
  if (world.state.disarm !== null) problems.push(`the cluster is ${world.state.disarm.phase}`);
  for (const { name, nodeId, bootId, agent } of world.nodes) {
    const record = world.state.nodes[nodeId];
    if (record?.state !== 'online' || record.bootId !== bootId)
      problems.push(`${name} is ${record?.state ?? 'unknown'}`);
    else if (record.unprotected) problems.push(`${name} still counts as unprotected`);
    else if (record.maintenance) problems.push(`${name} is under maintenance`);
    if (agent?.node.log.record.valid !== true) problems.push(`the store of ${name} does not count`);
    else if (agent.node.log.record.commitIndex < world.invariants.committedIndex) problems.push(`${name} lags behind`);
  }
  return problems;
}

/** Every node has the state that the true log adds up to. */
export function differing(world: World): string[] {
  return world.nodes.flatMap(({ name, agent }) => {
    const same = agent !== null && isDeepStrictEqual(agent.node.log.committed, world.state);
    return same ? [] : [`${name} has another state than the log adds up to`];
  });
}

function ofService(world: World, rules: RulesInForce, service: ServiceRecord): string[] {
  const { sid, state, nodeId } = service;
  const places = world.where(sid).map((node) => node.nodeId);
  if (state === 'ignored') return service.requested === 'ignored' ? [] : [`${sid} is ignored without a reason`];
  if (state === 'error') return isExcused(service) ? [] : [`${sid} is in error: ${service.reason}`];
  if (service.removing) return [`${sid} is still being removed (${state})`];
  if (state === 'stopped') {
    if (places.length > 0) return [`${sid} is stopped, but runs`];
    return shouldRun(world.state, service) ? [`${sid} is stopped, but should run`] : [];
  }
  if (state === 'request_start' || state === 'recovery') {
    if (service.requested !== 'started')
      return [`${sid} waits to be started, though ${service.requested} is requested`];
    if (!shouldRun(world.state, service)) return [];
    const free = freeNode(world.state, rules, service);
    return free === null ? [] : [`${sid} waits (${state}), but could run on ${free}`];
  }
  if (state !== 'started') return [`${sid} is still ${state}: ${service.reason}`];
  if (!shouldRun(world.state, service)) return [`${sid} is started, but should not run`];
  if (!service.running || places.length !== 1 || places[0] !== nodeId) {
    return [`${sid} is started on node ${nodeId}, but runs on ${places.join(', ') || 'none'}`];
  }
  return misplaced(world.state, rules, service);
}

/** It is made to fail for good: it does not exist, cannot be stopped, or runs on one node only. */
function isExcused({ sid }: ServiceRecord): boolean {
  if (!sid.startsWith('fa:')) return false;
  const [, , , unstoppable, missing, only] = sid.slice(3);
  return unstoppable === '1' || missing === '1' || only !== '0' || sid.charAt(4) > '0';
}

function shouldRun(state: ClusterState, service: ServiceRecord): boolean {
  if (service.requested !== 'started' || service.removing) return false;
  return service.requires.every((sid) => {
    const other = state.services[sid];
    return other !== undefined && other.state !== 'error' && shouldRun(state, other);
  });
}

/** A node that could take it as things stand; null: none, or that is not for this oracle to say. */
function freeNode(state: ClusterState, rules: RulesInForce, service: ServiceRecord): string | null {
  const waits = [...service.requires, ...service.after].some((sid) => {
    const other = state.services[sid];
    return other !== undefined && other.state !== 'started' && shouldRun(state, other);
  });
  if (waits || isTogether(rules, service.sid)) return null;
  return Object.values(state.nodes).find(({ nodeId }) => couldTake(state, rules, service.sid, nodeId))?.name ?? null;
}

function couldTake(state: ClusterState, rules: RulesInForce, sid: string, nodeId: number): boolean {
  return breachAt(state, rules, sid, nodeId) === null && !isMateOfOther(state, rules, sid, nodeId);
}

/** Whoever is there belongs together with one that it is kept apart from, and so stands for that one. */
function isMateOfOther(state: ClusterState, { apart, together }: RulesInForce, sid: string, nodeId: number): boolean {
  const others = new Set(apart.flatMap(({ resources }) => (resources.includes(sid) ? resources : [])));
  others.delete(sid);
  const mates = together.flatMap(({ resources }) => (resources.some((mate) => others.has(mate)) ? resources : []));
  return mates.some((mate) => isAt(state.services[mate], nodeId));
}

function isTogether({ together }: RulesInForce, sid: string): boolean {
  return together.some(({ resources }) => resources.includes(sid));
}

/** Where it breaks a strict rule, or outside the best class of its nodes, though a better one is free. */
function misplaced(state: ClusterState, rules: RulesInForce, service: ServiceRecord): string[] {
  const { sid, nodeId } = service;
  // A move that has failed again and again is tried again much later.
  if (nodeId === null || service.failedMoves > 0 || isTogether(rules, sid) || movesForbidden(sid)) return [];
  const breach = breachAt(without(state, sid), rules, sid, nodeId) ?? belowBest(state, rules, service);
  if (breach === null) return [];
  const free = Object.values(state.nodes).find(
    (node) => node.nodeId !== nodeId && couldTake(without(state, sid), rules, sid, node.nodeId),
  );
  return free === undefined ? [] : [`${breach}, though ${free.name} could take it`];
}

/** A sentence if a node of a better class could take it; null: none could, or it is not to fail back. */
function belowBest(
  state: ClusterState,
  rules: RulesInForce,
  { sid, nodeId, failback, failedNodeIds }: ServiceRecord,
): string | null {
  const classes = rules.nodeRules.filter(
    ({ affinity, resources }) => affinity === 'positive' && resources.includes(sid),
  );
  const [rule] = classes;
  // Of several rules, and of a group that forbids it, the manager has the last word.
  if (rule === undefined || classes.length > 1 || !failback || rule.id.startsWith('ha-group-')) return null;
  const priorityOf = (name: string): number => rule.nodes.find((node) => node.name === name)?.priority ?? -1;
  const now = priorityOf(state.nodes[nodeId ?? 0]?.name ?? '');
  const better = Object.values(state.nodes).find(
    (node) =>
      priorityOf(node.name) > now &&
      !failedNodeIds.includes(node.nodeId) &&
      couldTake(without(state, sid), rules, sid, node.nodeId),
  );
  return better === undefined ? null : `${sid} runs in class ${now}, below that of ${better.name}`;
}

function without(state: ClusterState, sid: string): ClusterState {
  const { [sid]: _, ...services } = state.services;
  return { ...state, services };
}

function movesForbidden(sid: string): boolean {
  return sid.startsWith('fa:');
}
