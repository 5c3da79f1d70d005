import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { areNews, type KeeperPicture, peersViewOf } from '../src/agent/reset-notes.js';
import { type BootNotes, type PeersView, resetLimits, type Trouble } from '../src/agent/reset-record.js';
import type { Command } from '../src/core/cluster-state.js';
import type { ResetHistoryKeeper } from '../src/host/reset-history.js';
import { ResetWatch } from '../src/host/reset-watch.js';
import { type World, world } from './fake-ports.js';
import { add } from './fixtures/add-resource.js';
import { quorumLost, wellNotes } from './reset-samples.js';

/** The record ahead: what an agent writes down of itself while it can, and that nothing waits for it. */

interface Watched extends World {
  readonly watch: ResetWatch;
  readonly saved: BootNotes[];
  readonly told: [string, PeersView][];
  keeper: KeeperPicture;
  /** How the next saves go. */
  save: (notes: BootNotes) => Promise<void>;
  unasked: readonly string[];
  /** What an earlier agent of this boot had noted. */
  former: Trouble | null;
  readonly warned: string[];
  /** How often what was refused was given to the disk again. */
  storedAgain: number;
}

const ring = { nodeId: 1, seq: 1 };

/** An agent that runs a service under an armed watchdog. */
async function running(): Promise<Watched> {
  const all = world();
  await all.settle();
  const added = all.agent.request(add('ocf:web'));
  await all.settle(4_000);
  await added;
  const saved: BootNotes[] = [];
  const told: [string, PeersView][] = [];
  const warned: string[] = [];
  const history = {
    get unasked() {
      return watched.unasked;
    },
    get formerTrouble() {
      return watched.former;
    },
    notePeers: async (bootId: string, view: PeersView) => {
      told.push([bootId, view]);
      watched.unasked = watched.unasked.filter((each) => each !== bootId);
    },
    storeAgain: async () => void watched.storedAgain++,
  } as unknown as ResetHistoryKeeper;
  const watch = new ResetWatch({
    agent: all.agent,
    keeper: () => ({ ...watched.keeper, lastPetMs: watched.keeper.lastPetMs || all.clock.bootMs() }),
    history,
    saveNotes: (notes) => watched.save(notes),
    clock: all.clock,
    witness: null,
    log: { warn: (_detail, text) => warned.push(text) },
  });
  const keeper: KeeperPicture = { state: 'armed', lastPetMs: 0, petError: null };
  const save = async (notes: BootNotes): Promise<void> => {
    saved.push(notes);
  };
  const rest = { unasked: [], former: quorumLost, storedAgain: 0 };
  const watched: Watched = { ...all, watch, saved, told, warned, keeper, save, ...rest };
  return watched;
}

/** So long, looked at every second. */
async function pass(all: Watched, ms: number): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 1_000) {
    await all.settle(1_000);
    all.watch.look();
    await turn();
  }
}

function loseQuorum({ cluster }: Watched): void {
  cluster.emit({ type: 'quorum', quorate: false, ring, members: [1] });
}

t.test('an agent that is well writes rarely', async (t) => {
  const all = await running();
  await pass(all, 121_000);
  t.equal(all.saved.length, 5);
  t.match(all.saved.at(-1), { bootId: 'b1', armed: true, trouble: null, ending: null, effectiveMs: 6_000 });
  t.equal(all.saved.at(-1)?.aliveMs, all.clock.wallMs());
});

t.test('a lease that begins to run out is written down while there is time, with its cause and its end', async (t) => {
  const all = await running();
  await pass(all, 1_000);
  const { lease } = all.agent.node.cluster ?? never();
  const lostMs = all.clock.wallMs();
  loseQuorum(all);
  await pass(all, 4_000);
  const noted = all.saved.at(-1);
  t.match(noted, { armed: true, trouble: { cause: 'quorum-lost' } });
  const dueMs = all.clock.wallMs() + lease.deadlineMs - all.clock.bootMs();
  t.equal(noted?.trouble?.dueMs, dueMs);
  t.ok(dueMs - (noted?.aliveMs ?? 0) > 30_000, 'long before the end');
  t.ok(Math.abs((noted?.trouble?.sinceMs ?? 0) - lostMs) <= 2_000);
  const before = all.saved.length;
  await pass(all, 10_000);
  t.equal(all.saved.length - before, 5, 'every two seconds as long as it lasts');
  all.cluster.emit({ type: 'quorum', quorate: true, ring, members: [1] });
  await pass(all, 3_000);
  t.equal(all.saved.at(-1)?.trouble, null, 'taken back once it is over');
});

