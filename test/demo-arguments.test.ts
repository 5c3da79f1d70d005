import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';

interface Arguments {
  readonly boundMs: number;
  readonly keep: boolean;
  readonly help: boolean;
}

const program = fileURLToPath(new URL('../../scripts/demo.d/arguments.mjs', import.meta.url));
const { parseArguments }: { parseArguments: (argv: readonly string[]) => Arguments } = await import(program);

t.test('the bound in any unit, 18 s unless told', (t) => {
  t.same(parseArguments([]), { boundMs: 18_000, keep: false, help: false });
  for (const [text, boundMs] of [
    ['18s', 18_000],
    ['60s', 60_000],
    ['20500ms', 20_500],
    ['1m', 60_000],
    ['10min', 600_000],
  ] as const) {
    t.equal(parseArguments(['--bound', text]).boundMs, boundMs, text);
    t.equal(parseArguments([`--bound=${text}`, '--keep']).boundMs, boundMs, `--bound=${text}`);
  }
  t.equal(parseArguments(['--keep']).keep, true);
  t.equal(parseArguments(['-h']).help, true);
  t.end();
});

t.test('wrong arguments: one sentence that names them', (t) => {
  const wrong = [
    [['--bound', '60'], /'60'.*write 60s/],
    [['--bound', 'soon'], /'soon'/],
    [['--bound', '-60s'], /--bound/],
    [['--bound', '1e9s'], /'1e9s'/],
    [['--bound', '9999999s'], /'9999999s'/],
    [['--bound', ''], /''/],
    [['--bound', '17999ms'], /17999ms.*below 18s/],
    [['--bound', '601s'], /601s.*600s/],
    [['--bound'], /--bound/],
    [['--boud', '60s'], /'--boud'/],
    [['--keep=yes'], /--keep/],
    [['now'], /'now'/],
  ] as const;
  for (const [argv, message] of wrong) {
    t.throws(() => parseArguments(argv), { message }, argv.join(' '));
    t.throws(() => parseArguments(argv), { message: /^[^\n]{1,140}$/ }, `${argv.join(' ')}: one line`);
  }
  t.end();
});

t.test('scripts/demo tells before it sets anything up', (t) => {
  const script = fileURLToPath(new URL('../../scripts/demo', import.meta.url));
  const wrong = spawnSync(script, ['--bound', '5s'], { encoding: 'utf8', timeout: 30_000 });
  t.equal(wrong.status, 2);
  t.match(wrong.stderr, /^demo: [^\n]*5s[^\n]*\n$/);
  t.equal(wrong.stdout, '');
  const help = spawnSync(script, ['--keep', '--help'], { encoding: 'utf8', timeout: 30_000 });
  t.equal(help.status, 0);
  t.match(help.stdout, /^usage: scripts\/demo /);
  t.equal(help.stderr, '');
  t.end();
});
