/** Whether `holdfast watchdog validate` may begin: asked before the operator is, and once more when he has answered. */
import { rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readBootId } from '../src/host/boot-id.js';
import { FakeAgentControl, healthyReport } from './fake-agent-control.js';
import { needsRoot } from './fixtures/needs-root.js';
import { storeService } from './fixtures/stored-service.js';
import { idleReport, ValidatedNode } from './fixtures/validated-node.js';
import { softdog } from './watchdog-trees.js';

t.setTimeout(120_000);

const question = /Type the name of this machine to go on: /;
const unmaintained = {
  ...idleReport,
  nodes: idleReport.nodes.map((node) => ({ ...node, maintenance: false })),
};

t.test('the agent is asked where the configuration says, unless a socket is named', needsRoot, async (t) => {
  const node = await ValidatedNode.start(t);
  const elsewhere = join(node.root.root, 'elsewhere');
  const other = new FakeAgentControl();
  other.report = unmaintained;
  node.control.report = healthyReport;
  await node.startAgent();
  await node.startAgent(elsewhere, other);
  const configured = node.holdfast('watchdog', 'validate', '--yes');
  t.equal(await configured.ended, 3);
  t.match(configured.text, /ocf:web may run on this node/);
  const named = node.holdfast('--socket', elsewhere, 'watchdog', 'validate', '--yes');
  t.equal(await named.ended, 3);
  t.match(named.text, /maintenance enable node1/);
  node.environment.HOLDFAST_SOCKET = elsewhere;
  const inEnvironment = node.holdfast('watchdog', 'validate', '--yes');
  t.equal(await inEnvironment.ended, 3);
  t.match(inEnvironment.text, /maintenance enable node1/);
  t.ok(node.untouched);
});

t.test('what may not be is refused without a question', needsRoot, async (t) => {
  const node = await ValidatedNode.start(t);
  node.control.report = healthyReport;
  await node.startAgent();
  const command = node.atTerminal('watchdog', 'validate');
  await command.says(/ may run on this node|Type the name/);
  t.notMatch(command.text, question);
  t.match(command.text, /ocf:web may run on this node/);
  t.equal(await command.ended, 3);
  t.ok(node.untouched);
});

t.test('over what runs here nobody is told to end the agent that holds the device', needsRoot, async (t) => {
  const node = await ValidatedNode.start(t);
  const agent = await node.holder('/usr/bin/holdfastd');
  const alone = node.holdfast('watchdog', 'validate', '--yes');
  t.equal(await alone.ended, 3);
  t.match(
    alone.text,
    new RegExp(`cannot validate /dev/watchdog1: held by pid ${agent.child.pid} .holdfastd., which .* do not end that`),
  );
  node.control.report = healthyReport;
  await node.startAgent();
  const command = node.holdfast('watchdog', 'validate', '--yes');
  t.equal(await command.ended, 3);
  t.match(command.text, /ocf:web may run on this node/);
  t.notMatch(command.text, /held by/);
  t.ok(node.untouched);
});

interface Change {
  readonly name: string;
  readonly before: (node: ValidatedNode) => Promise<void>;
  readonly during: (node: ValidatedNode) => Promise<void>;
  readonly says: RegExp;
  readonly exitCode: number;
}

const agentRuns = (node: ValidatedNode) => node.startAgent();
const noAgent = async () => undefined;

const changes: readonly Change[] = [
  {
    name: 'a resource has begun to run',
    before: agentRuns,
    during: async (node) => {
      node.control.report = { ...idleReport, services: healthyReport.services };
    },
    says: /ocf:web may run on this node/,
    exitCode: 3,
  },
  {
    name: 'the maintenance has ended',
    before: agentRuns,
    during: async (node) => {
      node.control.report = unmaintained;
    },
    says: /the cluster may start something on this node before the reset/,
    exitCode: 3,
  },
  {
    name: 'the agent has opened it',
    before: agentRuns,
    during: async (node) => {
      node.control.report = { ...idleReport, watchdog: { ...idleReport.watchdog, state: 'armed' } };
    },
    says: /the agent has \/dev\/watchdog0 open \(armed\)/,
    exitCode: 3,
  },
  {
    name: 'an agent has come',
    before: noAgent,
    during: async (node) => {
      node.control.report = unmaintained;
      await node.startAgent();
    },
    says: /the cluster may start something on this node before the reset/,
    exitCode: 3,
  },
  {
    name: 'an agent has come, started a resource, and died',
    before: noAgent,
    during: ({ stateDir }) => storeService(stateDir, readBootId(), true),
    says: /ocf:web may run on this node/,
    exitCode: 3,
  },
  {
    name: 'the driver was loaded anew, with other settings',
    before: noAgent,
    during: async ({ root }) => root.watchdog('watchdog1', { options: '0x8080' }),
    says: /cannot arm \/dev\/watchdog1: its driver stops when the agent dies/,
    exitCode: 3,
  },
  {
    name: 'the device has gone',
    before: noAgent,
    during: async ({ root }) => rmSync(join(root.root, 'dev/watchdog1')),
    says: /there is no watchdog \/dev\/watchdog1 here/,
    exitCode: 1,
  },
];

