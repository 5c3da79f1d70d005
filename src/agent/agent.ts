import { AssertionError } from '../core/assert.js';
import type { ApplyResult, Command } from '../core/cluster-state.js';
import type { Effect, Notice } from '../core/effects.js';
import { HoldfastError } from '../core/errors.js';
import type { DurableRecord } from '../core/log.js';
import type { Entry, LoadReport, Message } from '../core/messages.js';
import { newNode, step } from '../core/node.js';
import type { NodeEvent, NodeOptions, NodeState } from '../core/node-state.js';
import type { Clock } from '../ports/clock.js';
import type { Cluster, ClusterEvent } from '../ports/cluster.js';
import type { LoadMeter } from '../ports/load-meter.js';
import type { ResourceDriver } from '../ports/resource-driver.js';
import type { Store } from '../ports/store.js';
import type { Watchdog } from '../ports/watchdog.js';
import type { Decision } from './control.js';
import { decisionOf } from './decisions.js';
import { LoadReporter } from './load-report.js';
import { operate } from './resource-operation.js';
import { describe, flat } from './sentences.js';
import { ShutdownPreparation } from './shutdown-preparation.js';
import type { AgentEvent } from './status.js';
import { WatchdogTurn } from './watchdog-turn.js';
import { type MessageCodec, type MessageDecoder, wireCodec } from './wire.js';

/** One node: the core, and the ports that its effects go to. One loop; everything happens in `dispatch`. */
export interface AgentPorts {
  readonly clock: Clock;
  readonly cluster: Cluster;
  readonly store: Store;
  /** Null: this node has no watchdog, and runs nothing. */
  readonly watchdog: Watchdog | null;
  readonly drivers: ReadonlyMap<string, ResourceDriver>;
  /** Null: loads are not known, and placement counts services. */
  readonly loads: LoadMeter | null;
  readonly log: AgentLog;
  /** Writes down durably why this node may be reset soon. */
  readonly lastWords: (reason: string) => Promise<void>;
  /** How messages become multicasts and back; absent: as bytes. */
  readonly codec?: MessageCodec;
}

/** The part of pino that is used here. */
export interface AgentLog {
  info(detail: object, text: string): void;
  warn(detail: object, text: string): void;
  error(detail: object, text: string): void;
  fatal(detail: object, text: string): void;
}

interface PendingRequest {
  readonly resolve: (index: number) => void;
  readonly reject: (error: HoldfastError) => void;
  readonly cancelTimeout: () => void;
}

const agentLimits = { pendingRequests: 256, subscribers: 64, requestMs: 20_000, decisions: 1_024 } as const;

/** By the leader's wall clock; only for people. */
const oldNewsS = 5;
/** How often the core is asked what time makes due. */
const tickMs = 250;

export class Agent {
  readonly node: NodeState;
  readonly #ports: AgentPorts;
  readonly #requests = new Map<string, PendingRequest>();
  readonly #subscribers = new Set<(event: AgentEvent) => void>();
  readonly #codec: MessageCodec;
  #decoder: MessageDecoder;
  #messageNumber = 0;
  #requestNumber = 0;
  #saving = false;
  #unsaved: DurableRecord | null = null;
  #cancelTick: () => void = () => undefined;
  /** Null without a watchdog. */
  readonly #watchdogTurn: WatchdogTurn | null;
  readonly #decisions: Decision[] = [];
  readonly #shutdown = new ShutdownPreparation(() => this.#watchdogTurn?.done ?? Promise.resolve());
  /** Null: loads are not known. */
  readonly #loads: LoadReporter | null;
  #connected = false;
  #waitingFor: string | null = null;
  #storeProblem: string | null = null;
  /** An assertion failed: nothing is done any more, and the watchdog does the rest. */
  #failed: Error | null = null;
  #stopped = false;
  readonly #onFailure: (error: Error) => void;

