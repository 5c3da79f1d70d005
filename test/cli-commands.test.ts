import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Mutation } from '../src/agent/control.js';
import type { PeerCredentials } from '../src/api/peer-authority.js';
import { createStatusServer } from '../src/api/status-server.js';
import { HoldfastError } from '../src/core/errors.js';
import { FakeAgentControl, fittingTiming, healthyReport, somePreview } from './fake-agent-control.js';
import { type Ended, type Running, startProgram } from './fixtures/node-program.js';

const binary = fileURLToPath(new URL('../bundle/bin/holdfast.js', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
const socketPath = join(directory, 'holdfast.sock');
const control = new FakeAgentControl();
let peer: PeerCredentials = { pid: process.pid, uid: 0, gid: 0 };
const log = { warn: () => undefined, error: () => undefined };
const server = createStatusServer({ socketPath, control, peerCredentials: () => peer, log });
await server.listen();

t.teardown(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});

function start(args: readonly string[], environment: NodeJS.ProcessEnv = {}, program = binary): Running {
  return startProgram(program, args, {
    env: { PATH: process.env.PATH, HOLDFAST_SOCKET: socketPath, ...environment },
  });
}

function run(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return start(args, environment).ended;
}

/** Resolves once `condition` holds; tap's own timeout is the limit. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

t.test('reads', async (t) => {
  const status = await run(['status']);
  t.match(status, {
    exitCode: 0,
    stderr: /^$/,
    stdout: /^quorum OK .*\nleader node1 \(active.*\nservice ocf:web \(node1, started\)/s,
  });
  t.notOk(status.stdout.includes('\u001b'), 'no colour into a pipe');
  t.same(JSON.parse((await run(['status', '--json'])).stdout), healthyReport);
  t.same(JSON.parse((await run(['--json', 'timing'])).stdout), fittingTiming);
  t.match(await run(['timing']), { exitCode: 0, stdout: /leaseMs +\d+ ms +fenceBound.*The times fit\./s });
  control.budget = { ...fittingTiming, fits: false, problems: ['lower totem.token'] };
  t.match(await run(['timing']), { exitCode: 1, stdout: /DO NOT FIT:\n {2}lower totem.token/ });
  t.equal((await run(['timing', '--json'])).exitCode, 1);
  t.match(await run(['config']), { exitCode: 0, stdout: /^$/ });
  t.same(JSON.parse((await run(['config', '--json'])).stdout), { resources: [] });
});

t.test('changes', async (t) => {
  const add = [
    'add',
    'ocf:web',
    '--agent',
    'ocf:heartbeat:IPaddr2',
    'ip=10.0.0.9',
    '--param',
    'opts=a=b',
    '--param',
    'x=',
  ];
  t.match(await run([...add, '--comment', 'two words', '--max-restart', '0', '--state', 'stopped']), {
    exitCode: 0,
    stdout: 'added ocf:web\n',
  });
  const parameters = { ip: '10.0.0.9', opts: 'a=b', x: '' };
  const options = { agent: 'ocf:heartbeat:IPaddr2', parameters, comment: 'two words', maxRestart: 0, state: 'stopped' };
  t.same(control.mutations.at(-1), { type: 'add', sid: 'ocf:web', options });
  t.match(await run(add), {
    exitCode: 1,
    stdout: /^$/,
    stderr: 'holdfast: there is a resource ocf:web already [HF_EXISTS]\n',
  });
  t.match((await run(['config', 'ocf:web'])).stdout, /^ocf:web\n\tagent ocf:heartbeat:IPaddr2\n.*\tparam opts=a=b\n/s);
  t.match(JSON.parse((await run(['config', 'ocf:web', '--json'])).stdout), { sid: 'ocf:web', ...options });

  t.match(await run(['set', 'ocf:web', 'ip=10.0.0.8', '--unset', 'x', '--unset', 'max-restart']), { exitCode: 0 });
  const set = { options: { parameters: { ip: '10.0.0.8' } }, unset: ['x', 'max-restart'] };
  t.same(control.mutations.at(-1), { type: 'set', sid: 'ocf:web', ...set });
  t.match(await run(['disable', 'ocf:web']), { exitCode: 0, stdout: 'disabled ocf:web\n' });
  t.match(control.mutations.at(-1), { options: { state: 'disabled' } });
  t.match(await run(['enable', 'ocf:web']), { exitCode: 0, stdout: 'enabled ocf:web\n' });
  const removed = await run(['remove', 'ocf:web', '--json']);
  const answer = { sid: 'ocf:web', index: control.mutations.length, warnings: [], comigrated: [] };
  t.same(JSON.parse(removed.stdout), answer);
  t.match(await run(['remove', 'ocf:web']), { exitCode: 1, stderr: /no resource ocf:web/ });
});

/** What is typed, what the agent is asked for, and what is said. */
const changes: readonly (readonly [string, Mutation, RegExp])[] = [
  ['add 1000', { type: 'add', sid: 'vm:1000', options: {} }, /^added vm:1000$/],
  ['remove 1000', { type: 'remove', sid: '1000', purge: false }, /^stopping and removing vm:1000$/],
  [
    'add vm:100 --max_restart 2 --max_relocate 0 --failback 0 --group g --state enabled --node node2',
    {
      type: 'add',
      sid: 'vm:100',
      options: { maxRestart: 2, maxRelocate: 0, failback: false, group: 'g', state: 'started' },
      node: 'node2',
    },
    /^added vm:100$/,
  ],
  [
    'set 100 --max-relocate 3 --auto-rebalance 0 --priority -7 --requires vm:1,ct:2 --cpus 1.5 --memory 64',
    {
      type: 'set',
      sid: '100',
      options: {
        maxRelocate: 3,
        autoRebalance: false,
        priority: -7,
        requires: ['vm:1', 'ct:2'],
        cpus: 1.5,
        memoryMiB: 64,
      },
      unset: [],
    },
    /^changed vm:100$/,
  ],
  [
    'set vm:100 --delete max_relocate,group --unset memory',
    { type: 'set', sid: 'vm:100', options: {}, unset: ['memory', 'max_relocate', 'group'] },
    /^changed vm:100$/,
  ],
  ['start vm:100', { type: 'set', sid: 'vm:100', options: { state: 'started' }, unset: [] }, /^enabled vm:100$/],
  [
    'migrate 100 node2',
    { type: 'move', sid: '100', kind: 'migrate', node: 'node2' },
    /^vm:100 is to be moved to node2$/,
  ],
  ['relocate 100 node2', { type: 'move', sid: '100', kind: 'relocate', node: 'node2' }, /moved to node2$/],
  ['crm-command migrate 100 n2', { type: 'move', sid: '100', kind: 'migrate', node: 'n2' }, /moved to n2$/],
  ['crm-command relocate 100 n2', { type: 'move', sid: '100', kind: 'relocate', node: 'n2' }, /moved to n2$/],
  ['stop vm:100', { type: 'stop', sid: 'vm:100', timeoutS: null }, /^stopping vm:100$/],
  ['stop vm:100 30', { type: 'stop', sid: 'vm:100', timeoutS: 30 }, /^stopping vm:100$/],
  ['crm-command stop 100 0', { type: 'stop', sid: '100', timeoutS: 0 }, /^stopping vm:100$/],
  [
    'groupadd g --nodes n1:2,n2 --restricted --nofailback 0',
    {
      type: 'group-add',
      name: 'g',
      options: {
        nodes: [
          { name: 'n1', priority: 2 },
          { name: 'n2', priority: 0 },
        ],
        restricted: true,
        nofailback: false,
      },
    },
    /^added group g$/,
  ],
  [
    'groupset g --comment c --delete restricted',
    { type: 'group-set', name: 'g', options: { comment: 'c' }, unset: ['restricted'] },
    /^changed group g$/,
  ],
  ['groupremove g', { type: 'group-remove', name: 'g' }, /^removed group g$/],
  [
    'rules add node-affinity r --resources vm:100,7 --nodes n1 --strict 1 --disable',
    {
      type: 'rule-add',
      id: 'r',
      ruleType: 'node-affinity',
      options: { resources: ['vm:100', '7'], nodes: [{ name: 'n1', priority: 0 }], strict: true, disabled: true },
      force: false,
    },
    /^added rule r$/,
  ],
  [
    'rules set node-affinity r --affinity negative --force --delete disable',
    {
      type: 'rule-set',
      id: 'r',
      ruleType: 'node-affinity',
      options: { affinity: 'negative' },
      unset: ['disable'],
      force: true,
    },
    /^changed rule r$/,
  ],
  ['rules remove r', { type: 'rule-remove', id: 'r' }, /^removed rule r$/],
  [
    'options ha=static ha-auto-rebalance-hold-duration=6 ha-auto-rebalance-threshold=0.25 freeze-limit=0',
    {
      type: 'options',
      changes: { scheduler: 'static', autoRebalanceHoldS: 60, autoRebalanceThreshold: 0.25, freezeLimitS: 0 },
    },
    /^changed the options$/,
  ],
  ['maintenance enable n1', { type: 'maintenance', node: 'n1', enabled: true }, /^n1 goes into maintenance$/],
  [
    'crm-command node-maintenance disable n1',
    { type: 'maintenance', node: 'n1', enabled: false },
    /^n1 comes out of maintenance$/,
  ],
  ['disarm', { type: 'disarm', mode: 'freeze' }, /^disarming \(freeze\)/],
  ['disarm ignore', { type: 'disarm', mode: 'ignore' }, /^disarming \(ignore\)/],
  ['crm-command disarm-ha ignore', { type: 'disarm', mode: 'ignore' }, /^disarming \(ignore\)/],
  ['arm', { type: 'arm' }, /^arming$/],
  ['crm-command arm-ha', { type: 'arm' }, /^arming$/],
  ['confirm-off n1 --yes', { type: 'confirm-off', node: 'n1' }, /^n1 is taken to be off$/],
  ['remove 100 --purge', { type: 'remove', sid: '100', purge: true }, /^stopping and removing vm:100$/],
];

/** As the peer's users type it. */
const peerForms: typeof changes = [
  [
    'set vm:100 -state stopped -max_restart=2 -comment -state -delete group',
    {
      type: 'set',
      sid: 'vm:100',
      options: { state: 'stopped', maxRestart: 2, comment: '-state' },
      unset: ['group'],
    },
    /^changed vm:100$/,
  ],
  ['remove --purge vm:100', { type: 'remove', sid: 'vm:100', purge: true }, /^stopping and removing vm:100$/],
  ['add vm:100', { type: 'add', sid: 'vm:100', options: {} }, /^added vm:100$/],
  ['remove -purge 0 100', { type: 'remove', sid: '100', purge: false }, /^stopping and removing vm:100$/],
  [
    'rules add --strict node-affinity r -nodes my_node:3 -disable',
    {
      type: 'rule-add',
      id: 'r',
      ruleType: 'node-affinity',
      options: { nodes: [{ name: 'my_node', priority: 3 }], strict: true, disabled: true },
      force: false,
    },
    /^added rule r$/,
  ],
];

t.test('every command of the cluster, and a dry run of it', async (t) => {
  for (const [typed, mutation, said] of changes) {
    const args = typed.split(' ');
    const before = control.mutations.length;
    const dry = await run([...args, '--dry-run']);
    t.match(dry, { exitCode: 0, stderr: '', stdout: /relocate ocf:web node1 -> node2.*nothing was changed/s }, typed);
    t.same(control.previews.at(-1), mutation, typed);
    t.equal(control.mutations.length, before, 'a dry run changes nothing');
    const made = await run(args);
    t.match({ ...made, stdout: made.stdout.trimEnd() }, { exitCode: 0, stdout: said, stderr: '' }, typed);
    t.same(control.mutations.slice(before), [mutation], typed);
  }
  control.refusal = new HoldfastError('HF_CONFLICT', 'rule r forbids it');
  t.match(await run(['arm', '--dry-run']), {
    exitCode: 3,
    stdout: '',
    stderr: 'holdfast: rule r forbids it [HF_CONFLICT]\n',
  });
  t.match(await run(['rules', 'add', 'node-affinity', 'r']), {
    exitCode: 3,
    stderr: /forbids it \(--force does it all the same\)/,
  });
  t.notMatch((await run(['rules', 'add', 'node-affinity', 'r', '--force'])).stderr, /--force/);
  control.refusal = new HoldfastError('HF_CONFLICT', 'the cluster holds 2000 rules already');
  t.notMatch((await run(['rules', 'set', 'node-affinity', 'r', '--strict'])).stderr, /--force/);
  control.refusal = null;
  t.same(JSON.parse((await run(['arm', '--dry-run', '--json'])).stdout), somePreview);
});

t.test('options in the forms of the peer', async (t) => {
  await run(['add', 'vm:100']);
  for (const [typed, mutation, said] of peerForms) {
    const made = await run(typed.split(' '));
    t.match({ ...made, stdout: made.stdout.trimEnd() }, { exitCode: 0, stdout: said, stderr: '' }, typed);
    t.same(control.mutations.at(-1), mutation, typed);
  }
  const after = await run(['status', '--', '-json']);
  t.match(after, { exitCode: 2, stderr: /too many arguments/ }, 'what stands behind -- is no option');
});

t.test('what is read from a node outside of the quorate view says so', async (t) => {
  control.report = { ...healthyReport, leader: null };
  for (const look of [
    ['config'],
    ['rules', 'list'],
    ['groupconfig'],
    ['options'],
    ['decisions'],
    ['config', '--json'],
  ]) {
    t.match(await run(look), { exitCode: 0, stderr: /^warning: this node is not in a quorate view: .* stale\n$/ });
  }
  t.match(await run(['timing']), { stderr: '' }, 'which is of this node');
  control.report = healthyReport;
  t.match(await run(['config']), { exitCode: 0, stderr: '' });
});

t.test('what else is to be known is said', async (t) => {
  await run(['add', 'vm:100']);
  control.told = { warnings: ['rule r prefers node1'], comigrated: ['vm:101'] };
  t.match(await run(['migrate', '100', 'node2']), {
    exitCode: 0,
    stdout: 'vm:100 is to be moved to node2\nvm:101 moves too, for a rule keeps them together\n',
    stderr: 'warning: rule r prefers node1\n',
  });
  control.told = { warnings: [], comigrated: [] };
  t.match(await run(['options', 'ha-auto-rebalance-margin=20']), {
    exitCode: 0,
    stderr: /^warning: ha-auto-rebalance-margin: 20 is more than 1, so it is taken as percent: 0\.2\n$/,
  });
  await run(['remove', '100']);
});

t.test('reasons, rules, groups, options', async (t) => {
  await run(['add', 'vm:100']);
  await run(['groupadd', 'g', '--nodes', 'n1']);
  await run(['rules', 'add', 'resource-affinity', 'r', '--resources', 'vm:100,vm:7', '--affinity', 'negative']);
  const looks: readonly (readonly [string, RegExp])[] = [
    ['explain 100', /^vm:100: started on node1\n {2}it runs on node1 since 17\nnode1: here\n/],
    ['decisions', /decision 1\n.* 2 {2}decision 2\n$/],
    ['decisions --limit 1', /^[^\n]* 2 {2}decision 2\n$/],
    ['groupconfig', /^group: g\n\tnodes n1\n$/],
    ['rules list', /^r: vm:100, vm:7 on different nodes\n$/],
    ['rules config r', /^resource-affinity: r\n\tresources vm:100,vm:7\n\taffinity negative\n$/],
    ['rules list --resource 7', /^r: /],
    ['rules list --resource vm:8', /^$/],
    ['rules list --type node-affinity', /^$/],
    ['options', /^ha=static\n.*\nfreeze-limit=0\n$/s],
    ['config --type vm', /^vm:100\n/],
    ['config --type ct', /^$/],
    ['config 100', /^vm:100\n/],
    ['status --verbose', /^quorum OK.*one service.*option ha=basic/s],
  ];
  for (const [typed, said] of looks) {
    t.match(await run(typed.split(' ')), { exitCode: 0, stdout: said, stderr: '' }, typed);
    t.ok(JSON.parse((await run([...typed.split(' '), '--json'])).stdout), `${typed} --json`);
  }
  t.match(await run(['explain', 'vm:1']), { exitCode: 1, stderr: /no resource vm:1/ });
  await run(['remove', '100']);
});

t.test('shutdown waits until nothing runs here', async (t) => {
  const { length } = control.prepared;
  t.match(await run(['shutdown', 'reboot']), { exitCode: 0, stdout: /nothing .* runs .* \(reboot\)/, stderr: '' });
  t.match(JSON.parse((await run(['shutdown', '--json'])).stdout), { prepared: true });
  t.same(control.prepared.slice(length), ['reboot', 'poweroff']);
  const path = join(directory, 'slow.sock');
  let asked = 0;
  const slow = createHttpServer((_request, response) => {
    asked += 1;
    response.end(JSON.stringify({ prepared: asked === 3 }));
  }).listen(path);
  t.match(await run(['shutdown', '--socket', path]), { exitCode: 0 });
  t.equal(asked, 3, 'it asks again until it is prepared');
  slow.close();
});

t.test('import', async (t) => {
  const files = join(directory, 'pve');
  mkdirSync(join(files, 'ha'), { recursive: true });
  writeFileSync(join(files, 'ha', 'groups.cfg'), 'group: web\n\tnodes n1:2,n2\n');
  writeFileSync(join(files, 'ha', 'resources.cfg'), 'vm: 100\n\tgroup web\n\tstate enabled\n\nvm: 101\n');
  writeFileSync(
    join(files, 'ha', 'rules.cfg'),
    'resource-affinity: apart\n\tresources vm:100,vm:101\n\taffinity negative\n',
  );
  writeFileSync(join(files, 'datacenter.cfg'), 'ha: shutdown_policy=migrate\n');
  const before = control.mutations.length;
  t.match(await run(['import', files]), {
    exitCode: 3,
    stdout: /refused ha\/resources.cfg:1: vm:100: this version cannot run resources of type vm yet/,
    stderr: /nothing was imported, for 2 things cannot be taken over: .*--partial/,
  });
  t.match(JSON.parse((await run(['import', files, '--json'])).stdout), { error: { code: 'HF_CONFLICT' }, done: [] });
  t.equal(control.mutations.length, before);

  control.report = { ...healthyReport, resourceTypes: ['vm'] };
  t.match(await run(['import', files, '--dry-run']), {
    exitCode: 0,
    stdout:
      /changed ha\/resources.cfg:3: .*\nwould take over group web\n.*dry run\): 5 to take over, 0 there already\n$/s,
  });
  t.equal(control.mutations.length, before);
  t.match(await run(['import', files]), {
    exitCode: 0,
    stdout: /imported group web\n.*5 imported, 0 there already\n$/s,
  });
  const types = control.mutations.slice(before).map((mutation) => mutation.type);
  t.same(types, ['group-add', 'add', 'add', 'rule-add', 'options'], 'in an order in which each finds what it names');
  const again = control.mutations.length;
  t.match(await run(['import', files]), { exitCode: 0, stdout: /0 imported, 5 there already\n$/ });
  t.equal(control.mutations.length, again, 'a second time it does nothing');

  writeFileSync(join(files, 'ha', 'resources.cfg'), 'vm: 102\n\nvm: 103\n');
  control.refusal = new HoldfastError('HF_NO_QUORUM', 'no quorum');
  t.match(await run(['import', files]), {
    exitCode: 3,
    stderr: 'holdfast: nothing was imported, for vm:102 is refused: no quorum [HF_NO_QUORUM]\n',
  });
  control.refusal = null;
  control.stuck = true;
  t.match(await run(['import', files, '--timeout', '1']), {
    exitCode: 4,
    stdout: /^0 imported, 3 there already\n$|\n0 imported, 3 there already\n$/,
    stderr: /stopped at vm:102: the change may or may not have happened, .*; what was imported stays, and is skipped/,
  });
  control.stuck = false;
  control.report = healthyReport;
  t.match(await run(['import', files, '--partial']), {
    exitCode: 0,
    stdout: /left out .*0 imported, 3 there already/s,
  });
});

