import t from 'tap';
import { entriesSchema, snapshotSchema } from '../src/agent/log-schema.js';
import { Decoder, encode } from '../src/agent/wire.js';
import { defaultOptions } from '../src/core/cluster-options.js';
import { apply, type Command, emptyState, limits } from '../src/core/cluster-state.js';
import type { Entry, Heartbeat, Message, NewView } from '../src/core/messages.js';
import type { Rule } from '../src/core/rules.js';
import { add } from './fixtures/add-resource.js';
import fc from './seeded-fast-check.js';

const heartbeat: Heartbeat = {
  type: 'heartbeat',
  incarnation: 'a1',
  bootId: 'b1',
  fenceBoundMs: 60_000,
  protection: 'protected',
  seq: 3,
  epoch: 2,
  promisedEpoch: 2,
  commitIndex: 9,
  storing: true,
  electorate: '',
  configured: '',
  stored: { type: 'ack', epoch: 2, index: 9, valid: true },
  echoes: [{ nodeId: 2, incarnation: 'a2', seq: 4 }],
  silences: [{ nodeId: 3, silenceMs: 1_234 }],
  lrm: {
    results: [{ sid: 'vm:100', uid: 3, outcome: 'left', detail: '' }],
    strays: [],
    probedThrough: 9,
    canRun: true,
    active: false,
    mode: 'maintenance',
    leaving: false,
    empty: true,
    released: false,
    migratesLive: ['vm'],
    revision: 4,
  },
  load: {
    node: { cpus: 8, memoryBytes: 2 ** 34, usedCpus: 0.25, usedMemoryBytes: 2 ** 30 },
    otherGuests: 1,
    services: [{ sid: 'vm:100', maxCpus: 2, maxMemoryBytes: 2 ** 31, cpus: 0.1, memoryBytes: 2 ** 28 }],
  },
};

function newView(services: number): NewView {
  const names = Array.from({ length: services }, (_, i) => `ocf:service-${i}`);
  const state = emptyState();
  apply(state, add('ocf:model'), 1);
  const model = state.services['ocf:model'];
  if (model === undefined) throw new Error('not added');
  for (const sid of names) state.services[sid] = { ...model, sid, parameters: { state: `/run/${sid}` } };
  return {
    type: 'new-view',
    epoch: 3,
    members: [{ nodeId: 1, incarnation: 'a1' }],
    bootstrap: false,
    snapshot: { index: 7, state },
    afterIndex: 7,
    entries: [],
    commitIndex: 7,
  };
}

t.test('what is encoded is decoded, in one part or many', async (t) => {
  for (const [message, partBytes] of [
    [heartbeat, 65_536],
    [newView(2_000), 65_536],
    [newView(3), 300],
  ] as const) {
    const parts = encode(message, 5, partBytes);
    t.ok(
      parts.every((part) => part.length <= partBytes),
      'no part is larger than allowed',
    );
    const decoder = new Decoder();
    const results = parts.map((part) => decoder.decode('1/100', part));
    t.ok(results.slice(0, -1).every((result) => result.type === 'incomplete'));
    t.strictSame(results.at(-1), { type: 'message', message });
  }
});

t.test('parts of several senders do not mix, and a lost part costs only its message', async (t) => {
  const a = encode(newView(10), 1, 500);
  const b = encode(newView(11), 1, 500);
  const decoder = new Decoder();
  const results = a.flatMap((part, i) => [decoder.decode('1/1', part), ...(b[i] ? [decoder.decode('2/1', b[i])] : [])]);
  t.equal(results.filter((result) => result.type === 'message').length, b.length > a.length ? 1 : 2);
  const lossy = new Decoder();
  const damaged = a.filter((_, i) => i !== 2).map((part) => lossy.decode('1/1', part));
  t.notOk(damaged.some((result) => result.type === 'message'));
  t.match(lossy.decode('1/1', encode(heartbeat, 2, 65_536)[0] ?? new Uint8Array()), { type: 'message' });
  lossy.decode('1/1', a[0] ?? new Uint8Array());
  lossy.forget('1/1');
  t.match(lossy.decode('1/1', a[1] ?? new Uint8Array()), { type: 'refused' }, 'a sender that left starts anew');
});

t.test('parts without content do not pile up', async (t) => {
  const decoder = new Decoder();
  const empty = (part: number, parts: number) => {
    const bytes = Buffer.alloc(16);
    for (const [i, value] of [2, part, parts, 7].entries()) bytes.writeUInt32BE(value, 4 * i);
    return decoder.decode('1/1', bytes).type;
  };
  t.equal(empty(0, 1_024), 'incomplete');
  t.equal(empty(0, 1_025), 'refused');
  t.equal(empty(0, 0xffff_ffff), 'refused');
});

