/** The native corosync side against real corosync in namespaces. Needs root, corosync, iproute2. */
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { SeenEvent } from './fixtures/corosync-client.js';
import { CorosyncNodes, type NodesOptions } from './fixtures/corosync-nodes.js';
import { DrivenClient } from './fixtures/driven-client.js';

t.jobs = 1;

async function upFor(test: Test, options: NodesOptions): Promise<CorosyncNodes> {
  const nodes = await CorosyncNodes.up(options);
  test.teardown(() => nodes.down());
  return nodes;
}

function clientFor(test: Test, nodes: CorosyncNodes, nodeId: number, stallMs?: number): DrivenClient {
  const client = new DrivenClient(nodes, nodeId, stallMs);
  test.teardown(() => client.kill());
  return client;
}

const quorate = (client: DrivenClient, from = 0) => client.event('quorum', (event) => event.quorate, from);
const groupOf = (client: DrivenClient, size: number, from = 0) =>
  client.event('group', (event) => event.members.length === size, from);
const texts = (from: number, count: number) => Array.from({ length: count }, (_, i) => String(from + i));
const kinds = (events: readonly SeenEvent[]) => events.map((event) => event.type);

t.test('one node', async (t) => {
  const nodes = await upFor(t, { count: 1, quorum: 'expected_votes: 1' });

  await t.test('events at connect, self-delivery, and a handler that throws', async (t) => {
    const client = clientFor(t, nodes, 1);
    t.equal((await client.event('configuration')).type, 'configuration');
    await quorate(client);
    const group = await groupOf(client, 1);
    const own = { nodeId: 1, pid: client.child.pid };
    t.strictSame(group, { type: 'group', members: [own], joined: [own], left: [] });

    const shown = client.events.filter((event) => event.type !== 'disconnected');
    t.strictSame(shown[0], {
      type: 'configuration',
      configuration: {
        localNodeId: 1,
        clusterName: 'holdfast-test',
        nodes: [{ nodeId: 1, name: 'node1', votes: 1 }],
        expectedVotes: 1,
        deviceVotes: 0,
        tokenMs: 1000,
        consensusMs: 1200,
        quorumOptions: [],
      },
    });
    const order = kinds(shown).filter((type) => type !== 'quorum');
    t.strictSame(order, ['configuration', 'ring', 'group'], 'the ring comes before the group that lives in it');
    const ring = await client.event('ring');
    t.strictSame((await quorate(client)).ring, ring.ring, 'quorum and CPG name the same ring');

    client.tell({ do: 'throw-at', text: '2'.padEnd(16, '.') });
    t.strictSame((await client.send(0, 5)).sent, { sent: 5, full: 0, disconnected: 0 });
    await client.event('message', (event) => event.text === '4');
    t.strictSame(
      client.messages().map((message) => message.text),
      texts(0, 5),
      'in order, none lost to the throw',
    );
    t.strictSame(client.uncaught, [`thrown at ${'2'.padEnd(16, '.')}`], 'the exception is not swallowed');

    await client.send(10, 1, 512 * 1024);
    const large = await client.event('message', (event) => event.text === '10');
    t.equal(large.size, 512 * 1024, 'the largest message arrives whole');
    t.ok((await client.close()) < 1_000, 'closing takes well below its limit of 2 s while corosync answers');
    await client.exited;
    t.equal(client.child.exitCode, 0);
  });

  await t.test('a reload of corosync.conf is told once it changes something', async (t) => {
    const client = clientFor(t, nodes, 1);
    await groupOf(client, 1);
    nodes.configure(2000);
    nodes.run(1, 'corosync-cfgtool', '-R');
    const after = await client.event('configuration', (event) => event.configuration.tokenMs === 2000);
    t.equal(after.configuration.consensusMs, 2400);
    const told = client.events.length;
    nodes.run(1, 'corosync-cfgtool', '-R');
    await client.send(0, 1);
    await client.event('message');
    t.strictSame(kinds(client.events.slice(told)), ['message'], 'nothing changed, nothing told');
    t.notOk(kinds(client.events).includes('disconnected'));
  });

  await t.test('corosync killed and started again', async (t) => {
    const client = clientFor(t, nodes, 1);
    await groupOf(client, 1);
    // Some given to corosync, most still queued here: all are lost with it.
    nodes.signal(1, 'SIGSTOP');
    await client.send(0, 500);
    await nodes.kill(1);
    const gone = await client.event('disconnected');
    t.match(gone.reason, /CS_ERR_LIBRARY/);
    t.strictSame((await client.send(500, 3)).sent, { sent: 0, full: 0, disconnected: 3 });
    const from = client.events.length;
    // Long enough for several attempts, which are not told each.
    await sleep(700);
    t.equal(client.events.length, from);
    nodes.start(1);
    await groupOf(client, 1, from);
    t.equal(client.events[from]?.type, 'configuration', 'the first event of the new connection');
    await quorate(client, from);
    t.equal((await client.send(7, 1)).sent.sent, 1);
    await client.event('message', (event) => event.text === '7', from);
    t.strictSame(
      client.messages().map((message) => message.text),
      ['7'],
      'what was lost or refused never comes',
    );
  });

  await t.test('corosync stopped and continued', async (t) => {
    const client = clientFor(t, nodes, 1);
    await groupOf(client, 1);
    await client.stats();
    nodes.signal(1, 'SIGSTOP');
    const first = await client.send(0, 1_000);
    t.equal(first.sent.sent, 1_000);
    const before = await client.stats();
    await sleep(2_000);
    const after = await client.stats();
    t.ok(first.worstSendMs < 50, `a send copies some bytes and returns: ${first.worstSendMs} ms`);
    t.ok(after.worstLagMs < 200, `the event loop goes on, on a busy machine too: ${after.worstLagMs} ms`);
    t.ok(after.threadTicks - before.threadTicks <= 5, 'in 2 s at most 50 ms of CPU: waiting, not spinning');
    // Fewer if corosync was busy when it was stopped.
    t.ok(after.inFlightMessages > 0 && after.inFlightMessages <= 150, `the window: ${after.inFlightMessages}`);
    const second = await client.send(1_000, 1_000);
    t.ok(second.sent.full > 0, 'the queue is bounded');
    const accepted = 1_000 + second.sent.sent;
    nodes.signal(1, 'SIGCONT');
    await client.until('last message', () => client.messages()[accepted - 1]);
    t.strictSame(
      client.messages().map((message) => message.text),
      texts(0, accepted),
      'in order, each once',
    );
    t.notOk(kinds(client.events).includes('disconnected'));
    t.ok((await client.send(5_000, 1)).sent.sent === 1, 'there is room again');
  });

  await t.test('large messages to a stopped corosync: it is busy, nobody spins', async (t) => {
    const client = clientFor(t, nodes, 1);
    await groupOf(client, 1);
    // After a join the thread reads the configuration once more: stopped in that, it would wait there and try nothing.
    await client.send(9_000, 1);
    await client.until('own message', () => client.messages()[0]);
    await sleep(500);
    nodes.signal(1, 'SIGSTOP');
    await client.send(0, 40, 100_000);
    const before = await client.stats();
    await sleep(1_500);
    const after = await client.stats();
    t.ok(after.tryAgains > before.tryAgains, 'CS_ERR_TRY_AGAIN was met');
    t.ok(after.tryAgains - before.tryAgains < 60, 'at most one attempt in 50 ms, and some slack');
    t.ok(after.threadTicks - before.threadTicks <= 5, 'in 1.5 s at most 50 ms of CPU');
    nodes.signal(1, 'SIGCONT');
    await client.until('last message', () => client.messages()[40]);
    t.strictSame(
      client.messages().map((message) => message.text),
      [...texts(9_000, 1), ...texts(0, 40)],
      'in order, each once',
    );
  });

  await t.test('closing and exit do not wait for a stopped corosync', async (t) => {
    const client = clientFor(t, nodes, 1);
    await groupOf(client, 1);
    nodes.signal(1, 'SIGSTOP');
    await client.send(0, 300);
    const tookMs = await client.close();
    t.ok(tookMs >= 1_900 && tookMs < 2_500, `two seconds, then it is left to itself: ${tookMs} ms`);
    await Promise.race([client.exited, sleep(1_000)]);
    t.equal(client.child.exitCode, 0, 'a thread that hangs in corosync does not hold up exit');
    nodes.signal(1, 'SIGCONT');
  });
});

