import t from 'tap';
import type { Effect } from '../src/core/effects.js';
import { blankRecord, type DurableRecord, openLog } from '../src/core/log.js';
import type { Heartbeat, Message, NewView, PromiseReply } from '../src/core/messages.js';
import { type Configuration, type NodeEvent, newNode, step } from '../src/core/node.js';
import {
  considerView,
  newViews,
  onAck,
  onAppend,
  onNewView,
  onPrepare,
  onPromise,
  onSaved,
  type ViewContext,
  type Views,
} from '../src/core/views.js';

/** The replication and the lease, message by message: what the random runs hardly ever bring about. */

const nodes = [1, 2, 3].map((nodeId) => ({ nodeId, name: `node${nodeId}`, votes: 1 }));
const knowing: DurableRecord = { ...blankRecord(false), valid: true };

function context(nowMs: number): ViewContext {
  const peers = new Map(
    nodes.map(({ nodeId }) => [nodeId, { nodeId, incarnation: null, heartbeat: null, heardMs: nowMs }]),
  );
  return { electorate: { nodes, expectedVotes: 3 }, peers, quorate: true, nowMs, wallMs: 0 };
}

function sent(effects: readonly Effect[]): Message[] {
  return effects.flatMap((effect) => (effect.type === 'send' ? [effect.message] : []));
}

function promise(epoch: number, to: number, of: Partial<PromiseReply> = {}): PromiseReply {
  const log = { viewEpoch: 0, lastIndex: 0, commitIndex: 0, valid: true, blank: true };
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

/** Node 1 leads an active view of all three, whose log is empty. */
function leader(): { views: Views; epoch: number } {
  const { views, epoch } = candidate();
  const effects: Effect[] = [];
  for (const nodeId of [2, 3]) onPromise(views, nodeId, promise(epoch, 1), context(1_100), effects);
  for (const message of sent(effects))
    if (message.type === 'new-view') onNewView(views, 1, message, context(1_100), []);
  for (const nodeId of [1, 2]) onAck(views, nodeId, { type: 'ack', epoch, index: 0, valid: true }, context(1_200), []);
  t.equal(views.coordinator?.phase, 'active');
  const command = { type: 'resource-remove', sid: 'ocf:a' } as const;
  const entries = [{ index: 1, epoch, command, origin: null, wallMs: 0 }];
  onAppend(views, 1, { type: 'append', epoch, entries, commitIndex: 0 }, []);
  onAck(views, 1, { type: 'ack', epoch, index: 1, valid: true }, context(1_300), []);
  return { views, epoch };
}

t.test('acknowledgements of other epochs, and of those that have forgotten, commit nothing', async (t) => {
  const { views, epoch } = leader();
  const acknowledge = (of: { epoch: number; index: number; valid: boolean }): number => {
    onAck(views, 2, { type: 'ack', ...of }, context(1_400), []);
    return views.log.record.commitIndex;
  };
  t.equal(acknowledge({ epoch: epoch - 1, index: 1, valid: true }), 0);
  t.equal(acknowledge({ epoch: epoch + 1, index: 1, valid: true }), 0);
  t.equal(acknowledge({ epoch, index: 1, valid: false }), 0);
  t.equal(acknowledge({ epoch, index: 1, valid: true }), 1);
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

function joinedNode() {
  const watchdog = { kappa: 1, minTimeoutS: 1, maxTimeoutS: 0, active: false } as const;
  const options = {
    incarnation: 'one',
    bootId: 'b1',
    startedMs: 0,
    fenceBoundMs: 15_000,
    protectionLabel: 'protected',
  };
  const node = newNode({ ...options, watchdog, refusal: null }, knowing);
  const ring = { nodeId: 1, seq: 1 };
  const members = nodes.map(({ nodeId }) => nodeId);
  const at = (nowMs: number, event: NodeEvent): Message[] => sent(step(node, event, { bootMs: nowMs, wallMs: 0 }));
  at(1_000, { type: 'configuration', configuration });
  at(1_000, { type: 'ring', ring, members });
  at(1_000, { type: 'quorum', quorate: true, ring, members });
  const group = nodes.map(({ nodeId }) => ({ nodeId }));
  const first = at(1_000, { type: 'group', members: group, joined: group });
  return { node, at, first };
}

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
