import assert from 'node:assert/strict';
import t from 'tap';
import { type NodeSelection, selectNode } from '../src/core/placement.js';
import type { PlacementContext } from '../src/core/placement-context.js';
import type { Preference } from '../src/core/placement-situation.js';
import type { Rule } from '../src/core/rules.js';
import { apart, names, prefer, restrict, type ServiceSketch, together, world } from './placement-world.js';
import fc from './seeded-fast-check.js';

function select(context: PlacementContext, sid: string, preference: Preference, failed: number[] = []): NodeSelection {
  return selectNode(context, { sid, preference, failedNodeIds: failed });
}

function nodeFor(context: PlacementContext, sid: string, preference: Preference, failed: number[] = []): number | null {
  return select(context, sid, preference, failed).nodeId;
}

/** Places each where it should be, telling the context of each. */
function placeAll(context: PlacementContext, sids: string[]): (number | null)[] {
  return sids.map((sid) => {
    const nodeId = nodeFor(context, sid, 'best-score');
    if (nodeId !== null) context.assign(sid, nodeId);
    return nodeId;
  });
}

const waiting: ServiceSketch = { occupies: false };

t.test('the node with the fewest services is the best, and of equal ones the first by name', async (t) => {
  const context = world({ nodes: 3, services: { a: 1, b: 2, c: 2, x: waiting } });
  t.equal(nodeFor(context, 'x', 'best-score'), 3);
  context.assign('x', 3);
  t.equal(nodeFor(context, 'b', 'best-score'), 1, 'n1 and n3 run one each');
});

t.test('what moves counts on both nodes', async (t) => {
  const context = world({ nodes: 3, services: { a: 1, b: 2, x: waiting } });
  context.move('a', 3);
  context.move('b', 1);
  t.equal(nodeFor(context, 'x', 'best-score'), 2, 'n1 has two, n2 and n3 one each');
});

t.test('guests that are not managed count too', async (t) => {
  const plain = world({ nodes: 2, services: { x: waiting } });
  t.equal(nodeFor(plain, 'x', 'best-score'), 1);
  plain.usage.add(1, null, 'starting');
  t.equal(nodeFor(plain, 'x', 'best-score'), 2);
});

t.test('none stays where it may, and leaves where it may not', async (t) => {
  const rules = [restrict('r', ['b'], 'n2')];
  const context = world({ nodes: 3, rules, services: { a: 1, b: 1, c: 1, d: 1 } });
  t.same([nodeFor(context, 'a', 'none'), nodeFor(context, 'b', 'none')], [1, 2]);
  const drained = world({ nodes: 3, unavailable: { 1: 'is in maintenance' }, services: { a: 1, b: 2 } });
  t.equal(nodeFor(drained, 'a', 'none'), 3);
});

t.test('it falls back to a better class of nodes, unless it is not to', async (t) => {
  const rules = [prefer('r', ['a', 'b'], 'n2:1', 'n3:2')];
  const context = world({ nodes: 3, rules, services: { a: 2, b: { nodeId: 2, failback: false } } });
  t.equal(nodeFor(context, 'a', 'none'), 3);
  t.equal(nodeFor(context, 'b', 'none'), 2);
});

t.test('priority beats load', async (t) => {
  const rules = [prefer('r', ['x'], 'n1:2', 'n2:1')];
  const context = world({ nodes: 2, rules, services: { a: 1, b: 1, x: waiting } });
  t.equal(nodeFor(context, 'x', 'best-score'), 1);
});

t.test('a preference that cannot be met gives way to the next class, down to the nodes not named', async (t) => {
  const rules = [prefer('r', ['x'], 'n1:2', 'n2:1'), apart('s', 'x', 'y')];
  const context = world({ nodes: 3, rules: rules.slice(0, 1), services: { x: waiting } });
  t.equal(nodeFor(context, 'x', 'try-next', [1]), 2);
  t.equal(nodeFor(context, 'x', 'try-next', [1, 2]), 3);
  t.equal(nodeFor(context, 'x', 'try-next', [1, 2, 3]), null);
  const blocked = world({
    nodes: 3,
    unavailable: { 3: 'is lost' },
    rules: [prefer('r', ['x', 'y'], 'n2', 'n3'), apart('s', 'x', 'y')],
    services: { y: 2, x: { nodeId: 3, occupies: false } },
  });
  t.equal(nodeFor(blocked, 'x', 'best-score'), 1, 'neither recovery');
  t.equal(nodeFor(blocked, 'x', 'none'), 1, 'nor draining waits for a preferred node');
});

