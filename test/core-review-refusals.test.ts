import t from 'tap';
import { apply, type ClusterState, type Command } from '../src/core/cluster-state.js';
import { compileRules } from '../src/core/compiled-rules.js';
import { decide } from '../src/core/manager.js';
import { newManagerMemory } from '../src/core/manager-memory.js';
import { inOrder, type ManagerInput } from '../src/core/manager-round.js';
import type { Heartbeat, LrmMode, LrmReport, LrmResult } from '../src/core/messages.js';
import { add } from './fixtures/add-resource.js';
import { heartbeat } from './fixtures/heartbeat.js';
import { ManagerWorld } from './fixtures/manager-world.js';
import { nodeUp } from './fixtures/service-commands.js';
import fc from './seeded-fast-check.js';

/** What the manager asks for must never be refused: it would ask for the same again and again, and the log would grow. */

const outcomes: readonly LrmResult['outcome'][] = ['running', 'stopped', 'error', 'ready', 'left'];
const modes: readonly LrmMode[] = ['active', 'maintenance', 'shutdown', 'restart', 'disarm'];
const runs = Number(process.env.REVIEW_RUNS ?? 500);
const sids = ['vm:1', 'vm:2', 'vm:3'] as const;
const nodeIds = [1, 2, 3] as const;

interface Machine {
  bootId: string;
  boots: number;
  presence: 'member' | 'unheard' | 'absent';
  voter: boolean;
  silenceMs: number;
  lrm: Partial<LrmReport>;
  commitIndex: number;
}

/** A manager among nodes that say anything at all, true or not. */
class Babel {
  readonly state: ClusterState = new ManagerWorld(0).state;
  readonly machines = new Map<number, Machine>();
  readonly memory = newManagerMemory();
  readonly answers = new Map<string, LrmResult['outcome']>();
  nowMs = 1_000_000;
  index = 0;

  constructor() {
    for (const nodeId of nodeIds) {
      const lrm = {};
      this.machines.set(nodeId, {
        bootId: `b${nodeId}`,
        boots: 1,
        presence: 'member',
        voter: true,
        silenceMs: 0,
        lrm,
        commitIndex: Number.MAX_SAFE_INTEGER,
      });
      apply(this.state, nodeUp(nodeId), ++this.index);
    }
    for (const sid of sids) apply(this.state, add(sid), ++this.index);
  }

  machine(nodeId: number): Machine {
    const machine = this.machines.get(nodeId);
    if (machine === undefined) throw new Error(`no node ${nodeId}`);
    return machine;
  }

  input(): ManagerInput {
    const { state } = this;
    const members = new Map<number, Heartbeat>();
    const absent: number[] = [];
    for (const [nodeId, machine] of this.machines) {
      if (machine.presence === 'absent') absent.push(nodeId);
      if (machine.presence !== 'member') continue;
      const results = Object.values(state.services).flatMap(({ sid, uid }): LrmResult[] => {
        const outcome = this.answers.get(`${nodeId} ${sid}`);
        return outcome === undefined ? [] : [{ sid, uid, outcome, detail: '' }];
      });
      const { bootId, commitIndex } = machine;
      members.set(nodeId, heartbeat(nodeId, { results, ...machine.lrm }, { bootId, commitIndex }));
    }
    const voters = [...this.machines].filter(([, { voter }]) => voter).map(([nodeId]) => nodeId);
    return {
      state,
      electorate: {
        nodes: voters.map((nodeId) => ({ nodeId, name: `node${nodeId}`, votes: 1 })),
        expectedVotes: voters.length,
      },
      rules: compileRules({
        rules: Object.values(state.rules),
        groups: Object.values(state.groups),
        services: Object.values(state.services),
        nodeNames: Object.values(state.nodes).map(({ name }) => name),
      }),
      members,
      order: inOrder(state),
      unheard: new Set([...this.machines].filter(([, { presence }]) => presence === 'unheard').map(([id]) => id)),
      silences: new Map(
        absent.map((nodeId) => [
          nodeId,
          voters
            .filter((fromId) => members.has(fromId))
            .map((fromId) => ({ fromId, silenceMs: this.machine(nodeId).silenceMs })),
        ]),
      ),
      loads: new Map(),
      serviceLoads: new Map(),
      leaseMs: 46_000,
      nowMs: this.nowMs,
      memory: this.memory,
    };
  }

