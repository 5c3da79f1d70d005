import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { StatusReport } from '../src/agent/status.js';
import { createStatusServer } from '../src/api/status-server.js';
import { leftCounting } from '../src/cli/left-counting.js';
import { plain } from '../src/cli/render.js';
import { renderValidation, renderWatchdogs } from '../src/cli/render-watchdogs.js';
import {
  refusalOfAgent,
  refusalOfCluster,
  refusalOfDevice,
  refusalOfDirectory,
  refusalOfStore,
  refuseIfInUse,
} from '../src/cli/validation-refusals.js';
import { choiceOf } from '../src/cli/watchdog-list.js';
import { confirm, flushDisks, verdictOfBoot } from '../src/cli/watchdog-validate.js';
import { type ClusterState, emptyState } from '../src/core/cluster-state.js';
import { blankRecord } from '../src/core/log.js';
import { readBoard } from '../src/host/board.js';
import { readBootId } from '../src/host/boot-id.js';
import { FileStore } from '../src/host/file-store.js';
import { processStart } from '../src/host/validation-completion.js';
import { type Step, type Validation, ValidationFiles } from '../src/host/validation-record.js';
import { chooseWatchdog, findConfiguredWatchdog, knownWatchdogs } from '../src/host/watchdog-choice.js';
import { busyCause } from '../src/host/watchdog-failure.js';
import { trustIn } from '../src/host/watchdog-trust.js';
import { FakeAgentControl, healthyReport } from './fake-agent-control.js';
import { type Ended, startProgram } from './fixtures/node-program.js';
import { storeService } from './fixtures/stored-service.js';
import { World } from './validation-world.js';
import { fakeRoot, i6300esb, itco, softdog } from './watchdog-trees.js';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-cli-watchdog-'));
t.teardown(() => rmSync(directory, { recursive: true }));

const idle: StatusReport = {
  ...healthyReport,
  watchdog: { ...healthyReport.watchdog, state: 'idle' },
  services: [],
  nodes: healthyReport.nodes.map((node) => ({ ...node, services: 0, lrm: 'idle' as const, maintenance: true })),
};

/** A service that may be where it says, as far as this matters. */
function stateWith(service: { readonly bootId: string | null; readonly targetBootId: string | null }): ClusterState {
  const state = emptyState();
  Object.assign(state.services, { 'ocf:web': { sid: 'ocf:web', ...service } });
  return state;
}

t.test('a node on which something may run is not reset', (t) => {
  t.equal(refusalOfAgent(idle), null);
  const [web] = healthyReport.services;
  if (web === undefined) throw new Error('a service is needed');
  for (const state of ['started', 'request_start', 'freeze', 'ignored', 'error', 'fence']) {
    const refusal = refusalOfAgent({ ...idle, services: [{ ...web, state, node: 'node1' }] });
    t.match(
      refusal,
      /^ocf:web may run on this node, and validating a watchdog resets it: 'holdfast maintenance enable node1' .*'holdfast disable SID' stops/,
      state,
    );
  }
  t.match(
    refusalOfAgent({ ...idle, services: [{ ...web, state: 'migrate', node: 'node2', target: 'node1' }] }),
    /ocf:web/,
  );
  t.equal(refusalOfAgent({ ...idle, services: [{ ...web, state: 'started', node: 'node2', target: null }] }), null);
  t.equal(refusalOfAgent({ ...idle, services: [{ ...web, state: 'stopped', node: 'node1', target: null }] }), null);
  for (const own of [{ services: 1 }, { lrm: 'active' as const }]) {
    const nodes = idle.nodes.map((node) => (node.nodeId === 1 ? { ...node, ...own } : node));
    t.match(refusalOfAgent({ ...idle, nodes }), /resources may run on this node/);
  }
  t.match(refusalOfAgent({ ...idle, local: { ...idle.local, name: null } }), /may run/, 'or it cannot be told');
  t.match(
    refusalOfAgent({ ...idle, watchdog: { ...idle.watchdog, state: 'armed' } }),
    /the agent has .* open \(armed\)/,
  );
  t.equal(refusalOfAgent({ ...idle, watchdog: { ...idle.watchdog, state: 'refused' } }), null);
  t.end();
});