t.test('a strict rule does not give way', async (t) => {
  const context = world({
    nodes: 3,
    unavailable: { 1: 'is lost' },
    rules: [restrict('r', ['x'], 'n1')],
    services: { x: waiting },
  });
  const { nodeId, reason } = select(context, 'x', 'best-score');
  t.equal(nodeId, null);
  t.equal(reason, 'rule r allows only n1, and no such node can be given services now');
});

t.test('nodes to be avoided are the last, or none at all', async (t) => {
  const avoid = { ...prefer('r', ['x'], 'n1', 'n2'), affinity: 'negative' as const };
  t.equal(nodeFor(world({ nodes: 3, rules: [avoid], services: { a: 3, x: waiting } }), 'x', 'best-score'), 3);
  const unavailable = { 3: 'is lost' };
  t.equal(nodeFor(world({ nodes: 3, unavailable, rules: [avoid], services: { x: waiting } }), 'x', 'best-score'), 1);
  const never = { ...avoid, strict: true };
  t.equal(nodeFor(world({ nodes: 3, unavailable, rules: [never], services: { x: waiting } }), 'x', 'best-score'), null);
});

t.test('try-next goes on from where it is, in the order of scores, and round', async (t) => {
  const services = { a: 1, b: 1, c: 2, x: { nodeId: 2, occupies: false } };
  const context = world({ nodes: 3, services });
  t.equal(nodeFor(context, 'x', 'try-next'), 1, 'n3, n2, n1: after n2 comes n1');
  t.equal(nodeFor(context, 'x', 'try-next', [1]), 3, 'after n2 the first again');
  t.equal(nodeFor(context, 'x', 'try-next', [2]), 3, 'it is not among them: the first');
});

t.test('a node where it failed is not moved to, but not left either', async (t) => {
  const rules = [prefer('r', ['x'], 'n1')];
  t.equal(nodeFor(world({ nodes: 2, rules, services: { x: 2 } }), 'x', 'none', [1]), 2);
  t.equal(nodeFor(world({ nodes: 2, rules, services: { x: 1 } }), 'x', 'none', [1]), 1);
});

t.test('where it failed is the last resort of what may not stay', async (t) => {
  const strict = world({ nodes: 3, rules: [restrict('r', ['x'], 'n1')], services: { x: 2 } });
  const { nodeId, reason } = select(strict, 'x', 'none', [1]);
  t.equal(nodeId, 1);
  t.match(reason, /placed on n1, .* although it has failed to start there/);
  const drained = (nodes: number) => world({ nodes, unavailable: { 2: 'is in maintenance' }, services: { x: 2 } });
  t.equal(nodeFor(drained(3), 'x', 'none', [1]), 3);
  t.equal(nodeFor(drained(2), 'x', 'none', [1]), 1);
  const kept = world({ nodes: 2, rules: [apart('s', 'x', 'y')], services: { x: 2, y: 2 } });
  t.equal(nodeFor(kept, 'x', 'none', [1]), 1);
});

t.test('what is kept apart avoids the nodes where the others are and where they go', async (t) => {
  const rules = [apart('s', 'x', 'y')];
  const context = world({ nodes: 4, rules, services: { y: { nodeId: 1, targetNodeId: 2 }, z: 3, x: 1 } });
  t.equal(nodeFor(context, 'x', 'none'), 4);
  t.equal(nodeFor(context, 'z', 'none'), 3);
  context.release('y');
  t.equal(nodeFor(context, 'x', 'none'), 1);
});

t.test('surplus members of a keep-separate rule wait, and the others are placed', async (t) => {
  const context = world({
    nodes: 2,
    rules: [apart('s', 'a', 'b', 'c')],
    services: { a: waiting, b: waiting, c: waiting },
  });
  t.same(placeAll(context, ['a', 'b', 'c']), [1, 2, null]);
  t.match(select(context, 'c', 'best-score').reason, /\(n1 and n2\) is something that rule s keeps it apart from/);
});

