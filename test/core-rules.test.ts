import assert from 'node:assert/strict';
import t from 'tap';
import { compileRules } from '../src/core/compiled-rules.js';
import { distinctNodes } from '../src/core/distinct-nodes.js';
import { checkRule } from '../src/core/rule-change.js';
import { togetherSets } from '../src/core/rule-transforms.js';
import type { Group, Rule, RuleInput } from '../src/core/rules.js';
import { apart, names, prefer, restrict, together } from './placement-world.js';
import fc from './seeded-fast-check.js';

function input(rules: Rule[], sids: string[], nodes = 3, groups: Group[] = []): RuleInput {
  const services = sids.map((sid) => ({ sid, group: groups[0]?.name ?? null, failback: true }));
  return { rules, groups, services, nodeNames: names(nodes) };
}

function droppedBy(rules: Rule[], sids: string[], nodes = 3): string[] {
  return compileRules(input(rules, sids, nodes)).dropped.map((note) => note.ruleId);
}

const group: Group = {
  name: 'web',
  nodes: [
    { name: 'n1', priority: 2 },
    { name: 'n2', priority: 1 },
  ],
  restricted: true,
  nofailback: true,
  comment: '',
};

t.test('a rule prefers its nodes by priority, and the others least', async (t) => {
  const { units } = compileRules(input([prefer('r', ['a'], 'n2:5', 'n3:9')], ['a', 'b'], 4));
  t.same(units.get('a')?.choice?.classes, [['n3'], ['n2'], ['n1', 'n4']]);
  t.equal(units.get('b')?.choice, null);
});

t.test('a strict rule leaves the others out; a negative one turns round what is wanted', async (t) => {
  const { units } = compileRules(
    input(
      [
        restrict('r', ['a'], 'n2:5', 'n3:9'),
        { ...prefer('s', ['b'], 'n1', 'n2'), affinity: 'negative' },
        { ...restrict('u', ['c'], 'n3'), affinity: 'negative' },
      ],
      ['a', 'b', 'c'],
    ),
  );
  t.same(units.get('a')?.choice?.classes, [['n3'], ['n2']]);
  t.same(units.get('b')?.choice?.classes, [['n3'], ['n1', 'n2']]);
  t.same(units.get('c')?.choice?.classes, [['n1', 'n2']]);
});

t.test('a group is a rule for its members, unless an enabled rule names them', async (t) => {
  const explicit = restrict('r', ['a'], 'n3');
  const { units } = compileRules(input([explicit], ['a', 'b'], 3, [group]));
  t.same(units.get('a')?.choice?.classes, [['n3']]);
  t.same(units.get('b')?.choice, { ruleId: 'ha-group-web', classes: [['n1'], ['n2']], strict: true });
  t.equal(units.get('b')?.failback, false, 'nofailback');
  const disabled = compileRules(input([{ ...explicit, disabled: true }], ['a', 'b'], 3, [group]));
  t.equal(disabled.units.get('a')?.choice?.ruleId, 'ha-group-web');
});

t.test('rules that share resources keep all of them together, through others too', async (t) => {
  const rules = [together('x', 'a', 'f'), together('y', 'b', 'g'), together('z', 'f', 'g')];
  const { units } = compileRules(input(rules, ['a', 'b', 'c', 'f', 'g']));
  t.same(units.get('b')?.sids, ['a', 'b', 'f', 'g']);
  t.same(units.get('b')?.ruleIds, ['x', 'y', 'z']);
  t.same(units.get('c')?.sids, ['c']);
});

t.test('a whole set has the node rule of any member, and is kept apart if any member is', async (t) => {
  const rules = [together('x', 'a', 'b'), prefer('p', ['b'], 'n2'), apart('s', 'a', 'c')];
  const { units, dropped } = compileRules(input(rules, ['a', 'b', 'c']));
  t.same(dropped, []);
  t.equal(units.get('a')?.choice?.ruleId, 'p');
  t.same(units.get('b')?.separations, [{ ruleId: 's', sids: ['a', 'b', 'c'] }]);
});

t.test('a set falls back only if all its members do', async (t) => {
  const { units } = compileRules({
    rules: [together('x', 'a', 'b')],
    groups: [],
    services: [
      { sid: 'a', group: null, failback: true },
      { sid: 'b', group: null, failback: false },
    ],
    nodeNames: names(2),
  });
  t.equal(units.get('a')?.failback, false);
});

