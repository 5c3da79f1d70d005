import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Mutation } from '../src/agent/control.js';
import type { AgentEvent } from '../src/agent/status.js';
import { createEventStream } from '../src/api/event-stream.js';
import { serverLimits } from '../src/api/limits.js';
import { mayChange, type PeerCredentials } from '../src/api/peer-authority.js';
import { prepareShutdown } from '../src/api/route-table.js';
import { createStatusServer } from '../src/api/status-server.js';
import { AssertionError } from '../src/core/assert.js';
import { HoldfastError } from '../src/core/errors.js';
import { FakeAgentControl, fittingTiming, healthyReport, someExplanation, somePreview } from './fake-agent-control.js';
import { sendHostileRequests } from './hostile-requests.js';

const root: PeerCredentials = { pid: process.pid, uid: 0, gid: 0 };

interface Fixture {
  readonly socketPath: string;
  readonly control: FakeAgentControl;
  readonly logged: string[];
  /** Whom the server takes its callers for. */
  peer: PeerCredentials;
}

async function serve(test: Owner, adminGid?: number): Promise<Fixture> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-api-'));
  const logged: string[] = [];
  const write = (_detail: object, message: string) => logged.push(message);
  const fixture: Fixture = {
    socketPath: join(directory, 'run', 'holdfast.sock'),
    control: new FakeAgentControl(),
    logged,
    peer: root,
  };
  const server = createStatusServer({
    socketPath: fixture.socketPath,
    control: fixture.control,
    peerCredentials: (fd) => {
      if (fd < 0) throw new Error('no file descriptor');
      return fixture.peer;
    },
    log: { warn: write, error: write },
    ...(adminGid === undefined ? {} : { adminGid }),
  });
  await server.listen();
  test.teardown(async () => {
    await server.close();
    rmSync(directory, { recursive: true });
  });
  return fixture;
}

/** The test that a server ends with. */
interface Owner {
  teardown(end: () => Promise<void>): unknown;
}

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: { readonly error?: { readonly code: string; readonly message: string } } & Record<string, unknown>;
}

interface Sent {
  readonly body?: unknown;
  readonly raw?: string | Buffer;
  readonly type?: string;
}

function ask(fixture: Fixture, method: string, path: string, sent: Sent = {}): Promise<Reply> {
  const payload = sent.raw ?? (sent.body === undefined ? undefined : JSON.stringify(sent.body));
  const headers = payload === undefined ? {} : { 'content-type': sent.type ?? 'application/json' };
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath: fixture.socketPath, method, path, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: JSON.parse(text || '{}') }),
      );
    });
    request.once('error', reject);
    request.end(payload);
  });
}

/** Sends bytes as they are and resolves with what came until the connection ended. */
function sendRaw(socketPath: string, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = createConnection(socketPath);
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.once('error', () => undefined);
    socket.once('close', () => resolve(text));
    socket.write(bytes);
  });
}

const web = { sid: 'ocf:web', agent: 'ocf:heartbeat:IPaddr2', parameters: { ip: '10.0.0.9' } };
const event: AgentEvent = { type: 'lease', bootMs: 5, wallMs: 6, text: 'a line\nand another', detail: { left: 1 } };

t.test('reads', async (t) => {
  const fixture = await serve(t);
  t.equal(statSync(fixture.socketPath).mode & 0o777, 0o666, 'everybody may connect');
  t.same((await ask(fixture, 'GET', '/v1/status')).body, healthyReport);
  t.same((await ask(fixture, 'GET', '/v1/timing')).body, fittingTiming);
  t.same((await ask(fixture, 'GET', '/v1/resources')).body, { resources: [] });
  const routes = (await ask(fixture, 'GET', '/v1')).body.routes;
  t.match(routes, [{ method: 'GET', path: '/v1', description: String }]);
  t.equal(Array.isArray(routes) && routes.length, 37);
  const head = await ask(fixture, 'HEAD', '/v1/status');
  t.match(head, { status: 200, headers: { 'content-type': 'application/json' } });
  t.equal((await ask(fixture, 'HEAD', '/v1/events')).headers['content-type'], 'text/event-stream');
});

t.test('changes', async (t) => {
  const fixture = await serve(t);
  const { control } = fixture;
  t.same((await ask(fixture, 'POST', '/v1/resources', { body: web })).body, {
    sid: 'ocf:web',
    index: 1,
    warnings: [],
    comigrated: [],
  });
  t.match((await ask(fixture, 'GET', '/v1/resources/ocf:web')).body, { ...web, state: 'started', maxRestart: 1 });
  const change = { parameters: { nic: 'eth0' }, unset: ['ip', 'ip'], maxRestart: 0 };
  t.equal((await ask(fixture, 'POST', '/v1/resources/ocf%3Aweb', { body: change })).status, 200);
  t.equal((await ask(fixture, 'POST', '/v1/resources/ocf:web/disable')).status, 200);
  t.equal((await ask(fixture, 'POST', '/v1/resources/ocf:web/enable', { body: {} })).status, 200);
  t.equal((await ask(fixture, 'POST', '/v1/resources/ocf:web/remove')).status, 200);
  const { sid, ...options } = web;
  t.same(control.mutations, [
    { type: 'add', sid, options },
    { type: 'set', sid, options: { parameters: { nic: 'eth0' }, maxRestart: 0 }, unset: ['ip'] },
    { type: 'set', sid, options: { state: 'disabled' }, unset: [] },
    { type: 'set', sid, options: { state: 'started' }, unset: [] },
    { type: 'remove', sid, purge: false },
  ]);
});

