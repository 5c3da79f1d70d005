import type { AgentControl, Mutation, ResourceConfig } from '../src/agent/control.js';
import type { AgentEvent, StatusReport, TimingReport } from '../src/agent/status.js';
import { HoldfastError } from '../src/core/errors.js';

export const healthyReport: StatusReport = {
  version: '0.1.0',
  cluster: { name: 'lab', connected: true, quorate: true, votes: 3, expectedVotes: 3, quorumVotes: 2 },
  local: { nodeId: 1, name: 'node1', bootId: '7d3c' },
  leader: 'node1',
  epoch: 4,
  commitIndex: 17,
  protection: 'protected',
  watchdog: {
    device: '/dev/watchdog0',
    kind: 'kernel',
    identity: 'iTCO_wdt',
    state: 'armed',
    timeoutS: 6,
    effectiveMs: 6_000,
    lastPetAgoMs: 900,
    pets: 1_234,
    worstLatenessMs: 3,
    wakeups: 1_300,
    realtime: true,
    detail: null,
  },
  lease: { held: true, remainingMs: 41_200, leaseMs: 46_000 },
  store: { ok: true, detail: null },
  warnings: [],
  nodes: [
    {
      nodeId: 1,
      name: 'node1',
      state: 'online',
      lastHeardAgoMs: 0,
      protection: 'protected',
      lrm: 'active',
      storeOk: true,
      takeoverInMs: null,
    },
    {
      nodeId: 2,
      name: 'node2',
      state: 'online',
      lastHeardAgoMs: 400,
      protection: 'UNPROTECTED (emulated)',
      lrm: 'idle',
      storeOk: false,
      takeoverInMs: null,
    },
    {
      nodeId: 3,
      name: 'node3',
      state: 'fence',
      lastHeardAgoMs: 12_000,
      protection: 'protected',
      lrm: 'unknown',
      storeOk: null,
      takeoverInMs: 49_100,
    },
  ],
  services: [{ sid: 'ocf:web', state: 'started', requested: 'started', node: 'node1', detail: null }],
};

export const fittingTiming: TimingReport = {
  lines: [
    { name: 'fenceBoundMs', valueMs: 60_000, source: 'configuration' },
    { name: 'leaseMs', valueMs: 46_000, source: 'fenceBoundMs − 2·T_eff − 2 000' },
  ],
  fits: true,
  problems: [],
};

/** An agent without a cluster: what it is told, it does at once; what a test wants it to answer, it answers. */
export class FakeAgentControl implements AgentControl {
  report: StatusReport = healthyReport;
  budget: TimingReport = fittingTiming;
  /** What the next changes are answered with, instead of being made. */
  refusal: Error | null = null;
  /** Changes never settle. */
  stuck = false;
  readonly mutations: Mutation[] = [];
  readonly #resources = new Map<string, ResourceConfig>();
  readonly #listeners = new Set<(event: AgentEvent) => void>();

  get listeners(): number {
    return this.#listeners.size;
  }

  status(): StatusReport {
    return this.report;
  }

  timing(): TimingReport {
    return this.budget;
  }

  resources(): readonly ResourceConfig[] {
    return [...this.#resources.values()];
  }

  subscribe(listener: (event: AgentEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(event: AgentEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  async mutate(mutation: Mutation): Promise<{ readonly index: number }> {
    this.mutations.push(mutation);
    if (this.stuck) return new Promise(() => undefined);
    if (this.refusal !== null) throw this.refusal;
    const known = this.#resources.get(mutation.sid);
    if (mutation.type === 'add') {
      if (known !== undefined) throw new HoldfastError('HF_EXISTS', `there is a resource ${mutation.sid} already`);
      const defaults = { agent: '', parameters: {}, state: 'started', comment: '', maxRestart: 1 } as const;
      this.#resources.set(mutation.sid, { sid: mutation.sid, ...defaults, ...mutation.options });
    } else if (known === undefined) {
      throw new HoldfastError('HF_NOT_FOUND', `there is no resource ${mutation.sid}`);
    } else if (mutation.type === 'set') {
      const parameters = { ...known.parameters, ...mutation.options.parameters };
      for (const name of mutation.unset) delete parameters[name];
      this.#resources.set(mutation.sid, { ...known, ...mutation.options, parameters });
    } else {
      this.#resources.delete(mutation.sid);
    }
    return { index: this.mutations.length };
  }
}