t.test('a dry run of an import says what the import would be told, and is refused as it would be', async (t) => {
  const files = join(directory, 'rehearsed');
  mkdirSync(files);
  writeFileSync(join(files, 'groups.cfg'), 'group: first\n\tnodes n1\n');
  writeFileSync(join(files, 'rules.cfg'), 'resource-affinity: ra\n\tresources vm:1\n\taffinity positive\n');
  const made = control.mutations.length;
  const rehearsed = control.rehearsed.length;
  const both = async (...options: readonly string[]) => {
    const dry = await run(['import', files, '--dry-run', ...options]);
    t.same(await run(['import', files, ...options]), dry);
    return dry;
  };
  control.refusal = new HoldfastError('HF_CONFLICT', 'rule ra: it needs two resources');
  const message = 'nothing was imported, for group first is refused: rule ra: it needs two resources';
  t.match(await both(), { exitCode: 3, stdout: '', stderr: `holdfast: ${message} [HF_CONFLICT]\n` });
  t.match(JSON.parse((await both('--json')).stdout), { error: { code: 'HF_CONFLICT', message }, done: [] });
  t.match(control.rehearsed.slice(rehearsed), [
    { type: 'group-add', name: 'first' },
    { type: 'rule-add', id: 'ra', force: false },
  ]);
  control.refusal = null;
  writeFileSync(join(files, 'resources.cfg'), 'ocf: zz\n\tstate started\n\nvm: 1\n\tstate on\n');
  t.match(await both(), {
    exitCode: 3,
    stdout: /^refused resources.cfg:1: ocf:zz needs an agent, .*'holdfast add'\nrefused resources.cfg:5: vm: 1: state/,
    stderr: /2 things cannot be taken over/,
  });
  t.equal(control.mutations.length, made);
  control.report = { ...healthyReport, leader: null };
  control.told = { warnings: ['there is no node n1'], comigrated: [] };
  const told = await run(['import', files, '--dry-run', '--partial']);
  t.match(told, {
    exitCode: 0,
    stdout: /would take over rule ra\nnothing was changed \(dry run\): 2 to take over, 0 there/,
  });
  t.equal(told.stderr.match(/may be stale/g)?.length, 1, 'which is said once');
  t.match(told.stderr, /warning: there is no node n1\n/);
  control.report = healthyReport;
  control.told = { warnings: [], comigrated: [] };
  t.equal(control.mutations.length, made);
});

