import { Writable } from 'node:stream';
import t from 'tap';

type Detail = Readonly<{ [name: string]: string | number | boolean | null }>;
type Narrate = (
  event: { type: string; text: string; detail: Detail },
  ofCut: boolean,
) => { tone: string; text: string } | null;

interface Screen {
  text(text?: string, tone?: string): void;
  line(atMs: number | null, who: string, tone: string, text: string): void;
  status(text: string): void;
}

const program = (name: string) => new URL(`../../scripts/demo.d/${name}.mjs`, import.meta.url).href;
const { narrate }: { narrate: Narrate } = await import(program('narration'));
const { Screen }: { Screen: new (stream: Writable, environment: NodeJS.ProcessEnv) => Screen } = await import(
  program('screen')
);

function screenOf(terminal: { isTTY?: boolean; columns?: number }, environment: NodeJS.ProcessEnv) {
  const written: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  return { screen: new Screen(Object.assign(stream, terminal), environment), text: () => written.join('') };
}

t.test('plain lines where there is no terminal', (t) => {
  const { screen, text } = screenOf({}, {});
  screen.status('in place');
  screen.line(null, 'demo', 'plain', 'before');
  screen.line(3420.4, 'node2', 'bad', 'quorum lost');
  screen.line(63_000, 'client', 'good', 'is back');
  t.equal(
    text(),
    ['           demo    before', '+  3.42 s  node2   quorum lost', '+ 63.00 s  client  is back', ''].join('\n'),
  );
  t.end();
});

t.test('colour and a status line in place on a terminal', (t) => {
  const { screen, text } = screenOf({ isTTY: true, columns: 20 }, { TERM: 'xterm' });
  screen.status('a status line that is longer than the terminal');
  screen.line(0, 'node1', 'bad', 'cut');
  t.match(text(), '\u001b[31;1mcut\u001b[0m\n');
  t.match(text(), '\r\u001b[K\u001b[2ma status line that \u001b[0m');
  t.notMatch(text(), 'is longer');
  t.end();
});

t.test('NO_COLOR leaves the status line, a dumb terminal nothing', (t) => {
  const plain = screenOf({ isTTY: true, columns: 80 }, { TERM: 'xterm', NO_COLOR: '1' });
  plain.screen.status('now');
  plain.screen.line(0, 'node1', 'bad', 'cut');
  t.match(plain.text(), '\r\u001b[K');
  t.equal(plain.text().split('\u001b[').length, plain.text().split('\u001b[K').length, 'no colour');
  const dumb = screenOf({ isTTY: true }, { TERM: 'dumb' });
  dumb.screen.status('now');
  dumb.screen.line(0, 'node1', 'bad', 'cut');
  t.equal(dumb.text(), '+  0.00 s  node1   cut\n');
  t.end();
});

t.test('what is told of events, and what is not', (t) => {
  const running = { type: 'lease', text: 'the lease is running out', detail: { remainingMs: 4479 } };
  t.match(narrate(running, true), { tone: 'notable', text: /4\.5 s left/ });
  t.equal(narrate(running, false), null, 'nothing depends on the leases of the others');
  const lost = {
    type: 'cluster',
    text: 'no quorum: only nodes 1 are in reach',
    detail: { quorate: false, members: '1' },
  };
  t.match(narrate(lost, true), { tone: 'bad', text: /lost quorum/ });
  const fenced = { type: 'node', text: 'node1 is fenced', detail: { index: 10, command: 'node-fenced' } };
  t.match(narrate(fenced, false), { tone: 'good', text: 'committed: node1 is fenced' });
  const start = { type: 'service', text: 'start of ocf:web', detail: { sid: 'ocf:web', operation: 'start' } };
  t.match(narrate(start, false), { tone: 'good', text: 'start of ocf:web' });
  const failed = { type: 'service', text: 'ocf:web: error', detail: { command: 'service-state', state: 'error' } };
  t.match(narrate(failed, false), { tone: 'bad' });
  t.equal(narrate({ type: 'store', text: 'stored', detail: {} }, false), null);
  t.end();
});
