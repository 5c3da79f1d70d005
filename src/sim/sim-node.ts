import type { AgentPorts } from '../agent/agent.js';
import { blankRecord, type DurableRecord } from '../core/log.js';
import type { NodeOptions } from '../core/node-state.js';
import type { ClusterConfiguration } from '../ports/cluster.js';
import type { Invariants, Witness } from './invariants.js';
import { agentLog, HostedAgent, ProcessState } from './sim-agent.js';
import { SimCluster } from './sim-cluster.js';
import type { SimCodec } from './sim-codec.js';
import { SimCorosync } from './sim-corosync.js';
import { type ServiceLoads, SimLoadMeter } from './sim-loads.js';
import type { SimNetwork } from './sim-network.js';
import type { Random, Range } from './sim-random.js';
import { migratesLive, type SimResources, simDrivers, type Truth } from './sim-resources.js';
import { SimDisk, SimStore } from './sim-store.js';
import type { Timeline } from './sim-timeline.js';
import { SimKeeper, SimWatchdogDevice } from './sim-watchdog.js';
import { VirtualClock } from './virtual-clock.js';
import type { LogLine, Reset, SimNodeOptions, TruthChange } from './world-options.js';

/** What all machines of a world share. */
export interface Surroundings {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly network: SimNetwork;
  readonly resources: SimResources;
  readonly loads: ServiceLoads;
  readonly codec: SimCodec;
  readonly invariants: Invariants;
  readonly resourceTypes: readonly string[];
  readonly bootMs: Range;
  readonly offAfterResetMs: Range | null;
  readonly restartAgentMs: Range | null;
  readonly saveMs: Range;
  readonly configurationOf: (node: SimNode) => ClusterConfiguration;
  readonly nodeByName: (name: string) => SimNode | undefined;
  readonly settle: () => void;
  readonly onTruth: (change: TruthChange) => void;
  readonly onReset: (reset: Reset) => void;
  readonly onLog: (line: LogLine) => void;
  readonly nextPid: () => number;
}

/** As in host/corosync-cluster.ts: an event loop that leaves events alone for longer is stuck. */
const stuckMs = 10_000;

interface Process {
  readonly pid: number;
  readonly state: ProcessState;
  readonly agent: HostedAgent;
  readonly cluster: SimCluster;
  readonly keeper: SimKeeper | null;
}

/** One machine: power, clock, watchdog, disk, corosync, one agent, and what truly runs on it. */
export class SimNode implements Witness {
  readonly nodeId: number;
  readonly name: string;
  readonly options: SimNodeOptions;
  readonly corosync: SimCorosync;
  readonly disk: SimDisk;
  readonly loads: SimLoadMeter;
  readonly device: SimWatchdogDevice | null;
  votes: number;
  up = false;
  boots = 0;
  /** What its next agent is configured with. */
  fenceBoundMs: number;
  /** The longest of this boot: what the machine answers for. */
  longestBoundMs: number;
  /** Switched on in this machine's corosync.conf. */
  quorumOptions: readonly string[];
  /** The rest of its corosync.conf, while it is older than that of the others; null: it is the newest. */
  oldConfiguration: ClusterConfiguration | null = null;
  /** Since when it reaches no quorum in truth; null: it does, or is off. */
  cutSinceMs: number | null = null;
  /** Requests for a reset are granted; false: only the watchdog resets it. */
  resetWorks = true;
  clock: VirtualClock;
  readonly #world: Surroundings;
  readonly #running = new Set<string>();
  readonly #byHand = new Set<string>();
  readonly #busyUntilMs = new Map<string, number>();
  #process: Process | null = null;
  #agentStarts = 0;

