import { assert } from './assert.js';
import { type BudgetInput, deriveBudget } from './budget.js';
import { type Effect, notice } from './effects.js';
import type { Electorate } from './electorate.js';
import { newGrants } from './grants.js';
import { newLease } from './lease.js';
import { newLrm } from './lrm.js';
import { newManagerMemory } from './manager-memory.js';
import { managerGapMs } from './manager-turn.js';
import type { ClusterPart, Configuration, NodeState, Now } from './node-state.js';
import { newProtection } from './protection.js';
import { newViews } from './views.js';

/** Corosync's configuration: the votes and times that follow from it, and whether anything may run on such a cluster. */

export function onConfiguration(node: NodeState, configuration: Configuration, now: Now, effects: Effect[]): void {
  const { options } = node;
  const configured = configuredVotes(configuration);
  const electorate = node.log.electorate ?? configured;
  const budgetInput: BudgetInput = {
    fenceBoundMs: options.fenceBoundMs,
    kappa: options.watchdog?.kappa ?? 1,
    minTimeoutS: options.watchdog?.minTimeoutS ?? 1,
    maxTimeoutS: options.watchdog?.maxTimeoutS ?? 0,
    tokenMs: configuration.tokenMs,
    consensusMs: configuration.consensusMs,
    deviceSyncTimeoutMs: configuration.deviceVotes > 0 ? syncTimeoutMs(configuration) : 0,
  };
  const budget = deriveBudget(budgetInput);
  const refusal = options.refusal ?? refusalOf(configuration) ?? budget.problems[0] ?? null;
  if (node.cluster !== null) {
    const { selfId } = node.cluster;
    // What was granted, promised and started under the old id would be forgotten under the new one.
    assert(selfId === configuration.localNodeId, `corosync's id of this node went from ${selfId} to another`);
    Object.assign(node.cluster, { configuration, configured, electorate, budgetInput, budget, refusal });
  } else {
    node.cluster = newClusterPart(node, { configuration, configured, electorate, budgetInput, budget, refusal }, now);
    if (options.watchdog?.active) {
      const text =
        'a former agent has left the watchdog running: it is taken over with the first lease, or resets this node';
      notice(effects, 'watchdog', 'warn', text);
    }
  }
  if (refusal !== null) notice(effects, 'watchdog', 'error', `nothing is started on this node: ${refusal}`);
}

/** Corosync's own defaults, for a configuration that does not say. */
const defaultDeviceTimeoutMs = 10_000;
const defaultDeviceSyncTimeoutMs = 30_000;

function syncTimeoutMs({ deviceSyncTimeoutMs }: Configuration): number {
  return deviceSyncTimeoutMs ?? defaultDeviceSyncTimeoutMs;
}

/** With fewer expected votes than there are votes, two quorums need not share a node: they are never counted so. */
function configuredVotes(configuration: Configuration): Electorate {
  const { nodes, deviceVotes } = configuration;
  const votes = nodes.reduce((sum, node) => sum + node.votes, deviceVotes);
  const expectedVotes = Math.max(configuration.expectedVotes, votes);
  if (deviceVotes === 0) return { nodes, expectedVotes };
  const timeoutMs = configuration.deviceTimeoutMs ?? defaultDeviceTimeoutMs;
  return { nodes, expectedVotes, deviceVotes, deviceTimeoutMs: timeoutMs + syncTimeoutMs(configuration) };
}

type Derived = Pick<ClusterPart, 'configuration' | 'configured' | 'electorate' | 'budgetInput' | 'budget' | 'refusal'>;

function newClusterPart(node: NodeState, derived: Derived, now: Now): ClusterPart {
  const { incarnation, bootId, startedMs } = node.options;
  const selfId = derived.configuration.localNodeId;
  return {
    ...derived,
    change: null,
    selfId,
    peers: new Map(),
    views: newViews(selfId, incarnation, node.log),
    lease: newLease(selfId, incarnation, derived.budget.leaseMs),
    grants: newGrants(startedMs),
    grantsView: null,
    lrm: newLrm(selfId, bootId),
    protection: newProtection(node.options.watchdog?.active ?? false),
    hasKnownAll: false,
    lastHeartbeatMs: 0,
    lastHeartbeatEpoch: 0,
    heartbeatDue: true,
    lastReport: [],
    load: null,
    heardMs: new Map(),
    lastManagerMs: now.bootMs - managerGapMs,
    lastManagerIndex: 0,
    lastManagerInput: '',
    managerMemory: newManagerMemory(),
    serviceLoads: new Map(),
    compiled: { state: null, key: '', rules: { units: new Map(), dropped: [], warnings: [] }, order: [] },
    runningOut: false,
  };
}

/** Options of corosync that let two partitions be quorate, or a quorum move where no grant is seen (design §2.4). */
const unsafeOptions = ['auto_tie_breaker', 'last_man_standing', 'allow_downscale', 'device.master_wins'];

function refusalOf({ quorumOptions, deviceVotes }: Configuration): string | null {
  const alone = deviceVotes === 0 && quorumOptions.includes('two_node') ? 'two_node' : undefined;
  const unsafe = alone ?? unsafeOptions.find((option) => quorumOptions.includes(option));
  if (unsafe === undefined) return null;
  return `corosync's quorum.${unsafe} is on, so two quorums need not share a node: remove it from corosync.conf`;
}