t.test('a machine without a clock', async (t) => {
  const all = await running();
  all.clock.wallMs = () => 1_000;
  loseQuorum(all);
  await pass(all, 4_000);
  t.match(all.saved.at(-1)?.trouble, { cause: 'quorum-lost', sinceMs: 0 });
});

t.test('causes', async (t) => {
  const causeAfter = async (happen: (all: Watched) => void): Promise<unknown> => {
    const all = await running();
    await pass(all, 1_000);
    happen(all);
    await pass(all, 5_000);
    return all.saved.at(-1)?.trouble?.cause ?? null;
  };
  t.equal(await causeAfter(loseQuorum), 'quorum-lost');
  t.equal(
    await causeAfter(({ cluster }) => cluster.emit({ type: 'disconnected', reason: 'gone' })),
    'corosync-stopped',
  );
  const runningOut = async (heardAgoMs: number): Promise<unknown> => {
    const all = await running();
    const cluster = all.agent.node.cluster ?? never();
    cluster.runningOut = true;
    cluster.heardMs.set(1, all.clock.bootMs() - heardAgoMs);
    all.watch.look();
    await turn();
    return all.saved.at(-1)?.trouble?.cause;
  };
  t.equal(await runningOut(2_500), 'corosync-silent');
  t.equal(await runningOut(2_499), 'not-echoed');
  const failing = ({ agent, cluster }: Watched) => {
    cluster.send = () => {
      throw new Error(`a defect\n${'that is told at length '.repeat(50)}`);
    };
    agent.dispatch({ type: 'tick' });
  };
  t.equal(await causeAfter(failing), 'agent-failed');
  const failed = await running();
  failing(failed);
  await pass(failed, 3_000);
  const { text } = failed.saved.at(-1)?.trouble ?? never();
  t.ok(text.startsWith('a defect that is told') && text.length <= resetLimits.textCharacters);
  const petless = (all: Watched) => {
    all.keeper = { ...all.keeper, lastPetMs: all.clock.bootMs(), petError: 'EIO' };
  };
  t.equal(await causeAfter((all) => petless(all)), null, 'a late pet alone is none');
  const all = await running();
  await pass(all, 1_000);
  petless(all);
  await pass(all, 9_000);
  t.match(all.saved.at(-1)?.trouble, { cause: 'pets-failed', text: 'EIO' });
  t.equal(
    await causeAfter((idle) => {
      idle.keeper = { ...idle.keeper, state: 'idle' };
      loseQuorum(idle);
    }),
    null,
    'nothing is reset that is not armed',
  );
});

t.test('an agent that is started again over a running watchdog keeps what an earlier one had noted', async (t) => {
  const all = await running();
  const { protection } = all.agent.node.cluster ?? never();
  protection.state = 'unattended';
  all.watch.look();
  await turn();
  const text = 'before that: no quorum since 2026-11-22 19:59:25 UTC';
  t.match(all.saved.at(-1)?.trouble, { cause: 'restarted-without-lease', text });
  all.former = { ...quorumLost, cause: 'restarted-without-lease', text: `corosync has not answered since; ${text}` };
  all.watch.rewrite();
  await turn();
  t.equal(all.saved.at(-1)?.trouble?.text, text, 'of many that died, the first reason');
});

t.test('an agent that stood still says so when it goes on', async (t) => {
  const all = await running();
  await pass(all, 1_000);
  all.clock.nowMs += 60_000;
  all.keeper = { ...all.keeper, state: 'expired' };
  all.watch.look();
  await turn();
  t.equal(all.saved.at(-1)?.trouble?.cause, 'agent-stalled');
});

t.test('a disk that hangs: one write at a time, the newest notes next, and nobody waits', async (t) => {
  const all = await running();
  let release = (): void => undefined;
  const begun: BootNotes[] = [];
  all.save = (notes) => {
    begun.push(notes);
    return new Promise((resolve) => {
      release = resolve;
    });
  };
  all.watch.look();
  const sent = all.cluster.sends;
  loseQuorum(all);
  await pass(all, 20_000);
  t.equal(begun.length, 1);
  t.ok(all.cluster.sends - sent >= 18, 'heartbeats go on');
  t.strictSame(all.failures, []);
  release();
  await turn();
  t.equal(begun.length, 2);
  t.equal(begun[1]?.trouble?.cause, 'quorum-lost');
});