  /** One round; whatever is refused, or changes something though it is refused. */
  round(): { readonly commands: readonly Command[]; readonly refused: readonly string[] } {
    const commands = decide(this.input());
    const refused: string[] = [];
    for (const command of commands) {
      const before = JSON.stringify(this.state);
      const result = apply(this.state, command, ++this.index);
      if (result.ok) continue;
      const unchanged = JSON.stringify(this.state) === before ? '' : ' (and changes something)';
      refused.push(`${JSON.stringify(command)}: ${result.message}${unchanged}`);
    }
    return { commands, refused };
  }
}

type Step = (world: Babel) => void;

const sidOf = fc.constantFrom(...sids);
const nodeOf = fc.constantFrom(...nodeIds);

function operator(command: fc.Arbitrary<Command>): fc.Arbitrary<Step> {
  return command.map((chosen) => (world: Babel) => {
    apply(world.state, chosen, ++world.index);
  });
}

const requested = fc.constantFrom('started', 'stopped', 'disabled', 'ignored' as const);

const steps: fc.Arbitrary<Step> = fc.oneof(
  operator(fc.record({ sid: sidOf, wish: requested }).map(({ sid, wish }) => add(sid, { requested: wish }))),
  operator(
    fc
      .record({ sid: sidOf, wish: requested })
      .map(({ sid, wish }) => ({ type: 'resource-set', sid, changes: { requested: wish }, unset: [] })),
  ),
  operator(sidOf.map((sid) => ({ type: 'resource-remove', sid, purge: true }))),
  operator(sidOf.map((sid) => ({ type: 'resource-stop', sid, timeoutS: 0 }))),
  operator(
    fc
      .record({ sid: sidOf, nodeId: nodeOf, kind: fc.constantFrom('migrate', 'relocate' as const) })
      .map(({ sid, nodeId, kind }) => ({ type: 'resource-move', sid, nodeId, kind })),
  ),
  operator(fc.record({ nodeId: nodeOf, enabled: fc.boolean() }).map((more) => ({ type: 'node-maintenance', ...more }))),
  operator(fc.constantFrom<Command>({ type: 'disarm', mode: 'freeze' }, { type: 'disarm', mode: 'ignore' })),
  operator(fc.constant({ type: 'arm' })),
  fc.record({ nodeId: nodeOf, sid: sidOf, outcome: fc.option(fc.constantFrom(...outcomes)) }).map((more) => {
    return (world: Babel) => {
      const key = `${more.nodeId} ${more.sid}`;
      if (more.outcome === null) world.answers.delete(key);
      else world.answers.set(key, more.outcome);
    };
  }),
  fc
    .record({ nodeId: nodeOf, presence: fc.constantFrom('member', 'member', 'unheard', 'absent' as const) })
    .map(({ nodeId, presence }) => (world: Babel) => {
      world.machine(nodeId).presence = presence;
      world.machine(nodeId).silenceMs = 0;
    }),
  fc
    .record({
      nodeId: nodeOf,
      lrm: fc.record({
        strays: fc.subarray([...sids]),
        canRun: fc.boolean(),
        active: fc.boolean(),
        empty: fc.boolean(),
        leaving: fc.boolean(),
        released: fc.boolean(),
        mode: fc.constantFrom('active' as const, ...modes),
      }),
    })
    .map(({ nodeId, lrm }) => (world: Babel) => {
      world.machine(nodeId).lrm = lrm;
    }),
  nodeOf.map((nodeId) => (world: Babel) => {
    world.machine(nodeId).lrm = {};
  }),
  nodeOf.map((nodeId) => (world: Babel) => {
    const machine = world.machine(nodeId);
    machine.bootId = `b${nodeId}.${++machine.boots}`;
    machine.lrm = {};
  }),
  fc.record({ nodeId: nodeOf, voter: fc.boolean() }).map(({ nodeId, voter }) => (world: Babel) => {
    const machine = world.machine(nodeId);
    machine.voter = voter;
    if (!voter) machine.presence = 'absent';
  }),
  nodeOf.map((nodeId) => (world: Babel) => {
    const node = world.state.nodes[nodeId];
    if (!node) return;
    apply(world.state, { type: 'node-fenced', nodeId, bootId: node.bootId, proof: 'operator' }, ++world.index);
  }),
  fc.constantFrom(1_000, 50_000, 70_000, 700_000, 4_000_000).map((byMs) => (world: Babel) => {
    world.nowMs += byMs;
    for (const machine of world.machines.values()) machine.silenceMs += byMs;
  }),
);

