import { cpus } from 'node:os';
import { type CoarseOptions, coarseModel } from './exhaustive-model.js';
import { boundMsByKappa } from './exhaustive-rules.js';
import { type Layer, type SearchResult, search } from './exhaustive-search.js';

/** `npm run exhaustive`: the complete search, and how it is told. */

const usage = `usage: npm run exhaustive -- [--faults N] [--seconds S] [--kappa 1|2] [--watchdog-only] [--json]

  --faults N        faults in a run, at most (4): of machines, and messages of the log that some miss; heartbeats may
                    be lost and nodes cut off at any time and as often as they like, which costs none
  --seconds S       stop after so long (no limit)
  --kappa 1|2       reset time of the watchdog over its timeout (1)
  --watchdog-only   the keeper's own request for a reset never works, the watchdog alone resets
  --json            one object on standard output
`;

interface Arguments extends CoarseOptions {
  readonly faults: number;
  readonly seconds: number;
  readonly json: boolean;
}

/** @throws Error with a sentence and the usage */
export function parseArguments(words: readonly string[]): Arguments {
  const parsed = { faults: 4, seconds: Number.POSITIVE_INFINITY, kappa: 1 as 1 | 2, resetWorks: true, json: false };
  const rest = [...words];
  const number = (option: string): number => {
    const word = rest.shift();
    const value = Number(word);
    if (word === undefined || !Number.isFinite(value) || value < 0)
      throw new Error(`${option} needs a number, not ${word ?? 'nothing'}\n${usage}`);
    return value;
  };
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '--faults') parsed.faults = Math.floor(number(word));
    else if (word === '--seconds') parsed.seconds = number(word);
    else if (word === '--kappa') parsed.kappa = kappaOf(number(word));
    else if (word === '--watchdog-only') parsed.resetWorks = false;
    else if (word === '--json') parsed.json = true;
    else throw new Error(`${word} is no option\n${usage}`);
  }
  return parsed;
}

function kappaOf(value: number): 1 | 2 {
  if (value !== 1 && value !== 2) throw new Error(`--kappa is 1 or 2, not ${value}\n${usage}`);
  return value;
}

const progressMs = 2_000;

/** Exit code: 0 no rule is broken as far as was looked, 1 one is, 2 wrong argument. Ctrl-C tells what was done so far. */
export async function main(words: readonly string[]): Promise<number> {
  let options: Arguments;
  try {
    options = parseArguments(words);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  const startedMs = Date.now();
  let interrupted = false;
  let toldMs = startedMs;
  const onInterrupt = (): void => {
    interrupted = true;
  };
  process.once('SIGINT', onInterrupt);
  const run = search(coarseModel(options), {
    faults: options.faults,
    stop: () => interrupted || Date.now() - startedMs > options.seconds * 1_000,
    progress: (layers) => {
      if (Date.now() - toldMs < progressMs) return;
      toldMs = Date.now();
      process.stderr.write(`${progressLine(layers, toldMs - startedMs)}\n`);
    },
  });
  let step = run.next();
  while (!step.done) {
    // Lets Ctrl-C come through.
    await new Promise((resolve) => setImmediate(resolve));
    step = run.next();
  }
  process.off('SIGINT', onInterrupt);
  const elapsedMs = Date.now() - startedMs;
  const { value } = step;
  process.stdout.write(
    options.json ? `${JSON.stringify(asJson(value, options, elapsedMs))}\n` : told(value, options, elapsedMs),
  );
  return value.counterexample === null ? 0 : 1;
}

function progressLine(layers: readonly Layer[], elapsedMs: number): string {
  const now = layers.at(-1);
  const states = layers.reduce((sum, layer) => sum + layer.states, 0);
  return `${seconds(elapsedMs)}: ${states} states; with ${now?.faults ?? 0} faults ${now?.states ?? 0}, depth ${now?.depth ?? 0}`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function machine(): string {
  const [first] = cpus();
  return `${first?.model.trim() ?? 'unknown processor'}, one core of ${cpus().length}, Node ${process.version}`;
}

function asJson(result: SearchResult, options: Arguments, elapsedMs: number): object {
  const { kappa, resetWorks, faults } = options;
  return { kappa, resetWorks, faults, elapsedMs, machine: machine(), ...result };
}

function told(result: SearchResult, options: Arguments, elapsedMs: number): string {
  const reset = options.resetWorks ? '' : ', the watchdog alone resets';
  const lines = [
    `3 nodes, 1 resource, up to ${options.faults} faults, heartbeats and views lost at will; bound ${boundMsByKappa[options.kappa]} ms, kappa ${options.kappa}, steps of 3 s${reset}`,
    'faults      states  transitions  depth',
    ...result.layers.map(layerLine),
    `${result.states} states, ${result.transitions} transitions in ${seconds(elapsedMs)} (${machine()})`,
    verdict(result),
  ];
  return `${lines.join('\n')}\n`;
}

function layerLine({ faults, states, transitions, depth, complete }: Layer): string {
  const numbers = `${String(faults).padStart(6)} ${String(states).padStart(11)} ${String(transitions).padStart(12)} ${String(depth).padStart(6)}`;
  return complete ? numbers : `${numbers}  not complete`;
}

function verdict({ complete, counterexample }: SearchResult): string {
  if (counterexample !== null) {
    const { violation, faults, schedule } = counterexample;
    const steps = schedule.map((line, i) => `${String(i + 1).padStart(4)}. ${line}`);
    return [`VIOLATION with ${faults} faults: ${violation}`, ...steps].join('\n');
  }
  return complete ? 'complete: no rule is broken' : 'stopped before the end; no rule is broken as far as it went';
}
