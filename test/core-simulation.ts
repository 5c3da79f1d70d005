/**
 * A small world for the core: machines with watchdogs and drifting clocks, an ordered multicast that splits and
 * merges, disks, resources. Everything follows from the seed. What must never be is checked outside the code
 * under test, at every change: see `violations`.
 */
import { deriveBudget } from '../src/core/budget.js';
import { apply, type ClusterState, type Command, emptyState } from '../src/core/cluster-state.js';
import type { Effect } from '../src/core/effects.js';
import { isQuorum } from '../src/core/electorate.js';
import { blankRecord, type DurableRecord } from '../src/core/log.js';
import type { Entry, Message } from '../src/core/messages.js';
import { newNode, step } from '../src/core/node.js';
import type { NodeEvent, NodeState } from '../src/core/node-state.js';

export interface SimulationOptions {
  readonly nodes: number;
  readonly fenceBoundMs: number;
  readonly seed: number;
  /** Votes of each node, in the order of their ids; 1 each unless given. */
  readonly votes?: readonly number[];
  /** Machines beyond `nodes` that exist, and that no nodelist holds and nobody has switched on. */
  readonly spares?: number;
  /** Votes of a quorum device; none unless given. */
  readonly deviceVotes?: number;
}

/** What one node's corosync.conf says. */
export interface CorosyncConf {
  readonly votes: ReadonlyMap<number, number>;
  readonly deviceVotes: number;
}

/** The device's timeouts; together with the token they fit a bound of 15 s. */
const deviceSyncTimeoutMs = 500;
const deviceTimeoutMs = 1_000;

/** Totem's token 1000 and consensus 1200: a loss is seen after this. */
const lossSeenMs = 2_200;
const mergeSeenMs = 400;

interface Machine {
  readonly nodeId: number;
  readonly offsetMs: number;
  readonly rate: number;
  up: boolean;
  boots: number;
  bootedAtMs: number;
  running: Set<string>;
  disk: DurableRecord | null;
  diskFull: boolean;
  /** Nothing written comes back before this. */
  diskHangsUntilMs: number;
  /** Each save takes this much longer. */
  diskDelayMs: number;
  /** What was on the disk cannot be read any more, and nothing has been stored since. */
  diskLost: boolean;
  /** What its next agent is configured with; the longest of this boot is what the machine answers for. */
  fenceBoundMs: number;
  longestBoundMs: number;
  quorumOptions: string[];
  conf: CorosyncConf;
  /** Votequorum counts the device's votes in its ring. */
  deviceVotes: boolean;
  corosyncStopped: boolean;
  /** The process is gone, as opposed to stopped. */
  corosyncDown: boolean;
  /** What a stopped corosync has taken from its client and not sent. */
  held: Uint8ArrayLike[];
  /** What the ring has delivered meanwhile; a stop too short for the ring to break loses nothing. */
  missed: NodeEvent[];
  /** What has arrived while the agent's event loop stands still. */
  inbox: NodeEvent[];
  stalledUntilMs: number;
  agent: AgentProcess | null;
  agentStarts: number;
  /** Watchdog: fires at this true time; null: not armed. */
  firesAtMs: number | null;
  /** T_eff as last set. */
  effectiveMs: number;
  /** Until when operations on a resource go on, whoever began them: its driver waits for them. */
  busyUntilMs: Map<string, number>;
  ring: number;
  /** Members of that ring when it formed. */
  ringSize: number;
  /** Since when it is out of quorum in truth; null: it is quorate. */
  cutSinceMs: number | null;
}

type Uint8ArrayLike = { readonly from: number; readonly message: Message };

interface AgentProcess {
  readonly generation: number;
  readonly node: NodeState;
  armed: boolean;
  leaseDeadlineMs: number;
  saving: boolean;
  unsaved: DurableRecord | null;
}

export interface Violation {
  readonly atMs: number;
  readonly text: string;
}