t.test('a set comes together where most of it is', async (t) => {
  const rules = [together('k', 'a', 'b', 'c')];
  const context = world({ nodes: 3, rules, services: { a: 1, b: 3, c: 3, d: 2 } });
  t.equal(nodeFor(context, 'a', 'none'), 3);
  t.equal(nodeFor(context, 'b', 'none'), 1, 'one mate on n1, one on n3: by name');
  context.move('a', 3);
  t.equal(nodeFor(context, 'b', 'none'), 3);
});

t.test('one by one, two that are apart end up together', async (t) => {
  const context = world({ nodes: 2, rules: [together('k', 'a', 'b')], services: { a: 1, b: 2 } });
  t.equal(nodeFor(context, 'a', 'none'), 2);
  context.move('a', 2);
  t.equal(nodeFor(context, 'b', 'none'), 2);
});

t.test('a set that does not fall back comes together all the same', async (t) => {
  const services = { a: { nodeId: 1, failback: false }, b: { nodeId: 2, failback: false } };
  t.equal(nodeFor(world({ nodes: 2, rules: [together('k', 'a', 'b')], services }), 'a', 'none'), 2);
});

t.test('a set is drawn whole to the nodes that one member prefers', async (t) => {
  const rules = [together('k', 'a', 'b'), prefer('p', ['b'], 'n2')];
  const context = world({ nodes: 3, rules, services: { a: 3, b: 3 } });
  t.equal(nodeFor(context, 'a', 'none'), 2);
  context.move('a', 2);
  t.equal(nodeFor(context, 'b', 'none'), 2);
});

t.test('a recovered set goes to one node', async (t) => {
  const dead = { nodeId: 3, occupies: false };
  const services = { x: 1, a: dead, b: dead, c: dead };
  const rules = [together('k', 'a', 'b', 'c')];
  const context = world({ nodes: 3, unavailable: { 3: 'is lost' }, rules, services });
  t.same(placeAll(context, ['a', 'b', 'c']), [2, 2, 2]);
});

t.test('mates that run hold a failing one: elsewhere it would break their rule', async (t) => {
  const rules = [together('k', 'a', 'b')];
  const context = world({ nodes: 2, rules, services: { a: 1, b: { nodeId: 1, running: false } } });
  const { nodeId, reason } = select(context, 'b', 'try-next', [1]);
  t.equal(nodeId, null);
  t.equal(reason, 'it is kept together with a, which runs where it failed to start');
  const neither = { nodeId: 1, running: false };
  t.equal(nodeFor(world({ nodes: 2, rules, services: { a: neither, b: neither } }), 'b', 'try-next', [1]), 2);
});

t.test('it returns to the node that it left for maintenance', async (t) => {
  const services = { a: { nodeId: 2, originNodeId: 1 }, b: { nodeId: 2, originNodeId: 1, failback: false } };
  t.equal(nodeFor(world({ nodes: 2, services }), 'a', 'none'), 1);
  t.equal(nodeFor(world({ nodes: 2, services }), 'b', 'none'), 2, 'unless it does not fall back');
  t.equal(nodeFor(world({ nodes: 2, unavailable: { 1: 'is in maintenance' }, services }), 'a', 'none'), 2);
});

t.test('a set that left a node together returns together', async (t) => {
  const away = { nodeId: 2, originNodeId: 1 };
  const rules = [together('k', 'a', 'b', 'c')];
  const context = world({ nodes: 3, rules, services: { a: away, b: away, c: away } });
  for (const sid of ['a', 'b', 'c']) {
    t.equal(nodeFor(context, sid, 'none'), 1);
    context.move(sid, 1);
  }
  const mixed = world({ nodes: 3, rules, services: { a: away, b: away, c: 2 } });
  t.equal(nodeFor(mixed, 'a', 'none'), 2, 'one of them belongs where they are');
});

t.test('a node without room for it is the last resort, and the reason says so', async (t) => {
  const services = { a: { nodeId: 2, gib: 2 }, b: { nodeId: 2, gib: 2 }, x: { occupies: false, gib: 6 } };
  const sketch = { nodes: 2, nodeGib: { 1: 4, 2: 16 }, scheduling: 'static' as const };
  t.equal(nodeFor(world({ ...sketch, services }), 'x', 'best-score'), 2, 'n1 has fewer services and no room');
  const only = select(world({ ...sketch, unavailable: { 2: 'is lost' }, services }), 'x', 'best-score');
  t.equal(only.nodeId, 1);
  t.match(only.reason, /no node that it may use has room for it; it may need 6 GiB of memory where 4 GiB are left$/);
});

