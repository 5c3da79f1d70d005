import t from 'tap';
import type { Mutation, ResourceConfig, ResourceOptions } from '../src/agent/control.js';
import { LocalControl } from '../src/agent/local-control.js';
import { statusReport } from '../src/agent/report.js';
import type { StatusReport, TimingReport } from '../src/agent/status.js';
import type { Command } from '../src/core/cluster-state.js';
import { HoldfastError } from '../src/core/errors.js';
import { explain } from '../src/core/explanation.js';
import { managerInput } from '../src/core/manager-turn.js';
import { previewCommand } from '../src/core/preview.js';
import { plainResource, someExplanation, somePreview } from './fake-agent-control.js';
import { type World, world } from './fake-ports.js';

/** Changes as people ask for them, up to the log. */

const agent = 'ocf:heartbeat:Dummy';

interface Controlled extends World {
  readonly control: LocalControl;
  /** Commands whose effect was asked for. */
  readonly previewed: Command[];
  /** Asks for a change, and waits until it is answered and carried out. */
  change(mutation: Mutation): Promise<void>;
}

const unasked = (): never => {
  throw new Error('nobody asks for that here');
};
const unaskedReports = {
  status: unasked,
  timing: unasked,
  explain: unasked,
  preview: unasked,
  resets: unasked,
  acknowledgeResets: unasked,
};

async function controlled(): Promise<Controlled> {
  const all = world();
  await all.settle();
  const drivers = new Map([[all.driver.type, all.driver]]);
  const previewed: Command[] = [];
  const control = new LocalControl(all.agent, drivers, {
    ...unaskedReports,
    explain: (sid) => ({ ...someExplanation, sid }),
    preview: (command) => {
      previewed.push(command);
      return somePreview;
    },
  });
  const change = async (mutation: Mutation): Promise<void> => {
    const changed = control.mutate(mutation);
    changed.catch(() => undefined);
    await all.settle(1_000);
    await changed;
  };
  return { ...all, control, previewed, change };
}

function add(sid: string, options: ResourceOptions = {}): Mutation {
  return { type: 'add', sid, options: { agent, ...options } };
}

function remove(sid: string): Mutation {
  return { type: 'remove', sid, purge: false };
}

function set(sid: string, options: ResourceOptions, unset: readonly string[] = []): Mutation {
  return { type: 'set', sid, options, unset };
}

t.test('what is not said of a new resource has its default', async (t) => {
  const { control, change, driver } = await controlled();
  await change(add('ocf:web'));
  const plain: ResourceConfig = { ...plainResource, sid: 'ocf:web', agent };
  t.strictSame(control.resources(), [plain]);
  const options = {
    parameters: { ip: '10.0.0.1' },
    state: 'disabled',
    comment: 'c',
    maxRestart: 3,
    maxRelocate: 0,
    failback: false,
    autoRebalance: false,
    priority: -5,
    after: ['ocf:web'],
    cpus: 1.5,
    memoryMiB: 512,
  } as const;
  await change(add('ocf:db', options));
  t.strictSame(
    control.resources(),
    [{ ...plainResource, sid: 'ocf:db', agent, ...options }, plain],
    'what is said is taken; by name',
  );
  t.strictSame(driver.validated, [
    { sid: 'ocf:web', agent, parameters: {} },
    { sid: 'ocf:db', agent, parameters: options.parameters },
  ]);
});

t.test('a resource needs an agent, a known type, and a driver that agrees', async (t) => {
  const { agent: node, control, driver } = await controlled();
  await t.rejects(control.mutate({ type: 'add', sid: 'ocf:web', options: {} }), {
    code: 'HF_ARGUMENT',
    message: /needs an agent/,
  });
  await t.rejects(control.mutate(add('vm:100')), { code: 'HF_ARGUMENT', message: /type 'vm': use one of ocf/ });
  driver.refusal = new HoldfastError('HF_AGENT', 'ocf:web needs the parameter ip');
  await t.rejects(control.mutate(add('ocf:web')), driver.refusal);
  t.strictSame(node.node.log.committed.services, {});
});

