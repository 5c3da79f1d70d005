import { type Command, Option } from 'commander';
import { common, type Finish } from './changing.js';

export const defaultConfigFile = '/etc/holdfast/holdfast.toml';

/** The commands for this machine's watchdogs; they need the addon and /sys, not only the agent. */
export function addWatchdogCommands(program: Command, finish: Finish): void {
  const watchdog = program.command('watchdog').description("this machine's watchdogs, and whether they reset it");
  withConfig(watchdog.command('list'))
    .description('every watchdog of this machine, what is known of it, and which one the agent takes; opens none')
    .action(async ({ config }, command: Command) => {
      const { listWatchdogs } = await import('./watchdog-list.js');
      finish(await listWatchdogs(config, common(command)));
    });
}

function withConfig(command: Command): Command {
  return command.addOption(new Option('--config <file>', "holdfastd's configuration").default(defaultConfigFile));
}
