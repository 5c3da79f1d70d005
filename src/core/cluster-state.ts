import {
  fenceNode,
  forgetNode,
  protectNode,
  raiseNode,
  releaseNode,
  setMaintenance,
  setNodeState,
} from './apply-node.js';
import { arm, disarm, finishDisarm, removeGroup, removeRule, setGroup, setOptions, setRule } from './apply-policy.js';
import {
  addResource,
  dropOrder,
  forgetService,
  orderMove,
  removeResource,
  setResource,
  stopResource,
} from './apply-resource.js';
import { type ApplyResult, done } from './apply-result.js';
import { markRunning, moveService, noteFound } from './apply-service.js';
import { type ClusterOptions, defaultOptions } from './cluster-options.js';
import type { Electorate } from './electorate.js';
import type { Group, Rule } from './rules.js';
import type { ServiceState } from './service-states.js';

export type { ApplyResult } from './apply-result.js';

/** What the log's commands add up to: the configuration and the manager's decisions. Plain data, JSON-safe. */
export interface ClusterState {
  /** By node id, decimal. */
  readonly nodes: Record<string, NodeRecord>;
  readonly services: Record<string, ServiceRecord>;
  /** Who votes; absent in a log that no leader of this version has led yet. */
  electorate?: Electorate;
  readonly groups: Record<string, Group>;
  readonly rules: Record<string, Rule>;
  options: ClusterOptions;
  /** Not null from the operator's disarm to the arm. */
  disarm: Disarm | null;
  /** Log index of the last arm after a disarm; who does not know it is not armed again. */
  armedIndex: number;
  /** Log index of the last change of what placement rests on: rules, groups, options, settings. */
  configurationIndex: number;
}

export interface Disarm {
  /** `freeze`: services are left as they are; `ignore`: and may be moved by hand meanwhile. */
  readonly mode: 'freeze' | 'ignore';
  /** `disarmed`: every service was let go, and watchdogs may be released over what runs. */
  readonly phase: 'disarming' | 'disarmed';
  readonly index: number;
}

/** `gone`: not in corosync's node list any more. */
export type NodeState = 'online' | 'unknown' | 'fence' | 'gone';

export interface NodeRecord {
  readonly nodeId: number;
  readonly name: string;
  /** The kernel's boot in which services may be assigned to it. */
  readonly bootId: string;
  /** The bound by which it resets itself; survivors wait for this one, not for their own. */
  readonly fenceBoundMs: number;
  readonly state: NodeState;
  /** Boots declared fenced, newest last, at most `fencedBootsKept`. */
  readonly fencedBootIds: readonly string[];
  /** The operator wants it empty; stays so over reboots. */
  readonly maintenance: boolean;
  /** This boot said that nothing runs in it and that it starts nothing more; null again as soon as it is online. */
  readonly releasedBootId: string | null;
  /** This boot may run services without a watchdog over them, for it was disarmed: no waiting proves it dead. */
  readonly unprotected: boolean;
}

export type RequestedState = 'started' | 'stopped' | 'disabled' | 'ignored';

export interface ResourceSettings {
  /** Empty for types that need none. */
  readonly agent: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly requested: RequestedState;
  readonly comment: string;
  /** Further attempts of a node to start it before it counts as failed there. */
  readonly maxRestart: number;
  /** Further nodes to try when a node has failed to start it. */
  readonly maxRelocate: number;
  /** Goes back to a node that its rules prefer as soon as it can. */
  readonly failback: boolean;
  /** May be moved by automatic balancing. */
  readonly autoRebalance: boolean;
  readonly group: string | null;
  /** Recovered and started before those of lower priority; -1000 to 1000. */
  readonly priority: number;
  /** Started only while all of these run, stopped when one of them is not to run any more. */
  readonly requires: readonly string[];
  /** Started after these, if they are being started. */
  readonly after: readonly string[];
  /** What it needs at most; 0: not stated. */
  readonly cpus: number;
  readonly memoryMiB: number;
}

/** What a run of bad luck leaves behind; forgotten when the service runs. */
export interface ServiceMemo {
  /** Starts that failed since it last ran, each on a node and with all its retries. */
  readonly failedStarts: number;
  /** On which nodes, in order; kept when it runs elsewhere, so that it does not fall back to one that failed. */
  readonly failedNodeIds: readonly number[];
  /** Where it ran before it was moved away for maintenance. */
  readonly maintenanceNodeId: number | null;
  /** Moves that failed one after the other: the next one waits longer. */
  readonly failedMoves: number;
}

