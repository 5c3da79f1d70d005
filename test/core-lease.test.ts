import t from 'tap';
import type { Electorate } from '../src/core/electorate.js';
import { isQuorum, meetsEveryQuorum, quorumValue, quorumVotes, votesOf } from '../src/core/electorate.js';
import { grant, keepOnly, newGrants, silenceMs } from '../src/core/grants.js';
import { isHeld, newLease, noteEcho, renew, stamp } from '../src/core/lease.js';
import { mayDeclareFenced, untilTakeoverMs } from '../src/core/takeover.js';
import fc from './seeded-fast-check.js';

const electorates = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 7 }).map(
  (votes): Electorate => ({
    nodes: votes.map((count, i) => ({ nodeId: i + 1, name: `node${i + 1}`, votes: count })),
    expectedVotes: Math.max(
      1,
      votes.reduce((sum, count) => sum + count, 0),
    ),
  }),
);

const three: Electorate = {
  nodes: [1, 2, 3].map((nodeId) => ({ nodeId, name: `node${nodeId}`, votes: 1 })),
  expectedVotes: 3,
};

t.test('any two quorums share a node, and what meets every quorum does', async (t) => {
  fc.assert(
    fc.property(electorates, fc.infiniteStream(fc.boolean()), (electorate, coins) => {
      const pick = (): number[] => electorate.nodes.filter(() => coins.next().value).map((node) => node.nodeId);
      const [a, b] = [pick(), pick()];
      const share = a.some((nodeId) => b.includes(nodeId) && votesOf(electorate, [nodeId]) > 0);
      if (isQuorum(electorate, a) && (isQuorum(electorate, b) || meetsEveryQuorum(electorate, b))) return share;
      return true;
    }),
    { numRuns: 2_000 },
  );
  t.pass();
});

t.test('quorumValue is the highest value that nodes with a quorum of votes have reached', async (t) => {
  fc.assert(
    fc.property(
      electorates,
      fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 7, maxLength: 7 }),
      (electorate, values) => {
        const reached = new Map(electorate.nodes.map((node, i) => [node.nodeId, values[i] ?? 0]));
        const value = quorumValue(electorate, reached);
        const have = (least: number): number =>
          votesOf(
            electorate,
            [...reached].filter(([, v]) => v >= least).map(([nodeId]) => nodeId),
          );
        if (value === undefined) return have(0) < quorumVotes(electorate);
        return have(value) >= quorumVotes(electorate) && have(value + 1) < quorumVotes(electorate);
      },
    ),
    { numRuns: 2_000 },
  );
  t.pass();
});

t.test('a lease lasts leaseMs from before the newest heartbeat that a quorum has echoed', async (t) => {
  const lease = newLease(1, 'me', 7_000);
  t.equal(stamp(lease, 1_000), 1);
  t.notOk(renew(lease, three, true), 'no echo, no lease');
  t.notOk(isHeld(lease, 1_001));
  stamp(lease, 2_000);
  noteEcho(lease, 2, 'me', 1, '');
  t.ok(renew(lease, three, true));
  t.equal(lease.deadlineMs, 8_000, 'counted from the sending of the echoed one, not from the echo or the newest');
  noteEcho(lease, 3, 'me', 2, '');
  t.notOk(renew(lease, three, false), 'not while corosync says that there is no quorum');
  t.ok(renew(lease, three, true));
  t.equal(lease.deadlineMs, 9_000);
  t.ok(isHeld(lease, 8_999));
  t.notOk(isHeld(lease, 9_000), 'the deadline itself is too late');
});

t.test('echoes that prove nothing extend nothing', async (t) => {
  const lease = newLease(1, 'me', 7_000);
  stamp(lease, 1_000);
  noteEcho(lease, 2, 'an earlier me', 1, '');
  noteEcho(lease, 1, 'me', 1, '');
  noteEcho(lease, 2, 'me', 99, '');
  t.notOk(renew(lease, three, true), 'of an earlier agent, of oneself, of what was never sent');
  const alone = newLease(1, 'me', 7_000);
  stamp(alone, 1_000);
  t.ok(renew(alone, { nodes: three.nodes.slice(0, 1), expectedVotes: 1 }, true), 'a cluster of one needs nobody else');
});

t.test('whatever the echoes, the deadline never goes back and never passes the last stamp + leaseMs', async (t) => {
  const steps = fc.array(
    fc.record({
      from: fc.integer({ min: 1, max: 5 }),
      seq: fc.integer({ min: 0, max: 40 }),
      pauseMs: fc.integer({ min: 0, max: 3_000 }),
      quorate: fc.boolean(),
    }),
    { maxLength: 60 },
  );
  const five: Electorate = {
    nodes: [1, 2, 3, 4, 5].map((nodeId) => ({ nodeId, name: '', votes: 1 })),
    expectedVotes: 5,
  };
  fc.assert(
    fc.property(steps, (events) => {
      const lease = newLease(1, 'me', 7_000);
      let nowMs = 10_000;
      for (const event of events) {
        nowMs += event.pauseMs;
        const before = lease.deadlineMs;
        stamp(lease, nowMs);
        noteEcho(lease, event.from, 'me', event.seq, '');
        renew(lease, five, event.quorate);
        if (lease.deadlineMs < before || lease.deadlineMs > nowMs + 7_000) return false;
      }
      return true;
    }),
  );
  t.pass();
});

t.test(
  'grants: repeated and older heartbeats are no new grants; silence counts from the last grant or the start',
  async (t) => {
    const grants = newGrants(5_000);
    t.equal(silenceMs(grants, 2, 6_000), 1_000, 'before the first grant: since the start of the agent');
    grant(grants, 2, 'a', 7, 10_000);
    grant(grants, 2, 'a', 7, 11_000);
    grant(grants, 2, 'a', 6, 12_000);
    t.equal(silenceMs(grants, 2, 12_000), 2_000);
    grant(grants, 2, 'b', 1, 13_000);
    t.equal(silenceMs(grants, 2, 13_000), 0, 'a new agent of that node counts from 1 again');
    keepOnly(grants, new Set([1, 3]));
    t.equal(grants.echoes.size, 0, 'nothing is echoed to nodes outside the view');
    t.equal(silenceMs(grants, 2, 14_000), 1_000, 'but what was granted is not forgotten');
  },
);

t.test('a node is declared fenced only by those who meet every quorum, each having waited', async (t) => {
  const waitedMs = 16_016;
  const report = (fromId: number, ms: number) => ({ fromId, silenceMs: ms });
  t.ok(mayDeclareFenced(three, [report(2, waitedMs), report(3, waitedMs)], 15_000));
  t.notOk(mayDeclareFenced(three, [report(2, waitedMs), report(3, waitedMs - 1)], 15_000), 'one has not waited');
  t.notOk(mayDeclareFenced(three, [report(2, waitedMs)], 15_000), 'one alone may miss the quorum of the other two');
  t.notOk(
    mayDeclareFenced(three, [report(2, waitedMs), report(3, waitedMs)], 60_000),
    "the lost node's own bound counts",
  );
  t.equal(untilTakeoverMs(three, [report(2, 10_000), report(3, 12_016)], 15_000), 6_016);
  t.equal(untilTakeoverMs(three, [report(2, 10_000)], 15_000), null);
});