t.test('what is set is merged with what is there, and checked as a whole', async (t) => {
  const { control, change, driver } = await controlled();
  await change(add('ocf:web', { parameters: { ip: '10.0.0.1', nic: 'eth0' }, state: 'stopped', comment: 'old' }));
  await change(set('ocf:web', { parameters: { ip: '10.0.0.2' } }));
  t.match(control.resources(), [{ parameters: { ip: '10.0.0.2', nic: 'eth0' }, comment: 'old' }]);
  t.strictSame(driver.validated.at(-1)?.parameters, { ip: '10.0.0.2', nic: 'eth0' });
  await change(set('ocf:web', { agent: 'ocf:heartbeat:Other' }));
  t.strictSame(driver.validated.at(-1), {
    sid: 'ocf:web',
    agent: 'ocf:heartbeat:Other',
    parameters: { ip: '10.0.0.2', nic: 'eth0' },
  });
  driver.refusal = new HoldfastError('HF_AGENT', 'this is no address');
  await t.rejects(control.mutate(set('ocf:web', { parameters: { ip: 'x' } })), driver.refusal);
  await change(set('ocf:web', { state: 'disabled', comment: 'new', maxRestart: 0 }));
  t.match(control.resources(), [{ state: 'disabled', comment: 'new', maxRestart: 0 }], 'which a driver has no say in');
});

t.test('options that are unset go back to their defaults, parameters go', async (t) => {
  const { control, change, driver } = await controlled();
  const options = { state: 'stopped', comment: 'c', maxRestart: 3 } as const;
  await change(add('ocf:web', { ...options, parameters: { ip: '10.0.0.1', nic: 'eth0' } }));
  await change(set('ocf:web', {}, ['nic']));
  t.strictSame(driver.validated.at(-1)?.parameters, { ip: '10.0.0.1' }, 'the driver is asked whether it can go');
  t.strictSame(control.resources()[0]?.parameters, { ip: '10.0.0.1' });
  const before = driver.validated.length;
  await change(set('ocf:web', {}, ['state', 'comment', 'maxRestart']));
  t.match(control.resources(), [{ state: 'started', comment: '', maxRestart: 1, parameters: { ip: '10.0.0.1' } }]);
  t.equal(driver.validated.length, before);
});

t.test('a parameter that is named like an option is unset as a parameter', async (t) => {
  const { control, change } = await controlled();
  await change(add('ocf:web', { state: 'stopped', comment: 'kept', parameters: { comment: 'gone' } }));
  await change(set('ocf:web', {}, ['comment']));
  t.match(control.resources(), [{ comment: 'kept', parameters: {} }]);
  await change(set('ocf:web', { memoryMiB: 7, maxRestart: 7, parameters: { memory: 'gone' } }));
  await change(set('ocf:web', {}, ['memory', 'max-restart']));
  t.match(control.resources(), [{ memoryMiB: 7, maxRestart: 1, parameters: {} }]);
  await change(set('ocf:web', {}, ['memory']));
  t.match(control.resources(), [{ memoryMiB: 0 }]);
  t.strictSame(control.resources()[0]?.parameters, {});
});

t.test('a name that is not known is answered with the nearest that is', async (t) => {
  const { control, change } = await controlled();
  await change(add('ocf:webserver', { parameters: { address: '10.0.0.1' } }));
  const cases: readonly (readonly [Mutation, string, RegExp])[] = [
    [set('ocf:webserer', {}), 'HF_NOT_FOUND', /no resource ocf:webserer: did you mean ocf:webserver\?/],
    [remove('ocf:webserver2'), 'HF_NOT_FOUND', /did you mean ocf:webserver\?/],
    [remove('ocf:mail'), 'HF_NOT_FOUND', /'holdfast config' lists them/],
    [remove('constructor'), 'HF_NOT_FOUND', /no resource constructor/],
    [set('ocf:webserver', {}, ['adress']), 'HF_ARGUMENT', /cannot unset 'adress': did you mean 'address'\?/],
    [set('ocf:webserver', {}, ['coment']), 'HF_ARGUMENT', /did you mean 'comment'\?/],
    [
      set('ocf:webserver', {}, ['qqq']),
      'HF_ARGUMENT',
      /only address, comment, max-restart, max-relocate, failback, auto-rebalance, .*, memory, state can be unset/,
    ],
    [set('ocf:webserver', {}, ['max-restrat']), 'HF_ARGUMENT', /did you mean 'max-restart'\?/],
    [remove('100'), 'HF_NOT_FOUND', /there is no resource vm:100, nor ct:100: /],
    [add('ocf:self', { requires: ['ocf:webserver', 'ocf:self'] }), 'HF_ARGUMENT', /ocf:self would wait for itself/],
    [add('ocf:self', { after: ['ocf:self'] }), 'HF_ARGUMENT', /ocf:self would wait for itself/],
    [set('ocf:webserver', {}, ['constructor']), 'HF_ARGUMENT', /cannot unset 'constructor'/],
  ];
  for (const [mutation, code, message] of cases) await t.rejects(control.mutate(mutation), { code, message });
  t.equal(control.resources().length, 1);
});