t.test('room beats preference, and the load that was measured counts', async (t) => {
  const services = { x: { occupies: false, gib: 6, usedGib: 1 } };
  const rules = [prefer('r', ['x'], 'n1')];
  const full = { 1: { cpus: 0, gib: 12 }, 2: { cpus: 0, gib: 1 } };
  for (const scheduling of ['basic', 'dynamic'] as const) {
    const context = world({ nodes: 2, nodeGib: { 1: 16, 2: 16 }, measured: full, rules, scheduling, services });
    t.equal(nodeFor(context, 'x', 'best-score'), 2, scheduling);
  }
  t.equal(nodeFor(world({ nodes: 2, rules, services }), 'x', 'best-score'), 1, 'unknown figures exclude nobody');
});

t.test('a set is placed where all of it has room', async (t) => {
  const dead = { nodeId: 3, occupies: false, gib: 6 };
  const services = { y: { nodeId: 2, gib: 1 }, a: dead, b: dead };
  const context = world({
    nodes: 3,
    unavailable: { 3: 'is lost' },
    nodeGib: { 1: 8, 2: 16, 3: 16 },
    scheduling: 'static',
    rules: [together('k', 'a', 'b'), prefer('p', ['a'], 'n1')],
    services,
  });
  t.same(placeAll(context, ['a', 'b']), [2, 2]);
});

t.test('where it is, it may stay without room', async (t) => {
  const services = { a: { nodeId: 1, gib: 9 }, b: { nodeId: 1, gib: 9 } };
  const context = world({ nodes: 2, nodeGib: { 1: 10, 2: 100 }, scheduling: 'static', services });
  t.equal(nodeFor(context, 'a', 'none'), 1);
});

t.test('static: the most free node, in proportion to what each has', async (t) => {
  const sizes = { 1: 100, 2: 200, 3: 100 };
  const services = Object.fromEntries(
    ['a', 'b', 'c', 'd', 'e', 'f'].map((sid) => [sid, { ...waiting, cpus: 2, gib: 4 }]),
  );
  const context = world({ nodes: 3, nodeCpus: 32, nodeGib: sizes, scheduling: 'static', services });
  const placed = placeAll(context, Object.keys(services));
  t.equal(placed[0], 2);
  t.ok(placed.filter((node) => node === 2).length >= 3, `${placed}`);
  t.same([...new Set(placed)].sort(), [1, 2, 3]);
});

t.test('static: memory weighs more than CPU, and CPU decides between equals', async (t) => {
  const services = {
    a: { nodeId: 1, cpus: 20, gib: 1 },
    b: { nodeId: 2, cpus: 1, gib: 60 },
    x: { ...waiting, cpus: 2, gib: 8 },
  };
  t.equal(
    nodeFor(world({ nodes: 2, nodeGib: { 1: 100, 2: 100 }, scheduling: 'static', services }), 'x', 'best-score'),
    1,
  );
  const even = { ...services, b: { nodeId: 2, cpus: 10, gib: 1 } };
  t.equal(
    nodeFor(world({ nodes: 2, nodeGib: { 1: 100, 2: 100 }, scheduling: 'static', services: even }), 'x', 'best-score'),
    2,
  );
});

t.test('dynamic: what is measured decides, and what is about to start counts at its most', async (t) => {
  const idle = { ...waiting, cpus: 4, gib: 8, usedCpus: 0, usedGib: 0 };
  const services = { a: 1, b: 1, x: idle, y: idle };
  const measured = { 1: { cpus: 1, gib: 2 }, 2: { cpus: 1, gib: 9 } };
  const context = world({ nodes: 2, nodeGib: { 1: 64, 2: 64 }, measured, scheduling: 'dynamic', services });
  t.same(placeAll(context, ['x', 'y']), [1, 2]);
});

t.test('without figures the number of services decides', async (t) => {
  const services = { a: { nodeId: 1, cpus: 1, gib: 1 }, x: { ...waiting, cpus: 1, gib: 1 }, y: waiting };
  const unknown = world({ nodes: 2, nodeGib: { 1: 64 }, scheduling: 'static', services });
  t.match(select(unknown, 'x', 'best-score'), { nodeId: 2, reason: /fewest services/ }, 'of a node');
  const known = world({ nodes: 2, nodeGib: { 1: 64, 2: 1 }, scheduling: 'static', services });
  t.match(select(known, 'x', 'best-score'), { nodeId: 1, reason: /loads most even/ });
  t.match(select(known, 'y', 'best-score'), { nodeId: 2, reason: /fewest services/ }, 'of the service');
});

