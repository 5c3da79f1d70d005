import type { Command } from '../core/cluster-state.js';
import type { Fault, ResourceTrouble } from './fault.js';
import type { SimNode } from './sim-node.js';
import { Random } from './sim-random.js';
import { exists, type OperationCall, type ResourceFault } from './sim-resources.js';
import type { World } from './world.js';

/** A machine that is told to go down does so after this, whatever its agent says. */
const shutdownLimitMs = 25_000;
/** When its shutdown is called off, the agent is started again by its supervisor. */
const agentRestartMs = 1_000;
/** How long `slow` takes in addition. */
const slowMs = [5_000, 40_000] as const;

/** Lets faults happen to a world, and remembers what must be put right again afterwards. */
export class FaultInjection {
  /** Resources that have ever said what was not so: nothing is promised of those. */
  readonly liars = new Set<string>();
  /** Resources that have failed, been slow or hung at any time. */
  readonly troubled = new Set<string>();
  readonly #world: World;
  readonly #ask: (node: SimNode, command: Command) => unknown;
  /** Machines, by id and number of the boot, in which some operation never ends. */
  readonly #hung = new Set<string>();

  constructor(world: World, ask: (node: SimNode, command: Command) => unknown) {
    this.#world = world;
    this.#ask = ask;
  }

  inject(fault: Fault): void {
    const world = this.#world;
    switch (fault.kind) {
      case 'partition':
        world.partition(fault.groups.map((group) => [...group]));
        break;
      case 'cut':
        world.setLinks([[fault.from, fault.to]], false, fault.oneWay);
        break;
      case 'heal':
        world.heal();
        break;
      case 'network':
        world.setNetworkOptions(fault.options);
        break;
      case 'power-off':
        for (const node of fault.nodes) world.node(node).powerOff();
        break;
      case 'power-on':
        for (const node of fault.nodes) world.node(node).powerOn();
        break;
      case 'resource-dies':
        for (const node of world.where(fault.sid)) node.setRunning(fault.sid, false);
        this.troubled.add(fault.sid);
        return;
      case 'by-hand':
        this.#putByHand(world.node(fault.node), fault.sid);
        break;
      case 'resource-behaves':
        this.#behave(fault.sid, fault.how, fault.rate, new Random(fault.seed));
        break;
      case 'device':
        world.device?.setUp(fault.up);
        // Who is out of quorum in truth is another.
        world.network.changed();
        break;
      case 'device-reach':
        world.device?.setReach(fault.node, fault.works);
        world.network.changed();
        break;
      case 'node-list':
        this.#listNodes(fault.nodes);
        break;
      case 'add-node':
        this.#addNode(fault.node);
        break;
      case 'ask':
        this.#ask(world.node(fault.node), fault.command);
        break;
      case 'confirm-off':
        this.#confirmOff(world.node(fault.node), world.node(fault.by));
        break;
      case 'shutdown':
        for (const node of fault.nodes) this.#shutDown(world.node(node), fault.how, fault.offMs);
        break;
      default:
        this.#injectInto(world.node(fault.node), fault);
        break;
    }
  }

  #injectInto(node: SimNode, fault: Extract<Fault, { node: number }>): void {
    const world = this.#world;
    switch (fault.kind) {
      case 'votes':
        world.setVotes(node.nodeId, fault.votes);
        world.reload();
        break;
      case 'reset-broken':
        node.resetWorks = !fault.broken;
        return;
      case 'wall-clock':
        node.clock.wallSkewMs += fault.byMs;
        return;
      case 'kill-agent':
        node.killAgent(fault.restartMs);
        break;
      case 'end-agent':
        node.endAgent(fault.restartMs);
        break;
      case 'start-agent':
        node.startAgent();
        break;
      case 'stop-agent':
        node.stopAgent();
        break;
      case 'continue-agent':
        node.continueAgent();
        break;
      case 'stall-agent':
        node.stallAgent(fault.whileMs);
        break;
      case 'stall-keeper':
        node.stallKeeper(fault.whileMs);
        break;
      case 'watchdog-fails':
        if (node.device !== null) node.device.trouble = fault.how;
        return;
      case 'old-configuration':
        world.keepConfiguration(node.nodeId, fault.kept);
        break;
      case 'bound':
        node.fenceBoundMs = fault.fenceBoundMs;
        node.killAgent(fault.restartMs);
        break;
      case 'stop-corosync':
        node.corosync.stop();
        break;
      case 'continue-corosync':
        node.corosync.goOn();
        break;
      case 'restart-corosync':
        this.#restartCorosync(node, fault.downMs);
        break;
      case 'quorum-options':
        node.quorumOptions = fault.options;
        node.corosync.reload();
        break;
      case 'disk-hangs':
        node.disk.hangsUntilMs = Math.max(node.disk.hangsUntilMs, world.nowMs + fault.whileMs);
        return;
      case 'disk-slow':
        node.disk.delayMs = fault.delayMs;
        return;
      case 'disk-full':
        node.disk.full = fault.full;
        return;
      case 'disk-torn':
        if (this.#othersAreValid(node)) node.disk.tornRate = fault.rate;
        return;
      case 'disk-lost':
        this.#loseDisk(node, fault.restartMs);
        break;
    }
  }