t.test('what would have no effect is refused: a start of what is in error, or is being removed', async (t) => {
  const { control, change, driver } = await controlled();
  driver.startFailure = 'no disk';
  await change(add('ocf:broken'));
  driver.startFailure = null;
  await t.rejects(control.mutate(set('ocf:broken', { state: 'started' })), {
    code: 'HF_CONFLICT',
    message: /is in error \(start failed: no disk.*\): 'holdfast disable ocf:broken'/,
  });
  await change(set('ocf:broken', { state: 'disabled' }));
  await change(set('ocf:broken', { state: 'started' }));
  t.ok(driver.running.has('ocf:broken'), 'disabled and enabled it starts');
  driver.hangs = true;
  await change(remove('ocf:broken'));
  await t.rejects(control.mutate(set('ocf:broken', { comment: 'c' })), {
    code: 'HF_CONFLICT',
    message: /being removed/,
  });
});

t.test('a resource is removed when it has stopped', async (t) => {
  const { control, change, driver } = await controlled();
  await change(add('ocf:web'));
  t.ok(driver.running.has('ocf:web'));
  await change(remove('ocf:web'));
  t.strictSame(control.resources(), []);
  t.notOk(driver.running.has('ocf:web'));
});

t.test('a preview changes nothing, and is refused as the change would be', async (t) => {
  const { control, change, previewed } = await controlled();
  await change(add('ocf:web'));
  const before = control.resources();
  t.same(await control.preview(remove('web:')).catch((error: HoldfastError) => error.code), 'HF_NOT_FOUND');
  await t.rejects(control.preview(add('ocf:web')), { code: 'HF_EXISTS' }, 'by the log itself');
  await t.rejects(control.preview(set('ocf:web', { parameters: { x: '1' } })), { code: 'HF_CONFLICT' });
  t.strictSame(previewed, []);
  const preview = await control.preview({
    type: 'rule-add',
    id: 'r',
    ruleType: 'node-affinity',
    force: false,
    options: { resources: ['ocf:web'], nodes: [{ name: 'nowhere', priority: 0 }] },
  });
  t.strictSame(preview.moves, somePreview.moves);
  t.match(preview.warnings, [/there is no node nowhere/, 'node3 was not heard']);
  t.match(previewed, [{ type: 'rule-set', mode: 'add', rule: { id: 'r' } }]);
  t.strictSame(control.resources(), before);
  t.strictSame(control.rules(), []);
});

t.test('groups, rules and options are told as they are', async (t) => {
  const { control, change } = await controlled();
  await change(add('ocf:web'));
  await change(add('ocf:db'));
  const nodes = [{ name: 'node1', priority: 3 }];
  await change({ type: 'group-add', name: 'g', options: { nodes } });
  t.strictSame(control.groups(), [{ name: 'g', nodes, restricted: false, nofailback: false, comment: '' }]);
  const apart = { resources: ['ocf:web', 'ocf:db'], affinity: 'negative' } as const;
  const force = { type: 'rule-add', ruleType: 'resource-affinity', force: true } as const;
  await change({ ...force, id: 'apart', options: apart });
  await change({ ...force, id: 'alone', options: { ...apart, resources: ['ocf:db'] } });
  t.match(control.rules(), [{ rule: { id: 'alone' }, dropped: /./ }, { rule: { id: 'apart' } }]);
  await change({ type: 'options', changes: { scheduler: 'static' } });
  t.match(control.options(), { scheduler: 'static', shutdownPolicy: 'conditional' });
  t.ok(control.decisions(3).length === 3 && control.decisions(1)[0]?.text.startsWith('options changed'));
  t.equal(control.resolve('ocf:web'), 'ocf:web');
  t.equal(control.explain('web').sid, 'ocf:web');
});