t.test('with rebalancing on start, each service goes where it suits best, and later ones see it', async (t) => {
  const dead = { nodeId: 3, occupies: false, cpus: 2 };
  const services = { a: { ...dead, gib: 1 }, b: { ...dead, gib: 2 }, c: { ...dead, gib: 3 }, d: { ...dead, gib: 4 } };
  const context = world({ nodes: 3, nodeGib: { 1: 64, 2: 64, 3: 64 }, scheduling: 'static', services });
  t.same(placeAll(context, ['a', 'b', 'c', 'd']), [1, 2, 3, 1]);
});

t.test('an explanation says of every node why', async (t) => {
  const context = world({
    nodes: 5,
    unavailable: { 4: 'is in maintenance' },
    rules: [restrict('r', ['x'], 'n1', 'n2', 'n3', 'n4'), apart('s', 'x', 'y')],
    services: { y: 3, x: { nodeId: 1, originNodeId: 4 } },
  });
  const selection = selectNode(context, { sid: 'x', preference: 'none', failedNodeIds: [2], explain: true });
  t.equal(selection.nodeId, 1);
  t.same(
    selection.considered.map(({ name, verdict, sentences }) => [name, verdict, ...sentences]),
    [
      ['n1', 'chosen', 'Rule r allows n1.', 'x is on n1 now.', 'n1 runs 1 service.'],
      ['n2', 'excluded', 'x failed to start on n2.', 'Rule r allows n2.', 'n2 runs 0 services.'],
      ['n3', 'excluded', 'Rule s keeps it apart from y on n3.', 'Rule r allows n3.', 'n3 runs 1 service.'],
      ['n4', 'excluded', 'n4 is in maintenance.', 'Rule r allows n4.', 'It left n4 for maintenance, to return.'],
      ['n5', 'excluded', 'Rule r forbids n5.', 'n5 runs 0 services.'],
    ],
  );
  t.same(select(context, 'x', 'none').considered, [], 'not built unless asked for');
});

t.test('an explanation says who holds a service elsewhere', async (t) => {
  const context = world({ nodes: 2, rules: [together('k', 'a', 'b')], services: { a: 2, b: waiting } });
  const { considered } = selectNode(context, { sid: 'b', preference: 'best-score', failedNodeIds: [], explain: true });
  t.match(considered[0], { verdict: 'excluded', sentences: ['Rule k keeps it together with a on n2.'] });
});

const sids = ['a', 'b', 'c', 'd', 'e'];
const anyRules: fc.Arbitrary<Rule[]> = fc
  .array(
    fc.record({
      kind: fc.constantFrom('together', 'apart', 'prefer', 'restrict', 'never'),
      resources: fc.uniqueArray(fc.constantFrom(...sids), { minLength: 1, maxLength: 3 }),
      nodes: fc.uniqueArray(fc.constantFrom(...names(4)), { minLength: 1, maxLength: 3 }),
    }),
    { maxLength: 4 },
  )
  .map((sketches) =>
    sketches.map(({ kind, resources, nodes }, index): Rule => {
      const id = `r${index}`;
      if (kind === 'together') return together(id, ...resources);
      if (kind === 'apart') return apart(id, ...resources);
      if (kind === 'prefer') return prefer(id, resources, ...nodes);
      const strict = restrict(id, resources, ...nodes);
      return kind === 'never' ? { ...strict, affinity: 'negative' } : strict;
    }),
  );
const anyService = fc.record({
  nodeId: fc.integer({ min: 1, max: 4 }),
  occupies: fc.boolean(),
  failback: fc.boolean(),
  cpus: fc.integer({ min: 0, max: 8 }),
  gib: fc.integer({ min: 1, max: 12 }),
  originNodeId: fc.option(fc.integer({ min: 1, max: 4 })),
});
const anyWorld = fc.record({
  rules: anyRules,
  lost: fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength: 2 }),
  services: fc.array(anyService, { minLength: sids.length, maxLength: sids.length }),
  failed: fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength: 2 }),
  preference: fc.constantFrom<Preference>('none', 'best-score', 'try-next'),
  scheduling: fc.constantFrom('basic' as const, 'static' as const, 'dynamic' as const),
});
type AnyWorld = typeof anyWorld extends fc.Arbitrary<infer W> ? W : never;

