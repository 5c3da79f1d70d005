import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import t from 'tap';
import { createWatchdog } from '../src/host/keeper-watchdog.js';
import { loadNative } from '../src/host/native.js';
import type { ArmOptions } from '../src/ports/watchdog.js';
import { EmulatedMachine, emulatorProgram } from './emulated-machine.js';

/** The emulator is real-time where permitted; the bound leaves room for a loaded test machine. */
const promptMs = 250;

const { boottimeMs } = loadNative();

function lease(timeoutS: number, leaseMs = 60_000): ArmOptions {
  return { timeoutS, petIntervalMs: 100, leaseMs, leaseDeadlineMs: boottimeMs() + leaseMs };
}

t.jobs = 4;

t.test('inspect looks without opening', async (t) => {
  const lab = await EmulatedMachine.start(t, '--kappa', '2', '--min-timeout', '2', '--max-timeout', '9');
  const watchdog = createWatchdog({ emulator: lab.socket });
  t.same(await watchdog.inspect(), {
    device: lab.socket,
    kind: 'emulated',
    identity: 'Holdfast emulated watchdog',
    active: false,
    timeoutS: 60,
    minTimeoutS: 2,
    maxTimeoutS: 9,
    nowayout: false,
    bootStatus: 0,
    kappa: 2,
    validated: false,
  });
  const told = createWatchdog({ emulator: lab.socket, kappa: 1, validated: true });
  t.match(await told.inspect(), { kappa: 1, validated: true });
  t.same(lab.events('open'), []);
});

t.test('magic close disarms', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const watchdog = createWatchdog({ emulator: lab.socket });
  await watchdog.release();
  t.same(lab.events('open'), [], 'nothing to release');
  await watchdog.arm(lease(1));
  t.match(await watchdog.inspect(), { active: true, timeoutS: 1 });
  await watchdog.release();
  t.match(await watchdog.inspect(), { active: false });
  t.equal(watchdog.stats().state, 'idle');
  await sleep(1_500);
  t.ok(lab.alive);
  t.same(lab.events('expired'), []);
  await watchdog.arm(lease(1));
  t.equal(watchdog.stats().state, 'armed', 'and can be armed again');
  await watchdog.release();
  t.equal(lab.events('magic-close').length, 2);
});

t.test('nowayout: release is refused and petting goes on', async (t) => {
  const lab = await EmulatedMachine.start(t, '--nowayout');
  const watchdog = createWatchdog({ emulator: lab.socket });
  await watchdog.arm(lease(1));
  await t.rejects(watchdog.release(), { code: 'HF_WATCHDOG', message: /nowayout/ });
  await sleep(1_500);
  t.equal(watchdog.stats().state, 'armed');
  t.ok(lab.alive);
});

t.test('a driver without magic close is stopped by close', async (t) => {
  const lab = await EmulatedMachine.start(t, '--no-magic-close');
  const agent = await lab.agent({ timeoutS: 1, petIntervalMs: 100, leaseMs: 60_000, behave: 'wait' });
  agent.kill('SIGKILL');
  await lab.waitFor('close-stopped');
  t.match(await lab.control('status'), { state: 'inactive' });
});

t.test('kappa 2 fires at twice the timeout that it reports', async (t) => {
  const lab = await EmulatedMachine.start(t, '--kappa', '2');
  const agent = await lab.agent({ timeoutS: 1, petIntervalMs: 100, leaseMs: 60_000, behave: 'wait' });
  agent.kill('SIGSTOP');
  t.match(await lab.control('status'), { timeoutS: 1, kappa: 2 });
  const expired = await lab.waitFor('expired');
  const afterMs = expired.bootMs - Math.max(...lab.petInstants());
  t.ok(afterMs >= 2_000 && afterMs < 2_000 + promptMs, `${afterMs} ms`);
  await lab.waitFor('machine-gone');
  t.match(await lab.control('status'), { bootStatus: 0x20, state: 'inactive', open: false });
});

