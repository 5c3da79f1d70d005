import type { Command, Option } from 'commander';
import { parseBoolean } from '../peer/section-reader.js';
import { wordsOf } from './help-command.js';

/** The forms of options that people bring along from the peer, in the one form that commander reads. */

export interface TypedOptions {
  readonly args: readonly string[];
  /** The words of the command that was called, as in `holdfast rules add`. */
  readonly called: string;
}

/**
 * `-state stopped` becomes `--state stopped`. A flag in front of what the command still needs stands alone, so that
 * `remove --purge vm:100` does not take the resource for the flag's value.
 */
export function readTypedOptions(program: Command, typed: readonly string[]): TypedOptions {
  const args: string[] = [];
  const rest = [...typed];
  let command = program;
  let operands = 0;
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const option = optionOf(command, arg);
    const inner = operands === 0 ? subcommandOf(command, arg) : undefined;
    if (arg === '--') {
      args.push(arg, ...rest.splice(0));
    } else if (option !== null) {
      args.push(...withValue(option, rest, operands < operandsOf(command)));
    } else {
      args.push(arg);
      if (inner !== undefined) command = inner;
      else if (!arg.startsWith('-')) operands += 1;
    }
  }
  return { args, called: wordsOf(command) };
}

interface TypedOption {
  readonly option: Option;
  /** With two dashes, and with its value if that was written in the same word. */
  readonly text: string;
  readonly hasValue: boolean;
}

function optionOf(command: Command, arg: string): TypedOption | null {
  const [, name, value] = /^--?([a-z][a-z_-]+)(=.*)?$/s.exec(arg) ?? [];
  if (name === undefined) return null;
  for (let each: Command | null = command; each !== null; each = each.parent) {
    const option = each.options.find((known) => [known.short, known.long].includes(`--${name}`));
    if (option !== undefined) return { option, text: `--${name}${value ?? ''}`, hasValue: value !== undefined };
  }
  return null;
}

/** Takes the value of the option off the rest, if it has one there. */
function withValue({ option, text, hasValue }: TypedOption, rest: string[], lacksOperands: boolean): readonly string[] {
  if (hasValue) return [text];
  if (option.required) return [text, ...rest.splice(0, 1)];
  if (option.optional && lacksOperands && parseBoolean(rest[0] ?? '') === null) return [`${text}=1`];
  return [text];
}

function subcommandOf(command: Command, name: string): Command | undefined {
  return command.commands.find((each) => each.name() === name || each.aliases().includes(name));
}

function operandsOf(command: Command): number {
  return command.registeredArguments.filter((argument) => argument.required).length;
}
