/** When the witness ran where, and whether it ever ran twice. Pure; instants are milliseconds of one clock. */

/**
 * Spans { node, fromMs, toMs }, each from the first to the last that was heard of one start of the witness. `heard`: by
 * node, in order, { atMs, count }: it counts from its start on, so a silence ends no run, however long it lasts.
 */
export function spansOf(heard) {
  const spans = [];
  for (const [node, words] of Object.entries(heard)) {
    let lastCount = Number.POSITIVE_INFINITY;
    for (const { atMs, count } of words) {
      if (count > lastCount) spans.at(-1).toMs = atMs;
      else spans.push({ node, fromMs: atMs, toMs: atMs });
      lastCount = count;
    }
  }
  return spans.sort((a, b) => a.fromMs - b.fromMs);
}

/** Pairs of spans on two nodes at once. */
export function doubleRuns(spans) {
  return spans.flatMap((one, i) =>
    spans.slice(i + 1).flatMap((other) => (other.node !== one.node && other.fromMs <= one.toMs ? [[one, other]] : [])),
  );
}
