import t from 'tap';
import { considerView, onPrepare, onPromise } from '../src/core/candidacy.js';
import type { Command } from '../src/core/cluster-state.js';
import type { Effect } from '../src/core/effects.js';
import { blankRecord, type DurableRecord, openLog } from '../src/core/log.js';
import { managerInput } from '../src/core/manager-turn.js';
import type { Entry, Heartbeat, Message, NewView, PromiseReply } from '../src/core/messages.js';
import { newNode, step } from '../src/core/node.js';
import type { Configuration, NodeEvent } from '../src/core/node-state.js';
import { onAck, onAppend, onHeartbeatOf, onNewView } from '../src/core/replication.js';
import { onSaved } from '../src/core/saving.js';
import { newViews, type ViewContext, type Views } from '../src/core/views.js';
import { add } from './fixtures/add-resource.js';
import { heartbeat } from './fixtures/heartbeat.js';

/** The replication and the lease, message by message: what the random runs hardly ever bring about. */

const nodes = [1, 2, 3].map((nodeId) => ({ nodeId, name: `node${nodeId}`, votes: 1 }));
const knowing: DurableRecord = { ...blankRecord(false), valid: true };

function context(nowMs: number): ViewContext {
  const peers = new Map(
    nodes.map(({ nodeId }) => [nodeId, { nodeId, incarnation: null, heartbeat: null, load: null, heardMs: nowMs }]),
  );
  const configured = { nodes, expectedVotes: 3 };
  return { configured, agentsInReach: [1, 2, 3], rideThroughMs: 6_200, peers, quorate: true, nowMs, wallMs: 0 };
}

function sent(effects: readonly Effect[]): Message[] {
  return effects.flatMap((effect) => (effect.type === 'send' ? [effect.message] : []));
}

function promise(epoch: number, to: number, of: Partial<PromiseReply> = {}): PromiseReply {
  const log = {
    viewEpoch: 0,
    lastIndex: 0,
    commitIndex: 0,
    valid: true,
    blank: true,
    electorate: null,
    unbrokenEpoch: 0,
  };
  return {
    type: 'promise',
    epoch,
    to,
    incarnation: 'x',
    granted: true,
    storing: true,
    promisedEpoch: epoch,
    ...log,
    ...of,
  };
}

/** Node 1 has asked for an epoch, and has its own promise. */
function candidate(): { views: Views; epoch: number } {
  const views = newViews(1, 'one', openLog(knowing));
  const asked: Effect[] = [];
  considerView(views, context(1_000), asked);
  const epoch = views.coordinator?.epoch ?? 0;
  onPrepare(views, 1, { type: 'prepare', epoch }, context(1_000), asked);
  const own: Effect[] = [];
  onSaved(views, views.log.record, 1_000, own);
  for (const message of sent(own)) if (message.type === 'promise') onPromise(views, 1, message, context(1_000), []);
  return { views, epoch };
}

t.test('a promise to another candidate for the same epoch does not count', async (t) => {
  const { views, epoch } = candidate();
  const effects: Effect[] = [];
  onPromise(views, 2, promise(epoch, 3), context(1_100), effects);
  considerView(views, context(2_500), effects);
  t.equal(views.coordinator?.phase, 'preparing', 'no quorum has promised this epoch to node 1');
  onPromise(views, 2, promise(epoch, 1), context(2_600), effects);
  considerView(views, context(2_600), effects);
  t.equal(views.coordinator?.phase, 'starting');
});

t.test('a view is adopted only from the candidate that its epoch was promised to', async (t) => {
  const views = newViews(3, 'three', openLog(knowing));
  onPrepare(views, 1, { type: 'prepare', epoch: 5 }, context(0), []);
  const members = nodes.map(({ nodeId }) => ({ nodeId, incarnation: nodeId === 3 ? 'three' : 'x' }));
  const log = { bootstrap: false, snapshot: null, afterIndex: 0, entries: [], commitIndex: 0 };
  const view: NewView = { type: 'new-view', epoch: 5, members, ...log };
  onNewView(views, 2, view, context(0), []);
  t.equal(views.view, null);
  onNewView(views, 1, view, context(0), []);
  t.equal(views.view?.leaderId, 1);
});

