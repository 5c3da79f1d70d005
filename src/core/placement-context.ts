import type { CompiledRules } from './compiled-rules.js';
import type { NodeLoad, Scheduling, ServiceLoad } from './usage.js';

export interface PlacementNode {
  readonly nodeId: number;
  readonly name: string;
  /** Null: it may be given services now. Otherwise why not, to follow its name: `is in maintenance`. */
  readonly unavailable: string | null;
  /** Null: not known. */
  readonly load: NodeLoad | null;
  /** Guests that run there and are not managed. */
  readonly otherGuests: number;
}

/** A service that occupies a node, or is to. Those that are stopped and stay so are left out. */
export interface PlacedService {
  readonly sid: string;
  /** Where it is or was last. Null: nowhere yet. */
  readonly nodeId: number | null;
  /** False: it takes up nothing on that node (it waits for a place: request_start, recovery). */
  readonly occupies: boolean;
  /** Where it is moving to. */
  readonly targetNodeId: number | null;
  /** Reported running, so that its node's measured load includes it. */
  readonly running: boolean;
  /** The node that it left for maintenance and returns to. */
  readonly originNodeId: number | null;
  readonly load: ServiceLoad | null;
  /** Balancing may move it: it runs, moves live, and was not excluded by `autoRebalance`. */
  readonly balanced: boolean;
}

export interface PlacementInput {
  readonly rules: CompiledRules;
  readonly nodes: readonly PlacementNode[];
  readonly services: readonly PlacedService[];
  readonly scheduling: Scheduling;
}
