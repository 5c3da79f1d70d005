import { type ClusterState, isFenced } from './cluster-state.js';

/** What proves that a boot of a node runs nothing any more. */

/** Declared fenced, or shut down with nothing running by its own word. */
export function provedDead(state: ClusterState, nodeId: number | null, bootId: string | null): boolean {
  if (nodeId === null || bootId === null) return false;
  return isFenced(state, nodeId, bootId) || state.nodes[nodeId]?.releasedBootId === bootId;
}
