import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';

/** Logs `count` lines, then one on every word on standard input, until that ends. */
const program = `
  const { createLogger } = await import(process.argv[1]);
  const log = createLogger('info', process.argv[2] === 'journal');
  for (let number = 0; number < Number(process.argv[3]); number++) log.info({ number, filling: 'x'.repeat(5_000) }, 'flood');
  process.stderr.write('done\\n');
  process.stdin.on('data', () => log.error({ number: -1 }, 'last'));
`;

/** Far more than a pipe holds (64 KiB), in lines that may be torn where it is full. */
const flood = 2_000;

function logging(kind: string, count: number) {
  const logger = new URL('../src/host/logger.js', import.meta.url).href;
  return spawn(process.execPath, ['--input-type=module', '-e', program, logger, kind, String(count)]);
}

/** Into a pipe, not a socket, that is read only after a second: of the line that does not fit, a part is written. */
function loggingIntoPipe(count: number) {
  const logger = new URL('../src/host/logger.js', import.meta.url).href;
  const command = '"$0" --input-type=module -e "$1" "$2" plain "$3" | { sleep 1; cat; }';
  return spawn('sh', ['-c', command, process.execPath, program, logger, String(count)]);
}

/** Its lines, once the last has come through: one that meets a full pipe is lost, so it is asked for again. */
async function linesUntilLast(child: ReturnType<typeof logging>): Promise<string[]> {
  let all = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    all += chunk;
  });
  while (!all.includes('"last"')) {
    child.stdin.write('again');
    await sleep(10);
  }
  child.stdin.end();
  await once(child, 'close');
  return all.trim().split('\n');
}

/** A start of Node on a loaded machine; a logger that waits for its reader would take for ever. */
const promptMs = 10_000;

t.test('a reader that hangs costs lines, and never holds up the agent', async (t) => {
  const child = logging('plain', flood);
  t.teardown(() => child.kill('SIGKILL'));
  const done = await Promise.race([once(child.stderr, 'data'), sleep(promptMs, ['blocked'], { ref: false })]);
  t.equal(String(done[0]), 'done\n');
  const lines = await linesUntilLast(child);
  t.ok(lines.length < flood, 'some lines are lost');
  t.match(JSON.parse(lines[0] ?? ''), { number: 0, level: 30, msg: 'flood' });
  t.match(JSON.parse(lines.at(-1) ?? ''), { number: -1, msg: 'last' }, 'what comes later is a line of its own');
});

t.test('what comes after a torn line and lost ones is a line of its own', async (t) => {
  const child = loggingIntoPipe(100);
  t.teardown(() => child.kill('SIGKILL'));
  const lines = await linesUntilLast(child);
  t.equal(lines.filter((line) => line.startsWith('{') && !line.endsWith('}')).length, 1, 'one is torn');
  t.match(JSON.parse(lines.at(-1) ?? ''), { number: -1, msg: 'last' });
});

t.test('under systemd each line carries its priority', async (t) => {
  const child = logging('journal', 1);
  t.teardown(() => child.kill('SIGKILL'));
  const lines = await linesUntilLast(child);
  t.match(lines[0], /^<6>\{"level":30/);
  t.match(lines.at(-1), /^<3>\{"level":50/);
});
