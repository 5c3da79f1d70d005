import type { ClusterState, Command, RequestedState, ResourceSettings, ServiceRecord } from '../core/cluster-state.js';
import { settingDefaults } from '../core/setting-defaults.js';
import type { ServiceLoad } from '../ports/load-meter.js';
import { requestedState } from './scenario-commands.js';

/** What the peer's files say of services and nodes, as the state that every node of a cluster has stored. */

export interface PeerService {
  readonly sid: string;
  readonly node: string;
  readonly state: 'started' | 'stopped' | 'disabled' | 'ignored' | 'enabled' | 'request_stop';
  readonly max_restart: number;
  readonly max_relocate: number;
  readonly failback: boolean;
  readonly 'auto-rebalance': boolean;
  readonly group: string | null;
  readonly comment: string;
  readonly priority: number;
  readonly requires: readonly string[];
  readonly after: readonly string[];
  /** Null: it does not count. */
  readonly load: ServiceLoad | null;
}

interface PeerServiceStatus {
  readonly state: string;
  readonly node?: string | undefined;
  readonly failed_nodes?: readonly string[] | null | undefined;
  readonly maintenance_node?: string | null | undefined;
}

export interface PeerInput {
  readonly nodeIds: ReadonlyMap<string, number>;
  readonly services: readonly PeerService[];
  readonly status: Readonly<Record<string, PeerServiceStatus>>;
  readonly requests: Readonly<Record<string, { readonly maintenance?: unknown }>>;
  readonly note: (text: string) => void;
}

const bytesPerMiB = 1024 * 1024;
export const fenceBoundMs = 60_000;
/** The log begins after what the state adds up to. */
export const initialIndex = 1;

/** How long a round of the peer's simulator takes, seconds. */
export function roundOf(nodes: number): number {
  return Math.max(20, 2 * nodes);
}

/** All machines are off, and were when this was stored: nothing runs anywhere. */
export function initialState(state: ClusterState, input: PeerInput): void {
  for (const [name, nodeId] of input.nodeIds) {
    const bootId = earlierBoot(nodeId);
    state.nodes[nodeId] = {
      nodeId,
      name,
      bootId,
      fenceBoundMs,
      state: 'unknown',
      fencedBootIds: [bootId],
      maintenance: Number(input.requests[name]?.maintenance ?? 0) === 1,
      releasedBootId: null,
      unprotected: false,
    };
  }
  for (const service of input.services) {
    state.services[service.sid] = recordOf(service, input.status[service.sid], input);
  }
  state.configurationIndex = initialIndex;
}

function earlierBoot(nodeId: number): string {
  return `boot-${nodeId}-0`;
}

function recordOf(service: PeerService, status: PeerServiceStatus | undefined, input: PeerInput): ServiceRecord {
  const requested = requestedState(service.state === 'request_stop' ? 'stopped' : service.state);
  const inError = status?.state === 'error';
  const isLost = status?.state === 'fence' || status?.state === 'recovery';
  const nodeId = input.nodeIds.get((inError || isLost ? status.node : null) ?? service.node) ?? 0;
  const state = inError ? 'error' : isLost && requested === 'started' ? 'recovery' : initialStates[requested];
  if (status !== undefined && status.state !== state && !(status.state === 'started' && state === 'request_start')) {
    input.note(
      `manager_status: ${service.sid} was "${status.state}"; its machine has been off, so it begins as "${state}"`,
    );
  }
  const ids = (status?.failed_nodes ?? []).flatMap((name) => input.nodeIds.get(name) ?? []);
  return {
    ...settingsOf(service.sid, requested, service.load),
    comment: service.comment,
    maxRestart: service.max_restart,
    maxRelocate: service.max_relocate,
    failback: service.failback,
    autoRebalance: service['auto-rebalance'],
    group: service.group,
    priority: service.priority,
    requires: service.requires,
    after: service.after,
    failedStarts: ids.length,
    failedNodeIds: ids,
    maintenanceNodeId: input.nodeIds.get(status?.maintenance_node ?? '') ?? null,
    failedMoves: 0,
    sid: service.sid,
    state,
    nodeId,
    bootId: inError ? earlierBoot(nodeId) : null,
    targetId: null,
    targetBootId: null,
    uid: initialIndex,
    running: false,
    reason: 'as it was configured at the beginning',
    removing: false,
    stopFailed: false,
    stopTimeoutS: null,
    order: null,
    addedIndex: initialIndex,
  };
}

const initialStates = {
  started: 'request_start',
  stopped: 'stopped',
  disabled: 'stopped',
  ignored: 'ignored',
} as const;

function settingsOf(sid: string, requested: RequestedState, load: ServiceLoad | null): ResourceSettings {
  return {
    agent: sid.slice(0, sid.indexOf(':')),
    parameters: {},
    requested,
    ...settingDefaults,
    cpus: load?.maxCpus ?? 0,
    memoryMiB: load === null ? 0 : Math.round(load.maxMemoryBytes / bytesPerMiB),
  };
}

/** The command that adds a resource. @param load null: what it needs does not count */
export function additionOf(
  load: (sid: string) => ServiceLoad | null,
): (sid: string, nodeId: number, requested: RequestedState) => Command {
  return (sid, nodeId, requested) => ({
    type: 'resource-add',
    sid,
    nodeId,
    ...settingsOf(sid, requested, load(sid)),
  });
}