t.test('nothing is promised twice, and not before it is durable', async (t) => {
  const views = newViews(3, 'three', openLog(knowing));
  const effects: Effect[] = [];
  onPrepare(views, 1, { type: 'prepare', epoch: 5 }, context(0), effects);
  t.strictSame(sent(effects), [], 'only after the save');
  const first = views.log.record;
  onPrepare(views, 2, { type: 'prepare', epoch: 6 }, context(0), effects);
  t.strictSame(sent(effects), []);
  onSaved(views, first, 10, effects);
  t.strictSame(sent(effects), [], 'the promise that has been overtaken is not given');
  onPrepare(views, 1, { type: 'prepare', epoch: 6 }, context(0), effects);
  t.match(sent(effects), [{ type: 'promise', to: 1, epoch: 6, granted: false }]);
});

t.test('a member that lacks what its leader has stored leaves the view: it was lost on the way', async (t) => {
  const views = newViews(3, 'three', openLog(knowing));
  onPrepare(views, 1, { type: 'prepare', epoch: 5 }, context(0), []);
  const members = nodes.map(({ nodeId }) => ({ nodeId, incarnation: nodeId === 3 ? 'three' : 'x' }));
  const log = { bootstrap: false, snapshot: null, afterIndex: 0, entries: [], commitIndex: 0 };
  onNewView(views, 1, { type: 'new-view', epoch: 5, members, ...log }, context(0), []);
  const hear = (fromId: number, epoch: number, index: number): void => {
    const stored = { type: 'ack', epoch, index, valid: true } as const;
    onHeartbeatOf(views, fromId, heartbeat(fromId, {}, { epoch: 5, stored, commitIndex: 0 }), context(100), []);
  };
  hear(1, 5, 0);
  hear(1, 4, 1);
  hear(2, 5, 1);
  t.ok(views.view, 'what counts is what the leader has stored in this view');
  hear(1, 5, 1);
  t.equal(views.view, null);
});

t.test('who has lost its store does not help to start a view', async (t) => {
  const { views, epoch } = candidate();
  onPromise(views, 2, promise(epoch, 1, { valid: false, blank: false }), context(1_100), []);
  considerView(views, context(2_500), []);
  t.equal(views.coordinator?.phase, 'preparing');
  t.match(views.waitingFor, /the store of node2 was lost/);
});

t.test('a view starts from the log of the latest view, not from the longest', async (t) => {
  const { views, epoch } = candidate();
  const effects: Effect[] = [];
  onPromise(views, 2, promise(epoch, 1, { viewEpoch: 3, lastIndex: 1, blank: false }), context(1_100), effects);
  onPromise(views, 3, promise(epoch, 1, { viewEpoch: 1, lastIndex: 5, blank: false }), context(1_100), effects);
  t.match(sent(effects), [{ type: 'fetch', from: 2 }]);
});

/** Node 1 leads an active view of all three, whose log holds the electorate alone. */
function leader(): { views: Views; epoch: number } {
  const { views, epoch } = candidate();
  const effects: Effect[] = [];
  for (const nodeId of [2, 3]) onPromise(views, nodeId, promise(epoch, 1), context(1_100), effects);
  for (const message of sent(effects))
    if (message.type === 'new-view') onNewView(views, 1, message, context(1_100), []);
  for (const nodeId of [1, 2]) onAck(views, nodeId, { type: 'ack', epoch, index: 1, valid: true }, context(1_200), []);
  t.equal(views.coordinator?.phase, 'active');
  const command = { type: 'resource-remove', sid: 'ocf:a', purge: false } as const;
  const entries = [{ index: 2, epoch, command, origin: null, wallMs: 0 }];
  onAppend(views, 1, { type: 'append', epoch, entries, commitIndex: 1 }, []);
  onAck(views, 1, { type: 'ack', epoch, index: 2, valid: true }, context(1_300), []);
  return { views, epoch };
}

