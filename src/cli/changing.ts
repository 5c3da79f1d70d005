import { type Command, Option } from 'commander';
import { parseFlag, parseInteger } from './arguments.js';
import type { Change, CommonOptions } from './commands.js';
import type { ExitCode } from './exit-codes.js';

/** What all commands that change something have in common. */

const defaultTimeoutS = 30;
/** The agent itself gives up on a commit after 120 s. */
const maxTimeoutS = 120;

/** Told the exit code of the command that ran. */
export type Finish = (code: ExitCode) => void;

/** Commands load what they need when they run: --help and errors of usage need none of it. */
export const load = () => import('./commands.js');

export function common(command: Command): CommonOptions {
  const { socket, json } = command.optsWithGlobals();
  return { socket: String(socket), json: json === true };
}

/** Typed, or in the environment; null: that of the configuration is to be taken. */
export function namedSocket(command: Command): string | null {
  const source = command.getOptionValueSourceWithGlobals('socket');
  return source === undefined || source === 'default' ? null : common(command).socket;
}

export function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}

/** An option that says yes when it stands alone, as the peer's do. */
export function flag(name: string, description: string): Option {
  return new Option(`--${name} [0|1]`, description).argParser((text) => parseFlag(`--${name}`, text));
}

/** @param what as in "an option" */
export function withUnset(command: Command, what: string): Command {
  return command
    .option('--unset <name>', `${what}, back to its default; may be repeated`, collect)
    .option('--delete <names>', 'as --unset, several with commas');
}

export function withTimeout(command: Command): Command {
  return command.addOption(
    new Option('--timeout <seconds>', 'how long to wait for the commit')
      .default(defaultTimeoutS * 1000, String(defaultTimeoutS))
      .argParser((text) => 1000 * parseInteger('--timeout', text, 1, maxTimeoutS)),
  );
}

/** A command that changes something. */
export function changing(parent: Command, usage: string, description: string): Command {
  return withTimeout(parent.command(usage).description(description)).option(
    '--dry-run',
    'change nothing, and say what would become of it',
  );
}

export async function run(command: Command, change: Change): Promise<ExitCode> {
  const { timeout, dryRun } = command.opts<{ readonly timeout: number; readonly dryRun?: boolean }>();
  return (await load()).change(change, { ...common(command), timeoutMs: timeout, dryRun: dryRun === true });
}

/** A part of a path. The agent judges the name, so that there is one rule. */
export function segment(name: string): string {
  return encodeURIComponent(name);
}
