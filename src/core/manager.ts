import type { ClusterState, Command, NodeRecord, ServiceRecord } from './cluster-state.js';
import { isFenced } from './cluster-state.js';
import { type Electorate, nodeName } from './electorate.js';
import type { Heartbeat, LrmResult } from './messages.js';
import { type Candidate, place } from './placement.js';
import { needsFencing } from './service-states.js';
import { mayDeclareFenced, type SilenceReport } from './takeover.js';

/**
 * The manager: what the leader decides from the committed state and from what the members of its view report.
 * Pure; it is called again and again, and each call returns the next steps as commands for the log.
 */
export interface ManagerInput {
  readonly state: ClusterState;
  readonly electorate: Electorate;
  /** Newest heartbeat of each member of the view, sent in that view. */
  readonly members: ReadonlyMap<number, Heartbeat>;
  /** Members of the view that have not yet been heard in it: present, but nothing is known of them. */
  readonly unheard: ReadonlySet<number>;
  /** Per node outside the view: for how long each member has granted it nothing, as reported in this view. */
  readonly silences: ReadonlyMap<number, readonly SilenceReport[]>;
  /** A node lost for longer than its lease lasts cannot come back to it, milliseconds. */
  readonly leaseMs: number;
}

/** At most so many commands a round, so that a round fits into one message. */
const commandsPerRound = 128;

export function decide(input: ManagerInput): Command[] {
  const nodes = [...presentNodes(input), ...absentNodes(input)];
  // Services are judged by the committed states of nodes: those first.
  if (nodes.length > 0) return nodes.slice(0, commandsPerRound);
  const commands: Command[] = [];
  // Placement must see what was placed in the same round.
  const planned: ClusterState = { nodes: input.state.nodes, services: { ...input.state.services } };
  const candidates = candidateNodes(input);
  for (const sid of Object.keys(input.state.services).sort()) {
    const service = input.state.services[sid];
    const command = service && nextStep(service, { ...input, state: planned }, candidates);
    if (!command) continue;
    commands.push(command);
    if (command.type === 'service-state' && service !== undefined) {
      planned.services[sid] = { ...service, state: command.state, nodeId: command.nodeId };
    }
    if (commands.length === commandsPerRound) break;
  }
  return commands;
}

function presentNodes({ state, electorate, members }: ManagerInput): Command[] {
  return [...members].flatMap(([nodeId, { bootId, fenceBoundMs }]): Command[] => {
    const known = state.nodes[nodeId];
    const up: Command = { type: 'node-up', nodeId, name: nodeName(electorate, nodeId), bootId, fenceBoundMs };
    if (known === undefined) return [up];
    if (isFenced(state, nodeId, bootId)) return [];
    if (known.bootId !== bootId) {
      const proof: Command = { type: 'node-fenced', nodeId, bootId: known.bootId, proof: 'reboot' };
      return isFenced(state, nodeId, known.bootId) ? [up] : [proof, up];
    }
    return known.state === 'online' && known.fenceBoundMs === fenceBoundMs ? [] : [up];
  });
}

function absentNodes(input: ManagerInput): Command[] {
  return Object.values(input.state.nodes)
    .filter((node) => !input.members.has(node.nodeId) && !input.unheard.has(node.nodeId))
    .flatMap((node): Command[] => {
      const next = absentNode(node, input);
      return next === null ? [] : [next];
    });
}

function absentNode(node: NodeRecord, input: ManagerInput): Command | null {
  const { nodeId, bootId } = node;
  if (node.fencedBootIds.includes(bootId)) return null;
  if (node.state === 'online') return { type: 'node-state', nodeId, state: 'unknown' };
  const holds = Object.values(input.state.services).some((s) => s.nodeId === nodeId && needsFencing(s.state));
  if (!holds) return null;
  const reports = input.silences.get(nodeId) ?? [];
  if (mayDeclareFenced(input.electorate, reports, node.fenceBoundMs)) {
    return { type: 'node-fenced', nodeId, bootId, proof: 'takeover' };
  }
  const hopeless = reports.length > 0 && reports.every((report) => report.silenceMs >= input.leaseMs);
  return hopeless && node.state === 'unknown' ? { type: 'node-state', nodeId, state: 'fence' } : null;
}

function candidateNodes({ state, electorate, members }: ManagerInput): Candidate[] {
  return [...members].flatMap(([nodeId, heartbeat]) => {
    const record = state.nodes[nodeId];
    const online = record?.state === 'online' && record.bootId === heartbeat.bootId;
    if (!online || !heartbeat.lrm.canRun) return [];
    return [{ nodeId, name: nodeName(electorate, nodeId), strays: heartbeat.lrm.strays }];
  });
}

