import t from 'tap';
import {
  apply,
  type ClusterState,
  type Command,
  emptyState,
  isFenced,
  type ServiceRecord,
} from '../src/core/cluster-state.js';
import { mayRun, type ServiceState, serviceStates } from '../src/core/service-states.js';
import { add } from './fixtures/add-resource.js';
import { nodeUp, serviceState } from './fixtures/service-commands.js';
import fc from './seeded-fast-check.js';

const sids = ['ocf:a', 'ocf:b'];

/** Any command at all, in whatever order: what a broken leader might put into the log. */
function commandFor(state: ClusterState) {
  const uidOf = (sid: string): number => state.services[sid]?.uid ?? 0;
  const sid = fc.constantFrom(...sids);
  const nodeId = fc.integer({ min: 1, max: 3 });
  const bootId = fc.constantFrom('b1', 'b2', 'b3');
  return fc.oneof(
    sid.map((id) => add(id)),
    sid.map((id): Command => ({ type: 'resource-remove', sid: id, purge: false })),
    fc.record({ nodeId, bootId }).map((fields): Command => ({ type: 'node-released', ...fields })),
    fc.record({ nodeId, bootId }).map(
      ({ nodeId: id, bootId: boot }): Command => ({
        type: 'node-up',
        nodeId: id,
        name: `node${id}`,
        bootId: boot,
        fenceBoundMs: 60_000,
      }),
    ),
    fc.record({ nodeId, bootId }).map((fields): Command => ({ type: 'node-fenced', ...fields, proof: 'takeover' })),
    nodeId.map((id): Command => ({ type: 'node-state', nodeId: id, state: 'unknown' })),
    fc
      .record({ sid, state: fc.constantFrom(...serviceStates), nodeId: fc.option(nodeId), targetId: fc.option(nodeId) })
      .map((fields): Command => serviceState(state, fields.sid, fields.state, fields.nodeId, fields.targetId)),
    sid.map((id): Command => ({ type: 'service-running', sid: id, uid: uidOf(id) })),
    sid.map((id): Command => ({ type: 'service-forget', sid: id, expectUid: uidOf(id) })),
  );
}

/** Where a service may run; a fenced boot runs nothing. */
function place(state: ClusterState, service: ServiceRecord | undefined): string | null {
  if (service === undefined || !mayRun(service.state) || service.nodeId === null || service.bootId === null)
    return null;
  return isFenced(state, service.nodeId, service.bootId) ? null : `${service.nodeId}/${service.bootId}`;
}

t.test('no sequence of commands moves a service off a node that may run it and is not declared fenced', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 80 }), (seeds) => {
      const state = emptyState();
      for (const [i, seed] of seeds.entries()) {
        const [command] = fc.sample(commandFor(state), { numRuns: 1, seed });
        if (command === undefined) continue;
        const before = structuredClone(state);
        const result = apply(state, command, i + 1);
        if (!result.ok) {
          if (JSON.stringify(before) !== JSON.stringify(state)) return false;
          continue;
        }
        for (const sid of sids) {
          const [was, is] = [before.services[sid], state.services[sid]];
          const from = place(before, was);
          const to = place(state, is);
          if (from !== null && to !== null && from !== to && was?.state !== 'error') return false;
          if (is !== undefined && mayRun(is.state) && (is.nodeId === null || is.bootId === null)) return false;
        }
      }
      return true;
    }),
    { numRuns: 1_500 },
  );
  t.pass();
});

t.test('a service leaves a lost node only by the declaration that it is fenced', async (t) => {
  const state = emptyState();
  let index = 0;
  const run = (command: Command) => apply(state, command, ++index);
  const to = (target: ServiceState, nodeId: number | null): Command => serviceState(state, 'ocf:a', target, nodeId);
  for (const nodeId of [1, 2]) run(nodeUp(nodeId));
  run(add('ocf:a'));
  t.ok(run(to('started', 1)).ok);
  t.notOk(run(to('started', 2)).ok, 'not started twice');
  t.ok(run(to('fence', 1)).ok);
  t.notOk(run(to('recovery', 1)).ok, 'not before the declaration');
  t.ok(run({ type: 'node-fenced', nodeId: 1, bootId: 'b1', proof: 'takeover' }).ok);
  t.notOk(run(to('started', 1)).ok, 'a fenced boot does not get it back');
  t.notOk(run(nodeUp(1)).ok, 'nor come up again');
  t.ok(run(to('recovery', 1)).ok);
  t.ok(run(to('started', 2)).ok);
  t.equal(state.services['ocf:a']?.bootId, 'b2');
});

t.test('a command that was decided on an older state is refused', async (t) => {
  const state = emptyState();
  apply(state, add('ocf:a'), 1);
  const stale = serviceState(emptyState(), 'ocf:a', 'stopped', null);
  t.match(apply(state, stale, 2), { ok: false, code: 'HF_CONFLICT' });
  t.match(apply(state, add('ocf:a'), 3), { ok: false, code: 'HF_EXISTS' });
  t.match(apply(state, { type: 'resource-remove', sid: 'ocf:b', purge: false }, 4), {
    ok: false,
    code: 'HF_NOT_FOUND',
  });
});