t.test('no bytes whatsoever do more than be refused', async (t) => {
  const decoder = new Decoder();
  const [good] = encode(heartbeat, 1, 65_536);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => decoder.decode('9/9', bytes).type !== 'message'),
    { numRuns: 3_000 },
  );
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bytes = Uint8Array.from(good ?? []);
      const index = at % bytes.length;
      bytes[index] = (bytes[index] ?? 0) ^ flip;
      const result = decoder.decode('9/9', bytes);
      return ['message', 'refused', 'incomplete'].includes(result.type);
    }),
    { numRuns: 3_000 },
  );
  t.pass();
});

t.test('fields that are missing, unknown, out of range or of another type are named', async (t) => {
  const cases: [string, unknown, RegExp][] = [
    ['unknown field', { ...heartbeat, extra: 1 }, /extra/],
    ['missing field', { ...heartbeat, seq: undefined }, /seq/],
    ['negative', { ...heartbeat, seq: -1 }, /seq/],
    ['not a number', { ...heartbeat, seq: '3' }, /seq/],
    ['beyond 2^53', { ...heartbeat, seq: 2 ** 60 }, /seq/],
    ['too many nodes', { ...heartbeat, echoes: Array(200).fill({ nodeId: 1, incarnation: 'x', seq: 1 }) }, /echoes/],
    ['no such type', { type: 'own-the-cluster' }, /type/],
  ];
  for (const [name, value, pattern] of cases) {
    const [bytes] = encode(value as Message, 1, 65_536);
    const result = new Decoder().decode('1/1', bytes ?? new Uint8Array());
    t.match(result, { type: 'refused', detail: pattern }, name);
  }
});

t.test('a snapshot holds each under its own name, and not more than there may be', async (t) => {
  const { snapshot } = newView(2);
  if (snapshot === null) throw new Error('no snapshot');
  const { index, state } = snapshot;
  const [one, other] = Object.values(state.services);
  const node = { nodeId: 1, name: 'n1', bootId: 'b', fenceBoundMs: 1, state: 'online', fencedBootIds: [] };
  const passes = (changed: object) => snapshotSchema.safeParse({ index, state: { ...state, ...changed } }).success;
  t.ok(passes({ nodes: { 1: node } }));
  t.notOk(passes({ nodes: { '01': node } }));
  t.notOk(passes({ nodes: { 2: node } }));
  t.notOk(passes({ services: { [one?.sid ?? '']: other } }));
  const group = (name: string) => ({ name, nodes: [], restricted: false, nofailback: false, comment: '' });
  const groups = (count: number) => Array.from({ length: count }, (_, i) => [`g${i}`, group(`g${i}`)]);
  t.ok(passes({ groups: Object.fromEntries(groups(limits.groups)) }));
  t.notOk(passes({ groups: Object.fromEntries(groups(limits.groups + 1)) }));
  t.notOk(passes({ groups: { g: group('h') } }));
  t.ok(passes({ rules: { apart: rule } }));
  t.notOk(passes({ rules: { together: rule } }));
});

const rule: Rule = {
  id: 'apart',
  type: 'resource-affinity',
  resources: ['vm:100', 'vm:101'],
  affinity: 'negative',
  disabled: false,
  comment: '',
};
const memo = { failedStarts: 2, failedNodeIds: [2, 2], maintenanceNodeId: 1, failedMoves: 3 };
const someCommands: readonly Command[] = [
  { ...add('vm:100'), agent: '', nodeId: 2 },
  { type: 'resource-set', sid: 'vm:100', changes: {}, unset: ['ip'] },
  {
    type: 'resource-set',
    sid: 'vm:100',
    changes: { requested: 'ignored', group: null, priority: -1_000, requires: ['vm:101'], cpus: 0.5, failback: false },
    unset: [],
  },
  { type: 'resource-remove', sid: 'vm:100', purge: true },
  { type: 'resource-stop', sid: 'vm:100', timeoutS: null },
  { type: 'resource-stop', sid: 'vm:100', timeoutS: 0 },
  { type: 'resource-move', sid: 'vm:100', kind: 'migrate', nodeId: 2 },
  {
    type: 'group-set',
    mode: 'add',
    group: { name: 'g', nodes: [{ name: 'n1', priority: 2 }], restricted: true, nofailback: false, comment: 'c' },
  },
  { type: 'group-remove', name: 'g' },
  { type: 'rule-set', mode: 'set', rule },
  {
    type: 'rule-set',
    mode: 'add',
    rule: { ...rule, type: 'node-affinity', nodes: [{ name: 'n1', priority: 0 }], strict: true },
  },
  { type: 'rule-remove', id: 'apart' },
  { type: 'options-set', changes: { scheduler: 'dynamic', autoRebalanceThreshold: 0.25 } },
  { type: 'options-set', changes: defaultOptions },
  { type: 'node-maintenance', nodeId: 1, enabled: true },
  { type: 'disarm', mode: 'ignore' },
  { type: 'disarmed', expectIndex: 4 },
  { type: 'arm' },
  { type: 'node-up', nodeId: 1, name: 'n1', bootId: 'b', fenceBoundMs: 60_000 },
  { type: 'node-state', nodeId: 1, state: 'gone' },
  { type: 'node-fenced', nodeId: 1, bootId: 'b', proof: 'operator' },
  { type: 'node-released', nodeId: 1, bootId: 'b' },
  { type: 'node-protected', nodeId: 1, bootId: 'b' },
  { type: 'node-forget', nodeId: 1 },
  {
    type: 'service-state',
    sid: 'vm:100',
    expectUid: 1,
    state: 'migrate',
    nodeId: 1,
    targetId: 2,
    memo,
    reason: 'asked for',
  },
  { type: 'service-order-dropped', sid: 'vm:100', expectUid: 1, reason: 'no' },
  { type: 'service-running', sid: 'vm:100', uid: 3 },
  { type: 'service-forget', sid: 'vm:100', expectUid: 3 },
];

