import { deathOfLeader, deathOfMember } from './death.mjs';
import { disarmFreeze, disarmIgnore, maintenance } from './maintenance.mjs';
import { addWithRules, moves } from './rules-and-moves.mjs';
import { freezeLimit, outcomes, rollingReboot, wholeCluster } from './shutdowns.mjs';

/** In order. `resetsDue`: nodes that have to be reset by their watchdog; in all other steps a reset is a failure. */
export const steps = [
  { name: 'rules', run: addWithRules },
  { name: 'moves', run: moves },
  { name: 'maintenance', run: maintenance },
  { name: 'disarm-freeze', run: disarmFreeze },
  { name: 'disarm-ignore', run: disarmIgnore },
  ...outcomes.map(([policy, kind, run]) => ({ name: `${policy}-${kind}`, run: (tour) => run(tour, policy, kind) })),
  { name: 'freeze-limit', run: freezeLimit },
  { name: 'rolling-reboot', run: rollingReboot },
  { name: 'death', run: deathOfMember, resetsDue: [2] },
  { name: 'death-of-leader', run: deathOfLeader, resetsDue: [1] },
  { name: 'whole-cluster', run: wholeCluster },
];
