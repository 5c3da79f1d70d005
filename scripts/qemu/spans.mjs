/** When the witness ran where, and whether it ever ran twice. Pure; instants are milliseconds of one clock. */

/** It is heard ten times a second; a machine that is starved of processor may keep it waiting. */
const longestSilenceMs = 5_000;

/** Spans { node, fromMs, toMs } during which it was heard. `heard`: by node, the instants in order; `resets`: alike. */
export function spansOf(heard, resets) {
  const spans = [];
  for (const [node, instants] of Object.entries(heard)) {
    let span = null;
    for (const atMs of instants) {
      const ended = span === null || atMs - span.toMs > longestSilenceMs || wasReset(resets[node], span.toMs, atMs);
      if (ended) {
        span = { node, fromMs: atMs, toMs: atMs };
        spans.push(span);
      } else {
        span.toMs = atMs;
      }
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

function wasReset(instants = [], fromMs, toMs) {
  return instants.some((atMs) => atMs >= fromMs && atMs <= toMs);
}
