import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import type { ResourceArguments } from './arguments.js';
import { bodyOf, parseInteger } from './arguments.js';
import type { Change, CommonOptions } from './commands.js';
import { type ExitCode, exitCodeHelp } from './exit-codes.js';

const defaultSocket = '/run/holdfast/holdfast.sock';
const defaultTimeoutS = 30;
/** The agent itself gives up on a commit after 120 s. */
const maxTimeoutS = 120;

type SetArguments = ResourceArguments & { readonly unset?: readonly string[] };

/** Commands load what they need when they run: --help and errors of usage need none of it. */
const load = () => import('./commands.js');

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  return String(typeof manifest === 'object' && manifest !== null && Reflect.get(manifest, 'version'));
}

function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}

function common(command: Command): CommonOptions {
  const { socket, json } = command.optsWithGlobals();
  return { socket: String(socket), json: json === true };
}

function addReads(program: Command, finish: (code: ExitCode) => void): void {
  program
    .command('status')
    .description('what the cluster does, and how this node is protected')
    .action(async (_options, command) => finish(await (await load()).status(common(command))));
  program
    .command('watch')
    .description('follow what happens, a line for each event, until Ctrl-C')
    .action(async (_options, command) => finish(await (await load()).watch(common(command))));
  program
    .command('config [sid]')
    .description('the resources as configured, or one of them')
    .action(async (sid, _options, command) => finish(await (await load()).config(sid, common(command))));
  program
    .command('timing')
    .description('the budget of times, where each comes from, and whether it fits (exit 1 if not)')
    .action(async (_options, command) => finish(await (await load()).timing(common(command))));
}

/** A command that changes something, with the option that all of these have. */
function changing(program: Command, usage: string, description: string): Command {
  return program
    .command(usage)
    .description(description)
    .addOption(
      new Option('--timeout <seconds>', 'how long to wait for the commit')
        .default(defaultTimeoutS * 1000, String(defaultTimeoutS))
        .argParser((text) => 1000 * parseInteger('--timeout', text, 1, maxTimeoutS)),
    );
}

function withResourceOptions(command: Command): Command {
  return command
    .option('--agent <agent>', 'the resource agent, such as ocf:heartbeat:IPaddr2')
    .option('--param <name=value>', 'a parameter; may be repeated', collect)
    .addOption(new Option('--state <state>', 'what is asked for').choices(['started', 'stopped', 'disabled']))
    .option('--comment <text>', 'a note for people')
    .option(
      '--max-restart <count>',
      'further attempts to start it on its node before it counts as failed: 0 to 100 (default 1)',
      (text) => parseInteger('--max-restart', text, 0, 100),
    );
}

async function run(command: Command, change: Change): Promise<ExitCode> {
  const { timeout } = command.opts<{ readonly timeout: number }>();
  return (await load()).change(change, { ...common(command), timeoutMs: timeout });
}

function addChanges(program: Command, finish: (code: ExitCode) => void): void {
  withResourceOptions(changing(program, 'add <sid> [name=value...]', 'add a resource, and start it')).action(
    async (sid: string, pairs: readonly string[], given: ResourceArguments, command: Command) => {
      const body = { sid, ...bodyOf(pairs, given) };
      finish(await run(command, { path: '/v1/resources', body, done: `added ${sid}` }));
    },
  );
  withResourceOptions(changing(program, 'set <sid> [name=value...]', 'change options or parameters of a resource'))
    .option('--unset <name>', 'back to its default: a parameter, comment, state or max-restart; repeatable', collect)
    .action(async (sid: string, pairs: readonly string[], given: SetArguments, command: Command) => {
      const { resourcePath } = await load();
      const unset = given.unset?.map((name) => (name === 'max-restart' ? 'maxRestart' : name));
      const body = { ...bodyOf(pairs, given), unset };
      finish(await run(command, { path: resourcePath(sid), body, done: `changed ${sid}` }));
    });
  const actions = [
    ['remove', 'stop a resource, then forget it', 'stopping and removing'],
    ['enable', 'ask for a resource to be started', 'enabled'],
    ['disable', 'ask for a resource to be stopped and left alone', 'disabled'],
  ] as const;
  for (const [action, description, done] of actions) {
    changing(program, `${action} <sid>`, description).action(async (sid: string, _options, command: Command) => {
      const { resourcePath } = await load();
      const path = resourcePath(sid, action);
      finish(await run(command, { path, body: {}, done: `${done} ${sid}` }));
    });
  }
}

/**
 * The command line.
 * @param name what the user called it
 * @param finish told the exit code of the command that ran
 */
export function createProgram(name: string, finish: (code: ExitCode) => void): Command {
  const program = new Command(name)
    .description('Holdfast keeps services running on a corosync cluster')
    .version(version(), '--version', 'print the version')
    .option('--json', 'print one JSON value, on errors too ({"error":{"code","message"}}); watch: one a line')
    .addOption(new Option('--socket <path>', "holdfastd's socket").env('HOLDFAST_SOCKET').default(defaultSocket))
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', exitCodeHelp)
    .exitOverride()
    // Errors are printed by whoever runs the program.
    .configureOutput({ outputError: () => undefined });
  addReads(program, finish);
  addChanges(program, finish);
  return program;
}
