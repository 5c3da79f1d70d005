#!/usr/bin/env node
import { basename } from 'node:path';
import { CommanderError } from 'commander';
import { type ErrorCode, HoldfastError } from '../core/errors.js';
import { exitCodeOf, exitCodes } from './exit-codes.js';
import { createProgram } from './program.js';
import { readTypedOptions } from './typed-options.js';

interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly exitCode: number;
}

/** Commander says `error: unknown command 'x'\n(Did you mean y?)`. */
function usageMessage(error: CommanderError, called: string): string {
  const message = error.message
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '');
  const missing = error.code === 'commander.help' ? 'a command is missing' : message;
  return `${missing}; see "${called} --help"`;
}

/** @param called the words of the command, as in `holdfast rules add` */
function failureOf(error: unknown, called: string): Failure {
  if (error instanceof CommanderError) {
    return { code: 'HF_ARGUMENT', message: usageMessage(error, called), exitCode: exitCodes.usage };
  }
  if (error instanceof HoldfastError) {
    return { code: error.code, message: error.message, exitCode: exitCodeOf(error.code) };
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: 'HF_INTERNAL', message: `a defect of ${called}: ${text}`, exitCode: exitCodes.failed };
}

async function report({ code, message }: Failure, name: string, json: boolean): Promise<void> {
  const { paintFor, printJson } = await import('./output.js');
  const { printable } = await import('./render.js');
  const inWords = () =>
    process.stderr.write(`${paintFor(process.stderr)('bad', `${name}:`)} ${printable(message)} [${code}]\n`);
  // Where JSON cannot be written, words may be.
  if (json) await printJson({ error: { code, message } }).catch(inWords);
  else inWords();
}

/** @throws the error, unless it is only the end of a command line that asks for help or for the version */
async function writeHelp(error: unknown, help: string): Promise<void> {
  if (!(error instanceof CommanderError) || error.exitCode !== 0) throw error;
  const { print } = await import('./output.js');
  await print(help.trimEnd());
}

async function main(typed: readonly string[], name: string): Promise<number> {
  let exitCode: number = exitCodes.done;
  let help = '';
  const program = createProgram(name, {
    finish: (code) => {
      exitCode = code;
    },
    writeHelp: (text) => {
      help += text;
    },
  });
  const { args, called } = readTypedOptions(program, typed);
  try {
    await program.parseAsync(args, { from: 'user' }).catch((error: unknown) => writeHelp(error, help));
    return exitCode;
  } catch (error) {
    const failure = failureOf(error, called);
    await report(failure, name, args.includes('--json'));
    return failure.exitCode;
  }
}

// Whoever waits for the text to be out is told; nobody does for the last lines of a simulation whose reader has gone.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);
const called = basename(process.argv[1] ?? '');
const exitCode = await main(process.argv.slice(2), called.startsWith('ha-manager') ? 'ha-manager' : 'holdfast');
// Not left to the event loop: a request that was given up on may still be open.
process.exit(exitCode);