t.test('wrong input is refused by name, and nothing is done', async (t) => {
  const before = control.mutations.length;
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /a command is missing; see "holdfast --help"/],
    [['statsu'], /unknown command 'statsu' \(Did you mean status\?\)/],
    [['help', 'bogus'], /^holdfast: unknown command 'bogus': see "holdfast --help" \[HF_ARGUMENT\]\n$/],
    [['help', 'statsu'], /^holdfast: unknown command 'statsu': did you mean status\? \[HF_ARGUMENT\]\n$/],
    [['help', 'rules', 'bogus'], /^holdfast: unknown command 'bogus': see "holdfast rules --help"/],
    [['rules', 'help', 'ad'], /^holdfast: unknown command 'ad': did you mean add\?/],
    [['status', '-state', 'x'], /unknown option '-state'/],
    [['remove', '--purge'], /missing required argument 'sid'; see "holdfast remove --help"/],
    [['status', '--jsno'], /unknown option '--jsno' \(Did you mean --json\?\)/],
    [['status', 'extra'], /too many arguments/],
    [['watch', 'extra'], /too many arguments/],
    [['timing', '--param', 'x'], /unknown option '--param'/],
    [['config', 'web'], /"web" must be a type and a name/],
    [['add'], /missing required argument 'sid'/],
    [['add', 'ocf:web', '--agnet', 'x'], /unknown option '--agnet' \(Did you mean --agent\?\)/],
    [
      ['add', 'ocf:web', '--agent', 'IPaddr2'],
      /agent must be a resource agent as ocf:PROVIDER:TYPE, .*, not "IPaddr2" \[HF_ARGUMENT\]$/m,
    ],
    [['add', '../x', '--agent', 'ocf:a:b'], /sid must be a type and a name, .*, not "\.\.\/x"/],
    [['add', 'ocf:web', '--agent', 'ocf:a:b', 'ip'], /written NAME=VALUE, not "ip"/],
    [['add', 'ocf:web', '--agent', 'ocf:a:b', '=x'], /written NAME=VALUE, not "=x"/],
    [['add', 'ocf:web', '--agent', 'ocf:a:b', 'a=1', '--param', 'a=2'], /"a" is given twice/],
    [['add', 'ocf:web', '--agent', 'ocf:a:b', '1a=1'], /parameter name "1a" must be a name/],
    [['add', 'ocf:web', '--agent', 'ocf:a:b', '__proto__=1'], /"__proto__" cannot be used/],
    [['add', 'ocf:web', '--agent', 'ocf:a:b', '--state', 'on'], /Allowed choices are started, stopped, disabled/],
    [['add', 'ocf:web', '--agent', 'ocf:a:b', '--max-restart', '1.5'], /--max-restart must be an integer/],
    [['add', 'ocf:web', '--agent', 'ocf:a:b', '--comment'], /argument missing/],
    [['add', 'ocf:web', '--agent', 'ocf:a:b', '--comment', 'x'.repeat(4_097)], /comment must be at most 4096 bytes/],
    [['add', 'x', '--agent', 'ocf:a:b'], /sid must be a type and a name, .*, not "x"/],
    [['add', 'vm:1', '--failback', 'maybe'], /--failback must be 0 or 1, not "maybe"/],
    [['add', 'vm:1', '--cpus', '-1'], /argument missing|must be a number from 0 to 4096/],
    [['add', 'vm:1', '--priority', '1001'], /--priority must be an integer from -1000 to 1000/],
    [['migrate', 'vm:100'], /missing required argument 'node'/],
    [['migrate', 'vm:100', 'a b'], /node must be a node's name/],
    [['stop', 'vm:100', 'soon'], /the time to stop must be an integer from 0 to 86400/],
    [['groupadd', 'g'], /required option '--nodes <node\[:priority\],...>' not specified/],
    [['groupadd', 'g', '--nodes', 'n1:x'], /"n1:x" is not a node, nor NODE:PRIORITY/],
    [['groupadd', 'g', '--nodes', 'n1,n2:3,n1:2'], /nodes must have each node once, and n1 is there twice/],
    [['groupset', 'g'], /nothing to change of group g/],
    [['rules'], /a command is missing; see "holdfast rules --help"/],
    [['rules', 'ad'], /unknown command 'ad'/],
    [['rules', 'add', 'affinity', 'r'], /type must be one of "node-affinity", "resource-affinity", not "affinity"/],
    [['rules', 'add', 'node-affinity', 'r', '--strict', '2'], /--strict must be 0 or 1/],
    [['rules', 'add', 'resource-affinity', 'r', '--affinity', 'both'], /Allowed choices are positive, negative/],
    [['options', 'shutdown_polcy=freeze'], /no option "shutdown_polcy": did you mean shutdown_policy\?/],
    [['options', 'shutdown_policy=never'], /must be one of conditional, freeze, failover, migrate, not "never"/],
    [['options', 'ha'], /an option is written NAME=VALUE, not "ha"/],
    [['maintenance', 'on', 'node1'], /unknown command 'on'/],
    [['disarm', 'now'], /Allowed choices are freeze, ignore/],
    [['crm-command', 'disarm-ha'], /missing required argument 'mode'/],
    [['confirm-off', 'node1'], /runs twice, and its data is damaged: look that its machine is off, then add --yes/],
    [['shutdown', 'now'], /Allowed choices are reboot, poweroff/],
    [['decisions', '--limit', '0'], /--limit must be an integer from 1 to 1000/],
    [['simulate', '--fuzz', '--init'], /--init has no effect with --fuzz: leave it out/],
    [['simulate', 'x', '--nodes', '5'], /--nodes has no effect without --fuzz: leave it out/],
    [['simulate', 'x', '--init', '--seed', '5'], /--seed has no effect with --init/],
    [['import', '/nonexistent'], /has none of resources.cfg, groups.cfg, rules.cfg and datacenter.cfg/],
    [['set', 'ocf:web'], /nothing to change of ocf:web/],
    [['set', 'ocf:web', '--unset', 'a b'], /unset\[0\] must be a name/],
    [['set', 'ocf:web', 'a=1', '--unset', 'a'], /"a" cannot be set and unset at once/],
    [['remove'], /missing required argument 'sid'/],
    [['remove', 'ocf:web/../x'], /must be a type and a name/],
    [['enable', 'ocf:web', '--timeout', '0'], /--timeout must be an integer from 1 to 120, not "0"/],
    [['disable', 'ocf:web', '--timeout', 'soon'], /--timeout must be an integer/],
    [
      ['status', '--socket', ''],
      /the socket path "" cannot be used: give one of 1 to 107 bytes in --socket or HOLDFAST_SOCKET/,
    ],
    [['status', '--socket', 'x'.repeat(108)], /give one of 1 to 107 bytes in --socket or HOLDFAST_SOCKET/],
  ];
  for (const [args, message] of cases) {
    const { exitCode, stdout, stderr } = await run(args);
    t.match({ exitCode, stdout, stderr }, { exitCode: 2, stdout: /^$/, stderr: message }, args.slice(0, 5).join(' '));
    t.notMatch(stderr, /\n\s+at /, 'no stack');
  }
  for (const args of [['statsu'], ['add', 'web', '--agent', 'ocf:a:b'], ['enable', 'x', '--timeout', '0']]) {
    const { exitCode, stdout, stderr } = await run([...args, '--json']);
    t.match(JSON.parse(stdout), { error: { code: 'HF_ARGUMENT', message: String } });
    t.match({ exitCode, stderr }, { exitCode: 2, stderr: /^$/ });
  }
  t.equal(control.mutations.length, before);
});

