/**
 * What the manager has to measure by its own clock: how long something has been so. It begins anew with each leader,
 * so whatever rests on it may come later for that, never earlier.
 */
export interface ManagerMemory {
  /** View in which all this was seen. */
  epoch: number;
  /** Per service: since when it is in the state of that uid. */
  readonly since: Map<string, { readonly uid: number; readonly atMs: number }>;
  /** Since when the load is out of balance; null: it is not. */
  imbalancedSinceMs: number | null;
  /** Per node: since when it is not in the node list any more. */
  readonly goneSinceMs: Map<number, number>;
}

export function newManagerMemory(): ManagerMemory {
  return { epoch: 0, since: new Map(), imbalancedSinceMs: null, goneSinceMs: new Map() };
}

export function forgetAll(memory: ManagerMemory, epoch: number): void {
  memory.epoch = epoch;
  memory.since.clear();
  memory.imbalancedSinceMs = null;
  memory.goneSinceMs.clear();
}

/** For how long the service has been seen in this state, milliseconds. */
export function ageMs(
  memory: ManagerMemory,
  service: { readonly sid: string; readonly uid: number },
  nowMs: number,
): number {
  const seen = memory.since.get(service.sid);
  if (seen?.uid === service.uid) return nowMs - seen.atMs;
  memory.since.set(service.sid, { uid: service.uid, atMs: nowMs });
  return 0;
}