export interface Order {
  readonly kind: 'migrate' | 'relocate';
  readonly nodeId: number;
}

export interface ServiceRecord extends ResourceSettings, ServiceMemo {
  readonly sid: string;
  readonly state: ServiceState;
  /** Node that runs it, may run it, or ran it last. Not null in a state that may run. */
  readonly nodeId: number | null;
  /**
   * Boot of that node in which it was assigned; a fenced boot runs nothing. Where the state runs nowhere, not null says
   * that this boot may still run it unwatched, since it was ignored.
   */
  readonly bootId: string | null;
  /** Where it is being moved to. With `migrate`, and `fence` that came of it, it may run there too. */
  readonly targetId: number | null;
  readonly targetBootId: string | null;
  /** Log index of the last change of state: one request to a node, answered once. */
  readonly uid: number;
  /** The node has reported it running since `uid`. */
  readonly running: boolean;
  /** Why it is in this state, one sentence. */
  readonly reason: string;
  /** Being removed: stopped, then forgotten. */
  readonly removing: boolean;
  /** Its stop has failed since the operator last asked for anything: it is not tried again by itself. */
  readonly stopFailed: boolean;
  /** Seconds that its next stop may take; null: as its agent says. */
  readonly stopTimeoutS: number | null;
  /** A move that the operator has asked for and that has not begun. */
  readonly order: Order | null;
  /** Log index since which it is looked after; nodes probe for it before it is first started. */
  readonly addedIndex: number;
}

export type Command =
  | ({
      readonly type: 'resource-add';
      readonly sid: string;
      /** Where to start it if rules allow; null: anywhere. */
      readonly nodeId: number | null;
    } & ResourceSettings)
  | {
      readonly type: 'resource-set';
      readonly sid: string;
      readonly changes: Partial<ResourceSettings>;
      /** Parameters to remove. */
      readonly unset: readonly string[];
    }
  /** The leader's: corosync's configuration has changed, or a change of the electorate is completed. */
  | { readonly type: 'electorate'; readonly electorate: Electorate }
  /** `purge`: out of rules and of others' `requires` and `after` too. */
  | { readonly type: 'resource-remove'; readonly sid: string; readonly purge: boolean }
  /** Requests `stopped`; the stop may take that long; 0: at once, by force. */
  | { readonly type: 'resource-stop'; readonly sid: string; readonly timeoutS: number | null }
  | { readonly type: 'resource-move'; readonly sid: string; readonly kind: Order['kind']; readonly nodeId: number }
  | { readonly type: 'group-set'; readonly group: Group; readonly mode: 'add' | 'set' }
  | { readonly type: 'group-remove'; readonly name: string }
  | { readonly type: 'rule-set'; readonly rule: Rule; readonly mode: 'add' | 'set' }
  | { readonly type: 'rule-remove'; readonly id: string }
  | { readonly type: 'options-set'; readonly changes: Partial<ClusterOptions> }
  | { readonly type: 'node-maintenance'; readonly nodeId: number; readonly enabled: boolean }
  | { readonly type: 'disarm'; readonly mode: Disarm['mode'] }
  | { readonly type: 'arm' }
  /** The manager's: every service was let go. */
  | { readonly type: 'disarmed'; readonly expectIndex: number }
  | {
      readonly type: 'node-up';
      readonly nodeId: number;
      readonly name: string;
      readonly bootId: string;
      readonly fenceBoundMs: number;
    }
  | { readonly type: 'node-state'; readonly nodeId: number; readonly state: 'unknown' | 'fence' | 'gone' }
  | {
      readonly type: 'node-fenced';
      readonly nodeId: number;
      readonly bootId: string;
      /**
       * `takeover`: the wait of design §2.4; `reboot`: it came back with another boot id; `operator`: somebody has
       * seen that it is off.
       */
      readonly proof: 'takeover' | 'reboot' | 'operator';
    }
  /** It runs nothing and starts nothing more in this boot, by its own word in this view. */
  | { readonly type: 'node-released'; readonly nodeId: number; readonly bootId: string }
  /** Its watchdog is armed again after a disarm. */
  | { readonly type: 'node-protected'; readonly nodeId: number; readonly bootId: string }
  | { readonly type: 'node-forget'; readonly nodeId: number }
  | {
      readonly type: 'service-state';
      readonly sid: string;
      readonly expectUid: number;
      readonly state: ServiceState;
      readonly nodeId: number | null;
      readonly targetId: number | null;
      readonly memo: ServiceMemo;
      readonly reason: string;
    }
  /** The operator's order is dropped, for the reason given. */
  | {
      readonly type: 'service-order-dropped';
      readonly sid: string;
      readonly expectUid: number;
      readonly reason: string;
    }
  /** Found running by a node that nobody gave it to, and that has no watchdog over it: nobody starts it elsewhere. */
  | { readonly type: 'service-found'; readonly sid: string; readonly expectUid: number; readonly nodeId: number }
  | { readonly type: 'service-running'; readonly sid: string; readonly uid: number }
  | { readonly type: 'service-forget'; readonly sid: string; readonly expectUid: number };