t.test('the status tells what is under way', async (t) => {
  const { agent: node, clock, change } = await controlled();
  await change(add('ocf:web'));
  await change(add('ocf:db', { requires: ['ocf:web'] }));
  const status = () =>
    statusReport({
      node: node.node,
      nowMs: clock.bootMs(),
      version: 'v',
      connected: true,
      failed: null,
      protection: 'protected',
      watchdog: null,
      watchdogProblem: null,
      keeper: null,
      storeProblem: null,
      resourceTypes: ['ocf'],
    });
  t.match(status(), {
    nodes: [{ name: 'node1', state: 'online', mode: 'active', maintenance: false, services: 2, load: null }],
    services: [
      { sid: 'ocf:db', state: 'started', node: 'node1', target: null, order: null, failedNodes: [], restarts: 0 },
      { sid: 'ocf:web', state: 'started' },
    ],
    disarm: null,
    options: { shutdownPolicy: 'conditional' },
    rulesDropped: [],
    resourceTypes: ['ocf'],
  });
  await change({ type: 'stop', sid: 'ocf:db', timeoutS: null });
  await change({ type: 'stop', sid: 'ocf:web', timeoutS: null });
  await change(set('ocf:db', { state: 'started' }));
  t.match(status().services, [
    { sid: 'ocf:db', requested: 'started', state: /request_start|stopped/, detail: /requires ocf:web/ },
    { sid: 'ocf:web', state: 'stopped', requested: 'stopped' },
  ]);
  const rule = { type: 'rule-add', id: 'alone', ruleType: 'resource-affinity', force: true } as const;
  await change({ ...rule, options: { resources: ['ocf:web'], affinity: 'positive' } });
  await change({ type: 'maintenance', node: 'node1', enabled: true });
  t.match(status(), { rulesDropped: [{ ruleId: 'alone' }], nodes: [{ state: 'maintenance', mode: 'maintenance' }] });
  await change({ type: 'disarm', mode: 'ignore' });
  t.match(status().disarm, { mode: 'ignore', phase: /disarm/ });
});

t.test('the manager itself says what would be, and why something is where it is', async (t) => {
  const all = await controlled();
  const known = () => {
    const { cluster } = all.agent.node;
    if (cluster === null) throw new Error('no cluster');
    return managerInput(all.agent.node, cluster, all.clock.bootMs());
  };
  const control = new LocalControl(all.agent, new Map([[all.driver.type, all.driver]]), {
    status: () => ({}) as StatusReport,
    timing: () => ({}) as TimingReport,
    explain: (sid) => explain(known(), sid) ?? someExplanation,
    preview: (command) => previewCommand(known(), command),
    resets: () => ({ resets: [], problem: null, incomplete: false }),
    acknowledgeResets: async () => 0,
  });
  await all.change(add('ocf:web'));
  const before = JSON.stringify(all.agent.node.log.committed);
  const preview = await control.preview({ type: 'stop', sid: 'web', timeoutS: null }).catch((error: Error) => error);
  t.match(preview, {
    refused: null,
    before: { 'ocf:web': { node: 'node1', state: 'started' } },
    after: { 'ocf:web': { state: /stop/ } },
    moves: [{ sid: 'ocf:web', how: 'stop', from: 'node1' }],
  });
  t.match(await control.preview(add('ocf:db')), { moves: [{ sid: 'ocf:db', how: 'start', to: 'node1' }] });
  t.equal(JSON.stringify(all.agent.node.log.committed), before, 'nothing is changed');
  t.match(control.explain('ocf:web'), { sid: 'ocf:web', node: 'node1', nodes: [{ name: 'node1', verdict: 'here' }] });
});

t.test('why a resource is where it is has what it depends on', async (t) => {
  const { control, change } = await controlled();
  for (const sid of ['ocf:db', 'ocf:log']) await change(add(sid));
  await change(add('ocf:web', { requires: ['ocf:db'], after: ['ocf:log', 'ocf:db'] }));
  t.same(control.explain('ocf:web').sentences, [
    ...someExplanation.sentences,
    'It is started only while all that it requires run: ocf:db.',
    'It is started after ocf:log and ocf:db, if they are being started.',
  ]);
  t.same(control.explain('ocf:db').sentences, someExplanation.sentences);
});

