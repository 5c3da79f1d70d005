import t from 'tap';
import { expireHold, newQuorumHold, proveHold } from '../src/core/quorum-hold.js';
import { World } from '../src/sim/world.js';

t.test('a view in which proofs were missing is never proved again, the next one is', async (t) => {
  const hold = newQuorumHold();
  const look = (viewEpoch: number, nowMs: number): void => expireHold(hold, viewEpoch, 7_000, nowMs);
  look(2, 100_000);
  look(2, 101_000);
  proveHold(hold, 101_000, 2, 101_010);
  t.equal(hold.unbrokenEpoch, 2, 'the beginning of a view counts until its first proof');
  look(2, 108_000);
  t.equal(hold.unbrokenEpoch, 2);
  look(2, 108_001);
  t.equal(hold.unbrokenEpoch, 0);
  proveHold(hold, 107_500, 2, 108_010);
  t.equal(hold.unbrokenEpoch, 0, 'sent a moment ago, and delivered in another ring perhaps');
  look(3, 109_000);
  proveHold(hold, 109_000, 3, 109_010);
  t.equal(hold.unbrokenEpoch, 3);
});

t.test('a corosync that was stopped while the other node had the vote of the device', async (t) => {
  const nodes = [1, 2].map((nodeId) => ({ nodeId, name: `node${nodeId}` }));
  const world = new World({ seed: 3, nodes, quorumDevice: { votes: 1 } });
  await world.run(5_000);
  world.node(1).corosync.stop();
  await world.run(40_000);
  t.ok(world.leader()?.nodeId === 2, 'node2 decides alone');
  world.partition([[1], [2]]);
  world.node(1).corosync.goOn();
  await world.run(70_000);
  t.notOk(world.node(1).agent?.node.cluster?.views.coordinator?.phase === 'active', 'node1 knows nothing of that');
  t.same(world.violations, []);
  world.heal();
  await world.run(90_000);
  t.ok(world.leader(), 'together they go on');
  t.same(world.violations, []);
});