t.test('in a quorate cluster only maintenance keeps things away', (t) => {
  t.equal(refusalOfCluster(idle), null);
  const open = { ...idle, nodes: idle.nodes.map((node) => ({ ...node, maintenance: node.nodeId !== 1 })) };
  t.match(refusalOfCluster(open), /may start something on this node .*'holdfast maintenance enable node1'/);
  for (const lone of [{ connected: false }, { quorate: false }]) {
    t.equal(refusalOfCluster({ ...open, cluster: { ...open.cluster, ...lone } }), null, 'nothing is started there');
  }
  t.match(refusalOfCluster({ ...idle, local: { ...idle.local, nodeId: 9 } }), /about to join/);
  t.end();
});

t.test('without an agent, its store tells what was started in this boot', (t) => {
  t.equal(refusalOfStore([], 'now'), null);
  t.equal(
    refusalOfStore([stateWith({ bootId: 'before', targetBootId: null })], 'now'),
    null,
    'a former boot runs nothing',
  );
  t.match(
    refusalOfStore([stateWith({ bootId: 'now', targetBootId: null })], 'now'),
    /^ocf:web may run .*: have holdfastd run and its cluster be quorate, .*; or reboot this machine in order/,
  );
  t.match(refusalOfStore([emptyState(), stateWith({ bootId: 'x', targetBootId: 'now' })], 'now'), /^ocf:web may run/);
  t.end();
});

t.test('the agent is asked, else its store', async (t) => {
  const socket = join(directory, 'socket');
  const stateDir = join(directory, 'state');
  const conflict = { code: 'HF_CONFLICT' };
  await t.resolves(refuseIfInUse(socket, stateDir, 'now'), 'there was never an agent here');
  const store = new FileStore(stateDir);
  await store.load();
  const snapshot = { index: 4, state: stateWith({ bootId: 'now', targetBootId: null }) };
  await store.save({ ...blankRecord(false), valid: true, snapshot, commitIndex: 4 });
  writeFileSync(join(stateDir, 'log'), 'damaged');
  await t.rejects(refuseIfInUse(socket, stateDir, 'now'), { ...conflict, message: /its store is damaged/ });
  const control = new FakeAgentControl();
  control.report = idle;
  const log = { warn: () => undefined, error: () => undefined };
  const peerCredentials = () => ({ pid: process.pid, uid: 0, gid: 0 });
  const server = createStatusServer({ socketPath: socket, control, peerCredentials, log });
  await server.listen();
  t.teardown(() => server.close());
  await refuseIfInUse(socket, stateDir, 'now');
  control.report = { ...idle, nodes: idle.nodes.map((node) => ({ ...node, maintenance: false })) };
  await t.rejects(refuseIfInUse(socket, stateDir, 'now'), { ...conflict, message: /maintenance enable node1/ });
  control.report = healthyReport;
  await t.rejects(refuseIfInUse(socket, stateDir, 'now'), { ...conflict, message: /ocf:web may run on this node/ });
  control.report = { ...idle, local: { ...idle.local, name: null } };
  await t.rejects(
    refuseIfInUse(socket, stateDir, 'now'),
    { ...conflict, message: /damaged/ },
    'an agent that knows nothing',
  );
});

t.test('the store of an agent that does not answer', async (t) => {
  const socket = join(directory, 'nobody');
  for (const isKnown of [true, false]) {
    const stateDir = join(directory, `store-${isKnown}`);
    await storeService(stateDir, 'now', isKnown);
    const name = isKnown ? 'a start that is committed' : 'a start that may be';
    await t.rejects(refuseIfInUse(socket, stateDir, 'now'), { code: 'HF_CONFLICT', message: /^ocf:web may run/ }, name);
    await t.resolves(refuseIfInUse(socket, stateDir, 'a later boot'));
  }
});

