/** The TypeScript half of the cluster port, over a native link that the test plays. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { encode } from '../src/agent/wire.js';
import { apply, emptyState, limits } from '../src/core/cluster-state.js';
import type { Message } from '../src/core/messages.js';
import { createCorosyncCluster } from '../src/host/corosync-cluster.js';
import type { CorosyncLink, CorosyncLinkOptions, LinkEvent } from '../src/host/corosync-native.js';
import type { ClusterEvent } from '../src/ports/cluster.js';
import { add } from './fixtures/add-resource.js';

class FakeLink implements CorosyncLink {
  readonly options: CorosyncLinkOptions;
  readonly batches: LinkEvent[][] = [];
  readonly calls: string[] = [];
  readonly #bell: () => void;

  constructor(options: CorosyncLinkOptions, bell: () => void) {
    this.options = options;
    this.#bell = bell;
  }
  publish(...batches: LinkEvent[][]): void {
    this.batches.push(...batches);
    this.#bell();
  }
  send(data: Uint8Array) {
    this.calls.push(`send ${data.byteLength}`);
    return 'sent' as const;
  }
  drain(): LinkEvent[] {
    return this.batches.shift() ?? [];
  }
  close(): void {
    this.calls.push('close');
  }
  dispose(): void {
    this.calls.push('dispose');
  }
  stats() {
    return { outboundMessages: 1, inFlightMessages: 2, inboundEvents: 3, tryAgains: 4 };
  }
}

function setUp(options: { group?: string; stallMs?: number } = {}) {
  const links: FakeLink[] = [];
  class CorosyncLink extends FakeLink {
    constructor(linkOptions: CorosyncLinkOptions, bell: () => void) {
      super(linkOptions, bell);
      links.push(this);
    }
  }
  const cluster = createCorosyncCluster({ native: { CorosyncLink }, ...options });
  const seen: string[] = [];
  const link = (): FakeLink => {
    const [first] = links;
    if (first === undefined) throw new Error('no link was made');
    return first;
  };
  return { cluster, seen, link };
}

const gone = (reason: string): LinkEvent => ({ type: 'disconnected', reason });
const reasonOf = (event: ClusterEvent): string => (event.type === 'disconnected' ? event.reason : event.type);
const badArgument = { code: 'HF_ARGUMENT' };

t.test('arguments are checked before the border', async (t) => {
  for (const group of ['', 'g'.repeat(129), 'ü'.repeat(65)]) t.throws(() => setUp({ group }), badArgument, group);
  for (const stallMs of [0, 99, 600_001, 1000.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => setUp({ stallMs }), badArgument, String(stallMs));
  }
  const { cluster, link } = setUp({ group: 'g'.repeat(128), stallMs: 100 });
  t.throws(() => cluster.start(undefined as unknown as () => void), badArgument);
  cluster.start(() => {});
  t.throws(() => cluster.start(() => {}), badArgument, 'only once');
  for (const data of ['text', new ArrayBuffer(3), [1, 2], null, undefined, new Uint16Array(2)]) {
    t.throws(() => cluster.send(data as unknown as Uint8Array), badArgument);
  }
  t.throws(() => cluster.send(new Uint8Array(cluster.maxMessageBytes + 1)), badArgument);
  t.strictSame(link().calls, [], 'nothing of this reached the native side');
  t.equal(cluster.send(new Uint8Array(cluster.maxMessageBytes)), 'sent');
  t.equal(cluster.send(new Uint8Array(0)), 'sent');
  t.match(link().options, { group: 'g'.repeat(128), stallMs: 100, maxMessageBytes: cluster.maxMessageBytes });
});

t.test('the queue to corosync takes the largest log that a new node may have to be sent', (t) => {
  const { cluster, link } = setUp();
  cluster.start(() => {});
  const state = emptyState();
  apply(state, add('ocf:model'), 1);
  const model = state.services['ocf:model'];
  if (model === undefined) throw new Error('not added');
  for (let i = 0; i < limits.services; i++) {
    const sid = `ocf:a-resource-with-a-long-name-${i}`;
    const reason = 'node17 is lost, and of those that may run it node18 has the most room'.repeat(2);
    state.services[sid] = { ...model, sid, reason, bootId: '0b8ef4b4-4a20-4c1a-9d0e-0123456789ab' };
  }
  const snapshot = { index: 7, state };
  const part: Message = { type: 'log-part', epoch: 1, snapshot, entries: [], commitIndex: 7 };
  const parts = encode(part, 1, cluster.maxMessageBytes);
  const bytes = parts.reduce((sum, { byteLength }) => sum + byteLength, 0) + limits.settingsBytes;
  t.ok(bytes <= link().options.outboundBytes, `${bytes} bytes`);
  t.ok(parts.length < link().options.outboundMessages);
  t.end();
});

t.test('before the start there is nobody to send to', async (t) => {
  const { cluster } = setUp();
  t.equal(cluster.send(new Uint8Array(1)), 'disconnected');
  t.strictSame(cluster.stats(), { outboundMessages: 0, inFlightMessages: 0, inboundEvents: 0, tryAgains: 0 });
  await cluster.close();
  t.throws(() => cluster.start(() => {}), badArgument, 'closed for good');
});

t.test('events come one at a time, in order, never from inside a call, one batch a turn', async (t) => {
  const { cluster, seen, link } = setUp();
  let depth = 0;
  cluster.start((event) => {
    t.equal(++depth, 1);
    seen.push(reasonOf(event));
    if (seen.length === 1) link().publish([gone('d')]);
    cluster.send(new Uint8Array(1));
    depth--;
  });
  link().publish([gone('a'), gone('b')], [gone('c')]);
  t.strictSame(seen, []);
  await nextTurn();
  t.strictSame(seen, ['a', 'b'], 'timers and sockets get their turn between batches');
  await nextTurn();
  await nextTurn();
  t.strictSame(seen, ['a', 'b', 'c', 'd']);
  await nextTurn();
  link().publish([gone('e')]);
  await nextTurn();
  t.strictSame(seen, ['a', 'b', 'c', 'd', 'e'], 'the bell is heard again after an empty batch');
});

t.test('an exception of the handler is not swallowed, and costs no event', async (t) => {
  const { cluster, seen, link } = setUp();
  cluster.start((event) => {
    seen.push(reasonOf(event));
    if (reasonOf(event) === 'b') throw new Error('from the handler');
  });
  const caught: unknown[] = [];
  const listeners = process.rawListeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => caught.push(error));
  link().publish([gone('a'), gone('b'), gone('c')], [gone('d')]);
  for (let turn = 0; turn < 4; turn++) await nextTurn();
  process.removeAllListeners('uncaughtException');
  for (const listener of listeners) process.on('uncaughtException', listener as () => void);
  t.match(caught, [{ message: 'from the handler' }]);
  t.strictSame(seen, ['a', 'b', 'c', 'd']);
});

t.test('close waits for the link to have left, tells nothing more, and is the same for all callers', async (t) => {
  const { cluster, seen, link } = setUp();
  cluster.start((event) => {
    seen.push(reasonOf(event));
    void cluster.close();
  });
  link().publish([gone('a'), gone('b')]);
  await nextTurn();
  const closed = cluster.close();
  t.equal(closed, cluster.close());
  t.strictSame(link().calls, ['close']);
  t.equal(cluster.send(new Uint8Array(1)), 'disconnected');
  link().publish([{ type: 'closed' }]);
  await closed;
  t.strictSame(link().calls, ['close', 'dispose']);
  t.strictSame(seen, ['a'], 'nothing after close() was called');
});

t.test('close gives up after two seconds', async (t) => {
  const { cluster, link } = setUp();
  cluster.start(() => {});
  const start = performance.now();
  await cluster.close();
  const tookMs = performance.now() - start;
  t.ok(tookMs > 1_990 && tookMs < 2_500, `two seconds and some slack: ${tookMs} ms`);
  t.strictSame(link().calls, ['close', 'dispose']);
});

t.test('a thread that cannot be had is corosync that cannot be used', async (t) => {
  class CorosyncLink extends FakeLink {
    constructor(options: CorosyncLinkOptions, bell: () => void) {
      super(options, bell);
      throw new Error('pthread_create: EAGAIN');
    }
  }
  const cluster = createCorosyncCluster({ native: { CorosyncLink } });
  t.throws(() => cluster.start(() => {}), { code: 'HF_COROSYNC', message: /pthread_create: EAGAIN/ });
});