  constructor(options: NodeOptions, record: DurableRecord, ports: AgentPorts, onFailure: (error: Error) => void) {
    this.#ports = ports;
    this.#codec = ports.codec ?? wireCodec;
    this.#decoder = this.#codec.newDecoder();
    this.node = newNode(options, record);
    this.#onFailure = onFailure;
    for (const entry of record.entries) if (entry.index <= record.commitIndex) this.#remember(entry);
    const { watchdog } = ports;
    const told = { event: (event: NodeEvent) => this.dispatch(event), failed: (error: Error) => this.#fail(error) };
    this.#watchdogTurn = watchdog && new WatchdogTurn(watchdog, this.node, told);
    this.#loads = ports.loads && new LoadReporter(ports.loads);
  }

  start(): void {
    this.#ports.cluster.start((event) => this.#onClusterEvent(event));
    this.#tick();
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Why the last save failed; null if it worked. */
  get storeProblem(): string | null {
    return this.#storeProblem;
  }

  get failed(): Error | null {
    return this.#failed;
  }

  dispatch(event: NodeEvent): void {
    if (this.#failed !== null || this.#stopped) return;
    const { clock } = this.#ports;
    try {
      const now = { bootMs: Math.floor(clock.bootMs()), wallMs: clock.wallMs() };
      for (const effect of step(this.node, event, now)) this.#carryOut(effect);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new AssertionError(String(error)));
    }
  }

  /** Puts a command into the log; resolves with its index when committed. */
  request(command: Command): Promise<number> {
    if (this.#failed !== null) {
      const text = `nothing was changed, for this agent does nothing any more (${this.#failed.message}): restart it`;
      return Promise.reject(new HoldfastError('HF_INTERNAL', text));
    }
    if (this.#stopped) {
      return Promise.reject(new HoldfastError('HF_NO_QUORUM', 'nothing was changed: this agent is ending'));
    }
    if (this.#requests.size >= agentLimits.pendingRequests) {
      return Promise.reject(
        new HoldfastError('HF_BUSY', `${agentLimits.pendingRequests} changes are under way already: try again`),
      );
    }
    const requestId = `${this.node.options.incarnation}-${++this.#requestNumber}`;
    return new Promise((resolve, reject) => {
      const cancelTimeout = this.#ports.clock.after(agentLimits.requestMs, () =>
        this.#unknown(requestId, 'no answer came in time'),
      );
      this.#requests.set(requestId, { resolve, reject, cancelTimeout });
      this.dispatch({ type: 'request', requestId, command });
    });
  }

  subscribe(listener: (event: AgentEvent) => void): () => void {
    if (this.#subscribers.size >= agentLimits.subscribers) {
      throw new HoldfastError('HF_BUSY', `${agentLimits.subscribers} clients follow the events already`);
    }
    this.#subscribers.add(listener);
    return () => this.#subscribers.delete(listener);
  }

  /**
   * Prepares the machine's shutdown by the shutdown policy; resolves when nothing runs here any more and the watchdog is
   * released. Rejects if something could not be stopped: then the watchdog stays armed; and if this agent does not know
   * what runs here, or does nothing any more.
   */
  prepareShutdown(kind: 'reboot' | 'poweroff'): Promise<void> {
    if (this.#failed !== null || this.#stopped) {
      return Promise.reject(new HoldfastError('HF_BUSY', 'this agent does nothing any more'));
    }
    if (this.node.cluster === null) {
      const text =
        'corosync has not answered since this agent started: it does not know what runs here, and stops nothing';
      return Promise.reject(new HoldfastError('HF_NO_QUORUM', text));
    }
    const done = this.#shutdown.wait();
    this.dispatch({ type: 'shutdown', kind });
    return done;
  }

  /** What was committed lately, newest first; from what this node holds of the log, and since. */
  decisions(limit: number): readonly Decision[] {
    return this.#decisions.slice(-limit).reverse();
  }

  /** Ends: the watchdog is released only if nothing runs here; then the group is left. */
  async stop(): Promise<void> {
    this.dispatch({ type: 'shutdown', kind: 'restart' });
    this.#cancelTick();
    await this.#watchdogTurn?.done;
    this.#stopped = true;
    for (const requestId of this.#requests.keys()) this.#unknown(requestId, 'the agent has ended');
    this.#shutdown.abandon('the agent has ended');
    await this.#ports.cluster.close();
  }

  #tick(): void {
    const load = this.#loadsDue();
    if (load !== null) this.dispatch({ type: 'load', load });
    this.dispatch({ type: 'tick' });
    this.#tellWaiting();
    this.#cancelTick = this.#ports.clock.after(tickMs, () => this.#tick());
  }

  /** Loads only help to choose: that they cannot be measured ends nothing. */
  #loadsDue(): LoadReport | null {
    try {
      return this.#loads?.due(this.node, this.#ports.clock.bootMs()) ?? null;
    } catch (error) {
      this.#ports.log.warn({ err: error }, 'the loads of this node cannot be measured');
      return null;
    }
  }

  /** Why there is no view, once for each reason. */
  #tellWaiting(): void {
    const views = this.node.cluster?.views;
    const waitingFor = views?.view === null ? views.waitingFor : null;
    if (waitingFor !== null && waitingFor !== undefined && waitingFor !== this.#waitingFor) {
      this.#ports.log.warn({}, `nothing is decided yet: ${waitingFor}`);
    }
    this.#waitingFor = waitingFor ?? null;
  }

