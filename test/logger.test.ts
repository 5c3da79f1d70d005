import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';

/** Far more than a pipe holds (64 KiB), in lines that may be torn where it is full. */
const flood = `
  const { createLogger } = await import(process.argv[1]);
  const log = createLogger('info', process.argv[2] === 'journal');
  for (let number = 0; number < 2_000; number++) log.info({ number, filling: 'x'.repeat(5_000) }, 'flood');
  process.stderr.write('done\\n');
  process.stdin.once('data', () => {
    log.error({ number: -1 }, 'last');
    process.exit(0);
  });
`;

function logging(kind: string) {
  const logger = new URL('../src/host/logger.js', import.meta.url).href;
  return spawn(process.execPath, ['--input-type=module', '-e', flood, logger, kind]);
}

/** A start of Node on a loaded machine; a logger that waits for its reader would take for ever. */
const promptMs = 10_000;

t.test('a reader that hangs costs lines, and never holds up the agent', async (t) => {
  const child = logging('plain');
  t.teardown(() => child.kill('SIGKILL'));
  const done = await Promise.race([once(child.stderr, 'data'), sleep(promptMs, ['blocked'], { ref: false })]);
  t.equal(String(done[0]), 'done\n');
  const all = text(child.stdout);
  await sleep(100);
  child.stdin.end('go');
  const lines = (await all).trim().split('\n');
  t.ok(lines.length < 2_000, 'some lines are lost');
  t.match(JSON.parse(lines[0] ?? ''), { number: 0, level: 30, msg: 'flood' });
  t.match(JSON.parse(lines.at(-1) ?? ''), { number: -1, msg: 'last' }, 'what comes later is a line of its own');
});

t.test('under systemd each line carries its priority', async (t) => {
  const child = logging('journal');
  child.stdin.end('go');
  const lines = (await text(child.stdout)).trim().split('\n');
  t.match(lines[0], /^<6>\{"level":30/);
  t.match(lines.at(-1), /^<3>\{"level":50/);
});
