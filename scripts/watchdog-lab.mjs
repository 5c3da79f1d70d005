#!/usr/bin/env node
// Real watchdogs of the kernel in QEMU guests, and the real agent that pets them: `npm run watchdog-lab -- --help`.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chooseAccelerator } from './qemu/accelerator.mjs';
import { parseArguments, usage } from './qemu/arguments.mjs';
import { cases } from './qemu/cases.mjs';
import { runDrivers } from './qemu/driver-part.mjs';
import { drivers } from './qemu/drivers.mjs';
import { prepareImages } from './qemu/images.mjs';
import { installMissing } from './qemu/packages.mjs';
import { accuracyText, driverTable, progress } from './qemu/report.mjs';
import { Workshop } from './qemu/workshop.mjs';

const setup = fileURLToPath(new URL('setup', import.meta.url));
/** The whole lab; whatever hangs, it ends. */
const limitMs = 3 * 3_600_000;
const known = { drivers: drivers.map(({ name }) => name), cases: cases.map(({ name }) => name) };

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

function fail(sentence) {
  process.stderr.write(`watchdog-lab: ${sentence}\n`);
  process.exit(1);
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
  if (process.getuid() !== 0) fail('this needs root, to install packages and to build the guests');
  if (spawnSync(setup, { stdio: 'inherit' }).status !== 0) process.exit(1);
  const startedMs = performance.now();
  installMissing(say);
  const images = await prepareImages(say);
  const { accel, why } = await chooseAccelerator(options.accel, images);
  say(`guests run with ${accel.toUpperCase()}: ${why}`);
  const workshop = new Workshop(images, accel);
  closeAtTheEnd(workshop);
  const tell = (result) => process.stdout.write(`${progress(result)}\n`);
  const results = options.parts.includes('drivers') ? await runDrivers(options, workshop, tell) : [];
  report(results, options, accel, performance.now() - startedMs);
}

function report(results, { json }, accel, tookMs) {
  const failed = results.filter(({ failures }) => failures.length > 0).length;
  process.stdout.write(`\n${driverTable(results)}\n\n${accuracyText(results)}\n`);
  const total = `${results.length} cases in ${Math.round(tookMs / 1_000)} s`;
  process.stdout.write(failed === 0 ? `${total}: every expectation held\n` : `${total}: ${failed} FAILED\n`);
  if (json !== null)
    writeFileSync(json, `${JSON.stringify({ accel, tookMs: Math.round(tookMs), results }, null, 2)}\n`);
  process.exit(failed === 0 && results.length > 0 ? 0 : 1);
}

await main().catch((error) => fail(error.message));
