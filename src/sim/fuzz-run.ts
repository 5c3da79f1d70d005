import { isDeepStrictEqual } from 'node:util';
import { takeoverMs } from '../core/budget.js';
import type { Command, ServiceRecord } from '../core/cluster-state.js';
import type { Entry } from '../core/messages.js';
import { mayRun } from '../core/service-states.js';
import { FaultInjection } from './fault-injection.js';
import { Healing } from './fuzz-healing.js';
import type { FuzzPlan } from './fuzz-plan.js';
import type { Violation } from './invariants.js';
import { PlacementJudge } from './rule-invariants.js';
import type { SimNode } from './sim-node.js';
import { World } from './world.js';
import type { LogLine } from './world-options.js';

/**
 * Safety under faults, then everything is put right and liveness is looked at.
 *
 * Of resources that lie (say that they are stopped while they run) only this is promised: Holdfast itself goes on, and
 * honest resources are safe. Wherever a liar runs unnoticed, it may run twice, outlive the bound or a disarmed watchdog.
 */
export interface FuzzViolation {
  readonly atMs: number;
  readonly rule: Violation['rule'] | 'rule-broken' | 'answer-lost' | 'liveness';
  readonly text: string;
}

export interface FuzzOutcome {
  /** The first; null: all is well. */
  readonly violation: FuzzViolation | null;
  readonly simulatedMs: number;
  readonly commits: number;
  readonly declarations: number;
  readonly resets: number;
}

/** Between two looks whether a rule was broken. */
const sliceMs = 2_000;
/** Who comes into a view has looked around and said so after this time. */
const tellMs = 5_000;
/** What was found running so long ago is not placed anew. */
const foundMs = 30_000;

export async function runPlan(plan: FuzzPlan, log?: (line: LogLine) => void): Promise<FuzzOutcome> {
  const run = new FuzzRun(plan, log);
  await run.underFaults();
  await run.afterwards();
  return run.outcome();
}

class FuzzRun {
  readonly #plan: FuzzPlan;
  readonly #world: World;
  readonly #injection: FaultInjection;
  readonly #judge: PlacementJudge;
  /** Of these Holdfast could not know, when it placed them last, that they run somewhere by hand. */
  readonly #unseen = new Set<string>();
  /** `sid/nodeId`: was left running there when it was removed, and is nobody's business there any more. */
  readonly #left = new Set<string>();
  /** As they were before the entry that is looked at. */
  #before: Readonly<Record<string, ServiceRecord>> = {};
  /** Of the newest entry. */
  #view = { epoch: 0, sinceMs: 0 };
  readonly #ranMs = new Map<string, number>();
  #violation: FuzzViolation | null = null;

