import { Argument, type Command, Option } from 'commander';
import { parseInteger, parseName } from './arguments.js';
import { common, type Finish, namedSocket } from './changing.js';

/** Only the usual file may be missing, so that it is no default here: what is named has to be there. */
export const configDescription = "holdfastd's configuration (default: /etc/holdfast/holdfast.toml, if it is there)";

/** The commands for this machine's watchdogs; they need the addon and /sys, not only the agent. */
export function addWatchdogCommands(program: Command, finish: Finish): void {
  const watchdog = program.command('watchdog').description("this machine's watchdogs, and whether they reset it");
  withConfig(watchdog.command('list'))
    .description('every watchdog of this machine, what is known of it, and which one the agent takes; opens none')
    .action(async ({ config }, command: Command) => {
      const { listWatchdogs } = await import('./watchdog-list.js');
      finish(await listWatchdogs(config, common(command)));
    });
  withConfig(watchdog.command('validate'))
    .description(
      'have a watchdog RESET THIS MACHINE, to see that it does, and how long it takes; run it again afterwards',
    )
    .addArgument(
      new Argument('[device]', 'one of /dev/watchdog*; else the one that the agent takes').argParser((text) =>
        parseName('the device', text),
      ),
    )
    .option('--yes', 'this machine may be reset now')
    .addOption(
      new Option('--result', 'only tell the verdict of the last validation').conflicts(['yes', 'again', 'timeout']),
    )
    .option('--again', 'also if this boot is the one that a validation has led to')
    .addOption(
      new Option('--timeout <seconds>', 'the timeout to measure with, 5 to 60: the reset comes after it, or twice it')
        .default(10)
        .argParser((text) => parseInteger('--timeout', text, 5, 60)),
    )
    .action(async (device: string | undefined, { config, yes, result, again, timeout }, command: Command) => {
      const { validateWatchdog } = await import('./watchdog-validate.js');
      const how = { yes: yes === true, result: result === true, again: again === true, timeoutS: timeout };
      const { json } = common(command);
      finish(await validateWatchdog(device, { json, config, socket: namedSocket(command), ...how }));
    });
}

function withConfig(command: Command): Command {
  return command.addOption(
    new Option('--config <file>', configDescription).argParser((text) => parseName('--config', text)),
  );
}
