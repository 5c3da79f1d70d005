import assert from 'node:assert/strict';
import t from 'tap';
import { findMove, imbalance } from '../src/core/balancing.js';
import type { PlacementContext } from '../src/core/placement-context.js';
import { closeness } from '../src/core/topsis.js';
import { apart, prefer, restrict, type ServiceSketch, type Sketch, together, world } from './placement-world.js';
import fc from './seeded-fast-check.js';

const margin = 0.1;

type Guests = Record<string, ServiceSketch & { readonly nodeId: number }>;

/** Three equal nodes on which nothing but the services runs. */
function cluster(services: Guests, more: Partial<Sketch> = {}): PlacementContext {
  const used = (nodeId: number): { cpus: number; gib: number } => {
    const there = Object.values(services).filter((service) => service.nodeId === nodeId);
    const sum = (of: (service: ServiceSketch) => number): number => there.reduce((all, one) => all + of(one), 0);
    return { cpus: sum((one) => one.usedCpus ?? one.cpus ?? 0), gib: sum((one) => one.usedGib ?? one.gib ?? 0) };
  };
  return world({
    nodes: 3,
    nodeCpus: 16,
    nodeGib: { 1: 32, 2: 32, 3: 32 },
    measured: { 1: used(1), 2: used(2), 3: used(3) },
    scheduling: 'dynamic',
    services,
    ...more,
  });
}

const guest = { cpus: 2, gib: 8, usedCpus: 1, usedGib: 4 };
const crowd: Guests = Object.fromEntries(['a', 'b', 'c', 'd'].map((sid) => [sid, { ...guest, nodeId: 1 }]));

/** Follows the moves until there is none. */
function balanced(services: Guests, method: 'bruteforce' | 'topsis', more: Partial<Sketch> = {}): Guests {
  const move = findMove(cluster(services, more), method, margin);
  if (move === null) return services;
  const moved = Object.entries(services).map(([sid, service]): [string, Guests[string]] => [
    sid,
    move.sids.includes(sid) ? { ...service, nodeId: move.targetNodeId } : service,
  ]);
  return balanced(Object.fromEntries(moved), method, more);
}

function nodesOf(services: Guests): number[] {
  return Object.values(services).map((service) => service.nodeId);
}

t.test('imbalance is the deviation of node loads over their mean', async (t) => {
  t.equal(imbalance(cluster({})), 0, 'nothing runs');
  t.equal(imbalance(cluster({ a: { ...guest, nodeId: 1 } })), Number(Math.SQRT2.toFixed(9)), 'all on one of three');
  const even = Object.fromEntries([1, 2, 3].map((nodeId) => [`s${nodeId}`, { ...guest, nodeId }]));
  t.equal(imbalance(cluster(even)), 0);
  t.equal(imbalance(cluster(crowd, { scheduling: 'basic' })), null);
  t.equal(imbalance(cluster(crowd, { nodeGib: { 1: 32, 2: 32 } })), null, 'the figures of n3 are missing');
});

