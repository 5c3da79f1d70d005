import t from 'tap';
import { newLease, noteDelivery, noteEcho, renew, stamp } from '../src/core/lease.js';
import { mayDeclareFenced, waitMs } from '../src/core/takeover.js';
import { Simulation } from './core-simulation.js';
import { add } from './fixtures/add-resource.js';

/** Two nodes and a quorum device, which votes and remembers nothing. */

function running(seed: number) {
  const simulation = new Simulation({ nodes: 2, fenceBoundMs: 15_000, seed, deviceVotes: 1 });
  simulation.run(5_000);
  simulation.request(1, add('ocf:web'));
  simulation.run(5_000);
  const holder = simulation.machines.find((machine) => machine.running.has('ocf:web'));
  const other = simulation.machines.find((machine) => machine !== holder);
  if (holder === undefined || other === undefined) throw new Error('ocf:web does not run');
  return { simulation, holder, other };
}

const electorate = {
  nodes: [1, 2].map((nodeId) => ({ nodeId, name: `node${nodeId}`, votes: 1 })),
  expectedVotes: 3,
  deviceVotes: 1,
  deviceTimeoutMs: 40_000,
};

t.test('the node that the device votes for takes over from the other', async (t) => {
  const { simulation, holder, other } = running(1);
  const cutMs = simulation.nowMs;
  simulation.devicePrefers = other.nodeId;
  simulation.partition([holder.nodeId], [other.nodeId]);
  simulation.run(40_000);
  t.ok(other.running.has('ocf:web'), 'it runs there');
  t.ok((simulation.resets[0]?.atMs ?? Infinity) - cutMs <= 15_000 + 1_500 + 3_000, 'the other was reset before');
  t.ok((simulation.fenced[0]?.atMs ?? 0) - cutMs >= 16_016 + 1_500, 'after the takeover time and that of the device');
  t.strictSame(simulation.violations, []);
});

t.test('what one node has committed with the device is not forgotten by the other, who waits', async (t) => {
  const { simulation, holder, other } = running(2);
  simulation.devicePrefers = holder.nodeId;
  simulation.partition([holder.nodeId], [other.nodeId]);
  simulation.run(15_000);
  const request = simulation.request(holder.nodeId, add('ocf:late'));
  simulation.run(3_000);
  t.ok(simulation.answers.get(request)?.index, 'committed by one node and the device');
  simulation.powerOff(holder.nodeId);
  simulation.moveDevice(other.nodeId);
  simulation.run(60_000);
  t.equal(other.agent?.node.membership.quorum?.quorate, true, 'corosync is quorate there');
  t.equal(other.agent?.node.cluster?.views.view, null, 'but it starts no view');
  t.match(other.agent?.node.cluster?.views.waitingFor, new RegExp(`waiting for node${holder.nodeId}`));
  simulation.boot(holder.nodeId);
  simulation.heal();
  simulation.run(40_000);
  t.ok(simulation.oracle.services['ocf:late'], 'nothing is lost');
  t.ok(simulation.machines.some((machine) => machine.running.has('ocf:late')));
  t.strictSame(simulation.violations, []);
});

t.test('a node goes on alone when the agent of the other is not there, while both corosyncs are', async (t) => {
  const { simulation, holder, other } = running(3);
  simulation.killAgent(other.nodeId, null);
  simulation.run(60_000);
  t.ok(holder.running.has('ocf:web'));
  t.strictSame(
    simulation.resets.filter(({ nodeId }) => nodeId === holder.nodeId),
    [],
  );
  t.strictSame(simulation.violations, []);
});

t.test('a stopped corosync that still says quorate renews nothing', async (t) => {
  const { simulation, holder, other } = running(4);
  simulation.devicePrefers = other.nodeId;
  const stoppedMs = simulation.nowMs;
  simulation.stopCorosync(holder.nodeId);
  simulation.run(40_000);
  const reset = simulation.resets.find(({ nodeId }) => nodeId === holder.nodeId);
  t.ok((reset?.atMs ?? Infinity) - stoppedMs <= 15_000, 'it is reset within its bound');
  t.strictSame(simulation.violations, []);
});

t.test('with the device every agent in reach must have echoed, and corosync have delivered', async (t) => {
  const lease = newLease(1, 'me', 7_000);
  stamp(lease, 1_000);
  lease.agentsInReach = [1];
  t.notOk(renew(lease, electorate, true), 'not delivered back');
  noteDelivery(lease, 'me', 1);
  lease.agentsInReach = null;
  t.notOk(renew(lease, electorate, true), 'the device does not count');
  lease.agentsInReach = [1, 2];
  t.notOk(renew(lease, electorate, true), 'node 2 is in reach and grants nothing');
  noteEcho(lease, 2, 'me', 1, '');
  t.ok(renew(lease, electorate, true));
  stamp(lease, 2_000);
  noteDelivery(lease, 'me', 2);
  lease.agentsInReach = [1];
  t.ok(renew(lease, electorate, true), 'alone with the device');
  t.equal(lease.deadlineMs, 9_000);
});

t.test('a takeover waits for the device too', async (t) => {
  t.equal(waitMs(electorate, 15_000), Math.ceil(56_000 * 1.001));
  t.notOk(mayDeclareFenced(electorate, [{ fromId: 1, silenceMs: 16_016 }], 15_000));
  t.ok(mayDeclareFenced(electorate, [{ fromId: 1, silenceMs: 56_056 }], 15_000));
});
