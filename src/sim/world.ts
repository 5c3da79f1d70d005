import type { ClusterState, Command } from '../core/cluster-state.js';
import { HoldfastError } from '../core/errors.js';
import type { Entry } from '../core/messages.js';
import type { ClusterConfiguration } from '../ports/cluster.js';
import type { ServiceLoad } from '../ports/load-meter.js';
import { Invariants, type Violation } from './invariants.js';
import { SimCodec } from './sim-codec.js';
import { ServiceLoads } from './sim-loads.js';
import { SimNetwork } from './sim-network.js';
import { type NodeDefaults, SimNode, type Surroundings } from './sim-node.js';
import { SimQuorumDevice } from './sim-quorum-device.js';
import { Random } from './sim-random.js';
import { type ResourceBehaviour, SimResources } from './sim-resources.js';
import { type SimEvent, Timeline } from './sim-timeline.js';
import type { Declaration, NetworkOptions, Reset, SimNodeOptions, WorldOptions } from './world-options.js';

/** Microtasks are let run at least once in so many events, whatever is known to wait. */
const settleEvery = 64;
/** Types of resources that the drivers of all nodes know. */
const resourceTypes = ['vm', 'ct', 'fa', 'ocf'] as const;

/**
 * A cluster in virtual time: the production agent on every machine, everything else simulated. The same seed and the
 * same calls give the same course of events. Times are milliseconds since the world began.
 */