/** What happens next to one service; null: nothing now. The other half of the table in service-states.ts. */
function nextStep(service: ServiceRecord, input: ManagerInput, candidates: readonly Candidate[]): Command | null {
  const wanted = service.requested === 'started' && !service.removing;
  switch (service.state) {
    case 'request_start':
      if (wanted) return start(service, input, candidates);
      return service.removing ? forget(service) : to(service, 'stopped', service.nodeId, 'no longer requested');
    case 'started':
      return whileStarted(service, wanted, input);
    case 'request_stop':
      return whileStopping(service, input);
    case 'stopped':
      if (service.removing) return forget(service);
      return wanted ? to(service, 'request_start', service.nodeId, 'requested') : null;
    case 'fence':
      return whileFencing(service, wanted, input);
    case 'recovery':
      if (wanted) return start(service, input, candidates);
      return to(service, 'stopped', service.nodeId, 'its node was fenced, and it is not requested');
    case 'error':
      return whileInError(service, input);
  }
}

function to(service: ServiceRecord, state: ServiceRecord['state'], nodeId: number | null, reason: string): Command {
  return { type: 'service-state', sid: service.sid, expectUid: service.uid, state, nodeId, reason };
}

function forget(service: ServiceRecord): Command {
  return { type: 'service-forget', sid: service.sid, expectUid: service.uid };
}

function start(service: ServiceRecord, input: ManagerInput, candidates: readonly Candidate[]): Command | null {
  // Whether it runs somewhere already has to be known of every node that is there, or it could run twice.
  const probed = [...input.members.values()].every((heartbeat) => heartbeat.lrm.probedThrough >= service.addedIndex);
  if (!probed || input.unheard.size > 0) return null;
  const placement = place(input.state, service, candidates);
  return placement === null ? null : to(service, 'started', placement.nodeId, placement.reason);
}

/** The node's answer to the present request, if it has given one. */
function answer(service: ServiceRecord, input: ManagerInput): LrmResult | undefined {
  const heartbeat = service.nodeId === null ? undefined : input.members.get(service.nodeId);
  if (heartbeat === undefined || heartbeat.bootId !== service.bootId) return undefined;
  return heartbeat.lrm.results.find((result) => result.sid === service.sid && result.uid === service.uid);
}

/** Its node was lost to services after this one was placed there: it would never start it. */
function refuses(service: ServiceRecord, input: ManagerInput): boolean {
  const heartbeat = service.nodeId === null ? undefined : input.members.get(service.nodeId);
  return heartbeat !== undefined && heartbeat.bootId === service.bootId && !heartbeat.lrm.canRun;
}

function node(service: ServiceRecord, input: ManagerInput): NodeRecord | undefined {
  return service.nodeId === null ? undefined : input.state.nodes[service.nodeId];
}

function whileStarted(service: ServiceRecord, wanted: boolean, input: ManagerInput): Command | null {
  if (node(service, input)?.state === 'fence') return to(service, 'fence', service.nodeId, 'its node is lost');
  const result = answer(service, input);
  if (result?.outcome === 'error') return to(service, 'error', service.nodeId, result.detail);
  if (!wanted) {
    return to(
      service,
      'request_stop',
      service.nodeId,
      service.removing ? 'being removed' : `${service.requested} is requested`,
    );
  }
  if (!service.running && result === undefined && refuses(service, input)) {
    return to(service, 'request_stop', service.nodeId, 'its node cannot run it: to be started elsewhere');
  }
  const news = result?.outcome === 'running' && !service.running;
  return news ? { type: 'service-running', sid: service.sid, uid: service.uid } : null;
}

function whileStopping(service: ServiceRecord, input: ManagerInput): Command | null {
  if (node(service, input)?.state === 'fence') return to(service, 'fence', service.nodeId, 'its node is lost');
  const result = answer(service, input);
  if (result?.outcome === 'stopped') return to(service, 'stopped', service.nodeId, 'stopped as requested');
  return result?.outcome === 'error' ? to(service, 'error', service.nodeId, result.detail) : null;
}

function whileFencing(service: ServiceRecord, wanted: boolean, input: ManagerInput): Command | null {
  const record = node(service, input);
  if (record === undefined || service.bootId === null) return null;
  if (record.fencedBootIds.includes(service.bootId)) {
    return to(service, 'recovery', service.nodeId, `${record.name} was fenced`);
  }
  if (record.state !== 'online' || record.bootId !== service.bootId) return null;
  return to(service, wanted ? 'started' : 'request_stop', service.nodeId, `${record.name} came back in time`);
}

function whileInError(service: ServiceRecord, input: ManagerInput): Command | null {
  const asked = (service.requested === 'disabled' || service.removing) && !service.stopFailed;
  if (!asked || node(service, input)?.state !== 'online') return null;
  return to(service, 'request_stop', service.nodeId, 'error is being cleared: stopping what may still run');
}
