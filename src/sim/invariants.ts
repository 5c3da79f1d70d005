import { isDeepStrictEqual } from 'node:util';
import { type ApplyResult, apply, type ClusterState, emptyState, type ServiceRecord } from '../core/cluster-state.js';
import type { Electorate } from '../core/electorate.js';
import type { DurableRecord } from '../core/log.js';
import type { Entry } from '../core/messages.js';

/**
 * What must never be, checked at every change of the world's truth and outside the code under test. It knows the
 * one true log: the first commit of each index by anybody.
 */
export interface Violation {
  readonly atMs: number;
  readonly rule: Rule;
  readonly text: string;
}

export type Rule =
  /** A resource truly runs on two nodes. */
  | 'runs-twice'
  /** A node out of quorum for its bound still runs something. */
  | 'outlives-bound'
  /** Declared fenced in a boot that lives with something running or a watchdog that it may pet. */
  | 'fenced-alive'
  /** Knows that its boot is declared fenced, and goes on. */
  | 'fenced-goes-on'
  /** Another entry in the place of a committed one. */
  | 'log-changed'
  /** A commit behind a gap. */
  | 'log-gap'
  /** Committed though no quorum has stored it. */
  | 'commit-without-quorum'
  /** A state that the true log does not add up to. */
  | 'state-differs'
  /** A start, stop or move that the true log does not ask for, as far as that node may know it. */
  | 'unjustified'
  /** A start without a watchdog that counts on a lease. */
  | 'unprotected'
  /** Disarmed while something runs. */
  | 'disarmed'
  /** Acts in a boot that has ended. */
  | 'acts-after-death'
  /** An assertion of the core has failed, or a port was used as it must not be. */
  | 'agent-failed'
  /** A message does not come out of the bytes as it went in. */
  | 'wire-differs';

/** A machine as the rules see it. */
export interface Witness {
  readonly nodeId: number;
  readonly name: string;
  readonly up: boolean;
  readonly bootId: string;
  readonly running: ReadonlySet<string>;
  /** Of that, what nobody who is under test has started. */
  readonly runningByHand: ReadonlySet<string>;
  /** Its watchdog counts, by a timeout that was given to it. */
  readonly watchdogCounts: boolean;
  /** The last time that somebody wanted to arm it, it could not be. */
  readonly watchdogRefused: boolean;
  /** What its store would give to an agent that starts now. */
  readonly stored: DurableRecord | null;
  /** So much of the log its agent knows to be committed; without an agent, the next one. */
  readonly commitIndex: number;
  /** Its store was lost, and it has not been brought up to date since: it may have held anything. */
  readonly hasLostStore: boolean;
}

export interface InvariantsInput {
  readonly nowMs: () => number;
  readonly witnesses: () => readonly Witness[];
  /** Who votes by corosync's configuration; it counts until the log holds an electorate of its own. */
  readonly configured: () => Electorate;
  readonly onViolation: (violation: Violation) => void;
  readonly onCommitted: (entry: Entry, result: ApplyResult) => void;
  readonly onDeclared: (nodeId: number, bootId: string, index: number) => void;
}

const limits = { violations: 1_000, historyPerService: 64 } as const;
/** Whatever is in these belongs to a node, which may be running it. Not the core's own list: that is under test. */
const heldStates: ReadonlySet<ServiceRecord['state']> = new Set([
  'started',
  'request_stop',
  'migrate',
  'relocate',
  'fence',
  'freeze',
  'error',
]);
/** A node's state is compared with the true one at every so manieth commit. */
const compareEvery = 64;

export class Invariants {
  readonly violations: Violation[] = [];
  /** The true log behind `baseIndex`. */
  readonly trueLog: Entry[] = [];
  readonly baseIndex: number;
  /** What the true log adds up to. */
  readonly oracle: ClusterState;
  readonly #input: InvariantsInput;
  /** Per service: its records in the oracle, each from an index on. */
  readonly #history = new Map<string, { readonly index: number; readonly service: ServiceRecord | undefined }[]>();
  #observed = 0;

  constructor(initial: DurableRecord | undefined, input: InvariantsInput) {
    this.#input = input;
    this.oracle = initial === undefined ? emptyState() : structuredClone(initial.snapshot.state);
    this.baseIndex = initial?.commitIndex ?? 0;
    for (const entry of initial?.entries ?? []) {
      if (entry.index <= this.baseIndex) apply(this.oracle, entry.command, entry.index);
    }
    this.#noteServices(this.baseIndex, Object.keys(this.oracle.services));
  }

  get committedIndex(): number {
    return this.baseIndex + this.trueLog.length;
  }

