import { describe } from '../agent/sentences.js';
import type { ApplyResult } from '../core/apply-result.js';
import type { Command } from '../core/cluster-state.js';
import { HoldfastError } from '../core/errors.js';
import { blankRecord } from '../core/log.js';
import type { Entry } from '../core/messages.js';
import type { Scenario, ScenarioOutcome, ScenarioService } from './scenario.js';
import type { ScenarioCommand } from './scenario-commands.js';
import { fenceBoundMs, initialIndex, roundOf } from './scenario-initial.js';
import { reasonsIn } from './scenario-reasons.js';
import { World } from './world.js';
import type { LogLine, TruthChange } from './world-options.js';

/** One line of what happens, as it happens. */
export interface SimulationLine {
  readonly level: 'info' | 'warn' | 'error' | 'fatal';
  /** Simulated seconds. */
  readonly second: number;
  /** `node1/manager`, `node1/agent`, `node1/guests`, `hardware`, `commands`, `scenario`. */
  readonly source: string;
  readonly text: string;
}

export interface SimulationOptions {
  /** The same seed gives the same course of events; 1. */
  readonly seed?: number;
  readonly log?: (line: SimulationLine) => void;
}

/** Runs a scenario to its end. */
export async function simulate(scenario: Scenario, options: SimulationOptions = {}): Promise<ScenarioOutcome> {
  return new Simulation(scenario, options).run();
}

const roundsPerList = 5;
/** After the last command; looked at when a list of commands would be due. */
const endAfterS = 500;
const longestS = 10_000;
/** A change that finds no quorum is asked for again after this. */
const askAgainMs = 1_000;
/** Recovery of a guest clears all locks that its dead node may have left, but not this one: it was never complete. */
const keptLock = 'create';

class Simulation {
  readonly #scenario: Scenario;
  readonly #world: World;
  readonly #log: (line: SimulationLine) => void;
  readonly #locks: Map<string, string>;
  readonly #proofs: Proof[] = [];
  /** Services whose node was proved dead, until they are started again. */
  readonly #recovered = new Map<string, Proof>();
  readonly #booted = new Set<string>();
  #over = false;

