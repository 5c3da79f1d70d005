import t from 'tap';
import { Simulation } from './core-simulation.js';
import { add } from './fixtures/add-resource.js';

function holder(simulation: Simulation, sid: string): number | undefined {
  return simulation.machines.find((machine) => machine.running.has(sid))?.nodeId;
}

t.test('a service is started, taken over when its node is cut, and never runs twice', async (t) => {
  const simulation = new Simulation({ nodes: 3, fenceBoundMs: 15_000, seed: 1 });
  simulation.run(5_000);
  const request = simulation.request(1, add('ocf:web'));
  simulation.run(5_000);
  t.ok(simulation.answers.get(request)?.index, 'the addition is committed');
  const first = holder(simulation, 'ocf:web') ?? 0;
  t.ok(first > 0, 'it runs');
  const cutMs = simulation.nowMs;
  simulation.partition(
    [first],
    [1, 2, 3].filter((id) => id !== first),
  );
  simulation.run(20_000);
  const second = holder(simulation, 'ocf:web') ?? 0;
  t.ok(second > 0 && second !== first, 'it runs elsewhere');
  t.ok((simulation.resets[0]?.atMs ?? Infinity) - cutMs <= 15_000, 'the cut node was reset within the bound');
  simulation.heal();
  simulation.run(30_000);
  t.equal(holder(simulation, 'ocf:web'), second, 'it stays where it is');
  t.strictSame(simulation.violations, []);
});
