import { apply, type ClusterState, type Command, emptyState } from '../src/core/cluster-state.js';
import { compileRules } from '../src/core/compiled-rules.js';
import type { Effect } from '../src/core/effects.js';
import { follow, type Lrm, needsProtection, newLrm, type Operation, reconcile } from '../src/core/lrm.js';
import { onOutcome } from '../src/core/lrm-outcome.js';
import { allStopped, probedThrough, results, strays } from '../src/core/lrm-report.js';
import { decide } from '../src/core/manager.js';
import { forgetAll, newManagerMemory } from '../src/core/manager-memory.js';
import { inOrder, type ManagerInput } from '../src/core/manager-round.js';
import type { Heartbeat, LrmMode } from '../src/core/messages.js';
import { add } from './fixtures/add-resource.js';
import { heartbeat } from './fixtures/heartbeat.js';

/**
 * The manager and the local resource managers without a network: commits, heartbeats, operations, watchdogs and losses
 * come in any order, however unlikely. What the lease and the takeover wait promise is taken for granted: when a node is
 * reported silent for long enough, it has been reset if its watchdog was armed, and can start nothing if not.
 */

interface Operating {
  readonly sid: string;
  readonly operation: Operation;
  readonly targetId: number | null;
}

interface Machine {
  readonly nodeId: number;
  boots: number;
  up: boolean;
  present: boolean;
  leased: boolean;
  armed: boolean;
  /** Log index that it has committed. */
  known: number;
  state: ClusterState;
  lrm: Lrm;
  viewBase: number;
  hasKnownAll: boolean;
  ops: Map<number, Operating>;
  running: Set<string>;
  shutdown: 'restart' | 'shutdown' | 'maintenance' | null;
  heard: Heartbeat | null;
  silenceMs: number;
}

const nodeIds = [1, 2, 3] as const;
const sids = ['vm:1', 'ct:2'] as const;

export class ReviewModel {
  readonly log: Command[] = [];
  readonly state = emptyState();
  readonly machines: Machine[];
  readonly memory = newManagerMemory();
  readonly trace: string[] = [];
  violation: string | null = null;
  epoch = 1;
  nowMs = 1_000_000;
  #random: number;

  constructor(seed: number) {
    this.#random = seed;
    this.machines = nodeIds.map((nodeId) => this.#newMachine(nodeId));
    for (const sid of sids) this.command(add(sid));
  }

  // ---- chance ----

  random(): number {
    this.#random = (this.#random + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#random ^ (this.#random >>> 15), 1 | this.#random);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  pick<T>(from: readonly T[]): T {
    const chosen = from[Math.floor(this.random() * from.length)];
    if (chosen === undefined) throw new Error('nothing to choose from');
    return chosen;
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  // ---- the log ----

  command(command: Command): boolean {
    this.log.push(command);
    const result = apply(this.state, command, this.log.length);
    // Given up, it is nobody's any more: what becomes of it is the operator's business.
    if (result.ok && command.type === 'service-forget')
      for (const { running } of this.machines) running.delete(command.sid);
    const detail = 'sid' in command ? this.state.services[command.sid]?.state : '';
    this.say(
      `${this.log.length} ${JSON.stringify(command).slice(0, 300)} ${result.ok ? `ok ${detail}` : result.message}`,
    );
    return result.ok;
  }

  say(text: string): void {
    this.trace.push(text);
  }

  // ---- machines ----

  #newMachine(nodeId: number): Machine {
    return {
      nodeId,
      boots: 1,
      up: true,
      present: true,
      leased: true,
      armed: false,
      known: 0,
      state: emptyState(),
      lrm: newLrm(nodeId, `b${nodeId}.1`),
      viewBase: 0,
      hasKnownAll: false,
      ops: new Map(),
      running: new Set(),
      shutdown: null,
      heard: null,
      silenceMs: 0,
    };
  }

  bootId({ nodeId, boots }: Machine): string {
    return `b${nodeId}.${boots}`;
  }

  newView(): void {
    this.epoch++;
    forgetAll(this.memory, this.epoch);
    for (const machine of this.machines) {
      machine.heard = null;
      if (machine.present) machine.viewBase = this.log.length;
    }
  }

  #caughtUp(machine: Machine): boolean {
    return machine.present && machine.known >= machine.viewBase;
  }