/** Every change that there is: path, body, and what the agent is asked for. */
const allChanges: readonly (readonly [string, object, Mutation])[] = [
  [
    '/v1/resources',
    { sid: 'vm:100', node: 'node2', state: 'enabled', requires: ['7'], cpus: 0.5, memoryMiB: 64, failback: false },
    {
      type: 'add',
      sid: 'vm:100',
      node: 'node2',
      options: { state: 'started', requires: ['7'], cpus: 0.5, memoryMiB: 64, failback: false },
    },
  ],
  [
    '/v1/resources/100',
    { group: 'g', priority: -3, autoRebalance: false, state: 'ignored', maxRelocate: 2, after: [] },
    {
      type: 'set',
      sid: '100',
      options: { group: 'g', priority: -3, autoRebalance: false, state: 'ignored', maxRelocate: 2, after: [] },
      unset: [],
    },
  ],
  ['/v1/resources/100/stop', {}, { type: 'stop', sid: '100', timeoutS: null }],
  ['/v1/resources/100/stop', { timeoutS: 0 }, { type: 'stop', sid: '100', timeoutS: 0 }],
  ['/v1/resources/100/migrate', { node: 'node2' }, { type: 'move', sid: '100', kind: 'migrate', node: 'node2' }],
  ['/v1/resources/100/relocate', { node: 'node2' }, { type: 'move', sid: '100', kind: 'relocate', node: 'node2' }],
  [
    '/v1/groups',
    { name: 'g', nodes: [{ name: 'n1' }, { name: 'n2', priority: 2 }], restricted: true },
    {
      type: 'group-add',
      name: 'g',
      options: {
        nodes: [
          { name: 'n1', priority: 0 },
          { name: 'n2', priority: 2 },
        ],
        restricted: true,
      },
    },
  ],
  [
    '/v1/groups/g',
    { nofailback: true, unset: ['comment'] },
    { type: 'group-set', name: 'g', options: { nofailback: true }, unset: ['comment'] },
  ],
  ['/v1/groups/g/remove', {}, { type: 'group-remove', name: 'g' }],
  [
    '/v1/rules',
    { id: 'r', type: 'resource-affinity', resources: ['vm:100', '7'], affinity: 'negative' },
    {
      type: 'rule-add',
      id: 'r',
      ruleType: 'resource-affinity',
      options: { resources: ['vm:100', '7'], affinity: 'negative' },
      force: false,
    },
  ],
  [
    '/v1/rules/r',
    { disabled: true, force: true },
    { type: 'rule-set', id: 'r', options: { disabled: true }, unset: [], force: true },
  ],
  ['/v1/rules/r/remove', {}, { type: 'rule-remove', id: 'r' }],
  [
    '/v1/options',
    { scheduler: 'dynamic', freezeLimitS: 0, autoRebalanceThreshold: 0.25 },
    { type: 'options', changes: { scheduler: 'dynamic', freezeLimitS: 0, autoRebalanceThreshold: 0.25 } },
  ],
  ['/v1/nodes/node1/maintenance', { enabled: true }, { type: 'maintenance', node: 'node1', enabled: true }],
  ['/v1/nodes/node1/confirm-off', { confirmed: true }, { type: 'confirm-off', node: 'node1' }],
  ['/v1/disarm', { mode: 'ignore' }, { type: 'disarm', mode: 'ignore' }],
  ['/v1/arm', {}, { type: 'arm' }],
  ['/v1/resources/vm:100/remove', { purge: true }, { type: 'remove', sid: 'vm:100', purge: true }],
];

t.test('every change, and a dry run of it', async (t) => {
  const fixture = await serve(t);
  const { control } = fixture;
  for (const [path, body, mutation] of allChanges) {
    const dry = await ask(fixture, 'POST', `${path}?dry-run=1`, { body });
    t.match(dry, { status: 200, body: somePreview }, `${path} ${JSON.stringify(dry.body)}`);
    t.same(control.previews.at(-1), mutation, path);
    const before = control.mutations.length;
    const made = await ask(fixture, 'POST', `${path}?dry-run=0`, { body });
    t.match(made, { status: 200, body: { index: before + 1 } }, `${path} ${JSON.stringify(made.body)}`);
    t.same(control.mutations.slice(before), [mutation], path);
  }
  t.equal(control.previews.length, control.mutations.length, 'a dry run asks for no change');
  control.refusal = new HoldfastError('HF_CONFLICT', 'rule r forbids it');
  const refused = await ask(fixture, 'POST', '/v1/resources/100/migrate?dry-run=1', { body: { node: 'node2' } });
  t.match(refused, { status: 409, body: { error: { code: 'HF_CONFLICT', message: 'rule r forbids it' } } });
});