function made({ rules, lost, services, scheduling }: AnyWorld, order: readonly string[] = sids): PlacementContext {
  return world({
    nodes: 4,
    nodeGib: { 1: 16, 2: 16, 3: 32, 4: 24 },
    unavailable: Object.fromEntries(lost.map((nodeId) => [nodeId, 'is lost'])),
    rules,
    scheduling,
    services: Object.fromEntries(order.map((sid) => [sid, services[sids.indexOf(sid)] ?? waiting])),
  });
}

t.test('no node is chosen that is lost, forbidden, taken by what is kept apart, or where it failed', async (t) => {
  const check = (): void =>
    fc.assert(
      fc.property(anyWorld, (sketch) => {
        const context = made(sketch);
        for (const sid of sids) {
          const nodeId = nodeFor(context, sid, sketch.preference, sketch.failed);
          if (nodeId === null) continue;
          const unit = context.unit(sid);
          assert.ok(!sketch.lost.includes(nodeId), 'lost');
          assert.ok(unit.choice === null || unit.choice.classes.flat().includes(`n${nodeId}`), 'forbidden');
          const rivals = unit.separations.flatMap((one) => one.sids).filter((other) => !unit.sids.includes(other));
          assert.ok(!rivals.some((other) => occupied(context, other) === nodeId), 'kept apart');
          assert.ok(sketch.preference !== 'try-next' || !sketch.failed.includes(nodeId), 'failed');
        }
      }),
      { numRuns: 1_500 },
    );
  t.doesNotThrow(check);
});

function occupied(context: PlacementContext, sid: string): number | null {
  const service = context.service(sid);
  return service?.occupies ? service.nodeId : null;
}

t.test('placed one after the other, sets are together, and nothing that can run waits', async (t) => {
  const check = (): void =>
    fc.assert(
      fc.property(anyWorld, (sketch) => {
        const fresh = { ...sketch, services: sketch.services.map((service) => ({ ...service, occupies: false })) };
        const context = made(fresh);
        placeAll(context, sids);
        for (const sid of sids) {
          const unit = context.unit(sid);
          const places = new Set(unit.sids.flatMap((mate) => occupied(context, mate) ?? []));
          assert.ok(places.size <= 1, `${unit.sids} are on ${[...places]}`);
          if (occupied(context, sid) !== null) continue;
          const usable = context.classes(unit.choice).flat();
          assert.ok(
            usable.every((node) => context.isKeptApart(unit, node.nodeId)),
            `${sid} waits for nothing`,
          );
        }
      }),
      { numRuns: 1_500 },
    );
  t.doesNotThrow(check);
});

t.test('the order in which services are given does not matter', async (t) => {
  const check = (): void =>
    fc.assert(
      fc.property(anyWorld, fc.shuffledSubarray(sids, { minLength: sids.length }), (sketch, order) => {
        const [one, other] = [made(sketch), made(sketch, order)];
        for (const sid of sids) {
          assert.deepEqual(
            select(other, sid, sketch.preference, sketch.failed),
            select(one, sid, sketch.preference, sketch.failed),
          );
        }
      }),
      { numRuns: 500 },
    );
  t.doesNotThrow(check);
});

t.test('when all stay where they are told to go, they come to rest', async (t) => {
  const check = (): void =>
    fc.assert(
      fc.property(anyWorld, (sketch) => {
        let services = sketch.services.map((service) => ({ ...service, occupies: true }));
        for (let round = 0; round < 12; round++) {
          const context = made({ ...sketch, services });
          const moved = sids.map((sid) => {
            const nodeId = nodeFor(context, sid, 'none');
            if (nodeId !== null && nodeId !== occupied(context, sid)) context.move(sid, nodeId);
            return nodeId;
          });
          const next = services.map((service, index) => ({ ...service, nodeId: moved[index] ?? service.nodeId }));
          if (JSON.stringify(next) === JSON.stringify(services)) return;
          services = next;
        }
        assert.fail('they still move after 12 rounds');
      }),
      { numRuns: 1_000 },
    );
  t.doesNotThrow(check);
});
