import { rangeText, seconds } from './verdict.mjs';

/** What is printed. Pure. */

/** A case in a line, as it ends. */
export function progress(result) {
  const { driver, case: name, failures } = result;
  const facts = [measuredText(result)];
  if (result.differenceMs !== undefined) facts.push(`${signed(result.differenceMs)} from predicted`);
  const verdict = failures.length === 0 ? 'ok    ' : 'FAILED';
  return `${verdict} ${driver} ${name}: ${facts.join(', ')}${failures.map((sentence) => `\n       ${sentence}`).join('')}`;
}

/** Table of all cases on all drivers, in the order of their results. */
export function driverTable(results) {
  const head = ['driver', 'case', 'predicted', 'measured', 'difference', 'last pet', 'verdict'];
  const lines = results.map((result) => [
    result.driver,
    result.case,
    predictedText(result),
    measuredText(result),
    result.differenceMs === undefined ? '-' : signed(result.differenceMs),
    result.lastPetMs === undefined ? '-' : `act ${signed(result.lastPetMs)}`,
    result.failures.length === 0 ? 'ok' : 'FAILED',
  ]);
  return table(head, lines);
}

/** The largest figures, which say what the table is worth. */
export function accuracyText(results) {
  const differences = results.flatMap(({ differenceMs }) =>
    differenceMs === undefined ? [] : [Math.abs(differenceMs)],
  );
  const errors = results.flatMap(({ errorMs }) => (errorMs === undefined ? [] : [errorMs]));
  if (differences.length === 0) return 'no reset was measured';
  const [difference, error] = [differences, errors].map((values) => Math.max(...values).toFixed(1));
  return `largest difference ${difference} ms; an instant of the guest's clock is known to the host to ${error} ms`;
}

export function table(head, lines) {
  const widths = head.map((title, i) => Math.max(title.length, ...lines.map((line) => line[i].length)));
  const text = (cells) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd();
  return [text(head), ...lines.map(text)].join('\n');
}

function predictedText({ predicted }) {
  if (predicted === undefined) return '?';
  return predicted === null ? 'no reset' : `${predicted.after} + ${rangeText(predicted)}`;
}

function measuredText({ predicted, measuredMs, watchedMs, failures }) {
  if (measuredMs !== undefined) return `${predicted.after} + ${seconds(measuredMs)}`;
  if (watchedMs === undefined) return 'not measured';
  return `${failures.length === 0 ? 'none' : 'see below'} in ${seconds(watchedMs)}`;
}

function signed(ms) {
  return `${ms < 0 ? '-' : '+'}${seconds(Math.abs(ms))}`;
}