t.test('acknowledgements of other epochs, and of those that have forgotten, commit nothing', async (t) => {
  const { views, epoch } = leader();
  const acknowledge = (of: { epoch: number; index: number; valid: boolean }): number => {
    onAck(views, 2, { type: 'ack', ...of }, context(1_400), []);
    return views.log.record.commitIndex;
  };
  t.equal(acknowledge({ epoch: epoch - 1, index: 2, valid: true }), 1);
  t.equal(acknowledge({ epoch: epoch + 1, index: 2, valid: true }), 1);
  t.equal(acknowledge({ epoch, index: 2, valid: false }), 1);
  t.equal(acknowledge({ epoch, index: 2, valid: true }), 2);
});

t.test('who has not got the question is asked again soon, who is slow to answer later', async (t) => {
  const { views, epoch } = candidate();
  const effects: Effect[] = [];
  onPromise(views, 3, promise(epoch, 1), context(1_100), effects);
  considerView(views, context(2_100), effects);
  for (const message of sent(effects))
    if (message.type === 'new-view') onNewView(views, 1, message, context(2_100), []);
  for (const nodeId of [1, 3]) onAck(views, nodeId, { type: 'ack', epoch, index: 1, valid: true }, context(2_200), []);
  t.equal(views.coordinator?.phase, 'active');
  const asksAgain = (nowMs: number, promisedEpoch: number): boolean => {
    const world = context(nowMs);
    const heartbeat = { ...firstHeartbeat(), epoch: 0, promisedEpoch };
    world.peers.set(2, { nodeId: 2, incarnation: 'x', heartbeat, load: null, heardMs: nowMs });
    const asked: Effect[] = [];
    considerView(views, world, asked);
    return sent(asked).some((message) => message.type === 'prepare');
  };
  t.notOk(asksAgain(5_000, epoch), 'it has it, and waits for its disk');
  t.ok(asksAgain(5_000, epoch - 1), 'it was lost on the way');
});

// ---- through the whole node ----

const configuration: Configuration = {
  localNodeId: 1,
  clusterName: 'c',
  nodes,
  expectedVotes: 3,
  deviceVotes: 0,
  tokenMs: 1_000,
  consensusMs: 1_200,
  quorumOptions: [],
};

function joinedNode(record = knowing, active = false) {
  const watchdog = { kappa: 1, minTimeoutS: 1, maxTimeoutS: 0, active } as const;
  const options = {
    incarnation: 'one',
    bootId: 'b1',
    startedMs: 0,
    fenceBoundMs: 15_000,
    protectionLabel: 'protected',
  };
  const node = newNode({ ...options, watchdog, refusal: null, migratesLive: [] }, record);
  const ring = { nodeId: 1, seq: 1 };
  const members = nodes.map(({ nodeId }) => nodeId);
  const all: Effect[] = [];
  const at = (nowMs: number, event: NodeEvent): Message[] => {
    const effects = step(node, event, { bootMs: nowMs, wallMs: 0 });
    all.push(...effects);
    return sent(effects);
  };
  at(1_000, { type: 'configuration', configuration });
  at(1_000, { type: 'ring', ring, members });
  at(1_000, { type: 'quorum', quorate: true, ring, members });
  const group = nodes.map(({ nodeId }) => ({ nodeId }));
  const first = at(1_000, { type: 'group', members: group, joined: group });
  return { node, at, first, all };
}

function firstHeartbeat(): Heartbeat {
  const own = joinedNode().first.find(isHeartbeat);
  if (own === undefined) throw new Error('no heartbeat at the start');
  return own;
}

/** A heartbeat of another node. */
function heartbeatOf(nodeId: number, of: Partial<Heartbeat> = {}): NodeEvent {
  const message = { ...firstHeartbeat(), incarnation: `i${nodeId}`, bootId: `b${nodeId}`, epoch: 5, ...of };
  return { type: 'message', fromId: nodeId, message };
}