  constructor(world: Surroundings, options: SimNodeOptions, defaults: NodeDefaults) {
    this.#world = world;
    this.options = options;
    this.nodeId = options.nodeId;
    this.name = options.name;
    this.votes = options.votes ?? 1;
    this.fenceBoundMs = options.fenceBoundMs ?? defaults.fenceBoundMs;
    this.longestBoundMs = this.fenceBoundMs;
    this.quorumOptions = defaults.quorumOptions;
    this.clock = this.#newClock();
    this.disk = new SimDisk(defaults.record);
    this.loads = new SimLoadMeter(world.loads, this.#running, options.load ?? defaultCapacity);
    this.device = options.hasNoWatchdog ? null : this.#newDevice();
    this.corosync = new SimCorosync({
      timeline: world.timeline,
      random: world.random,
      nodeId: this.nodeId,
      configuration: () => world.configurationOf(this),
      onChange: () => world.network.changed(),
      onOutgoing: () => world.network.outgoing(this.corosync),
    });
    world.network.add(this.corosync);
  }

  #newClock(): VirtualClock {
    const { timeline, random } = this.#world;
    const ppm = this.options.clockPpm ?? random.int(-500, 500);
    return new VirtualClock(timeline, random.int(5_000, 1_000_000), ppm);
  }

  #newDevice(): SimWatchdogDevice {
    const { kappa = 1, kappaTold = kappa, minTimeoutS = 1, maxTimeoutS = 0 } = this.options;
    const facts = { kappa, kappaTold, minTimeoutS, maxTimeoutS };
    return new SimWatchdogDevice(this.#world.timeline, facts, () => this.reset('watchdog'));
  }

  // ---- what can be seen ----

  get bootId(): string {
    return `boot-${this.nodeId}-${this.boots}`;
  }

  /** What truly runs here. */
  get running(): ReadonlySet<string> {
    return this.#running;
  }

  get watchdogCounts(): boolean {
    return this.device?.countsAsTold ?? false;
  }

  get watchdogRefused(): boolean {
    return this.device?.refused ?? false;
  }

  get stored(): DurableRecord | null {
    return this.disk.record;
  }

  get commitIndex(): number {
    return (this.agent?.node.log.record ?? this.stored)?.commitIndex ?? 0;
  }

  get hasLostStore(): boolean {
    return this.disk.damaged || this.disk.record?.lost === true;
  }

  /** Of that, what `setRunning` has started: nobody answers for it. */
  get runningByHand(): ReadonlySet<string> {
    return this.#byHand;
  }

