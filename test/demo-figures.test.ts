import t from 'tap';

interface Verdict {
  readonly held: boolean;
  readonly why: string;
}

interface Figures {
  readonly quorumLostMs: number | null;
  readonly lastPetMs: number | null;
  readonly resetMs: number | null;
  readonly backMs: number | null;
  readonly requests: number;
  readonly lost: number;
  readonly bound: Verdict;
  readonly service: Verdict;
  readonly safety: Verdict;
}

interface LogRecord {
  readonly bootMs: number;
  readonly event: string;
  readonly node?: string;
}

interface Request {
  readonly sentMs: number;
  readonly doneMs: number;
  readonly node?: string;
  readonly error?: string;
}

interface Evidence {
  readonly boundMs: number;
  readonly cutMs: number;
  readonly cutNode: string;
  readonly quorumLostMs: number | null;
  readonly emulator: readonly LogRecord[];
  readonly web: readonly LogRecord[];
  readonly client: readonly Request[];
}

interface Line {
  readonly tone: string;
  readonly text: string;
}

const program = (name: string) => new URL(`../../scripts/demo.d/${name}.mjs`, import.meta.url).href;
const { figuresOf }: { figuresOf: (evidence: Evidence) => Figures } = await import(program('figures'));
const {
  tableOf,
  allHeld,
}: {
  tableOf: (figures: Figures, about: { boundMs: number; cutNode: string }) => readonly Line[];
  allHeld: (figures: Figures) => boolean;
} = await import(program('table'));

const cutMs = 100_000;

function alive(node: string, fromMs: number, toMs: number): LogRecord[] {
  const records: LogRecord[] = [{ bootMs: fromMs, event: 'start', node }];
  for (let bootMs = fromMs + 100; bootMs <= toMs; bootMs += 100) records.push({ bootMs, event: 'alive', node });
  return records;
}

function answered(node: string, fromMs: number, toMs: number): Request[] {
  const requests: Request[] = [];
  for (let sentMs = fromMs; sentMs < toMs; sentMs += 100) requests.push({ sentMs, doneMs: sentMs + 2, node });
  return requests;
}

function lost(fromMs: number, toMs: number): Request[] {
  return answered('', fromMs, toMs).map(({ sentMs }) => ({ sentMs, doneMs: sentMs + 500, error: 'no answer' }));
}

/** Cut at 0, reset at 7 s, back at 17 s. */
function goodRun(): Evidence {
  return {
    boundMs: 15_000,
    cutMs,
    cutNode: 'node1',
    quorumLostMs: cutMs + 2300,
    emulator: [
      { bootMs: cutMs - 60_000, event: 'killed' },
      { bootMs: cutMs - 500, event: 'pet' },
      { bootMs: cutMs + 6500, event: 'pet' },
      { bootMs: cutMs + 7000, event: 'reset-requested' },
      { bootMs: cutMs + 7001, event: 'killed' },
      { bootMs: cutMs + 19_000, event: 'pet' },
    ],
    web: [...alive('node1', cutMs - 5000, cutMs + 7000), ...alive('node2', cutMs + 16_900, cutMs + 20_000)],
    client: [
      ...answered('node1', cutMs - 3000, cutMs),
      ...lost(cutMs, cutMs + 17_000),
      ...answered('node2', cutMs + 17_000, cutMs + 20_000),
    ],
  };
}

t.test('a run in which all held', (t) => {
  const figures = figuresOf(goodRun());
  t.match(figures, { quorumLostMs: 2300, lastPetMs: 6500, resetMs: 7001, backMs: 17_002, requests: 230, lost: 170 });
  t.match(figures, { bound: { held: true }, service: { held: true }, safety: { held: true } });
  t.equal(allHeld(figures), true);
  const lines = tableOf(figures, { boundMs: 15_000, cutNode: 'node1' });
  const text = lines.map((line) => line.text).join('\n');
  t.match(text, /^cut → quorum lost +2\.30 s /m);
  t.match(text, /^cut → last pet +6\.50 s /m);
  t.match(text, /^cut → reset +7\.00 s /m);
  t.match(text, /^cut → service answers again +17\.00 s /m);
  t.match(text, /^requests lost +170 of 230 /m);
  t.equal(lines.filter(({ tone, text }) => tone === 'good' && / held /.test(text)).length, 3);
  t.end();
});

t.test('the reset later than the bound', (t) => {
  const run = goodRun();
  const late = run.emulator.map((record) =>
    record.bootMs === cutMs + 7001 ? { ...record, bootMs: cutMs + 15_001 } : record,
  );
  const figures = figuresOf({ ...run, emulator: late });
  t.equal(figures.bound.held, false);
  t.equal(allHeld(figures), false);
  t.match(
    tableOf(figures, { boundMs: 15_000, cutNode: 'node1' }).filter(({ tone }) => tone === 'bad'),
    [{ text: /^bound.*DID NOT HOLD/ }],
  );
  t.equal(figuresOf({ ...run, emulator: [] }).bound.held, false, 'no reset at all');
  t.equal(figuresOf({ ...run, emulator: [] }).safety.held, false, 'no reset at all proves nothing');
  t.end();
});

t.test('the service back too late, or never', (t) => {
  const run = goodRun();
  const client = [...answered('node1', cutMs - 3000, cutMs), ...lost(cutMs, cutMs + 20_000)];
  t.match(figuresOf({ ...run, client }), { backMs: null, service: { held: false } });
  const late = [...client, ...answered('node2', cutMs + 20_000, cutMs + 21_000)];
  t.match(figuresOf({ ...run, client: late }), { backMs: 20_002, service: { held: false }, bound: { held: true } });
  t.end();
});

t.test('every way in which the safety rule may break', (t) => {
  const run = goodRun();
  const verdict = (change: Partial<Evidence>) => figuresOf({ ...run, ...change }).safety;
  const clash = [...run.web, { bootMs: cutMs + 5000, event: 'clash', node: 'node2' }];
  t.match(verdict({ web: clash }), { held: false, why: /lock/ });
  const overlap = [...alive('node1', cutMs - 5000, cutMs + 7000), ...alive('node2', cutMs + 6900, cutMs + 20_000)];
  t.match(verdict({ web: overlap }), { held: false, why: /node1 and on node2 at once/ });
  const within = [...run.web, ...alive('node3', cutMs + 18_000, cutMs + 18_100)];
  t.match(verdict({ web: within }), { held: false, why: /node2 and on node3 at once/ });
  const early = [...alive('node1', cutMs - 5000, cutMs + 6000), ...alive('node2', cutMs + 6500, cutMs + 20_000)];
  t.match(verdict({ web: early }), { held: false, why: /before node1 was reset/ });
  const turns = [...run.client, ...answered('node1', cutMs + 21_000, cutMs + 21_200)];
  t.match(verdict({ client: turns }), { held: false, why: /by turns: node1, node2, node1/ });
  t.match(verdict({ web: alive('node1', cutMs - 5000, cutMs + 7000) }), { held: false, why: /no takeover/ });
  t.match(verdict({ web: [] }), { held: false }, 'without a record nothing is shown');
  t.end();
});
