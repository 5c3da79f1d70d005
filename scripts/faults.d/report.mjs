/** What is printed at the end. Pure. */

/** In the order of the table; each with what its runs have in common. */
export function summarise(runs, names) {
  return names.map((name) => {
    const own = runs.filter((run) => run.name === name);
    const largest = (key) =>
      own.reduce((most, { figures }) => (figures[key] === undefined ? most : Math.max(most ?? 0, figures[key])), null);
    return {
      name,
      times: own.length,
      failed: own.filter(({ failures }) => failures.length > 0).length,
      petToResetMs: largest('petToResetMs'),
      cutToResetMs: largest('cutToResetMs'),
      cutToRunningMs: largest('cutToRunningMs'),
      doubleRuns: own.reduce((sum, { figures }) => sum + (figures.doubleRuns ?? 0), 0),
      others: otherFigures(own),
    };
  });
}

const figureTexts = [
  ['petGapMs', 'longest time between pets', 'ms'],
  ['armedAgainMs', 'petted again after', 'ms'],
  ['toldMs', 'status tells after', 'ms'],
  ['workedAgainMs', 'works again after', 'ms'],
  ['commitPauseMs', 'longest time without a commit', 'ms'],
  ['statusMs', 'slowest status', 'ms'],
  ['cpu', 'CPU of the agent', '%'],
];

function otherFigures(runs) {
  const texts = figureTexts.flatMap(([key, words, unit]) => {
    const values = runs.map(({ figures }) => figures[key]).filter((value) => value !== undefined);
    if (values.length === 0) return [];
    const worst = Math.max(...values) * (unit === '%' ? 100 : 1);
    return [`${words} ${Math.round(worst)} ${unit}`];
  });
  const committed = runs.reduce((sum, { figures }) => sum + (figures.committed ?? 0), 0);
  return [...texts, ...(committed > 0 ? [`${committed} writes were answered "committed"`] : [])].join(', ');
}

const milliseconds = (value) => (value === null ? '-' : String(Math.round(value)));

/** Plain text; times in milliseconds, each the largest of all runs. */
export function table(rows, notes) {
  const head = ['fault', 'runs', 'failed', 'last pet → reset', 'cut → reset', 'cut → runs again', 'ran twice'];
  const lines = rows.map((row) => [
    row.name,
    String(row.times),
    String(row.failed),
    milliseconds(row.petToResetMs),
    milliseconds(row.cutToResetMs),
    milliseconds(row.cutToRunningMs),
    String(row.doubleRuns),
  ]);
  const widths = head.map((title, i) => Math.max(title.length, ...lines.map((line) => line[i].length)));
  const text = (cells) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ');
  const remarks = rows.map(({ name, others }) => `${name}: ${[notes.get(name), others].filter(Boolean).join('; ')}`);
  return [text(head), ...lines.map(text), '', ...remarks].join('\n');
}

/** A run in a line, as it ends. */
export function progress({ name, number, node, figures, failures, notes }) {
  const times = [
    ['last pet → reset', figures.petToResetMs],
    ['cut → reset', figures.cutToResetMs],
    ['cut → runs again', figures.cutToRunningMs],
  ];
  const told = times
    .filter(([, value]) => value !== undefined)
    .map(([words, value]) => `${words} ${Math.round(value)} ms`);
  const facts = [`node${node}`, ...told, ...notes].join(', ');
  return `${failures.length === 0 ? 'ok    ' : 'FAILED'} ${name} ${number}: ${facts}${failures.map((sentence) => `\n       ${sentence}`).join('')}`;
}
