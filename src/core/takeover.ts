import { takeoverMs } from './budget.js';
import { deviceTimeoutMs, type Electorate, meetsEveryQuorum } from './electorate.js';

/** A member's report about a node outside the view, sent in the view that is judged in. */
export interface SilenceReport {
  readonly fromId: number;
  readonly silenceMs: number;
}

/**
 * May the node be declared fenced (design §2.4)? Those who have kept silent towards it for its takeover time, each
 * by their own clock, must have a member in common with every quorum of nodes that could have kept it alive.
 * `fenceBoundMs` is the lost node's own bound.
 *
 * A quorum that needs the device's vote need not meet them: where there is a device, a report counts from the time since
 * which its sender has held quorum too, and the device's own timeouts are waited for besides. Two partitions are not
 * quorate at once for longer than that.
 */
export function mayDeclareFenced(
  electorate: Electorate,
  reports: readonly SilenceReport[],
  fenceBoundMs: number,
): boolean {
  const waited = reports.filter((report) => report.silenceMs >= waitMs(electorate, fenceBoundMs));
  return meetsEveryQuorum(
    electorate,
    waited.map((report) => report.fromId),
  );
}

/** What must have passed since the last grant to a node with that bound, milliseconds. */
export function waitMs(electorate: Electorate, fenceBoundMs: number): number {
  return takeoverMs(fenceBoundMs + deviceTimeoutMs(electorate));
}

/** Milliseconds until mayDeclareFenced can hold at the earliest, by reports that grow older as time goes. */
export function untilTakeoverMs(
  electorate: Electorate,
  reports: readonly SilenceReport[],
  fenceBoundMs: number,
): number | null {
  const longestFirst = [...reports].sort((a, b) => b.silenceMs - a.silenceMs);
  for (let count = 1; count <= longestFirst.length; count++) {
    const first = longestFirst.slice(0, count);
    const last = first.at(-1);
    if (
      last !== undefined &&
      meetsEveryQuorum(
        electorate,
        first.map((report) => report.fromId),
      )
    ) {
      return Math.max(0, waitMs(electorate, fenceBoundMs) - last.silenceMs);
    }
  }
  return null;
}
