import t from 'tap';
import { apply, type ClusterState, emptyState } from '../src/core/cluster-state.js';
import type { Effect } from '../src/core/effects.js';
import { follow, newLrm, type Permission, reconcile } from '../src/core/lrm.js';
import { onOutcome } from '../src/core/lrm-outcome.js';
import { allStopped, probedThrough, results } from '../src/core/lrm-report.js';
import { add } from './fixtures/add-resource.js';
import { nodeUp, serviceState } from './fixtures/service-commands.js';

const permission: Permission = {
  caughtUp: true,
  mayStart: true,
  stopAll: false,
  isAwaited: () => true,
  isInView: () => true,
};

/** One resource, on node 1 if `assigned`. */
function stateWith(assigned: boolean): ClusterState {
  const state = emptyState();
  apply(state, nodeUp(1), 1);
  apply(state, add('ocf:a', { maxRestart: 0 }), 2);
  if (assigned) apply(state, serviceState(state, 'ocf:a', 'started', 1), 3);
  return state;
}

function operations(effects: readonly Effect[]): string[] {
  return effects.flatMap((effect) => (effect.type === 'operate' ? [effect.operation] : []));
}

function world(assigned: boolean) {
  const lrm = newLrm(1, 'b1');
  const state = stateWith(assigned);
  const look = (nowMs: number): string[] => {
    const effects: Effect[] = [];
    follow(lrm, state, 3);
    reconcile(lrm, permission, nowMs, effects);
    return operations(effects);
  };
  const finish = (outcome: 'running' | 'stopped' | 'failed' | 'error', detail: string, nowMs: number): void =>
    onOutcome(
      lrm,
      { operationId: lrm.nextOperationId - 1, outcome, permanent: false, detail, monitorIntervalMs: 10_000 },
      nowMs,
      [],
    );
  return { lrm, look, finish };
}

t.test('a look that failed has not looked: nobody may start it yet, and it is repeated', async (t) => {
  const { lrm, look, finish } = world(false);
  t.strictSame(look(0), ['monitor']);
  finish('error', 'timed out', 100);
  t.ok(probedThrough(lrm) < 2, 'not looked for');
  t.strictSame(look(200), [], 'not at once');
  t.strictSame(look(6_000), ['monitor']);
  finish('stopped', '', 6_100);
  look(6_200);
  t.equal(probedThrough(lrm), 3);
});

t.test('what is ours and cannot be looked at is stopped before it is started', async (t) => {
  const { look, finish } = world(true);
  t.strictSame(look(0), ['monitor']);
  finish('error', 'timed out', 100);
  t.strictSame(look(200), ['stop']);
  finish('stopped', '', 300);
  t.strictSame(look(400), ['start']);
});

t.test('what could not be looked at while it was ours is looked at again when it is no longer', async (t) => {
  const lrm = newLrm(1, 'b1');
  const state = stateWith(true);
  const look = (of: ClusterState, index: number, nowMs: number): string[] => {
    const effects: Effect[] = [];
    follow(lrm, of, index);
    // As after a restart: what is known of the log is old.
    reconcile(lrm, { ...permission, caughtUp: false, mayStart: false }, nowMs, effects);
    return operations(effects);
  };
  const finish = (outcome: 'stopped' | 'error', nowMs: number): void =>
    onOutcome(
      lrm,
      { operationId: lrm.nextOperationId - 1, outcome, permanent: false, detail: '', monitorIntervalMs: 10_000 },
      nowMs,
      [],
    );
  t.strictSame(look(state, 3, 0), ['monitor']);
  finish('error', 100);
  t.strictSame(look(state, 3, 200), []);
  t.notOk(allStopped(lrm));
  const service = state.services['ocf:a'];
  if (service === undefined) throw new Error('no service');
  const elsewhere = { ...state, services: { 'ocf:a': { ...service, nodeId: 2, bootId: 'b2', uid: 4 } } };
  t.strictSame(look(elsewhere, 4, 300), ['monitor']);
  finish('stopped', 400);
  t.ok(allStopped(lrm), 'this node can be said to be empty');
});

t.test('whatever an agent says, the reason for the log stays within its limit of 4096', async (t) => {
  const { lrm, look, finish } = world(true);
  look(0);
  finish('stopped', '', 100);
  t.strictSame(look(200), ['start']);
  finish('failed', 'x'.repeat(100_000), 300);
  const [result] = results(lrm, true);
  t.equal(result?.outcome, 'error');
  t.ok((result?.detail.length ?? 0) < 2_000);
});
