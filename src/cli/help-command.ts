import type { Command } from 'commander';
import { HoldfastError } from '../core/errors.js';
import { nearestName } from '../core/nearest-name.js';

/** `help`, of the whole program and of each command that has commands; commander's own stops at the first word. */
export function addHelpCommands(parent: Command): void {
  if (parent.commands.length === 0) return;
  parent.commands.forEach(addHelpCommands);
  parent
    .command('help [command...]')
    .description('display help for a command')
    .action((words: readonly string[]) => words.reduce(commandNamed, parent).help());
}

/** @throws HF_ARGUMENT */
function commandNamed(parent: Command, word: string): Command {
  const found = parent.commands.find((each) => each.name() === word || each.aliases().includes(word));
  if (found !== undefined) return found;
  const near = nearestName(
    word,
    parent.commands.map((each) => each.name()),
  );
  const hint = near === undefined ? `see "${wordsOf(parent)} --help"` : `did you mean ${near}?`;
  throw new HoldfastError('HF_ARGUMENT', `unknown command '${word}': ${hint}`);
}

/** As in `holdfast rules add`. */
export function wordsOf(command: Command): string {
  return command.parent === null ? command.name() : `${wordsOf(command.parent)} ${command.name()}`;
}