/** Node 2 leads this node into view 5. */
function adopt(
  world: ReturnType<typeof joinedNode>,
  memberIds: number[],
  log: Pick<NewView, 'entries' | 'commitIndex'>,
) {
  world.at(1_100, { type: 'message', fromId: 2, message: { type: 'prepare', epoch: 5 } });
  const members = memberIds.map((nodeId) => ({ nodeId, incarnation: nodeId === 1 ? 'one' : `i${nodeId}` }));
  const { commitIndex: afterIndex } = world.node.log.record;
  const base = { type: 'new-view', epoch: 5, members, bootstrap: false, snapshot: null, afterIndex } as const;
  world.at(1_200, { type: 'message', fromId: 2, message: { ...base, ...log } });
}

function entriesOf(commands: readonly Command[], first = 1): Entry[] {
  return commands.map((command, i) => ({ index: first + i, epoch: 1, command, origin: null, wallMs: 0 }));
}

const up = (nodeId: number): Command => ({
  type: 'node-up',
  nodeId,
  name: `node${nodeId}`,
  bootId: `b${nodeId}`,
  fenceBoundMs: 15_000,
});

function isHeartbeat(message: Message): message is Heartbeat {
  return message.type === 'heartbeat';
}

t.test('a lease counts from before the sending, however long the message was on its way', async (t) => {
  const { node, at, first } = joinedNode();
  const own = first.find(isHeartbeat);
  if (own === undefined) throw new Error('no heartbeat at the start');
  at(4_000, { type: 'message', fromId: 1, message: own });
  const echo = { nodeId: 1, incarnation: 'one', seq: own.seq };
  const theirs: Heartbeat = { ...own, incarnation: 'two', bootId: 'b2', seq: 1, echoes: [echo] };
  at(4_100, { type: 'message', fromId: 2, message: theirs });
  t.equal(node.cluster?.lease.deadlineMs, 1_000 + 7_000, 'fenceBoundMs 15000 − 2 × 3000 − 2000, from the sending');
});

t.test('nobody is granted anything outside the view, nor by a node without one', async (t) => {
  const { node, at, first } = joinedNode();
  const own = first.find(isHeartbeat);
  if (own === undefined) throw new Error('no heartbeat at the start');
  at(1_100, { type: 'message', fromId: 2, message: { ...own, incarnation: 'two', bootId: 'b2' } });
  t.equal(node.cluster?.grants.lastGrantMs.size, 0);
});

t.test('a boot that the log declares fenced, committed or not, is granted nothing', async (t) => {
  const world = joinedNode();
  const fenced: Command = { type: 'node-fenced', nodeId: 3, bootId: 'b3', proof: 'takeover' };
  adopt(world, [1, 2, 3], { entries: entriesOf([up(3), fenced]), commitIndex: 1 });
  world.at(1_300, heartbeatOf(2));
  world.at(1_300, heartbeatOf(3));
  t.strictSame([...(world.node.cluster?.grants.lastGrantMs.keys() ?? [])], [2]);
});

t.test('the manager goes by what was said in this view alone', async (t) => {
  const world = joinedNode();
  adopt(world, [1, 2], { entries: [], commitIndex: 0 });
  const { cluster } = world.node;
  if (cluster === null) throw new Error('no cluster');
  const silences = [{ nodeId: 3, silenceMs: 1_000_000 }];
  world.at(1_300, heartbeatOf(2, { epoch: 4, silences }));
  t.strictSame(managerInput(world.node, cluster, 1_400).silences, new Map());
  t.ok(managerInput(world.node, cluster, 1_400).unheard.has(2));
  world.at(1_400, heartbeatOf(2, { seq: 9, silences }));
  t.strictSame(managerInput(world.node, cluster, 1_400).silences.get(3), [{ fromId: 2, silenceMs: 1_000_000 }]);
});

/** On the disk of node 1: a service that it is to stop. */
function toStop(): DurableRecord {
  return assigned(['started', 'request_stop']);
}