t.test('what contradicts itself is not in force', async (t) => {
  t.same(droppedBy([prefer('p', ['a'], 'n1'), prefer('q', ['a', 'b'], 'n2')], ['a', 'b']), ['p', 'q']);
  t.same(droppedBy([together('x', 'a', 'gone')], ['a']), ['x'], 'one resource is left');
  t.same(droppedBy([apart('x', 'a', 'b'), together('y', 'a', 'b')], ['a', 'b']), ['x', 'y']);
  t.same(
    droppedBy([apart('s', 'a', 'b'), together('x', 'a', 'c'), together('y', 'b', 'c')], ['a', 'b', 'c']),
    ['s', 'x', 'y'],
    'together through a third',
  );
  t.same(droppedBy([together('x', 'a', 'b'), prefer('p', ['a'], 'n1:1', 'n2:2')], ['a', 'b']), ['x']);
  t.same(droppedBy([together('x', 'a', 'b'), prefer('p', ['a'], 'n1'), prefer('q', ['b'], 'n2')], ['a', 'b']), ['x']);
  t.same(droppedBy([together('x', 'a', 'b'), prefer('p', ['a'], 'n1'), apart('s', 'a', 'c')], ['a', 'b', 'c']), []);
  t.same(droppedBy([{ ...apart('x', 'a', 'b'), disabled: true }, together('y', 'a', 'b')], ['a', 'b']), []);
});

t.test('each sentence names the cause and the remedy', async (t) => {
  const { dropped } = compileRules(input([prefer('p', ['a'], 'n1'), prefer('q', ['a', 'b'], 'n2')], ['a', 'b']));
  t.equal(
    dropped[0]?.reason,
    'a is in more than one node-affinity rule (p and q), so none of them is in force: leave it in one',
  );
});

t.test('resources on the same strict node cannot be kept apart, whatever the total of nodes', async (t) => {
  const rules = [apart('s', 'a', 'b', 'c'), restrict('p', ['a', 'b'], 'n1'), restrict('q', ['c'], 'n2', 'n3')];
  t.same(droppedBy(rules, ['a', 'b', 'c']), ['s']);
});

t.test('what is only preferred never counts against keeping apart', async (t) => {
  t.same(droppedBy([apart('s', 'a', 'b', 'c'), prefer('p', ['a', 'b'], 'n1')], ['a', 'b', 'c']), []);
});

t.test('with too few nodes a keep-separate rule stays in force, with a warning', async (t) => {
  const { units, dropped, warnings } = compileRules(input([apart('s', 'a', 'b', 'c')], ['a', 'b', 'c'], 2));
  t.same(dropped, []);
  t.equal(units.get('a')?.separations.length, 1);
  t.match(warnings[0]?.reason, /are enough for 2: 1 of them will wait/);
});

t.test('a node that was removed from the cluster does not drop a rule', async (t) => {
  const rules = [apart('s', 'a', 'b'), restrict('p', ['a', 'b'], 'n1', 'n4')];
  const { dropped, warnings } = compileRules(input(rules, ['a', 'b'], 3));
  t.same(dropped, []);
  t.same(
    warnings.map((note) => note.ruleId),
    ['s'],
  );
});

t.test('a strict rule that no node fulfils is warned of', async (t) => {
  const { warnings } = compileRules(input([restrict('p', ['a'], 'n9')], ['a']));
  t.match(warnings, [{ ruleId: 'p', reason: /can run nowhere/ }]);
});

t.test('a change is told what it breaks, in itself and in other rules, and no more', async (t) => {
  const others = [
    together('x', 'a', 'b'),
    prefer('p', ['a'], 'n1'),
    prefer('d', ['z'], 'n1'),
    prefer('e', ['z'], 'n1'),
  ];
  const sids = ['a', 'b', 'z'];
  t.match(checkRule(input(others, sids), prefer('q', ['b'], 'n2')).errors, [/^rule x: .*\(p and q\)/]);
  assert.deepEqual(
    checkRule(input(others, sids), prefer('q', ['b'], 'n2')).errors.length,
    1,
    'd and e were broken before',
  );
  assert.deepEqual(checkRule(input(others, sids), prefer('p', ['b'], 'n2')).errors, [], 'replaces the old p');
  const disabled = checkRule(input(others, sids), { ...prefer('q', ['b'], 'n2'), disabled: true });
  assert.deepEqual(disabled.errors, []);
  t.match(disabled.warnings, [/^once it is enabled: rule x/]);
  const unknown = checkRule(input([], ['a']), prefer('r', ['a', 'w'], 'n1', 'n7'));
  t.match(unknown, { errors: [], warnings: [/no resource w/, /no node n7/] });
  t.match(checkRule(input([], ['a']), restrict('r', ['a'])).errors, [/names no node/]);
});