  violate(rule: Rule, text: string): void {
    if (this.violations.length >= limits.violations) return;
    const violation = { atMs: this.#input.nowMs(), rule, text };
    this.violations.push(violation);
    this.#input.onViolation(violation);
  }

  // ---- what runs where ----

  begins(sid: string, on: Witness): void {
    const other = this.#input.witnesses().find((node) => node.nodeId !== on.nodeId && node.running.has(sid));
    if (other !== undefined) this.violate('runs-twice', `${sid} runs on ${other.name} and on ${on.name}`);
    if (!on.up) this.violate('acts-after-death', `${sid} begins to run on ${on.name}, which is off`);
  }

  /**
   * What runs there and must not outlive the node's protection: not while disarmed, nor what is ignored or foreign. What
   * was ignored there, with the watchdog let go, and is looked after again cannot be protected before the node knows that:
   * it may be out of reach, or stuck. Until then it is for nobody to start elsewhere, which `runs-twice` looks after.
   */
  watched(node: Witness, knownIndex = node.commitIndex): string[] {
    const { services, disarm, nodes } = this.oracle;
    if (disarm?.phase === 'disarmed' || nodes[node.nodeId]?.unprotected) return [];
    return [...node.running].filter((sid) => {
      const service = services[sid];
      if (service === undefined || service.state === 'ignored') return false;
      if (belongsTo(service, node)) return true;
      return !node.runningByHand.has(sid) && service.addedIndex <= knownIndex;
    });
  }

  /**
   * What runs there and must have ended when its bound is over. Where the watchdog could not be armed, that is what was
   * given to that node before: what is found there cannot be given to it, nor to anybody else.
   */
  mustHaveEnded(node: Witness): string[] {
    const watched = this.watched(node);
    if (!node.watchdogRefused) return watched;
    return watched.filter((sid) => {
      const service = this.oracle.services[sid];
      return service !== undefined && belongsTo(service, node);
    });
  }

  /** Its watchdog is disarmed by magic close, as an agent has decided that knew the log up to `knownIndex` then. */
  releases(node: Witness, knownIndex: number): void {
    const watched = this.watched(node, knownIndex);
    if (watched.length > 0) this.violate('disarmed', `${node.name} disarms while it runs ${watched.join(' ')}`);
  }

  // ---- the log ----

  /** A node has committed up to `to.commitIndex`; `from` is what it knew before. */
  committed(node: Witness, from: DurableRecord, to: DurableRecord, state: ClusterState): void {
    for (let index = from.commitIndex + 1; index <= to.commitIndex; index++) {
      this.#committed(node, index, entryAt(to, index) ?? entryAt(from, index), to, state);
    }
    const jumped = to.snapshot !== from.snapshot && to.snapshot.index > from.commitIndex;
    if (jumped || ++this.#observed % compareEvery === 0) this.#compare(node, to.commitIndex, state);
  }

  #committed(node: Witness, index: number, entry: Entry | undefined, record: DurableRecord, state: ClusterState): void {
    const first = this.trueLog[index - this.baseIndex - 1];
    if (first !== undefined) {
      if (entry !== undefined && !sameEntry(entry, first)) {
        this.violate('log-changed', `${node.name} commits another ${index} than was committed before`);
      }
      return;
    }
    if (index <= this.baseIndex) return;
    if (entry === undefined || index !== this.committedIndex + 1) {
      const text = `${node.name} has ${record.commitIndex} committed, but nobody has committed ${this.committedIndex + 1}`;
      this.violate('log-gap', `${text} (${Object.keys(state.services).length} services)`);
      return;
    }
    this.#first(node, entry);
  }

  #first(node: Witness, entry: Entry): void {
    this.#checkStored(node, entry);
    this.trueLog.push(entry);
    const result = apply(this.oracle, entry.command, entry.index);
    this.#noteServices(entry.index, this.#touched(entry.command));
    this.#input.onCommitted(entry, result);
    const { command } = entry;
    if (command.type === 'node-fenced' && result.ok) this.#declared(command.nodeId, command.bootId, entry.index);
    if (command.type === 'node-released' && result.ok) this.#released(command.nodeId, command.bootId);
  }

