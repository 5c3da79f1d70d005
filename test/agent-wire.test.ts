import fc from 'fast-check';
import t from 'tap';
import { Decoder, encode } from '../src/agent/wire.js';
import type { Heartbeat, Message, NewView } from '../src/core/messages.js';

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
  stored: { type: 'ack', epoch: 2, index: 9, valid: true },
  echoes: [{ nodeId: 2, incarnation: 'a2', seq: 4 }],
  silences: [{ nodeId: 3, silenceMs: 1_234 }],
  lrm: { results: [], strays: [], probedThrough: 9, canRun: true, active: false },
};

function newView(services: number): NewView {
  const names = Array.from({ length: services }, (_, i) => `ocf:service-${i}`);
  const service = (sid: string) => ({
    sid,
    agent: 'ocf:heartbeat:Dummy',
    parameters: { state: `/run/${sid}` },
    requested: 'started' as const,
    comment: '',
    maxRestart: 1,
    state: 'started' as const,
    nodeId: 1,
    bootId: 'b1',
    uid: 5,
    running: true,
    reason: 'placed',
    removing: false,
    stopFailed: false,
    addedIndex: 1,
  });
  const state = { nodes: {}, services: Object.fromEntries(names.map((sid) => [sid, service(sid)])) };
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
    for (const [i, value] of [1, part, parts, 7].entries()) bytes.writeUInt32BE(value, 4 * i);
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
