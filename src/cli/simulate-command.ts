import { type Command, Option } from 'commander';
import { parseInteger } from './arguments.js';
import type { Finish } from './changing.js';

/** The command is known at once; the simulator, and with it the agent, is loaded when it runs. */
export function addSimulateCommand(program: Command, finish: Finish): void {
  program
    .command('simulate <directory>')
    .description("run a working directory of the peer's simulator in virtual time, by the agent of this version")
    .option('--init', 'make the directory, with 3 nodes and 6 VMs to play with')
    .addOption(
      new Option('--seed <number>', 'another course of what is chance, 1 to 999999999')
        .default(1)
        .argParser((text) => parseInteger('--seed', text, 1, 999_999_999)),
    )
    .action(
      async (directory: string, options: { readonly init?: boolean; readonly seed: number }, command: Command) => {
        const { initDirectory, simulateDirectory } = await import('./simulate.js');
        const json = command.optsWithGlobals().json === true;
        if (options.init === true) finish(await initDirectory(directory, json));
        else finish(await simulateDirectory(directory, { json, seed: options.seed }));
      },
    );
}
