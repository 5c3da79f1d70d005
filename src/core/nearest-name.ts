/** Longer names are neither typed nor worth comparing; bounds the work to 128² steps a name. */
const maxLength = 128;

/**
 * The name among `known` that someone who wrote `name` most likely meant, or undefined when none is close:
 * at most one edit in three characters, case ignored. Of two that are equally close the one of the same length
 * (a mistyped character is likelier than a forgotten one), else the earlier.
 */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  if (name.length === 0 || name.length > maxLength) return undefined;
  let best: string | undefined;
  let bestCloseness = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    if (candidate.length > maxLength) continue;
    const edits = editDistance(name.toLowerCase(), candidate.toLowerCase());
    const closeness = edits + (candidate.length === name.length ? 0 : 0.5);
    const allowed = Math.max(1, Math.floor(Math.max(name.length, candidate.length) / 3));
    if (edits <= allowed && edits < candidate.length && closeness < bestCloseness) {
      best = candidate;
      bestCloseness = closeness;
    }
  }
  return best;
}

/** Insertions, deletions, substitutions and swaps of neighbours, each 1 (optimal string alignment). Keeps two rows. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      next.push(Math.min(substitute, swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