t.test('what was changed is named in full, and what else is to be known', async (t) => {
  const fixture = await serve(t);
  await ask(fixture, 'POST', '/v1/resources', { body: { sid: 'vm:100' } });
  fixture.control.told = { warnings: ['w'], comigrated: ['vm:101'] };
  const moved = await ask(fixture, 'POST', '/v1/resources/100/migrate', { body: { node: 'node2' } });
  t.same(moved.body, { sid: 'vm:100', index: 2, warnings: ['w'], comigrated: ['vm:101'] });
  t.match((await ask(fixture, 'POST', '/v1/nodes/n1/maintenance', { body: { enabled: true } })).body, { node: 'n1' });
  t.match((await ask(fixture, 'GET', '/v1/resources/100')).body, { sid: 'vm:100' });
});

t.test('reads of rules, groups, options, reasons and decisions', async (t) => {
  const fixture = await serve(t);
  for (const [path, body] of allChanges.slice(0, 13)) await ask(fixture, 'POST', path, { body });
  const get = async (path: string) => (await ask(fixture, 'GET', path)).body;
  t.match(await get('/v1/groups'), { groups: [{ name: 'g' }] });
  t.match(await get('/v1/groups/g'), { name: 'g', restricted: true });
  t.match(await get('/v1/rules'), { rules: [{ rule: { id: 'r' }, dropped: null }] });
  t.match(await get('/v1/rules/r'), { rule: { id: 'r', type: 'resource-affinity' } });
  t.match(await get('/v1/options'), { scheduler: 'dynamic', freezeLimitS: 0 });
  t.match(await get('/v1/nodes'), { nodes: healthyReport.nodes });
  t.match(await get('/v1/resources/100/explanation'), { ...someExplanation, sid: 'vm:100' });
  t.match(await get('/v1/decisions'), { decisions: [{ index: 2 }, { index: 1 }] });
  t.same((await get('/v1/decisions?limit=1')).decisions, [
    { index: 2, wallMs: 1_000, text: 'decision 2', sid: null, node: null },
  ]);
});

t.test('also what is not found outside of the quorate view may be stale', async (t) => {
  const fixture = await serve(t);
  t.notOk((await ask(fixture, 'GET', '/v1/resources/ocf:x')).headers['holdfast-stale']);
  fixture.control.report = { ...healthyReport, leader: null };
  const stale = { 'holdfast-stale': /may be stale/ };
  t.match(await ask(fixture, 'GET', '/v1/resources/ocf:x/explanation'), { status: 404, headers: stale });
  t.match(await ask(fixture, 'GET', '/v1/rules/x'), { status: 404, headers: stale });
  t.match(await ask(fixture, 'GET', '/v1/rules'), { status: 200, headers: stale });
});

t.test('changes are rehearsed one after the other, and none is made', async (t) => {
  const fixture = await serve(t);
  const { control } = fixture;
  const rehearse = async (changes: unknown) => ask(fixture, 'POST', '/v1/rehearsal', { body: { changes } });
  const group = { path: '/v1/groups', body: { name: 'g', nodes: [{ name: 'n1' }] } };
  control.told = { warnings: ['n1 is new'], comigrated: [] };
  t.match(await rehearse([group, { path: '/v1/options', body: { scheduler: 'static' } }]), {
    status: 200,
    body: { warnings: [['n1 is new'], ['n1 is new']], refusal: null },
  });
  t.match(control.rehearsed, [{ type: 'group-add', name: 'g' }, { type: 'options' }]);
  const bad = { path: '/v1/rules', body: { type: 'location', id: 'r' } };
  t.match((await rehearse([group, bad, group])).body, {
    warnings: [['n1 is new']],
    refusal: { code: 'HF_ARGUMENT', message: /^type must be one of .*, not "location"$/ },
  });
  t.equal(control.rehearsed.length, 3, 'what comes before it is looked at');
  t.match((await rehearse([{ path: '/v1/arm', body: {} }])).body, {
    refusal: {
      code: 'HF_ARGUMENT',
      message: 'the path "/v1/arm" must be one of /v1/groups, /v1/resources, /v1/rules, /v1/options',
    },
  });
  control.refusal = new HoldfastError('HF_CONFLICT', 'rule r forbids it');
  t.match((await rehearse([group, bad])).body, { refusal: { code: 'HF_CONFLICT' } }, 'the first one counts');
  control.refusal = null;
  t.match(await rehearse({}), { status: 400, body: { error: { message: /changes must be a list/ } } });
  const long = { path: '/v1/groups', body: { name: 'g', nodes: [{ name: 'n1' }], comment: 'x'.repeat(200_000) } };
  t.match(await rehearse([long]), { status: 200, body: { refusal: { code: 'HF_ARGUMENT' } } }, 'longer than a change');
  t.match(await ask(fixture, 'POST', '/v1/groups', { body: long.body }), { status: 413 });
  fixture.peer = { pid: 0, uid: 1000, gid: 1000 };
  t.match(await rehearse([group]), { status: 403 });
  t.same(control.mutations, []);
});

