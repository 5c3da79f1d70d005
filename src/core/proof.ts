import type { ClusterState } from './cluster-state.js';

/** What proves that a boot of a node runs nothing any more. */

/** Declared fenced, or shut down with nothing running by its own word, or followed by another boot of the same machine. */
export function provedDead(state: ClusterState, nodeId: number | null, bootId: string | null): boolean {
  if (nodeId === null || bootId === null) return false;
  const node = state.nodes[nodeId];
  if (node === undefined) return false;
  return node.bootId !== bootId || node.releasedBootId === bootId || node.fencedBootIds.includes(bootId);
}

/**
 * The same of what nobody has looked after there: no watchdog was over it, and that node's word is not about it. What an
 * operator has seen is noted where it was left, see apply-node.ts.
 */
export function unwatchedIsGone(state: ClusterState, nodeId: number | null, bootId: string | null): boolean {
  if (nodeId === null || bootId === null) return true;
  const node = state.nodes[nodeId];
  return node !== undefined && node.bootId !== bootId;
}
