// Runs every scenario below a directory, compares each with its expect.json, and says how long all took.
// npm run scenarios -- DIR... [--json] [--verbose]
import { runScenarios } from '../dist/src/sim/scenario-suite.js';

const usage = 'usage: npm run scenarios -- DIRECTORY... [--json] [--verbose]';
const args = process.argv.slice(2);
const json = args.includes('--json');
const verbose = args.includes('--verbose');
const directories = args.filter((arg) => !arg.startsWith('--'));
const unknown = args.find((arg) => arg.startsWith('--') && arg !== '--json' && arg !== '--verbose');
if (directories.length === 0 || directories.includes('') || unknown !== undefined) {
  console.error(unknown === undefined ? usage : `there is no option ${unknown}; ${usage}`);
  process.exit(2);
}

// Who reads no further (`| head -1`) has no use for the rest of the text, but the exit code still is to be true.
process.stdout.on('error', (error) => {
  if (error.code === 'EPIPE') return;
  console.error(`scenarios: the output cannot be written (${error.code}): write it elsewhere`);
  process.exit(1);
});

const words = { differs: 'DIFFERS', failed: 'FAILED' };
const results = [];
const startedMs = performance.now();
const startedCpu = process.cpuUsage();
try {
  for await (const result of runScenarios(directories)) {
    results.push(result);
    if (!json) say(result);
  }
} catch (error) {
  console.error(`scenarios: ${error.code === undefined ? error.stack : error.message}`);
  process.exit(error.code === 'HF_ARGUMENT' ? 2 : 1);
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
  const ran = `${scenarios} ${scenarios === 1 ? 'scenario' : 'scenarios'}`;
  console.log(
    `${ran}: ${asExpected} as expected, ${differing(onPurpose)} on purpose, ${differing(differ)}, ${failed} failed`,
  );
  console.log(`${totals.simulatedS} simulated seconds in ${wallMs} ms (${totals.cpuMs} ms of CPU)`);
}
process.exitCode = totals.differ > 0 || totals.failed > 0 ? 1 : 0;

function say({ scenario, verdict, problems, difference }) {
  const why = verdict === 'differs on purpose' ? `: ${difference.why}` : '';
  console.log(`${scenario}: ${words[verdict] ?? verdict}${verbose ? why : ''}`);
  for (const problem of problems) console.log(`    ${problem}`);
}

function differing(count) {
  return `${count} ${count === 1 ? 'differs' : 'differ'}`;
}