t.test('a shutdown is prepared', async (t) => {
  const fixture = await serve(t);
  const shutdown = (body: object) => ask(fixture, 'POST', '/v1/node/shutdown', { body });
  t.match(await shutdown({ kind: 'reboot' }), { status: 200, body: { prepared: true } });
  t.same(fixture.control.prepared, ['reboot']);
  fixture.control.shutdowns.push(() => Promise.reject(new HoldfastError('HF_BUSY', 'a stop failed')));
  t.match(await shutdown({ kind: 'poweroff' }), { status: 503, body: { error: { message: 'a stop failed' } } });
  t.match(await shutdown({}), {
    status: 400,
    body: { error: { message: /kind must be one of "reboot", "poweroff"/ } },
  });
  fixture.peer = { pid: 0, uid: 1000, gid: 1000 };
  t.match(await shutdown({ kind: 'reboot' }), { status: 403 });
  t.equal(fixture.control.prepared.length, 2);
  const { control } = fixture;
  control.shutdowns.push(() => new Promise(() => undefined));
  t.same(await prepareShutdown(control, { kind: 'reboot' }, 20), { prepared: false }, 'which takes longer');
  t.same(await prepareShutdown(control, { kind: 'reboot' }, 20_000), { prepared: true }, 'until it is asked again');
});

