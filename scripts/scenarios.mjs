// Runs every scenario below a directory, compares each with its expect.json, and says how long all took.
// npm run scenarios -- DIR... [--json] [--verbose]
import { runScenarios } from '../dist/src/sim/scenario-suite.js';

const usage = 'usage: npm run scenarios -- DIRECTORY... [--json] [--verbose]';
const args = process.argv.slice(2);
const json = args.includes('--json');
const verbose = args.includes('--verbose');
const directories = args.filter((arg) => !arg.startsWith('--'));
const unknown = args.find((arg) => arg.startsWith('--') && arg !== '--json' && arg !== '--verbose');
if (directories.length === 0 || unknown !== undefined) {
  console.error(unknown === undefined ? usage : `there is no option ${unknown}; ${usage}`);
  process.exit(2);
}

const words = { differs: 'DIFFERS', failed: 'FAILED' };
const results = [];
const startedMs = performance.now();
const startedCpu = process.cpuUsage();
try {
  for (const directory of directories) {
    for await (const result of runScenarios(directory)) {
      results.push(result);
      if (!json) say(result);
    }
  }
} catch (error) {
  console.error(`scenarios: ${error.code === undefined ? error.stack : error.message}`);
  process.exit(1);
}
const wallMs = Math.round(performance.now() - startedMs);
const { user, system } = process.cpuUsage(startedCpu);
const count = (verdict) => results.filter((result) => result.verdict === verdict).length;
const totals = {
  scenarios: results.length,
  asExpected: count('as expected'),
  onPurpose: count('differs on purpose'),
  differ: count('differs'),
  failed: count('failed'),
  simulatedS: results.reduce((sum, { outcome }) => sum + (outcome?.end ?? 0), 0),
  wallMs,
  cpuMs: Math.round((user + system) / 1000),
};
if (json) console.log(JSON.stringify({ totals, results }, null, 2));
else {
  const { scenarios, asExpected, onPurpose, differ, failed } = totals;
  console.log(
    `${scenarios} scenarios: ${asExpected} as expected, ${onPurpose} differ on purpose, ${differ} differ, ${failed} failed`,
  );
  console.log(`${totals.simulatedS} simulated seconds in ${wallMs} ms (${totals.cpuMs} ms of CPU)`);
}
process.exitCode = differs() ? 1 : 0;

function say({ scenario, verdict, problems, difference }) {
  const why = verdict === 'differs on purpose' ? `: ${difference.why}` : '';
  console.log(`${scenario}: ${words[verdict] ?? verdict}${verbose ? why : ''}`);
  for (const problem of problems) console.log(`    ${problem}`);
}

/** A directory without a scenario is a mistake, and not a success. */
function differs() {
  return totals.differ > 0 || totals.failed > 0 || totals.scenarios === 0;
}
