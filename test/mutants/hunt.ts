import { newPlan } from '../../src/sim/fuzz-plan.js';
import { runPlan } from '../../src/sim/fuzz-run.js';

/**
 * Runs seed after seed until one breaks a rule, or for so many seconds of CPU time; prints what it found as JSON.
 * Arguments: the seconds, and the seed to begin with.
 */
const limitS = Number(process.argv[2] ?? 60);
const firstSeed = Number(process.argv[3] ?? 1);

function cpuS(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000_000;
}

for (let seed = firstSeed; ; seed++) {
  const { violation } = await runPlan(newPlan(seed));
  if (violation === null && cpuS() < limitS) continue;
  process.stdout.write(`${JSON.stringify({ seed, seeds: seed - firstSeed + 1, cpuS: cpuS(), violation })}\n`);
  break;
}
