import type { ClusterState, Command, NodeRecord, ServiceMemo, ServiceRecord } from './cluster-state.js';
import type { CompiledRules } from './compiled-rules.js';
import { type Electorate, nodeName } from './electorate.js';
import type { ManagerMemory } from './manager-memory.js';
import type { Heartbeat, LoadReport, LrmResult } from './messages.js';
import { type PlacedService, PlacementContext, type PlacementNode } from './placement-context.js';
import { unwatchedIsGone } from './proof.js';
import { mayRun, type ServiceState } from './service-states.js';
import type { SilenceReport } from './takeover.js';
import type { ServiceLoad } from './usage.js';

/** What the manager knows when it decides, and what it has decided so far in this round. */

export interface ManagerInput {
  readonly state: ClusterState;
  readonly electorate: Electorate;
  readonly rules: CompiledRules;
  /** All services, in the order in which they are decided about. */
  readonly order: readonly string[];
  /** Newest heartbeat of each member of the view, sent in that view. */
  readonly members: ReadonlyMap<number, Heartbeat>;
  /** Members of the view that have not yet been heard in it: present, but nothing is known of them. */
  readonly unheard: ReadonlySet<number>;
  /** Per node outside the view: for how long each member has granted it nothing, as reported in this view. */
  readonly silences: ReadonlyMap<number, readonly SilenceReport[]>;
  /** What nodes carry, as last reported. */
  readonly loads: ReadonlyMap<number, LoadReport>;
  /** What services use, as last reported by whoever had them. */
  readonly serviceLoads: ReadonlyMap<string, ServiceLoad>;
  /** A node lost for longer than its lease lasts cannot come back to it, milliseconds. */
  readonly leaseMs: number;
  readonly nowMs: number;
  readonly memory: ManagerMemory;
}

export interface Round {
  readonly input: ManagerInput;
  readonly placement: PlacementContext;
  readonly commands: Command[];
  /** Some service is in `fence`. */
  readonly isFencing: boolean;
  /** Services that something was decided about in this round. */
  readonly decided: Set<string>;
  /** Found running by a node that nobody gave them to. */
  readonly strays: ReadonlyMap<string, number>;
  /** Every resource looked after since this log index or before was looked for on every member. */
  readonly probedThrough: number;
  /** Answers of members, by node and service. */
  readonly answers: ReadonlyMap<number, ReadonlyMap<string, LrmResult>>;
  /** By a required service: those that require it and may still run. */
  readonly dependants: ReadonlyMap<string, readonly string[]>;
}

export function newRound(input: ManagerInput): Round {
  return {
    input,
    placement: placementContext(input),
    commands: [],
    isFencing: Object.values(input.state.services).some(({ state }) => state === 'fence'),
    decided: new Set(),
    strays: straysOf(input),
    probedThrough: Math.min(...[...input.members.values()].map(({ lrm }) => lrm.probedThrough)),
    answers: new Map(
      [...input.members].map(([nodeId, { lrm }]) => [
        nodeId,
        new Map(lrm.results.map((result) => [result.sid, result])),
      ]),
    ),
    dependants: dependantsOf(input.state),
  };
}

/** A stray is only taken over on a node that is protected: until then it might run away with it. */
function straysOf({ members }: ManagerInput): Map<string, number> {
  const strays = new Map<string, number>();
  for (const [nodeId, { lrm }] of members) for (const sid of lrm.strays) if (!strays.has(sid)) strays.set(sid, nodeId);
  return strays;
}

function dependantsOf(state: ClusterState): Map<string, string[]> {
  const dependants = new Map<string, string[]>();
  for (const sid in state.services) {
    const service = state.services[sid];
    if (service === undefined || service.requires.length === 0 || !mayRun(service.state)) continue;
    if (service.state === 'error' || service.state === 'fence' || service.state === 'freeze') continue;
    for (const required of service.requires) dependants.set(required, [...(dependants.get(required) ?? []), sid]);
  }
  return dependants;
}

// ---- placement ----

export function placementContext(input: ManagerInput): PlacementContext {
  const services: PlacedService[] = [];
  for (const sid in input.state.services) {
    const service = input.state.services[sid];
    if (service === undefined || service.state === 'stopped' || service.state === 'ignored') continue;
    services.push(placed(service, input, input.serviceLoads.get(sid)));
  }
  return new PlacementContext({
    rules: input.rules,
    nodes: placementNodes(input),
    services,
    scheduling: input.state.options.scheduler,
  });
}

/** Is what is started placed anew, wherever it was? */
export function spreadsStarts({ options }: ClusterState): boolean {
  return options.rebalanceOnStart && options.scheduler !== 'basic';
}

const bytesPerMiB = 1024 * 1024;

function placed(service: ServiceRecord, input: ManagerInput, measured: ServiceLoad | undefined): PlacedService {
  const { sid, nodeId, state, running, cpus, memoryMiB } = service;
  const stated = cpus > 0 || memoryMiB > 0;
  const load: ServiceLoad | null =
    measured === undefined && !stated
      ? null
      : {
          maxCpus: cpus > 0 ? cpus : (measured?.maxCpus ?? 0),
          maxMemoryBytes: memoryMiB > 0 ? memoryMiB * bytesPerMiB : (measured?.maxMemoryBytes ?? 0),
          cpus: measured?.cpus ?? 0,
          memoryBytes: measured?.memoryBytes ?? 0,
        };
  const host = nodeId === null ? undefined : input.members.get(nodeId);
  return {
    sid,
    nodeId,
    occupies: mayRun(state),
    expectedNodeId: state === 'request_start' ? expectedNode(service, input) : null,
    targetNodeId: state === 'migrate' || state === 'relocate' ? service.targetId : null,
    // What moves or is being stopped has run before: its node's measured load includes it.
    running: running || (mayRun(state) && state !== 'started'),
    originNodeId: service.maintenanceNodeId,
    load,
    balanced: state === 'started' && running && service.autoRebalance && movesLive(service, host),
  };
}

