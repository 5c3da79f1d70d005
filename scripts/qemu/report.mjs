import { rangeText, seconds } from './verdict.mjs';

/** What is printed. Pure. */

/** A case in a line, as it ends. */
export function progress(result) {
  const facts = [measuredText(result)];
  if (result.differenceMs !== undefined) facts.push(`${signed(result.differenceMs)} from predicted`);
  return line(`${result.driver} ${result.case}: ${facts.join(', ')}`, result);
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
    verdictText(result),
  ]);
  return table(head, lines);
}

/** A fault of the cluster in a line, as it ends. */
export function clusterProgress(result) {
  const facts = result.node === undefined ? [] : [result.node, result.driver, ...clusterFigures(result)];
  return line(`${result.fault} ${result.number}: ${facts.join(', ')}`, result);
}

/** What an operator was told, in a line. */
export function validationProgress(result) {
  return line(`${result.driver} ${result.step}: ${result.told}`, result);
}

export function validationTable(results) {
  const lines = results.map(({ driver, step, told, ...result }) => [
    driver,
    step,
    told.length > 100 ? `${told.slice(0, 97)}...` : told,
    verdictText(result),
  ]);
  return table(['driver', 'step', 'told', 'verdict'], lines);
}

export function clusterTable(results) {
  const head = ['fault', 'runs', 'failed', 'fault → reset', 'fault → runs again', 'back after'];
  const names = [...new Set(results.map(({ fault }) => fault))];
  const lines = names.map((name) => {
    const own = results.filter(({ fault }) => fault === name);
    const largest = (key) => {
      const values = own.flatMap((result) => result[key] ?? []);
      return values.length === 0 ? '-' : seconds(Math.max(...values));
    };
    const failed = own.filter(({ failures }) => failures.length > 0).length;
    const repeated = own.reduce((sum, { attempts = 1 }) => sum + attempts - 1, 0);
    return [
      name,
      `${own.length}${repeated > 0 ? `, ${repeated} repeated` : ''}`,
      String(failed),
      largest('faultToResetMs'),
      largest('faultToRunsMs'),
      largest('backMs'),
    ];
  });
  return `${table(head, lines)}\n(the largest of all runs)`;
}

function clusterFigures({ faultToResetMs, faultToRunsMs, taker, backMs }) {
  return [
    `reset after ${seconds(faultToResetMs)}`,
    `runs on ${taker} after ${seconds(faultToRunsMs)}`,
    `whole again ${seconds(backMs)} after healing`,
  ];
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

function line(text, { failures, attempts }) {
  const head = `${failures.length === 0 ? 'ok    ' : 'FAILED'} ${text}${attemptsText(attempts)}`;
  return [head, ...failures].join('\n       ');
}

function verdictText({ failures, attempts }) {
  return `${failures.length === 0 ? 'ok' : 'FAILED'}${attemptsText(attempts)}`;
}

/** One that was measured only when it was tried again says so. */
function attemptsText(attempts = 1) {
  return attempts > 1 ? ` (${attempts} attempts)` : '';
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
  return `${ms < 0 ? '-' : '+'}${Math.abs(ms).toFixed(0)} ms`;
}
