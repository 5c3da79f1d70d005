import t from 'tap';

const load = (name: string) => import(new URL(`../../scripts/faults.d/${name}`, import.meta.url).href);

interface Figures {
  readonly [name: string]: number;
}
interface RunResult {
  readonly name: string;
  readonly number: number;
  readonly node: number;
  readonly figures: Figures;
  readonly failures: readonly string[];
  readonly notes: readonly string[];
}
interface Row {
  readonly name: string;
  readonly times: number;
  readonly failed: number;
  readonly petToResetMs: number | null;
  readonly cutToResetMs: number | null;
  readonly cutToRunningMs: number | null;
  readonly doubleRuns: number;
}
const report: {
  summarise(runs: readonly RunResult[], names: readonly string[]): Row[];
  table(rows: readonly Row[], notes: ReadonlyMap<string, string>): string;
  progress(run: RunResult): string;
} = await load('report.mjs');
const { parseArguments }: { parseArguments(argv: readonly string[], names: readonly string[]): unknown } =
  await load('arguments.mjs');

const run = (name: string, figures: Figures, failures: readonly string[] = []): RunResult => ({
  name,
  number: 1,
  node: 2,
  figures,
  failures,
  notes: [],
});

t.test('a row has the largest figures of its runs, and all their failures', async (t) => {
  const runs = [
    run('a', { petToResetMs: 5, cutToResetMs: 90, doubleRuns: 0 }),
    run('a', { petToResetMs: 7, cutToResetMs: 80, cutToRunningMs: 100, doubleRuns: 2 }, ['it ran twice']),
    run('b', { doubleRuns: 0 }),
  ];
  const rows = report.summarise(runs, ['b', 'a']);
  t.match(rows, [
    { name: 'b', times: 1, failed: 0, petToResetMs: null, cutToResetMs: null, cutToRunningMs: null, doubleRuns: 0 },
    { name: 'a', times: 2, failed: 1, petToResetMs: 7, cutToResetMs: 90, cutToRunningMs: 100, doubleRuns: 2 },
  ]);
  const lines = report.table(rows, new Map([['a', 'a remark']])).split('\n');
  t.match(lines[1], /^b +1 +0 +- +- +- +0$/);
  t.match(lines[2], /^a +2 +1 +7 +90 +100 +2$/);
  t.equal(new Set(lines.slice(0, 3).map((line) => line.length)).size, 1, 'in columns');
  t.ok(lines.includes('a: a remark'));
});

t.test('a run that failed says why', async (t) => {
  t.match(report.progress(run('a', { cutToResetMs: 90.4 })), /^ok +a 1: node2, cut → reset 90 ms$/);
  t.match(report.progress(run('a', {}, ['it ran twice'])), /^FAILED a 1: node2\n +it ran twice$/);
});

t.test('arguments', async (t) => {
  const names = ['a', 'b', 'c'];
  t.same(parseArguments([], names), { only: names, times: 5, boundMs: 18_000, labs: 2, json: null });
  t.match(parseArguments(['--only', 'c,a', '--times', '1'], names), { only: ['a', 'c'], times: 1 });
  t.equal(parseArguments(['--help'], names), null);
  t.throws(() => parseArguments(['--only', 'd'], names), { message: "there is no fault 'd': use a, b, c" });
  t.throws(() => parseArguments(['--bound', '14999'], names), { message: /--bound is '14999'/ });
  for (const wrong of [['--times', '0'], ['--times', '1e3'], ['--labs', '9'], ['--what'], ['more']]) {
    t.throws(() => parseArguments(wrong, names), Error, wrong.join(' '));
  }
});
