import { resolve } from 'node:path';
import type { ScenarioOutcome } from '../sim/scenario.js';
import { readScenario } from '../sim/scenario-directory.js';
import { createScenario } from '../sim/scenario-example.js';
import { type SimulationLine, simulate } from '../sim/simulate.js';
import { type ExitCode, exitCodes } from './exit-codes.js';
import { paintFor, print, printJson, warn } from './output.js';
import type { Paint } from './render.js';

/** `holdfast simulate`: no agent is asked, nothing outside the directory is touched. */

export interface SimulateOptions {
  readonly json: boolean;
  /** Decides what is chance: the same seed gives the same course of events. */
  readonly seed: number;
}

/** Fails if a rule that must never be broken was broken. */
export async function simulateDirectory(directory: string, { json, seed }: SimulateOptions): Promise<ExitCode> {
  const scenario = await readScenario(directory);
  const paint = paintFor(process.stdout);
  const outcome = await simulate(scenario, json ? { seed } : { seed, log: (line) => show(line, paint) });
  // Those who read the course have read the notes at its beginning.
  if (json) for (const note of scenario.notes) warn(note);
  if (json) await printJson(outcome);
  else await print(summary(outcome));
  return outcome.violations.length === 0 ? exitCodes.done : exitCodes.failed;
}

const tones = { info: null, warn: 'notable', error: 'bad', fatal: 'bad' } as const;

/** As the peer's simulator writes it: level, seconds, source, message. */
function show({ level, second, source, text }: SimulationLine, paint: Paint): void {
  const tone = tones[level];
  const word = level.slice(0, 5).padEnd(5);
  const painted = tone === null ? word : paint(tone, word);
  process.stdout.write(`${painted} ${String(second).padStart(6)} ${source.padStart(16)}: ${text}\n`);
}

function summary({ end, services, fenced, reset, violations, unmanaged }: ScenarioOutcome): string {
  const configured = serviceLines(unmanaged);
  return [
    '',
    `end after ${end} simulated seconds`,
    ...serviceLines(services),
    ...(configured.length === 0
      ? []
      : ['  no manager has ever led, so these are as they were configured:', ...configured]),
    `  fenced: ${fenced.join(' ') || 'nobody'}; reset: ${reset.join(' ') || 'nobody'}`,
    ...violations.map((text) => `  violation: ${text}`),
  ].join('\n');
}

function serviceLines(services: ScenarioOutcome['services']): readonly string[] {
  return Object.entries(services).map(([sid, { node, state, running, reason }]) => {
    const where = running.length === 0 ? 'runs nowhere' : `runs on ${running.join(' and ')}`;
    const truth = reason === undefined ? where : `${where}: ${reason}`;
    return `  ${sid.padEnd(10)} ${(node ?? '-').padEnd(10)} ${state.padEnd(12)} ${truth}`;
  });
}

/** A directory to play with. */
export async function initDirectory(directory: string, json: boolean): Promise<ExitCode> {
  const files = await createScenario(directory);
  if (json) await printJson({ directory: resolve(directory), files });
  else
    await print(
      `${directory} holds 3 nodes and 6 VMs now: change its files, and run it with 'holdfast simulate ${directory}'`,
    );
  return exitCodes.done;
}