t.test('armed on write: open and SETTIMEOUT do not start it, arm does', async (t) => {
  const lab = await EmulatedMachine.start(t, '--armed-on-write');
  const watchdog = createWatchdog({ emulator: lab.socket });
  await watchdog.adopt();
  t.match(await watchdog.inspect(), { active: false });
  await watchdog.arm(lease(1));
  t.match(await watchdog.inspect(), { active: true });
  t.match(lab.events('open')[0], { active: false });
  await watchdog.release();
  t.match(await watchdog.inspect(), { active: false });
});

t.test('most devices start counting when opened', async (t) => {
  const lab = await EmulatedMachine.start(t, '--timeout', '1');
  await createWatchdog({ emulator: lab.socket }).adopt();
  const opened = await lab.waitFor('open');
  const expired = await lab.waitFor('expired');
  t.ok(expired.bootMs - opened.bootMs >= 1_000 && expired.bootMs - opened.bootMs < 1_000 + promptMs);
});

t.test('one opener at a time', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const first = createWatchdog({ emulator: lab.socket });
  const second = createWatchdog({ emulator: lab.socket });
  await first.adopt();
  await t.rejects(second.adopt(), { code: 'HF_WATCHDOG', message: /another agent has/ });
  await first.release();
  await second.adopt();
  await second.release();
});

t.test('a timeout that the driver refuses, or rounds', async (t) => {
  const lab = await EmulatedMachine.start(t, '--min-timeout', '2', '--max-timeout', '9', '--timeout-step', '4');
  const watchdog = createWatchdog({ emulator: lab.socket });
  await t.rejects(watchdog.arm(lease(1)), { code: 'HF_WATCHDOG', message: /refuses a timeout of 1 s \(EINVAL\)/ });
  await t.rejects(watchdog.arm(lease(10)), { code: 'HF_WATCHDOG', message: /EINVAL/ });
  await t.rejects(watchdog.arm(lease(6)), { code: 'HF_WATCHDOG', message: /makes 8 s of a timeout of 6 s/ });
  t.equal(watchdog.stats().state, 'open', 'not armed');
  await watchdog.arm(lease(8));
  t.equal(watchdog.stats().state, 'armed');
  await watchdog.release();
});

t.test('power-off stops the watchdog; the next machine finds it idle', async (t) => {
  const lab = await EmulatedMachine.start(t);
  await createWatchdog({ emulator: lab.socket }).arm(lease(1));
  process.kill(lab.machinePid, 'SIGKILL');
  t.match(await lab.waitFor('machine-gone'), { cause: 'power-off' });
  t.match(await lab.control('status'), { state: 'inactive', open: false, bootStatus: 0 });
  await lab.boot();
  await sleep(1_300);
  t.same(lab.events('expired'), []);
  t.ok(lab.alive, 'the new machine is left alone');
  const next = createWatchdog({ emulator: lab.socket });
  await next.arm(lease(1, 300));
  await lab.waitFor('killed');
  t.match(lab.events('killed')[0], { pid: lab.machinePid });
});

t.test('it kills nothing but PID 1 of another pid namespace', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const bystander = spawn('sleep', ['60'], { stdio: 'ignore' });
  t.teardown(() => bystander.kill());
  writeFileSync(lab.pidFile, `${bystander.pid}\n`);
  const watchdog = createWatchdog({ emulator: lab.socket });
  watchdog.reset('test');
  t.match(await lab.waitFor('kill-refused'), { reason: /is not PID 1 of another pid namespace/ });
  for (const text of ['1\n', '0\n', '-1\n', 'rubbish', '999999999999\n', '']) {
    writeFileSync(lab.pidFile, text);
    const before = lab.events('kill-refused').length;
    createWatchdog({ emulator: lab.socket }).reset('test');
    while (lab.events('kill-refused').length === before) await sleep(10);
  }
  t.equal(bystander.exitCode, null);
  t.equal(bystander.signalCode, null);
  t.ok(lab.alive);
});

