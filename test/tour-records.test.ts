import t from 'tap';

const load = (name: string) => import(new URL(`../../scripts/tour.d/${name}`, import.meta.url).href);

interface Line {
  readonly bootMs: number;
  readonly event: string;
  readonly node?: string;
  readonly instance?: string;
}
interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}
const records: {
  requestsBetween(lines: readonly object[], fromMs: number, toMs: number): { asked: number; failed: number };
  longestGapMs(instances: readonly Span[], fromMs: number, toMs: number): number;
  resetsBetween(events: readonly Line[], fromMs: number, toMs: number): number;
  isLetGo(events: readonly Line[]): boolean;
  Runs: new () => { add(line: Line): void; lines(): Line[] };
} = await load('records.mjs');
interface StepResult {
  readonly name: string;
  readonly checks: number;
  readonly failures: readonly string[];
  readonly seconds: number;
  readonly resetsSeen: number;
  readonly resetsDue: number;
  readonly doubleRuns: number;
  readonly gaps: Readonly<Record<string, number>>;
  readonly requests: { readonly asked: number; readonly failed: number };
}
const report: {
  summarise(results: readonly StepResult[]): { held: boolean; checks: number; resetsSeen: number };
  table(results: readonly StepResult[]): string;
  verdict(results: readonly StepResult[]): string;
} = await load('report.mjs');
const { parseArguments }: { parseArguments(argv: readonly string[], names: readonly string[]): unknown } =
  await load('arguments.mjs');

t.test('gaps: while it moves, before it is there, after it has gone', async (t) => {
  const spans = [
    { fromMs: 0, toMs: 100 },
    { fromMs: 130, toMs: 200 },
    { fromMs: 210, toMs: 300 },
  ];
  t.equal(records.longestGapMs(spans, 50, 250), 30);
  t.equal(records.longestGapMs(spans, 150, 250), 10, 'what was before does not count');
  t.equal(records.longestGapMs(spans, 140, 190), 0);
  t.equal(records.longestGapMs(spans.slice(1), 50, 250), 80, 'not there at the beginning');
  t.equal(records.longestGapMs([], 50, 250), 200, 'never there');
});

t.test('a watchdog is let go by a magic close only', async (t) => {
  const at = (...events: string[]) => records.isLetGo(events.map((event, bootMs) => ({ bootMs, event })));
  t.ok(at('start'), 'never opened');
  t.notOk(at('open', 'pet'));
  t.ok(at('open', 'pet', 'magic-close'));
  t.notOk(at('open', 'release-pet'), 'the death of its agent leaves it counting');
  t.notOk(at('open', 'magic-close', 'open', 'pet'));
  t.notOk(at('open', 'killed'));
});

t.test('resets and requests are counted within their step', async (t) => {
  const killed = [5, 15, 25].map((bootMs) => ({ bootMs, event: 'killed' }));
  t.equal(records.resetsBetween([...killed, { bootMs: 16, event: 'pet' }], 10, 20), 1);
  const asked = [{ sentMs: 5 }, { sentMs: 15, node: 'node1' }, { sentMs: 16, error: 'no answer' }];
  t.strictSame(records.requestsBetween(asked, 10, 20), { asked: 2, failed: 1 });
});

t.test('of the signs of life the last one is kept, and a clash is a refusal', async (t) => {
  const runs = new records.Runs();
  for (let bootMs = 0; bootMs < 100; bootMs++) runs.add({ bootMs, event: 'alive', node: 'node1', instance: 'a' });
  runs.add({ bootMs: 50, event: 'clash', node: 'node2', instance: 'b' });
  const lines = runs.lines();
  t.strictSame(
    lines.map(({ event, bootMs }) => [event, bootMs]),
    [
      ['refused', 50],
      ['alive', 99],
    ],
  );
});

const held: StepResult = {
  name: 'moves',
  checks: 3,
  failures: [],
  seconds: 1.25,
  resetsSeen: 0,
  resetsDue: 0,
  doubleRuns: 0,
  gaps: { db: 0, web: 310 },
  requests: { asked: 10, failed: 2 },
};

t.test('the table says what did not hold', async (t) => {
  const failed = { ...held, name: 'death', failures: ['nothing ran twice'], resetsSeen: 1, gaps: {} };
  t.match(report.table([held, failed]), /^moves +held +3 +1\.3 +0 +0 +0 +2 of 10 +0\.31 s web\ndeath +FAILED/m);
  t.match(report.summarise([held]), { held: true, checks: 3 });
  t.match(report.summarise([held, failed]), { held: false, checks: 6, resetsSeen: 1 });
  t.match(report.verdict([held, failed]), /1 resets \(0 due\).*FAILED\n {2}death: nothing ran twice$/);
});

t.test('arguments', async (t) => {
  const names = ['rules', 'moves'];
  t.strictSame(parseArguments([], names), { json: false, boundMs: 18_000, only: names, keepLogs: false });
  t.match(parseArguments(['--only', 'moves', '--json', '--bound', '60000'], names), {
    json: true,
    boundMs: 60_000,
    only: ['moves'],
  });
  t.equal(parseArguments(['--help'], names), null);
  t.throws(() => parseArguments(['--only', 'x'], names), /there is no step 'x': use rules, moves/);
  t.throws(() => parseArguments(['--bound', '17999'], names), /not a whole number from 18000/);
  t.throws(() => parseArguments(['extra'], names), /extra/);
});