  /** By the newest electorate of the log, this entry's included: that of a change asks for quorums of both. */
  #checkStored(node: Witness, entry: Entry): void {
    const holders = new Set<number>();
    for (const { nodeId, stored, hasLostStore } of this.#input.witnesses()) {
      // What it had acknowledged does not show any more; no quorum is formed with it again.
      if (hasLostStore) holders.add(nodeId);
      if (stored === null) continue;
      const own = entryAt(stored, entry.index);
      const folded = stored.snapshot.index >= entry.index;
      if (folded || (own !== undefined && sameEntry(own, entry))) holders.add(nodeId);
    }
    const { command } = entry;
    const newest = command.type === 'electorate' ? command.electorate : this.oracle.electorate;
    const electorate = newest ?? this.#input.configured();
    // A quorum device votes, and stores nothing; while the electorate changes its votes count nowhere.
    const sides = electorate.former
      ? [
          { ...electorate, deviceVotes: 0 },
          { ...electorate.former, deviceVotes: 0 },
        ]
      : [electorate];
    for (const { nodes, expectedVotes, deviceVotes = 0 } of sides) {
      const votes = nodes.reduce((sum, voter) => (holders.has(voter.nodeId) ? sum + voter.votes : sum), deviceVotes);
      if (votes > expectedVotes / 2) continue;
      const text = `${node.name} commits ${entry.index} (${command.type}), stored by ${votes} of ${expectedVotes} votes`;
      this.violate('commit-without-quorum', text);
    }
  }

  /** Services that a command may have changed: those of `sid` it has changed alone. */
  #touched(command: Entry['command']): readonly string[] {
    return 'sid' in command && command.type !== 'resource-move' ? [command.sid] : Object.keys(this.oracle.services);
  }

  #noteServices(index: number, sids: readonly string[]): void {
    for (const sid of sids) {
      const service = this.oracle.services[sid];
      let history = this.#history.get(sid);
      if (history === undefined) {
        history = [];
        this.#history.set(sid, history);
      }
      if (history.at(-1)?.service === service) continue;
      history.push({ index, service });
      if (history.length > limits.historyPerService) history.shift();
    }
  }

  #compare(node: Witness, index: number, state: ClusterState): void {
    if (index !== this.committedIndex || isDeepStrictEqual(state, this.oracle)) return;
    this.violate('state-differs', `${node.name} has another state at ${index} than the log adds up to`);
  }

  #declared(nodeId: number, bootId: string, index: number): void {
    this.#input.onDeclared(nodeId, bootId, index);
    const node = this.#alive(nodeId, bootId);
    if (node === undefined) return;
    const watched = this.watched(node);
    if (watched.length === 0 && !node.watchdogCounts) return;
    const what = watched.length > 0 ? `runs ${watched.join(' ')}` : 'has a watchdog that counts';
    this.violate('fenced-alive', `${node.name} is declared fenced (entry ${index}) while it lives and ${what}`);
  }

  /** By its own word nothing runs there. */
  #released(nodeId: number, bootId: string): void {
    const node = this.#alive(nodeId, bootId);
    const watched = node === undefined ? [] : this.watched(node);
    if (watched.length > 0)
      this.violate('fenced-alive', `${node?.name} says that it runs nothing, and runs ${watched.join(' ')}`);
  }

  #alive(nodeId: number, bootId: string): Witness | undefined {
    return this.#input.witnesses().find((node) => node.nodeId === nodeId && node.up && node.bootId === bootId);
  }

  // ---- what nodes do ----

  /** A start, stop or move is asked of a driver, by an agent that knows the log up to `commitIndex`. */
  operates(node: Witness, operation: 'start' | 'stop' | 'migrate', sid: string, commitIndex: number): void {
    const service = this.#serviceAt(sid, commitIndex);
    if (service === undefined || !belongsTo(service, node)) {
      const place = service === undefined ? 'is unknown' : `is ${service.state} on node ${service.nodeId}`;
      this.violate('unjustified', `${operation} of ${sid} on ${node.name}; at ${commitIndex} of the log it ${place}`);
    }
    if (operation === 'start' && this.#isFenced(node)) {
      this.violate('unjustified', `start of ${sid} on ${node.name}, in a boot that was declared fenced`);
    }
  }

  #isFenced(node: Witness): boolean {
    return this.oracle.nodes[node.nodeId]?.fencedBootIds.includes(node.bootId) ?? false;
  }

  #serviceAt(sid: string, index: number): ServiceRecord | undefined {
    const history = this.#history.get(sid) ?? [];
    for (let i = history.length - 1; i >= 0; i--) {
      const known = history[i];
      if (known !== undefined && known.index <= index) return known.service;
    }
    return undefined;
  }
}

/** By the log it is this boot's to run. */
function belongsTo({ state, nodeId, bootId }: ServiceRecord, node: Witness): boolean {
  return heldStates.has(state) && nodeId === node.nodeId && bootId === node.bootId;
}

function entryAt(record: DurableRecord, index: number): Entry | undefined {
  return record.entries[index - record.snapshot.index - 1];
}

function sameEntry(a: Entry, b: Entry): boolean {
  return a === b || (a.epoch === b.epoch && a.index === b.index && isDeepStrictEqual(a.command, b.command));
}
