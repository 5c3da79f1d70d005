import { findMove, imbalance } from './balancing.js';
import { moveTo } from './manager-moves.js';
import type { Round } from './manager-round.js';
import { type ServiceState, seeksNode } from './service-states.js';

/** Automatic balancing: one move at a time, when nothing else moves and the imbalance has lasted. */
export function balance(round: Round): void {
  const { state, memory, nowMs } = round.input;
  const { options } = state;
  if (!options.autoRebalance || options.scheduler === 'basic' || state.disarm !== null || somethingIsOnItsWay(round))
    return;
  const now = imbalance(round.placement);
  if (now === null || now <= options.autoRebalanceThreshold) {
    memory.imbalancedSinceMs = null;
    return;
  }
  memory.imbalancedSinceMs ??= nowMs;
  if (nowMs - memory.imbalancedSinceMs < options.autoRebalanceHoldS * 1_000) return;
  memory.imbalancedSinceMs = null;
  const move = findMove(round.placement, options.autoRebalanceMethod, options.autoRebalanceMargin);
  for (const sid of move?.sids ?? []) {
    const service = state.services[sid];
    if (service === undefined || move === null) continue;
    round.commands.push(moveTo(service, round, move.targetNodeId, move.reason));
  }
}

function somethingIsOnItsWay({ input }: Round): boolean {
  return Object.values(input.state.services).some(
    (service) =>
      seeksNode(service.state) || onItsWay.has(service.state) || (service.state === 'started' && !service.running),
  );
}

const onItsWay: ReadonlySet<ServiceState> = new Set(['migrate', 'relocate', 'fence', 'request_stop']);
