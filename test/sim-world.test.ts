import { createHash } from 'node:crypto';
import t from 'tap';
import { SimCorosync } from '../src/sim/sim-corosync.js';
import { SimNetwork } from '../src/sim/sim-network.js';
import { Random } from '../src/sim/sim-random.js';
import { Timeline } from '../src/sim/sim-timeline.js';
import { World } from '../src/sim/world.js';
import type { SimNodeOptions, WorldOptions } from '../src/sim/world-options.js';
import { add } from './fixtures/add-resource.js';
import { chaos, newWorld } from './sim-world-chaos.js';

function threeNodes(options: Partial<WorldOptions> = {}, nodeOptions: Partial<SimNodeOptions> = {}): World {
  return newWorld({ seed: 7, nodes: 3, options: { fenceBoundMs: 60_000, ...options }, nodeOptions });
}

/** A cluster in which these resources run. */
async function running(
  sids: readonly string[],
  options?: Partial<WorldOptions>,
  nodeOptions?: Partial<SimNodeOptions>,
) {
  const world = threeNodes(options, nodeOptions);
  await world.run(10_000);
  for (const sid of sids) world.request('node1', add(sid)).catch(() => undefined);
  await world.run(40_000);
  return world;
}

function rules(world: World): string[] {
  return [...new Set(world.violations.map(({ rule }) => rule))];
}

t.test('a node that is cut off is reset within its bound, and only then its resource starts elsewhere', async (t) => {
  const world = await running(['vm:1']);
  const [host] = world.where('vm:1');
  t.ok(host, 'it runs somewhere');
  const cutMs = world.nowMs;
  world.networkOff(host?.name ?? '');
  await world.runFor(90_000);
  const [reset] = world.resets;
  const [declared] = world.declarations;
  t.equal(reset?.node, host?.name);
  t.equal(reset?.why, 'lease expired');
  t.ok((reset?.atMs ?? 0) - cutMs < 60_000, 'within the bound');
  t.ok((declared?.atMs ?? 0) > (reset?.atMs ?? 0), 'declared fenced after that');
  t.ok((declared?.atMs ?? 0) - cutMs < 65_000, 'and soon after the bound');
  t.equal(world.where('vm:1').length, 1);
  t.not(world.where('vm:1')[0]?.name, host?.name);
  t.same(world.violations, []);
});

/** All three go down at once, while one stop takes so long: since when each is off, from the beginning, and who was reset. */
async function goingDown(stopTakesMs: number, afterMs: number) {
  const world = await running(['vm:1']);
  const [host] = world.where('vm:1');
  world.setBehaviour('vm:1', {
    fault: ({ operation }) => (operation === 'stop' ? { kind: 'slow', byMs: stopTakesMs } : null),
  });
  const fromMs = world.nowMs;
  const nodes = ['node1', 'node2', 'node3'].map((name) => world.node(name));
  for (const node of nodes) node.shutDown('poweroff');
  await world.runFor(afterMs);
  const othersOn = nodes.filter((node) => node !== host && node.up).length;
  const resets = world.resets.map(({ node, atMs }) => ({ host: node === host?.name, afterMs: atMs - fromMs }));
  return { othersOn, hostOn: host?.up, resets, violations: world.violations };
}

t.test('where all go down, whoever is done stays until the last one has stopped, within reason', async (t) => {
  t.strictSame((await goingDown(300_000, 200_000)).othersOn, 2, 'they keep the quorum meanwhile');
  const after = await goingDown(300_000, 320_000);
  t.match(after, { othersOn: 0, hostOn: false, resets: { length: 0 } }, 'and nobody is reset');
  const hangs = await goingDown(86_400_000, 700_000);
  t.match(hangs, { othersOn: 0, resets: [{ host: true }] }, 'of what hangs its own node pays, not the others');
  t.ok((hangs.resets[0]?.afterMs ?? 0) > 600_000);
  t.strictSame([after.violations, hangs.violations], [[], []]);
});