t.test('a disk that fails is told once, and tried again', async (t) => {
  const all = await running();
  all.save = async () => {
    throw new Error('cannot write it: ENOSPC: free some space');
  };
  await pass(all, 61_000);
  t.strictSame(all.warned, [
    "the notes that 'holdfast why' would need after a reset are not kept: cannot write it: ENOSPC: free some space",
  ]);
  t.equal(all.storedAgain, 0);
  all.save = async (notes) => void all.saved.push(notes);
  await pass(all, 31_000);
  t.equal(all.saved.length, 1);
  t.equal(all.storedAgain, 1, 'and so is the history, by a disk that takes the notes');
  loseQuorum(all);
  await pass(all, 9_000);
  t.ok(all.saved.length > 2);
  t.equal(all.storedAgain, 1, 'but notes of trouble wait for nothing');
});

t.test('the end in order', async (t) => {
  const all = await running();
  await pass(all, 1_000);
  const shutdown = all.agent.prepareShutdown('reboot');
  await all.settle(4_000);
  await shutdown;
  all.watch.look();
  await turn();
  t.match(all.saved.at(-1)?.ending, { kind: 'reboot', doneMs: null }, 'begun');
  all.keeper = { ...all.keeper, state: 'idle' };
  await all.watch.ended(null);
  t.match(all.saved.at(-1), { armed: false, ending: { kind: 'reboot', doneMs: all.clock.wallMs() } });

  const other = await running();
  await other.agent.stop();
  await other.watch.ended(null);
  t.match(other.saved.at(-1), { armed: true, ending: { kind: 'agent' } });
  await other.watch.ended('poweroff');
  t.match(
    other.saved.at(-1),
    { ending: { kind: 'poweroff' } },
    'as systemd says, though the agent could not prepare it',
  );
});

t.test('news', async (t) => {
  t.equal(areNews(wellNotes, wellNotes), false);
  t.equal(areNews({ ...wellNotes, aliveMs: wellNotes.aliveMs + 29_999 }, wellNotes), false);
  t.equal(areNews({ ...wellNotes, aliveMs: wellNotes.aliveMs + 30_000 }, wellNotes), true);
  t.equal(areNews({ ...wellNotes, aliveMs: wellNotes.aliveMs - 3_600_000 }, wellNotes), true, 'the clock was set back');
  t.equal(areNews({ ...wellNotes, armed: false }, wellNotes), true);
  t.equal(areNews({ ...wellNotes, trouble: quorumLost }, wellNotes), true);
  const troubled = { ...wellNotes, trouble: quorumLost };
  t.equal(areNews({ ...troubled, trouble: { ...quorumLost, cause: 'corosync-stopped' } }, troubled), true);
});

function never(): never {
  throw new Error('there is none');
}

t.test('what the others decided is told once it is known', async (t) => {
  const first = await running();
  const commands: readonly Command[] = [
    { type: 'node-state', nodeId: 1, state: 'unknown' },
    { type: 'node-fenced', nodeId: 1, bootId: 'b0', proof: 'takeover' },
  ];
  t.strictSame(peersViewOf(first.agent.node, 'b0'), {
    lostMs: null,
    fenced: null,
    releasedMs: null,
    backMs: peersViewOf(first.agent.node, 'b0')?.backMs,
  });
  const { log } = first.agent.node;
  const record = log.record;
  const last = record.entries.at(-1)?.index ?? 0;
  const before = record.entries.filter(({ command }) => command.type !== 'node-up');
  const up = record.entries.find(({ command }) => command.type === 'node-up') ?? never();
  const entry = (command: Command, at: number, wallMs: number) => ({
    index: at,
    epoch: 1,
    command,
    origin: null,
    wallMs,
  });
  const entries = [...commands.map((command, i) => entry(command, i + 1, 100 + i)), { ...up, wallMs: 200 }, ...before];
  log.record = {
    ...record,
    entries: entries.map((each, i) => ({ ...each, index: i + 1 })),
    commitIndex: Math.max(last, entries.length),
  };
  const view = { lostMs: 100, fenced: { proof: 'takeover', atMs: 101 }, releasedMs: null, backMs: 200 };
  t.strictSame(peersViewOf(first.agent.node, 'b0'), view);
  first.unasked = ['b0'];
  first.watch.look();
  await turn();
  t.strictSame(first.told, [['b0', view]]);
  first.watch.look();
  t.equal(first.told.length, 1);
  log.record = { ...log.record, commitIndex: 1 };
  t.equal(peersViewOf(first.agent.node, 'b0')?.fenced, null, 'what is not committed is not decided');
  const alone = world();
  t.equal(peersViewOf(alone.agent.node, 'b0'), null, 'not known before it has caught up');
});
