import { setImmediate as turn } from 'node:timers/promises';
import { Agent, type AgentPorts } from '../src/agent/agent.js';
import { HoldfastError } from '../src/core/errors.js';
import { blankRecord, type DurableRecord } from '../src/core/log.js';
import type { NodeEvent } from '../src/core/node-state.js';
import type { ClusterEvent, SendResult } from '../src/ports/cluster.js';
import type { OperationResult, ResourceDefinition, ResourceDriver } from '../src/ports/resource-driver.js';
import type { Watchdog } from '../src/ports/watchdog.js';

/** The ports of an agent alone in its cluster, each obeying the test: nothing happens but what `settle` lets happen. */

const ring = { nodeId: 1, seq: 1 };

export const configuration: ClusterEvent = {
  type: 'configuration',
  configuration: {
    localNodeId: 1,
    clusterName: 'test',
    nodes: [{ nodeId: 1, name: 'node1', votes: 1 }],
    expectedVotes: 1,
    deviceVotes: 0,
    tokenMs: 1_000,
    consensusMs: 1_200,
    quorumOptions: [],
  },
};

export class FakeClock {
  nowMs = 100_000;
  #timers: { readonly atMs: number; readonly run: () => void }[] = [];

  bootMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return 1_000_000 + this.nowMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.nowMs + delayMs, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const [next] = this.#timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.nowMs = next.atMs;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      next.run();
    }
    this.nowMs = endMs;
  }
}

export class FakeCluster {
  readonly maxMessageBytes = 16_384;
  /** What `send` says, in order; then always `sent`. */
  answers: SendResult[] = [];
  /** Sent and not delivered yet. */
  queue: Uint8Array[] = [];
  /** Calls of `send`, whatever the answer. */
  sends = 0;
  closed = false;
  #handler: (event: ClusterEvent) => void = () => undefined;

  start(handler: (event: ClusterEvent) => void): void {
    this.#handler = handler;
  }

  send(data: Uint8Array): SendResult {
    this.sends++;
    const answer = this.answers.shift() ?? 'sent';
    if (answer === 'sent') this.queue.push(data);
    return answer;
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  emit(event: ClusterEvent): void {
    this.#handler(event);
  }

  connect(): void {
    const member = { nodeId: 1, pid: 100 };
    this.emit(configuration);
    this.emit({ type: 'quorum', quorate: true, ring, members: [1] });
    this.emit({ type: 'ring', ring, members: [1] });
    this.emit({ type: 'group', members: [member], joined: [member], left: [] });
  }

  deliver(): void {
    const { queue } = this;
    this.queue = [];
    for (const data of queue) this.emit({ type: 'message', nodeId: 1, pid: 100, data });
  }
}

export class FakeStore {
  readonly saved: DurableRecord[] = [];
  /** While held, saves wait for `release`. */
  held = false;
  /** What the next saves reject with. */
  failure: Error | null = null;
  underWay = 0;
  #release: () => void = () => undefined;

  async load(): Promise<{ readonly outcome: 'empty' }> {
    return { outcome: 'empty' };
  }