t.test('a device that somebody holds, or that is known to reset nothing', async (t) => {
  const root = fakeRoot(t);
  root.core(0, i6300esb, 'i6300esb');
  const known = async () => (await knownWatchdogs('/nowhere', root.root)).watchdogs.map(refusalOfDevice);
  t.same(await known(), [null]);
  root.opens(1, 'systemd', 'dev/watchdog0');
  t.match(await known(), [/cannot validate \/dev\/watchdog0: held by pid 1 \(systemd, RuntimeWatchdogSec=30\)/]);
  const agent = fakeRoot(t);
  agent.core(0, i6300esb, 'i6300esb');
  agent.opens(711, 'node', 'dev/watchdog0');
  agent.write(
    'proc/711/cmdline',
    ['/usr/bin/node', '--enable-source-maps', '/usr/lib/bin/holdfastd.js', ''].join('\0'),
  );
  const { watchdogs } = await knownWatchdogs('/nowhere', agent.root);
  t.match(watchdogs.map(refusalOfDevice), [
    /held by pid 711 \(holdfastd\), which lets go of it once nothing runs .*do not end that program before/,
  ]);
  t.match(await busyCause('/dev/watchdog0', agent.root), /\(holdfastd\).*do not end that program before/);
  t.match(watchdogs, [{ holder: { pid: 711, program: 'holdfastd' } }]);
  const soft = fakeRoot(t);
  soft.core(0, softdog, 'softdog');
  soft.kernelSays('softdog: initialized. soft_noboot=1 soft_margin=60 sec soft_panic=0 (nowayout=0)');
  t.match((await knownWatchdogs('/nowhere', soft.root)).watchdogs.map(refusalOfDevice), [/soft_noboot/]);
  const stops = fakeRoot(t);
  stops.core(0, { ...i6300esb, options: '0x8080' }, 'i6300esb');
  t.match((await knownWatchdogs('/nowhere', stops.root)).watchdogs.map(refusalOfDevice), [/stops when the agent dies/]);
});

t.test('the hardware that is refused is named where softdog is taken instead', async (t) => {
  const root = fakeRoot(t);
  root.core(0, softdog, 'softdog');
  const configured = { kind: 'kernel', device: 'auto', kappa: null, allowUnvalidated: false } as const;
  const stateDir = join(root.root, 'state');
  const chosen = async () => choiceOf(configured, (await knownWatchdogs(stateDir, root.root)).watchdogs, root.root);
  t.match(await chosen(), { device: '/dev/watchdog0', reason: /^not hardware, but there is nothing else: a kernel / });
  root.core(1, itco, 'iTCO_wdt', 'platform');
  t.match(await chosen(), { device: '/dev/watchdog1' });
  root.write('state/watchdog/watchdog1.json', 'damaged');
  const damaged = /hardware is refused \(what was recorded of \/dev\/watchdog1 .*damaged.*: validate it again\)/;
  t.match(await chosen(), { device: '/dev/watchdog0', reason: damaged });
  const found = async () => findConfiguredWatchdog('auto', stateDir, root.root);
  const { device, known, insteadOf } = await found();
  t.match(trustIn(device, known, configured, insteadOf), {
    problem:
      /recorded of \/dev\/watchdog1 .*: validate it again; until then the agent takes \/dev\/watchdog0, and \/dev\/watchdog0 was never seen/,
  });
  const failed = { device: '/dev/watchdog1', driver: 'iTCO_wdt', identity: 'iTCO_wdt', verdict: 'did-not-reset' };
  root.write('state/watchdog/watchdog1.json', JSON.stringify({ ...validation, ...failed }));
  t.match(await chosen(), {
    device: '/dev/watchdog0',
    reason:
      /hardware is refused \(\/dev\/watchdog1 did not reset this machine .*: mend the cause and validate it again/,
  });
  rmSync(join(root.root, 'dev/watchdog0'));
  rmSync(join(root.root, 'state/watchdog/watchdog1.json'));
  t.match(await found(), { device: '/dev/watchdog1', insteadOf: null });
});

t.test('a watchdog over which the agent starts nothing is not said to be taken', async (t) => {
  const root = fakeRoot(t);
  root.core(1, i6300esb, 'i6300esb');
  const said = async (device: string, allowUnvalidated: boolean) => {
    const all = await knownWatchdogs(join(root.root, 'state'), root.root);
    const choice = await choiceOf({ kind: 'kernel', device, kappa: null, allowUnvalidated }, all.watchdogs, root.root);
    return renderWatchdogs({ ...all, ...all.board, choice }, plain).at(-1);
  };
  for (const device of ['auto', '/dev/watchdog1']) {
    t.match(
      await said(device, false),
      /^the agent would take \/dev\/watchdog1 \(.*\), but starts nothing until this is mended: \/dev\/watchdog1 was never seen to reset this machine: run 'holdfast watchdog validate \/dev\/watchdog1'/,
    );
    t.match(
      await said(device, true),
      /^the agent takes \/dev\/watchdog1: (hardware; not validated yet|named in the c)/,
    );
  }
  t.match(
    await said('/dev/nope', true),
    /^the agent would take \/dev\/nope .*: there is no \/dev\/nope \(ENOENT\): load/,
  );
  root.opens(7, 'watchdogd', 'dev/watchdog1');
  t.match(
    await said('auto', true),
    /would take .*: \/dev\/watchdog1 is held by pid 7 \(watchdogd\): stop that program/,
  );
  root.write('proc/7/cmdline', ['node', '/usr/bin/holdfastd', ''].join('\0'));
  t.match(await said('auto', true), /^the agent takes /);
  rmSync(join(root.root, 'proc/7'), { recursive: true });
  root.opens(1, 'systemd', 'dev/watchdog1');
  t.match(await said('auto', true), /would take .*RuntimeWatchdogSec=30\): set RuntimeWatchdogSec=0/);
  const all = await knownWatchdogs('/nowhere', root.root);
  const unread = renderWatchdogs({ ...all, ...all.board, choice: null }, plain).join('\n');
  t.match(unread, /\n\twhether it was validated cannot be read\nwhich one the agent takes cannot be told$/);
  t.notMatch(unread, /never validated/);
});

