/**
 * How many of the parties can have a node of their own at the same time, if each accepts only the nodes listed for it:
 * a largest matching, by augmenting paths.
 */
export function distinctNodes(accepted: readonly (readonly string[])[]): number {
  const holder = new Map<string, number>();
  return accepted.filter((_, party) => takesNode(party, accepted, holder, new Set())).length;
}

/** Gives the party a free node, or one whose holder can move on to another. */
function takesNode(
  party: number,
  accepted: readonly (readonly string[])[],
  holder: Map<string, number>,
  tried: Set<string>,
): boolean {
  for (const node of accepted[party] ?? []) {
    if (tried.has(node)) continue;
    tried.add(node);
    const other = holder.get(node);
    if (other !== undefined && !takesNode(other, accepted, holder, tried)) continue;
    holder.set(node, party);
    return true;
  }
  return false;
}