t.test('what is rehearsed finds what comes before it, and changes nothing', async (t) => {
  const { control, agent: running, previewed } = await controlled();
  const before = JSON.stringify(running.node.log.committed);
  const nodes = [{ name: 'node1', priority: 0 }];
  const rule = (
    id: string,
    affinity: 'positive' | 'negative',
    resources: readonly string[],
    force = false,
  ): Mutation => ({
    type: 'rule-add',
    id,
    ruleType: 'resource-affinity',
    options: { affinity, resources },
    force,
  });
  const steps: readonly Mutation[] = [
    { type: 'group-add', name: 'web', options: { nodes: [...nodes, { name: 'node9', priority: 0 }] } },
    add('ocf:a', { group: 'web' }),
    add('ocf:b'),
    rule('r1', 'positive', ['ocf:a', 'ocf:b']),
  ];
  t.match(await control.rehearse(steps), { refusal: null, warnings: [[/no node node9/], [], [], []] });
  const opposed = await control.rehearse([...steps, rule('r2', 'negative', ['ocf:a', 'ocf:b']), add('ocf:c')]);
  t.equal(opposed.warnings.length, 4);
  t.match(opposed.refusal, { code: 'HF_CONFLICT', message: /^rules r1 and r2: r2 keeps ocf:a and ocf:b apart/ });
  t.equal(opposed.refusal?.message.split('none of these rules').length, 2, 'which is said once');
  const forced = await control.rehearse([...steps, rule('r2', 'negative', ['ocf:a', 'ocf:b'], true)]);
  t.match(forced, { refusal: null, warnings: [[], [], [], [], [/^rules r1 and r2: /]] });
  t.match(await control.rehearse([...steps, rule('r3', 'positive', ['ocf:a'])]), {
    refusal: { code: 'HF_CONFLICT', message: /^rule r3: a resource-affinity rule needs two resources/ },
  });
  t.match(await control.rehearse([add('ocf:a'), add('ocf:a')]), { warnings: [[]], refusal: { code: 'HF_EXISTS' } });
  t.equal(JSON.stringify(running.node.log.committed), before);
  t.same(previewed, []);
});

t.test('while nothing is known of the cluster, nothing is said not to be there', async (t) => {
  const { control, agent: running, cluster } = await controlled();
  const { node } = running;
  const ignorant = new LocalControl(
    {
      node: { ...node, cluster: null },
      request: unasked,
      subscribe: unasked,
      decisions: unasked,
      prepareShutdown: unasked,
    },
    new Map(),
    unaskedReports,
  );
  const refusal = { code: 'HF_NO_QUORUM', message: /^corosync does not answer yet, so nothing is known/ };
  const maintenance: Mutation = { type: 'maintenance', node: 'n1', enabled: true };
  for (const mutation of [maintenance, { type: 'confirm-off', node: 'n1' } as const, remove('ocf:x'), add('ocf:x')]) {
    await t.rejects(ignorant.mutate(mutation), refusal);
    await t.rejects(ignorant.preview(mutation), refusal);
    await t.rejects(ignorant.rehearse([mutation]), refusal);
  }
  t.throws(() => ignorant.explain('ocf:x'), refusal);
  t.throws(() => ignorant.resolve('ocf:x'), refusal);
  cluster.emit({ type: 'quorum', quorate: false, ring: { nodeId: 1, seq: 9 }, members: [1] });
  await t.rejects(control.mutate(maintenance), { code: 'HF_NO_QUORUM', message: /there is no quorum/ });
  await t.rejects(control.rehearse([]), { code: 'HF_NO_QUORUM' });
});

t.test('a preview without a quorum is refused as the change would be', async (t) => {
  const { control, change, cluster, previewed } = await controlled();
  await change(add('ocf:web'));
  cluster.emit({ type: 'quorum', quorate: false, ring: { nodeId: 1, seq: 9 }, members: [1] });
  const refusal = { code: 'HF_NO_QUORUM', message: 'nothing was changed: there is no quorum' };
  await t.rejects(control.mutate(remove('ocf:web')), refusal);
  await t.rejects(control.preview(remove('ocf:web')), refusal);
  t.strictSame(previewed, []);
});

t.test('reports and events are passed on', async (t) => {
  const all = world();
  const status = { version: 'v' } as StatusReport;
  const timing: TimingReport = { lines: [], fits: true, problems: [] };
  const resets = { resets: [], problem: null, incomplete: false };
  const control = new LocalControl(all.agent, new Map(), {
    status: () => status,
    timing: () => timing,
    explain: () => someExplanation,
    preview: () => somePreview,
    resets: () => resets,
    acknowledgeResets: async () => 2,
  });
  t.equal(control.resets(), resets);
  t.equal(await control.acknowledgeResets(), 2);
  t.equal(control.status(), status);
  t.equal(control.timing(), timing);
  let heard = 0;
  const leave = control.subscribe(() => heard++);
  await all.settle();
  t.ok(heard > 0);
  leave();
  const before = heard;
  all.cluster.emit({ type: 'disconnected', reason: 'gone' });
  t.equal(heard, before);
});
