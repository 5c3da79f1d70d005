import type { ClusterState, ServiceRecord } from './cluster-state.js';

/** `requires` and `after`: what a service waits for before it is started, and what takes it down. */

/** A way from `sid` over its new dependencies back to itself; null: none. */
export function cycleThrough(
  state: ClusterState,
  sid: string,
  dependencies: readonly string[],
): readonly string[] | null {
  const seen = new Set<string>();
  const search = (at: string, path: readonly string[]): readonly string[] | null => {
    if (at === sid) return [...path, at];
    if (seen.has(at)) return null;
    seen.add(at);
    const service = state.services[at];
    for (const next of service === undefined ? [] : [...service.requires, ...service.after]) {
      const found = search(next, [...path, at]);
      if (found !== null) return found;
    }
    return null;
  };
  for (const first of dependencies) {
    const found = search(first, [sid]);
    if (found !== null) return found;
  }
  return null;
}

/** Why it must not be started yet, a sentence; null: nothing stands against it. */
export function waitsFor(state: ClusterState, service: ServiceRecord): string | null {
  for (const sid of service.requires) {
    const other = state.services[sid];
    if (other === undefined || !(other.state === 'started' && other.running))
      return `it requires ${sid}, which does not run yet`;
  }
  for (const sid of service.after) {
    const other = state.services[sid];
    if (other !== undefined && isComingUp(state, other))
      return `it is started after ${sid}, which is still being started`;
  }
  return null;
}

/** What lacks something that it requires is not being started, and nobody waits for it. */
function isComingUp(state: ClusterState, service: ServiceRecord): boolean {
  if (service.requested !== 'started' || service.removing || lostRequirement(state, service) !== null) return false;
  return (
    service.state === 'request_start' ||
    service.state === 'recovery' ||
    (service.state === 'started' && !service.running)
  );
}

/** Why it may not go on running, a sentence; null: all that it requires is to run, though it may be on its way. */
export function lostRequirement(state: ClusterState, service: ServiceRecord): string | null {
  for (const sid of service.requires) {
    const other = state.services[sid];
    if (other === undefined) return `it requires ${sid}, which does not exist`;
    if (other.removing || other.requested !== 'started') return `it requires ${sid}, which is not to run`;
    if (other.state === 'error') return `it requires ${sid}, which is in error`;
    if (lostRequirement(state, other) !== null)
      return `it requires ${sid}, which cannot run: ${lostRequirement(state, other)}`;
  }
  return null;
}
