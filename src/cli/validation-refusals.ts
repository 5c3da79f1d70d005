/** Why a watchdog may not be validated now: this machine would be reset under what runs on it. */
import { access } from 'node:fs/promises';
import type { StatusReport } from '../agent/status.js';
import type { ClusterState } from '../core/cluster-state.js';
import { HoldfastError } from '../core/errors.js';
import { lastIndex, openLog } from '../core/log.js';
import { FileStore } from '../host/file-store.js';
import { isVolatile } from '../host/volatile-directory.js';
import type { KnownWatchdog } from '../host/watchdog-choice.js';
import { heldBy } from '../host/watchdog-failure.js';
import { refusalToArm } from '../host/watchdog-sysfs.js';
import { AgentClient } from './agent-client.js';

/** What is enough where something can be had elsewhere, and what else. */
function emptying(node: string): string {
  return `'holdfast maintenance enable ${node}' moves away what may run elsewhere, and 'holdfast disable SID' stops what may not`;
}

/** What is known against the device itself; null: nothing. */
export function refusalOfDevice(watchdog: KnownWatchdog): string | null {
  const { device, holder, problem } = watchdog;
  if (problem !== null) return problem;
  if (holder !== null) return `cannot validate ${device}: ${heldBy(holder)}`;
  return refusalToArm(device, watchdog);
}

/** The record of a validation has to outlive the reset; null: it does. */
export async function refusalOfDirectory(stateDir: string): Promise<string | null> {
  if (!(await isVolatile(stateDir))) return null;
  return `cannot keep the record of a validation: ${stateDir} lies in memory, and is lost with the reset: set stateDir to a directory on a disk`;
}

/** Why resources may run here, by what the agent says; null: none do. */
export function refusalOfAgent({ local, services, nodes, watchdog }: StatusReport): string | null {
  const here = services.filter(({ node, target, state }) => state !== 'stopped' && [node, target].includes(local.name));
  const remedy = emptying(local.name ?? 'NODE');
  if (local.name === null || here.length > 0) return runsHere(here, remedy);
  const own = nodes.find(({ nodeId }) => nodeId === local.nodeId);
  if (own !== undefined && (own.services > 0 || own.lrm === 'active')) return runsHere([], remedy);
  if (watchdog.state === 'idle' || watchdog.state === 'refused') return null;
  return `the agent has ${watchdog.device} open (${watchdog.state}): ${remedy}, and then the agent lets go of it`;
}

/**
 * Why the cluster may start something here before the reset; null: it may not. Without quorum it starts nothing, and
 * maintenance could not be had; with it, only maintenance keeps things away:
 *
 * | quorum | this node in the list | maintenance | validate |
 * | ------ | --------------------- | ----------- | -------- |
 * | no     | any                   | any         | yes      |
 * | yes    | no                    | -           | no       |
 * | yes    | yes                   | no          | no       |
 * | yes    | yes                   | yes         | yes      |
 */
export function refusalOfCluster({ cluster, local, nodes }: StatusReport): string | null {
  if (!cluster.connected || !cluster.quorate) return null;
  const own = nodes.find(({ nodeId }) => nodeId === local.nodeId);
  if (own === undefined) return 'this node is about to join the cluster, which may then start something on it: wait';
  if (own.maintenance) return null;
  return `the cluster may start something on this node before the reset: 'holdfast maintenance enable ${own.name}' keeps it away`;
}

function runsHere(services: readonly { readonly sid: string }[], remedy: string): string {
  const sids = [...new Set(services.map(({ sid }) => sid))];
  const what =
    sids.length > 0 ? `${sids.slice(0, 5).join(', ')} may run on this node` : 'resources may run on this node';
  return `${what}, and validating a watchdog resets it: ${remedy}`;
}

/** Only an agent that takes part in its cluster can stop them, or the end of the boot. */
const withoutAgent = `have holdfastd run and its cluster be quorate, and then ${emptying('NODE')}; or reboot this machine in order, and validate before holdfastd starts`;

/** Why resources that were started in this boot may run here though the agent does not answer; null: none can. */
export function refusalOfStore(states: readonly ClusterState[], bootId: string): string | null {
  const here = states
    .flatMap(({ services }) => Object.values(services))
    .filter((service) => service.bootId === bootId || service.targetBootId === bootId);
  return here.length === 0 ? null : runsHere(here, withoutAgent);
}

/** @throws HF_CONFLICT if resources run here, or that cannot be told */
export async function refuseIfInUse(socket: string, stateDir: string, bootId: string): Promise<void> {
  const report = await agentReport(socket);
  const stored = report === null || report.local.name === null;
  const refusal = stored ? refusalOfStore(await storedStates(stateDir), bootId) : refusalOfAgent(report);
  const later = refusal ?? (report && refusalOfCluster(report));
  if (later !== null) throw new HoldfastError('HF_CONFLICT', later);
}

/** Null: no agent runs. @throws HF_CONFLICT if one may, and does not say what it runs */
async function agentReport(socket: string): Promise<StatusReport | null> {
  try {
    return (await new AgentClient(socket).get('/v1/status')) as StatusReport;
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'HF_UNREACHABLE') throw error;
    const { code = '' } = (error.cause ?? {}) as NodeJS.ErrnoException;
    if (['ENOENT', 'ECONNREFUSED'].includes(code)) return null;
    const message = `${error.message}; validating a watchdog resets what it may run: have it answer, or end it`;
    throw new HoldfastError('HF_CONFLICT', message, { cause: error });
  }
}

/** What the store holds: as known to be committed, and as it may have been. None where nothing was ever stored. */
async function storedStates(stateDir: string): Promise<readonly ClusterState[]> {
  const there = await access(stateDir).then(
    () => true,
    () => false,
  );
  const loaded = there ? await new FileStore(stateDir).load() : ({ outcome: 'empty' } as const);
  if (loaded.outcome === 'empty') return [];
  if (loaded.outcome === 'damaged') {
    const message = `the agent does not answer, and its store is damaged (${loaded.detail}), so that nobody can tell what runs here: start the agent`;
    throw new HoldfastError('HF_CONFLICT', message);
  }
  const { record } = loaded;
  return [record, { ...record, commitIndex: lastIndex(record) }].map((each) => openLog(each).committed);
}
