#!/usr/bin/env node
// Real watchdogs of the kernel in QEMU guests, and the real agent that pets them: `npm run watchdog-lab -- --help`.
import { appendFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chooseAccelerator } from './qemu/accelerator.mjs';
import { parseArguments, usage } from './qemu/arguments.mjs';
import { cases } from './qemu/cases.mjs';
import { runCluster } from './qemu/cluster-part.mjs';
import { run, UnfitMachine } from './qemu/command.mjs';
import { runDrivers } from './qemu/driver-part.mjs';
import { drivers, neverResets } from './qemu/drivers.mjs';
import { prepareImages } from './qemu/images.mjs';
import {
  accuracyText,
  clusterProgress,
  clusterTable,
  driverTable,
  progress,
  validationProgress,
  validationTable,
} from './qemu/report.mjs';
import { runValidation } from './qemu/validate-part.mjs';
import { Workshop } from './qemu/workshop.mjs';

const setup = fileURLToPath(new URL('setup', import.meta.url));
/** npm's modules over a slow network, and the addon. */
const setupMs = 1_800_000;
/** Nothing was tried: this machine cannot have the guests. As automake's and meson's tests say that they were skipped. */
const skipped = 77;
const known = { drivers: [...drivers, neverResets].map(({ name }) => name), cases: cases.map(({ name }) => name) };

/** How each part is run, and how its results are told: one as it comes, and all of them. */
const parts = {
  drivers: {
    measure: runDrivers,
    line: progress,
    table: (results) => `${driverTable(results)}\n\n${accuracyText(results)}`,
  },
  validate: { measure: runValidation, line: validationProgress, table: validationTable },
  cluster: { measure: runCluster, line: clusterProgress, table: clusterTable },
};

function readArguments() {
  try {
    const options = parseArguments(process.argv.slice(2), known);
    // That it cannot be written is better known now than after an hour.
    if (options !== null && options.json !== null) appendFileSync(options.json, '');
    return options;
  } catch (error) {
    return fail(error.message, 2);
  }
}

function print(line) {
  process.stdout.write(`${line}\n`);
}

function say(sentence) {
  print(`watchdog-lab: ${sentence}`);
}

function fail(sentence, code) {
  process.stderr.write(`watchdog-lab: ${sentence}\n`);
  process.exit(code);
}

/** Nothing is left behind, however the lab ends; and whatever hangs, it ends. */
function watchOver(lab) {
  process.on('exit', () => lab.workshop?.close());
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ]) {
    process.on(signal, () => process.exit(code));
  }
  const { limitMs } = lab.options;
  setTimeout(() => end(lab, new Error(`not done within ${limitMs / 60_000} minutes`)), limitMs);
  process.on('uncaughtException', (error) => end(lab, error));
}

async function measure(lab) {
  const { options, results } = lab;
  await run(setup, [], { limitMs: setupMs, isShown: true });
  const images = await prepareImages(say);
  const { accel, why } = await chooseAccelerator(options.accel, images);
  say(`guests run with ${accel.toUpperCase()}: ${why}`);
  lab.accel = accel;
  lab.workshop = new Workshop(images, accel);
  for (const name of options.parts) {
    const tell = (result) => {
      results[name].push(result);
      print(parts[name].line(result));
    };
    results[name] = await parts[name].measure(options, lab.workshop, tell);
  }
}

/** Tells what was measured, all of it or until `error`, and ends the lab. */
function end({ options, startedMs, results, accel, workshop }, error) {
  if (error instanceof UnfitMachine) fail(`there can be no guests here: ${error.message}`, skipped);
  const all = Object.values(results).flat();
  const failed = all.filter(({ failures }) => failures.length > 0).length;
  const tookMs = Math.round(performance.now() - startedMs);
  for (const [name, { table }] of Object.entries(parts)) {
    if (results[name].length > 0) print(`\n${table(results[name])}`);
  }
  print(`\n${summary(all.length, failed, error)}, in ${Math.round(tookMs / 1_000)} s`);
  if (options.json !== null) writeFileSync(options.json, `${JSON.stringify({ accel, tookMs, ...results }, null, 2)}\n`);
  const held = error === null && failed === 0 && all.length > 0;
  const logs = options.keepLogs || !held ? (workshop?.saveLogs() ?? null) : null;
  if (logs !== null) say(`logs: ${logs}`);
  if (error !== null) fail(error.constructor === Error ? error.message : error.stack, 1);
  process.exit(held ? 0 : 1);
}

function summary(runs, failed, error) {
  if (runs === 0) return error === null ? 'nothing was run: no chosen part has what was chosen' : 'nothing was run';
  const judged = failed > 0 ? `${failed} FAILED` : 'every expectation held';
  return `${runs} runs: ${judged}${error === null ? '' : ' until the lab failed'}`;
}

async function main() {
  const options = readArguments();
  if (options === null)
    return print(`${usage}\n\nDrivers: ${known.drivers.join(', ')}\nCases: ${known.cases.join(', ')}`);
  const results = { drivers: [], cluster: [], validate: [] };
  const lab = { options, results, startedMs: performance.now(), accel: null, workshop: null };
  watchOver(lab);
  await measure(lab).then(
    () => end(lab, null),
    (error) => end(lab, error),
  );
}

await main();
