import { isMentioned } from './apply-node.js';
import { type Command, isFenced, type NodeRecord } from './cluster-state.js';
import { isVoter, nodeName } from './electorate.js';
import type { ManagerInput } from './manager-round.js';
import type { Heartbeat } from './messages.js';
import { needsFencing } from './service-states.js';
import { mayDeclareFenced, untilTakeoverMs } from './takeover.js';

/** What the manager makes of nodes: seen, lost, proved dead, gone. */

/** A node that has left the node list is remembered for so long, as the peer does it. */
const forgetGoneMs = 3_600_000;

export function decideNodes(input: ManagerInput): Command[] {
  return [...presentNodes(input), ...absentNodes(input)];
}

function presentNodes(input: ManagerInput): Command[] {
  const { state, electorate, members } = input;
  return [...members].flatMap(([nodeId, heartbeat]): Command[] => {
    const { bootId, fenceBoundMs } = heartbeat;
    const known = state.nodes[nodeId];
    // Rules name nodes: who is back before the votes say so keeps its name, and who never had one waits for it.
    const name = isVoter(electorate, nodeId) ? nodeName(electorate, nodeId) : known?.name;
    if (name === undefined) return [];
    const up: Command = { type: 'node-up', nodeId, name, bootId, fenceBoundMs };
    if (known === undefined) return [up];
    if (isFenced(state, nodeId, bootId)) return [];
    if (known.bootId !== bootId) {
      const proof: Command = { type: 'node-fenced', nodeId, bootId: known.bootId, proof: 'reboot' };
      return isFenced(state, nodeId, known.bootId) ? [up] : [proof, up];
    }
    if (heartbeat.lrm.released) {
      const isNews = known.releasedBootId !== bootId && knowsAllLookedAfter(heartbeat, state);
      return isNews ? [{ type: 'node-released', nodeId, bootId }] : [];
    }
    if (known.state !== 'online' || known.fenceBoundMs !== fenceBoundMs) return [up];
    return isProtectedAgain(known, heartbeat, input) ? [{ type: 'node-protected', nodeId, bootId }] : [];
  });
}

/** That it runs nothing says it of what it knows of: what is looked after since then may have been left running there. */
function knowsAllLookedAfter({ commitIndex }: Heartbeat, { services }: ManagerInput['state']): boolean {
  return Object.values(services).every(({ state, addedIndex }) => state === 'ignored' || addedIndex <= commitIndex);
}

/** Once it knows that the cluster is armed again, it runs nothing without its watchdog. */
function isProtectedAgain(known: NodeRecord, { lrm, commitIndex }: Heartbeat, { state }: ManagerInput): boolean {
  if (!known.unprotected || state.disarm !== null || commitIndex < state.armedIndex) return false;
  return lrm.mode !== 'disarm' && (lrm.active || (lrm.empty && hasLookedForAll(state, commitIndex)));
}

/** What the disarm left alone is looked for again; before that a node that runs it calls itself empty. */
function hasLookedForAll({ services }: ManagerInput['state'], commitIndex: number): boolean {
  return Object.values(services).every(
    ({ requested, state, addedIndex }) => requested === 'ignored' || (state !== 'ignored' && addedIndex <= commitIndex),
  );
}

function absentNodes(input: ManagerInput): Command[] {
  const holders = holdersOf(input);
  const absent = Object.values(input.state.nodes).filter(
    (node) => !input.members.has(node.nodeId) && !input.unheard.has(node.nodeId),
  );
  const isNext = absent.some((node) => isNextToBeFenced(node, holders.has(node.nodeId), input));
  return absent.flatMap((node): Command[] => {
    const next = absentNode(node, holders.has(node.nodeId), input);
    if (next?.type === 'node-fenced' && isNext && !isOverdue(node, input)) return [];
    return next === null ? [] : [next];
  });
}

/**
 * Nodes that were lost at the same time are declared at the same time, though their last heartbeats were not sent at the
 * same time: what was on all of them is then recovered by its priority.
 */
const togetherMs = 2_000;

function isNextToBeFenced(node: NodeRecord, holds: boolean, input: ManagerInput): boolean {
  if (!holds || node.unprotected || isProvedDead(node)) return false;
  const untilMs = untilTakeoverMs(input.electorate, input.silences.get(node.nodeId) ?? [], node.fenceBoundMs);
  return untilMs !== null && untilMs > 0 && untilMs <= togetherMs;
}

function isOverdue({ nodeId, fenceBoundMs }: NodeRecord, { electorate, silences }: ManagerInput): boolean {
  return mayDeclareFenced(electorate, silences.get(nodeId) ?? [], fenceBoundMs + togetherMs);
}

function isProvedDead({ bootId, fencedBootIds, releasedBootId }: NodeRecord): boolean {
  return fencedBootIds.includes(bootId) || releasedBootId === bootId;
}

/** Nodes whose loss has to be proved, for they may run something that others are to run. */
function holdersOf({ state }: ManagerInput): ReadonlySet<number> {
  const holders = new Set<number>();
  for (const sid in state.services) {
    const service = state.services[sid];
    if (service === undefined || !needsFencing(service.state)) continue;
    if (service.nodeId !== null) holders.add(service.nodeId);
    if (service.targetId !== null && service.targetBootId !== null) holders.add(service.targetId);
  }
  return holders;
}

function absentNode(node: NodeRecord, holds: boolean, input: ManagerInput): Command | null {
  const { nodeId, bootId } = node;
  const dead = isProvedDead(node);
  if (node.state === 'online') return { type: 'node-state', nodeId, state: 'unknown' };
  if (dead || !holds) return withoutServices(node, input);
  if (node.unprotected) return null;
  const reports = input.silences.get(nodeId) ?? [];
  if (mayDeclareFenced(input.electorate, reports, node.fenceBoundMs)) {
    return { type: 'node-fenced', nodeId, bootId, proof: 'takeover' };
  }
  const hopeless = reports.length > 0 && reports.every((report) => report.silenceMs >= input.leaseMs);
  return hopeless && node.state === 'unknown' ? { type: 'node-state', nodeId, state: 'fence' } : null;
}

/** Out of corosync's node list, it is gone, and some time later forgotten. */
function withoutServices({ nodeId, state }: NodeRecord, input: ManagerInput): Command | null {
  const { electorate, memory, nowMs } = input;
  if (isVoter(electorate, nodeId)) return null;
  if (state !== 'gone') return { type: 'node-state', nodeId, state: 'gone' };
  const sinceMs = memory.goneSinceMs.get(nodeId) ?? nowMs;
  memory.goneSinceMs.set(nodeId, sinceMs);
  return nowMs - sinceMs >= forgetGoneMs && !isMentioned(input.state, nodeId) ? { type: 'node-forget', nodeId } : null;
}
