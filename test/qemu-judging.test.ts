import t from 'tap';

/** What the QEMU lab holds against the commands that tell an operator of his watchdog. */

const load = (name: string) => import(new URL(`../../scripts/qemu/${name}`, import.meta.url).href);

interface Told {
  readonly verdict: string;
  readonly cause: string | null;
  readonly certainty: string;
  readonly alternatives: readonly { readonly verdict: string }[];
  readonly summary: string;
}
interface Expected {
  readonly verdict: string;
  readonly cause: string | null;
  readonly certainty: readonly string[];
  readonly also?: string;
}
const {
  machineEnds,
  judgeWhy,
  agree,
}: {
  machineEnds: Record<string, { readonly told: Expected; readonly untold: Expected }>;
  judgeWhy(told: Told, expected: Expected): readonly string[];
  agree(record: object, seen: object): boolean;
} = await load('validate-part.mjs');
const {
  interruptionsOf,
  judgeAfterwards,
}: {
  interruptionsOf(driver: object): readonly { readonly name: string }[];
  judgeAfterwards(record: object | null, run: string, truth: object): readonly string[];
} = await load('interruptions.mjs');

interface Seen {
  readonly kind: string;
  readonly program: string;
  readonly thread: number;
  readonly atMs: number;
}
interface Judge {
  'pets-go-on'(actFromMs: number, formerThreads: readonly number[]): Promise<readonly string[]>;
}
const { Bench }: { Bench: new (guest: object, driver: object, times: object) => Judge } = await load('bench.mjs');

function expected(name: string, by: 'told' | 'untold'): Expected {
  const end = machineEnds[name];
  if (end === undefined) throw new Error(`there is no end ${name}`);
  return end[by];
}

t.test('an agent that was restarted pets by a keeper of its own', async (t) => {
  const judge = (...seen: readonly Omit<Seen, 'kind'>[]) => {
    const find = (sinceMs: number, fits: (each: Seen) => boolean) =>
      seen.map((each) => ({ kind: 'pet', ...each })).filter((each) => each.atMs >= sinceMs && fits(each));
    return new Bench({ find }, {}, {})['pets-go-on'](1_000, [7, 8]);
  };
  const former = { program: 'hf-keeper', thread: 8 };
  const own = { program: 'hf-keeper', thread: 20 };
  t.same(await judge({ ...own, atMs: 1_500 }, { ...own, atMs: 2_500 }), []);
  const lastAndClose = [
    { ...former, atMs: 1_001 },
    { program: 'node', thread: 9, atMs: 1_002 },
  ];
  t.match(await judge(...lastAndClose, { ...own, atMs: 2_500 }), [/does not pet/], 'nor are they its pets');
  t.match(await judge({ ...own, atMs: 500 }, { ...own, atMs: 900 }), [/does not pet/], 'before the act');
});

t.test('why is held to verdict, cause and certainty, by what the driver can tell', async (t) => {
  const fired = { verdict: 'watchdog-fired', cause: 'standstill', certainty: 'likely', alternatives: [], summary: '' };
  t.same(judgeWhy(fired, expected('agent killed', 'told')), []);
  t.equal(judgeWhy(fired, expected('agent killed', 'untold')).length, 3);
  t.match(judgeWhy({ ...fired, cause: 'agent-hung' }, expected('agent killed', 'told')), [/^it says .*agent-hung/]);
  const others = [{ verdict: 'watchdog-fired' }];
  const open = { verdict: 'power-loss', cause: null, certainty: 'open', alternatives: others, summary: '' };
  t.same(judgeWhy(open, expected('agent killed', 'untold')), []);
  t.match(judgeWhy({ ...open, certainty: 'certain' }, expected('agent killed', 'untold')), [/as certain, not open/]);
  t.match(judgeWhy({ ...open, alternatives: [] }, expected('agent killed', 'untold')), [/rules out watchdog-fired/]);
});

t.test('a record agrees with what was seen to its own uncertainty, and no further', async (t) => {
  const seen = { outsideMs: 10_000, errorMs: 10 };
  t.ok(agree({ measuredMs: 10_200, uncertaintyMs: 190 }, seen));
  t.notOk(agree({ measuredMs: 10_250, uncertaintyMs: 200 }, seen));
  t.notOk(agree({ measuredMs: 10_000, uncertaintyMs: 200 }, { ...seen, outsideMs: Number.NaN }));
});

t.test('a validation is interrupted at every step', async (t) => {
  const names = (kappa: number) => interruptionsOf({ kappa }).map(({ name }) => name);
  t.equal(names(1).length, 2 * 4 + 1);
  t.equal(names(2).length, 3 * 4 + 1);
  t.ok(names(2).includes('SIGKILL after the first expiry'));
});

t.test('a verdict after a loss of power is not better than the truth', async (t) => {
  const truth = { driver: { kappa: 2 }, lastedMs: 19_200 };
  const record = { run: 'a', verdict: 'resets', kappa: 2, measuredMs: 19_000, uncertaintyMs: 250, sentence: 'so' };
  t.same(judgeAfterwards(record, 'a', truth), []);
  t.same(judgeAfterwards({ ...record, verdict: 'unfinished', kappa: null }, 'a', truth), []);
  t.match(judgeAfterwards({ ...record, kappa: 1 }, 'a', truth), [/^it says kappa 1/]);
  t.match(judgeAfterwards({ ...record, measuredMs: 18_900 }, 'a', truth), [/but it took 19\.200 s/]);
  t.match(judgeAfterwards({ ...record, verdict: 'did-not-reset' }, 'a', truth), [/did-not-reset/]);
  t.match(judgeAfterwards(record, 'b', truth), [/no verdict/], 'of another run');
  t.match(judgeAfterwards(null, 'a', truth), [/no verdict/]);
});