t.test('whatever nodes say, the manager asks for nothing that is refused', async () => {
  fc.assert(
    fc.property(fc.array(steps, { minLength: 1, maxLength: 60 }), fc.integer({ min: 1, max: 4 }), (walk, rounds) => {
      const world = new Babel();
      for (const step of walk) {
        step(world);
        for (let round = 0; round < rounds; round++) {
          const { refused } = world.round();
          if (refused.length > 0) throw new Error(refused.join('\n'));
        }
      }
    }),
    { numRuns: runs },
  );
});

/** Nodes that answer truly and do as they are told: everything must come to rest. */
t.test('with nodes that do as they are told, the manager comes to rest', async () => {
  fc.assert(
    fc.property(fc.array(steps, { minLength: 1, maxLength: 40 }), (walk) => {
      const world = new Babel();
      for (const step of walk) {
        step(world);
        world.round();
      }
      let last: readonly Command[] = [];
      for (const machine of world.machines.values()) {
        machine.lrm = {};
        if (machine.voter) machine.presence = 'member';
      }
      for (let round = 0; round < 100; round++) {
        world.nowMs += 50;
        world.answers.clear();
        for (const { sid, state, nodeId, running } of Object.values(world.state.services)) {
          const outcome = trueAnswer[state] ?? null;
          if (nodeId !== null && outcome !== null && !(running && state === 'started'))
            world.answers.set(`${nodeId} ${sid}`, outcome);
        }
        last = world.round().commands;
        if (last.length === 0) return;
      }
      throw new Error(`no rest: ${JSON.stringify(last)}`);
    }),
    { numRuns: runs },
  );
});

const trueAnswer: Partial<Record<string, LrmResult['outcome']>> = {
  started: 'running',
  request_stop: 'stopped',
  relocate: 'stopped',
  migrate: 'left',
  fence: 'stopped',
};

t.test('a node that is gone is not forgotten while a service that is stopped was there last', async (t) => {
  const world = new Babel();
  for (const sid of ['vm:2', 'vm:3']) apply(world.state, { type: 'resource-remove', sid, purge: true }, ++world.index);
  const home = { requested: 'disabled', state: 'stopped', nodeId: 3 } as const;
  for (let round = 0; round < 5; round++) world.round();
  const service = world.state.services['vm:1'];
  if (service === undefined) throw new Error('no service');
  world.state.services['vm:1'] = { ...service, ...home, bootId: null, running: false };
  Object.assign(world.machine(3), { presence: 'absent', voter: false });
  for (let round = 0; round < 5; round++) world.round();
  t.equal(world.state.nodes[3]?.state, 'gone');
  world.nowMs += 4_000_000;
  t.same(world.round(), { commands: [], refused: [] });
  t.ok(world.state.nodes[3]);
  apply(world.state, { type: 'resource-remove', sid: 'vm:1', purge: true }, ++world.index);
  world.round();
  world.round();
  t.notOk(world.state.nodes[3]);
});
