import { Agent, type AgentLog, type AgentPorts } from '../agent/agent.js';
import type { Command } from '../core/cluster-state.js';
import type { DurableRecord } from '../core/log.js';
import type { NodeEvent, NodeOptions } from '../core/node-state.js';

/** What the world wants to know of an agent as it goes along. */
export interface AgentWatch {
  /** The log of this agent is another than before the event. */
  readonly onLog: (agent: HostedAgent, before: DurableRecord) => void;
  /** Promises may have been settled, or are about to be: their continuations are to run before the next event. */
  readonly settle: () => void;
}

/** The production agent, and the world that looks at it after each event. Nothing of what it does is changed. */
export class HostedAgent extends Agent {
  /** So much of the log it knew when it decided to let its watchdog go, which takes a while; null: it does not. */
  releasingIndex: number | null = null;
  readonly #watch: AgentWatch;
  #record: DurableRecord;
  #protection: string | undefined;
  #requests = 0;

  constructor(
    options: NodeOptions,
    record: DurableRecord,
    ports: AgentPorts,
    onFailure: (error: Error) => void,
    watch: AgentWatch,
  ) {
    super(options, record, ports, onFailure);
    this.#watch = watch;
    this.#record = this.node.log.record;
  }

  override dispatch(event: NodeEvent): void {
    super.dispatch(event);
    this.observe();
    const { cluster, log } = this.node;
    // The watchdog's commands are given in a continuation of a promise.
    const protection = cluster?.protection.state;
    const isNews = protection !== this.#protection;
    if (isNews) this.releasingIndex = protection === 'releasing' ? log.record.commitIndex : null;
    if (isNews || this.#requests > 0) this.#watch.settle();
    this.#protection = protection;
  }

  /** Tells what has become of its log; also asked in the middle of an event, before what follows from a commit. */
  observe(): void {
    const { log } = this.node;
    const before = this.#record;
    if (log.record === before) return;
    this.#record = log.record;
    if (log.record.commitIndex !== before.commitIndex) this.#watch.onLog(this, before);
  }

  override request(command: Command): Promise<number> {
    this.#requests++;
    this.#watch.settle();
    return super.request(command).finally(() => {
      this.#requests--;
      this.#watch.settle();
    });
  }
}

/** What one process of the agent is to its machine: it runs, is stopped by a signal, stands still, or is gone. */
export class ProcessState {
  alive = true;
  /** By SIGSTOP: the keeper's thread, too. */
  stopped = false;
  /** The event loop stands still until then, true time. */
  stalledUntilMs = 0;
  readonly #nowMs: () => number;
  readonly #settle: () => void;
  #inbox: (() => void)[] = [];

  constructor(nowMs: () => number, settle: () => void) {
    this.#nowMs = nowMs;
    this.#settle = settle;
  }

  get isFree(): boolean {
    return this.alive && !this.stopped && this.stalledUntilMs <= this.#nowMs() && this.#inbox.length === 0;
  }

  get hasWaiting(): boolean {
    return this.#inbox.length > 0;
  }

  /** To the event loop: at once if it turns, else when it turns again. */
  readonly deliver = (run: () => void): void => {
    if (!this.alive) return;
    if (!this.isFree) {
      this.#inbox.push(run);
      return;
    }
    this.#settle();
    run();
  };

  /** Whatever has waited, in its order, if the event loop turns. */
  catchUp(): void {
    if (!this.alive || this.stopped || this.stalledUntilMs > this.#nowMs()) return;
    const inbox = this.#inbox;
    this.#inbox = [];
    for (const run of inbox) if (this.alive) run();
    this.#settle();
  }

  end(): void {
    this.alive = false;
    this.#inbox = [];
  }
}

export function agentLog(
  tell: (level: 'info' | 'warn' | 'error' | 'fatal', detail: object, text: string) => void,
): AgentLog {
  return {
    info: (detail, text) => tell('info', detail, text),
    warn: (detail, text) => tell('warn', detail, text),
    error: (detail, text) => tell('error', detail, text),
    fatal: (detail, text) => tell('fatal', detail, text),
  };
}