  #mayStart(machine: Machine): boolean {
    const registered = machine.state.nodes[machine.nodeId];
    return (
      machine.armed &&
      machine.leased &&
      registered?.bootId === this.bootId(machine) &&
      registered.releasedBootId === null &&
      machine.state.disarm?.phase !== 'disarmed' &&
      machine.shutdown === null
    );
  }

  #hasLooked({ lrm, known }: Machine): boolean {
    return probedThrough(lrm) >= known;
  }

  #runsNothing(machine: Machine): boolean {
    return machine.hasKnownAll && this.#hasLooked(machine) && allStopped(machine.lrm);
  }

  #mode(machine: Machine): LrmMode {
    if (machine.state.disarm?.phase === 'disarmed') return 'disarm';
    const maintained = machine.state.nodes[machine.nodeId]?.maintenance === true;
    return maintained ? 'maintenance' : (machine.shutdown ?? 'active');
  }

  #isReleased(machine: Machine): boolean {
    if (machine.shutdown === null || !this.#runsNothing(machine)) return false;
    const waits = machine.lrm.mine.some(({ state }) => state !== 'freeze' && state !== 'error');
    return this.#mode(machine) === 'shutdown' || !waits;
  }

  #stopsAll(machine: Machine): boolean {
    if (machine.shutdown === null) return false;
    if (this.#mode(machine) === 'shutdown') return true;
    const { mine } = machine.lrm;
    return mine.length > 0 && mine.every(({ state }) => state === 'freeze' || state === 'error');
  }

  catchUp(machine: Machine, count: number): void {
    if (!machine.up || !machine.present) return;
    for (let i = 0; i < count && machine.known < this.log.length; i++) {
      const command = this.log[machine.known];
      if (command === undefined) throw new Error('gap');
      apply(machine.state, structuredClone(command), ++machine.known);
    }
    if (this.#caughtUp(machine)) machine.hasKnownAll = true;
    this.say(`   node ${machine.nodeId} knows ${machine.known}`);
  }

  act(machine: Machine): void {
    if (!machine.up) return;
    const { lrm, state } = machine;
    if (state.nodes[machine.nodeId]?.fencedBootIds.includes(this.bootId(machine))) {
      this.die(machine, 'it was declared fenced');
      return;
    }
    const effects: Effect[] = [];
    follow(lrm, state, machine.known);
    const permission = {
      caughtUp: this.#caughtUp(machine),
      mayStart: this.#mayStart(machine),
      stopAll: this.#stopsAll(machine),
      isAwaited: ({ sid, uid, targetId, targetBootId }: (typeof lrm.mine)[number]) => {
        const heard = this.machines.find(({ nodeId }) => nodeId === targetId)?.heard;
        if (!heard || !machine.present || heard.bootId !== targetBootId) return false;
        return heard.lrm.results.some((r) => r.sid === sid && r.uid === uid && r.outcome === 'ready');
      },
      isInView: (nodeId: number | null) =>
        machine.present && this.machines.some((other) => other.nodeId === nodeId && other.present),
    };
    reconcile(lrm, permission, this.nowMs, effects);
    for (const effect of effects) {
      if (effect.type !== 'operate') continue;
      const { operation, service, targetId } = effect;
      machine.ops.set(effect.operationId, { sid: service.sid, operation, targetId });
      this.say(`   node ${machine.nodeId} begins to ${operation} ${service.sid}`);
    }
  }

  beat(machine: Machine): void {
    if (!machine.up || !machine.present) return;
    const { lrm } = machine;
    machine.heard = heartbeat(
      machine.nodeId,
      {
        results: results(lrm, this.#mayStart(machine)),
        strays: strays(lrm),
        probedThrough: probedThrough(lrm),
        canRun: machine.shutdown === null && machine.state.disarm?.phase !== 'disarmed',
        active: machine.armed && machine.leased,
        mode: this.#mode(machine),
        leaving: machine.shutdown !== null,
        empty: this.#runsNothing(machine),
        released: this.#isReleased(machine),
      },
      { bootId: this.bootId(machine), commitIndex: machine.known, epoch: this.epoch },
    );
    this.say(`   node ${machine.nodeId} beats: ${JSON.stringify(machine.heard.lrm)}`);
  }

  finish(machine: Machine, operationId: number): void {
    const op = machine.ops.get(operationId);
    if (op === undefined) return;
    machine.ops.delete(operationId);
    const outcome = this.#carryOut(machine, op);
    this.say(`   node ${machine.nodeId}: ${op.operation} of ${op.sid} ends with ${outcome}`);
    onOutcome(
      machine.lrm,
      { operationId, outcome, permanent: false, detail: '', monitorIntervalMs: 10_000 },
      this.nowMs,
      [],
    );
  }

  #carryOut(machine: Machine, { sid, operation, targetId }: Operating): 'running' | 'stopped' | 'failed' | 'error' {
    const { running } = machine;
    switch (operation) {
      case 'monitor':
        return running.has(sid) ? 'running' : 'stopped';
      case 'start':
        if (this.chance(0.15)) return 'error';
        this.begins(machine, sid);
        return this.chance(0.1) ? 'error' : 'running';
      case 'stop':
        if (this.chance(0.1)) return 'error';
        running.delete(sid);
        return 'stopped';
      case 'migrate': {
        const target = this.machines.find(({ nodeId }) => nodeId === targetId);
        if (!running.has(sid)) return 'stopped';
        if (target === undefined || !target.up || this.chance(0.2)) return 'running';
        running.delete(sid);
        this.begins(target, sid);
        return this.chance(0.2) ? 'error' : 'stopped';
      }
    }
  }

  begins(machine: Machine, sid: string): void {
    const other = this.machines.find((peer) => peer !== machine && peer.up && peer.running.has(sid));
    if (other !== undefined) {
      this.violation ??= `${sid} begins on node ${machine.nodeId} while it runs on node ${other.nodeId}`;
      this.say(`!! ${this.violation}`);
    }
    machine.running.add(sid);
  }

  die(machine: Machine, why: string): void {
    this.say(`-- node ${machine.nodeId} dies: ${why}`);
    const wasPresent = machine.present;
    machine.ops.clear();
    Object.assign(machine, { up: false, present: false, armed: false, leased: false, shutdown: null });
    machine.running.clear();
    machine.silenceMs = 0;
    if (wasPresent) this.newView();
  }

  boot(machine: Machine): void {
    if (machine.up) return;
    machine.boots++;
    this.say(`-- node ${machine.nodeId} boots ${machine.boots}`);
    this.#startAgent(machine);
    Object.assign(machine, { up: true, present: true, leased: true, armed: false, silenceMs: 0 });
    this.newView();
  }

  #startAgent(machine: Machine): void {
    machine.lrm = newLrm(machine.nodeId, this.bootId(machine));
    machine.hasKnownAll = false;
    machine.ops.clear();
    machine.shutdown = null;
  }

  restartAgent(machine: Machine): void {
    if (!machine.up) return;
    this.say(`-- agent of node ${machine.nodeId} restarts`);
    this.#startAgent(machine);
    if (machine.present) this.newView();
  }

  cut(machine: Machine): void {
    if (!machine.present || this.machines.filter(({ present }) => present).length <= 2) return;
    this.say(`-- node ${machine.nodeId} is cut off`);
    machine.present = false;
    machine.silenceMs = 0;
    this.newView();
  }

  join(machine: Machine): void {
    if (!machine.up || machine.present) return;
    this.say(`-- node ${machine.nodeId} is back`);
    Object.assign(machine, { present: true, leased: true, silenceMs: 0 });
    this.newView();
  }

  /** Its takeover time passes: whoever was armed is reset by then. */
  wait(machine: Machine): void {
    if (machine.present || machine.silenceMs > 0) return;
    machine.leased = false;
    if (machine.up && machine.armed) this.die(machine, 'its watchdog fired');
    machine.silenceMs = 100_000;
    this.say(`-- the takeover time of node ${machine.nodeId} passes`);
  }

  watch(machine: Machine): void {
    if (!machine.up || !machine.present) return;
    const needed = needsProtection(machine.lrm);
    if (needed && !machine.armed && machine.leased) {
      machine.armed = true;
      this.say(`   node ${machine.nodeId} arms`);
    } else if (!needed && machine.armed && this.#caughtUp(machine) && this.#hasLooked(machine)) {
      machine.armed = false;
      this.say(`   node ${machine.nodeId} releases its watchdog`);
    }
  }

  /** Its shutdown is prepared, and it goes down at last. */
  powerOff(machine: Machine): void {
    if (machine.shutdown === null) return;
    if (machine.state.nodes[machine.nodeId]?.releasedBootId !== this.bootId(machine)) return;
    this.die(machine, 'powered off');
  }

  // ---- the manager ----

  input(): ManagerInput {
    const { state } = this;
    const present = this.machines.filter((machine) => machine.present);
    const members = new Map<number, Heartbeat>();
    for (const { nodeId, heard } of present) if (heard !== null) members.set(nodeId, heard);
    return {
      state,
      electorate: {
        nodes: nodeIds.map((nodeId) => ({ nodeId, name: `node${nodeId}`, votes: 1 })),
        expectedVotes: nodeIds.length,
      },
      rules: compileRules({
        rules: [],
        groups: [],
        services: Object.values(state.services),
        nodeNames: Object.values(state.nodes).map(({ name }) => name),
      }),
      members,
      order: inOrder(state),
      unheard: new Set(present.filter(({ heard }) => heard === null).map(({ nodeId }) => nodeId)),
      silences: new Map(
        this.machines
          .filter((machine) => !machine.present)
          .map(({ nodeId, silenceMs }) => [nodeId, [...members.keys()].map((fromId) => ({ fromId, silenceMs }))]),
      ),
      loads: new Map(),
      serviceLoads: new Map(),
      leaseMs: 46_000,
      nowMs: this.nowMs,
      memory: this.memory,
    };
  }

  decide(): number {
    const commands = decide(this.input());
    for (const command of commands) {
      if (!this.command(command)) this.violation ??= `refused: ${JSON.stringify(command)}`;
    }
    return commands.length;
  }

  // ---- one step ----

  operator(): void {
    const sid = this.pick(sids);
    const nodeId = this.pick(nodeIds);
    const requested = this.pick(['started', 'started', 'stopped', 'disabled', 'ignored'] as const);
    const machine = this.pick(this.machines);
    const commands: readonly Command[] = [
      { type: 'resource-set', sid, changes: { requested }, unset: [] },
      { type: 'resource-set', sid, changes: { requested }, unset: [] },
      { type: 'resource-move', sid, kind: this.pick(['migrate', 'relocate']), nodeId },
      { type: 'resource-move', sid, kind: this.pick(['migrate', 'relocate']), nodeId },
      { type: 'resource-stop', sid, timeoutS: null },
      { type: 'node-maintenance', nodeId, enabled: this.chance(0.3) },
      { type: 'resource-move', sid, kind: this.pick(['migrate', 'relocate']), nodeId },
      { type: 'disarm', mode: this.pick(['freeze', 'ignore']) },
      { type: 'arm' },
      { type: 'resource-remove', sid, purge: true },
      add(sid, { requested }),
      { type: 'options-set', changes: { scheduler: 'static', rebalanceOnStart: this.chance(0.5) } },
    ];
    if (!machine.up && this.chance(0.2)) {
      this.command({ type: 'node-fenced', nodeId: machine.nodeId, bootId: this.bootId(machine), proof: 'operator' });
      return;
    }
    const gone = sids.find((other) => this.state.services[other] === undefined);
    if (gone !== undefined && this.chance(0.4)) this.command(add(gone));
    else if (this.state.disarm !== null && this.chance(0.5)) this.command({ type: 'arm' });
    else this.command(this.pick(commands));
  }

  step(): void {
    const machine = this.pick(this.machines);
    const roll = this.random();
    this.nowMs += this.chance(0.005) ? 700_000 : 500;
    if (roll < 0.25) this.catchUp(machine, this.pick([1, 2, 100, 100]));
    else if (roll < 0.5) this.beat(machine);
    else if (roll < 0.68) this.decide();
    else if (roll < 0.83) {
      const ops = [...machine.ops.keys()];
      if (ops.length > 0) this.finish(machine, this.pick(ops));
    } else if (roll < 0.94) this.watch(machine);
    else if (roll < 0.96) this.operator();
    else if (roll < 0.966) this.cut(machine);
    else if (roll < 0.974) this.join(machine);
    else if (roll < 0.98) this.wait(machine);
    else if (roll < 0.988) this.boot(machine);
    else if (roll < 0.99) this.restartAgent(machine);
    else if (roll < 0.991) this.die(machine, 'power');
    else if (roll < 0.993 && machine.present && machine.shutdown === null) {
      machine.shutdown = this.pick(['restart', 'shutdown', 'maintenance']);
      this.say(`-- node ${machine.nodeId} is to go down: ${machine.shutdown}`);
    } else this.powerOff(machine);
    this.act(machine);
    if (machine.up && machine.shutdown !== null && this.chance(0.02)) this.powerOff(machine);
  }
}
