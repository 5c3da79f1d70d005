import t from 'tap';
import { randomRun } from './core-random.js';

/**
 * Random faults over the core. The seeds are fixed, so that a failure is the same everywhere; more of them are run
 * by hand, `node dist/test/core-random.js FROM TO NODES`.
 */
const runs = [
  { nodes: 3, from: 1, to: 120 },
  { nodes: 5, from: 1_000, to: 1_030 },
] as const;

for (const { nodes, from, to } of runs) {
  t.test(
    `${nodes} nodes, seeds ${from} to ${to}: nothing runs twice, nothing committed is lost, all runs again`,
    async (t) => {
      let declarations = 0;
      for (let seed = from; seed <= to; seed++) {
        const { violations, declarations: more } = randomRun(seed, nodes, 25);
        declarations += more;
        if (violations.length > 0) t.fail(`seed ${seed}: ${violations.join('; ')}`);
      }
      t.ok(declarations > to - from, `the faults led to takeovers (${declarations})`);
    },
  );
}
