import type { ClusterState, ServiceRecord } from './cluster-state.js';
import { mayRun } from './service-states.js';

/** A node that may be given services now. */
export interface Candidate {
  readonly nodeId: number;
  readonly name: string;
  /** Services that run there although nobody assigned them: they are best left where they are. */
  readonly strays: readonly string[];
}

export interface Placement {
  readonly nodeId: number;
  /** Why this one; a sentence's end. */
  readonly reason: string;
}

/** Picks a node for a service that runs nowhere: where it is found running, else the one with the fewest services. */
export function place(state: ClusterState, service: ServiceRecord, candidates: readonly Candidate[]): Placement | null {
  const found = candidates.find((candidate) => candidate.strays.includes(service.sid));
  if (found !== undefined) return { nodeId: found.nodeId, reason: `found running on ${found.name}` };
  const load = servicesPerNode(state);
  const count = (candidate: Candidate): number => load.get(candidate.nodeId) ?? 0;
  const [best] = [...candidates].sort((a, b) => count(a) - count(b) || (a.name < b.name ? -1 : 1));
  if (best === undefined) return null;
  return { nodeId: best.nodeId, reason: `placed on ${best.name}, which runs the fewest services (${count(best)})` };
}

function servicesPerNode(state: ClusterState): Map<number, number> {
  const load = new Map<number, number>();
  for (const service of Object.values(state.services)) {
    if (service.nodeId === null || !mayRun(service.state)) continue;
    load.set(service.nodeId, (load.get(service.nodeId) ?? 0) + 1);
  }
  return load;
}

/** none: stay if that is allowed; best-score: the best node, wherever it is; try-next: another one than those that failed. */
export type Preference = 'none' | 'best-score' | 'try-next';

export interface PlacementQuery {
  readonly sid: string;
  readonly preference: Preference;
  /** Nodes on which it failed to start: not used by try-next, and not moved to by none. */
  readonly failedNodeIds: readonly number[];
  /** Also say of every node why it is in or out. Costs time: for people only. */
  readonly explain?: boolean;
}

export interface ConsideredNode {
  readonly nodeId: number;
  readonly name: string;
  readonly verdict: 'chosen' | 'possible' | 'excluded';
  /** Lower is better; comparable within one answer only. */
  readonly score?: number;
  /** Why, one sentence a rule. */
  readonly sentences: readonly string[];
}

export interface NodeSelection {
  readonly nodeId: number | null;
  /** Why this one, or why none; a sentence's end. */
  readonly reason: string;
  /** Every node of the cluster, by name; empty unless asked for. */
  readonly considered: readonly ConsideredNode[];
}
