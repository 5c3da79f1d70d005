#!/usr/bin/env node
// Prints what the simulator and the manager achieve on this machine. npm run bench -- [DIRECTORY OF SCENARIOS] [--json]

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { managerRounds, recovery, simulatedHoursPerMinute } from '../dist/src/sim/benchmarks.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const json = process.argv.includes('--json');
const directory = process.argv.slice(2).find((argument) => !argument.startsWith('-')) ?? 'test/scenarios';

function progress(text) {
  if (!json) process.stderr.write(`${text} ...\n`);
}

/** The run of all scenarios in a process of its own, as a user starts it. */
function scenarios() {
  if (!existsSync(directory)) return null;
  const startedMs = performance.now();
  const run = spawnSync(process.execPath, ['scripts/scenarios.mjs', '--json', directory], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const wallMs = performance.now() - startedMs;
  if (run.error) throw run.error;
  return { directory, wallMs, ...summaryOf(run.stdout) };
}

function summaryOf(output) {
  try {
    const { results } = JSON.parse(output);
    return { scenarios: results.length };
  } catch {
    return { scenarios: null };
  }
}

const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 1024 ** 3),
  node: process.version,
};
progress('recovery after the death of a node');
const follower = await recovery(false);
progress('recovery after the death of the leader');
const leader = await recovery(true);
progress('rounds of the manager');
managerRounds(8, 500);
const manager = managerRounds(32, 10_000);
progress('simulated time');
await simulatedHoursPerMinute(1);
const hoursPerMinute = await simulatedHoursPerMinute(5);
progress('scenarios');
const suite = scenarios();

if (json) {
  console.log(JSON.stringify({ machine, hoursPerMinute, manager, follower, leader, suite }));
} else {
  const seconds = (ms) => `${(ms / 1_000).toFixed(2)} s`;
  console.log(`machine: ${machine.cores} x ${machine.cpu}, ${machine.memoryGiB} GiB, Node ${machine.node}`);
  const rows = [
    ['simulated cluster-hours per CPU minute (3 nodes, 6 VMs)', hoursPerMinute.toFixed(0), '>= 1000'],
    ['largest round of the manager, 32 nodes, 10 000 resources', `${manager.largestMs.toFixed(1)} ms`, '<= 100 ms'],
    [
      `  median of ${manager.rounds} rounds, ${manager.recovered} services recovered`,
      `${manager.medianMs.toFixed(1)} ms`,
      '',
    ],
    ['node dead -> declared fenced (simulated, bound 60 s)', seconds(follower.declaredMs), ''],
    ['node dead -> its services run elsewhere', seconds(follower.recoveredMs), '<= 65 s'],
    ['leader dead -> declared fenced', seconds(leader.declaredMs), ''],
    ['leader dead -> its services run elsewhere', seconds(leader.recoveredMs), '<= 65 s'],
    [
      `all scenarios below ${directory} (${suite?.scenarios ?? '?'})`,
      suite === null ? 'not there' : seconds(suite.wallMs),
      '',
    ],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  for (const [name, value, aim] of rows)
    console.log(`${name.padEnd(width)}  ${value.padStart(10)}  ${aim && `aim ${aim}`}`);
}