/**
 * What is to be started where it was, or where alone it may be, counts there already: those started before it would take
 * its place. Null: it may come to several nodes.
 */
function expectedNode({ sid, nodeId }: ServiceRecord, { rules, state, members }: ManagerInput): number | null {
  if (nodeId === null || spreadsStarts(state)) return null;
  const allowed = rules.units.get(sid)?.choice?.classes.flat();
  if (allowed === undefined || allowed.includes(state.nodes[nodeId]?.name ?? '')) return nodeId;
  const present = [...members.keys()].filter((each) => allowed.includes(state.nodes[each]?.name ?? ''));
  return present.length === 1 ? (present[0] ?? null) : null;
}

function placementNodes(input: ManagerInput): PlacementNode[] {
  return Object.values(input.state.nodes).map((record) => {
    const report = input.loads.get(record.nodeId);
    return {
      nodeId: record.nodeId,
      name: record.name,
      unavailable: unavailability(record, input),
      load: report?.node ?? null,
      otherGuests: report?.otherGuests ?? 0,
    };
  });
}

/** Why a node cannot be given services now, to follow its name; null: it can. */
function unavailability(record: NodeRecord, { members, state }: ManagerInput): string | null {
  const heartbeat = members.get(record.nodeId);
  if (record.state === 'gone') return 'is not part of the cluster any more';
  if (heartbeat === undefined) return 'is out of reach';
  if (record.state !== 'online' || record.bootId !== heartbeat.bootId) return 'is not back yet';
  if (record.maintenance) return 'is under maintenance';
  if (heartbeat.lrm.leaving) return 'is shutting down';
  if (state.disarm?.phase === 'disarmed') return 'is disarmed';
  return heartbeat.lrm.canRun ? null : 'cannot run anything: its own status says why';
}

export function movesLive({ sid }: ServiceRecord, host: Heartbeat | undefined): boolean {
  return host?.lrm.migratesLive.includes(sid.slice(0, sid.indexOf(':'))) ?? false;
}

// ---- what is known of one service ----

export function nodeOf(round: Round, nodeId: number | null): NodeRecord | undefined {
  return nodeId === null ? undefined : round.input.state.nodes[nodeId];
}

export function nameOf({ input }: Round, nodeId: number | null): string {
  if (nodeId === null) return 'no node';
  return input.state.nodes[nodeId]?.name ?? nodeName(input.electorate, nodeId);
}

/** Heartbeat of the boot that the service was given to, if that is in the view. */
export function hostOf({ input }: Round, service: ServiceRecord): Heartbeat | undefined {
  const heartbeat = service.nodeId === null ? undefined : input.members.get(service.nodeId);
  return heartbeat?.bootId === service.bootId ? heartbeat : undefined;
}

/** The host's answer to the present request, if it has given one. */
export function answerOfHost(round: Round, service: ServiceRecord): LrmResult | undefined {
  return hostOf(round, service) === undefined ? undefined : answerOf(round, service, service.nodeId);
}

export function answerOfTarget(round: Round, service: ServiceRecord): LrmResult | undefined {
  const heartbeat = service.targetId === null ? undefined : round.input.members.get(service.targetId);
  return heartbeat?.bootId === service.targetBootId ? answerOf(round, service, service.targetId) : undefined;
}

function answerOf(round: Round, { sid, uid }: ServiceRecord, nodeId: number | null): LrmResult | undefined {
  const answer = nodeId === null ? undefined : round.answers.get(nodeId)?.get(sid);
  return answer?.uid === uid ? answer : undefined;
}

/** It was left unwatched on a node that cannot be asked now. */
export function mayRunOutOfReach({ nodeId, bootId }: ServiceRecord, { input }: Round): boolean {
  return nodeId !== null && !input.members.has(nodeId) && !unwatchedIsGone(input.state, nodeId, bootId);
}

/** Is it asked to run? */
export function isWanted(service: ServiceRecord): boolean {
  return service.requested === 'started' && !service.removing;
}

// ---- decisions ----

export function memoOf({ failedStarts, failedNodeIds, maintenanceNodeId, failedMoves }: ServiceRecord): ServiceMemo {
  return { failedStarts, failedNodeIds, maintenanceNodeId, failedMoves };
}

/** Characters; names of many nodes may be in it, and the log has a limit of its own. */
const reasonLimit = 2_048;

export function to(
  service: ServiceRecord,
  state: ServiceState,
  nodeId: number | null,
  reason: string,
  more: { readonly targetId?: number | null; readonly memo?: Partial<ServiceMemo> } = {},
): Command {
  return {
    type: 'service-state',
    sid: service.sid,
    expectUid: service.uid,
    state,
    nodeId,
    targetId: more.targetId ?? null,
    memo: { ...memoOf(service), ...more.memo },
    reason: reason.slice(0, reasonLimit),
  };
}

export function inOrder(state: ClusterState): string[] {
  return Object.keys(state.services).sort(compareSids);
}

/** Numbers by value, the rest by letter: `vm:101` before `vm:1000`. */
export function compareSids(a: string, b: string): number {
  const [typeA = '', nameA = ''] = a.split(':');
  const [typeB = '', nameB = ''] = b.split(':');
  const numbers = Number(nameA) - Number(nameB);
  if (typeA === typeB && Number.isFinite(numbers) && numbers !== 0) return numbers;
  return a < b ? -1 : a > b ? 1 : 0;
}
