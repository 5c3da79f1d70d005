import t from 'tap';
import { apply, type Command, emptyState } from '../src/core/cluster-state.js';
import { decide } from '../src/core/manager.js';
import type { Heartbeat, LrmResult } from '../src/core/messages.js';
import { add } from './fixtures/add-resource.js';

const electorate = { nodes: [{ nodeId: 1, name: 'node1', votes: 1 }], expectedVotes: 1 };

function heartbeat(results: readonly LrmResult[]): Heartbeat {
  return {
    type: 'heartbeat',
    incarnation: 'a',
    bootId: 'b1',
    fenceBoundMs: 60_000,
    protection: 'protected',
    seq: 1,
    epoch: 1,
    promisedEpoch: 1,
    commitIndex: 0,
    storing: true,
    stored: null,
    echoes: [],
    silences: [],
    lrm: { results, strays: [], probedThrough: 1_000, canRun: true, active: true },
  };
}

/** A manager that sees one node, whose answer to every request is what the test says. */
function cluster(answer: (state: string) => LrmResult['outcome'] | null) {
  const state = emptyState();
  let index = 0;
  const run = (command: Command): void => {
    apply(state, command, ++index);
  };
  const settle = (): number => {
    for (let round = 1; round <= 50; round++) {
      const results = Object.values(state.services).flatMap(({ sid, uid, state: now }): LrmResult[] => {
        const outcome = answer(now);
        return outcome === null ? [] : [{ sid, uid, outcome, detail: `${now} failed` }];
      });
      const members = new Map([[1, heartbeat(results)]]);
      const commands = decide({ state, electorate, members, unheard: new Set(), silences: new Map(), leaseMs: 1_000 });
      if (commands.length === 0) return round;
      for (const command of commands) run(command);
    }
    return Number.POSITIVE_INFINITY;
  };
  const service = () => state.services['ocf:a'];
  return { run, settle, service, index: () => index };
}

const disable: Command = { type: 'resource-set', sid: 'ocf:a', changes: { requested: 'disabled' }, unset: [] };

t.test('a stop that fails ends in error, and is tried again only when the operator asks again', async (t) => {
  const { run, settle, service } = cluster((state) => (state === 'request_stop' ? 'error' : 'running'));
  run(add('ocf:a'));
  settle();
  t.match(service(), { state: 'started', running: true });
  for (const ask of [disable, disable, { type: 'resource-remove', sid: 'ocf:a' } as const]) {
    run(ask);
    t.ok(settle() < 10, 'the log comes to rest');
    t.match(service(), { state: 'error', reason: 'request_stop failed' });
  }
});

t.test('a resource that starts and stops as asked', async (t) => {
  const { run, settle, service } = cluster((state) => (state === 'request_stop' ? 'stopped' : 'running'));
  run(add('ocf:a'));
  settle();
  run(disable);
  settle();
  t.match(service(), { state: 'stopped', nodeId: 1 });
  run({ type: 'resource-set', sid: 'ocf:a', changes: { requested: 'started' }, unset: [] });
  settle();
  t.match(service(), { state: 'started', running: true });
  run({ type: 'resource-remove', sid: 'ocf:a' });
  t.ok(settle() < 10);
  t.equal(service(), undefined);
});

t.test('parameters and comments are bounded for the whole cluster', async (t) => {
  const state = emptyState();
  const parameters = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`p${i}`, 'x'.repeat(4_000)]));
  const results = Array.from({ length: 30 }, (_, i) => apply(state, { ...add(`ocf:r${i}`), parameters }, i + 1));
  t.equal(results.filter((result) => result.ok).length, 17, '4 MiB hold 17 of 240 KB');
  t.match(results.at(-1), { ok: false, code: 'HF_BUSY', message: /may not exceed 4194304 bytes/ });
  const grow: Command = { type: 'resource-set', sid: 'ocf:r0', changes: { comment: 'x'.repeat(4_096) }, unset: [] };
  t.ok(apply(state, grow, 100).ok);
});
