import type { ClusterState } from '../core/cluster-state.js';
import type { ServiceLoad } from '../ports/load-meter.js';
import type { ScenarioCommand } from './scenario-commands.js';
import type { Capacity } from './sim-loads.js';

/** A course of events to be simulated, as a working directory of the peer's simulator describes it. */
export interface Scenario {
  /** The directory's own name. */
  readonly name: string;
  /** By name. */
  readonly nodes: readonly ScenarioNode[];
  /** What every node has stored at the beginning. */
  readonly initial: ClusterState;
  /** What an earlier manager has noted of services: that is the manager's view until one leads. */
  readonly noted: ReadonlyMap<string, { readonly node: string | null; readonly state: string }>;
  /** Given every 100 s; an empty list is a pause. */
  readonly commands: readonly (readonly ScenarioCommand[])[];
  /** What services use when they run. */
  readonly loads: ReadonlyMap<string, ServiceLoad>;
  /** Locks of guests, by sid. */
  readonly locks: ReadonlyMap<string, string>;
  /** What has no counterpart here, or another meaning, or names what is not there; a sentence each. */
  readonly notes: readonly string[];
}

export interface ScenarioNode {
  readonly nodeId: number;
  readonly name: string;
  readonly load: Capacity;
  /** Switched on from the beginning. */
  readonly on: boolean;
  /** Runs there from its first boot on, whoever has started it. */
  readonly running: readonly string[];
}

/** What a simulation ends with. */
export interface ScenarioOutcome {
  /** Simulated seconds. */
  readonly end: number;
  /** By sid, as the manager has them, or an earlier one has noted them if none has led; without those that are ignored. */
  readonly services: Readonly<Record<string, ScenarioService>>;
  /** Nodes whose services were given away on a proof, in order. */
  readonly fenced: readonly string[];
  /** Nodes that their watchdog, or the keeper, has reset, in order. They stay off until they are switched on. */
  readonly reset: readonly string[];
  /** Breaches of the rules that must never be broken; a sentence each. */
  readonly violations: readonly string[];
  /** Services that no manager has taken up, for none has ever led, as they were configured. */
  readonly unmanaged: Readonly<Record<string, ScenarioService>>;
  /** What has no counterpart here, or another meaning, or names what is not there; a sentence each. */
  readonly notes: readonly string[];
}

export interface ScenarioService {
  /** Where the manager has it; null: nowhere yet. */
  readonly node: string | null;
  readonly state: string;
  /** Where it truly runs. */
  readonly running: readonly string[];
  /** Why it does not run though it is to, or is in error; absent: it is as it should be. */
  readonly reason?: string;
}