  /** Nodes that have never stored anything would be a cluster of their own. */
  #listNodes(wanted: readonly number[]): void {
    const known = this.#world.nodes.filter(({ nodeId }) => wanted.includes(nodeId));
    const remembers = known.some(({ disk }) => disk.record?.valid === true);
    if (known.length > 1 && remembers) this.#world.setNodeList(known.map(({ nodeId }) => nodeId));
  }

  #addNode(nodeId: number): void {
    const world = this.#world;
    if (world.nodes.some((node) => node.nodeId === nodeId)) return;
    world.addNode({ nodeId, name: `node${nodeId}` });
    this.#listNodes(world.nodes.map((node) => node.nodeId));
  }

  #restartCorosync(node: SimNode, downMs: number): void {
    const { boots } = node;
    node.corosync.kill('killed');
    this.#world.after(downMs, () => {
      if (node.up && node.boots === boots) node.corosync.start();
    });
  }

  /** Only what the others know may be lost: a cluster whose quorum of stores is gone waits for ever, and has to. */
  #othersAreValid(node: SimNode): boolean {
    const { nodes, device } = this.#world;
    const others = nodes.filter((other) => other !== node);
    const votes = (of: readonly SimNode[]): number => of.reduce((sum, each) => sum + each.votes, 0);
    const areQuorum = votes(others) > (votes(nodes) + (device?.votes ?? 0)) / 2;
    return areQuorum && others.every((other) => other.disk.record?.valid === true);
  }

  #loseDisk(node: SimNode, restartMs: number): void {
    if (!this.#othersAreValid(node)) return;
    node.killAgent(restartMs);
    node.disk.lose();
  }

  // ---- operators ----

  #confirmOff(node: SimNode, by: SimNode): void {
    const record = this.#world.state.nodes[node.nodeId];
    if (node.up || record === undefined) return;
    this.#ask(by, { type: 'node-fenced', nodeId: node.nodeId, bootId: record.bootId, proof: 'operator' });
  }

  #shutDown(node: SimNode, how: 'reboot' | 'poweroff', offMs: number | null): void {
    const world = this.#world;
    const { boots, agent } = node;
    if (!node.up || agent === null) return;
    const off = (): void => {
      if (!node.up || node.boots !== boots) return;
      if (offMs === null) {
        if (node.agent === agent) node.killAgent(agentRestartMs);
        return;
      }
      node.powerOff();
      world.after(offMs, () => {
        if (node.boots === boots) node.powerOn();
      });
    };
    const prepared = (): void => void world.after(0, off);
    agent.prepareShutdown(how).then(prepared, () => undefined);
    world.after(shutdownLimitMs, off);
  }

  /**
   * Started on that node, or moved there from where it runs: by somebody who has looked that Holdfast leaves it alone,
   * that everybody knows so, and that nothing is being done with it.
   */
  #putByHand(node: SimNode, sid: string): void {
    const { state, nodes, invariants } = this.#world;
    const isLeftAlone = (state.services[sid]?.state ?? 'ignored') === 'ignored';
    const allKnow = nodes.every(
      ({ agent }) => agent === null || agent.node.log.record.commitIndex === invariants.committedIndex,
    );
    if (!exists(sid) || !node.up || !isLeftAlone || !allKnow || nodes.some((each) => each.isBusyWith(sid))) return;
    for (const other of nodes) if (other !== node) other.setRunning(sid, false);
    node.setRunning(sid, true);
  }

  // ---- resources ----

  #behave(sid: string, how: ResourceTrouble, rate: number, random: Random): void {
    if (how === 'lies') this.liars.add(sid);
    if (how !== 'well') this.troubled.add(sid);
    if (how === 'well') {
      this.#world.setBehaviour(sid, null);
      return;
    }
    this.#world.setBehaviour(sid, {
      fault: (call) => (random.chance(rate) ? this.#trouble(call, how, random) : null),
    });
  }

  #trouble(call: OperationCall, how: ResourceTrouble, random: Random): ResourceFault | null {
    switch (how) {
      case 'well':
        return null;
      case 'fails':
        return { kind: 'fail', permanent: call.operation === 'start' && random.chance(0.2) };
      case 'half':
        return { kind: 'fail', half: true };
      case 'slow':
        return { kind: 'slow', byMs: random.within(slowMs) };
      case 'hangs':
        this.#hung.add(`${call.nodeId}/${this.#world.node(call.nodeId).boots}`);
        return { kind: 'hang' };
      case 'lies':
        return { kind: 'lie', outcome: random.pick(['running', 'stopped'] as const) ?? 'stopped' };
    }
  }

  // ---- the end of all faults ----

  /** Everything works again, and every machine is on or about to be; who cannot go on as he is, is reset. */
  putRight(sids: Iterable<string>): void {
    const world = this.#world;
    world.setNetworkOptions({ lossRate: 0, skewMs: [0, 0], orderMs: [0.2, 3] });
    for (const sid of sids) world.setBehaviour(sid, null);
    for (const node of world.nodes) this.#putRight(node);
    world.setNodeList(world.nodes.map(({ nodeId }) => nodeId));
    world.heal();
    world.device?.putRight();
  }

  /** On its way down, unable to reset itself though it has to, or with an operation that never ends. */
  #isStuck(node: SimNode): boolean {
    const leaving = node.agent?.node.shutdown ?? null;
    if (leaving !== null && leaving.kind !== 'restart') return true;
    const fenced = this.#world.state.nodes[node.nodeId]?.fencedBootIds.includes(node.bootId) === true;
    return (fenced && !node.resetWorks) || this.#hung.has(`${node.nodeId}/${node.boots}`);
  }

  #putRight(node: SimNode): void {
    Object.assign(node.disk, { full: false, delayMs: 0, tornRate: 0 });
    node.disk.hangsUntilMs = Math.min(node.disk.hangsUntilMs, this.#world.nowMs + 5_000);
    node.quorumOptions = [];
    node.oldConfiguration = null;
    if (node.device !== null) node.device.trouble = null;
    if (this.#isStuck(node)) node.powerOff();
    node.resetWorks = true;
    node.continueAgent();
    node.corosync.goOn();
    if (!node.up) {
      node.powerOn();
      return;
    }
    node.corosync.start();
    node.corosync.reload();
    node.startAgent();
  }
}
