import t from 'tap';
import { add } from './fixtures/add-resource.js';
import { newWorld } from './sim-world-chaos.js';

/** Three on each of three nodes, that are given no second chance; and what is on the node of the first. */
async function nineServices() {
  const world = newWorld({ seed: 11, nodes: 3, options: { fenceBoundMs: 60_000 } });
  await world.run(10_000);
  const sids = Array.from({ length: 9 }, (_, i) => `vm:${i + 1}`);
  for (const sid of sids) world.request('node1', add(sid, { maxRelocate: 0 })).catch(() => undefined);
  await world.run(40_000);
  const [host] = world.where('vm:1');
  if (host === undefined) throw new Error('vm:1 runs nowhere');
  const [stuck, slow, third] = sids.filter((sid) => world.where(sid)[0] === host);
  if (stuck === undefined || slow === undefined || third === undefined) throw new Error('they are not spread');
  return { world, host, stuck, slow, third };
}

t.test('what can be stopped on a node that goes down is started elsewhere at once, whatever cannot be', async (t) => {
  const { world, host, stuck, slow, third } = await nineServices();
  world.setBehaviour(stuck, { fault: ({ operation }) => (operation === 'stop' ? { kind: 'fail' } : null) });
  world.setBehaviour(slow, {
    fault: ({ operation }) => (operation === 'stop' ? { kind: 'slow', byMs: 20_000 } : null),
  });
  const isElsewhere = (sid: string): boolean => world.where(sid).length === 1 && world.where(sid)[0] !== host;
  host.shutDown('poweroff');
  await world.runFor(12_000);
  t.ok(isElsewhere(third), 'before the last stop has ended');
  t.notOk(isElsewhere(slow) || isElsewhere(stuck));
  await world.runFor(18_000);
  t.ok(isElsewhere(slow), 'its stop was waited for');
  await world.runFor(75_000);
  t.equal(world.where(stuck).length, 1, 'started again after the reset of its node');
  t.strictSame(
    world.resets.map(({ node }) => node),
    [host.name],
  );
  t.same(world.violations, []);
});

t.test('what did not start on a node that goes down is no reason to leave it dirty', async (t) => {
  const { world, host, stuck } = await nineServices();
  let failures = 0;
  world.setBehaviour(stuck, {
    startMs: [8_000, 8_000],
    fault: ({ operation, nodeId }) => {
      if (operation !== 'start' || nodeId !== host.nodeId) return null;
      failures++;
      return { kind: 'fail' };
    },
  });
  host.setRunning(stuck, false);
  for (let second = 0; second < 30 && failures === 0; second++) await world.runFor(1_000);
  // Into its second start, which is the last.
  await world.runFor(5_000);
  host.shutDown('poweroff');
  await world.runFor(30_000);
  t.equal(failures, 2);
  t.equal(host.up, false);
  t.equal(world.resets.length, 0);
  t.equal(world.where(stuck).length, 1, 'it runs elsewhere');
  t.same(world.violations, []);
});
