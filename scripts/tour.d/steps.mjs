import { deathOfLeader, deathOfMember } from './death.mjs';
import { disarmFreeze, disarmIgnore, maintenance } from './maintenance.mjs';
import { addWithRules, moves } from './rules-and-moves.mjs';
import { freezeLimit, outcomes, rollingReboot, stuckShutdown, wholeCluster } from './shutdowns.mjs';

/** In order; the first makes what the others are about. */
export const steps = [
  { name: 'rules', run: addWithRules },
  { name: 'moves', run: moves },
  { name: 'maintenance', run: maintenance },
  { name: 'disarm-freeze', run: disarmFreeze },
  { name: 'disarm-ignore', run: disarmIgnore },
  ...outcomes.map(([policy, kind, run]) => ({ name: `${policy}-${kind}`, run: (tour) => run(tour, policy, kind) })),
  { name: 'freeze-limit', run: freezeLimit },
  { name: 'stuck-shutdown', run: stuckShutdown },
  { name: 'rolling-reboot', run: rollingReboot },
  { name: 'death', run: deathOfMember },
  { name: 'death-of-leader', run: deathOfLeader },
  { name: 'whole-cluster', run: wholeCluster },
];
