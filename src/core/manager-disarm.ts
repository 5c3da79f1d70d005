import type { Command, ServiceRecord } from './cluster-state.js';
import { answerOfHost, nodeOf, type Round, to } from './manager-round.js';
import { selectNode } from './placement.js';
import { needsFencing } from './service-states.js';

/**
 * Disarming: first everything that is under way comes to its end, then services are let go, then watchdogs may be
 * released over what runs.
 */

/** Null: nothing to do about it now, or it waits for what is under way. */
export function decideDisarm(round: Round): Command[] | null {
  const { disarm, services } = round.input.state;
  if (disarm === null || disarm.phase === 'disarmed') return null;
  const all = Object.values(services);
  if (all.some((service) => isUnderWay(service, round))) return null;
  const commands = all.flatMap((service): Command[] => {
    if (!isToBeLetGo(service, disarm.mode)) return [];
    const state = disarm.mode === 'freeze' ? 'freeze' : 'ignored';
    return [to(service, state, service.nodeId, `disarmed (${disarm.mode})`)];
  });
  return commands.length > 0 ? commands : [{ type: 'disarmed', expectIndex: disarm.index }];
}

function isToBeLetGo({ state, requested }: ServiceRecord, mode: 'freeze' | 'ignore'): boolean {
  if (state === 'started' || state === 'request_stop') return true;
  return (
    mode === 'ignore' &&
    requested !== 'disabled' &&
    (state === 'stopped' || state === 'freeze' || state === 'request_start')
  );
}

function isUnderWay(service: ServiceRecord, round: Round): boolean {
  // A node out of reach is not told, and would be lost for good: first it is back, or proved dead.
  if (needsFencing(service.state) && nodeOf(round, service.nodeId)?.state !== 'online') return true;
  switch (service.state) {
    case 'fence':
    case 'migrate':
    case 'relocate':
      return true;
    case 'request_stop':
      return answerOfHost(round, service)?.outcome !== 'error';
    case 'recovery': {
      const query = { sid: service.sid, preference: 'best-score', failedNodeIds: service.failedNodeIds } as const;
      return service.requested === 'started' && selectNode(round.placement, query).nodeId !== null;
    }
    case 'started':
      return !service.running && service.requested === 'started';
    default:
      return false;
  }
}