  #fail(error: Error): void {
    this.#failed = error;
    this.#ports.log.fatal({ err: error }, `${error.message}: this agent does nothing any more, and its lease runs out`);
    for (const requestId of this.#requests.keys()) this.#unknown(requestId, 'the agent has failed');
    this.#shutdown.abandon(`this agent has failed, and stops nothing any more (${error.message})`);
    this.#onFailure(error);
  }

  // ---- what comes in ----

  #onClusterEvent(event: ClusterEvent): void {
    if (event.type === 'message') {
      this.#onMessage(event.nodeId, event.pid, event.data);
      return;
    }
    if (event.type === 'configuration') this.#connected = true;
    if (event.type === 'group') for (const { nodeId, pid } of event.left) this.#decoder.forget(`${nodeId}/${pid}`);
    if (event.type === 'disconnected') this.#onDisconnected(event.reason);
    this.dispatch(event);
  }

  #onDisconnected(reason: string): void {
    if (this.node.cluster === null)
      this.#ports.log.warn({ reason }, `corosync does not answer (${reason}): trying until it does`);
    this.#connected = false;
    this.#decoder = this.#codec.newDecoder();
    for (const requestId of this.#requests.keys()) this.#unknown(requestId, 'the connection to corosync was lost');
  }

  #onMessage(nodeId: number, pid: number, data: Uint8Array): void {
    const decoded = this.#decoder.decode(`${nodeId}/${pid}`, data);
    if (decoded.type === 'message') this.dispatch({ type: 'message', fromId: nodeId, message: decoded.message });
    else if (decoded.type === 'refused') {
      this.#ports.log.warn({ nodeId, pid }, `message of node ${nodeId} dropped: ${decoded.detail}`);
    }
  }

  // ---- effects ----

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case 'send':
        this.#send(effect.message);
        break;
      case 'save':
        this.#save(effect.record);
        break;
      case 'applied':
        this.#applied(effect.entry, effect.result);
        break;
      case 'refused':
        this.#settle(effect.requestId, (request) => request.reject(new HoldfastError(effect.code, effect.message)));
        break;
      case 'operate':
        this.#operate(effect);
        break;
      case 'last-words':
        this.#ports
          .lastWords(effect.reason)
          .catch((error) => this.#ports.log.warn({ err: error }, 'cannot write down why'));
        return;
      case 'notice':
        this.#notice(effect.notice);
        break;
      case 'prepared':
        this.#shutdown.over(effect.clean);
        break;
      default:
        this.#watchdogTurn?.carryOut(effect);
        break;
    }
  }

  #send(message: Message): void {
    const { cluster, log } = this.#ports;
    for (const part of this.#codec.encode(message, this.#messageNumber++, cluster.maxMessageBytes)) {
      const result = cluster.send(part);
      if (result === 'sent') continue;
      // The protocol is made for lost messages; the lease is not renewed by one that was not sent.
      if (message.type === 'request') this.#unsent(message.requestId, result);
      else if (result === 'full')
        log.warn({ type: message.type }, `${message.type} not sent: corosync takes no more messages`);
      return;
    }
  }

  #unsent(requestId: string, result: 'full' | 'disconnected'): void {
    const busy = new HoldfastError('HF_BUSY', 'nothing was changed: corosync takes no more messages, try again later');
    const gone = new HoldfastError('HF_NO_QUORUM', 'nothing was changed: corosync is not running');
    this.#settle(requestId, (request) => request.reject(result === 'full' ? busy : gone));
  }

  /** One save at a time; what is asked for meanwhile is saved together, as its newest state. */
  #save(record: DurableRecord): void {
    this.#unsaved = record;
    if (this.#saving) return;
    this.#saving = true;
    this.#saveAll().catch((error) => this.#fail(error));
  }

  async #saveAll(): Promise<void> {
    for (let record = this.#unsaved; record !== null; record = this.#unsaved) {
      this.#unsaved = null;
      try {
        await this.#ports.store.save(record);
        this.#storeProblem = null;
        this.dispatch({ type: 'saved', record });
      } catch (error) {
        if (!(error instanceof HoldfastError)) throw error;
        this.#storeProblem = error.message;
        this.dispatch({ type: 'save-failed', detail: error.message });
      }
    }
    this.#saving = false;
  }

  #applied(entry: Entry, result: ApplyResult): void {
    this.#logCommand(entry, result);
    if (entry.origin?.nodeId !== this.node.cluster?.selfId || entry.origin === null) return;
    this.#settle(entry.origin.requestId, (request) => {
      if (result.ok) request.resolve(entry.index);
      else request.reject(new HoldfastError(result.code, result.message));
    });
  }

  #logCommand(entry: Entry, result: ApplyResult): void {
    const { index, command, origin, wallMs } = entry;
    const detail = { index, command: command.type, by: origin?.nodeId ?? null };
    if (!result.ok) {
      this.#notice({ kind: 'cluster', level: 'warn', text: `${command.type} refused: ${result.message}`, detail });
      return;
    }
    this.#remember(entry);
    const text = describe(command, (nodeId) => this.#nodeName(nodeId)) + this.#age(wallMs);
    const kind = command.type.startsWith('node-') ? 'node' : 'service';
    const bad = command.type === 'node-fenced' || command.type === 'node-state';
    const level = bad ? 'warn' : 'info';
    this.#notice({ kind, level, text, detail: { ...detail, ...flat(command) } });
  }

  /** A node that catches up reads old news: they must not be taken for new ones. */
  #age(wallMs: number): string {
    const ageS = Math.round((this.#ports.clock.wallMs() - wallMs) / 1_000);
    return ageS < oldNewsS ? '' : ` (${ageS} s ago)`;
  }

  #nodeName(nodeId: number | null): string {
    const voter = this.node.cluster?.configuration.nodes.find((each) => each.nodeId === nodeId);
    // Without corosync, what is stored tells.
    const known = voter ?? (nodeId === null ? undefined : this.node.log.committed.nodes[nodeId]);
    return known?.name ?? `node ${nodeId}`;
  }

  #settle(requestId: string, how: (request: PendingRequest) => void): void {
    const request = this.#requests.get(requestId);
    if (request === undefined) return;
    this.#requests.delete(requestId);
    request.cancelTimeout();
    how(request);
  }

  #unknown(requestId: string, why: string): void {
    const text = `the change may or may not have happened (${why}): look with 'holdfast config' before trying again`;
    this.#settle(requestId, (request) => request.reject(new HoldfastError('HF_OUTCOME_UNKNOWN', text)));
  }

  #remember({ index, command, wallMs }: Entry): void {
    if (command.type === 'service-running' || command.type === 'service-forget') return;
    const decision = decisionOf(index, command, wallMs, (nodeId) => this.#nodeName(nodeId));
    this.#decisions.push(decision);
    if (this.#decisions.length > agentLimits.decisions) this.#decisions.splice(0, agentLimits.decisions / 4);
  }

  #operate(effect: Effect & { type: 'operate' }): void {
    // Always answered later: other effects of the step that asks for it are yet to be carried out.
    operate(this.#ports.drivers, effect, this.#nodeName(effect.targetId))
      .then((outcome) => this.dispatch({ type: 'outcome', outcome }))
      .catch((error: Error) => this.#fail(error));
  }

  #notice({ kind, level, text, detail }: Notice): void {
    const { clock, log } = this.#ports;
    log[level]({ kind, ...detail }, text);
    const event: AgentEvent = { type: kind, bootMs: clock.bootMs(), wallMs: clock.wallMs(), text, detail };
    for (const subscriber of this.#subscribers) this.#tell(subscriber, event);
  }

  #tell(subscriber: (event: AgentEvent) => void, event: AgentEvent): void {
    try {
      subscriber(event);
    } catch (error) {
      this.#subscribers.delete(subscriber);
      this.#ports.log.error({ err: error }, 'one who follows the events has thrown, and gets no more of them');
    }
  }
}