export class Simulation {
  nowMs = 1_000_000;
  readonly machines: Machine[];
  readonly violations: Violation[] = [];
  readonly fenced: { readonly nodeId: number; readonly atMs: number }[] = [];
  readonly resets: { readonly nodeId: number; readonly atMs: number; readonly sincePetMs: number }[] = [];
  /** Answers to clients. */
  readonly answers = new Map<string, { readonly index: number | null }>();
  /** The one true log: the first commit of each index, by anybody. */
  readonly committed: Entry[] = [];
  readonly oracle: ClusterState = emptyState();
  readonly #options: SimulationOptions;
  #random: number;
  #queue: { readonly atMs: number; readonly order: number; readonly run: () => void }[] = [];
  #order = 0;
  #ringSeq = 1;
  #links: boolean[][];
  #requests = 0;
  /** Bugs planted by a test in the world itself. */
  readonly worldOptions = { keeperStalls: false, lossRate: 0, failureRate: 0, slowDisks: false };

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#random = options.seed * 2_654_435_761 + 12_345;
    const count = options.nodes + (options.spares ?? 0);
    this.#links = Array.from({ length: count }, () => Array.from({ length: count }, () => true));
    this.machines = Array.from({ length: count }, (_, i) => this.#newMachine(i + 1));
    for (const machine of this.machines.slice(0, options.nodes)) this.boot(machine.nodeId);
    this.#reform(mergeSeenMs);
  }

