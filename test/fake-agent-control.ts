import type {
  AgentControl,
  Committed,
  Decision,
  Mutation,
  Rehearsal,
  ResourceConfig,
  RuleReport,
} from '../src/agent/control.js';
import type { ResetReport, ResetsReport } from '../src/agent/reset-record.js';
import type { AgentEvent, StatusReport, TimingReport } from '../src/agent/status.js';
import { type ClusterOptions, defaultOptions } from '../src/core/cluster-options.js';
import { HoldfastError } from '../src/core/errors.js';
import type { Explanation } from '../src/core/explanation.js';
import type { Preview } from '../src/core/preview.js';
import type { Group } from '../src/core/rules.js';

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
      maintenance: false,
      mode: 'active',
      unprotected: false,
      services: 1,
      load: { cpus: 8, memoryBytes: 16 * 2 ** 30, usedCpus: 1.25, usedMemoryBytes: 3 * 2 ** 30 },
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
      maintenance: false,
      mode: 'active',
      unprotected: false,
      services: 0,
      load: null,
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
      maintenance: false,
      mode: null,
      unprotected: false,
      services: 0,
      load: null,
    },
  ],
  services: [
    {
      sid: 'ocf:web',
      state: 'started',
      requested: 'started',
      node: 'node1',
      target: null,
      order: null,
      failedNodes: [],
      origin: null,
      restarts: 0,
      detail: null,
    },
  ],
  disarm: null,
  options: defaultOptions,
  rulesDropped: [],
  resourceTypes: ['ocf'],
};

export const plainResource: Omit<ResourceConfig, 'sid'> = {
  agent: '',
  parameters: {},
  state: 'started',
  comment: '',
  maxRestart: 1,
  maxRelocate: 1,
  failback: true,
  autoRebalance: true,
  group: null,
  priority: 0,
  requires: [],
  after: [],
  cpus: 0,
  memoryMiB: 0,
};

export const somePreview: Preview = {
  refused: null,
  before: { 'ocf:web': { node: 'node1', state: 'started' } },
  after: { 'ocf:web': { node: 'node2', state: 'started' } },
  moves: [{ sid: 'ocf:web', from: 'node1', to: 'node2', how: 'relocate', reason: 'node1 goes into maintenance' }],
  unplaced: [{ sid: 'ocf:db', reason: 'no node has room' }],
  warnings: ['node3 was not heard'],
};

export const someExplanation: Explanation = {
  sid: 'ocf:web',
  state: 'started',
  node: 'node1',
  sentences: ['it runs on node1 since 17'],
  nodes: [
    { name: 'node1', verdict: 'here', sentences: ['rule r prefers it'] },
    { name: 'node2', verdict: 'excluded', sentences: ['it is in maintenance'] },
  ],
};

export const fittingTiming: TimingReport = {
  lines: [
    { name: 'fenceBoundMs', valueMs: 60_000, source: 'configuration' },
    { name: 'leaseMs', valueMs: 40_000, source: 'fenceBoundMs − 3·T_eff − 2 000' },
  ],
  fits: true,
  problems: [],
};

/** An agent without a cluster: what it is told, it does at once; what a test wants it to answer, it answers. */
export class FakeAgentControl implements AgentControl {
  report: StatusReport = healthyReport;
  budget: TimingReport = fittingTiming;
  /** What the next changes, and previews of them, are answered with, instead of being made. */
  refusal: Error | null = null;
  /** Changes never settle. */
  stuck = false;
  /** What is said along with each change. */
  told: Pick<Committed, 'warnings' | 'comigrated'> = { warnings: [], comigrated: [] };
  readonly mutations: Mutation[] = [];
  readonly previews: Mutation[] = [];
  readonly rehearsed: Mutation[] = [];
  /** Answers to the preparation of a shutdown, first to last; then it is prepared at once. */
  readonly shutdowns: (() => Promise<void>)[] = [];
  readonly prepared: string[] = [];
  knownResets: readonly ResetReport[] = [];
  resetsProblem: string | null = null;
  readonly #resources = new Map<string, ResourceConfig>();
  readonly #groups = new Map<string, Group>();
  readonly #rules = new Map<string, RuleReport>();
  #options: ClusterOptions = defaultOptions;
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

