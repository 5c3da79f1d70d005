import type { ServiceRecord } from './cluster-state.js';
import { lostRequirement, waitsFor } from './dependencies.js';
import { mayRunOutOfReach, nameOf, type Round } from './manager-round.js';
import { selectNode } from './placement.js';
import { mayRun } from './service-states.js';
import { untilTakeoverMs } from './takeover.js';

/** What a service waits for, in a sentence; null: for nothing. */
export function whyWaiting(service: ServiceRecord, round: Round): string | null {
  if (service.removing && !mayRun(service.state)) return whyUnknown(service, round);
  switch (service.state) {
    case 'request_start':
    case 'request_start_balance':
    case 'recovery':
      return whyNotStarted(service, round);
    case 'stopped':
      return service.requested === 'started' ? lostRequirement(round.input.state, service) : null;
    case 'fence':
      return whyNotFenced(service, round);
    case 'freeze':
      return whyFrozen(service, round);
    case 'migrate':
      return `until ${nameOf(round, service.nodeId)} has moved it to ${nameOf(round, service.targetId)}`;
    case 'relocate':
      return `until ${nameOf(round, service.nodeId)} has stopped it, to be started on ${nameOf(round, service.targetId)}`;
    default:
      return null;
  }
}

function whyNotStarted(service: ServiceRecord, round: Round): string | null {
  const { state, members, unheard, electorate } = round.input;
  if (state.disarm !== null) return `the cluster is ${state.disarm.phase}: nothing is started`;
  if (unheard.size > 0) return 'not every node was heard yet in this view';
  const looking = [...members].filter(([, { lrm }]) => lrm.probedThrough < service.addedIndex);
  if (looking.length > 0) {
    return `until ${looking.map(([nodeId]) => nameOf(round, nodeId)).join(', ')} has looked whether it runs there`;
  }
  const unwatched = whyUnknown(service, round);
  if (unwatched !== null) return unwatched;
  const strayOn = round.strays.get(service.sid);
  if (strayOn !== undefined) return `it runs on ${nameOf(round, strayOn)}, which is not protected yet`;
  const dependency = waitsFor(state, service);
  if (dependency !== null) return dependency;
  const { nodeId: best, reason } = selectNode(round.placement, {
    sid: service.sid,
    preference: 'best-score',
    failedNodeIds: service.failedNodeIds,
  });
  return best === null && electorate.nodes.length > 0 ? reason : null;
}

function whyUnknown(service: ServiceRecord, round: Round): string | null {
  if (!mayRunOutOfReach(service, round)) return null;
  const name = nameOf(round, service.nodeId);
  return `it may run on ${name}, where nobody looked after it: until that node is back, or 'holdfast confirm-off ${name}'`;
}

function whyNotFenced(service: ServiceRecord, round: Round): string {
  const { state, silences, electorate } = round.input;
  const lost = [service.nodeId, service.targetBootId === null ? null : service.targetId].find(
    (nodeId) => nodeId !== null && !round.input.members.has(nodeId),
  );
  if (lost === undefined || lost === null) return 'until the nodes between which it moved have looked where it runs';
  const record = state.nodes[lost];
  const name = nameOf(round, lost);
  if (record?.unprotected) {
    return `${name} was disarmed when it was lost, so no waiting proves that it was reset: until it is back, or 'holdfast confirm-off ${name}'`;
  }
  const inMs = untilTakeoverMs(electorate, silences.get(lost) ?? [], record?.fenceBoundMs ?? 0);
  const when = inMs === null ? 'when enough nodes are there to say so' : `in ${Math.ceil(inMs / 1_000)} s`;
  return `until ${name} is proved to have been reset: ${when}`;
}

function whyFrozen(service: ServiceRecord, round: Round): string {
  const { state } = round.input;
  if (state.disarm !== null) return `the cluster is ${state.disarm.phase}: until it is armed`;
  const limit = state.options.freezeLimitS;
  const then = limit === 0 ? 'for ever' : `for ${limit} s, then it is started elsewhere`;
  return `until ${nameOf(round, service.nodeId)} is back, ${then}`;
}