t.test('the same seed and the same calls give the same course of events; another seed another', async (t) => {
  const course = async (seed: number): Promise<string> => {
    const hash = createHash('sha256');
    const note = (what: object): void => void hash.update(JSON.stringify(what));
    const observer = { truth: note, reset: note, committed: note, declared: note, violation: note };
    const world = await chaos({ seed, nodes: 4, faults: 40, options: { log: note, observer } });
    note({ events: world.events, nowMs: world.nowMs, random: world.random.next() });
    return hash.digest('hex');
  };
  const first = await course(11);
  t.equal(await course(11), first);
  t.not(await course(12), first);
});

t.test('random faults break no rule, and end in a cluster that runs what is wanted', async (t) => {
  for (let seed = 1; seed <= 25; seed++) {
    const world = await chaos({ seed, nodes: seed % 2 === 0 ? 3 : 5, faults: 25 });
    t.same(world.violations, [], `seed ${seed}`);
    for (const { sid, requested, state } of Object.values(world.state.services)) {
      if (state === 'error') continue;
      t.equal(world.where(sid).length, requested === 'started' ? 1 : 0, `seed ${seed}: ${sid} is ${requested}`);
    }
  }
});

t.test('nobody changes a message that all share, and all come out of the bytes as they went in', async (t) => {
  for (const codec of [{ freeze: true }, { wireEvery: 1 }]) {
    const world = await chaos({ seed: 21, nodes: 3, faults: 30, options: { codec } });
    t.same(world.violations, [], JSON.stringify(codec));
  }
});

t.test('a store that all nodes begin with', async (t) => {
  const before = await running(['vm:1']);
  const record = before.node(1).disk.record;
  if (record === null) throw new Error('nothing was stored');
  const world = threeNodes({ initial: record });
  await world.run(30_000);
  t.equal(world.where('vm:1').length, 1);
  t.same(world.violations, []);
});

t.test('a request resolves with its index, and a caller that waits for it goes on in virtual time', async (t) => {
  const world = threeNodes();
  await world.run(10_000);
  let answeredMs = 0;
  const asked = world.request('node2', add('vm:1')).then((index) => {
    answeredMs = world.nowMs;
    return index;
  });
  await world.runFor(5_000);
  t.equal(world.trueLog[(await asked) - 1]?.command.type, 'resource-add');
  t.ok(answeredMs > 10_000 && answeredMs < 10_500, `answered at ${answeredMs}`);
  world.node(2).killAgent();
  await t.rejects(world.request('node2', add('vm:2')));
});

t.test('nodes are added and removed while the cluster runs', async (t) => {
  const world = await running(['vm:1', 'vm:2']);
  world.addNode({ nodeId: 4, name: 'node4' });
  world.setNodeList([1, 2, 3, 4]);
  // A change of the votes is settled when a takeover wait has passed.
  await world.runFor(90_000);
  const { agent } = world.node(1);
  t.equal(world.state.nodes[4]?.state, 'online');
  t.equal(agent?.node.cluster?.electorate.expectedVotes, 4);
  world.node(4).powerOff();
  world.setNodeList([1, 2, 3]);
  await world.runFor(90_000);
  t.equal(agent?.node.cluster?.electorate.expectedVotes, 3);
  t.same(world.violations, []);
});

t.test('a machine that reboots as it should gives up what it runs without being reset', async (t) => {
  const world = await running(['vm:1', 'vm:2', 'vm:3']);
  world.node(2).shutDown('reboot', 20_000);
  await world.runFor(120_000);
  t.equal(world.node(2).boots, 2);
  t.same(world.resets, []);
  for (const sid of ['vm:1', 'vm:2', 'vm:3']) t.equal(world.where(sid).length, 1, sid);
  t.same(world.violations, []);
});

t.test('whatever the agent is doing, its watchdog sees to the bound', async (t) => {
  const faults: Record<string, (world: World, host: string) => void> = {
    'stopped by a signal': (world, host) => world.node(host).stopAgent(),
    killed: (world, host) => world.node(host).killAgent(),
    'its event loop stands still': (world, host) => world.node(host).stallAgent(600_000),
    'corosync stopped': (world, host) => world.node(host).corosync.stop(),
    'corosync killed': (world, host) => world.node(host).corosync.kill('killed'),
  };
  for (const [name, fault] of Object.entries(faults)) {
    const world = await running(['vm:1'], { offAfterResetMs: null });
    const host = world.where('vm:1')[0]?.name ?? '';
    fault(world, host);
    await world.runFor(120_000);
    t.equal(world.resets[0]?.node, host, name);
    t.not(world.where('vm:1')[0]?.name, host, `${name}: it runs elsewhere`);
    t.same(world.violations, [], name);
  }
});