t.test('two nodes', async (t) => {
  const nodes = await upFor(t, { count: 2 });
  const one = clientFor(t, nodes, 1);
  const two = clientFor(t, nodes, 2, 1_000);
  await Promise.all([groupOf(one, 2), groupOf(two, 2), quorate(one), quorate(two)]);

  await t.test('both see the same order', async (t) => {
    await Promise.all([one.send(0, 300), two.send(1_000, 300)]);
    await one.until('600 messages', () => one.messages()[599]);
    await two.until('600 messages', () => two.messages()[599]);
    t.strictSame(one.messages(), two.messages());
    t.strictSame(
      one
        .messages()
        .filter((message) => message.nodeId === 2)
        .map((message) => message.text),
      texts(1_000, 300),
    );
  });

  await t.test('a process whose event loop is stuck leaves, and comes back', async (t) => {
    const [fromOne, fromTwo] = [one.events.length, two.events.length];
    const blocked = two.block(4_000);
    const start = performance.now();
    // Something for it to leave alone.
    await one.send(0, 10);
    const left = await one.event('group', (event) => event.left.length === 1, fromOne, 3_500);
    const tookMs = performance.now() - start;
    t.strictSame(left.left, [{ nodeId: 2, pid: two.child.pid }]);
    t.ok(tookMs > 900 && tookMs < 2_500, `the limit is 1 s: ${tookMs} ms`);
    await sleep(500);
    t.equal(one.events.at(-1), left, 'it stays away as long as it is stuck');
    await blocked;
    const gone = await two.event('disconnected', undefined, fromTwo);
    t.match(gone.reason, /event loop.*CS_ERR_TIMEOUT/);
    await groupOf(two, 2, fromTwo);
    await groupOf(one, 2, fromOne);
    t.equal(two.events[fromTwo], gone, 'of the former connection nothing more is told');
    t.equal(two.events[fromTwo + 1]?.type, 'configuration');
  });

  await t.test('a cut link: the ring, then who left with it; and the merge', async (t) => {
    const from = one.events.length;
    nodes.cut(2);
    const lost = await one.event('quorum', (event) => !event.quorate, from);
    await groupOf(one, 1, from);
    const events = one.events.slice(from).filter((event) => event.type === 'ring' || event.type === 'group');
    t.strictSame(kinds(events), ['ring', 'group']);
    t.strictSame(lost.members, [1]);
    const ring = await one.event('ring', undefined, from);
    t.strictSame(ring, { type: 'ring', ring: lost.ring, members: [1] });
    const merge = one.events.length;
    nodes.run(2, 'ip', 'link', 'set', 'eth0', 'up');
    await groupOf(one, 2, merge);
    await quorate(one, merge);
    const after = one.events.slice(merge).filter((event) => event.type === 'ring' || event.type === 'group');
    t.strictSame(kinds(after), ['ring', 'group']);
  });

  await t.test('what was sent just before closing still arrives', async (t) => {
    const from = one.events.length;
    two.tell({ do: 'send', from: 0, count: 200, size: 16 });
    t.ok((await two.close()) < 1_500, 'left within its limits');
    await groupOf(one, 1, from);
    t.strictSame(
      one.messages(from).map((message) => message.text),
      texts(0, 200),
    );
    t.equal(one.events.at(-1)?.type, 'group', 'and only then it left');
  });
});

