import type { ApplyResult } from '../core/cluster-state.js';
import type { DurableRecord } from '../core/log.js';
import type { Entry } from '../core/messages.js';
import type { Violation } from './invariants.js';
import type { Capacity } from './sim-loads.js';
import type { Range } from './sim-random.js';
import type { ResourceBehaviour } from './sim-resources.js';

/** What a world is made of. Absent: the default that is named. */
export interface WorldOptions {
  readonly seed: number;
  readonly nodes: readonly SimNodeOptions[];
  /** 60 000. */
  readonly fenceBoundMs?: number;
  /** 1 000. */
  readonly tokenMs?: number;
  /** 1 200. */
  readonly consensusMs?: number;
  /** What every node's store holds at the beginning; nothing. */
  readonly initial?: DurableRecord;
  readonly quorumOptions?: readonly string[];
  /** A quorum device with so many votes, up from the beginning. */
  readonly quorumDevice?: { readonly votes: number };
  /** From power-on to the start of the agent; corosync starts at some time between. 500 to 1 500. */
  readonly bootMs?: Range;
  /** How long a machine that was reset is off; null, the default: until somebody switches it on. */
  readonly offAfterResetMs?: Range | null;
  /** When an agent that has ended by itself is started again; 1 000 to 2 000. Null: never. */
  readonly restartAgentMs?: Range | null;
  /** How long a save takes; 1 to 30. */
  readonly saveMs?: Range;
  /** How each resource behaves; a later `setBehaviour` comes before it. */
  readonly resources?: (sid: string) => Partial<ResourceBehaviour>;
  readonly network?: Partial<NetworkOptions>;
  readonly codec?: Partial<{
    /** One message of so many goes through the real bytes; 64. */
    readonly wireEvery: number;
    /** Freeze what agents are handed by reference, to catch whoever changes it; slow. */
    readonly freeze: boolean;
  }>;
  readonly log?: (line: LogLine) => void;
  readonly observer?: WorldObserver;
}

export interface SimNodeOptions {
  readonly nodeId: number;
  readonly name: string;
  /** 1. */
  readonly votes?: number;
  /** What its watchdog truly does: 1, or 2 times the timeout. 1. */
  readonly kappa?: 1 | 2;
  /** What the agent believes of it; the truth. */
  readonly kappaTold?: 1 | 2;
  /** 1. */
  readonly minTimeoutS?: number;
  /** 0: no limit. */
  readonly maxTimeoutS?: number;
  /** How much faster than true time its clock runs, millionths; any from -500 to 500. */
  readonly clockPpm?: number;
  /** The world's. */
  readonly fenceBoundMs?: number;
  /** 24 cores, 128 GiB. */
  readonly load?: Capacity;
  readonly startsPoweredOff?: boolean;
  /** A node without a watchdog. */
  readonly hasNoWatchdog?: boolean;
}

/** How messages travel; may be changed while the world runs. */
export interface NetworkOptions {
  /** From the agent's sending to the message's place in the ring's order. 0.2 to 3. */
  readonly orderMs: Range;
  /** From there to each receiver, who all keep the order. 0 to 0: all at once, which is fast. */
  readonly skewMs: Range;
  /** Part of the messages that the sender's full queue does not take. 0. */
  readonly lossRate: number;
}

export interface LogLine {
  readonly atMs: number;
  readonly nodeId: number;
  readonly node: string;
  readonly level: 'info' | 'warn' | 'error' | 'fatal';
  readonly text: string;
  readonly detail: object;
}

/** Something truly runs on a node, or no longer does. */
export interface TruthChange {
  readonly atMs: number;
  readonly sid: string;
  readonly node: string;
  readonly nodeId: number;
  readonly runs: boolean;
  readonly why: 'started' | 'stopped' | 'migrated' | 'died' | 'set';
}

export interface Reset {
  readonly atMs: number;
  readonly node: string;
  readonly nodeId: number;
  readonly bootId: string;
  readonly sincePetMs: number;
  /** `watchdog`: it fired by itself; else what was given to the keeper, `lease expired` for instance. */
  readonly why: string;
}

/** The first commit of a `node-fenced` by anybody. */
export interface Declaration {
  readonly atMs: number;
  readonly nodeId: number;
  readonly bootId: string;
  readonly index: number;
}

/** Told at once, in virtual time. Must not change the world; that is what `World.after(0, ...)` is for. */
export interface WorldObserver {
  truth?(change: TruthChange): void;
  reset?(reset: Reset): void;
  /** The first commit of this entry by anybody; `result` is what it did to the oracle's state. */
  committed?(entry: Entry, result: ApplyResult): void;
  declared?(declaration: Declaration): void;
  violation?(violation: Violation): void;
}