  /** Something is being done with it here: whoever looks sees that. */
  isBusyWith(sid: string): boolean {
    return (this.#busyUntilMs.get(sid) ?? 0) > this.#world.timeline.nowMs;
  }

  /** Null: none runs. */
  get agent(): HostedAgent | null {
    return this.#process?.agent ?? null;
  }

  /** Stopped by a signal, or its event loop stands still. */
  get agentIsStuck(): boolean {
    const state = this.#process?.state;
    return state !== undefined && (state.stopped || state.stalledUntilMs > this.#world.timeline.nowMs);
  }

  // ---- power ----

  /** Corosync starts some time after, then the agent. */
  powerOn(): void {
    if (this.up) return;
    const { timeline, random, bootMs } = this.#world;
    this.up = true;
    this.boots++;
    const wallSkewMs = this.clock.wallSkewMs;
    this.clock = this.#newClock();
    this.clock.wallSkewMs = wallSkewMs;
    this.longestBoundMs = this.fenceBoundMs;
    this.#busyUntilMs.clear();
    const { boots } = this;
    const agentMs = random.within(bootMs);
    const ifSame = (run: () => void) => (): void => {
      if (this.up && this.boots === boots) run();
    };
    timeline.after(
      random.next() * agentMs,
      ifSame(() => this.corosync.start()),
    );
    timeline.after(
      agentMs,
      ifSame(() => this.startAgent()),
    );
  }

  /** At once, whatever it does. */
  powerOff(): void {
    if (!this.up) return;
    const { random, network } = this.#world;
    this.up = false;
    this.#endProcess();
    this.disk.cutOff(random, true);
    this.device?.stop();
    this.corosync.kill('power off');
    for (const sid of [...this.#running]) this.#setRunning(sid, false, 'died');
    network.changed();
  }

  reset(why: string): void {
    if (!this.up) return;
    const { timeline, random, offAfterResetMs, onReset } = this.#world;
    const sincePetMs = this.device === null ? 0 : timeline.nowMs - this.device.petMs;
    const { nodeId, name, bootId } = this;
    this.powerOff();
    onReset({ atMs: timeline.nowMs, node: name, nodeId, bootId, sincePetMs, why });
    const { boots } = this;
    if (offAfterResetMs === null) return;
    timeline.after(random.within(offAfterResetMs), () => {
      if (!this.up && this.boots === boots) this.powerOn();
    });
  }

  // ---- the agent ----

  startAgent(): void {
    if (!this.up || this.#process !== null) return;
    this.#agentStarts++;
    this.longestBoundMs = Math.max(this.longestBoundMs, this.fenceBoundMs);
    this.#process = this.#newProcess();
    this.#process.agent.start();
    this.#world.settle();
  }

  /** SIGKILL. `restartAfterMs` null: until somebody starts it. */
  killAgent(restartAfterMs: number | null = null): void {
    if (this.#process === null) return;
    this.#endProcess();
    this.disk.cutOff(this.#world.random, false);
    if (restartAfterMs !== null) this.#startLater(restartAfterMs);
  }

  #startLater(delayMs: number): void {
    const { boots } = this;
    this.#world.timeline.after(delayMs, () => {
      if (this.boots === boots) this.startAgent();
    });
  }

  #endProcess(): void {
    const process = this.#process;
    if (process === null) return;
    this.#process = null;
    process.state.end();
    process.keeper?.die();
    process.cluster.die();
  }

  /** SIGTERM: the agent ends by itself, within four seconds, as holdfastd sees to. */
  endAgent(restartAfterMs: number | null = null): void {
    const process = this.#process;
    if (process === null) return;
    const ended = (): void => {
      if (this.#process === process) this.killAgent(restartAfterMs);
    };
    process.state.deliver(() => {
      process.agent.stop().then(ended, ended);
      this.#world.timeline.after(4_000, ended);
    });
  }

  /**
   * The machine is told to shut down: its agent prepares that by the shutdown policy, then the power goes. A
   * reboot comes back after `offMs`. If something cannot be stopped the agent ends, and the watchdog does the rest.
   */
  shutDown(kind: 'reboot' | 'poweroff', offMs = 5_000): void {
    const process = this.#process;
    const { timeline } = this.#world;
    const { boots } = this;
    const off = (): void => {
      if (this.boots !== boots) return;
      this.powerOff();
      if (kind === 'reboot') timeline.after(offMs, () => this.boots === boots && this.powerOn());
    };
    if (process === null) off();
    else
      process.state.deliver(() => {
        const prepared = process.agent.prepareShutdown(kind);
        prepared.then(() => process.agent.stop()).then(off, () => this.#process === process && this.endAgent());
      });
  }

  /** SIGSTOP: the keeper's thread stands still, too. */
  stopAgent(): void {
    if (this.#process !== null) this.#process.state.stopped = true;
  }

  continueAgent(): void {
    const process = this.#process;
    if (process === null || !process.state.stopped) return;
    process.state.stopped = false;
    process.keeper?.goOn();
    process.state.catchUp();
  }

  /** Its event loop stands still for so long; keeper and corosync go on. */
  stallAgent(whileMs: number): void {
    const process = this.#process;
    if (process === null) return;
    const { timeline } = this.#world;
    const { state, cluster } = process;
    state.stalledUntilMs = Math.max(state.stalledUntilMs, timeline.nowMs + whileMs);
    timeline.after(whileMs, () => state.catchUp());
    timeline.after(stuckMs, () => {
      if (state.alive && state.stalledUntilMs > timeline.nowMs && state.hasWaiting) cluster.leave();
    });
  }

  /** Between its next check of the lease and the pet, the keeper stalls for so long. */
  stallKeeper(whileMs: number): void {
    this.#process?.keeper?.stallBeforePet(whileMs);
  }

  #newProcess(): Process {
    const { timeline, random, settle, network } = this.#world;
    const pid = this.#world.nextPid();
    const state = new ProcessState(() => timeline.nowMs, settle);
    const cluster = new SimCluster({
      timeline,
      random,
      corosync: this.corosync,
      pid,
      lossRate: () => network.options.lossRate,
      isAlive: () => state.alive,
      deliver: state.deliver,
      isFree: () => state.isFree,
    });
    const keeper = this.device === null ? null : this.#newKeeper(this.device, state);
    const agent: HostedAgent = new HostedAgent(
      this.#nodeOptions(),
      this.#load(),
      this.#ports(cluster, keeper, state),
      (error) => this.#onFailure(error, keeper, state),
      { settle, onLog: (hosted, before) => this.#onLog(hosted, before) },
    );
    return { pid, state, cluster, keeper, agent };
  }

  #nodeOptions(): NodeOptions {
    const { kappa = 1, kappaTold = kappa, minTimeoutS = 1, maxTimeoutS = 0 } = this.options;
    const active = this.device?.counts ?? false;
    return {
      incarnation: `${this.nodeId}.${this.#agentStarts}`,
      bootId: this.bootId,
      startedMs: this.clock.bootMs(),
      fenceBoundMs: this.fenceBoundMs,
      watchdog: this.device === null ? null : { kappa: kappaTold, minTimeoutS, maxTimeoutS, active },
      protectionLabel: this.device === null ? 'UNPROTECTED (no watchdog)' : 'protected',
      refusal: this.device === null ? 'there is no watchdog' : null,
      migratesLive: this.#world.resourceTypes.filter(migratesLive),
    };
  }

  #load(): DurableRecord {
    const loaded = this.disk.load();
    return loaded.outcome === 'loaded' ? loaded.record : blankRecord(loaded.outcome === 'damaged');
  }

  #ports(cluster: SimCluster, keeper: SimKeeper | null, state: ProcessState): AgentPorts {
    const { timeline, random, resources, resourceTypes, saveMs, codec, invariants } = this.#world;
    const { clock, boots } = this;
    const inLoop = {
      bootMs: () => clock.bootMs(),
      wallMs: () => clock.wallMs(),
      after: (delayMs: number, run: () => void) => clock.after(delayMs, () => this.#timer(state, run)),
    };
    const misuse = (text: string): void => invariants.violate('agent-failed', `${this.name}: ${text}`);
    const isAlive = (): boolean => state.alive;
    const drivers = simDrivers(resourceTypes, {
      timeline,
      random,
      resources,
      nodeId: this.nodeId,
      node: this.name,
      nodeIdOf: (name) => this.#world.nodeByName(name)?.nodeId ?? null,
      busyUntilMs: this.#busyUntilMs,
      isRunning: (sid) => this.#running.has(sid),
      bootIdOf: (node) => this.#world.nodeByName(node)?.bootId ?? null,
      truth: () => (this.up && this.boots === boots ? this.#truth : null),
      onOperation: (operation, sid) => this.#onOperation(operation, sid),
      isAlive,
      deliver: state.deliver,
    });
    return {
      clock: inLoop,
      cluster,
      store: new SimStore({ timeline, random, disk: this.disk, saveMs, isAlive, deliver: state.deliver, misuse }),
      watchdog: keeper,
      drivers,
      loads: this.loads,
      log: agentLog((level, detail, text) => this.#log(level, detail, text)),
      lastWords: async () => undefined,
      codec,
    };
  }

  #timer(state: ProcessState, run: () => void): void {
    if (state.isFree) run();
    else state.deliver(run);
  }

  #newKeeper(device: SimWatchdogDevice, state: ProcessState): SimKeeper {
    const { timeline, random, invariants } = this.#world;
    return new SimKeeper({
      timeline,
      random,
      clock: this.clock,
      device,
      mayRun: () => state.alive && !state.stopped,
      deliver: state.deliver,
      requestReset: (reason) => {
        if (this.resetWorks) this.reset(reason);
        return this.resetWorks;
      },
      onExpired: () => this.agent?.dispatch({ type: 'watchdog', event: { type: 'expired' } }),
      onRelease: () => invariants.releases(this, this.agent?.releasingIndex ?? this.commitIndex),
    });
  }

  /** As holdfastd: an agent that has failed ends if nothing is open, else the watchdog ends this node. */
  #onFailure(error: Error, keeper: SimKeeper | null, state: ProcessState): void {
    const { invariants, restartAgentMs, timeline, random } = this.#world;
    invariants.violate('agent-failed', `the agent of ${this.name} has failed: ${error.stack ?? error.message}`);
    if (keeper?.holdsDevice) return;
    timeline.after(0, () => {
      if (state.alive) this.killAgent(restartAgentMs === null ? null : random.within(restartAgentMs));
    });
  }

  #onLog(agent: HostedAgent, before: DurableRecord): void {
    const { log, cluster, options } = agent.node;
    const { invariants, timeline } = this.#world;
    invariants.committed(this, before, log.record, log.committed);
    const doomed = cluster !== null && log.committed.nodes[this.nodeId]?.fencedBootIds.includes(options.bootId);
    if (!doomed || options.bootId !== this.bootId) return;
    timeline.after(0, () => {
      const goesOn = this.up && this.bootId === options.bootId && this.resetWorks && this.#process?.agent === agent;
      if (goesOn)
        invariants.violate('fenced-goes-on', `${this.name} knows that its boot is declared fenced, and goes on`);
    });
  }

  #onOperation(operation: 'start' | 'stop' | 'migrate', sid: string): void {
    const { invariants } = this.#world;
    this.agent?.observe();
    invariants.operates(this, operation, sid, this.commitIndex);
    if (operation === 'start') this.#checkLease(`start of ${sid}`);
  }

  #checkLease(what: string): void {
    const { invariants } = this.#world;
    const keeper = this.#process?.keeper?.stats();
    const onLease = keeper?.state === 'armed' && keeper.leaseDeadlineMs > this.clock.exactMs();
    if (this.watchdogCounts && onLease) return;
    invariants.violate('unprotected', `${what} on ${this.name} without a watchdog that counts on a lease`);
  }

