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

/** Levenshtein: insertions, deletions and substitutions, each 1. Keeps one row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const substitute = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(substitute, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
