import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { parseInteger } from './arguments.js';
import { common, type Finish, load, namedSocket } from './changing.js';
import { addClusterCommands } from './cluster-commands.js';
import { exitCodeHelp } from './exit-codes.js';
import { addHelpCommands } from './help-command.js';
import { addGroupCommands, addOptionsCommand, addRuleCommands } from './policy-commands.js';
import { addResourceCommands } from './resource-commands.js';
import { addSimulateCommand } from './simulate-command.js';
import { addWatchdogCommands, configDescription } from './watchdog-commands.js';

const defaultSocket = '/run/holdfast/holdfast.sock';

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  return String(typeof manifest === 'object' && manifest !== null && Reflect.get(manifest, 'version'));
}

function addReads(program: Command, finish: Finish): void {
  program
    .command('status')
    .description('what the cluster does, and how this node is protected')
    .option('--verbose', 'also loads, options, failed nodes and orders')
    .action(async ({ verbose }, command) => finish(await (await load()).status(verbose === true, common(command))));
  program
    .command('explain <sid>')
    .description('why a resource is where it is, node by node and rule by rule')
    .action(async (sid, _options, command) => finish(await (await load()).explain(sid, common(command))));
  program
    .command('decisions')
    .description('what was decided lately, and why')
    .addOption(
      new Option('--limit <count>', 'how many, 1 to 1000')
        .default(30)
        .argParser((text) => parseInteger('--limit', text, 1, 1_000)),
    )
    .action(async ({ limit }, command) => finish(await (await load()).decisions(limit, common(command))));
  addWhy(program, finish);
  program
    .command('watch')
    .description('follow what happens, a line for each event, until Ctrl-C')
    .action(async (_options, command) => finish(await (await load()).watch(common(command))));
  program
    .command('config [sid]')
    .description('the resources as configured, or one of them')
    .option('--type <type>', 'only those of this type, such as vm')
    .action(async (sid, { type }, command) => finish(await (await load()).config(sid, type, common(command))));
  program
    .command('timing')
    .description('the budget of times, where each comes from, and whether it fits (exit 1 if not)')
    .action(async (_options, command) => finish(await (await load()).timing(common(command))));
}

function addWhy(program: Command, finish: Finish): void {
  program
    .command('why')
    .description('why this node was reset last, with the evidence, and what fits as well')
    .option('--all', 'every reset that is known, a line for each')
    .option('--ack', 'say that they were seen: the status does not show them any more')
    .option('--config <file>', `for its socket, and for when it does not answer: ${configDescription}`)
    .action(async ({ all, ack, config }, command) => {
      const { acknowledge, why } = await import('./why.js');
      const options = { json: common(command).json, socket: namedSocket(command), config, all: all === true };
      finish(ack === true ? await acknowledge(options) : await why(options));
    });
}

export interface ProgramHooks {
  /** Told the exit code of the command that ran. */
  readonly finish: Finish;
  /** Takes help, and the version, piece by piece. */
  readonly writeHelp: (text: string) => void;
}

/**
 * The command line.
 * @param name what the user called it
 */
export function createProgram(name: string, { finish, writeHelp }: ProgramHooks): Command {
  const program = new Command(name)
    .description('Holdfast keeps services running on a corosync cluster')
    .version(version(), '--version', 'print the version')
    .option('--json', 'print one JSON value, on errors too ({"error":{"code","message"}}); watch: one a line')
    .addOption(new Option('--socket <path>', "holdfastd's socket").env('HOLDFAST_SOCKET').default(defaultSocket))
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', exitCodeHelp)
    .exitOverride()
    // Errors are printed by whoever runs the program.
    .configureOutput({ outputError: () => undefined, writeOut: writeHelp });
  addReads(program, finish);
  addResourceCommands(program, finish);
  addGroupCommands(program, finish);
  addRuleCommands(program, finish);
  addOptionsCommand(program, finish);
  addClusterCommands(program, finish);
  addWatchdogCommands(program, finish);
  addSimulateCommand(program, finish);
  addHelpCommands(program);
  return program;
}