  #newMachine(nodeId: number): Machine {
    return {
      nodeId,
      offsetMs: this.int(0, 1_000_000),
      rate: 1 + (this.random() - 0.5) / 1_000,
      up: false,
      boots: 0,
      bootedAtMs: 0,
      running: new Set(),
      disk: null,
      diskFull: false,
      diskHangsUntilMs: 0,
      diskDelayMs: 0,
      diskLost: false,
      fenceBoundMs: this.#options.fenceBoundMs,
      longestBoundMs: this.#options.fenceBoundMs,
      quorumOptions: [],
      conf: this.#firstConf(),
      deviceVotes: false,
      corosyncStopped: false,
      corosyncDown: false,
      held: [],
      missed: [],
      inbox: [],
      stalledUntilMs: 0,
      agent: null,
      agentStarts: 0,
      firesAtMs: null,
      effectiveMs: 0,
      busyUntilMs: new Map(),
      ring: 0,
      ringSize: 0,
      cutSinceMs: null,
    };
  }

  #firstConf(): CorosyncConf {
    const { nodes, votes, deviceVotes = 0 } = this.#options;
    const each = Array.from({ length: nodes }, (_, i) => [i + 1, votes?.[i] ?? 1] as const);
    return { votes: new Map(each), deviceVotes };
  }

  // ---- chance and time ----

  random(): number {
    // mulberry32
    this.#random = (this.#random + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#random ^ (this.#random >>> 15), 1 | this.#random);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  int(from: number, to: number): number {
    return from + Math.floor(this.random() * (to - from + 1));
  }

  after(delayMs: number, run: () => void): void {
    const item = { atMs: this.nowMs + delayMs, order: this.#order++, run };
    let at = this.#queue.length;
    while (at > 0 && (this.#queue[at - 1]?.atMs ?? 0) > item.atMs) at--;
    this.#queue.splice(at, 0, item);
  }

  run(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    for (let next = this.#queue[0]; next !== undefined && next.atMs <= endMs; next = this.#queue[0]) {
      this.#queue.shift();
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = endMs;
  }

  machine(nodeId: number): Machine {
    const machine = this.machines[nodeId - 1];
    if (machine === undefined) throw new Error(`no machine ${nodeId}`);
    return machine;
  }

  #clockMs(machine: Machine): number {
    return Math.floor(machine.offsetMs + (this.nowMs - machine.bootedAtMs) * machine.rate);
  }

  onViolation?: (text: string) => void;
  violation(text: string): void {
    this.onViolation?.(text);
    this.violations.push({ atMs: this.nowMs, text });
  }

  // ---- machines ----

  boot(nodeId: number): void {
    const machine = this.machine(nodeId);
    if (machine.up) return;
    machine.up = true;
    machine.boots++;
    machine.bootedAtMs = this.nowMs;
    machine.corosyncStopped = false;
    machine.corosyncDown = false;
    machine.held = [];
    machine.missed = [];
    machine.busyUntilMs.clear();
    machine.longestBoundMs = machine.fenceBoundMs;
    this.startAgent(nodeId);
    this.#reform(mergeSeenMs);
  }

  powerOff(nodeId: number): void {
    const machine = this.machine(nodeId);
    if (!machine.up) return;
    machine.up = false;
    machine.running.clear();
    machine.agent = null;
    machine.firesAtMs = null;
    machine.ring = 0;
    machine.cutSinceMs = null;
    this.#reform(lossSeenMs);
  }

  #reset(machine: Machine, petAgoMs: number): void {
    this.resets.push({ nodeId: machine.nodeId, atMs: this.nowMs, sincePetMs: petAgoMs });
    this.powerOff(machine.nodeId);
    this.after(this.int(2_000, 20_000), () => this.boot(machine.nodeId));
  }

  startAgent(nodeId: number): void {
    const machine = this.machine(nodeId);
    if (!machine.up || machine.agent !== null) return;
    machine.agentStarts++;
    machine.inbox = [];
    machine.missed = [];
    machine.stalledUntilMs = 0;
    machine.longestBoundMs = Math.max(machine.longestBoundMs, machine.fenceBoundMs);
    const node = newNode(
      {
        incarnation: `${nodeId}.${machine.agentStarts}`,
        bootId: `boot-${nodeId}-${machine.boots}`,
        startedMs: this.#clockMs(machine),
        fenceBoundMs: machine.fenceBoundMs,
        watchdog: { kappa: 1, minTimeoutS: 1, maxTimeoutS: 0, active: machine.firesAtMs !== null },
        protectionLabel: 'protected',
        refusal: null,
        migratesLive: [],
      },
      machine.disk ?? blankRecord(machine.diskLost),
    );
    machine.agent = {
      generation: machine.agentStarts,
      node,
      armed: false,
      leaseDeadlineMs: 0,
      saving: false,
      unsaved: null,
    };
    if (!machine.corosyncDown) this.#configure(machine);
    this.#tick(machine, machine.agentStarts);
    this.#announceRing(machine);
    for (const other of this.#ringOf(machine)) if (other !== machine) this.#announceGroup(other, [nodeId]);
  }

  /** Killed: the kernel pets once more on behalf of the dead process, and only then lets the watchdog run. */
  killAgent(nodeId: number, restartAfterMs: number | null): void {
    const machine = this.machine(nodeId);
    if (!machine.up || machine.agent === null) return;
    const { armed } = machine.agent;
    machine.agent = null;
    // Only a process that has the device open pets it by dying.
    if (armed && machine.firesAtMs !== null) this.#pet(machine);
    for (const other of this.#ringOf(machine)) this.#announceGroup(other, []);
    const { boots } = machine;
    if (restartAfterMs !== null) this.after(restartAfterMs, () => machine.boots === boots && this.startAgent(nodeId));
  }

  /** Its event loop stands still for so long; the keeper and corosync go on. */
  stallAgent(nodeId: number, durationMs: number): void {
    const machine = this.machine(nodeId);
    const { agent } = machine;
    if (agent === null) return;
    const untilMs = this.nowMs + durationMs;
    machine.stalledUntilMs = Math.max(machine.stalledUntilMs, untilMs);
    this.after(durationMs, () => {
      if (machine.agent !== agent || machine.stalledUntilMs > this.nowMs) return;
      const inbox = machine.inbox;
      machine.inbox = [];
      for (const event of inbox) this.#dispatch(machine, event);
    });
  }

  /** Told to end, by systemd for instance. */
  shutDownAgent(nodeId: number, restartAfterMs: number | null): void {
    const machine = this.machine(nodeId);
    if (!machine.up || machine.agent === null) return;
    machine.stalledUntilMs = 0;
    this.#dispatch(machine, { type: 'shutdown', kind: 'restart' });
    this.killAgent(nodeId, restartAfterMs);
  }

  /** Its state directory is damaged while no agent runs; only where the others, a quorum, know everything. */
  loseDisk(nodeId: number): void {
    const others = this.machines.filter((other) => other.nodeId !== nodeId && other.disk?.valid);
    const { electorate } = this.oracle;
    const knowAll =
      electorate !== undefined &&
      isQuorum(
        electorate,
        others.map((other) => other.nodeId),
      );
    const all = electorate?.nodes.every(
      (voter) => voter.nodeId === nodeId || others.some((o) => o.nodeId === voter.nodeId),
    );
    // A change that some node has stored may be committed, and counts the stores of its own electorate.
    const changing = this.machines.some(({ disk }) =>
      disk?.entries.some(({ index, command }) => index > disk.commitIndex && command.type === 'electorate'),
    );
    if (!knowAll || !all || changing || electorate?.former) return;
    this.destroyDisk(nodeId);
  }

  destroyDisk(nodeId: number): void {
    const machine = this.machine(nodeId);
    this.killAgent(nodeId, null);
    machine.disk = null;
    machine.diskLost = true;
  }

  /** By the machine's own corosync.conf; the device's votes where it gives them. */
  #isQuorate(machine: Machine, reach: readonly Machine[]): boolean {
    const { votes, deviceVotes } = machine.conf;
    if (!votes.has(machine.nodeId)) return false;
    const present = reach.reduce((sum, { nodeId }) => sum + (votes.get(nodeId) ?? 0), 0);
    const all = [...votes.values()].reduce((sum, each) => sum + each, deviceVotes);
    return present + (machine.deviceVotes ? deviceVotes : 0) > all / 2;
  }

  /** Corosync is told to read its configuration again. */
  reload(nodeId: number, quorumOptions: string[]): void {
    const machine = this.machine(nodeId);
    machine.quorumOptions = quorumOptions;
    if (!machine.corosyncDown && !machine.corosyncStopped) this.#configure(machine);
  }

  /** Another corosync.conf on some nodes, reloaded at once. Nodes that do not list each other do not speak. */
  reconfigure(nodeIds: readonly number[], conf: CorosyncConf): void {
    for (const nodeId of nodeIds) {
      const machine = this.machine(nodeId);
      machine.conf = conf;
      if (!machine.up || machine.corosyncDown || machine.corosyncStopped) continue;
      this.#configure(machine);
      this.#announceQuorum(machine);
    }
    this.#reform(mergeSeenMs);
  }

  #configure(machine: Machine): void {
    const { votes, deviceVotes } = machine.conf;
    const nodes = [...votes].map(([nodeId, each]) => ({ nodeId, name: `node${nodeId}`, votes: each }));
    const configuration = {
      localNodeId: machine.nodeId,
      clusterName: 'simulated',
      nodes,
      expectedVotes: nodes.reduce((sum, node) => sum + node.votes, deviceVotes),
      deviceVotes,
      tokenMs: 1_000,
      consensusMs: 1_200,
      deviceTimeoutMs,
      deviceSyncTimeoutMs,
      quorumOptions: machine.quorumOptions,
    };
    this.#dispatch(machine, { type: 'configuration', configuration });
  }

  // ---- the quorum device ----

  /** Rings of nodes that know the device; it gives its vote to one of them, and to whom is its own affair. */
  #deviceChooses(): void {
    const known = this.machines.filter(
      (machine) => machine.up && machine.ring !== 0 && machine.conf.deviceVotes > 0 && !machine.corosyncStopped,
    );
    const reaching = known.filter((machine) => !this.deviceCut.has(machine.nodeId));
    const holder = reaching.find((machine) => machine.nodeId === this.devicePrefers);
    const chosen = holder ?? reaching[this.int(0, Math.max(0, reaching.length - 1))];
    for (const machine of known) this.#giveDevice(machine, chosen !== undefined && machine.ring === chosen.ring);
  }

  /** Gained at once; lost when votequorum notices. */
  #giveDevice(machine: Machine, votes: boolean): void {
    const { boots, ring } = machine;
    const change = (): void => {
      if (!machine.up || machine.boots !== boots || machine.ring !== ring || machine.deviceVotes === votes) return;
      if (!votes && this.#deviceRing === ring) return;
      machine.deviceVotes = votes;
      this.#noteCuts();
      this.#announceQuorum(machine);
    };
    if (votes) this.#deviceRing = ring;
    if (votes) change();
    else this.after(this.int(0, deviceTimeoutMs + deviceSyncTimeoutMs), change);
  }

  /** The device's mind: whose ring is to have its vote, and who does not reach it. */
  moveDevice(toNodeId: number, cut: readonly number[] = []): void {
    this.devicePrefers = toNodeId;
    this.deviceCut = new Set(cut);
    this.#deviceRing = 0;
    this.#deviceChooses();
  }

  devicePrefers = 1;
  deviceCut = new Set<number>();
  #deviceRing = 0;

  // ---- watchdog and keeper ----

  #pet(machine: Machine): void {
    const { effectiveMs } = machine;
    const firesAtMs = this.nowMs + effectiveMs;
    machine.firesAtMs = firesAtMs;
    const { boots } = machine;
    this.after(effectiveMs, () => {
      if (machine.up && machine.boots === boots && machine.firesAtMs === firesAtMs) this.#reset(machine, effectiveMs);
    });
  }

  #keeper(machine: Machine, agent: AgentProcess): void {
    if (machine.agent !== agent || !machine.up) return;
    const leftMs = (agent.leaseDeadlineMs - this.#clockMs(machine)) / machine.rate;
    if (leftMs <= 0) {
      // A stalled keeper cannot even ask for the reset: the hardware does it.
      if (!this.worldOptions.keeperStalls) this.#reset(machine, 0);
      return;
    }
    // Between the check and the pet the thread may stall, for as long as the watchdog lets it live.
    const stallMs = this.worldOptions.keeperStalls && this.random() < 0.05 ? this.int(0, machine.effectiveMs - 1) : 0;
    this.after(stallMs, () => {
      if (machine.agent !== agent || !machine.up || machine.firesAtMs === null) return;
      this.#pet(machine);
      this.after(Math.min(1_000, Math.max(1, leftMs - stallMs)), () => this.#keeper(machine, agent));
    });
  }

  // ---- the network ----

  connect(a: number, b: number, connected: boolean): void {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const row = this.#links[from - 1];
      if (row !== undefined) row[to - 1] = connected;
    }
  }

  partition(...groups: readonly (readonly number[])[]): void {
    for (const a of this.machines) {
      for (const b of this.machines) {
        this.connect(
          a.nodeId,
          b.nodeId,
          groups.some((group) => group.includes(a.nodeId) && group.includes(b.nodeId)),
        );
      }
    }
    this.#reform(lossSeenMs);
  }

  heal(): void {
    for (const row of this.#links) row.fill(true);
    this.#reform(mergeSeenMs);
  }

  stopCorosync(nodeId: number): void {
    const machine = this.machine(nodeId);
    if (!machine.up) return;
    machine.corosyncStopped = true;
    this.#reform(lossSeenMs);
  }

  continueCorosync(nodeId: number): void {
    const machine = this.machine(nodeId);
    if (!machine.up || !machine.corosyncStopped) return;
    machine.corosyncStopped = false;
    // Votequorum's timer for the device has run out long ago.
    if (machine.ring !== this.#deviceRing) machine.deviceVotes = false;
    const missed = machine.missed;
    machine.missed = [];
    for (const event of missed) this.#dispatch(machine, event);
    this.#reform(mergeSeenMs);
  }

  /** The agent lives on, loses its connection, and gets another to a corosync that knows nothing of the first. */
  restartCorosync(nodeId: number, downMs: number): void {
    const machine = this.machine(nodeId);
    if (!machine.up || machine.corosyncDown) return;
    Object.assign(machine, { corosyncDown: true, corosyncStopped: false, held: [], missed: [], ring: 0 });
    this.#dispatch(machine, { type: 'disconnected', reason: 'killed' });
    this.#reform(lossSeenMs);
    const { boots } = machine;
    this.after(downMs, () => {
      if (!machine.up || machine.boots !== boots) return;
      machine.corosyncDown = false;
      this.#configure(machine);
      this.#reform(mergeSeenMs);
    });
  }

  #linked(a: Machine, b: Machine): boolean {
    if (a === b) return true;
    // Corosync does not run on a node that its own nodelist does not hold.
    if (!a.conf.votes.has(a.nodeId) || !b.conf.votes.has(b.nodeId)) return false;
    if (!a.up || !b.up || a.corosyncStopped || b.corosyncStopped || a.corosyncDown || b.corosyncDown) return false;
    if (!a.conf.votes.has(b.nodeId) || !b.conf.votes.has(a.nodeId)) return false;
    return this.#links[a.nodeId - 1]?.[b.nodeId - 1] === true;
  }

  #ringOf(machine: Machine): Machine[] {
    return this.machines.filter((other) => other.up && other.ring === machine.ring && machine.ring !== 0);
  }

  /** The machines that can reach each other form new rings, some time after something has changed. */
  #reform(delayMs: number): void {
    this.#noteCuts();
    this.after(delayMs + this.int(0, 300), () => this.#formRings());
  }

  #formRings(): void {
    const assigned = new Set<Machine>();
    const fresh: Machine[] = [];
    for (const machine of this.machines) {
      if (!machine.up || assigned.has(machine) || machine.corosyncStopped || machine.corosyncDown) continue;
      // Nodelists that differ make links that are not transitive; a ring is of nodes that all reach each other.
      const members = [machine];
      for (const other of this.machines) {
        if (other === machine || other.corosyncStopped || other.corosyncDown || !other.up || assigned.has(other))
          continue;
        if (members.every((member) => this.#linked(member, other))) members.push(other);
      }
      members.sort((a, b) => a.nodeId - b.nodeId);
      for (const member of members) assigned.add(member);
      const same = members.every((member) => member.ring === machine.ring) && machine.ringSize === members.length;
      if (same && machine.ring !== 0) continue;
      const ring = ++this.#ringSeq;
      for (const other of this.machines) if (other.corosyncStopped) other.missed = [];
      for (const member of members) Object.assign(member, { ring, ringSize: members.length, deviceVotes: false });
      fresh.push(...members);
    }
    // The device answers before votequorum says anything of a new ring.
    this.#deviceRing = 0;
    for (const machine of fresh) this.#pendingRing.add(machine);
    this.#deviceChooses();
    this.#pendingRing.clear();
    for (const machine of fresh) this.#announceRing(machine);
    this.#noteCuts();
    for (const machine of this.machines) this.#sendHeld(machine);
  }

  #sendHeld(machine: Machine): void {
    if (!machine.up || machine.corosyncStopped) return;
    const held = machine.held;
    machine.held = [];
    for (const { message } of held) this.#multicast(machine, message);
  }

  readonly #pendingRing = new Set<Machine>();

  #announceQuorum(machine: Machine): void {
    if (machine.ring === 0 || this.#pendingRing.has(machine)) return;
    this.#deliver(machine, { type: 'quorum', ...this.#quorumOf(machine) });
  }

  #quorumOf(machine: Machine) {
    const machines = this.#ringOf(machine);
    const members = machines.map((member) => member.nodeId);
    return { quorate: this.#isQuorate(machine, machines), ring: this.#ringId(machine), members };
  }

  #ringId(machine: Machine) {
    return { nodeId: Math.min(...this.#ringOf(machine).map((member) => member.nodeId)), seq: machine.ring };
  }

  /** CPG's and the quorum service's events, in either order. */
  #announceRing(machine: Machine): void {
    if (machine.ring === 0) return;
    const members = this.#ringOf(machine).map((member) => member.nodeId);
    const ring = this.#ringId(machine);
    const totem = (): void => {
      this.#deliver(machine, { type: 'ring', ring, members });
      this.#announceGroup(machine, []);
    };
    const quorum = (): void => this.#announceQuorum(machine);
    // CPG tells of a ring before it delivers anything in it; the quorum service has no order with that.
    const quorumFirst = this.random() < 0.5;
    if (quorumFirst) quorum();
    totem();
    if (!quorumFirst) this.after(this.int(0, 50), () => machine.ring === ring.seq && quorum());
  }

  #announceGroup(machine: Machine, joined: readonly number[]): void {
    const members = this.#ringOf(machine)
      .filter((member) => member.agent !== null)
      .map(({ nodeId }) => ({ nodeId }));
    this.#deliver(machine, { type: 'group', members, joined: joined.map((nodeId) => ({ nodeId })) });
  }

  /** Delivered in one order to all of the ring; whoever leaves the ring before misses it. */
  #multicast(sender: Machine, message: Message): void {
    if (sender.corosyncStopped) {
      if (sender.held.length < 200) sender.held.push({ from: sender.nodeId, message });
      return;
    }
    const ring = sender.ring;
    // Lost is what the sender's own full queue does not take.
    if (ring === 0 || this.random() < this.worldOptions.lossRate) return;
    // A message on its way when the link goes reaches only some of those who are left.
    this.#channel(ring, () => {
      for (const receiver of this.machines) {
        if (!receiver.up || receiver.ring !== ring || !this.#linked(sender, receiver)) continue;
        this.#deliver(receiver, { type: 'message', fromId: sender.nodeId, message: structuredClone(message) });
      }
    });
  }

  readonly #channelFreeMs = new Map<number, number>();

  #channel(ring: number, run: () => void): void {
    const freeMs = Math.max(this.nowMs, this.#channelFreeMs.get(ring) ?? 0) + this.random() * 3;
    this.#channelFreeMs.set(ring, freeMs);
    this.after(freeMs - this.nowMs, run);
  }

  #deliver(machine: Machine, event: NodeEvent): void {
    if (machine.corosyncStopped) machine.missed.push(event);
    else if (!machine.corosyncDown) this.#dispatch(machine, event);
  }

  #noteCuts(): void {
    for (const machine of this.machines) {
      const reach = this.machines.filter((other) => other.up && this.#linked(machine, other));
      const quorate = machine.up && !machine.corosyncDown && this.#isQuorate(machine, reach);
      machine.cutSinceMs = quorate || !machine.up ? null : (machine.cutSinceMs ?? this.nowMs);
    }
  }

  // ---- agents ----

  #tick(machine: Machine, generation: number): void {
    if (!machine.up || machine.agent?.generation !== generation) return;
    this.#dispatch(machine, { type: 'tick' });
    this.#check();
    this.after(200 + this.random() * 20, () => this.#tick(machine, generation));
  }

  #dispatch(machine: Machine, event: NodeEvent): void {
    const { agent } = machine;
    if (agent === null || !machine.up) return;
    if (machine.stalledUntilMs > this.nowMs) {
      machine.inbox.push(event);
      return;
    }
    const now = { bootMs: this.#clockMs(machine), wallMs: this.nowMs };
    for (const effect of step(agent.node, event, now)) this.#carryOut(machine, agent, effect);
  }

  #carryOut(machine: Machine, agent: AgentProcess, effect: Effect): void {
    switch (effect.type) {
      case 'send':
        this.#multicast(machine, effect.message);
        break;
      case 'save':
        agent.unsaved = effect.record;
        this.#save(machine, agent);
        break;
      case 'applied':
        this.#applied(effect.entry, machine);
        break;
      case 'refused':
        this.answers.set(effect.requestId, { index: null });
        return;
      case 'operate':
        this.#operate(machine, agent, effect);
        break;
      case 'watchdog-arm':
        agent.armed = true;
        machine.effectiveMs = effectiveMsOf(machine.fenceBoundMs);
        agent.leaseDeadlineMs = effect.leaseDeadlineMs;
        this.#pet(machine);
        this.#keeper(machine, agent);
        this.#later(machine, agent, { type: 'armed' });
        break;
      case 'watchdog-extend':
        agent.leaseDeadlineMs = Math.max(agent.leaseDeadlineMs, effect.leaseDeadlineMs);
        return;
      case 'watchdog-release':
        if (machine.running.size > 0)
          this.violation(`node ${machine.nodeId} disarms while it runs ${[...machine.running]}`);
        machine.firesAtMs = null;
        this.#later(machine, agent, { type: 'released' });
        break;
      case 'watchdog-reset':
        this.#reset(machine, 0);
        break;
      case 'last-words':
      case 'notice':
        return;
    }
  }

  #later(machine: Machine, agent: AgentProcess, event: (NodeEvent & { type: 'watchdog' })['event']): void {
    this.after(this.int(1, 20), () => machine.agent === agent && this.#dispatch(machine, { type: 'watchdog', event }));
  }

  #save(machine: Machine, agent: AgentProcess): void {
    if (agent.saving || agent.unsaved === null) return;
    const record = agent.unsaved;
    agent.unsaved = null;
    agent.saving = true;
    // The rename may reach the disk at any time until the fsync returns.
    const slow = this.worldOptions.slowDisks && this.random() < 0.1;
    const hangsMs = Math.max(0, machine.diskHangsUntilMs - this.nowMs) + machine.diskDelayMs;
    const durableMs = this.int(1, slow ? 3_000 : 30) + hangsMs;
    const { boots } = machine;
    if (!machine.diskFull) {
      this.after(
        this.int(0, durableMs),
        () => machine.agent === agent && machine.boots === boots && this.#write(machine, record),
      );
    }
    this.after(durableMs, () => {
      agent.saving = false;
      if (machine.agent !== agent) return;
      const full = machine.diskFull;
      if (!full) this.#write(machine, record);
      this.#dispatch(machine, full ? { type: 'save-failed', detail: 'ENOSPC' } : { type: 'saved', record });
      this.#save(machine, agent);
    });
  }

  #write(machine: Machine, record: DurableRecord): void {
    machine.disk = structuredClone(record);
    machine.diskLost = false;
  }

  #operate(machine: Machine, agent: AgentProcess, effect: Effect & { type: 'operate' }): void {
    const { operation, service, operationId } = effect;
    const { boots } = machine;
    if (operation === 'start' && (machine.firesAtMs === null || agent.leaseDeadlineMs <= this.#clockMs(machine))) {
      this.violation(`node ${machine.nodeId} starts ${service.sid} without a watchdog armed on a lease`);
    }
    const finish = (outcome: 'running' | 'stopped' | 'failed' | 'error'): void => {
      if (machine.agent !== agent) return;
      this.#dispatch(machine, {
        type: 'outcome',
        outcome: { operationId, outcome, permanent: false, detail: '', monitorIntervalMs: 2_000 },
      });
    };
    // An operation is a process of the machine, not of the agent: it goes on when the agent dies, and the driver of
    // the next agent waits for it.
    const beginsMs = Math.max(this.nowMs, machine.busyUntilMs.get(service.sid) ?? 0);
    const endsMs = beginsMs + (operation === 'monitor' ? this.int(1, 20) : this.int(20, 800));
    const fails = operation !== 'stop' && this.random() < this.worldOptions.failureRate;
    if (operation !== 'monitor') machine.busyUntilMs.set(service.sid, endsMs);
    this.after(endsMs - this.nowMs, () => {
      if (!machine.up || machine.boots !== boots) return;
      // A start that fails may have started it all the same.
      if (operation === 'start' && (!fails || this.random() < 0.5)) machine.running.add(service.sid);
      if (operation === 'stop') machine.running.delete(service.sid);
      this.#check();
      if (fails) finish(operation === 'start' ? 'failed' : 'error');
      else finish(machine.running.has(service.sid) ? 'running' : 'stopped');
    });
  }

  /** A client at a node asks for a change; its id finds the answer. */
  request(nodeId: number, command: Command): string {
    const requestId = `r${++this.#requests}`;
    this.#dispatch(this.machine(nodeId), { type: 'request', requestId, command });
    return requestId;
  }

  // ---- what must never be ----

  #applied(entry: Entry, machine: Machine): void {
    const first = this.committed[entry.index - 1];
    if (first === undefined) {
      if (entry.index !== this.committed.length + 1)
        this.violation(`commit ${entry.index} comes after ${this.committed.length}`);
      this.committed.push(entry);
      apply(this.oracle, entry.command, entry.index);
      if (entry.command.type === 'node-fenced') this.#declared(entry.command.nodeId, entry.command.bootId);
    } else if (JSON.stringify(first.command) !== JSON.stringify(entry.command) || first.epoch !== entry.epoch) {
      this.violation(`node ${machine.nodeId} commits another ${entry.index} than was committed before`);
    }
    const { command } = entry;
    const ours = `boot-${machine.nodeId}-${machine.boots}`;
    if (command.type === 'node-fenced' && command.bootId === ours) {
      this.after(0, () => {
        if (machine.up && ours === `boot-${machine.nodeId}-${machine.boots}`)
          this.violation(`node ${machine.nodeId} knows that it was declared fenced, and goes on`);
      });
    }
    if (entry.origin !== null && entry.origin.nodeId === machine.nodeId) {
      this.answers.set(entry.origin.requestId, { index: entry.index });
    }
  }

  #declared(nodeId: number, bootId: string): void {
    this.fenced.push({ nodeId, atMs: this.nowMs });
    const machine = this.machine(nodeId);
    const alive = machine.up && bootId === `boot-${nodeId}-${machine.boots}`;
    if (alive && (machine.running.size > 0 || machine.firesAtMs !== null)) {
      this.violation(`node ${nodeId} is declared fenced while it lives and runs ${[...machine.running].join(' ')}`);
    }
  }

  #check(): void {
    const places = new Map<string, number>();
    for (const machine of this.machines) {
      for (const sid of machine.running) {
        const other = places.get(sid);
        if (other !== undefined) this.violation(`${sid} runs on node ${other} and node ${machine.nodeId}`);
        places.set(sid, machine.nodeId);
      }
      const { cutSinceMs } = machine;
      const outMs = cutSinceMs === null ? 0 : this.nowMs - cutSinceMs;
      if (machine.running.size > 0 && outMs > machine.longestBoundMs) {
        this.violation(
          `node ${machine.nodeId} has been out of quorum for ${Math.round(outMs)} ms and still runs ${[...machine.running].join(' ')}`,
        );
      }
    }
  }
}

function effectiveMsOf(fenceBoundMs: number): number {
  return deriveBudget({ fenceBoundMs, kappa: 1, minTimeoutS: 1, maxTimeoutS: 0, tokenMs: 1_000, consensusMs: 1_200 })
    .effectiveMs;
}
