import type { ClusterState, ServiceRecord } from './cluster-state.js';

/** `requires` and `after`: what a service waits for before it is started, and what takes it down. */

/** A way from `sid` over its new dependencies back to itself; null: none. */
export function cycleThrough(
  state: ClusterState,
  sid: string,
  dependencies: readonly string[],
): readonly string[] | null {
  const cameFrom = new Map<string, string>();
  const open = dependencies.map((at) => ({ at, from: sid }));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { at, from } = next;
    if (at === sid) return [...wayTo(from, sid, cameFrom), sid];
    if (cameFrom.has(at)) continue;
    cameFrom.set(at, from);
    const service = state.services[at];
    if (service !== undefined)
      for (const on of [...service.requires, ...service.after]) open.push({ at: on, from: at });
  }
  return null;
}

function wayTo(last: string, sid: string, cameFrom: ReadonlyMap<string, string>): string[] {
  const backwards: string[] = [];
  for (let at = last; at !== sid; at = cameFrom.get(at) ?? sid) backwards.push(at);
  return [sid, ...backwards.reverse()];
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
  const seen = new Set<string>();
  const open = service.requires.map((sid) => ({ sid, first: sid }));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { sid, first } = next;
    if (seen.has(sid)) continue;
    seen.add(sid);
    const problem = whyNotToRun(state, sid);
    if (problem !== null) return sid === first ? problem : `it requires ${first}, which cannot run: ${problem}`;
    for (const on of state.services[sid]?.requires ?? []) open.push({ sid: on, first });
  }
  return null;
}

function whyNotToRun(state: ClusterState, sid: string): string | null {
  const service = state.services[sid];
  if (service === undefined) return `it requires ${sid}, which does not exist`;
  if (service.removing || service.requested !== 'started') return `it requires ${sid}, which is not to run`;
  return service.state === 'error' ? `it requires ${sid}, which is in error` : null;
}