const validation: Validation = {
  ...{ run: '0123456789abcdef', device: '/dev/watchdog0', driver: 'i6300esb', kind: 'hardware' },
  ...{
    identity: 'i6300ESB timer',
    board: 'unknown board',
    machine: null,
    firmware: null,
    when: '2026-11-22T10:00:00.000Z',
    bootBefore: 'before',
    bootAfter: 'after',
    timeoutAskedS: 10,
    timeoutS: 10,
  },
  ...{ verdict: 'resets', kappa: 1, measuredMs: 10_100, uncertaintyMs: 250, sentence: 'it reset this machine' },
  evidence: ['one', 'two\u001b[31m'],
  rounding: [
    { askedS: 2, setS: null },
    { askedS: 5, setS: 6 },
    { askedS: 6, setS: 6 },
  ],
  ...{ timeLeftS: 9, pets: { count: 50, medianMs: 0.1234, maxMs: 1.5 } },
};

t.test('what people read', async (t) => {
  const root = fakeRoot(t);
  root.core(0, { ...i6300esb, state: 'active', timeleft: '7', identity: 'evil\u001b[31m' }, 'i6300esb');
  root.core(1, softdog, 'softdog');
  root.write('state/watchdog/watchdog0.json', JSON.stringify(validation));
  root.write('state/watchdog/watchdog0.json', JSON.stringify({ ...validation, identity: 'evil\u001b[31m' }));
  root.write('state/watchdog/watchdog1.json', JSON.stringify({ ...validation, device: '/dev/watchdog1' }));
  root.opens(12, 'watchdogd', 'dev/watchdog1');
  const all = await knownWatchdogs(join(root.root, 'state'), root.root);
  const text = renderWatchdogs(
    { ...all, ...all.board, choice: { ...chooseWatchdog(all.watchdogs), problem: null } },
    plain,
  ).join('\n');
  t.notOk(text.includes('\u001b'));
  t.match(
    text,
    /^unknown board\n\/dev\/watchdog0\n\tevil\\x1b\[31m, driver i6300esb\n\tcounting, 7 s left, timeout 30 s \(1 to 2046\)/,
  );
  t.match(text, /resets this machine, after 10\.1 s ± 0\.3 s of 10 s, kappa 1 \(validated 2026-11-22T10:00/);
  t.match(text, /Software Watchdog, driver softdog \(not hardware: a hung kernel is not reset\)/);
  t.match(text, /open by pid 12 \(watchdogd\)/);
  t.match(text, /a verdict that does not count \(it was validated with the driver i6300esb\)/);
  t.match(text, /the agent takes \/dev\/watchdog0: hardware; validated; before \/dev\/watchdog1$/);
  const told = renderValidation(validation, null, plain).join('\n');
  t.match(
    told,
    /timeouts: 2 s refused, 5 s becomes 6 s\n\ttime left after a pet: 9 s\n\ta pet takes 0\.123 ms, at most 1\.500 ms of 50$/,
  );
  t.notOk(told.includes('\u001b'));
});

const binary = fileURLToPath(new URL('../src/cli/holdfast.js', import.meta.url));
const stateDir = join(directory, 'cli');
const config = join(directory, 'holdfast.toml');
writeFileSync(config, `stateDir = "${stateDir}"\n[watchdog]\ndevice = "/dev/watchdog-none"\n`);

function holdfast(...args: readonly string[]): Promise<Ended> {
  const socket = ['--socket', join(directory, 'no-agent')];
  return startProgram(binary, [...socket, 'watchdog', ...args, '--config', config]).ended;
}

t.test('the commands', async (t) => {
  t.match(await holdfast('list'), {
    exitCode: 0,
    stdout:
      /the agent would take \/dev\/watchdog-none \(named in the configuration\), but starts nothing until .*: there is no \/dev\/watchdog-none \(ENOENT\): load /,
  });
  const list = JSON.parse((await holdfast('list', '--json')).stdout);
  const choice = { device: '/dev/watchdog-none', problem: /there is no/ };
  t.match(list, { watchdogs: Array, notes: Array, board: String, choice });
  t.match(await holdfast('validate', '--yes'), {
    exitCode: 1,
    stderr: /there is no watchdog \/dev\/watchdog-none here/,
  });
  t.match(await holdfast('validate', '--timeout', '4'), {
    exitCode: 2,
    stderr: /--timeout must be an integer from 5 to 60/,
  });
  t.match(await holdfast('validate', '--result'), {
    exitCode: 1,
    stderr: /no watchdog of this machine was ever validated: run 'holdfast watchdog validate' /,
  });
  t.match(await holdfast('validate', '--help'), {
    stdout: /\[device\]|device .*else the one that the agent takes[\s\S]*the reset comes\s+after it, or twice it/,
  });
});

t.test('what cannot be meant is refused before all else', async (t) => {
  for (const option of [['--yes'], ['--again'], ['--timeout', '10']]) {
    t.match(await holdfast('validate', '--result', ...option), {
      exitCode: 2,
      stderr: new RegExp(`'--result' cannot be used with option '${option[0]}`),
    });
  }
  t.match(await holdfast('validate', ''), { exitCode: 2, stderr: /the device must not be empty: name one, or leave/ });
  const socket = ['--socket', join(directory, 'no-agent')];
  for (const command of ['list', 'validate']) {
    t.match(await startProgram(binary, [...socket, 'watchdog', command, '--config', '']).ended, {
      exitCode: 2,
      stderr: /--config must not be empty: name one, or leave it out/,
    });
  }
});

const { board: hereBoard, machine: hereMachine, firmware: hereFirmware } = await readBoard();
const here = { board: hereBoard, machine: hereMachine, firmware: hereFirmware };

t.test('the command run again gives the verdict, and begins nothing', async (t) => {
  mkdirSync(join(stateDir, 'watchdog'), { recursive: true });
  const wallMs = Date.now() - 3_600_000;
  const begin: Step = {
    ...{ step: 'begin', run: '0123456789abcdef', device: '/dev/watchdog0', driver: 'dog', kind: 'hardware' },
    ...{
      identity: 'a dog',
      ...here,
      bootId: 'before',
      pid: 1,
      pidStarted: '1',
      bootMs: 5,
      wallMs,
      timeoutAskedS: 10,
    },
  };
  const write = (...steps: readonly Step[]) =>
    writeFileSync(join(stateDir, 'watchdog', 'run'), steps.map((step) => `${JSON.stringify(step)}\n`).join(''));
  write(begin, { step: 'last-pet-due', bootMs: 99 });
  t.match(await holdfast('list'), {
    exitCode: 0,
    stdout: /a validation of \/dev\/watchdog0 has reset this machine, or .*, and has no verdict yet: /,
  });
  const { exitCode, stdout, stderr } = await holdfast('validate', '--again', '--yes', '--json');
  t.equal(exitCode, 1);
  t.match(stderr, /nothing was begun, for an earlier validation .*: 'validate --again' begins another/);
  t.match(JSON.parse(stdout), { verdict: 'unfinished', device: '/dev/watchdog0', driver: 'dog', kappa: null });
  t.match(await holdfast('validate', '--result'), { exitCode: 1, stdout: /no verdict .*unfinished/, stderr: '' });
  write(begin, { step: 'aborted', reason: 'ended by Ctrl-C' });
  t.match(await holdfast('validate', '--yes'), {
    exitCode: 1,
    stderr: /nothing was begun, for an earlier[\s\S]*ended before its last pet: ended by Ctrl-C/,
  });
  const own = { bootId: readBootId(), pid: process.pid, pidStarted: (await processStart(process.pid)) ?? '' };
  write({ ...begin, ...own } as Step);
  t.match(await holdfast('validate', '--yes'), {
    exitCode: 3,
    stderr: /is being validated already \(pid \d+\): wait for it/,
  });
  t.match(await holdfast('list'), {
    stdout: new RegExp(`/dev/watchdog0 is being validated \\(pid ${process.pid}\\), and is going to reset`),
  });
  write({ ...begin, ...own, pidStarted: 'another' } as Step);
  t.match(await holdfast('list'), { stdout: /a validation of \/dev\/watchdog0 has ended in this boot, and has no/ });
});

t.test('what lies where a record should is told of', async (t) => {
  const folder = join(stateDir, 'watchdog');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'run'), 'garbage\n');
  t.match(await holdfast('list'), { exitCode: 0, stdout: /cli\/watchdog\/run is damaged, so that .*: remove it/ });
  rmSync(folder, { recursive: true });
  symlinkSync('watchdog', folder);
  const { stdout } = await holdfast('list');
  t.match(stdout, /cli\/watchdog: ELOOP: [\s\S]*\nwhich one the agent takes cannot be told$/m);
  t.equal(stdout.match(/cannot read/g)?.length, 1);
  rmSync(folder);
  writeFileSync(folder, '');
  t.match(await holdfast('list'), { exitCode: 0, stdout: /cli\/watchdog is not a directory, so that .*: remove it/ });
  rmSync(stateDir, { recursive: true });
  writeFileSync(stateDir, '');
  t.match(await holdfast('list'), { exitCode: 0, stdout: /cli is not a directory, so that .*: remove it/ });
  rmSync(stateDir);
});

