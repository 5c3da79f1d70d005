/** Who votes, and what makes a quorum. The arithmetic is votequorum's. */

export interface Voter {
  readonly nodeId: number;
  readonly name: string;
  readonly votes: number;
}

export interface Votes {
  readonly nodes: readonly Voter[];
  /** Votes of all nodes and of the quorum device. */
  readonly expectedVotes: number;
  /** Votes of the quorum device; absent: there is none. */
  readonly deviceVotes?: number;
  /** By then a vote that the device has given to others counts nowhere else any more, milliseconds. */
  readonly deviceTimeoutMs?: number;
}

/**
 * The electorate of the log. From the commit of a change until a takeover wait after it both count: a quorum is one of
 * the former and of the new one.
 */
export interface Electorate extends Votes {
  /** Names this electorate, joint or not, among all that the log has ever held; absent where none is in the log. */
  readonly version?: string;
  /** What counts besides, while a change is under way; null or absent: nothing. */
  readonly former?: Votes | null;
}

function sides(electorate: Electorate): readonly Votes[] {
  return electorate.former ? [electorate, electorate.former] : [electorate];
}

/** More than half of the expected votes. */
export function quorumVotes(votes: Votes): number {
  return Math.floor(votes.expectedVotes / 2) + 1;
}

export function votesOf(votes: Votes, nodeIds: Iterable<number>): number {
  const wanted = new Set(nodeIds);
  return votes.nodes.reduce((sum, node) => (wanted.has(node.nodeId) ? sum + node.votes : sum), 0);
}

/** A quorum of nodes, that needs no device. */
export function isQuorum(electorate: Electorate, nodeIds: Iterable<number>): boolean {
  const ids = [...nodeIds];
  return sides(electorate).every((side) => votesOf(side, ids) >= quorumVotes(side));
}

export function hasDevice(electorate: Electorate): boolean {
  return (electorate.deviceVotes ?? 0) > 0 || (electorate.former?.deviceVotes ?? 0) > 0;
}

/** A quorum with the device's votes. While the electorate changes they count nowhere. */
export function isDeviceQuorum(electorate: Electorate, nodeIds: Iterable<number>): boolean {
  if (!hasDevice(electorate) || electorate.former) return false;
  return votesOf(electorate, nodeIds) + (electorate.deviceVotes ?? 0) >= quorumVotes(electorate);
}

/** How long the device may need to take its vote from a node, milliseconds; 0 without one. */
export function deviceTimeoutMs(electorate: Electorate): number {
  return Math.max(...sides(electorate).map((side) => ((side.deviceVotes ?? 0) > 0 ? (side.deviceTimeoutMs ?? 0) : 0)));
}

/**
 * Do these nodes have a member in common with every possible quorum of nodes? So many votes as the others could not do
 * without (design §2.4). Quorums that need the device are proved away by time, see takeover.ts.
 */
export function meetsEveryQuorum(electorate: Electorate, nodeIds: Iterable<number>): boolean {
  const ids = [...nodeIds];
  return sides(electorate).every(
    (side) => votesOf(side, ids) > side.expectedVotes - (side.deviceVotes ?? 0) - quorumVotes(side),
  );
}

/**
 * The highest value that a quorum of nodes has reached, given what each node has reached; undefined if no value has a
 * quorum.
 */
export function quorumValue(electorate: Electorate, reached: ReadonlyMap<number, number>): number | undefined {
  const values = sides(electorate).map((side) => quorumValueOf(side, reached));
  return values.reduce((least, value) =>
    least === undefined || value === undefined ? undefined : Math.min(least, value),
  );
}

function quorumValueOf(side: Votes, reached: ReadonlyMap<number, number>): number | undefined {
  let highest: number | undefined;
  for (const { nodeId } of side.nodes) {
    const value = reached.get(nodeId);
    if (value === undefined || (highest !== undefined && value <= highest)) continue;
    if (votesAt(side, reached, value) >= quorumVotes(side)) highest = value;
  }
  return highest;
}

/** Votes of those who have reached it. */
function votesAt({ nodes }: Votes, reached: ReadonlyMap<number, number>, value: number): number {
  let votes = 0;
  for (const node of nodes) if ((reached.get(node.nodeId) ?? Number.NEGATIVE_INFINITY) >= value) votes += node.votes;
  return votes;
}

/**
 * The value that all of these nodes have reached, if with the device they are a quorum: the device remembers nothing, so
 * where its votes are needed there must be nobody in reach who does not know (design §3).
 */
export function deviceValue(
  electorate: Electorate,
  nodeIds: readonly number[],
  reached: ReadonlyMap<number, number>,
): number | undefined {
  if (!isDeviceQuorum(electorate, nodeIds)) return undefined;
  const values = nodeIds.map((nodeId) => reached.get(nodeId));
  return values.reduce((least, value) =>
    least === undefined || value === undefined ? undefined : Math.min(least, value),
  );
}

/** The same nodes with the same votes, and the same device. */
export function sameVotes(a: Votes, b: Votes): boolean {
  if (a === b) return true;
  const sameDevice = (a.deviceVotes ?? 0) === (b.deviceVotes ?? 0);
  const sameTimeout = (a.deviceVotes ?? 0) === 0 || (a.deviceTimeoutMs ?? 0) === (b.deviceTimeoutMs ?? 0);
  if (!sameDevice || !sameTimeout || a.expectedVotes !== b.expectedVotes || a.nodes.length !== b.nodes.length)
    return false;
  return a.nodes.every(({ nodeId, votes }) => b.nodes.some((node) => node.nodeId === nodeId && node.votes === votes));
}

/** Is what corosync says of its quorum about this electorate, or about one of the two while it changes? */
export function isAbout(configured: Votes, electorate: Electorate): boolean {
  if (sameVotes(electorate, configured)) return true;
  return electorate.former ? sameVotes(electorate.former, configured) : false;
}

/** Votes as one line, the same for the same votes. */
export function fingerprint({ nodes, expectedVotes, deviceVotes = 0, deviceTimeoutMs: timeoutMs = 0 }: Votes): string {
  const voters = [...nodes].sort((a, b) => a.nodeId - b.nodeId).map((node) => `${node.nodeId}:${node.votes}`);
  const device = deviceVotes > 0 ? ` device ${deviceVotes}/${timeoutMs}` : '';
  return `${voters.join(',')} of ${expectedVotes}${device}`;
}

/** Does it hold the node, before or after the change that may be under way? */
export function isVoter(electorate: Electorate, nodeId: number): boolean {
  return sides(electorate).some((side) => side.nodes.some((node) => node.nodeId === nodeId));
}

export function nodeName(electorate: Electorate, nodeId: number): string {
  const isIt = (node: Voter): boolean => node.nodeId === nodeId;
  const known = electorate.nodes.find(isIt) ?? electorate.former?.nodes.find(isIt);
  return known?.name ?? `node id ${nodeId}`;
}