t.test('a watchdog fires kappa times the timeout after the last pet, the one of a dying agent included', async (t) => {
  for (const kappa of [1, 2] as const) {
    const world = await running(['vm:1'], {}, { kappa });
    const [host] = world.where('vm:1');
    await world.runFor(700);
    host?.killAgent();
    const killedMs = world.nowMs;
    await world.runFor(30_000);
    t.equal(world.resets[0]?.why, 'watchdog');
    t.equal(Math.round((world.resets[0]?.atMs ?? 0) - killedMs), 6_000, `kappa ${kappa}`);
  }
});

t.test('rules that are broken are seen', async (t) => {
  const twice = await running(['vm:1']);
  for (const node of twice.nodes) node.setRunning('vm:1', true);
  t.same(rules(twice), ['runs-twice']);

  // Twice the timeout to fire, and nobody knows; the keeper stalls just before the end of the lease, and the dying
  // agent's pet comes as late as it can.
  const kappa = await running(['vm:1'], {}, { kappa: 2, kappaTold: 1 });
  const [host] = kappa.where('vm:1');
  if (host === undefined) throw new Error('it does not run');
  host.resetWorks = false;
  kappa.networkOff(host.name);
  await kappa.runFor(37_500);
  host.stallKeeper(9_500);
  await kappa.runFor(19_000);
  host.killAgent();
  await kappa.runFor(90_000);
  t.same(rules(kappa), ['outlives-bound', 'fenced-alive', 'runs-twice']);

  // A resource that is told to be stopped goes on: a lie of its agent.
  const lie = await running(['vm:1'], {
    resources: () => ({
      fault: ({ operation }) => (operation === 'stop' ? { kind: 'lie', outcome: 'stopped' } : null),
    }),
  });
  const [liar] = lie.where('vm:1');
  const target = lie.nodes.find((node) => node !== liar);
  lie
    .request('node1', { type: 'resource-move', sid: 'vm:1', kind: 'relocate', nodeId: target?.nodeId ?? 0 })
    .catch(() => undefined);
  await lie.runFor(30_000);
  t.ok(rules(lie).includes('runs-twice'));
});

t.test('a log that changes, has gaps, or was not stored by a quorum is seen', async (t) => {
  const world = await running(['vm:1']);
  const { agent } = world.node(2);
  if (!agent) throw new Error('no agent');
  const { record, committed } = agent.node.log;
  const last = record.entries.at(-1);
  if (last === undefined) throw new Error('nothing was committed');
  const entry = (index: number) => ({ ...last, index, command: { type: 'arm' } as const });
  const before = { ...record, commitIndex: record.commitIndex - 1 };
  const changed = { ...record, entries: [...record.entries.slice(0, -1), entry(last.index)] };
  world.invariants.committed(world.node(2), before, changed, committed);
  t.same(rules(world), ['log-changed']);
  const grown = { ...record, commitIndex: record.commitIndex + 1, entries: [...record.entries, entry(last.index + 1)] };
  world.invariants.committed(world.node(2), record, grown, committed);
  t.same(rules(world), ['log-changed', 'commit-without-quorum']);
  world.invariants.committed(world.node(2), record, { ...record, commitIndex: record.commitIndex + 3 }, committed);
  t.ok(rules(world).includes('log-gap'));
});

t.test('what a node does that nobody has decided is seen', async (t) => {
  const world = await running(['vm:1']);
  const [host] = world.where('vm:1');
  const other = world.nodes.find((node) => node !== host);
  if (host === undefined || other === undefined) throw new Error('it does not run');
  const index = world.invariants.committedIndex;
  world.invariants.operates(host, 'start', 'vm:1', index);
  t.same(rules(world), []);
  world.invariants.operates(other, 'start', 'vm:1', index);
  t.same(rules(world), ['unjustified']);
  world.invariants.operates(host, 'start', 'vm:1', 1);
  t.equal(world.violations.length, 2, 'before it was committed');
  world.invariants.releases(host, index);
  t.ok(rules(world).includes('disarmed'));
});