t.test('malformed requests', async (t) => {
  const fixture = await serve(t);
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`p${at}`, '']));
  const add = (changes: object) => ['POST', '/v1/resources', { body: { ...web, ...changes } }] as const;
  const set = (body: object) => ['POST', '/v1/resources/ocf:web', { body }] as const;
  const post = (path: string, body: object) => ['POST', `/v1/${path}`, { body }] as const;
  const raw = (raw: string | Buffer, type?: string) =>
    ['POST', '/v1/resources', { raw, ...(type === undefined ? {} : { type }) }] as const;
  const cases: readonly (readonly [readonly [string, string, Sent?], number, RegExp])[] = [
    [['GET', '/v1/statsu'], 404, /no path "\/v1\/statsu"; did you mean \/v1\/status\?/],
    [['GET', '/'], 404, /GET \/v1 lists/],
    [['DELETE', '/v1/status'], 405, /takes GET, HEAD, not DELETE/],
    [['GET', '/v1/resources/ocf:web/remove'], 405, /takes POST, not GET/],
    [['GET', '/v1/status?x=1'], 400, /takes no query/],
    [['GET', '/v1/resources/ocf:web'], 404, /no resource ocf:web/],
    [['GET', '/v1/resources/'], 400, /resource id "" must be a type and a name/],
    [['GET', '/v1/resources/%zz'], 400, /hexadecimal/],
    [['GET', `/v1/resources/ocf:${'w'.repeat(65)}`], 400, /must be a type and a name/],
    [['POST', '/v1/resources/%2e%2e%2fx/remove'], 400, /"\.\.\/x" must be a type and a name/],
    [['POST', '/v1/resources/ocf:web/enable', { body: { now: true } }], 400, /no option "now" \(known: none\)/],
    [set({ commment: 'x' }), 400, /no option "commment"; did you mean "comment"\?/],
    [set({}), 400, /nothing to change of ocf:web/],
    [set({ unset: 'ip' }), 400, /unset must be a list/],
    [set({ unset: ['a b'] }), 400, /unset\[0\] must be a name/],
    [set({ unset: ['ip'], parameters: { ip: 'x' } }), 400, /"ip" cannot be set and unset/],
    [set({ unset: ['comment'], comment: 'x' }), 400, /"comment" cannot be set and unset/],
    [add({ sid: 'web' }), 400, /sid must be a type and a name/],
    [add({ sid: 'ocf:w\n' }), 400, /sid must be a type and a name/],
    [add({ agent: 'IPaddr2' }), 400, /agent must be a resource agent/],
    [add({ agent: 'ocf:..:IPaddr2' }), 400, /agent must be a resource agent/],
    [add({ state: 'on' }), 400, /state must be one of "started"/],
    [add({ sid: '../100' }), 400, /sid must be a type and a name, .*, not "\.\.\/100"$/],
    [add({ priority: 2_000 }), 400, /priority must be an integer from -1000 to 1000, not 2000$/],
    [
      ['POST', '/v1/groups', { body: { name: 'g', nodes: [{ name: 'n1' }, { name: 'n2' }, { name: 'n1' }] } }],
      400,
      /nodes must have each node once, and n1 is there twice$/,
    ],
    [add({ node: 'a b' }), 400, /node must be a node's name/],
    [add({ group: 'constructor' }), 400, /group must be a name/],
    [add({ requires: ['web'] }), 400, /requires\[0\] must be a type and a name/],
    [add({ priority: 1_001 }), 400, /priority must be an integer from -1000 to 1000/],
    [add({ cpus: -0.5 }), 400, /cpus must be a number from 0 to 4096/],
    [add({ failback: 1 }), 400, /failback must be true or false/],
    [post('resources/ocf:web/stop', { timeoutS: 86_401 }), 400, /timeoutS must be an integer from 0 to 86400/],
    [post('resources/ocf:web/migrate', {}), 400, /node must be a node's name/],
    [post('groups', { name: '9' }), 400, /name must be a name/],
    [post('groups', { name: 'g', nodes: ['n1'] }), 400, /nodes\[0\] must be \{"name", "priority"\}/],
    [post('groups', { name: 'g', nodes: [{ name: 'n1', prio: 1 }] }), 400, /nodes\[0\] has no "prio"/],
    [
      post('groups', { name: 'g', nodes: [{ name: 'n1', priority: -1 }] }),
      400,
      /nodes\[0\]\.priority must be an integer/,
    ],
    [post('groups/g', {}), 400, /nothing to change of group g/],
    [post('groups/g', { comment: 'x', unset: ['comment'] }), 400, /"comment" cannot be set and unset/],
    [post('groups/constructor', { comment: 'x' }), 400, /the group "constructor" must be a name/],
    [post('rules', { id: 'r' }), 400, /type must be one of "node-affinity", "resource-affinity"/],
    [post('rules/r', { affinity: 'both' }), 400, /affinity must be one of "positive", "negative"/],
    [post('rules/r', { resources: Array(1_001).fill('vm:1') }), 400, /resources must be at most 1000/],
    [post('options', {}), 400, /nothing to change of the options/],
    [post('options', { shutdown_policy: 'freeze' }), 400, /no option "shutdown_policy"; did you mean "shutdownPolicy"/],
    [post('options', { autoRebalanceMargin: 1.5 }), 400, /autoRebalanceMargin must be a number from 0 to 1/],
    [post('nodes/node1/maintenance', {}), 400, /enabled must be true or false/],
    [post('nodes/%2f/maintenance', { enabled: true }), 400, /the node "\/" must be a node's name/],
    [post('nodes/node1/confirm-off', {}), 400, /run twice with damaged data/],
    [post('nodes/node1/confirm-off', { confirmed: false }), 400, /confirm that the machine of node1 is off/],
    [post('disarm', {}), 400, /mode must be one of "freeze", "ignore"/],
    [post('arm?dry-run=2', {}), 400, /dry-run must be 0 or 1, not "2"/],
    [post('arm?dry-run=1&dry-run=1', {}), 400, /dry-run is given twice/],
    [post('arm?dryrun=1', {}), 400, /takes only dry-run in its query, not "dryrun"/],
    [post('node/shutdown?dry-run=1', { kind: 'reboot' }), 400, /takes no query/],
    [['GET', '/v1/decisions?limit=0'], 400, /limit must be an integer from 1 to 1000/],
    [['GET', '/v1/decisions?limit=x'], 400, /limit must be an integer/],
    [['GET', '/v1/groups/h'], 404, /no group h/],
    [['GET', '/v1/rules/q'], 404, /no rule q/],
    [['GET', '/v1/resources/100/explanation'], 404, /no resource 100/],
    [add({ maxRestart: 101 }), 400, /maxRestart must be an integer from 0 to 100/],
    [add({ maxRestart: '1' }), 400, /maxRestart must be an integer/],
    [add({ maxRestart: 0.5 }), 400, /maxRestart must be an integer/],
    [add({ comment: 'é'.repeat(2_049) }), 400, /comment must be at most 4096 bytes/],
    [add({ parameters: ['ip'] }), 400, /parameters must be an object/],
    [add({ parameters: { '1st': 'x' } }), 400, /parameter name "1st" must be a name/],
    [add({ parameters: { ip: 1 } }), 400, /the parameter "ip" must be a text/],
    [add({ parameters: { ip: 'a\0b' } }), 400, /the parameter "ip" must be text without NUL/],
    [add({ parameters: { ip: '\ud800' } }), 400, /unpaired surrogates/],
    [add({ parameters: { ip: 'x'.repeat(4_097) } }), 400, /the parameter "ip" must be at most 4096 bytes/],
    [add({ parameters: many }), 400, /parameters must be at most 64/],
    [raw('{"parameters": {"__proto__": "x"}}'), 400, /"__proto__" cannot be used/],
    [raw('[]'), 400, /must be a JSON object/],
    [raw('null'), 400, /must be a JSON object/],
    [raw('{"sid": '), 400, /is not JSON/],
    [raw('{"sid": "ocf:a", "si\\u0064": "ocf:b"}'), 400, /the body has "sid" twice: say it once/],
    [raw('{"parameters": {"a": "}{", "b": [], "a": "y"}}'), 400, /the body has "a" twice/],
    [raw('{"agent": "ocf:a:b", "sid": "ocf:a", "parameters": {"sid": "x"}, "x": {}}'), 400, /no option "x"/],
    [raw(`${'['.repeat(60_000)}${']'.repeat(60_000)}`), 400, /the body has more than 16 levels/],
    [raw(Buffer.from([0x22, 0xff, 0x22])), 400, /is not JSON/],
    [raw('sid=ocf:web', 'application/x-www-form-urlencoded'), 415, /content-type: application\/json/],
    [raw('x'.repeat(131_073)), 413, /longer than 131072 bytes/],
  ];
  for (const [[method, path, sent], status, message] of cases) {
    const reply = await ask(fixture, method, path, sent);
    const code = status === 404 ? 'HF_NOT_FOUND' : 'HF_ARGUMENT';
    t.match(reply, { status, body: { error: { code, message } } }, `${method} ${path} ${message}`);
  }
  t.same(fixture.control.mutations, [], 'nothing reached the agent');
  t.equal((await ask(fixture, 'PUT', '/v1/resources')).headers.allow, 'GET, HEAD, POST');
});

t.test('chunked bodies have the same limit', async (t) => {
  const fixture = await serve(t);
  const chunk = `8000\r\n${' '.repeat(0x8000)}\r\n`;
  const header = 'POST /v1/resources HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
  t.match(await sendRaw(fixture.socketPath, `${header}${chunk.repeat(5)}`), /^HTTP\/1.1 413 .*"HF_ARGUMENT"/s);
});

t.test("the agent's refusals keep their codes", async (t) => {
  const fixture = await serve(t);
  const statuses = {
    HF_AGENT: 400,
    HF_EXISTS: 409,
    HF_CONFLICT: 409,
    HF_NO_QUORUM: 503,
    HF_BUSY: 503,
    HF_OUTCOME_UNKNOWN: 504,
  } as const;
  for (const code of Object.keys(statuses) as (keyof typeof statuses)[]) {
    fixture.control.refusal = new HoldfastError(code, 'for a reason');
    const reply = await ask(fixture, 'POST', '/v1/resources', { body: web });
    t.match(reply, { status: statuses[code], body: { error: { code, message: 'for a reason' } } });
  }
  t.same(fixture.logged, [], 'a refusal is no defect');
});

t.test('a defect is told apart, and its text stays in the log', async (t) => {
  const fixture = await serve(t);
  fixture.control.refusal = new TypeError('secret');
  const change = await ask(fixture, 'POST', '/v1/resources', { body: web });
  t.match(change, { status: 504, body: { error: { code: 'HF_OUTCOME_UNKNOWN', message: /may or may not/ } } });
  t.notMatch(change.body.error?.message, /secret/);
  fixture.control.status = () => {
    throw new TypeError('secret');
  };
  const read = await ask(fixture, 'GET', '/v1/status');
  t.match(read, { status: 500, body: { error: { code: 'HF_INTERNAL' } } });
  t.notMatch(read.body.error?.message, /secret/);
  t.equal(fixture.logged.length, 2);
});

t.test('a broken assertion is not kept from whoever stops the agent for it', async (t) => {
  const fixture = await serve(t);
  const broken = new AssertionError('the commit index went back');
  fixture.control.status = () => {
    throw broken;
  };
  const thrown = new Promise((resolve) => process.setUncaughtExceptionCaptureCallback(resolve));
  t.match(await ask(fixture, 'GET', '/v1/status'), { status: 500, body: { error: { code: 'HF_INTERNAL' } } });
  t.equal(await thrown, broken);
  process.setUncaughtExceptionCaptureCallback(null);
});

t.test('who may change', async (t) => {
  const status = (uid: number, groups: string) =>
    `Name:\tx\nUid:\t1\t${uid}\t1\t1\nGroups:\t${groups}\nGid:\t5\t5\t5\t5\n`;
  const peer = { pid: 42, uid: 1000, gid: 1000 };
  const never = () => {
    throw new Error('needs no look at the process');
  };
  t.ok(mayChange({ ...peer, uid: 0 }, undefined, never), 'root');
  t.notOk(mayChange(peer, undefined, never), 'others, without an admin group');
  t.ok(mayChange({ ...peer, gid: 7 }, 7, never), 'the group itself');
  t.ok(
    mayChange(peer, 7, () => status(1000, '5 7 9 ')),
    'a supplementary group',
  );
  t.notOk(
    mayChange(peer, 7, () => status(1000, '5 77 9 ')),
    'other groups',
  );
  t.notOk(
    mayChange(peer, 7, () => status(1000, '')),
    'no groups',
  );
  t.notOk(
    mayChange(peer, 7, () => status(1001, '7')),
    "the pid is another user's by now",
  );
  t.notOk(
    mayChange(peer, 7, () => null),
    'the process is gone',
  );
  t.notOk(mayChange({ ...peer, pid: 0 }, 7, never), 'a process of another pid namespace');
});

t.test('those who may only look', async (t) => {
  const fixture = await serve(t, 7);
  fixture.peer = { pid: 0, uid: 1000, gid: 1000 };
  t.equal((await ask(fixture, 'GET', '/v1/status')).status, 200);
  const reply = await ask(fixture, 'POST', '/v1/resources', { body: web });
  t.match(reply, { status: 403, body: { error: { code: 'HF_FORBIDDEN' } } });
  t.equal((await ask(fixture, 'POST', '/v1/resources?dry-run=1', { body: web })).status, 403, 'a dry run costs, too');
  t.same([...fixture.control.mutations, ...fixture.control.previews], []);
  fixture.peer = { pid: 0, uid: 1000, gid: 7 };
  t.equal((await ask(fixture, 'POST', '/v1/resources', { body: web })).status, 200, 'the admin group');
});

t.test('callers that nobody can identify may look only', async (t) => {
  const fixture = await serve(t);
  Object.defineProperty(fixture, 'peer', {
    get: () => {
      throw new Error('ENOTCONN');
    },
  });
  t.equal((await ask(fixture, 'GET', '/v1/status')).status, 200);
  t.equal((await ask(fixture, 'POST', '/v1/resources', { body: web })).status, 403);
});

/** A response as the event stream needs it, that somebody reads only when told. */
class Listener {
  text = '';
  destroyed = false;
  writableLength = 0;
  #onClose: () => void = () => undefined;

  once(_event: string, listener: () => void): void {
    this.#onClose = listener;
  }
  writeHead(): void {}
  write(text: string): void {
    this.text += text;
    this.writableLength += text.length;
  }
  end(): void {
    this.destroyed = true;
  }
  destroy(): void {
    this.destroyed = true;
    this.#onClose();
  }
}

t.test('events', async (t) => {
  const fixture = await serve(t);
  const received = new Promise<string>((resolve) => {
    let text = '';
    const socket = createConnection(fixture.socketPath);
    socket.on('data', (chunk) => {
      text += chunk;
      if (text.includes('data:')) socket.destroy();
    });
    socket.once('close', () => resolve(text));
    socket.write('GET /v1/events HTTP/1.1\r\n\r\n');
  });
  while (fixture.control.listeners === 0) await sleep(5);
  fixture.control.emit(event);
  const text = await received;
  t.match(text, /content-type: text\/event-stream/);
  t.ok(text.includes(`event: lease\ndata: ${JSON.stringify(event)}\n\n`));
  const left = Date.now();
  while (fixture.control.listeners > 0) await sleep(5);
  t.ok(Date.now() - left < 5_000, 'the subscription ends with the last listener, not with the next keep-alive');
});

t.test('listeners are bounded in number and in backlog', async (t) => {
  const control = new FakeAgentControl();
  const limits = { clients: 2, backlogBytes: 400, keepAliveMs: 20 } as const;
  const stream = createEventStream(control, limits as never);
  const [slow, quick, third] = [new Listener(), new Listener(), new Listener()];
  stream.attach(slow as never);
  stream.attach(quick as never);
  t.throws(() => stream.attach(third as never), { code: 'HF_BUSY' });
  t.equal(control.listeners, 1, 'one subscription for all');
  for (let sent = 0; sent < 10; sent += 1) {
    quick.writableLength = 0;
    control.emit(event);
  }
  t.ok(slow.destroyed, 'the one that does not read is dropped');
  t.ok(slow.writableLength <= limits.backlogBytes);
  t.equal(quick.text.split('event: lease').length - 1, 10, 'the other has them all');
  quick.writableLength = 0;
  while (!quick.text.includes(': keep-alive')) await sleep(5);
  stream.attach(third as never);
  stream.close();
  t.ok(quick.destroyed && third.destroyed);
  t.equal(control.listeners, 0);
});

t.test('a listener over the socket that does not read is dropped', async (t) => {
  const fixture = await serve(t);
  const socket = createConnection(fixture.socketPath);
  socket.write('GET /v1/events HTTP/1.1\r\n\r\n');
  socket.pause();
  while (fixture.control.listeners === 0) await sleep(5);
  const large = { ...event, text: 'x'.repeat(10_000) };
  let sent = 0;
  for (; fixture.control.listeners > 0 && sent < 1_000; sent += 1) {
    fixture.control.emit(large);
    await sleep(0);
  }
  t.ok(sent < 200, `dropped after ${sent} events of 10 kB: the backlog and what the kernel holds`);
  socket.destroy();
});

t.test('connections are bounded, and others cannot lock root out', async (t) => {
  const fixture = await serve(t);
  fixture.peer = { pid: 0, uid: 1000, gid: 1000 };
  const sockets = Array.from({ length: serverLimits.servedOfOthers }, () => createConnection(fixture.socketPath));
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
  // The last to be accepted is sure to have been when it is answered.
  sockets.at(-1)?.write('GET /v1 HTTP/1.1\r\n\r\n');
  await new Promise((resolve) => sockets.at(-1)?.once('data', resolve));
  t.match(await sendRaw(fixture.socketPath, 'GET /v1 HTTP/1.1\r\n\r\n'), /^HTTP\/1.1 503 .*HF_BUSY/s);
  fixture.peer = root;
  t.equal((await ask(fixture, 'GET', '/v1/status')).status, 200, 'root still gets in');
  for (const socket of sockets) socket.destroy();
});

t.test('changes under way are bounded', async (t) => {
  const fixture = await serve(t);
  fixture.control.stuck = true;
  const waiting = Array.from({ length: serverLimits.mutations }, () =>
    ask(fixture, 'POST', '/v1/resources/ocf:web/remove').catch(() => null),
  );
  while (fixture.control.mutations.length < serverLimits.mutations) await sleep(5);
  const reply = await ask(fixture, 'POST', '/v1/resources/ocf:web/remove');
  t.match(reply, { status: 503, body: { error: { code: 'HF_BUSY', message: /nothing was done/ } } });
  t.equal(waiting.length, fixture.control.mutations.length);
});

t.test('a header that never ends is answered in time', async (t) => {
  const fixture = await serve(t);
  const before = Date.now();
  const answer = await sendRaw(fixture.socketPath, 'GET /v1/status HTTP/1.1\r\nX: ');
  t.match(answer, /^HTTP\/1.1 408 .*HF_ARGUMENT/s);
  t.ok(Date.now() - before < serverLimits.headersMs + 3_000, 'the limit, and two rounds of looking for the late');
});

t.test('thousands of requests in one write do not hold up the agent', async (t) => {
  const fixture = await serve(t);
  let served = 0;
  fixture.control.status = () => {
    served += 1;
    return healthyReport;
  };
  const flood = 'GET /v1/status HTTP/1.1\r\n\r\n'.repeat(5_000);
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const answers = await Promise.all(Array.from({ length: 50 }, () => sendRaw(fixture.socketPath, flood)));
  delay.disable();
  t.equal(served, 50, 'one for each connection');
  t.ok(answers.every((answer) => answer.startsWith('HTTP/1.1 200 ')));
  // A heartbeat is due each second, and a lease lasts for many.
  t.ok(delay.max / 1e6 < 5_000, `the loop was held up for ${Math.round(delay.max / 1e6)} ms at most`);
});

t.test('the socket of a dead agent is replaced, of a live one never', async (t) => {
  const fixture = await serve(t);
  const log = { warn: () => undefined, error: () => undefined };
  const options = { control: new FakeAgentControl(), peerCredentials: () => root, log };
  const second = createStatusServer({ ...options, socketPath: fixture.socketPath });
  await t.rejects(second.listen(), { code: 'HF_EXISTS', message: /another holdfastd answers on .*holdfast\.sock/ });
  t.equal((await ask(fixture, 'GET', '/v1/status')).status, 200, 'the first one is unharmed');

  const directory = mkdtempSync(join(tmpdir(), 'holdfast-api-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const stale = join(directory, 's');
  await new Promise<void>((resolve) => {
    // A killed process leaves the file behind; here a link to it does.
    const dead = createServer().listen(join(directory, 'dead'), async () => {
      const { linkSync } = await import('node:fs');
      linkSync(join(directory, 'dead'), stale);
      dead.close(() => resolve());
    });
  });
  const third = createStatusServer({ ...options, socketPath: stale });
  await third.listen();
  t.equal((await ask({ ...fixture, socketPath: stale }, 'GET', '/v1/status')).status, 200);
  await third.close();

  const file = join(directory, 'file');
  writeFileSync(file, 'precious');
  await t.rejects(createStatusServer({ ...options, socketPath: file }).listen(), { message: /is not a socket/ });
  t.ok(statSync(file).size > 0, 'what is not a socket is left alone');
  const long = join(directory, 'x'.repeat(108));
  await t.rejects(createStatusServer({ ...options, socketPath: long }).listen(), { code: 'HF_CONFIG' });
  const below = join(file, 's');
  await t.rejects(createStatusServer({ ...options, socketPath: below }).listen(), {
    message: /cannot listen on .* \(EEXIST\); check its directory/,
  });
});

t.test('10 000 random and mutated requests', async (t) => {
  const fixture = await serve(t);
  const outcome = await sendHostileRequests(fixture.socketPath, 10_000, 20_250_101);
  t.same(outcome.violations, []);
  t.equal(outcome.sent, 10_000);
  for (const status of [200, 400, 404, 405, 413, 415, 417, 431])
    t.ok(outcome.answers[status], `some are answered ${status}`);
  const reached = new Set([...fixture.control.mutations, ...fixture.control.previews].map((mutation) => mutation.type));
  t.same([...reached].sort(), [...new Set(allChanges.map(([, , mutation]) => mutation.type))].sort(), 'every change');
  t.notOk(outcome.answers[500], 'none found a defect');
  t.notOk(outcome.answers[503], 'none found a limit used up by those before');
  t.same(fixture.logged, []);
  t.same((await ask(fixture, 'GET', '/v1/status')).body, healthyReport, 'the agent is unharmed');
});