/** Limits that keep the state, and so every message and file, bounded. */
export const limits = {
  services: 20_000,
  groups: 1_000,
  rules: 2_000,
  /** Resources or nodes of one rule, nodes of a group. */
  members: 1_000,
  /** Of `requires` and of `after`. */
  dependencies: 32,
  parameters: 64,
  fencedBootsKept: 8,
  /** Of a service; more than any `maxRelocate` that makes sense. */
  failedNodesKept: 128,
  /** Of all parameters, comments, dependencies, rules and groups: a node that knows nothing gets them in one message, which corosync's queue must take. */
  settingsBytes: 4 * 1024 * 1024,
} as const;

export function emptyState(): ClusterState {
  return {
    nodes: {},
    services: {},
    groups: {},
    rules: {},
    options: defaultOptions,
    disarm: null,
    armedIndex: 0,
    configurationIndex: 0,
  };
}

/**
 * Applies one command, in place. Deterministic: the same commands give the same state on every node, refused
 * ones included. A refused command changes nothing.
 */
export function apply(state: ClusterState, command: Command, index: number): ApplyResult {
  const result = applyOne(state, command, index);
  if (result.ok && changesConfiguration.has(command.type)) state.configurationIndex = index;
  return result;
}

const changesConfiguration: ReadonlySet<Command['type']> = new Set<Command['type']>([
  'resource-add',
  'resource-set',
  'resource-remove',
  'service-forget',
  'group-set',
  'group-remove',
  'rule-set',
  'rule-remove',
  'options-set',
]);

function applyOne(state: ClusterState, command: Command, index: number): ApplyResult {
  switch (command.type) {
    case 'resource-add':
      return addResource(state, command, index);
    case 'resource-set':
      return setResource(state, command, index);
    case 'resource-remove':
      return removeResource(state, command);
    case 'resource-stop':
      return stopResource(state, command);
    case 'resource-move':
      return orderMove(state, command);
    case 'group-set':
      return setGroup(state, command);
    case 'group-remove':
      return removeGroup(state, command.name);
    case 'rule-set':
      return setRule(state, command);
    case 'rule-remove':
      return removeRule(state, command.id);
    case 'options-set':
      return setOptions(state, command.changes);
    case 'node-maintenance':
      return setMaintenance(state, command.nodeId, command.enabled);
    case 'disarm':
      return disarm(state, command.mode, index);
    case 'disarmed':
      return finishDisarm(state, command.expectIndex);
    case 'arm':
      return arm(state, index);
    case 'electorate':
      return setElectorate(state, command.electorate);
    case 'node-up':
      return raiseNode(state, command);
    case 'node-state':
      return setNodeState(state, command.nodeId, command.state);
    case 'node-fenced':
      return fenceNode(state, command, index);
    case 'node-released':
      return releaseNode(state, command.nodeId, command.bootId, index);
    case 'node-protected':
      return protectNode(state, command.nodeId, command.bootId);
    case 'node-forget':
      return forgetNode(state, command.nodeId);
    case 'service-state':
      return moveService(state, command, index);
    case 'service-order-dropped':
      return dropOrder(state, command);
    case 'service-found':
      return noteFound(state, command);
    case 'service-running':
      return markRunning(state, command.sid, command.uid);
    case 'service-forget':
      return forgetService(state, command.sid, command.expectUid);
  }
}

function setElectorate(state: ClusterState, electorate: Electorate): ApplyResult {
  state.electorate = electorate;
  return done;
}

export function isFenced(state: ClusterState, nodeId: number, bootId: string): boolean {
  return state.nodes[nodeId]?.fencedBootIds.includes(bootId) ?? false;
}
