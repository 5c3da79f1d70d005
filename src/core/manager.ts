import type { Command } from './cluster-state.js';
import { balance } from './manager-balance.js';
import { decideDisarm } from './manager-disarm.js';
import { decideNodes } from './manager-nodes.js';
import { compareSids, type ManagerInput, newRound, type Round } from './manager-round.js';
import { nextStep } from './manager-services.js';
import { seeksNode } from './service-states.js';

/**
 * The manager: what the leader decides from the committed state and from what the members of its view report.
 * Called again and again; each call returns the next steps as commands for the log.
 */

/** At most so many commands a round, so that a round fits into one message. */
const commandsPerRound = 128;

export function decide(input: ManagerInput): Command[] {
  const nodes = decideNodes(input);
  // Services are judged by the committed states of nodes: those first.
  if (nodes.length > 0) return nodes.slice(0, commandsPerRound);
  const round = newRound(input);
  const disarming = decideDisarm(round);
  if (disarming !== null) return disarming.slice(0, commandsPerRound);
  decideServices(round);
  if (round.commands.length === 0) balance(round);
  return round.commands.slice(0, commandsPerRound);
}

/** First what makes room or an end, then what seeks a place, the most important first, then what is stopped. */
function decideServices(round: Round): void {
  const { services } = round.input.state;
  const seeking: string[] = [];
  const stopped: string[] = [];
  for (const sid of round.input.order) {
    const service = services[sid];
    if (service === undefined) continue;
    if (seeksNode(service.state)) seeking.push(sid);
    else if (service.state === 'stopped') stopped.push(sid);
    else decideOne(round, sid);
  }
  const priority = (sid: string): number => services[sid]?.priority ?? 0;
  seeking.sort((a, b) => priority(b) - priority(a) || compareSids(a, b));
  for (const sid of seeking) decideOne(round, sid);
  for (const sid of stopped) decideOne(round, sid);
}

function decideOne(round: Round, sid: string): void {
  const service = round.input.state.services[sid];
  if (service === undefined || round.decided.has(sid)) return;
  const command = nextStep(service, round);
  if (command === null) return;
  round.decided.add(sid);
  round.commands.push(command);
}
