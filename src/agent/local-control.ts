import { setImmediate } from 'node:timers/promises';
import type { ClusterOptions } from '../core/cluster-options.js';
import type { ClusterState, Command, ServiceRecord } from '../core/cluster-state.js';
import { compileRules } from '../core/compiled-rules.js';
import { HoldfastError } from '../core/errors.js';
import type { Explanation } from '../core/explanation.js';
import { isQuorate } from '../core/membership.js';
import type { NodeState } from '../core/node-state.js';
import type { Preview } from '../core/preview.js';
import { whyNotTaken } from '../core/requests.js';
import { list } from '../core/rule-checks.js';
import type { Group } from '../core/rules.js';
import type { ResourceDriver } from '../ports/resource-driver.js';
import { planConfirmOff, planMaintenance, planMove } from './cluster-changes.js';
import type { AgentControl, Committed, Decision, Mutation, Rehearsal, ResourceConfig, RuleReport } from './control.js';
import { serviceNamed } from './known-names.js';
import { type ChangeContext, type PlannedChange, planned, ruleInput, saidOnce, tryOut } from './planned-change.js';
import { planGroup, planGroupRemove, planRule, planRuleRemove } from './policy-changes.js';
import type { ResetsReport } from './reset-record.js';
import { planAdd, planRemove, planSet, planStop } from './resource-changes.js';
import type { AgentEvent, StatusReport, TimingReport } from './status.js';

/** What is needed of the agent; `Agent` is one. */
export interface ControlledAgent {
  readonly node: NodeState;
  request(command: Command): Promise<number>;
  subscribe(listener: (event: AgentEvent) => void): () => void;
  decisions(limit: number): readonly Decision[];
  prepareShutdown(kind: 'reboot' | 'poweroff'): Promise<void>;
}

/** What is told of the agent and of its cluster, worked out whenever somebody asks. */
export interface Reports {
  readonly status: () => StatusReport;
  readonly timing: () => TimingReport;
  /** Why the resource of that full name is where it is. */
  readonly explain: (sid: string) => Explanation;
  /** What would become of a command that would be accepted. */
  readonly preview: (command: Command) => Preview;
  readonly resets: () => ResetsReport;
  /** How many unexpected ones had not been acknowledged. */
  readonly acknowledgeResets: () => Promise<number>;
}

/** The status socket's view of this agent: checks a change as far as this node can, then asks for it. */
export class LocalControl implements AgentControl {
  readonly #agent: ControlledAgent;
  readonly #drivers: ReadonlyMap<string, ResourceDriver>;
  readonly #reports: Reports;

  constructor(agent: ControlledAgent, drivers: ReadonlyMap<string, ResourceDriver>, reports: Reports) {
    this.#agent = agent;
    this.#drivers = drivers;
    this.#reports = reports;
  }

  status(): StatusReport {
    return this.#reports.status();
  }

  timing(): TimingReport {
    return this.#reports.timing();
  }