t.test('more than one can eat', async (t) => {
  const nodes = await upFor(t, { count: 2 });
  const one = clientFor(t, nodes, 1);
  const two = clientFor(t, nodes, 2);
  await Promise.all([groupOf(one, 2), groupOf(two, 2)]);

  await t.test('a slow process is spared more than its queue holds, and misses nothing', async (t) => {
    const from = two.events.length;
    const before = await two.stats();
    const blocked = two.block(2_500);
    let sent = 0;
    for (let from = 0; sent < 6_000; from += 1_000) sent += (await one.send(from, 1_000)).sent.sent;
    await one.until('own messages', () => one.messages()[sent - 1]);
    const after = await blocked;
    t.equal(after.inboundEvents, 4_096, 'the bound of the inbound queue');
    t.ok(after.threadTicks - before.threadTicks < 100, 'of 2.5 s, well below one of CPU: it waits for room, not spins');
    await two.until('all messages', () => two.messages()[sent - 1]);
    t.strictSame(two.messages(), one.messages());
    t.notOk(kinds(two.events.slice(from)).includes('disconnected'));
  });

  await t.test('exit in the middle of traffic', async (t) => {
    const from = one.events.length;
    two.tell({ do: 'send', from: 0, count: 1_000, size: 1_000 });
    two.tell({ do: 'exit' });
    await two.exited;
    t.equal(two.child.exitCode, 0, 'no crash, no wait');
    t.equal((await groupOf(one, 1, from)).left.length, 1);
  });
});

t.test('votes and options are those that corosync uses', async (t) => {
  const twoNode = await upFor(t, { count: 2, quorum: 'two_node: 1\n  last_man_standing: 1' });
  const withTwoNode = await clientFor(t, twoNode, 1).event('configuration');
  t.strictSame(
    withTwoNode.configuration.quorumOptions,
    ['last_man_standing', 'two_node', 'wait_for_all'],
    'wait_for_all is implied by two_node',
  );
  const device =
    'device {\n    model: net\n    votes: 1\n    net {\n      host: 10.99.0.9\n      algorithm: ffsplit\n    }\n  }';
  const withDevice = await upFor(t, { count: 2, quorum: device });
  const configured = await clientFor(t, withDevice, 1).event('configuration');
  t.match(configured.configuration, {
    expectedVotes: 3,
    deviceVotes: 1,
    deviceTimeoutMs: 10_000,
    deviceSyncTimeoutMs: 30_000,
    quorumOptions: [],
  });
});
