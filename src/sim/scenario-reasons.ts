import type { ServiceRecord } from '../core/cluster-state.js';
import { isWanted, newRound, type Round } from '../core/manager-round.js';
import { managerInput } from '../core/manager-turn.js';
import { whyWaiting } from '../core/waiting.js';
import type { World } from './world.js';

const noLeader = 'no node leads, so nothing is started: switch on and connect more than half of the nodes';

/** Why services that are to run do not, as the node that leads now knows it; null of one that is as it should be. */
export function reasonsIn(world: World): (service: ServiceRecord) => string | null {
  const round = roundOfLeader(world);
  return (service) => {
    if (service.state === 'error') return service.reason;
    if (!isWanted(service) || world.where(service.sid).length > 0) return null;
    if (round === null) return noLeader;
    return whyWaiting(service, round) ?? whatItsNodeSays(world, service) ?? service.reason;
  };
}

function roundOfLeader(world: World): Round | null {
  const leader = world.leader();
  const node = leader?.agent?.node;
  if (leader === null || !node?.cluster) return null;
  return newRound(managerInput(node, node.cluster, leader.clock.bootMs()));
}

/** Of a start that fails, or is under way. */
function whatItsNodeSays(world: World, { sid, nodeId }: ServiceRecord): string | null {
  const host = world.nodes.find((node) => node.nodeId === nodeId);
  return host?.agent?.node.cluster?.lrm.units.get(sid)?.detail || null;
}