/** On the disk of node 1: a service that went through these states on it. */
function assigned(through: readonly ('started' | 'request_stop')[]): DurableRecord {
  const added = { ...add('ocf:a', { maxRestart: 0 }), nodeId: 1 };
  const memo = { failedStarts: 0, failedNodeIds: [], maintenanceNodeId: null, failedMoves: 0 };
  const state = (expectUid: number, to: 'started' | 'request_stop'): Command => ({
    type: 'service-state',
    sid: 'ocf:a',
    expectUid,
    state: to,
    nodeId: 1,
    targetId: null,
    memo,
    reason: '',
  });
  const entries = entriesOf([up(1), added, ...through.map((to, i) => state(2 + i, to))]);
  return { ...knowing, promisedEpoch: 1, viewEpoch: 1, entries, commitIndex: entries.length };
}

t.test('the local manager does nothing but look until it knows all that was committed', async (t) => {
  const world = joinedNode(toStop());
  const operations = (): string[] =>
    world.all.flatMap((effect) => (effect.type === 'operate' ? [effect.operation] : []));
  const outcome = {
    operationId: 1,
    outcome: 'running',
    permanent: false,
    detail: '',
    monitorIntervalMs: 60_000,
  } as const;
  world.at(1_050, { type: 'outcome', outcome });
  t.strictSame(operations(), ['monitor']);
  adopt(world, [1, 2, 3], { entries: entriesOf([up(3)], 5), commitIndex: 4 });
  world.at(1_300, { type: 'tick' });
  t.strictSame(operations(), ['monitor'], 'entry 5 may change everything');
  world.at(1_400, { type: 'message', fromId: 2, message: { type: 'commit', epoch: 5, commitIndex: 5 } });
  t.strictSame(operations(), ['monitor', 'stop']);
});

t.test('an agent that ends before it knows all that was committed does not let go of the watchdog', async (t) => {
  const releases = (world: ReturnType<typeof joinedNode>): number =>
    world.all.filter((effect) => effect.type === 'watchdog-release').length;
  const early = joinedNode(knowing, true);
  early.at(1_060, { type: 'shutdown', kind: 'restart' });
  t.equal(releases(early), 0);
  const late = joinedNode(knowing, true);
  adopt(late, [1, 2, 3], { entries: [], commitIndex: 0 });
  late.at(1_300, { type: 'shutdown', kind: 'restart' });
  t.equal(releases(late), 1);
});

t.test('nothing is started before the watchdog is known to be armed', async (t) => {
  const world = joinedNode(assigned(['started']));
  const outcome = {
    operationId: 1,
    outcome: 'stopped',
    permanent: false,
    detail: '',
    monitorIntervalMs: 60_000,
  } as const;
  world.at(1_050, { type: 'outcome', outcome });
  adopt(world, [1, 2, 3], { entries: [], commitIndex: 3 });
  const did = (): string[] =>
    world.all.flatMap((effect) =>
      effect.type === 'operate' ? [effect.operation] : effect.type === 'watchdog-arm' ? ['arm'] : [],
    );
  world.at(1_300, heartbeatOf(2, { echoes: [{ nodeId: 1, incarnation: 'one', seq: 1 }] }));
  world.at(1_400, { type: 'tick' });
  t.strictSame(did(), ['monitor', 'arm']);
  world.at(1_500, { type: 'watchdog', event: { type: 'armed' } });
  t.strictSame(did(), ['monitor', 'arm', 'start']);
});

t.test('a node that learns that its boot was declared fenced asks for its reset', async (t) => {
  const world = joinedNode(assigned(['started']));
  const resets = (): number => world.all.filter((effect) => effect.type === 'watchdog-reset').length;
  const fenced: Command = { type: 'node-fenced', nodeId: 1, bootId: 'b1', proof: 'takeover' };
  adopt(world, [1, 2, 3], { entries: entriesOf([fenced], 4), commitIndex: 3 });
  t.equal(resets(), 0, 'not committed yet');
  world.at(1_400, { type: 'message', fromId: 2, message: { type: 'commit', epoch: 5, commitIndex: 4 } });
  t.equal(resets(), 1);
});