function entriesOf(commands: readonly Command[]): Entry[] {
  return commands.map((command, at) => ({ index: at + 1, epoch: 1, command, origin: null, wallMs: 1 }));
}

t.test('every command passes as it is', async (t) => {
  for (const command of someCommands) {
    const message: Message = { type: 'append', epoch: 1, entries: entriesOf([command]), commitIndex: 0 };
    const [bytes] = encode(message, 1, 65_536);
    t.strictSame(new Decoder().decode('1/1', bytes ?? new Uint8Array()), { type: 'message', message }, command.type);
  }
});

t.test('a command out of bounds is refused', async (t) => {
  const cases: readonly (readonly [string, object])[] = [
    ['priority', { ...add('vm:100'), priority: 1_001 }],
    ['cpus', { ...add('vm:100'), cpus: -1 }],
    ['group of a name that every object has', { ...add('vm:100'), group: 'constructor' }],
    ['group of that name', { type: 'group-remove', name: 'toString' }],
    ['rule of that name', { type: 'rule-set', mode: 'add', rule: { ...rule, id: 'valueOf' } }],
    ['too many dependencies', { ...add('vm:100'), requires: Array(33).fill('vm:1') }],
    ['too many resources', { type: 'rule-set', mode: 'add', rule: { ...rule, resources: Array(1_001).fill('vm:1') } }],
    ['strict without nodes', { type: 'rule-set', mode: 'add', rule: { ...rule, strict: true } }],
    ['time to stop', { type: 'resource-stop', sid: 'vm:100', timeoutS: -1 }],
    ['options', { type: 'options-set', changes: { autoRebalanceMargin: 2 } }],
    ['unknown option', { type: 'options-set', changes: { magic: 1 } }],
    ['no setting at all', { type: 'resource-set', sid: 'vm:100', changes: { priority: undefined, x: 1 }, unset: [] }],
  ];
  for (const [name, command] of cases) {
    t.notOk(entriesSchema.safeParse(entriesOf([command as Command])).success, name);
  }
});

t.test('what an earlier version has stored gets the defaults of what it did not know', async (t) => {
  const node = { nodeId: 1, name: 'n1', bootId: 'b1', fenceBoundMs: 60_000, state: 'online', fencedBootIds: [] };
  const settings = { agent: 'ocf:a:b', parameters: {}, requested: 'started', comment: '', maxRestart: 1 };
  const service = {
    ...settings,
    sid: 'ocf:web',
    state: 'started',
    nodeId: 1,
    bootId: 'b1',
    uid: 3,
    running: true,
    reason: 'placed',
    removing: false,
    stopFailed: false,
    addedIndex: 2,
  };
  const snapshot = { index: 5, state: { nodes: { 1: node }, services: { 'ocf:web': service } } };
  const expected = emptyState();
  apply(expected, { type: 'node-up', nodeId: 1, name: 'n1', bootId: 'b1', fenceBoundMs: 60_000 }, 1);
  apply(expected, { ...add('ocf:web'), agent: 'ocf:a:b' }, 2);
  const known = expected.services['ocf:web'];
  t.ok(known);
  if (known === undefined) return;
  const { state, uid, running, reason } = { state: 'started', uid: 3, running: true, reason: 'placed' } as const;
  expected.services['ocf:web'] = { ...known, nodeId: 1, bootId: 'b1', state, uid, running, reason };
  t.strictSame(snapshotSchema.parse(snapshot), { index: 5, state: { ...expected, configurationIndex: 0 } });
  const old = [
    { type: 'resource-add', sid: 'ocf:db', ...settings },
    { type: 'resource-remove', sid: 'ocf:db' },
    { type: 'service-state', sid: 'ocf:db', expectUid: 3, state: 'stopped', nodeId: 1, reason: 'x' },
  ];
  const parsed = entriesSchema.parse(entriesOf(old as unknown as Command[]));
  t.strictSame(parsed[0]?.command, { ...add('ocf:db'), agent: 'ocf:a:b' });
  t.strictSame(parsed[1]?.command, { type: 'resource-remove', sid: 'ocf:db', purge: false });
  t.match(parsed[2]?.command, {
    targetId: null,
    memo: { failedStarts: 0, failedNodeIds: [], maintenanceNodeId: null, failedMoves: 0 },
  });
});