  #log(level: LogLine['level'], detail: object, text: string): void {
    const { timeline, onLog } = this.#world;
    onLog({ atMs: timeline.nowMs, nodeId: this.nodeId, node: this.name, level, text, detail });
  }

  // ---- what truly runs ----

  readonly #truth: Truth = {
    setRunning: (sid, runs) => this.#setRunning(sid, runs, runs ? 'started' : 'stopped'),
    migrate: (sid, targetNode, targetBootId) => this.#migrate(sid, targetNode, targetBootId),
  };

  /** Behind everybody's back: started or stopped by hand, or crashed. */
  setRunning(sid: string, runs: boolean): void {
    this.#setRunning(sid, runs, 'set');
  }

  #setRunning(sid: string, runs: boolean, why: TruthChange['why']): void {
    if (this.#running.has(sid) === runs) return;
    const { timeline, onTruth, invariants } = this.#world;
    if (runs) this.#running.add(sid);
    else this.#running.delete(sid);
    if (runs && why === 'set') this.#byHand.add(sid);
    else this.#byHand.delete(sid);
    if (runs) invariants.begins(sid, this);
    onTruth({ atMs: timeline.nowMs, sid, node: this.name, nodeId: this.nodeId, runs, why });
  }

  /** It leaves this node and is on the other at the same moment. */
  #migrate(sid: string, targetNode: string, targetBootId: string | null): string | null {
    const { network, nodeByName } = this.#world;
    const target = nodeByName(targetNode);
    if (target === undefined || !target.up || target.bootId !== targetBootId) return `${targetNode} is not there`;
    const linked = network.isLinked(this.nodeId, target.nodeId) && network.isLinked(target.nodeId, this.nodeId);
    if (!linked) return `${targetNode} cannot be reached`;
    if (target.running.has(sid)) return `${sid} runs on ${targetNode} already`;
    this.#setRunning(sid, false, 'migrated');
    target.#setRunning(sid, true, 'migrated');
    target.#checkArrival(sid);
    return null;
  }

  /** The lease may have ended on the way: as long as the watchdog counts, what has arrived dies with it. */
  #checkArrival(sid: string): void {
    if (this.watchdogCounts) return;
    this.#world.invariants.violate('unprotected', `${sid} arrives on ${this.name}, whose watchdog does not count`);
  }
}

export interface NodeDefaults {
  readonly fenceBoundMs: number;
  readonly quorumOptions: readonly string[];
  readonly record: DurableRecord | null;
}

const defaultCapacity = { cpus: 24, memoryBytes: 128 * 1024 ** 3 };