t.test('no-reboot: it fires without effect until it is let loose', async (t) => {
  const lab = await EmulatedMachine.start(t, '--no-reboot');
  const agent = await lab.agent({ timeoutS: 1, petIntervalMs: 100, leaseMs: 60_000, behave: 'wait' });
  agent.kill('SIGSTOP');
  await lab.waitFor('no-reboot');
  t.ok(lab.alive);
  t.match(await lab.control('status'), { noReboot: true, state: 'active' }, 'the counter wraps and goes on');
  t.match(await lab.control('no-reboot', 'off'), { noReboot: false });
  await lab.waitFor('machine-gone');
  t.ok(lab.events('expired').length >= 2);
});

t.test('the agent survives its emulator hanging up: a pet fails', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const watchdog = createWatchdog({ emulator: lab.socket });
  await watchdog.arm(lease(30));
  lab.emulator?.kill('SIGKILL');
  await sleep(400);
  t.equal(watchdog.stats().state, 'failed');
  await t.rejects(watchdog.inspect(), { code: 'HF_WATCHDOG', message: /does not answer \(ECONNREFUSED\)/ });
});

const hostile = `
import os, random, socket, sys
random.seed(7)
magic = (0x48464457).to_bytes(4, 'little')
for round in range(60):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(2)
    s.connect(sys.argv[1])
    for packet in range(20):
        size = random.choice([1, 4, 16, 111, 112, 113, 500, 60000])
        head = random.choice([b'', magic + (1).to_bytes(4, 'little') + random.choice([1, 2, 3, 4, 5, 8, 9, 255]).to_bytes(4, 'little')])
        data = (head + random.randbytes(size))[:size]
        if data[8:12] == (6).to_bytes(4, 'little'): continue
        try: s.send(data)
        except OSError: break
        if round % 2:
            s.recv(4096)
    s.close()
many = []
for _ in range(100):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.setblocking(False)
    try: s.connect(sys.argv[1])
    except BlockingIOError: pass
    many.append(s)
`;

t.test('hostile clients do it no harm', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const watchdog = createWatchdog({ emulator: lab.socket });
  await watchdog.arm(lease(5));
  await promisify(execFile)('python3', ['-c', hostile, lab.socket]);
  await sleep(300);
  t.equal(lab.emulator?.exitCode, null);
  t.equal(watchdog.stats().state, 'armed');
  t.equal(watchdog.stats().failedPets, 0);
  t.same(lab.events('reset-requested'), []);
  await watchdog.release();
});

t.test('the command line', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const run = promisify(execFile);
  for (const args of [
    [],
    ['--socket', '/nowhere'],
    ['--ctl', lab.socket],
    ['--ctl', lab.socket, 'explode'],
    ['--ctl', lab.socket, 'no-reboot', 'perhaps'],
    ...['0', '-1', '3x', '', '65536'].map((s) => ['--socket', 's', '--machine-pid-file', 'p', '--timeout', s]),
    ['--socket', 's', '--machine-pid-file', 'p', '--kappa', '3'],
    ['--socket', 's', '--machine-pid-file', 'p', '--min-timeout', '9', '--max-timeout', '8'],
    ['--socket', 's', '--machine-pid-file', 'p', '--unknown'],
  ]) {
    await t.rejects(run(emulatorProgram, args), { code: 2, stderr: /usage/ }, args.join(' '));
  }
  await t.rejects(run(emulatorProgram, ['--ctl', `${lab.folder}/none`, 'status']), { code: 1, stderr: /No such file/ });
  const second = ['--socket', lab.socket, '--machine-pid-file', lab.pidFile];
  await t.rejects(run(emulatorProgram, second), { code: 1, stderr: /runs already/ });
  lab.emulator?.kill('SIGKILL');
  if (lab.emulator) await once(lab.emulator, 'exit');
  const again = spawn(emulatorProgram, [...second, '--log', lab.log], { stdio: 'ignore' });
  t.teardown(() => again.kill('SIGKILL'));
  while (lab.events('start').length < 2) await sleep(10);
  t.match(await lab.control('status'), { state: 'inactive', opens: 0 }, 'a socket left behind is taken over');
  t.match(readFileSync(lab.log, 'utf8'), /^\{"bootMs":/);
});
