#!/usr/bin/env node
// Real watchdogs of the kernel in QEMU guests, and the real agent that pets them: `npm run watchdog-lab -- --help`.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chooseAccelerator } from './qemu/accelerator.mjs';
import { parseArguments, usage } from './qemu/arguments.mjs';
import { cases } from './qemu/cases.mjs';
import { runCluster } from './qemu/cluster-part.mjs';
import { runDrivers } from './qemu/driver-part.mjs';
import { drivers, neverResets } from './qemu/drivers.mjs';
import { prepareImages } from './qemu/images.mjs';
import { installMissing } from './qemu/packages.mjs';
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
/** Nothing was tried: this machine cannot have the guests. As automake's and meson's tests say that they were skipped. */
const skipped = 77;
/** The whole lab; whatever hangs, it ends. */
const limitMs = 3 * 3_600_000;
const known = { drivers: [...drivers, neverResets].map(({ name }) => name), cases: cases.map(({ name }) => name) };

function readArguments() {
  try {
    return parseArguments(process.argv.slice(2), known);
  } catch (error) {
    process.stderr.write(`watchdog-lab: ${error.message}\n`);
    process.exit(2);
  }
}

function say(sentence) {
  process.stdout.write(`watchdog-lab: ${sentence}\n`);
}

function fail(sentence, code = 1) {
  process.stderr.write(`watchdog-lab: ${sentence}\n`);
  process.exit(code);
}

/** Downloads, installs and builds what the guests are made of. */
async function prepare() {
  if (process.arch !== 'x64') throw new Error(`the guests are x86-64 machines, and this is ${process.arch}`);
  installMissing(say);
  return prepareImages(say);
}

/** Nothing is left behind, however the lab ends. */
function closeAtTheEnd(workshop) {
  process.on('exit', () => workshop.close());
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ]) {
    process.on(signal, () => process.exit(code));
  }
  setTimeout(() => fail(`not done within ${limitMs / 60_000} minutes`), limitMs).unref();
}

async function main() {
  const options = readArguments();
  if (options === null)
    return process.stdout.write(`${usage}\n\nDrivers: ${known.drivers.join(', ')}\nCases: ${known.cases.join(', ')}\n`);
  if (process.getuid() !== 0) fail('this needs root, to install packages and to build the guests', skipped);
  if (spawnSync(setup, { stdio: 'inherit' }).status !== 0) process.exit(1);
  const startedMs = performance.now();
  const images = await prepare().catch((error) => fail(`there can be no guests here: ${error.message}`, skipped));
  const { accel, why } = await chooseAccelerator(options.accel, images);
  say(`guests run with ${accel.toUpperCase()}: ${why}`);
  const workshop = new Workshop(images, accel);
  closeAtTheEnd(workshop);
  const print = (line) => process.stdout.write(`${line}\n`);
  const { parts } = options;
  const results = {
    drivers: parts.includes('drivers') ? await runDrivers(options, workshop, (each) => print(progress(each))) : [],
    cluster: parts.includes('cluster')
      ? await runCluster(options, workshop, (each) => print(clusterProgress(each)))
      : [],
    validate: parts.includes('validate')
      ? await runValidation(options, workshop, (each) => print(validationProgress(each)))
      : [],
  };
  const all = Object.values(results).flat();
  const failed = all.filter(({ failures }) => failures.length > 0).length;
  const tookMs = Math.round(performance.now() - startedMs);
  if (results.drivers.length > 0) print(`\n${driverTable(results.drivers)}\n\n${accuracyText(results.drivers)}`);
  if (results.validate.length > 0) print(`\n${validationTable(results.validate)}`);
  if (results.cluster.length > 0) print(`\n${clusterTable(results.cluster)}`);
  print(
    `\n${all.length} runs in ${Math.round(tookMs / 1_000)} s: ${failed === 0 ? 'every expectation held' : `${failed} FAILED`}`,
  );
  if (options.json !== null) writeFileSync(options.json, `${JSON.stringify({ accel, tookMs, ...results }, null, 2)}\n`);
  if (options.keepLogs || failed > 0) say(`logs: ${workshop.saveLogs()}`);
  process.exit(failed === 0 && all.length > 0 ? 0 : 1);
}

await main().catch((error) => fail(error.message));