t.test('the last verdict, of all or of one', async (t) => {
  const folder = join(stateDir, 'watchdog');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const write = (device: string, changes: Partial<Validation>) =>
    writeFileSync(
      join(folder, `${device}.json`),
      JSON.stringify({ ...validation, ...here, ...changes, device: `/dev/${device}` }),
    );
  write('watchdog97', { when: '2026-11-22T10:00:00.000Z' });
  write('watchdog98', { when: '2026-11-22T11:00:00.000Z', verdict: 'did-not-reset', kappa: null });
  write('watchdog99', { when: '2026-11-22T10:30:00.000Z' });
  const last = await holdfast('validate', '--result', '--json');
  t.equal(last.exitCode, 1, 'one that does not reset');
  t.match(JSON.parse(last.stdout), { device: '/dev/watchdog98', verdict: 'did-not-reset', mismatch: null });
  t.match(await holdfast('validate', '--result', '/dev/watchdog97'), {
    exitCode: 0,
    stdout: /^\/dev\/watchdog97 .*\n\tresets this machine/,
  });
  t.match(await holdfast('validate', '--result', '/dev/watchdog-none'), {
    exitCode: 1,
    stderr: /\/dev\/watchdog-none was never validated: run 'holdfast watchdog validate \/dev\/watchdog-none'/,
  });
  write('watchdog96', { when: '2026-11-22T12:00:00.000Z', board: 'another board' });
  const foreign = await holdfast('validate', '--result');
  t.equal(foreign.exitCode, 1, 'one that does not count');
  t.match(
    foreign.stdout,
    /^\/dev\/watchdog96 .*\n\ta verdict that does not count \(it was validated with the board anoth/,
  );
  t.notMatch(foreign.stdout, /resets this machine/);
  const { stdout } = await holdfast('validate', '--result', '--json');
  t.match(JSON.parse(stdout), { verdict: 'resets', mismatch: /with the board another board/ });
  writeFileSync(join(folder, 'watchdog95.json'), '{');
  for (const named of [[], ['/dev/watchdog95']]) {
    t.match(await holdfast('validate', '--result', ...named), {
      exitCode: 1,
      stdout: '',
      stderr: /recorded of \/dev\/watchdog95 .*damaged .*watchdog95\.json.*: validate it again/,
    });
  }
  t.match(await holdfast('validate', '--result', '/dev/watchdog97'), { exitCode: 0 }, 'it says nothing of another');
});

t.test('whoever runs the command again in the boot after the reset is not reset once more', async (t) => {
  const root = fakeRoot(t);
  root.core(0, i6300esb, 'i6300esb');
  root.write('state/watchdog/watchdog0.json', JSON.stringify(validation));
  const [known] = (await knownWatchdogs(join(root.root, 'state'), root.root)).watchdogs;
  if (known === undefined) throw new Error('a watchdog is needed');
  t.match(verdictOfBoot(known, 'after'), { run: validation.run });
  t.equal(verdictOfBoot(known, 'a later boot'), null);
  t.equal(verdictOfBoot({ ...known, validation: { ...validation, bootAfter: null } }, 'after'), null);
});

t.test('a record that the reset would take with it is not begun', async (t) => {
  t.match(
    await refusalOfDirectory('/dev/shm/holdfast/not-yet-there'),
    /\/dev\/shm\/holdfast\/not-yet-there lies in memory/,
  );
  t.equal(await refusalOfDirectory('/proc/version/none'), null, 'what is no directory has its own error');
  t.equal(await refusalOfDirectory(fileURLToPath(new URL('.', import.meta.url))), null);
});

t.test('the disks are written, unless an end is wanted', async (t) => {
  await flushDisks(() => false, 'true');
  await flushDisks(() => true, 'cat');
  const store = { code: 'HF_STORE' };
  await t.rejects(
    flushDisks(() => false, 'false'),
    { ...store, message: /cannot write the disks' caches \(false\)/ },
  );
  await t.rejects(
    flushDisks(() => false, '/nowhere/sync'),
    { ...store, message: /ENOENT/ },
  );
  const [program, pidFile] = [join(directory, 'sync'), join(directory, 'sync.pid')];
  writeFileSync(program, `#!/bin/sh\necho $$ >${pidFile}.new && mv ${pidFile}.new ${pidFile}\nkill -INT $$\n`, {
    mode: 0o755,
  });
  // Gone once its end was told.
  const isGone = () => existsSync(pidFile) && !existsSync(`/proc/${readFileSync(pidFile, 'utf8').trim()}`);
  await t.resolves(flushDisks(isGone, program), 'one that the same Ctrl-C has ended is no failure');
});

t.test('only the name of this machine confirms', async (t) => {
  const root = fakeRoot(t);
  root.core(0, i6300esb, 'i6300esb');
  const [known] = (await knownWatchdogs('/nowhere', root.root)).watchdogs;
  if (known === undefined) throw new Error('a watchdog is needed');
  const answer = (typed: string, isTTY = true) => {
    const output = new PassThrough();
    const asked = confirm(known, 10, { input: Object.assign(Readable.from([typed]), { isTTY }), output });
    return asked.then(
      () => 'confirmed',
      (error: Error) => error.message,
    );
  };
  t.equal(await answer(`${hostname()}\n`), 'confirmed');
  t.match(await answer('yes\n'), /not confirmed: nothing was done/);
  t.match(await answer('\n'), /not confirmed/);
  t.match(await answer(''), /not confirmed/, 'an end of input is no answer');
  t.match(await answer(`${hostname()}\n`, false), /add --yes/);
});

t.test('the question names the device, and says when there is no way back', async (t) => {
  const root = fakeRoot(t);
  root.core(0, { ...i6300esb, identity: 'evil\u001b[31m' }, 'i6300esb');
  root.core(1, { ...i6300esb, nowayout: '1' }, 'i6300esb');
  const { watchdogs } = await knownWatchdogs('/nowhere', root.root);
  const questions = watchdogs.map(async (known) => {
    const output = new PassThrough();
    const input = Object.assign(Readable.from([`${hostname()}\n`]), { isTTY: true });
    await confirm(known, 60, { input, output });
    return String(output.read());
  });
  const [harmless, final] = await Promise.all(questions);
  t.match(harmless, /^\/dev\/watchdog0 \(evil\\x1b\[31m\) will RESET THIS MACHINE/);
  t.notMatch(harmless, /nowayout/);
  t.match(
    final,
    /^\/dev\/watchdog1 .*\n60 s or 120 s after its last pet.*\nIts driver has nowayout set: once it is opened nothing but the reset ends this\.\nType the name of this machine to go on: $/,
  );
});

t.test('what cannot be written has the remedy of its cause', async (t) => {
  const folder = join(directory, 'full', 'watchdog');
  mkdirSync(folder, { recursive: true });
  symlinkSync('/dev/full', join(folder, 'watchdog0.json.new'));
  const store = { code: 'HF_STORE' };
  await t.rejects(new ValidationFiles(join(directory, 'full')).writeResult(validation), {
    ...store,
    message: /cannot write .*full\/watchdog: ENOSPC: free some space on its file system$/,
  });
  writeFileSync(join(directory, 'file'), '');
  await t.rejects(new ValidationFiles(join(directory, 'file')).writeResult(validation), {
    ...store,
    message: /: ENOTDIR: remove the file that stands where a directory should/,
  });
});

t.test('a watchdog that cannot be stopped and did not reset is not said to be about to', async (t) => {
  const { said, end } = await new World({ kappa: Number.POSITIVE_INFINITY, nowayout: true }).validate();
  t.equal(end, 'outlived');
  t.match(said.join('\n'), /nowayout set: the watchdog counts on, and may reset this machine yet/);
  t.notMatch(said.join('\n'), /going to reset/);
});

t.test('a watchdog that was left counting, as far as its driver tells, and until it would have fired', async (t) => {
  const root = fakeRoot(t);
  root.old('ib700wdt');
  const bootId = '01234567-89ab-cdef-0123-456789abcdef';
  root.write('proc/sys/kernel/random/boot_id', `${bootId}\n`);
  const left = join(root.root, 'state');
  const begin = {
    ...{ step: 'begin', run: validation.run, device: '/dev/watchdog', driver: 'ib700wdt', kind: 'hardware' },
    ...{ identity: 'unknown', ...here, bootId, pid: 99, pidStarted: '1', bootMs: 5, wallMs: 6, timeoutAskedS: 10 },
  };
  const due = { step: 'last-pet-due', bootMs: 99 };
  const ended = (agoS: number, ...steps: readonly object[]) => {
    root.write('state/watchdog/run', steps.map((step) => `${JSON.stringify(step)}\n`).join(''));
    const writtenS = Date.now() / 1_000 - agoS;
    utimesSync(join(left, 'watchdog/run'), writtenS, writtenS);
  };
  const said = async () => leftCounting((await knownWatchdogs(left, root.root)).watchdogs, left, root.root);
  t.same(await said(), []);
  ended(20, begin, due);
  t.match(await said(), [
    /^\/dev\/watchdog may be counting \(its driver does not tell\) since .* at any moment until 20.*Z: start nothing/,
  ]);
  ended(30, begin, due);
  t.same(await said(), [], 'both expiries are over');
  ended(30, begin);
  t.match(await said(), [/at any moment: start nothing/], 'when it was killed while it petted is not known');
  ended(0, { ...begin, bootId: 'before' }, due);
  t.same(await said(), [], 'another boot');
  ended(0, { ...begin, device: '/dev/watchdog1' }, due);
  t.same(await said(), [], 'another device');
  ended(0, begin, due);
  root.write('proc/99/stat', `99 (holdfast) S ${'0 '.repeat(18)}1 0`);
  t.same(await said(), [], 'it is under way');
  root.write('proc/99/stat', `99 (another) S ${'0 '.repeat(18)}2 0`);
  t.equal((await said()).length, 1, 'its pid is that of another process now');
  root.opens(7, 'watchdogd', 'dev/watchdog');
  t.same(await said(), [], 'somebody pets it');
});
