/** How resources of one type are started, stopped and watched. */

export interface ResourceDefinition {
  /** `type:name`, for instance `ocf:web`. */
  readonly sid: string;
  /** For `ocf`: the agent, `ocf:heartbeat:IPaddr2`. */
  readonly agent: string;
  readonly parameters: Readonly<Record<string, string>>;
}

export type ResourceOperation = 'start' | 'stop' | 'monitor';

/**
 * `running` and `stopped` are facts; `failed` means that it is broken or half there and needs a stop;
 * `error` that the operation did not work (its reason in `detail`) and nothing is known.
 */
export interface OperationResult {
  readonly outcome: 'running' | 'stopped' | 'failed' | 'error';
  /** Can this never work here (missing program, bad parameters)? Then no retry on this node helps. */
  readonly permanent: boolean;
  /** One sentence for people; the agent's own words where it had any. */
  readonly detail: string;
  readonly durationMs: number;
}

export interface ResourceDriver {
  /** Resource type before the colon of a sid. */
  readonly type: string;
  /** Checks a definition against what this node knows of its agent; rejects with a HoldfastError. */
  validate(definition: ResourceDefinition): Promise<void>;
  /**
   * Never rejects: what goes wrong is in the result. One operation at a time per resource (the caller sees to it).
   * `timeoutMs` undefined: as the agent's meta-data say, else 20 s; 0: at once, by force, where the type can do that.
   */
  run(operation: ResourceOperation, definition: ResourceDefinition, timeoutMs?: number): Promise<OperationResult>;
  /**
   * Moves a running resource to another node without stopping it. Absent: this type cannot, and is stopped and started
   * instead. `stopped`: it has left this node and runs on the other; `running`: it has stayed.
   */
  migrate?(definition: ResourceDefinition, targetNode: string, timeoutMs?: number): Promise<OperationResult>;
  /** How often to monitor, milliseconds; from the agent's meta-data. */
  monitorIntervalMs(definition: ResourceDefinition): Promise<number>;
}