t.test('two nodes and a quorum device: the one that is left goes on', async (t) => {
  const two = [1, 2].map((nodeId) => ({ nodeId, name: `node${nodeId}` }));
  const world = new World({ seed: 3, nodes: two, quorumDevice: { votes: 1 } });
  await world.run(20_000);
  world.request('node1', add('vm:1')).catch(() => undefined);
  await world.run(40_000);
  const [host] = world.where('vm:1');
  host?.powerOff();
  await world.runFor(200_000);
  t.equal(world.where('vm:1').length, 1);
  t.not(world.where('vm:1')[0], host);
  t.same(world.violations, []);
});

// ---- resources ----

t.test('a vm moves while it runs, a container is stopped and started', async (t) => {
  const moves: string[] = [];
  const world = await running(['vm:1', 'ct:2'], {
    observer: { truth: ({ sid, why }) => void moves.push(`${sid} ${why}`) },
  });
  for (const sid of ['vm:1', 'ct:2']) {
    const target = world.nodes.find((node) => !node.running.has(sid));
    world
      .request('node1', { type: 'resource-move', sid, kind: 'migrate', nodeId: target?.nodeId ?? 0 })
      .catch(() => undefined);
    await world.runFor(40_000);
    t.equal(world.where(sid)[0]?.name, target?.name, sid);
  }
  const of = (sid: string): string[] => moves.filter((move) => move.startsWith(sid));
  t.same(of('vm:1'), ['vm:1 started', 'vm:1 migrated', 'vm:1 migrated']);
  t.same(of('ct:2'), ['ct:2 started', 'ct:2 stopped', 'ct:2 started']);
  t.same(world.violations, []);
});

t.test('fa: starts fail as often as its digits say, then it runs', async (t) => {
  const starts: string[] = [];
  const world = await running(['fa:120000'], {
    log: ({ text }) => {
      if (/^start of fa:120000/.test(text)) starts.push(text);
    },
  });
  await world.runFor(60_000);
  t.equal(world.where('fa:120000').length, 1);
  t.ok(
    starts.some((text) => text.includes('failed')),
    starts.join('\n'),
  );
  t.same(world.violations, []);
});

// ---- the network ----

interface Heard {
  readonly nodeId: number;
  readonly ring: number;
  readonly text: string;
}

/** Corosyncs with a client each that writes down what it is told. */
function network(seed: number, nodes: number, skewMs: readonly [number, number]) {
  const timeline = new Timeline();
  const random = new Random(seed);
  const options = { orderMs: [0.2, 3] as const, skewMs, lossRate: 0 };
  const net = new SimNetwork(
    { timeline, random, tokenMs: 1_000, consensusMs: 1_200, hasDevice: () => false, onReach: () => undefined },
    options,
  );
  const configuration = {
    clusterName: 'c',
    nodes: [],
    expectedVotes: nodes,
    deviceVotes: 0,
    tokenMs: 1_000,
    consensusMs: 1_200,
    quorumOptions: [],
  };
  const heard: Heard[] = [];
  const ends: { readonly corosync: SimCorosync; readonly send: (text: string) => void }[] = [];
  for (let nodeId = 1; nodeId <= nodes; nodeId++) {
    const corosync: SimCorosync = new SimCorosync({
      timeline,
      random,
      nodeId,
      configuration: () => ({ ...configuration, localNodeId: nodeId }),
      onChange: () => net.changed(),
      onOutgoing: () => net.outgoing(corosync),
    });
    net.add(corosync);
    let ring = 0;
    const client = {
      pid: nodeId,
      event: (event: {
        readonly type: string;
        readonly ring?: { readonly seq: number };
        readonly data?: Uint8Array;
      }): void => {
        if (event.type === 'ring') ring = event.ring?.seq ?? 0;
        if (event.type === 'message') heard.push({ nodeId, ring, text: Buffer.from(event.data ?? []).toString() });
      },
    };
    corosync.start();
    corosync.connect(client);
    ends.push({ corosync, send: (text) => void corosync.multicast(client, Buffer.from(text)) });
  }
  const run = (ms: number): void => {
    const untilMs = timeline.nowMs + ms;
    while (timeline.step(untilMs));
    timeline.nowMs = untilMs;
  };
  return { net, ends, heard, run, random };
}

