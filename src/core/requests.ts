import type { Command } from './cluster-state.js';
import type { Effect } from './effects.js';
import type { ErrorCode } from './errors.js';
import type { Request } from './messages.js';
import type { ClusterPart } from './node-state.js';
import { propose } from './replication.js';
import { leads, type ViewContext } from './views.js';

/** Changes that people ask for: each node passes on its own, the leader puts them into the log. */

export function onLocalRequest(
  cluster: ClusterPart,
  requestId: string,
  command: Command,
  context: ViewContext,
  effects: Effect[],
): void {
  const why = whyNotTaken(cluster, context.quorate);
  if (why !== null) {
    refuse(requestId, 'HF_NO_QUORUM', why, effects);
    return;
  }
  effects.push({ type: 'send', message: { type: 'request', requestId, command } });
}

/** Why this node takes no changes at all, as a sentence; null: it takes them. */
export function whyNotTaken({ views }: ClusterPart, quorate: boolean): string | null {
  if (quorate && views.view !== null) return null;
  const why = quorate ? (views.waitingFor ?? 'the cluster is just forming: try again') : 'there is no quorum';
  return `nothing was changed: ${why}`;
}

/** Everybody delivers a request; only the leader takes it. */
export function onRequest(
  cluster: ClusterPart,
  fromId: number,
  { requestId, command }: Request,
  context: ViewContext,
  effects: Effect[],
): void {
  const { views } = cluster;
  if (views.view?.leaderId !== cluster.selfId) return;
  if (propose(views, [{ command, origin: { nodeId: fromId, requestId } }], context, effects)) return;
  const code: ErrorCode = leads(views) ? 'HF_BUSY' : 'HF_NO_QUORUM';
  const why = leads(views) ? 'too many changes are under way' : 'the leader is not ready';
  effects.push({
    type: 'send',
    message: { type: 'refusal', to: fromId, requestId, code, message: `nothing was changed: ${why}, try again` },
  });
}

export function refuse(requestId: string, code: ErrorCode, message: string, effects: Effect[]): void {
  effects.push({ type: 'refused', requestId, code, message });
}
