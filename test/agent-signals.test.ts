import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

/** A daemon by itself, without a watchdog: what ends it. */

const daemon = fileURLToPath(new URL('../src/agent/holdfastd.js', import.meta.url));

/** A start of Node on a loaded machine. */
const startLimitMs = 20_000;
/** An agent gives its watchdog and corosync 4 s when it ends. */
const endLimitMs = 10_000;

function start(t: Test) {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-'));
  const config = join(directory, 'holdfast.toml');
  const lines = [
    `stateDir = "${directory}/state"`,
    `socket = "${directory}/socket"`,
    '[watchdog]',
    `device = "${directory}/none"`,
  ];
  writeFileSync(config, lines.join('\n'));
  const child = spawn(process.execPath, [daemon, '--config', config], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => {
    child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  });
  const said: string[] = [];
  createInterface(child.stdout).on('line', (line) => said.push(line));
  return { child, said, stateDir: join(directory, 'state') };
}

async function until(limitMs: number, condition: () => boolean): Promise<boolean> {
  for (let ms = 0; ms < limitMs && !condition(); ms += 20) await sleep(20);
  return condition();
}

async function ending(child: ChildProcess): Promise<unknown> {
  const ended = once(child, 'exit').then(([code]) => code);
  child.kill('SIGTERM');
  return Promise.race([ended, sleep(endLimitMs, 'it goes on', { ref: false })]);
}

t.test('SIGHUP is ignored, and said to be', async (t) => {
  const { child, said } = start(t);
  t.ok(await until(startLimitMs, () => said.some((line) => line.includes('holdfastd') && line.includes('starts'))));
  child.kill('SIGHUP');
  t.ok(await until(startLimitMs, () => said.some((line) => line.includes('SIGHUP is ignored'))));
  t.equal(await ending(child), 0, 'SIGTERM ends it');
});

t.test('a terminal that goes takes no agent with it', async (t) => {
  const { child, said } = start(t);
  t.ok(await until(startLimitMs, () => said.some((line) => line.includes('starts'))));
  child.stdout.destroy();
  child.kill('SIGHUP');
  await sleep(500);
  t.strictSame([child.exitCode, child.signalCode], [null, null]);
  t.equal(await ending(child), 0);
});

t.test('a verdict that changes while nothing is armed ends it, to be started with what is known now', async (t) => {
  const { child, said, stateDir } = start(t);
  t.ok(await until(startLimitMs, () => said.some((line) => line.includes('starts'))));
  const ended = once(child, 'exit').then(([code]) => code);
  mkdirSync(join(stateDir, 'watchdog'), { recursive: true });
  writeFileSync(join(stateDir, 'watchdog', 'watchdog0.json'), 'whatever it says');
  // Looked for every 5 s.
  t.equal(await Promise.race([ended, sleep(5_000 + endLimitMs, 'it goes on', { ref: false })]), 70);
  t.match(
    said.find((line) => line.includes('has changed since')),
    /ending/,
  );
});