for (const method of ['bruteforce', 'topsis'] as const) {
  t.test(
    `${method}: one service moves at a time, the first by name to the first node, until it no longer pays`,
    async (t) => {
      t.match(findMove(cluster(crowd), method, margin), { sids: ['a'], sourceNodeId: 1, targetNodeId: 2 });
      t.same(nodesOf(balanced(crowd, method)), [2, 3, 1, 1]);
      t.equal(findMove(cluster({ a: { ...guest, nodeId: 1 } }), method, margin), null, 'one alone only changes places');
    },
  );

  t.test(`${method}: rules are kept`, async (t) => {
    const bound = { rules: [restrict('r', ['a', 'b', 'c'], 'n1')] };
    t.same(nodesOf(balanced(crowd, method, bound)), [1, 1, 1, 2]);
    const preferring = { rules: [prefer('r', ['a', 'b', 'c'], 'n1')] };
    t.same(nodesOf(balanced(crowd, method, preferring)), [1, 1, 1, 2], 'not out of the preferred nodes');
    const apartFromD = { rules: [apart('s', 'a', 'd')] };
    const rival: Guests = {
      ...crowd,
      d: { cpus: 0.1, gib: 0.1, nodeId: 2 },
      e: { ...guest, nodeId: 3, balanced: false },
    };
    t.match(findMove(cluster(rival), method, margin), { sids: ['a'], targetNodeId: 2 });
    t.match(findMove(cluster(rival, apartFromD), method, margin), { sids: ['b'], targetNodeId: 2 });
  });

  t.test(`${method}: a set moves whole, or not at all`, async (t) => {
    const rules = [together('k', 'a', 'b')];
    t.match(findMove(cluster(crowd, { rules }), method, margin)?.sids, ['a', 'b']);
    const fixed = { ...guest, nodeId: 1, balanced: false };
    const torn: Guests = { a: { ...guest, nodeId: 1 }, b: { ...guest, nodeId: 2 }, c: fixed, d: fixed };
    t.match(findMove(cluster(torn), method, 0)?.sids, ['a']);
    t.equal(findMove(cluster(torn, { rules }), method, 0), null, 'they are not together');
    const still: Guests = {
      a: { ...guest, nodeId: 1 },
      b: { ...guest, nodeId: 1, balanced: false },
      c: { ...guest, nodeId: 1 },
    };
    t.match(findMove(cluster(still, { rules }), method, margin)?.sids, ['c'], 'one of them may not be moved');
  });

  t.test(`${method}: only what may be moved, and not to where it has no room`, async (t) => {
    const fixed = Object.fromEntries(Object.entries(crowd).map(([sid, one]) => [sid, { ...one, balanced: false }]));
    t.equal(findMove(cluster(fixed), method, margin), null);
    const small = { nodeGib: { 1: 32, 2: 4, 3: 32 } };
    t.equal(findMove(cluster(crowd, small), method, margin)?.targetNodeId, 3);
    const lost = { unavailable: { 2: 'is lost' } };
    t.equal(findMove(cluster(crowd, lost), method, margin)?.targetNodeId, 3);
  });

  t.test(`${method}: nothing while something moves`, async (t) => {
    const context = cluster(crowd);
    context.move('d', 3);
    t.equal(findMove(context, method, margin), null);
  });
}

t.test('a move that gains less than the margin is not made', async (t) => {
  const services: Guests = {
    big: { cpus: 8, gib: 16, nodeId: 1, balanced: false },
    tiny: { cpus: 0.2, gib: 0.2, nodeId: 1 },
  };
  t.equal(findMove(cluster(services), 'bruteforce', margin), null);
  t.match(findMove(cluster(services), 'bruteforce', 0.01), { sids: ['tiny'] });
});

t.test('static: what services may use is balanced, whatever they use', async (t) => {
  const idle = Object.fromEntries(
    ['a', 'b', 'c'].map((sid) => [sid, { cpus: 2, gib: 8, usedCpus: 0, usedGib: 0, nodeId: 1 }]),
  );
  t.same(nodesOf(balanced(idle, 'bruteforce', { scheduling: 'static' })), [2, 3, 1]);
  t.equal(findMove(cluster(idle), 'bruteforce', margin), null, 'dynamic sees no load');
});

t.test('no single move is better than the one that bruteforce finds', async (t) => {
  const anyGuests = fc
    .array(
      fc.record({
        nodeId: fc.integer({ min: 1, max: 3 }),
        cpus: fc.integer({ min: 1, max: 4 }),
        gib: fc.integer({ min: 1, max: 3 }),
      }),
      { minLength: 1, maxLength: 5 },
    )
    .map((list): Guests => Object.fromEntries(list.map((service, index) => [`s${index}`, service])));
  const check = (): void =>
    fc.assert(
      fc.property(anyGuests, (services) => {
        const unequal = { nodeGib: { 1: 32, 2: 16, 3: 64 } };
        const before = imbalance(cluster(services, unequal)) ?? 0;
        const all = Object.entries(services).flatMap(([sid, service]) =>
          [1, 2, 3].map((nodeId) => imbalance(cluster({ ...services, [sid]: { ...service, nodeId } }, unequal)) ?? 0),
        );
        const least = Math.min(...all);
        const move = findMove(cluster(services, unequal), 'bruteforce', margin);
        if (move === null) assert.ok(before === 0 || (before - least) / before < margin + 1e-6);
        else assert.ok(Math.abs(move.imbalanceAfter - least) < 1e-6, `${move.imbalanceAfter} is not ${least}`);
      }),
      { numRuns: 300 },
    );
  t.doesNotThrow(check);
});

t.test('TOPSIS: the best in everything is 1, the worst 0, and equal ones tie', async (t) => {
  t.same(
    closeness(
      [
        [1, 1],
        [2, 3],
        [1, 1],
      ],
      [1, 2],
    ),
    [1, 0, 1],
  );
  t.same(closeness([[5], [5]], [1]), [1, 1]);
  t.same(closeness([], [1]), []);
  const [cheap = 0, dear = 0] = closeness(
    [
      [2, 1],
      [1, 2],
    ],
    [1, 2],
  );
  t.ok(cheap > dear, 'the heavier criterion decides');
});
