/** What is printed at the end. Pure. */

const sum = (values) => values.reduce((total, value) => total + value, 0);

/** Of all steps' results: what the whole tour comes to. */
export function summarise(results) {
  return {
    held: results.every(({ failures }) => failures.length === 0),
    checks: sum(results.map(({ checks }) => checks)),
    failures: sum(results.map(({ failures }) => failures.length)),
    resetsSeen: sum(results.map(({ resetsSeen }) => resetsSeen)),
    resetsDue: sum(results.map(({ resetsDue }) => resetsDue)),
    doubleRuns: sum(results.map(({ doubleRuns }) => doubleRuns)),
    seconds: sum(results.map(({ seconds }) => seconds)),
  };
}

export function table(results) {
  const head = ['step', 'result', 'checks', 'seconds', 'resets', 'due', 'ran twice', 'lost requests', 'longest gap'];
  const lines = results.map((result) => [
    result.name,
    result.failures.length === 0 ? 'held' : 'FAILED',
    String(result.checks),
    result.seconds.toFixed(1),
    String(result.resetsSeen),
    String(result.resetsDue),
    String(result.doubleRuns),
    `${result.requests.failed} of ${result.requests.asked}`,
    longest(result.gaps),
  ]);
  const widths = head.map((title, i) => Math.max(title.length, ...lines.map((line) => line[i].length)));
  const text = (cells) =>
    cells
      .map((cell, i) => (i <= 1 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd();
  return [text(head), ...lines.map(text)].join('\n');
}

/** `gaps`: by resource, in milliseconds; only of those that were to run all the time. */
function longest(gaps) {
  const [name, ms] = Object.entries(gaps).reduce((most, each) => (each[1] > most[1] ? each : most), ['', 0]);
  return ms === 0 ? '-' : `${(ms / 1_000).toFixed(2)} s ${name}`;
}

export function verdict(results) {
  const all = summarise(results);
  const failures = results.flatMap(({ name, failures: sentences }) => sentences.map((text) => `  ${name}: ${text}`));
  const facts = `${all.checks} checks, ${all.resetsSeen} resets (${all.resetsDue} due), ${all.doubleRuns} double runs`;
  const took = `${Math.round(all.seconds)} s`;
  return [`${facts}, ${took}: ${all.held ? 'everything held' : 'FAILED'}`, ...failures].join('\n');
}
