import { fileURLToPath } from 'node:url';
import t from 'tap';
import { runScenarios } from '../src/sim/scenario-suite.js';

const suite = fileURLToPath(new URL('../../test/scenarios', import.meta.url));

t.test('every scenario of our own ends as it should', async (t) => {
  let count = 0;
  for await (const { scenario, verdict, problems } of runScenarios([suite], [])) {
    t.strictSame(problems, [], scenario);
    t.equal(verdict, 'as expected', scenario);
    count++;
  }
  t.ok(count >= 100, `there are ${count} of them`);
});
