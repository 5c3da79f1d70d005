import { Argument, type Command } from 'commander';
import { HoldfastError } from '../core/errors.js';
import { changing, common, type Finish, load, run, segment, withTimeout } from './changing.js';
import type { Change } from './commands.js';
import { addMoveCommands, stopChange } from './resource-commands.js';

/** The commands for nodes and for the cluster as a whole, and the peer's names for them. */

export function addClusterCommands(program: Command, finish: Finish): void {
  const maintenance = program.command('maintenance').description('have a node emptied, and filled again');
  addMaintenance(maintenance, finish);
  changing(program, 'disarm', 'nothing is fenced or recovered until the cluster is armed again')
    .addArgument(disarmMode().default('freeze'))
    .action(async (mode: string, _options, command: Command) => finish(await run(command, disarmChange(mode))));
  changing(program, 'arm', 'end what disarm began').action(async (_options, command: Command) =>
    finish(await run(command, armChange)),
  );
  addConfirmOff(program, finish);
  program
    .command('shutdown')
    .description('prepare the shutdown of this node by the shutdown policy, and return when nothing runs here any more')
    .addArgument(
      new Argument('[kind]', 'what the machine is to do').choices(['reboot', 'poweroff']).default('poweroff'),
    )
    .action(async (kind: string, _options, command: Command) =>
      finish(await (await load()).shutdown(kind, common(command))),
    );
  addImport(program, finish);
  addCrmCommands(program, finish);
}

function addMaintenance(parent: Command, finish: Finish): void {
  for (const [action, description, enabled] of [
    ['enable', 'move everything off a node, and keep it empty', true],
    ['disable', 'end that; what was moved away comes back', false],
  ] as const) {
    changing(parent, `${action} <node>`, description).action(async (node: string, _options, command: Command) => {
      const change: Change = {
        path: `/v1/nodes/${segment(node)}/maintenance`,
        body: { enabled },
        done: (name) => `${name} ${enabled ? 'goes into' : 'comes out of'} maintenance`,
      };
      finish(await run(command, change));
    });
  }
}

function disarmMode(required = false): Argument {
  return new Argument(
    required ? '<mode>' : '[mode]',
    'freeze: leave everything as it is; ignore: it may be moved by hand meanwhile',
  ).choices(['freeze', 'ignore']);
}

function disarmChange(mode: string): Change {
  return { path: '/v1/disarm', body: { mode }, done: () => `disarming (${mode}): 'holdfast arm' ends it` };
}

const armChange: Change = { path: '/v1/arm', body: {}, done: () => 'arming' };

function addConfirmOff(program: Command, finish: Finish): void {
  changing(
    program,
    'confirm-off <node>',
    'say that the machine of a lost node is off, so that its services may start elsewhere',
  )
    .option('--yes', 'I have seen that it is off')
    .action(async (node: string, { yes }: { readonly yes?: boolean }, command: Command) => {
      if (yes !== true) {
        throw new HoldfastError(
          'HF_ARGUMENT',
          `if ${node} still runs, what runs there runs twice, and its data is damaged: look that its machine is off, then add --yes`,
        );
      }
      const path = `/v1/nodes/${segment(node)}/confirm-off`;
      finish(await run(command, { path, body: { confirmed: true }, done: (name) => `${name} is taken to be off` }));
    });
}

function addImport(program: Command, finish: Finish): void {
  withTimeout(
    program
      .command('import <directory>')
      .description("take over the peer's resources.cfg, groups.cfg, rules.cfg and datacenter.cfg, such as /etc/pve")
      .option('--dry-run', 'change nothing, and say what would be taken over')
      .option('--partial', 'leave out what cannot be taken over, instead of refusing'),
  ).action(async (directory: string, options, command: Command) => {
    const { importDirectory } = await import('./import.js');
    const { timeout, dryRun, partial } = options;
    const how = { timeoutMs: timeout, dryRun: dryRun === true, partial: partial === true };
    finish(await importDirectory(directory, { ...common(command), ...how }));
  });
}

function addCrmCommands(program: Command, finish: Finish): void {
  const crm = program.command('crm-command').description('the same under the names of ha-manager');
  addMoveCommands(crm, finish);
  changing(crm, 'stop <sid> <timeout>', 'stop a resource within so many seconds; 0: at once, by force').action(
    async (sid: string, seconds: string, _options, command: Command) =>
      finish(await run(command, stopChange(sid, seconds))),
  );
  addMaintenance(crm.command('node-maintenance').description('as maintenance'), finish);
  changing(crm, 'disarm-ha', 'as disarm')
    .addArgument(disarmMode(true))
    .action(async (mode: string, _options, command: Command) => finish(await run(command, disarmChange(mode))));
  changing(crm, 'arm-ha', 'as arm').action(async (_options, command: Command) => finish(await run(command, armChange)));
}