export class World {
  readonly random: Random;
  readonly network: SimNetwork;
  readonly resources: SimResources;
  readonly loads = new ServiceLoads();
  readonly invariants: Invariants;
  /** In the order of their options; nodes that were added come last. */
  readonly nodes: SimNode[] = [];
  readonly resets: Reset[] = [];
  readonly declarations: Declaration[] = [];
  /** Null: there is none. */
  readonly device: SimQuorumDevice | null;
  readonly #timeline = new Timeline();
  readonly #options: WorldOptions;
  readonly #surroundings: Surroundings;
  /** Ids of the nodes in everybody's corosync.conf. */
  readonly #nodeList = new Set<number>();
  #unsettled = true;
  #pid = 100;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.random = new Random(options.seed);
    this.resources = new SimResources(options.resources);
    this.network = new SimNetwork(
      {
        timeline: this.#timeline,
        random: this.random,
        tokenMs: options.tokenMs ?? 1_000,
        consensusMs: options.consensusMs ?? 1_200,
        hasDevice: () => this.device !== null,
        onReach: () => this.#noteReach(),
      },
      { ...defaultNetwork, ...options.network },
    );
    this.device = options.quorumDevice === undefined ? null : this.#newDevice(options.quorumDevice.votes);
    this.invariants = this.#newInvariants();
    this.#surroundings = this.#newSurroundings();
    for (const node of options.nodes) this.#addNode(node);
    for (const { nodeId } of options.nodes) this.#nodeList.add(nodeId);
    for (const node of this.nodes) if (!node.options.startsPoweredOff) node.powerOn();
  }

  // ---- time ----

  get nowMs(): number {
    return this.#timeline.nowMs;
  }

  /** Events so far, of all kinds. */
  get events(): number {
    return this.#timeline.count;
  }

  /** Lets everything happen that is due by then; afterwards it is that time. */
  async run(untilMs: number): Promise<void> {
    await this.#settle();
    let untilSettle = settleEvery;
    while (this.#timeline.step(untilMs)) {
      if (!this.#unsettled && --untilSettle > 0) continue;
      await this.#settle();
      untilSettle = settleEvery;
    }
    this.#timeline.nowMs = Math.max(this.#timeline.nowMs, untilMs);
  }

  async runFor(whileMs: number): Promise<void> {
    await this.run(this.nowMs + whileMs);
  }

  /** Lets one event happen; false: there is none. */
  async step(): Promise<boolean> {
    await this.#settle();
    const happened = this.#timeline.step(Number.POSITIVE_INFINITY);
    await this.#settle();
    return happened;
  }

  /** Runs until `condition` holds, which is looked at after each event; false: it did not by `untilMs`. */
  async runUntil(condition: () => boolean, untilMs: number): Promise<boolean> {
    await this.#settle();
    while (!condition()) {
      if (!this.#timeline.step(untilMs)) {
        this.#timeline.nowMs = Math.max(this.#timeline.nowMs, untilMs);
        return condition();
      }
      await this.#settle();
    }
    return true;
  }

  at(atMs: number, run: () => void): SimEvent {
    return this.#timeline.at(atMs, () => {
      this.#unsettled = true;
      run();
    });
  }

  after(delayMs: number, run: () => void): SimEvent {
    return this.at(this.nowMs + delayMs, run);
  }

  cancel(event: SimEvent): void {
    this.#timeline.cancel(event);
  }

  /** Continuations of promises run until none is left: a tick's callback comes after all microtasks. */
  async #settle(): Promise<void> {
    this.#unsettled = false;
    await new Promise<void>((resolve) => process.nextTick(resolve));
  }

  // ---- nodes ----

  /** By name or id; throws if there is none. */
  node(which: string | number): SimNode {
    const node = this.nodes.find(({ name, nodeId }) => name === which || nodeId === which);
    if (node === undefined) throw new HoldfastError('HF_ARGUMENT', `there is no node ${which} in this world`);
    return node;
  }

  /** A new machine, on if not told otherwise; it is in nobody's nodelist until `setNodeList`. */
  addNode(options: SimNodeOptions): SimNode {
    const node = this.#addNode(options);
    this.network.unlisted.add(node.nodeId);
    if (!options.startsPoweredOff) node.powerOn();
    return node;
  }

  #addNode(options: SimNodeOptions): SimNode {
    const { fenceBoundMs = 60_000, quorumOptions = [], initial } = this.#options;
    const isFirst = this.#nodeList.size === 0;
    const defaults: NodeDefaults = { fenceBoundMs, quorumOptions, record: (isFirst ? initial : null) ?? null };
    const node = new SimNode(this.#surroundings, options, defaults);
    this.nodes.push(node);
    return node;
  }

  /** Corosync's nodelist from now on, on all nodes, which read it at once; who is not in it has no links. */
  setNodeList(which: readonly (string | number)[]): void {
    this.#nodeList.clear();
    for (const one of which) this.#nodeList.add(this.node(one).nodeId);
    this.network.unlisted.clear();
    for (const { nodeId } of this.nodes) if (!this.#nodeList.has(nodeId)) this.network.unlisted.add(nodeId);
    this.reload();
    this.network.changed();
  }

  /** Votes of a node, from the next `reload` on. */
  setVotes(which: string | number, votes: number): void {
    this.node(which).votes = votes;
  }

  /** All corosyncs read their configuration again. */
  reload(): void {
    for (const node of this.nodes) node.corosync.reload();
    this.#noteReach();
  }

  /** Its corosync.conf is not changed with the others' from now on; false: it is as new as theirs again. */
  keepConfiguration(which: string | number, kept: boolean): void {
    const node = this.node(which);
    node.oldConfiguration = kept ? this.#configurationOf(node) : null;
    this.reload();
  }

  #configurationOf(node: SimNode): ClusterConfiguration {
    const { oldConfiguration, quorumOptions } = node;
    return oldConfiguration === null ? this.#newestConfiguration(node) : { ...oldConfiguration, quorumOptions };
  }

  #newestConfiguration(node: SimNode): ClusterConfiguration {
    return {
      localNodeId: node.nodeId,
      clusterName: 'simulated',
      ...this.#electorate(),
      tokenMs: this.#options.tokenMs ?? 1_000,
      consensusMs: this.#options.consensusMs ?? 1_200,
      ...(this.device && deviceTimes),
      quorumOptions: node.quorumOptions,
    };
  }

  #electorate() {
    const nodes = this.#listed().map(({ nodeId, name, votes }) => ({ nodeId, name, votes }));
    return { nodes, expectedVotes: this.#expectedVotes(), deviceVotes: this.device?.votes ?? 0 };
  }

  #listed(): SimNode[] {
    return this.nodes.filter(({ nodeId }) => this.#nodeList.has(nodeId));
  }

  #expectedVotes(): number {
    return this.#listed().reduce((sum, { votes }) => sum + votes, this.device?.votes ?? 0);
  }

  // ---- the network ----

  /** Cuts or heals links; `oneWay`: only what `from` sends to `to`. */
  setLinks(pairs: readonly (readonly [string | number, string | number])[], works: boolean, oneWay = false): void {
    for (const [from, to] of pairs) {
      const [a, b] = [this.node(from).nodeId, this.node(to).nodeId];
      this.network.setLink(a, b, works);
      if (!oneWay) this.network.setLink(b, a, works);
    }
    this.network.changed();
  }

  /** Nodes of one group reach each other and nobody else; a node in no group is alone. */
  partition(groups: readonly (readonly (string | number)[])[]): void {
    const groupOf = new Map(groups.flatMap((group, i) => group.map((which) => [this.node(which).nodeId, i] as const)));
    for (const a of this.nodes) {
      for (const b of this.nodes) {
        const [x, y] = [groupOf.get(a.nodeId), groupOf.get(b.nodeId)];
        this.network.setLink(a.nodeId, b.nodeId, x !== undefined && x === y);
      }
    }
    this.network.changed();
  }

  heal(): void {
    for (const a of this.nodes) for (const b of this.nodes) this.network.setLink(a.nodeId, b.nodeId, true);
    this.network.changed();
  }

  networkOff(which: string | number): void {
    this.#setNetwork(this.node(which), false);
  }

  /** Heals all links of that node, but not those of others whose network is off. */
  networkOn(which: string | number): void {
    this.#setNetwork(this.node(which), true);
  }

  readonly #networkOff = new Set<number>();

  #setNetwork(node: SimNode, on: boolean): void {
    if (on) this.#networkOff.delete(node.nodeId);
    else this.#networkOff.add(node.nodeId);
    for (const other of this.nodes) {
      const works = on && !this.#networkOff.has(other.nodeId);
      this.network.setLink(node.nodeId, other.nodeId, works);
      this.network.setLink(other.nodeId, node.nodeId, works);
    }
    this.network.changed();
  }

  setNetworkOptions(options: Partial<NetworkOptions>): void {
    Object.assign(this.network.options, options);
  }

  // ---- resources ----

  /** The nodes on which it truly runs: one at most, or a rule is broken. */
  where(sid: string): SimNode[] {
    return this.nodes.filter((node) => node.running.has(sid));
  }

  setBehaviour(sid: string, behaviour: Partial<ResourceBehaviour> | null): void {
    this.resources.setBehaviour(sid, behaviour);
  }

  setServiceLoad(sid: string, load: Partial<ServiceLoad>): void {
    this.loads.set(sid, load);
  }

  // ---- what the cluster thinks ----

  /** Asks the agent of a node for a change; rejects with a HoldfastError, as the agent does. Run the world meanwhile. */
  request(which: string | number, command: Command): Promise<number> {
    const { agent, name } = this.node(which);
    if (agent === null) return Promise.reject(new HoldfastError('HF_NO_QUORUM', `no agent runs on ${name}`));
    return agent.request(command);
  }

  /** What the one true log adds up to: ahead of, or the same as, what any agent knows. */
  get state(): ClusterState {
    return this.invariants.oracle;
  }

  /** The first commit of each index by anybody. */
  get trueLog(): readonly Entry[] {
    return this.invariants.trueLog;
  }

  get violations(): readonly Violation[] {
    return this.invariants.violations;
  }

  /** The agent that leads and has committed the most; null: none leads. */
  leader(): SimNode | null {
    const leads = this.nodes.filter((node) => node.agent?.node.cluster?.views.coordinator?.phase === 'active');
    const index = (node: SimNode): number => node.agent?.node.log.record.commitIndex ?? 0;
    return leads.sort((a, b) => index(b) - index(a))[0] ?? null;
  }

  // ---- who is out of quorum in truth ----

  /** By links, not by rings: as soon as no quorum can be reached, and not when somebody has noticed. */
  #noteReach(): void {
    if (this.nodes.length === 0) return;
    this.device?.reconsider();
    for (const node of this.nodes) this.#noteCut(node, this.#reachesQuorum(node));
  }

  /** By the newest corosync.conf, or by one that somebody has still. */
  #reachesQuorum(node: SimNode): boolean {
    if (!this.#nodeList.has(node.nodeId)) return false;
    const older = this.nodes.flatMap(({ oldConfiguration }) => oldConfiguration ?? []);
    const inReach = this.nodes.filter((other) => this.network.reaches(node.corosync, other.corosync));
    const deviceVotes = this.device?.votesFor(inReach) ?? 0;
    return [this.#electorate(), ...older].some(({ nodes, expectedVotes }) => {
      const voters = nodes.filter(({ nodeId }) => inReach.some((other) => other.nodeId === nodeId));
      return voters.reduce((sum, { votes }) => sum + votes, deviceVotes) > expectedVotes / 2;
    });
  }

  #noteCut(node: SimNode, quorate: boolean): void {
    if (quorate || !node.up) {
      node.cutSinceMs = null;
    } else if (node.cutSinceMs === null) {
      node.cutSinceMs = this.nowMs;
      this.#watchBound(node, this.nowMs);
    }
  }

  /** Looks when the bound is over, and goes on looking should the bound have grown meanwhile. */
  #watchBound(node: SimNode, sinceMs: number): void {
    const overMs = sinceMs + node.longestBoundMs;
    this.#timeline.at(overMs, () => {
      if (node.cutSinceMs !== sinceMs) return;
      if (this.nowMs < sinceMs + node.longestBoundMs) this.#watchBound(node, sinceMs);
      else this.#checkBound(node);
    });
  }

  #checkBound(node: SimNode): void {
    if (node.cutSinceMs === null) return;
    const outMs = Math.round(this.nowMs - node.cutSinceMs);
    const outlives = this.invariants.mustHaveEnded(node);
    if (outMs < node.longestBoundMs || outlives.length === 0) return;
    const what = `${node.name} has been out of quorum for ${outMs} ms and runs ${outlives.join(' ')}`;
    this.invariants.violate('outlives-bound', what);
  }

  // ---- its parts ----

  #newDevice(votes: number): SimQuorumDevice {
    return new SimQuorumDevice({
      timeline: this.#timeline,
      random: this.random,
      votes,
      rings: () => this.network.rings(),
      onReach: () => this.#noteReach(),
    });
  }

  #newInvariants(): Invariants {
    const { initial, observer } = this.#options;
    return new Invariants(initial, {
      nowMs: () => this.nowMs,
      witnesses: () => this.nodes,
      configured: () => this.#electorate(),
      onViolation: (violation) => observer?.violation?.(violation),
      onCommitted: (entry, result) => observer?.committed?.(entry, result),
      onDeclared: (nodeId, bootId, index) => {
        const declaration = { atMs: this.nowMs, nodeId, bootId, index };
        this.declarations.push(declaration);
        observer?.declared?.(declaration);
      },
    });
  }

  #newSurroundings(): Surroundings {
    const { bootMs = [500, 1_500], offAfterResetMs = null, restartAgentMs = [1_000, 2_000] } = this.#options;
    const { saveMs = [1, 30], codec, log, observer } = this.#options;
    const { invariants } = this;
    return {
      timeline: this.#timeline,
      random: this.random,
      network: this.network,
      resources: this.resources,
      loads: this.loads,
      codec: new SimCodec({
        wireEvery: codec?.wireEvery ?? 64,
        freeze: codec?.freeze ?? false,
        onDifference: (text) => invariants.violate('wire-differs', text),
      }),
      invariants,
      resourceTypes,
      bootMs,
      offAfterResetMs,
      restartAgentMs,
      saveMs,
      configurationOf: (node) => this.#configurationOf(node),
      nodeByName: (name) => this.nodes.find((node) => node.name === name),
      settle: () => {
        this.#unsettled = true;
      },
      onTruth: (change) => {
        observer?.truth?.(change);
        if (change.runs) this.#checkBound(this.node(change.nodeId));
      },
      onReset: (reset) => {
        this.resets.push(reset);
        observer?.reset?.(reset);
      },
      onLog: (line) => log?.(line),
      nextPid: () => ++this.#pid,
    };
  }
}

/** A quick device: what it takes or gives, everybody knows within a second. */
const deviceTimes = { deviceTimeoutMs: 1_000, deviceSyncTimeoutMs: 1_000 };

const defaultNetwork: NetworkOptions = { orderMs: [0.2, 3], skewMs: [0, 0], lossRate: 0 };