  groups(): readonly Group[] {
    return [...this.#groups.values()];
  }

  rules(): readonly RuleReport[] {
    return [...this.#rules.values()];
  }

  options(): ClusterOptions {
    return this.#options;
  }

  resolve(sid: string): string {
    const found = [...this.#resources.keys()].find((each) => each === sid || each.endsWith(`:${sid}`));
    if (found === undefined) throw new HoldfastError('HF_NOT_FOUND', `there is no resource ${sid}`);
    return found;
  }

  explain(sid: string): Explanation {
    return { ...someExplanation, sid: this.resolve(sid) };
  }

  decisions(limit: number): readonly Decision[] {
    const all = [2, 1].map((index) => ({ index, wallMs: 1_000, text: `decision ${index}`, sid: null, node: null }));
    return all.slice(0, limit);
  }

  resets(): ResetsReport {
    return { resets: this.knownResets, problem: this.resetsProblem, incomplete: this.resetsProblem !== null };
  }

  async acknowledgeResets(): Promise<number> {
    if (this.refusal !== null) throw this.refusal;
    const count = this.knownResets.filter(({ acknowledgedMs }) => acknowledgedMs === null).length;
    this.knownResets = this.knownResets.map((reset) => ({ ...reset, acknowledgedMs: 1 }));
    return count;
  }

  async prepareShutdown(kind: 'reboot' | 'poweroff'): Promise<void> {
    this.prepared.push(kind);
    await this.shutdowns.shift()?.();
  }

  subscribe(listener: (event: AgentEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(event: AgentEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  async preview(mutation: Mutation): Promise<Preview> {
    this.previews.push(mutation);
    if (this.refusal !== null) throw this.refusal;
    return somePreview;
  }

  async rehearse(mutations: readonly Mutation[]): Promise<Rehearsal> {
    this.rehearsed.push(...mutations);
    if (this.refusal instanceof HoldfastError) {
      return { warnings: [], refusal: { code: this.refusal.code, message: this.refusal.message } };
    }
    return { warnings: mutations.map(() => this.told.warnings), refusal: null };
  }

  async mutate(mutation: Mutation): Promise<Committed> {
    this.mutations.push(mutation);
    if (this.stuck) return new Promise(() => undefined);
    if (this.refusal !== null) throw this.refusal;
    return { subject: this.#make(mutation), index: this.mutations.length, ...this.told };
  }

  /** What was changed. */
  #make(mutation: Mutation): string {
    switch (mutation.type) {
      case 'add':
        if (this.#resources.has(mutation.sid)) {
          throw new HoldfastError('HF_EXISTS', `there is a resource ${mutation.sid} already`);
        }
        this.#resources.set(mutation.sid, { ...plainResource, ...mutation.options, sid: mutation.sid });
        return mutation.sid;
      case 'set':
      case 'remove':
      case 'stop':
      case 'move':
        return this.#change(mutation);
      case 'group-add': {
        const defaults = { nodes: [], restricted: false, nofailback: false, comment: '' };
        this.#groups.set(mutation.name, { ...defaults, ...mutation.options, name: mutation.name });
        return mutation.name;
      }
      case 'rule-add':
        this.#addRule(mutation);
        return mutation.id;
      case 'options':
        this.#options = { ...this.#options, ...mutation.changes };
        return '';
      case 'group-set':
      case 'group-remove':
        return mutation.name;
      case 'rule-set':
      case 'rule-remove':
        return mutation.id;
      case 'maintenance':
      case 'confirm-off':
        return mutation.node;
      case 'disarm':
      case 'arm':
        return '';
    }
  }

  #change(mutation: Extract<Mutation, { type: 'set' | 'remove' | 'stop' | 'move' }>): string {
    const sid = this.resolve(mutation.sid);
    const known = this.#resources.get(sid);
    if (known === undefined) throw new Error('resolved to nothing');
    if (mutation.type === 'remove') this.#resources.delete(sid);
    if (mutation.type !== 'set') return sid;
    const parameters = { ...known.parameters, ...mutation.options.parameters };
    for (const name of mutation.unset) delete parameters[name];
    this.#resources.set(sid, { ...known, ...mutation.options, parameters });
    return sid;
  }

  #addRule({ id, ruleType, options }: Extract<Mutation, { type: 'rule-add' }>): void {
    const { resources = [], nodes = [], strict = false, affinity = 'positive' } = options;
    const common = { id, resources, affinity, disabled: options.disabled ?? false, comment: options.comment ?? '' };
    const rule =
      ruleType === 'node-affinity' ? { ...common, type: ruleType, nodes, strict } : { ...common, type: ruleType };
    this.#rules.set(id, { rule, dropped: null, warnings: [] });
  }
}
