import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { isAlive } from './live-process.js';

/** `scripts/test`, of a repository in which what it runs is emulated. */

const script = fileURLToPath(new URL('../../scripts/test', import.meta.url));
const total = '# { total: 3, pass: 3 }';
const counted = `echo 'ok 1 - a file'; echo '${total}'`;

function repository(t: { teardown(end: () => void): void }, programs: Readonly<Record<string, string>>) {
  const dir = mkdtempSync(join(tmpdir(), 'scripts-test-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const program = (path: string, text: string) => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text, { mode: 0o755 });
  };
  program('dist/test/a.test.js', '');
  program('scripts/setup', '#!/bin/sh\n');
  program('node_modules/.bin/biome', '#!/bin/sh\n');
  program('node_modules/.bin/tap', `#!/bin/bash\n${counted}\n`);
  program('scripts/watchdog-lab.mjs', `console.log('ok     one');`);
  for (const [path, text] of Object.entries(programs)) program(path, text);
  cpSync(script, join(dir, 'scripts', 'test'));
  const run = (...args: readonly string[]) => {
    const child = spawn(join(dir, 'scripts', 'test'), args, { stdio: ['ignore', 'pipe', 'pipe'] });
    t.teardown(() => child.kill('SIGTERM'));
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text) => {
        said += text;
      });
    }
    const ended = new Promise<{ code: number | null; said: string }>((resolve) =>
      child.on('close', (code) => resolve({ code, said })),
    );
    return { child, ended };
  };
  return { dir, run };
}

t.test('it counts what passed and failed, and says what was skipped', async (t) => {
  const lab = (text: string) => ({ 'scripts/watchdog-lab.mjs': text });
  const told = async (programs: Readonly<Record<string, string>>, ...args: readonly string[]) => {
    const { code, said } = await repository(t, programs).run(...args).ended;
    return [code, said.trim().split('\n').slice(-2)];
  };
  t.same(await told({}), [0, ['ok     one', '5 passed, 0 failed']]);
  t.same(await told({}, 'a'), [0, [total, '4 passed, 0 failed']]);
  const skip = `console.log('watchdog-lab: there can be no guests here'); process.exit(77);`;
  t.same(await told(lab(skip)), [
    0,
    ['SKIPPED, no guests were tested: watchdog-lab: there can be no guests here', '4 passed, 0 failed'],
  ]);
  t.same(await told(lab('process.exit(1);')), [1, [total, '4 passed, 1 failed']]);
  const tap = { 'node_modules/.bin/tap': `#!/bin/bash\n${counted}\nexit 1\n` };
  t.same(await told(tap, 'a'), [1, [total, '4 passed, 1 failed']]);
});

t.test('told to end, it ends at once and with it what it has started', async (t) => {
  const endless = '#!/bin/bash\nsleep 600 &\necho $$ $! >pids.new; mv pids.new pids; wait\n';
  for (const path of ['scripts/setup', 'node_modules/.bin/biome', 'node_modules/.bin/tap']) {
    const { dir, run } = repository(t, { [path]: endless });
    const pids = join(dir, 'pids');
    const { child, ended } = run();
    for (let attempt = 0; attempt < 500 && !existsSync(pids); attempt++) await sleep(20);
    const both = readFileSync(pids, 'utf8').trim().split(' ').map(Number);
    child.kill('SIGTERM');
    t.equal((await ended).code, 143);
    t.same(both.filter(isAlive), [], path);
  }
});
