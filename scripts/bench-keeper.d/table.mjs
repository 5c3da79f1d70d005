/** What is printed. Pure. */

/** The columns after those of lateness, and how wide they are. */
const columns = {
  ...{ pets: 9, missed: 8, 'wakeups/s': 11, 'CPU %': 8, allocations: 13, elsewhere: 11 },
  ...{ 'machine max': 13, stolen: 11 },
};

/** Two lines. */
export function heads() {
  const above = `${''.padEnd(12)}${'late to begin'.padStart(36)}${'late to end (emulator)'.padStart(36)}`;
  const late = ['p50', 'p99.9', 'max'].map((name) => name.padStart(12)).join('');
  return `${above}\n${'load'.padEnd(12)}${late}${late}${row(Object.keys(columns))}`;
}

/** What the columns mean, and how many pets it takes before p99.9 is another figure than max. */
export function legend({ p999Ms, maxMs }) {
  return [
    `held: late to begin at most ${p999Ms} ms at p99.9 (of 1 000 pets or more) and ${maxMs} ms at most, with SCHED_FIFO; missed: pets that were due`,
    'while a late one kept them waiting; allocations: of the keeper, none are due; elsewhere: of the other threads, which',
    'shows that they are counted; machine max: how late a thread woke that does nothing else;',
    'stolen: what a hypervisor took from the processors, all together. Ended by Ctrl-C.',
  ].join('\n');
}

/** A run in a line, or two. */
export function lines(run) {
  const ms = (value) => `${value.toFixed(3)} ms`;
  const late = ({ p50Ms, p999Ms, maxMs }) => [p50Ms, p999Ms, maxMs].map((value) => ms(value).padStart(12)).join('');
  const rest = row([
    ...[run.pets, run.missed].map(String),
    ...[run.wakeupsPerS.toFixed(1), run.cpuPercent.toFixed(2)],
    ...[run.allocations, run.allocationsElsewhere].map(String),
    run.machineMaxMs === null ? '' : ms(run.machineMaxMs),
    `${run.stolenMs} ms`,
  ]);
  const line = `${run.load.padEnd(12)}${late(run.begun)}${late(run.done)}${rest}  ${verdictOn(run)}`;
  if (run.clients === undefined) return line;
  const { asking, kept } = run.clients;
  return `${line}\n${''.padEnd(12)}${asking} clients asked, the socket kept ${kept} of them at a time`;
}

function verdictOn({ held, realtime }) {
  if (held === null) return 'no SCHED_FIFO';
  if (held) return 'held';
  return realtime ? 'MISSED' : 'MISSED: the keeper has no SCHED_FIFO';
}

function row(cells) {
  return Object.values(columns)
    .map((width, index) => cells[index].padStart(width))
    .join('');
}
