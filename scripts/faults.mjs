#!/usr/bin/env node
// Every fault that Holdfast has to stand, again and again, on real corosync: `npm run faults -- --help`.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArguments, usage } from './faults.d/arguments.mjs';
import { heal, placeOn } from './faults.d/healing.mjs';
import { Lab } from './faults.d/lab.mjs';
import { progress, summarise, table } from './faults.d/report.mjs';
import { Run } from './faults.d/run.mjs';
import { faults } from './faults.d/table.mjs';

const setup = fileURLToPath(new URL('setup', import.meta.url));
const names = faults.map(({ name }) => name);

function readArguments() {
  try {
    return parseArguments(process.argv.slice(2), names);
  } catch (error) {
    process.stderr.write(`faults: ${error.message}\n`);
    process.exit(2);
  }
}

async function bootClock() {
  const { loadNative } = await import('../dist/src/host/native.js');
  const native = loadNative();
  return () => native.boottimeMs();
}

/** One after the other from the front of the queue, each on a whole lab; a lab that has failed is replaced. */
async function work(queue, context) {
  let lab = null;
  for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
    const result = { name: job.fault.name, number: job.number, node: null, figures: {}, failures: [], notes: [] };
    try {
      lab ??= await newLab(context);
      await runOnce(lab, job, context, result);
    } catch (error) {
      result.failures.push(error.message);
    }
    context.results.push(result);
    if (context.ending) return;
    if (result.failures.length > 0 && lab !== null) {
      result.notes.push(`logs: ${lab.saveLogs()}`);
      endLab(lab, context);
      lab = null;
    }
    process.stdout.write(`${progress(result)}\n`);
  }
  if (lab !== null) endLab(lab, context);
}

async function runOnce(lab, { fault, number }, context, result) {
  await heal(lab);
  if (fault.place !== undefined) await placeOn(lab, fault.place(number));
  const run = new Run(lab, { boundMs: context.boundMs, number, clock: context.clock });
  Object.assign(result, { figures: run.figures, failures: run.failures, notes: run.notes });
  await run.settle();
  result.node = run.node;
  try {
    await fault.course(run);
    await heal(lab);
  } finally {
    await run.stopWriters();
    run.judgeProbe();
  }
}

async function newLab(context) {
  const lab = new Lab(context.boundMs);
  context.labs.add(lab);
  await lab.up();
  return lab;
}

function endLab(lab, context) {
  context.labs.delete(lab);
  lab.down();
}

function endOnSignals(context) {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ]) {
    process.on(signal, () => {
      context.ending = true;
      for (const lab of context.labs) lab.down();
      process.exit(code);
    });
  }
}

async function main() {
  const options = readArguments();
  if (options === null) return process.stdout.write(`${usage}\n\nThe faults: ${names.join(', ')}\n`);
  if (spawnSync(setup, { stdio: 'inherit' }).status !== 0) process.exit(1);
  const started = performance.now();
  const context = { ...options, clock: await bootClock(), labs: new Set(), results: [], ending: false };
  endOnSignals(context);
  const wanted = faults.filter(({ name }) => options.only.includes(name));
  const queue = wanted.flatMap((fault) =>
    Array.from({ length: options.times * (fault.timesFactor ?? 1) }, (_, i) => ({ fault, number: i + 1 })),
  );
  try {
    await Promise.all(Array.from({ length: Math.min(options.labs, queue.length) }, () => work(queue, context)));
  } finally {
    for (const lab of context.labs) lab.down();
  }
  report(wanted, context, performance.now() - started);
}

function report(wanted, { results, boundMs, json }, tookMs) {
  const rows = summarise(
    results,
    wanted.map(({ name }) => name),
  );
  const failed = results.filter(({ failures }) => failures.length > 0).length;
  const notes = new Map(wanted.map(({ name, note }) => [name, note]));
  process.stdout.write(`\nBound ${boundMs} ms. Largest of all runs, in milliseconds.\n\n${table(rows, notes)}\n\n`);
  const total = `${results.length} runs in ${Math.round(tookMs / 1_000)} s`;
  process.stdout.write(failed === 0 ? `${total}: every expectation held\n` : `${total}: ${failed} FAILED\n`);
  if (json !== null)
    writeFileSync(json, `${JSON.stringify({ boundMs, tookMs: Math.round(tookMs), rows, runs: results }, null, 2)}\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}

await main();
