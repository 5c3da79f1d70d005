#!/usr/bin/env node
// A live cluster shown by the CLI, step by step, and looked at from outside: `npm run tour -- --help`.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Lab, machines } from './faults.d/lab.mjs';
import { parseArguments, usage } from './tour.d/arguments.mjs';
import { summarise, table, verdict } from './tour.d/report.mjs';
import { webAddress } from './tour.d/rules-and-moves.mjs';
import { steps } from './tour.d/steps.mjs';
import { Tour } from './tour.d/tour.mjs';
import { Witness } from './tour.d/witness.mjs';

const setup = fileURLToPath(new URL('setup', import.meta.url));
const client = fileURLToPath(new URL('demo.d/client.mjs', import.meta.url));
const resources = ['web', 'db', 'app', 'mirror', 'batch', 'report'];
const names = steps.map(({ name }) => name);
/** Whatever hangs: the whole tour ends. */
const limitMs = 1_200_000;

class TourLab extends Lab {
  /** Nothing is there before the first step. */
  async prepare() {}
}

function readArguments() {
  try {
    return parseArguments(process.argv.slice(2), names);
  } catch (error) {
    process.stderr.write(`tour: ${error.message}\n`);
    process.exit(2);
  }
}

async function bootClock() {
  const { loadNative } = await import('../dist/src/host/native.js');
  const native = loadNative();
  return () => native.boottimeMs();
}

/** After the setup step, which the others build on, those that were asked for. */
function chosen(only) {
  return steps.filter(({ name }, i) => i === 0 || only.includes(name));
}

async function runStep(tour, { name, run }) {
  const { witness } = tour;
  const fromMs = witness.nowMs();
  const doublesBefore = witness.doubleRuns().length;
  Object.assign(tour, { checks: 0, failures: [], resetsDue: [] });
  tour.say(`--- ${name}`);
  try {
    await run(tour);
  } catch (error) {
    tour.check(false, 'the step goes on to its end', error.message);
  }
  const toMs = witness.nowMs();
  const resets = witness.resets(fromMs, toMs);
  const due = Object.fromEntries(machines.map((node) => [node, tour.resetsDue.filter((each) => each === node).length]));
  tour.checkEqual(resets, due, 'resets by the watchdogs: those that are due, and no other');
  const doubles = witness.doubleRuns().slice(doublesBefore);
  tour.check(doubles.length === 0, 'nothing ran twice', doubles.join('; '));
  return {
    name,
    checks: tour.checks,
    failures: tour.failures,
    seconds: (toMs - fromMs) / 1_000,
    resetsSeen: Object.values(resets).reduce((sum, count) => sum + count, 0),
    resetsDue: tour.resetsDue.length,
    doubleRuns: doubles.length,
    gaps: name === names[0] ? {} : witness.gaps(fromMs, toMs),
    requests: name === names[0] ? { asked: 0, failed: 0 } : witness.requests(fromMs, toMs),
  };
}

async function walk(lab, options) {
  const requestLog = join(lab.dir, '..', 'requests.log');
  const witness = new Witness(lab, { clock: await bootClock(), resources, nodes: machines, requestLog });
  const stream = options.json ? process.stderr : process.stdout;
  const print = (text) => stream.write(`${text}\n`);
  const tour = new Tour(lab, witness, { boundMs: options.boundMs, resources, print });
  tour.say(`$ scripts/lab up ${machines.length}   # fence bound ${options.boundMs} ms`);
  await lab.up();
  const visitor = lab.client(client, `http://${webAddress}/`, requestLog);
  const results = [];
  try {
    for (const step of chosen(options.only)) {
      results.push(await runStep(tour, step));
      // What follows would only repeat it.
      if (results.at(-1).failures.length > 0) break;
    }
  } finally {
    visitor.stdin.end();
  }
  print(`\n${table(results)}\n\n${verdict(results)}`);
  return results;
}

function endOnSignals(lab) {
  const end = (code, words) => {
    process.stderr.write(`tour: ${words}\n`);
    lab.down();
    process.exit(code);
  };
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ]) {
    process.on(signal, () => end(code, `${signal}: the lab is taken down`));
  }
  setTimeout(() => end(1, `not at its end after ${limitMs / 1_000} s`), limitMs).unref();
}

async function main() {
  const options = readArguments();
  if (options === null) return process.stdout.write(`${usage}\n\nThe steps: ${names.join(', ')}\n`);
  if (spawnSync(setup, { stdio: ['ignore', 2, 2] }).status !== 0) process.exit(1);
  const lab = new TourLab(options.boundMs, 'holdfast-tour', {});
  endOnSignals(lab);
  let results = [];
  try {
    results = await walk(lab, options);
  } finally {
    const held = results.length > 0 && summarise(results).held;
    if (!held || options.keepLogs) process.stderr.write(`logs: ${lab.saveLogs()}\n`);
    lab.down();
    process.exitCode = held ? 0 : 1;
  }
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ boundMs: options.boundMs, ...summarise(results), steps: results })}\n`);
  }
}

await main();