  constructor(plan: FuzzPlan, log?: (line: LogLine) => void) {
    this.#plan = plan;
    this.#world = new World({
      seed: plan.seed,
      nodes: plan.nodes,
      fenceBoundMs: plan.fenceBoundMs,
      ...(plan.quorumDevice && { quorumDevice: plan.quorumDevice }),
      network: plan.network,
      resources: () => ({ migrateMs: plan.migrateMs }),
      offAfterResetMs: [2_000, 20_000],
      codec: { wireEvery: 64 },
      ...(log && { log }),
      observer: {
        violation: (violation) => this.#onViolation(violation),
        committed: (entry) => {
          this.#noteView(entry);
          this.#noteLeft(entry);
          this.#noteUnseen(entry);
          this.#judge.committed(entry, this.#world.state);
          this.#before = { ...this.#world.state.services };
        },
        truth: ({ sid, nodeId, runs }) => {
          if (runs) return;
          this.#ranMs.set(`${sid}/${nodeId}`, this.#world.nowMs);
          this.#left.delete(`${sid}/${nodeId}`);
        },
      },
    });
    this.#injection = new FaultInjection(this.#world, (node, command) => this.#ask(node, command));
    this.#judge = new PlacementJudge(
      (text) => this.#violate('rule-broken', text),
      (sid, nodeId) => this.#wasFoundOn(sid, nodeId),
    );
    for (const { atMs, fault } of plan.faults) this.#world.at(atMs, () => this.#injection.inject(fault));
  }

  outcome(): FuzzOutcome {
    const { nowMs, invariants, declarations, resets } = this.#world;
    return {
      violation: this.#violation,
      simulatedMs: nowMs,
      commits: invariants.committedIndex,
      declarations: declarations.length,
      resets: resets.length,
    };
  }

  async underFaults(): Promise<void> {
    await this.#runUntil(this.#plan.faultsEndMs);
  }

  async afterwards(): Promise<void> {
    if (this.#violation !== null) return;
    const world = this.#world;
    this.#injection.putRight(this.#plan.sids);
    const longestBoundMs = Math.max(...world.nodes.map(({ longestBoundMs }) => longestBoundMs));
    const excuses = { liars: this.#injection.liars, unseen: this.#unseen };
    const healing = new Healing(world, excuses, (node, command) => this.#ask(node, command));
    const untilMs = world.nowMs + settleLimitMs(longestBoundMs);
    while (this.#violation === null && !healing.isDone) {
      if (world.nowMs >= untilMs) {
        this.#violate('liveness', healing.problems.join('; '));
        return;
      }
      await world.runFor(healing.nextLookMs);
      healing.look();
    }
    for (const text of healing.differences()) this.#violate('state-differs', text);
  }

  async #runUntil(untilMs: number): Promise<void> {
    const world = this.#world;
    while (world.nowMs < untilMs && this.#violation === null) {
      await world.run(Math.min(untilMs, world.nowMs + sliceMs));
    }
  }

  /**
   * What is ignored is left running when it is removed, and Holdfast forgets where, as it was asked to. Added again, it is
   * what somebody has put there by hand: who is out of reach then cannot be asked.
   */
  #noteLeft({ command }: Entry): void {
    if (command.type !== 'service-forget' || this.#before[command.sid]?.state !== 'ignored') return;
    for (const { nodeId, running } of this.#world.nodes) {
      if (running.has(command.sid)) this.#left.add(`${command.sid}/${nodeId}`);
    }
  }

  /**
   * Where it runs by hand is out of the view that places it, or has only just come into it: what was lost with its node
   * does not wait until everybody has looked for it. What has a place and only moves is not looked for, and what runs on
   * two nodes already can be taken over on one of them only: it stays unseen.
   */
  #noteUnseen({ command, epoch }: Entry): void {
    if (command.type !== 'service-state' || command.state !== 'started') return;
    const { sid, nodeId } = command;
    const before = this.#before[sid];
    if (before !== undefined && mayRun(before.state)) return;
    const isTold = before?.state !== 'recovery' || this.#world.nowMs - this.#view.sinceMs >= tellMs;
    const isUnseen = this.#world.nodes.some(
      (node) =>
        node.nodeId !== nodeId &&
        (node.runningByHand.has(sid) || this.#left.has(`${sid}/${node.nodeId}`)) &&
        (!isTold || node.agent?.node.cluster?.views.view?.epoch !== epoch),
    );
    const places = this.#world.where(sid);
    const isTwice = places.length > 1 && places.some((node) => node.nodeId === nodeId);
    if (isUnseen) this.#unseen.add(sid);
    else if (!isTwice) this.#unseen.delete(sid);
  }

  #noteView({ epoch }: Entry): void {
    if (epoch !== this.#view.epoch) this.#view = { epoch, sinceMs: this.#world.nowMs };
  }

  /** Nobody knows where a liar runs before it is found there. */
  #wasFoundOn(sid: string, nodeId: number): boolean {
    if (this.#injection.liars.has(sid)) return true;
    if (this.#world.node(nodeId).running.has(sid)) return true;
    const ranMs = this.#ranMs.get(`${sid}/${nodeId}`);
    return ranMs !== undefined && this.#world.nowMs - ranMs < foundMs;
  }

  #violate(rule: FuzzViolation['rule'], text: string): void {
    this.#violation ??= { atMs: this.#world.nowMs, rule, text };
  }

  #onViolation({ rule, text }: Violation): void {
    const named = this.#plan.sids.filter((sid) => text.split(/[\s;,]/).includes(sid));
    const ofLiars = named.length > 0 && named.every((sid) => this.#injection.liars.has(sid));
    if (ofLiars && excusedForLiars.has(rule)) return;
    if (rule === 'runs-twice' && named.length > 0 && named.every((sid) => this.#unseen.has(sid))) return;
    this.#violate(rule, text);
  }

  /** Asks for a change, and remembers the answer: what was said to be committed is in the log for ever. True: it was committed. */
  #ask(node: SimNode, command: Command): Promise<boolean> {
    const { invariants } = this.#world;
    return this.#world.request(node.name, command).then(
      (index) => {
        const entry = invariants.trueLog[index - invariants.baseIndex - 1];
        if (entry !== undefined && isDeepStrictEqual(entry.command, command)) return true;
        this.#violate(
          'answer-lost',
          `${node.name} has answered that ${command.type} is entry ${index}, which it is not`,
        );
        return false;
      },
      () => false,
    );
  }
}

/** Where nobody knows that a resource runs, nobody can look after it. */
const excusedForLiars: ReadonlySet<Violation['rule']> = new Set<Violation['rule']>([
  'runs-twice',
  'outlives-bound',
  'disarmed',
  'fenced-alive',
]);

/**
 * From the end of all faults: who lost quorum before it is reset within the bound, is off for 20 s and boots; what is
 * lost then is taken over after the takeover time; stops, starts and their repetitions take a minute at most.
 */
function settleLimitMs(fenceBoundMs: number): number {
  return fenceBoundMs + 25_000 + takeoverMs(fenceBoundMs) + 120_000;
}
