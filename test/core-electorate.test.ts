import t from 'tap';
import { isQuorum, meetsEveryQuorum, quorumValue } from '../src/core/electorate.js';
import { newLease, noteEcho, renew, stamp } from '../src/core/lease.js';
import { type CorosyncConf, Simulation } from './core-simulation.js';
import { add } from './fixtures/add-resource.js';

/** Voters that come and go: schedules under which two majorities of different electorates would both decide. */

function conf(...nodeIds: number[]): CorosyncConf {
  return { votes: new Map(nodeIds.map((nodeId) => [nodeId, 1])), deviceVotes: 0 };
}

/** A service that runs on one of the nodes. */
function running(seed: number, nodes: number, spares = 0) {
  const simulation = new Simulation({ nodes, fenceBoundMs: 15_000, seed, spares });
  simulation.run(5_000);
  simulation.request(1, add('ocf:web'));
  simulation.run(5_000);
  const holder = simulation.machines.find((machine) => machine.running.has('ocf:web'));
  if (holder === undefined) throw new Error('ocf:web does not run');
  return { simulation, holder };
}

function until(simulation: Simulation, limitMs: number, condition: () => boolean): number {
  const fromMs = simulation.nowMs;
  while (simulation.nowMs - fromMs < limitMs && !condition()) simulation.run(100);
  return simulation.nowMs - fromMs;
}

const voters = (simulation: Simulation): number[] =>
  (simulation.oracle.electorate?.nodes ?? []).map(({ nodeId }) => nodeId).sort();

t.test('a minority whose corosync.conf makes it a majority decides nothing', async (t) => {
  const { simulation, holder } = running(1, 5);
  const others = [1, 2, 3, 4, 5].filter((nodeId) => nodeId !== holder.nodeId);
  const minority = others.slice(-2);
  const majority = [holder.nodeId, ...others.slice(0, 2)];
  simulation.partition(majority, minority);
  simulation.reconfigure(minority, conf(...minority, others[0] ?? 0));
  simulation.run(60_000);
  const seen = simulation.machine(minority[0] ?? 0).agent?.node;
  t.ok(seen?.membership.quorum?.quorate, 'corosync takes it for quorate');
  t.strictSame(simulation.fenced, [], 'nobody is declared fenced');
  t.ok(holder.running.has('ocf:web'), 'the service goes on where it was');
  t.strictSame(simulation.violations, []);
});

t.test('nodes are added in two steps, a takeover wait apart', async (t) => {
  const { simulation } = running(2, 3, 2);
  simulation.reconfigure([1, 2, 3, 4, 5], conf(1, 2, 3, 4, 5));
  simulation.boot(4);
  simulation.boot(5);
  until(simulation, 30_000, () => simulation.oracle.electorate?.former != null);
  t.strictSame(voters(simulation), [1, 2, 3, 4, 5]);
  t.equal(simulation.oracle.electorate?.former?.nodes.length, 3, 'the former ones count as well');
  const waitedMs = until(simulation, 60_000, () => simulation.oracle.electorate?.former === null);
  t.ok(waitedMs >= 15_900, `alone only after a takeover wait (${waitedMs} ms)`);
  t.strictSame(simulation.violations, []);
});

t.test('nothing changes while corosync.conf differs among the nodes', async (t) => {
  const { simulation } = running(3, 3, 1);
  simulation.reconfigure([1, 4], conf(1, 2, 3, 4));
  simulation.run(40_000);
  t.strictSame(voters(simulation), [1, 2, 3]);
  simulation.reconfigure([2, 3], conf(1, 2, 3, 4));
  simulation.run(40_000);
  t.strictSame(voters(simulation), [1, 2, 3, 4]);
  t.strictSame(simulation.violations, []);
});

t.test('a lost node that is taken out of corosync.conf is fenced all the same, and then gone', async (t) => {
  const { simulation, holder } = running(4, 4);
  const left = [1, 2, 3, 4].filter((nodeId) => nodeId !== holder.nodeId);
  simulation.powerOff(holder.nodeId);
  simulation.run(3_000);
  simulation.reconfigure(left, conf(...left));
  simulation.run(60_000);
  t.ok(
    left.some((nodeId) => simulation.machine(nodeId).running.has('ocf:web')),
    'its service runs elsewhere',
  );
  t.strictSame(voters(simulation), left);
  t.ok(['gone', undefined].includes(simulation.oracle.nodes[holder.nodeId]?.state));
  t.strictSame(simulation.violations, []);
});

t.test('a quorum of a changing electorate is one of both', async (t) => {
  const votes = (...ids: number[]) => ({
    nodes: ids.map((nodeId) => ({ nodeId, name: '', votes: 1 })),
    expectedVotes: ids.length,
  });
  const joint = { ...votes(3, 4, 5), former: votes(1, 2, 3), version: '2.9' };
  t.notOk(isQuorum(joint, [3, 4, 5]));
  t.ok(isQuorum(joint, [2, 3, 4]));
  t.notOk(meetsEveryQuorum(joint, [4, 5]));
  t.ok(meetsEveryQuorum(joint, [2, 3, 4]));
  t.equal(
    quorumValue(
      joint,
      new Map([
        [1, 9],
        [2, 7],
        [3, 5],
        [4, 8],
        [5, 1],
      ]),
    ),
    5,
  );
});

t.test('an echo counts only from those who go by the same electorate', async (t) => {
  const three = {
    nodes: [1, 2, 3].map((nodeId) => ({ nodeId, name: '', votes: 1 })),
    expectedVotes: 3,
    version: '1.1',
  };
  const lease = newLease(1, 'me', 7_000);
  stamp(lease, 1_000);
  noteEcho(lease, 2, 'me', 1, '2.9');
  t.notOk(renew(lease, three, true), 'node 2 has gone on to another');
  t.ok(renew(lease, { ...three, version: '2.9' }, true), 'and so has this one now');
});