const sids = ['a', 'b', 'c', 'd', 'e', 'f'];
const someSids = fc.uniqueArray(fc.constantFrom(...sids), { minLength: 1, maxLength: 4 });
const someNodes = fc.uniqueArray(fc.constantFrom(...names(4)), { minLength: 1, maxLength: 3 });
const anyRule: fc.Arbitrary<(id: string) => Rule> = fc.oneof(
  someSids.map(
    (resources) =>
      (id: string): Rule =>
        together(id, ...resources),
  ),
  someSids.map(
    (resources) =>
      (id: string): Rule =>
        apart(id, ...resources),
  ),
  fc.tuple(someSids, someNodes, fc.boolean(), fc.boolean()).map(([resources, nodes, strict, negative]) => {
    const affinity = negative ? 'negative' : 'positive';
    return (id: string): Rule => ({ ...prefer(id, resources, ...nodes), strict, affinity });
  }),
);
const anyRules = fc.array(anyRule, { maxLength: 6 }).map((made) => made.map((make, index) => make(`r${index}`)));

t.test('neither the order of rules nor of resources matters', async (t) => {
  const shuffled = anyRules.chain((rules) =>
    fc.tuple(
      fc.constant(rules),
      fc.shuffledSubarray(rules, { minLength: rules.length }),
      fc.shuffledSubarray(sids, { minLength: sids.length }),
    ),
  );
  const check = (): void =>
    fc.assert(
      fc.property(shuffled, ([rules, otherRules, otherSids]) => {
        const one = compileRules(input(rules, sids, 4));
        const other = compileRules(input(otherRules, otherSids, 4));
        assert.deepEqual(other.dropped, one.dropped);
        assert.deepEqual(other.warnings, one.warnings);
        for (const sid of sids) assert.deepEqual(other.units.get(sid), one.units.get(sid));
      }),
      { numRuns: 300 },
    );
  t.doesNotThrow(check);
});

t.test('what was left after the checks passes them again unchanged', async (t) => {
  const check = (): void =>
    fc.assert(
      fc.property(anyRules, (rules) => {
        const first = compileRules(input(rules, sids, 4));
        const kept = rules.filter((rule) => !first.dropped.some((note) => note.ruleId === rule.id));
        const again = compileRules(input(kept, sids, 4));
        assert.deepEqual(again.dropped, []);
        for (const sid of sids) assert.deepEqual(again.units.get(sid), first.units.get(sid));
      }),
      { numRuns: 300 },
    );
  t.doesNotThrow(check);
});

t.test('merged sets are disjoint, hold every rule, and merge no further', async (t) => {
  const check = (): void =>
    fc.assert(
      fc.property(fc.array(someSids, { maxLength: 5 }), (lists) => {
        const rules = lists.map((resources, index) => together(`r${index}`, ...resources));
        const sets = togetherSets(rules);
        const all = sets.flatMap((set) => set.sids);
        assert.equal(new Set(all).size, all.length);
        for (const rule of rules) assert.ok(sets.some((set) => rule.resources.every((sid) => set.sids.includes(sid))));
        const again = togetherSets(sets.map((set, index) => together(`s${index}`, ...set.sids)));
        assert.deepEqual(
          again.map((set) => set.sids),
          sets.map((set) => set.sids),
        );
      }),
      { numRuns: 200 },
    );
  t.doesNotThrow(check);
});

t.test('matching finds as many nodes of their own as trying everything does', async (t) => {
  const everything = ([first, ...rest]: readonly (readonly string[])[], used: readonly string[]): number => {
    if (first === undefined) return 0;
    const free = first.filter((node) => !used.includes(node));
    return Math.max(everything(rest, used), ...free.map((node) => 1 + everything(rest, [...used, node])));
  };
  const check = (): void =>
    fc.assert(
      fc.property(fc.array(fc.uniqueArray(fc.constantFrom(...names(5))), { maxLength: 6 }), (accepted) => {
        assert.equal(distinctNodes(accepted), everything(accepted, []));
      }),
      { numRuns: 500 },
    );
  t.doesNotThrow(check);
});