  async save(record: DurableRecord): Promise<void> {
    if (++this.underWay > 1) throw new Error('saves overlap');
    if (this.held) await new Promise<void>((resolve) => (this.#release = resolve));
    this.underWay--;
    if (this.failure !== null) throw this.failure;
    this.saved.push(record);
  }

  release(): void {
    this.held = false;
    this.#release();
  }
}

export class FakeWatchdog implements Watchdog {
  calls: string[] = [];
  armFailure: Error | null = null;
  extendFailure: Error | null = null;

  inspect(): never {
    throw new Error('an agent does not inspect');
  }

  stats(): never {
    throw new Error('an agent does not ask');
  }

  async arm(): Promise<void> {
    this.calls.push('arm');
    if (this.armFailure !== null) throw this.armFailure;
  }

  extend(): void {
    this.calls.push('extend');
    if (this.extendFailure !== null) throw this.extendFailure;
  }

  async release(): Promise<void> {
    await turn();
    this.calls.push('release');
  }

  reset(): void {
    this.calls.push('reset');
  }
}

export class FakeDriver implements ResourceDriver {
  readonly type = 'ocf';
  readonly running = new Set<string>();
  readonly validated: ResourceDefinition[] = [];
  /** What `validate` rejects with. */
  refusal: HoldfastError | null = null;
  /** What `run` rejects with, which it never should. */
  defect: Error | null = null;
  /** Why nothing can ever start here. */
  startFailure: string | null = null;
  /** Why nothing stops here. */
  stopFailure: string | null = null;
  /** Operations take for ever. */
  hangs = false;

  async validate(definition: ResourceDefinition): Promise<void> {
    this.validated.push(definition);
    if (this.refusal !== null) throw this.refusal;
  }

  async run(operation: 'start' | 'stop' | 'monitor', { sid }: ResourceDefinition): Promise<OperationResult> {
    if (this.defect !== null) throw this.defect;
    if (this.hangs) await new Promise(() => undefined);
    if (operation === 'start' && this.startFailure !== null) {
      return { outcome: 'error', permanent: true, detail: this.startFailure, durationMs: 1 };
    }
    if (operation === 'stop' && this.stopFailure !== null) {
      return { outcome: 'error', permanent: false, detail: this.stopFailure, durationMs: 1 };
    }
    if (operation === 'start') this.running.add(sid);
    if (operation === 'stop') this.running.delete(sid);
    const outcome = this.running.has(sid) ? 'running' : 'stopped';
    return { outcome, permanent: false, detail: '', durationMs: 1 };
  }

  async monitorIntervalMs(): Promise<number> {
    return 10_000;
  }
}

/** Says so when an event comes while the effects of another are being carried out. */
class WatchedAgent extends Agent {
  nested: NodeEvent['type'][] = [];
  #underWay = false;

  override dispatch(event: NodeEvent): void {
    if (this.#underWay) this.nested.push(event.type);
    this.#underWay = true;
    super.dispatch(event);
    this.#underWay = false;
  }
}

export interface World {
  readonly agent: WatchedAgent;
  readonly clock: FakeClock;
  readonly cluster: FakeCluster;
  readonly store: FakeStore;
  readonly watchdog: FakeWatchdog;
  readonly driver: FakeDriver;
  readonly failures: Error[];
  readonly logged: { readonly level: string; readonly text: string }[];
  /** Delivers and carries out everything that is under way, for so long on the clock. */
  settle(ms?: number): Promise<void>;
}

/** What there is besides: by default a corosync that answers, and no loads. */
export interface Surroundings {
  readonly connects?: boolean;
  readonly loads?: AgentPorts['loads'];
}

/** A started agent, with a view of its own once `settle`d; `record` is what its store held. */
export function world(record = blankRecord(false), { connects = true, loads = null }: Surroundings = {}): World {
  const clock = new FakeClock();
  const cluster = new FakeCluster();
  const store = new FakeStore();
  const watchdog = new FakeWatchdog();
  const driver = new FakeDriver();
  const failures: Error[] = [];
  const logged: { level: string; text: string }[] = [];
  const log = (level: string) => (_detail: object, text: string) => void logged.push({ level, text });
  const ports: AgentPorts = {
    clock,
    cluster,
    store,
    watchdog,
    drivers: new Map([[driver.type, driver]]),
    loads,
    log: { info: log('info'), warn: log('warn'), error: log('error'), fatal: log('fatal') },
    lastWords: async () => undefined,
  };
  const options = {
    incarnation: 'i1',
    bootId: 'b1',
    startedMs: clock.nowMs,
    fenceBoundMs: 60_000,
    watchdog: { kappa: 1, minTimeoutS: 1, maxTimeoutS: 0, active: false } as const,
    protectionLabel: 'protected',
    refusal: null,
    migratesLive: [],
  };
  const agent = new WatchedAgent(options, record, ports, (error) => failures.push(error));
  agent.start();
  if (connects) cluster.connect();
  const settle = async (ms = 2_000): Promise<void> => {
    for (let passedMs = 0; passedMs < ms; passedMs += 50) {
      clock.advance(50);
      cluster.deliver();
      await turn();
    }
  };
  return { agent, clock, cluster, store, watchdog, driver, failures, logged, settle };
}

/** The code of what a promise rejects with; null: it resolved. */
export async function codeOf(promise: Promise<unknown>): Promise<string | null> {
  try {
    await promise;
    return null;
  } catch (error) {
    if (error instanceof HoldfastError) return error.code;
    throw error;
  }
}
