// The demo, once everything is built; see scripts/demo.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArguments } from './arguments.mjs';
import { Lab } from './lab.mjs';
import { Screen } from './screen.mjs';
import { Story } from './story.mjs';
import { allHeld, tableOf } from './table.mjs';
import { Failure } from './waiting.mjs';

const beyondBoundMs = 120_000;
const signals = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

class Interrupted extends Failure {
  constructor(signal) {
    super(`ended by ${signal}`);
    this.exitCode = signals[signal];
  }
}

async function main() {
  const { boundMs, keep } = parseArguments(process.argv.slice(2));
  const screen = new Screen(process.stdout, process.env);
  const ending = endingOf(boundMs);
  const lab = new Lab(mkdtempSync(join(tmpdir(), 'holdfast-demo-')), { BOUND: `${boundMs}` }, ending.signal);
  let kept = false;
  try {
    introduce(screen, boundMs);
    const { figures, cutNode } = await new Story(lab, screen, boundMs, ending.signal).tell();
    ending.signal.throwIfAborted();
    screen.text();
    for (const { tone, text } of tableOf(figures, { boundMs, cutNode })) screen.text(text, tone);
    kept = keep;
    if (keep) sayHowToTalk(screen, lab.dir, boundMs);
    return allHeld(figures) ? 0 : 1;
  } finally {
    ending.cancel();
    if (!kept) await lab.down();
  }
}

/** A signal that is aborted by Ctrl-C and its like, by a reader who has gone, and by the time limit. */
function endingOf(boundMs) {
  const controller = new AbortController();
  const limitMs = boundMs + beyondBoundMs;
  const timer = setTimeout(() => controller.abort(new Failure(`not over after ${limitMs / 1000} s`)), limitMs);
  for (const name of Object.keys(signals)) process.on(name, () => controller.abort(new Interrupted(name)));
  process.stdout.on('error', () => controller.abort(new Failure('nobody reads the output any more')));
  return { signal: controller.signal, cancel: () => clearTimeout(timer) };
}

function introduce(screen, boundMs) {
  screen.text(
    `Holdfast: a failover. A node without quorum is reset within ${boundMs / 1000} s; only then do others start its services.`,
    'strong',
  );
  screen.text(
    'The seconds count from the cut. The nodes are namespaces on this machine, their watchdogs emulated.',
    'faint',
  );
  screen.text();
}

function sayHowToTalk(screen, dir, boundMs) {
  screen.text();
  screen.text('The cluster is still up:', 'strong');
  for (const line of [
    `export LAB=${dir}`,
    'scripts/lab cli 1 status                     # holdfast on node1; also: watch, timing, config, help',
    'scripts/lab client curl http://10.77.0.100/  # who serves?',
    `scripts/lab cut 2; sleep ${Math.ceil(boundMs / 1000) + 5}; scripts/lab heal  # once more; all verbs: scripts/lab help`,
    'curl --unix-socket $LAB/n1/run/holdfast.sock http://localhost/v1/status',
    'scripts/lab down                             # ends and removes all of it',
  ]) {
    screen.text(`  ${line}`);
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`demo: ${error instanceof Failure || error.code?.startsWith('HF_') ? error.message : error.stack}`);
  process.exitCode = error.exitCode ?? 1;
}
process.exit(); // what follows events is waited for by nobody