t.test('while the operator thought about the question', needsRoot, async (t) => {
  for (const { name, before, during, says, exitCode } of changes) {
    t.test(name, async (t) => {
      const node = await ValidatedNode.start(t);
      await before(node);
      const command = node.atTerminal('watchdog', 'validate');
      await command.says(question);
      await during(node);
      command.type(`${hostname()}\n`);
      t.equal(await command.ended, exitCode);
      t.match(command.text, says);
      t.ok(node.untouched, 'nothing was armed, nothing written');
    });
  }
});

t.test('the device of the question is validated, though a better one has come', needsRoot, async (t) => {
  const node = await ValidatedNode.start(t);
  node.configure('auto');
  node.root.watchdog('watchdog1', softdog);
  node.holdFlush();
  const command = node.atTerminal('watchdog', 'validate');
  await command.says(question);
  t.match(command.text, /\/dev\/watchdog1 \(Software Watchdog\) will RESET THIS MACHINE/);
  node.root.core(2, { ...softdog, identity: 'a better one' }, 'better');
  command.type(`${hostname()}\n`);
  await command.says(/validating /);
  t.match(await node.files.run(), [{ step: 'begin', device: '/dev/watchdog1', driver: 'softdog' }]);
  command.type('\u0003');
  t.equal(await command.ended, 1);
});

t.test('the timeout is within the limits of the driver, and can be measured', needsRoot, async (t) => {
  const node = await ValidatedNode.start(t);
  node.root.watchdog('watchdog1', { max_timeout: '4' });
  const tooShort = node.holdfast('watchdog', 'validate', '--yes');
  t.equal(await tooShort.ended, 1);
  t.match(tooShort.text, /\/dev\/watchdog1 takes no timeout of 5 s or more/);
  t.ok(node.untouched);
  node.holdFlush();
  for (const [min, max, asked, set] of [
    ['1', '8', '10', 8],
    ['20', '0', '10', 20],
    ['1', '5', '60', 5],
    ['1', '2046', '33', 33],
  ] as const) {
    node.root.watchdog('watchdog1', { min_timeout: min, max_timeout: max });
    const command = node.holdfast('watchdog', 'validate', '--yes', '--timeout', asked);
    await command.says(/validating /);
    t.match(await node.files.run(), [{ step: 'begin', timeoutAskedS: set }], `${asked} s of ${min} to ${max}`);
    command.child.kill('SIGINT');
    t.equal(await command.ended, 1);
  }
});

t.test('a device that cannot be opened leaves nothing that would be completed', needsRoot, async (t) => {
  const node = await ValidatedNode.start(t);
  node.environment.EMULATOR = join(node.root.root, 'nobody');
  const command = node.holdfast('watchdog', 'validate', '--yes');
  t.equal(await command.ended, 1);
  t.match(command.text, /^holdfast: cannot open \/dev\/watchdog1: .*\[HF_WATCHDOG\]$/m);
  t.equal(await node.files.run(), null);
  t.same(await node.files.results(), []);
});

t.test('in the boot that a validation has led to nothing is reset unless it is said', needsRoot, async (t) => {
  const node = await ValidatedNode.start(t);
  await node.files.writeResult({
    ...{ run: '0123456789abcdef', device: node.device, driver: 'i6300esb', kind: 'hardware' },
    ...{ identity: 'i6300ESB timer', board: 'unknown board', machine: null, firmware: null },
    ...{ when: '2026-11-22T10:00:00.000Z', bootBefore: 'before', bootAfter: readBootId() },
    ...{ timeoutAskedS: 10, timeoutS: 10, verdict: 'resets', kappa: 1, measuredMs: 10_100, uncertaintyMs: 250 },
    ...{ sentence: 'it reset this machine', evidence: [], rounding: [], timeLeftS: null, pets: null },
  });
  node.control.report = healthyReport;
  await node.startAgent();
  const told = node.holdfast('watchdog', 'validate', '--yes');
  t.equal(await told.ended, 0);
  t.match(told.text, /it reset this machine/);
  t.match(told.text, /this boot came from that validation; --again resets this machine once more/);
  const again = node.holdfast('watchdog', 'validate', '--yes', '--again');
  t.equal(await again.ended, 3, 'not even then what may not be');
  t.match(again.text, /ocf:web may run on this node/);
  t.equal(node.machine.events('open').length, 0);
});

t.test('whoever is not root is told so before all else', needsRoot, async (t) => {
  const node = await ValidatedNode.start(t);
  writeFileSync(node.config, 'stateDir = 7\n');
  node.environment.AS_USER = '65534';
  const command = node.holdfast('watchdog', 'validate', '--yes');
  t.equal(await command.ended, 6);
  t.match(command.text, /only root may validate a watchdog: run this as root/);
  t.ok(node.untouched);
});
