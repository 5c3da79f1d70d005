import type { ServiceRecord } from './cluster-state.js';
import { lostRequirement } from './dependencies.js';
import { isWanted, type ManagerInput, nameOf, newRound, type Round } from './manager-round.js';
import { selectNode } from './placement.js';
import type { ConsideredNode } from './placement-explanation.js';
import { seeksNode } from './service-states.js';
import { whyWaiting } from './waiting.js';

/** Why a service is where it is. */

export interface NodeVerdict {
  readonly name: string;
  readonly verdict: 'here' | 'best' | 'possible' | 'excluded';
  /** Rule by rule, in sentences. */
  readonly sentences: readonly string[];
}

export interface Explanation {
  readonly sid: string;
  readonly state: string;
  readonly node: string | null;
  /** What it is, since when (log index), why, and what comes next; in sentences. */
  readonly sentences: readonly string[];
  readonly nodes: readonly NodeVerdict[];
}

/** Null: there is no such service. `input`: what the leader knows, or what this node knows of it. */
export function explain(input: ManagerInput, sid: string): Explanation | null {
  const service = input.state.services[sid];
  if (service === undefined) return null;
  const round = newRound(input);
  const preference = seeksNode(service.state) ? 'best-score' : 'none';
  const { failedNodeIds } = service;
  const selection = selectNode(round.placement, { sid, preference, failedNodeIds, explain: true });
  return {
    sid,
    state: service.state,
    node: service.nodeId === null ? null : nameOf(round, service.nodeId),
    sentences: sentencesOf(service, round, selection.reason),
    nodes: selection.considered.map((considered) => verdictOf(considered, service)),
  };
}

function verdictOf({ nodeId, name, verdict, sentences }: ConsideredNode, service: ServiceRecord): NodeVerdict {
  const here = nodeId === service.nodeId && !seeksNode(service.state) && service.state !== 'stopped';
  return { name, verdict: here ? 'here' : verdict === 'chosen' ? 'best' : verdict, sentences };
}

function sentencesOf(service: ServiceRecord, round: Round, choice: string): string[] {
  const { state, nodeId, uid, reason } = service;
  const on = nodeId === null ? '' : ` on ${nameOf(round, nodeId)}`;
  const running = state === 'started' ? (service.running ? ', and runs' : ', and is being started') : '';
  const waiting = whyWaiting(service, round);
  const lost = isWanted(service) ? lostRequirement(round.input.state, service) : null;
  const lines = [
    `${service.sid} is ${state}${on}${running}; ${service.requested} is requested.`,
    `So since log entry ${uid}: ${reason}.`,
    waiting === null ? null : `It waits: ${waiting}.`,
    lost === null || lost === waiting ? null : `It is not to run: ${lost}.`,
    ...pastAndFuture(service, round),
    isWanted(service) && state !== 'error' ? `Where it should be: ${choice}.` : null,
    state === 'error' ? `Nothing is done about it until 'holdfast disable ${service.sid}' clears the error.` : null,
  ];
  return lines.filter((line) => line !== null);
}

function pastAndFuture(service: ServiceRecord, round: Round): (string | null)[] {
  const { failedNodeIds, maintenanceNodeId, order, failedMoves, removing } = service;
  const failed = [...new Set(failedNodeIds)].map((nodeId) => nameOf(round, nodeId)).join(', ');
  return [
    failed === '' ? null : `Its start has failed on ${failed}.`,
    maintenanceNodeId === null ? null : `It left ${nameOf(round, maintenanceNodeId)} for maintenance, and returns.`,
    failedMoves === 0 ? null : `Its move has failed ${failedMoves} times in a row: the next one waits longer.`,
    order === null ? null : `To be moved (${order.kind}) to ${nameOf(round, order.nodeId)}, as was asked.`,
    removing ? 'It is being removed.' : null,
  ];
}