t.test("the agent's refusals have exit codes", async (t) => {
  const codes = {
    HF_CONFLICT: 3,
    HF_NO_QUORUM: 3,
    HF_BUSY: 3,
    HF_OUTCOME_UNKNOWN: 4,
    HF_AGENT: 1,
    HF_EXISTS: 1,
  } as const;
  for (const code of Object.keys(codes) as (keyof typeof codes)[]) {
    control.refusal = new HoldfastError(code, 'for a reason');
    t.match(
      await run(['remove', 'ocf:x']),
      { exitCode: codes[code], stderr: `holdfast: for a reason [${code}]\n` },
      code,
    );
    const { exitCode, stdout } = await run(['remove', 'ocf:x', '--json']);
    t.equal(exitCode, codes[code]);
    t.same(JSON.parse(stdout), { error: { code, message: 'for a reason' } });
  }
  control.refusal = null;
  peer = { pid: 0, uid: 1000, gid: 1000 };
  t.match(await run(['remove', 'ocf:x']), { exitCode: 6, stderr: /only root and members of the admin group/ });
  t.equal((await run(['status'])).exitCode, 0, 'looking is allowed');
  peer = { pid: process.pid, uid: 0, gid: 0 };
});

t.test('an outcome that cannot be told', async (t) => {
  control.stuck = true;
  t.match(await run(['remove', 'ocf:x', '--timeout', '1']), {
    exitCode: 4,
    stdout: /^$/,
    stderr: /may or may not have happened, since no answer came within 1 s; look before trying again/,
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const before = control.mutations.length;
    const { child, ended } = start(['remove', 'ocf:x']);
    await until(() => control.mutations.length > before);
    child.kill(signal);
    t.match(await ended, { exitCode: 4, stderr: /interrupted: the change may or may not have happened/ }, signal);
  }
  control.stuck = false;
});

t.test('the agent dies during a change', async (t) => {
  const path = join(directory, 'dying.sock');
  const dying = createServer((socket) => socket.once('data', () => socket.destroy())).listen(path);
  const environment = { HOLDFAST_SOCKET: path };
  t.match(await run(['remove', 'ocf:x'], environment), { exitCode: 4, stderr: /may or may not have happened/ });
  t.match(await run(['status'], environment), { exitCode: 5, stderr: /ended the connection/ });
  t.match(await run(['watch'], environment), { exitCode: 5, stderr: /ended the connection/ });
  dying.close();
});

t.test('watch', async (t) => {
  const event = {
    type: 'node',
    bootMs: 1,
    wallMs: 1_700_000_000_123,
    text: 'node2 is gone',
    detail: { votes: 2 },
  } as const;
  for (const [args, line] of [
    [['watch'], /^\d\d:\d\d:\d\d\.123 node {5}node2 is gone\n$/],
    [['watch', '--json'], `${JSON.stringify(event)}\n`],
  ] as const) {
    const { child, ended } = start(args);
    await until(() => control.listeners === 1);
    const shown = new Promise((resolve) => child.stdout?.once('data', resolve));
    control.emit(event);
    await shown;
    child.kill('SIGINT');
    t.match(await ended, { exitCode: 0, stdout: line, stderr: /^$/ }, args.join(' '));
    await until(() => control.listeners === 0);
  }
});

t.test('watch ends quietly when its reader does', async (t) => {
  const event = { type: 'node', bootMs: 1, wallMs: 1, text: 'x', detail: {} } as const;
  const { child, ended } = start(['watch']);
  await until(() => control.listeners === 1);
  child.stdout?.destroy();
  const ticker = setInterval(() => control.emit(event), 20);
  t.match(await ended, { exitCode: 0, stderr: /^$/ });
  clearInterval(ticker);
});

/** Runs with a standard output that nobody reads. */
async function runUnread(args: readonly string[]): Promise<Ended> {
  const { child, ended } = start(args);
  child.stdout?.destroy();
  return ended;
}

t.test('a reader that goes away stops nothing, and is no failure', async (t) => {
  t.match(await runUnread(['status']), { exitCode: 0, stderr: '' });
  t.match(await runUnread(['statsu', '--json']), { exitCode: 2, stderr: '' }, 'an error stays one');
  const files = join(directory, 'unread');
  mkdirSync(files);
  writeFileSync(join(files, 'groups.cfg'), 'group: unread\n\tnodes n1\n\tbogus 1\n');
  const before = control.mutations.length;
  t.match(await runUnread(['import', files, '--partial']), { exitCode: 0, stderr: '' });
  t.match(control.mutations.slice(before), [{ type: 'group-add', name: 'unread' }], 'it was imported all the same');
});

t.test('output that cannot be written is an error', async (t) => {
  const full = openSync('/dev/full', 'w');
  for (const [args, message] of [
    [['status'], /^holdfast: the output cannot be written \(ENOSPC\): write it elsewhere, and look what was done/],
    [['status', '--json'], /^holdfast: the output cannot be written \(ENOSPC\)/],
    [['--help'], /^holdfast: the output cannot be written \(ENOSPC\)/],
    [['help', 'rules'], /^holdfast: the output cannot be written \(ENOSPC\)/],
    [['--version'], /^holdfast: the output cannot be written \(ENOSPC\)/],
    [['statsu', '--json'], /^holdfast: unknown command 'statsu'/],
  ] as const) {
    const env = { PATH: process.env.PATH, HOLDFAST_SOCKET: socketPath };
    const child = spawn(process.execPath, [binary, ...args], { env, stdio: ['ignore', full, 'pipe'] });
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const exitCode = await new Promise((resolve) => child.once('close', resolve));
    t.equal(exitCode, args[0] === 'statsu' ? 2 : 1);
    t.match(stderr, message);
    t.notMatch(stderr, /\n\s+at /, 'no stack');
  }
  closeSync(full);
});

t.test('watch says when the agent goes', async (t) => {
  const path = join(directory, 'going.sock');
  const going = new FakeAgentControl();
  const second = createStatusServer({ socketPath: path, control: going, peerCredentials: () => peer, log });
  await second.listen();
  const { ended } = start(['watch', '--socket', path]);
  await until(() => going.listeners === 1);
  await second.close();
  t.match(await ended, { exitCode: 5, stderr: /ended the stream of events/ });
});

/** The socket of a process that is gone. */
async function leaveSocket(path: string): Promise<void> {
  const listen = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await once(spawn(process.execPath, ['-e', listen], { stdio: 'ignore' }), 'close');
}

t.test('the agent does not answer', async (t) => {
  const file = join(directory, 'file');
  writeFileSync(file, '');
  const dead = join(directory, 'dead.sock');
  await leaveSocket(dead);
  const strange = join(directory, 'strange.sock');
  const other = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi')).listen(strange);
  const cases: readonly (readonly [string, RegExp])[] = [
    [join(directory, 'none.sock'), /none\.sock: there is no such socket; is holdfastd running\? Start it/],
    [dead, /dead\.sock: nobody listens there, so holdfastd has died/],
    [file, /file: that is no socket; check --socket and HOLDFAST_SOCKET/],
    [directory, /: that is no socket; check --socket and HOLDFAST_SOCKET/],
    [join(file, 'x'), /is not a directory/],
    [strange, /what answers there is not holdfastd/],
  ];
  for (const [path, message] of cases) {
    for (const command of [['status'], ['watch'], ['config']]) {
      t.match(await run([...command, '--socket', path]), { exitCode: 5, stdout: /^$/, stderr: message });
    }
  }
  const change = await run(['remove', 'ocf:x'], { HOLDFAST_SOCKET: cases[0]?.[0] });
  t.match(change, { exitCode: 5 }, 'a change that was never sent is not in doubt');
  const json = await run(['status', '--json', '--socket', file]);
  t.match(JSON.parse(json.stdout), { error: { code: 'HF_UNREACHABLE' } });
  other.close();
});

t.test('help, version, and the other name', async (t) => {
  t.match(await run(['--help']), {
    exitCode: 0,
    stdout: /^Usage: holdfast .*Exit codes:\n {2}0 {2}done/s,
    stderr: /^$/,
  });
  t.match(await run(['set', '--help']), { exitCode: 0, stdout: /--unset <name>.*--json/s });
  t.match(await run(['help', 'rules', 'add']), {
    exitCode: 0,
    stdout: /^Usage: holdfast rules add .*--force/s,
    stderr: '',
  });
  t.match(await run(['rules', 'help', 'set']), { exitCode: 0, stdout: /^Usage: holdfast rules set / });
  t.match(await run(['help', 'start']), { exitCode: 0, stdout: /^Usage: holdfast enable\|start / });
  t.match(await run(['help']), { exitCode: 0, stdout: /^Usage: holdfast .*Exit codes:/s });
  t.match(await run(['--version']), { exitCode: 0, stdout: /^\d+\.\d+\.\d+\n$/ });
  const manager = join(directory, 'ha-manager');
  symlinkSync(binary, manager);
  t.match(await start(['--help'], {}, manager).ended, { exitCode: 0, stdout: /^Usage: ha-manager / });
  t.match(await start(['statsu'], {}, manager).ended, { exitCode: 2, stderr: /^ha-manager: unknown command/ });
});

t.test('a configuration that is named has to be there', async (t) => {
  const config = join(directory, 'none.toml');
  const missing = /the configuration file .*none\.toml is not there: correct its path, or do not name one/;
  const nobody = { HOLDFAST_SOCKET: join(directory, 'nobody.sock') };
  t.match(await run(['watchdog', 'list', '--config', config]), { exitCode: 1, stderr: missing });
  if (process.getuid?.() === 0) {
    t.match(await run(['why', '--config', config], nobody), { exitCode: 1, stderr: missing });
    t.match(await run(['watchdog', 'validate', '--result', '--config', config]), { exitCode: 1, stderr: missing });
  }
  const daemon = fileURLToPath(new URL('../bundle/bin/holdfastd.js', import.meta.url));
  t.match(await start(['--config', config], {}, daemon).ended, { exitCode: 78, stderr: missing });
  t.match(await start(['--config'], {}, daemon).ended, {
    exitCode: 78,
    stderr: /--config needs a file, as in --config \//,
  });
});
