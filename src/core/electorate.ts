/** Who votes, and what makes a quorum. The arithmetic is votequorum's. */

export interface Voter {
  readonly nodeId: number;
  readonly name: string;
  readonly votes: number;
}

export interface Electorate {
  readonly nodes: readonly Voter[];
  /** Votes of all nodes (and of a quorum device, were there one). */
  readonly expectedVotes: number;
}

/** More than half of the expected votes. */
export function quorumVotes(electorate: Electorate): number {
  return Math.floor(electorate.expectedVotes / 2) + 1;
}

export function votesOf(electorate: Electorate, nodeIds: Iterable<number>): number {
  const wanted = new Set(nodeIds);
  return electorate.nodes.reduce((sum, node) => (wanted.has(node.nodeId) ? sum + node.votes : sum), 0);
}

export function isQuorum(electorate: Electorate, nodeIds: Iterable<number>): boolean {
  return votesOf(electorate, nodeIds) >= quorumVotes(electorate);
}

/**
 * Do these nodes have a member in common with every possible quorum? So many votes as the others could
 * not do without (design §2.4).
 */
export function meetsEveryQuorum(electorate: Electorate, nodeIds: Iterable<number>): boolean {
  return votesOf(electorate, nodeIds) > electorate.expectedVotes - quorumVotes(electorate);
}

/**
 * The highest value that a quorum of votes has reached, given what each node has reached; undefined if
 * no value has a quorum.
 */
export function quorumValue(electorate: Electorate, reached: ReadonlyMap<number, number>): number | undefined {
  let votes = 0;
  const descending = [...reached].sort(([, a], [, b]) => b - a);
  for (const [nodeId, value] of descending) {
    votes += votesOf(electorate, [nodeId]);
    if (votes >= quorumVotes(electorate)) return value;
  }
  return undefined;
}

export function nodeName(electorate: Electorate, nodeId: number): string {
  return electorate.nodes.find((node) => node.nodeId === nodeId)?.name ?? `node id ${nodeId}`;
}