  resources(): readonly ResourceConfig[] {
    return Object.values(this.#state.services)
      .sort((a, b) => (a.sid < b.sid ? -1 : 1))
      .map((service) => ({
        sid: service.sid,
        agent: service.agent,
        parameters: service.parameters,
        state: service.requested,
        comment: service.comment,
        maxRestart: service.maxRestart,
        maxRelocate: service.maxRelocate,
        failback: service.failback,
        autoRebalance: service.autoRebalance,
        group: service.group,
        priority: service.priority,
        requires: service.requires,
        after: service.after,
        cpus: service.cpus,
        memoryMiB: service.memoryMiB,
      }));
  }

  groups(): readonly Group[] {
    return Object.values(this.#state.groups).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  rules(): readonly RuleReport[] {
    const { dropped, warnings } = compileRules(ruleInput(this.#state, this.#nodeNames));
    return Object.values(this.#state.rules)
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map((rule) => ({
        rule,
        dropped: dropped.find((note) => note.ruleId === rule.id)?.reason ?? null,
        warnings: warnings.filter((note) => note.ruleId === rule.id).map((note) => note.reason),
      }));
  }

  options(): ClusterOptions {
    return this.#state.options;
  }

  resolve(sid: string): string {
    return this.#service(sid).sid;
  }

  explain(sid: string): Explanation {
    const service = this.#service(sid);
    const explanation = this.#reports.explain(service.sid);
    return { ...explanation, sentences: [...explanation.sentences, ...dependencySentences(service)] };
  }

  decisions(limit: number): readonly Decision[] {
    return this.#agent.decisions(limit);
  }

  resets(): ResetsReport {
    return this.#reports.resets();
  }

  acknowledgeResets(): Promise<number> {
    return this.#reports.acknowledgeResets();
  }

  subscribe(listener: (event: AgentEvent) => void): () => void {
    return this.#agent.subscribe(listener);
  }

  prepareShutdown(kind: 'reboot' | 'poweroff'): Promise<void> {
    return this.#agent.prepareShutdown(kind);
  }

  async mutate(mutation: Mutation): Promise<Committed> {
    this.#refuseIfClosed();
    const { command, warnings, ...told } = await this.#plan(mutation, this.#state);
    return { index: await this.#agent.request(command), ...told, warnings: saidOnce(warnings) };
  }

  async preview(mutation: Mutation): Promise<Preview> {
    this.#refuseIfClosed();
    const { command, warnings } = await this.#plan(mutation, this.#state);
    const { result } = tryOut(this.#state, command);
    if (!result.ok) throw new HoldfastError(result.code, result.message);
    const preview = this.#reports.preview(command);
    return { ...preview, warnings: saidOnce([...warnings, ...preview.warnings]) };
  }

  async rehearse(mutations: readonly Mutation[]): Promise<Rehearsal> {
    this.#refuseIfClosed();
    const warnings: string[][] = [];
    let state = this.#state;
    try {
      for (const mutation of mutations) {
        const change = await this.#plan(mutation, state);
        const { result, after } = tryOut(state, change.command);
        if (!result.ok) throw new HoldfastError(result.code, result.message);
        state = after;
        warnings.push(saidOnce(change.warnings));
        // Thousands of rules take a while, and heartbeats do not wait.
        await setImmediate();
      }
      return { warnings, refusal: null };
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      return { warnings, refusal: { code: error.code, message: error.message } };
    }
  }

  async #plan(mutation: Mutation, state: ClusterState): Promise<PlannedChange> {
    const context = this.#context(state);
    switch (mutation.type) {
      case 'add':
        return planAdd(context, mutation);
      case 'set':
        return planSet(context, mutation);
      case 'remove':
        return planRemove(context, mutation);
      case 'stop':
        return planStop(context, mutation);
      case 'move':
        return planMove(context, mutation);
      case 'group-add':
      case 'group-set':
        return planGroup(context, mutation);
      case 'group-remove':
        return planGroupRemove(context, mutation);
      case 'rule-add':
      case 'rule-set':
        return planRule(context, mutation);
      case 'rule-remove':
        return planRuleRemove(context, mutation);
      case 'options':
        return planned('', { type: 'options-set', changes: mutation.changes });
      case 'maintenance':
        return planMaintenance(context, mutation);
      case 'disarm':
        return planned('', { type: 'disarm', mode: mutation.mode });
      case 'arm':
        return planned('', { type: 'arm' });
      case 'confirm-off':
        return planConfirmOff(context, mutation);
    }
  }

  /** @throws HF_NO_QUORUM just as the request for a change would, so that nobody is shown what nobody would decide */
  #refuseIfClosed(): void {
    const { cluster, membership } = this.#agent.node;
    if (cluster === null) throw nothingKnown();
    const why = whyNotTaken(cluster, isQuorate(membership));
    if (why !== null) throw new HoldfastError('HF_NO_QUORUM', why);
  }

  /** What this node has from its disk may be found without the cluster; what it has not may well be there. */
  #service(sid: string): ServiceRecord {
    try {
      return serviceNamed(this.#state, sid);
    } catch (error) {
      throw this.#agent.node.cluster === null ? nothingKnown() : error;
    }
  }

  get #state(): ClusterState {
    return this.#agent.node.log.committed;
  }

  get #nodeNames(): readonly string[] {
    const voters = this.#agent.node.cluster?.electorate.nodes ?? [];
    return voters.map(({ name }) => name);
  }

  #context(state: ClusterState): ChangeContext {
    const peers = this.#agent.node.cluster?.peers;
    return {
      state,
      nodeNames: this.#nodeNames,
      drivers: this.#drivers,
      lrmOf: (nodeId) => peers?.get(nodeId)?.heartbeat?.lrm ?? null,
    };
  }
}

function nothingKnown(): HoldfastError {
  const text = 'corosync does not answer yet, so nothing is known of the cluster: see corosync-quorumtool -s';
  return new HoldfastError('HF_NO_QUORUM', text);
}

function dependencySentences({ requires, after }: ServiceRecord): string[] {
  return [
    ...(requires.length === 0 ? [] : [`It is started only while all that it requires run: ${list(requires)}.`]),
    ...(after.length === 0 ? [] : [`It is started after ${list(after)}, if they are being started.`]),
  ];
}
