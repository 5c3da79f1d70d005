/** What an agent makes of a validation when it starts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { AgentClient } from '../src/cli/agent-client.js';
import { readBootId } from '../src/host/boot-id.js';
import { processStart } from '../src/host/validation-completion.js';
import type { Begin } from '../src/host/validation-record.js';
import { EmulatedMachine } from './emulated-machine.js';

t.setTimeout(120_000);

const daemon = fileURLToPath(new URL('../src/agent/holdfastd.js', import.meta.url));

const begin: Begin = {
  ...{ step: 'begin', run: '0123456789abcdef', device: '/dev/watchdog0', driver: 'dog', kind: 'hardware' },
  ...{ identity: 'a dog', board: 'a board', machine: null, firmware: null, bootId: readBootId(), pid: process.pid },
  ...{ pidStarted: (await processStart(process.pid)) ?? '', bootMs: 0, wallMs: Date.now(), timeoutAskedS: 10 },
};

/** Its status, with a run in its state directory, and another watchdog that it could take at once. */
async function statusAfter(t: Test, run: string): Promise<unknown> {
  const machine = await EmulatedMachine.start(t);
  const directory = t.testdir({});
  const [stateDir, config] = [join(directory, 'state'), join(directory, 'holdfast.toml')];
  mkdirSync(join(stateDir, 'watchdog'), { recursive: true });
  writeFileSync(join(stateDir, 'watchdog', 'run'), run);
  const socket = `${machine.socket}.agent`;
  const lines = [`stateDir = "${stateDir}"`, `socket = "${socket}"`, '[watchdog]', `emulator = "${machine.socket}"`];
  writeFileSync(config, lines.join('\n'));
  const child = spawn(process.execPath, [daemon, '--config', config], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => ended(child));
  for await (const line of createInterface(child.stdout)) if (line.includes('UNPROTECTED')) break;
  return new AgentClient(socket).get('/v1/status');
}

async function ended(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

function noWatchdog(detail: RegExp) {
  return { protection: 'UNPROTECTED (no watchdog)', watchdog: { device: null, state: 'refused', detail } };
}

t.test('while a watchdog is being validated an agent takes none, not even another', async (t) => {
  const status = await statusAfter(t, `${JSON.stringify(begin)}\n`);
  const why = /^\/dev\/watchdog0 is being validated \(pid \d+\), and resets this machine: .* start this agent again$/;
  t.match(status, noWatchdog(why));
});

t.test('nor where nobody can tell which one was validated, and with what result', async (t) => {
  const damaged = JSON.stringify({ ...begin, wallMs: 1e18 });
  const status = await statusAfter(t, `${damaged}\n{"step":"last-pet-due","bootMs":1}\n`);
  t.match(status, noWatchdog(/watchdog\/run is damaged, /));
});

t.test('a validation that is over is no hindrance', async (t) => {
  const status = await statusAfter(t, `${JSON.stringify({ ...begin, bootId: 'an earlier one' })}\n`);
  t.match(status, { protection: 'UNPROTECTED (emulated)', watchdog: { kind: 'emulated', state: 'idle' } });
});
