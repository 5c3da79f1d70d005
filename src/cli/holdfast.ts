#!/usr/bin/env node
import { basename } from 'node:path';
import { CommanderError } from 'commander';
import { type ErrorCode, HoldfastError } from '../core/errors.js';
import { exitCodeOf, exitCodes } from './exit-codes.js';
import { createProgram } from './program.js';

interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly exitCode: number;
}

/** Commander says `error: unknown command 'x'\n(Did you mean y?)`. */
function usageMessage(error: CommanderError, name: string): string {
  const message = error.message
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '');
  const missing = error.code === 'commander.help' ? 'a command is missing' : message;
  return `${missing}; see "${name} --help"`;
}

function failureOf(error: unknown, name: string): Failure {
  if (error instanceof CommanderError) {
    return { code: 'HF_ARGUMENT', message: usageMessage(error, name), exitCode: exitCodes.usage };
  }
  if (error instanceof HoldfastError) {
    return { code: error.code, message: error.message, exitCode: exitCodeOf(error.code) };
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: 'HF_INTERNAL', message: `a defect of ${name}: ${text}`, exitCode: exitCodes.failed };
}

/** The reader of our output has gone (`| head -1`): that is no failure. */
function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE';
}

async function report({ code, message }: Failure, name: string, json: boolean): Promise<void> {
  const { paintFor, printJson } = await import('./output.js');
  const { printable } = await import('./render.js');
  if (json) await printJson({ error: { code, message } });
  else process.stderr.write(`${paintFor(process.stderr)('bad', `${name}:`)} ${printable(message)}\n`);
}

async function main(args: readonly string[], name: string): Promise<number> {
  let exitCode: number = exitCodes.done;
  const program = createProgram(name, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.done;
    if (isBrokenPipe(error)) return exitCodes.done;
    const failure = failureOf(error, name);
    await report(failure, name, args.includes('--json'));
    return failure.exitCode;
  }
}

process.stdout.on('error', (error) => {
  if (!isBrokenPipe(error)) throw error;
});
const called = basename(process.argv[1] ?? '');
const exitCode = await main(process.argv.slice(2), called.startsWith('ha-manager') ? 'ha-manager' : 'holdfast');
// Not left to the event loop: a request that was given up on may still be open.
process.exit(exitCode);
