import { type Command, Option } from 'commander';
import { HoldfastError } from '../core/errors.js';
import { parseInteger } from './arguments.js';
import type { Finish } from './changing.js';
import type { ExitCode } from './exit-codes.js';

/** The command is known at once; the simulator, and with it the agent, is loaded when it runs. */
export function addSimulateCommand(program: Command, finish: Finish): void {
  program
    .command('simulate [directory]')
    .description(
      "run a working directory of the peer's simulator in virtual time, by the agent of this version; or random faults",
    )
    .option('--init', 'make the directory, with 3 nodes and 6 VMs to play with')
    .addOption(
      new Option('--seed <number>', 'another course of what is chance, 1 to 999999999')
        .default(1)
        .argParser((text) => parseInteger('--seed', text, 1, 999_999_999)),
    )
    .option('--fuzz', 'random faults instead of a directory: first safety under faults, then liveness without')
    .option('--seeds <range>', 'for --fuzz: one seed, or A-B', '1-1000')
    .addOption(
      new Option(
        '--nodes <number>',
        'for --fuzz: always so many nodes, 1 to 9 (otherwise mostly 3, by the seed)',
      ).argParser((text) => parseInteger('--nodes', text, 1, 9)),
    )
    .addOption(
      new Option('--jobs <number>', 'for --fuzz: so many at a time, one for each core')
        .default(1)
        .argParser((text) => parseInteger('--jobs', text, 1, 64)),
    )
    .action(async (directory: string | undefined, options: SimulateFlags, command: Command) => {
      refuseIdle(command, options);
      finish(await simulate(directory, options, command.optsWithGlobals().json === true));
    });
}

interface SimulateFlags {
  readonly init?: boolean;
  readonly seed: number;
  readonly fuzz?: boolean;
  readonly seeds: string;
  readonly nodes?: number;
  readonly jobs: number;
}

/** What each kind of simulation takes. */
const takes = { fuzz: ['fuzz', 'seeds', 'nodes', 'jobs'], init: ['init'], directory: ['seed'] } as const;

/** An option that would have no effect is a mistake of whoever typed it. @throws HF_ARGUMENT */
function refuseIdle(command: Command, { fuzz, init }: SimulateFlags): void {
  const kind = fuzz === true ? 'fuzz' : init === true ? 'init' : 'directory';
  const idle = command.options
    .map((option) => option.attributeName())
    .find((name) => command.getOptionValueSource(name) === 'cli' && !takes[kind].some((taken) => taken === name));
  if (idle === undefined) return;
  const where = kind === 'directory' ? 'without --fuzz' : `with --${kind}`;
  throw new HoldfastError('HF_ARGUMENT', `--${idle} has no effect ${where}: leave it out`);
}

async function simulate(directory: string | undefined, options: SimulateFlags, json: boolean): Promise<ExitCode> {
  const { seed, seeds, nodes, jobs } = options;
  if (options.fuzz === true) {
    if (directory !== undefined) throw new HoldfastError('HF_ARGUMENT', '--fuzz takes no directory: leave one out');
    const { fuzz } = await import('./fuzz.js');
    return fuzz({ json, seeds, jobs, ...(nodes === undefined ? {} : { nodes }) });
  }
  if (directory === undefined) {
    throw new HoldfastError('HF_ARGUMENT', 'simulate needs a directory, or --fuzz: see "holdfast simulate --help"');
  }
  if (directory === '') {
    throw new HoldfastError('HF_ARGUMENT', 'the name of the directory is empty: give one, or "." for this one');
  }
  const { initDirectory, simulateDirectory } = await import('./simulate.js');
  return options.init === true ? initDirectory(directory, json) : simulateDirectory(directory, { json, seed });
}