t.test(
  'extended virtual synchrony: one order for all, and the same messages for those who go on together',
  async (t) => {
    let alone = 0;
    let different = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const { net, ends, heard, run, random } = network(seed, 4, seed % 2 === 0 ? [0, 0] : [0, 100]);
      run(5_000);
      let number = 0;
      for (let round = 0; round < 6; round++) {
        for (let i = 0; i < 6; i++) {
          random.pick(ends)?.send(`${number++}`);
          run(random.int(0, 3));
        }
        // Two and two, in the middle of it all; then together again.
        for (const a of [1, 2])
          for (const b of [3, 4])
            for (const [x, y] of [
              [a, b],
              [b, a],
            ] as const)
              net.setLink(x, y, round % 2 === 1);
        random.pick(ends)?.send(`${number++}`);
        net.changed();
        run(random.int(0, 20));
        random.pick(ends)?.send(`${number++}`);
        run(6_000);
      }
      const of = (nodeId: number): string[] =>
        heard.filter((one) => one.nodeId === nodeId).map(({ ring, text }) => `${ring}:${text}`);
      t.same(of(1), of(2), `seed ${seed}: 1 and 2 were never apart`);
      t.same(of(3), of(4), `seed ${seed}: nor were 3 and 4`);
      const common = of(1).filter((one) => of(3).includes(one));
      t.same(
        of(3).filter((one) => common.includes(one)),
        common,
        `seed ${seed}: one order`,
      );
      const whole = new Set(heard.map(({ text }) => text));
      t.equal(of(1).length, new Set(of(1)).size, 'nothing twice');
      for (const text of whole) {
        const holders = new Set(heard.filter((one) => one.text === text).map(({ nodeId }) => nodeId));
        if (holders.size === 2) different++;
      }
    }
    t.ok(different > 20, `${different} messages have reached one side only`);
    alone = countAlone();
    t.ok(alone > 0, `${alone} of a sender's messages have reached nobody but itself`);
  },
);

/** Three nodes; the sender is cut off while it sends. */
function countAlone(): number {
  let alone = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const { net, ends, heard, run } = network(seed, 3, [0, 0]);
    run(5_000);
    ends[0]?.send('last');
    for (const other of [2, 3]) {
      net.setLink(1, other, false);
      net.setLink(other, 1, false);
    }
    net.changed();
    run(10_000);
    const holders = heard.filter(({ text }) => text === 'last').map(({ nodeId }) => nodeId);
    if (holders.join() === '1') alone++;
  }
  return alone;
}

t.test('a short stop of corosync loses nothing; what a long one held back is sent after the merge', async (t) => {
  const { ends, heard, run } = network(5, 3, [0, 0]);
  run(5_000);
  const [first] = ends;
  first?.corosync.stop();
  first?.send('held for a moment');
  run(500);
  t.equal(heard.length, 0);
  first?.corosync.goOn();
  run(100);
  t.equal(heard.length, 3);
  t.equal(new Set(heard.map(({ ring }) => ring)).size, 1);
  const before = heard[0]?.ring ?? 0;
  first?.corosync.stop();
  first?.send('held for long');
  run(10_000);
  first?.corosync.goOn();
  run(5_000);
  const late = heard.filter(({ text }) => text === 'held for long');
  t.equal(late.length, 3);
  t.ok(
    late.every(({ ring }) => ring > before),
    'in another ring',
  );
});

t.test('who loses the quorum device, and with it quorum, is cut off from that moment', async (t) => {
  const world = new World({
    seed: 1,
    nodes: [1, 2].map((nodeId) => ({ nodeId, name: `node${nodeId}` })),
    quorumDevice: { votes: 1 },
  });
  await world.run(6_000);
  world.partition([[1], [2]]);
  t.same(
    world.nodes.map(({ cutSinceMs }) => cutSinceMs),
    [null, null],
    'either may be given its vote',
  );
  world.device?.setReach(1, false);
  t.equal(world.node(1).cutSinceMs, world.nowMs);
  world.device?.putRight();
  t.equal(world.node(1).cutSinceMs, null);
});