  constructor(scenario: Scenario, { seed = 1, log = () => undefined }: SimulationOptions) {
    this.#scenario = scenario;
    this.#log = log;
    this.#locks = new Map(scenario.locks);
    this.#world = new World({
      seed,
      fenceBoundMs,
      initial: {
        ...blankRecord(false),
        valid: true,
        snapshot: { index: initialIndex, state: scenario.initial },
        commitIndex: initialIndex,
      },
      nodes: scenario.nodes.map(({ nodeId, name, load }) => ({ nodeId, name, load, startsPoweredOff: true })),
      // Machines that are switched on together come up together: where services are to start is not a race.
      bootMs: [0, 0],
      resources: (sid) => ({
        fault: ({ operation }) => this.#faultOfLock(sid, operation),
      }),
      log: (line) => this.#onAgentLine(line),
      observer: {
        committed: (entry, result) => this.#onCommitted(entry, result),
        truth: (change) => this.#onTruth(change),
        reset: ({ node, why }) => this.#say('warn', 'hardware', `${node} was reset (${why}) and is off`),
        violation: ({ rule, text }) => this.#say('fatal', 'scenario', `violation (${rule}): ${text}`),
      },
    });
    for (const [sid, load] of scenario.loads) this.#world.setServiceLoad(sid, load);
  }

  async run(): Promise<ScenarioOutcome> {
    for (const note of this.#scenario.notes) this.#say('warn', 'scenario', note);
    for (const { name, on } of this.#scenario.nodes) if (on) this.#powerOn(name);
    await this.#giveCommands();
    this.#over = true;
    return this.#outcome();
  }

  get #nowS(): number {
    return this.#world.nowMs / 1_000;
  }

  /** Lists are given at the pace of the peer's simulator, which counts its rounds. */
  async #giveCommands(): Promise<void> {
    const lists = [...this.#scenario.commands];
    const passS = roundOf(this.#scenario.nodes.length);
    let lastS = 0;
    let notBeforeS = 0;
    for (let round = 0; this.#nowS < longestS; ) {
      await this.#world.run((this.#nowS + passS) * 1_000);
      if (this.#nowS < notBeforeS) continue;
      if (round++ % roundsPerList !== 0) continue;
      const list = lists.shift();
      if (list === undefined && this.#nowS - lastS > endAfterS) return;
      for (const command of list ?? []) {
        lastS = this.#nowS;
        if (command.type === 'delay') notBeforeS = this.#nowS + command.seconds;
        this.#give(command);
      }
    }
  }

  #outcome(): ScenarioOutcome {
    const { resets, violations } = this.#world;
    const { noted } = this.#scenario;
    const tracked = this.#tracked();
    const unmanaged = new Map(this.#wasManaged ? [] : [...tracked].filter(([sid]) => !noted.has(sid)));
    return {
      end: Math.round(this.#nowS),
      services: this.#shown(this.#wasManaged ? tracked : noted),
      fenced: inOrder(this.#proofs.filter(({ gaveAway }) => gaveAway)),
      reset: inOrder(resets),
      violations: violations.map(({ rule, text }) => `${rule}: ${text}`),
      unmanaged: this.#shown(unmanaged),
      notes: this.#scenario.notes,
    };
  }

  #shown(view: Scenario['noted']): ScenarioOutcome['services'] {
    const reasonOf = reasonsIn(this.#world);
    const services: Record<string, ScenarioService> = {};
    for (const [sid, seen] of [...view].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const running = this.#world.where(sid).map(({ name }) => name);
      const record = this.#world.state.services[sid];
      const reason = record === undefined ? null : reasonOf(record);
      services[sid] = { ...seen, running, ...(reason === null ? {} : { reason }) };
    }
    return services;
  }

  get #wasManaged(): boolean {
    return this.#world.trueLog.length > 0;
  }

  #tracked(): Scenario['noted'] {
    const tracked = Object.values(this.#world.state.services).filter(({ state }) => state !== 'ignored');
    return new Map(
      tracked.map(({ sid, nodeId, state }) => [sid, { node: nodeId === null ? null : this.#nameOf(nodeId), state }]),
    );
  }

  // ---- commands ----

  #give(command: ScenarioCommand): void {
    this.#say('info', 'commands', command.text);
    switch (command.type) {
      case 'delay':
        return;
      case 'power':
        if (command.on) this.#powerOn(command.node);
        else this.#world.node(command.node).powerOff();
        return;
      case 'network':
        if (command.on) this.#world.networkOn(command.node);
        else this.#world.networkOff(command.node);
        return;
      case 'shutdown':
        this.#shutDown(command.node, command.kind);
        return;
      case 'restart-agent':
        this.#say('info', 'hardware', `the agent of ${command.node} ends, and is started again`);
        this.#world.node(command.node).endAgent(restartAgentMs);
        return;
      case 'store':
        this.#say('info', 'hardware', `the store of ${command.node} ${command.works ? 'works' : 'cannot be written'}`);
        this.#world.node(command.node).disk.full = !command.works;
        return;
      case 'request':
        this.#ask(command.text, command.command);
        return;
      case 'add':
        if (command.runs) this.#world.node(command.node).setRunning(command.sid, true);
        this.#ask(command.text, command.command);
        return;
      case 'lock':
        if (command.lock === null) this.#locks.delete(command.sid);
        else this.#locks.set(command.sid, command.lock);
        return;
      case 'move-by-hand':
        this.#moveByHand(command.sid, command.node);
        return;
      case 'use':
        this.#world.setServiceLoad(command.sid, command.load);
        return;
      case 'nothing':
        this.#say('info', 'scenario', `nothing is done: ${command.why}`);
        return;
    }
  }

  #powerOn(name: string): void {
    const node = this.#world.node(name);
    this.#world.networkOn(name);
    if (node.up) return;
    node.powerOn();
    if (this.#booted.has(name)) return;
    this.#booted.add(name);
    const { running = [] } = this.#scenario.nodes.find((each) => each.name === name) ?? {};
    for (const sid of running) node.setRunning(sid, true);
  }

  /** As an operating system does it: the agent is asked to prepare, and whatever comes of it, the machine goes down. */
  #shutDown(name: string, kind: 'reboot' | 'poweroff'): void {
    const node = this.#world.node(name);
    const { agent, bootId } = node;
    const goDown = (text: string): void => {
      if (!node.up || node.bootId !== bootId) return;
      this.#say('info', 'hardware', text);
      this.#world.after(0, () => {
        if (node.bootId !== bootId) return;
        node.powerOff();
        if (kind === 'reboot') this.#powerOn(name);
      });
    };
    if (agent === null) {
      goDown(`${name} goes down: no agent runs there`);
      return;
    }
    agent.prepareShutdown(kind).then(
      () => goDown(`${name} goes down (${kind}): nothing runs there any more`),
      (error: Error) => goDown(`${name} goes down (${kind}): ${error.message}`),
    );
  }

  /** By the first node that can; a refusal is the end of it, a lack of quorum is not. */
  #ask(text: string, command: Command): void {
    const node = this.#world.leader() ?? this.#world.nodes.find(({ agent }) => agent !== null);
    const request =
      node === undefined
        ? Promise.reject(new HoldfastError('HF_NO_QUORUM', 'nothing was changed: no agent runs'))
        : this.#world.request(node.name, command);
    request.then(
      () => undefined,
      (error: unknown) => {
        if (this.#over) return;
        const answer = error instanceof Error ? error.message : String(error);
        const again = error instanceof HoldfastError && askedAgain.has(error.code);
        if (!again) this.#say('error', 'commands', `${text}: ${answer}`);
        else this.#world.after(askAgainMs, () => this.#ask(text, command));
      },
    );
  }

  #moveByHand(sid: string, target: string): void {
    const sources = this.#world.where(sid);
    for (const node of sources) node.setRunning(sid, false);
    if (sources.length > 0) this.#world.node(target).setRunning(sid, true);
    else this.#say('info', 'scenario', `${sid} does not run: there is nothing to move`);
  }

  #faultOfLock(sid: string, operation: string): { kind: 'fail'; detail: string } | null {
    const lock = this.#locks.get(sid);
    const hinders = operation === 'start' || operation === 'migrate';
    return lock !== undefined && hinders ? { kind: 'fail', detail: `${sid} is locked (${lock})` } : null;
  }

  // ---- what happens ----

  #onCommitted({ command, index }: Entry, result: ApplyResult): void {
    const manager = `${this.#world.leader()?.name ?? 'cluster'}/manager`;
    if (!result.ok) {
      this.#say('warn', manager, `${command.type} refused: ${result.message}`);
      return;
    }
    this.#say(
      isBad(command) ? 'warn' : 'info',
      manager,
      describe(command, (nodeId) => this.#nameOf(nodeId)),
    );
    if (command.type === 'node-fenced' || command.type === 'node-released') this.#noteProof(command, index);
    if (command.type === 'service-state' && command.state === 'started') this.#onStarted(command.sid, command.nodeId);
  }

  /** Whose services are to be started elsewhere, for it was proved to run nothing. */
  #noteProof(command: Command & { type: 'node-fenced' | 'node-released' }, index: number): void {
    const { nodeId, bootId } = command;
    const wereThere = Object.values(this.#world.state.services).filter((service) =>
      command.type === 'node-released'
        ? service.uid === index && service.nodeId === nodeId
        : service.state === 'fence' &&
          ((service.nodeId === nodeId && service.bootId === bootId) ||
            (service.targetId === nodeId && service.targetBootId === bootId)),
    );
    if (wereThere.length === 0) return;
    const proof: Proof = { atMs: this.#world.nowMs, node: this.#nameOf(nodeId), nodeId, gaveAway: true };
    // Back already, it may well get everything back.
    if (command.type === 'node-fenced' && command.proof === 'reboot') proof.gaveAway = false;
    this.#proofs.push(proof);
    for (const { sid } of wereThere) this.#recovered.set(sid, proof);
  }

  /** Its node was proved dead: it is freed of the lock that this one may have left. */
  #onStarted(sid: string, nodeId: number | null): void {
    const proof = this.#recovered.get(sid);
    if (proof === undefined) return;
    this.#recovered.delete(sid);
    if (proof.nodeId !== nodeId) proof.gaveAway = true;
    const lock = this.#locks.get(sid);
    if (lock === undefined || lock === keptLock) return;
    this.#locks.delete(sid);
    this.#say('info', 'scenario', `the lock (${lock}) of ${sid} was its dead node's: removed`);
  }

  #onTruth({ sid, node, runs, why }: TruthChange): void {
    this.#say('info', `${node}/guests`, `${sid} ${runs ? 'runs' : 'does not run any more'} (${why})`);
  }

  /** What was committed is said once, by the leader, and not by every node. */
  #onAgentLine({ level, node, text, detail }: LogLine): void {
    if ('command' in detail) return;
    this.#say(level, `${node}/agent`, text);
  }

  #nameOf(nodeId: number | null): string {
    return this.#scenario.nodes.find((node) => node.nodeId === nodeId)?.name ?? `node ${nodeId}`;
  }

  #say(level: SimulationLine['level'], source: string, text: string): void {
    this.#log({ level, second: Math.floor(this.#nowS), source, text });
  }
}

interface Happening {
  readonly atMs: number;
  readonly node: string;
}

/** That a node runs nothing of what it had. */
interface Proof extends Happening {
  readonly nodeId: number;
  /** Some of that was given to other nodes. */
  gaveAway: boolean;
}

/** Two heartbeats: what hits several nodes at the same moment shows within this, in an order that is chance. */
const togetherMs = 2_000;

/** Nodes in the order of what happened to them; what happened at the same time by name. */
function inOrder(happenings: readonly Happening[]): string[] {
  const groups: Happening[][] = [];
  for (const happening of happenings) {
    const group = groups.at(-1);
    const first = group?.[0];
    if (group !== undefined && first !== undefined && happening.atMs - first.atMs <= togetherMs) group.push(happening);
    else groups.push([happening]);
  }
  return groups.flatMap((group) => group.map(({ node }) => node).sort());
}

const askedAgain: ReadonlySet<string> = new Set(['HF_NO_QUORUM', 'HF_OUTCOME_UNKNOWN']);
/** Until the supervisor starts an agent that has ended. */
const restartAgentMs = 1_000;

function isBad(command: Command): boolean {
  return command.type === 'node-fenced' || command.type === 'node-state';
}
