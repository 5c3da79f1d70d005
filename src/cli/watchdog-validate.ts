import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { constants, hostname, setPriority } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { HoldfastError } from '../core/errors.js';
import { boardClockErrorMs } from '../host/board.js';
import { loadConfig } from '../host/config-file.js';
import { createHostClock } from '../host/host-clock.js';
import { loadNative } from '../host/native.js';
import {
  type Completion,
  completeValidation,
  conclude,
  processStart,
  readBootId,
} from '../host/validation-completion.js';
import { createValidationDevice } from '../host/validation-device.js';
import { type Begin, type RunFile, type Validation, ValidationFiles } from '../host/validation-record.js';
import { type Interruption, minValidationTimeoutS, type RunEnd, runValidation } from '../host/validation-run.js';
import { ValidationWitness } from '../host/validation-witness.js';
import { findConfiguredWatchdog, type KnownWatchdog } from '../host/watchdog-choice.js';
import type { CommonOptions } from './commands.js';
import { type ExitCode, exitCodes } from './exit-codes.js';
import { paintFor, print, printJson, warn } from './output.js';
import { printable } from './render.js';
import { renderValidation } from './render-watchdogs.js';
import { refusalOfDevice, refusalOfDirectory, refuseIfInUse } from './validation-refusals.js';

export interface ValidateOptions extends CommonOptions {
  /** The agent's, if it was named. */
  readonly config: string | undefined;
  readonly yes: boolean;
  /** Shows the last verdict, and begins nothing. */
  readonly result: boolean;
  /** Resets this machine once more, although this boot came from a validation whose verdict is there. */
  readonly again: boolean;
  readonly timeoutS: number;
}

/** Has a watchdog reset this machine; called again after the reset it tells the verdict. */
export async function validateWatchdog(device: string | undefined, options: ValidateOptions): Promise<ExitCode> {
  if (process.getuid?.() !== 0)
    throw new HoldfastError('HF_FORBIDDEN', 'only root may validate a watchdog: run this as root');
  const { stateDir, watchdog } = loadConfig(options.config);
  const files = new ValidationFiles(stateDir);
  const before = await completeValidation(files, Date.now());
  if (before.outcome !== 'none') return tell(before, options);
  if (options.result) return tellLast(device, files, options);
  const configured = watchdog.kind === 'kernel' ? watchdog.device : 'auto';
  const { known, board } = await findConfiguredWatchdog(device ?? configured, stateDir);
  if (known === null)
    throw new HoldfastError(
      'HF_NOT_FOUND',
      `there is no watchdog ${device ?? configured} here: see 'holdfast watchdog list'`,
    );
  const refusal = refusalOfDevice(known) ?? (await refusalOfDirectory(stateDir));
  if (refusal !== null) throw new HoldfastError('HF_CONFLICT', refusal);
  const bootId = await readBootId();
  const seen = options.again ? null : verdictOfBoot(known, bootId);
  if (seen !== null) return tellVerdict(seen, options.json);
  const report = await refuseIfInUse(options.socket, stateDir, bootId);
  if (report?.nodes.find(({ nodeId }) => nodeId === report.local.nodeId)?.maintenance === false) {
    warn('the cluster may start something here before the reset: maintenance keeps it away');
  }
  if (!options.yes) await confirm(known, { input: process.stdin, output: process.stderr });
  const begin = await beginning(known, board, bootId, options.timeoutS);
  return run(files, begin, known, options);
}

/** The agent was first to give the verdict after the reset: the command that is run again is not to reset once more. */
export function verdictOfBoot({ validation }: KnownWatchdog, bootId: string): Validation | null {
  if (validation?.bootAfter !== bootId) return null;
  warn('this boot came from that validation; --again resets this machine once more');
  return validation;
}

export interface Terminal {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream;
}

/** @throws HF_ARGUMENT unless the name of this machine was typed */
export async function confirm({ device, identity }: KnownWatchdog, { input, output }: Terminal): Promise<void> {
  if (input.isTTY !== true)
    throw new HoldfastError(
      'HF_ARGUMENT',
      'validating a watchdog resets this machine: add --yes if it may be reset now',
    );
  const terminal = createInterface({ input, output });
  const question = `${device} (${printable(identity)}) will RESET THIS MACHINE (${hostname()}) within a minute, without a shutdown.\nType its name to go on: `;
  // Ctrl-C and Ctrl-D end the question with an error, the end of a pipe without a word.
  const closed = once(terminal, 'close').then(() => '');
  const answer = await Promise.race([terminal.question(question).catch(() => ''), closed]);
  terminal.close();
  if (answer.trim() !== hostname()) throw new HoldfastError('HF_ARGUMENT', 'not confirmed: nothing was done');
}

async function beginning(known: KnownWatchdog, board: string, bootId: string, timeoutS: number): Promise<Begin> {
  const { device, driver, kind, identity } = known;
  const clock = createHostClock(loadNative());
  return {
    ...{ step: 'begin', run: randomBytes(8).toString('hex'), device, driver, kind, identity, board, bootId },
    ...{ pid: process.pid, pidStarted: (await processStart(process.pid)) ?? '' },
    ...{ bootMs: clock.bootMs(), wallMs: clock.wallMs(), timeoutAskedS: inLimits(timeoutS, known) },
  };
}

/** Most drivers take every timeout in their limits. @throws HF_WATCHDOG if none of them can be told from its double */
function inLimits(timeoutS: number, { device, minTimeoutS, maxTimeoutS }: KnownWatchdog): number {
  const wantedS = Math.max(timeoutS, minTimeoutS);
  const setS = maxTimeoutS > 0 ? Math.min(wantedS, maxTimeoutS) : wantedS;
  if (setS >= minValidationTimeoutS) return setS;
  throw new HoldfastError(
    'HF_WATCHDOG',
    `${device} takes no timeout of ${minValidationTimeoutS} s or more, and shorter ones cannot be measured: name another device`,
  );
}

/** Comes back only if this machine was not reset. */
async function run(
  files: ValidationFiles,
  begin: Begin,
  known: KnownWatchdog,
  options: ValidateOptions,
): Promise<ExitCode> {
  const file = await files.begin(begin);
  const signals = new Signals();
  const failure = await drive(begin, known, { file, signals, path: files.runPath }).then(
    () => null,
    (error: unknown) => ({ error }),
  );
  signals.stop();
  file.close();
  const facts = { bootId: begin.bootId, bootWallMs: begin.wallMs - begin.bootMs, bootStatus: null };
  const completion = await conclude(files, (await files.run()) ?? [], facts);
  if (failure !== null) throw failure.error;
  return tell(completion, options);
}

interface Drive {
  readonly file: RunFile;
  readonly signals: Signals;
  readonly path: string;
}

async function drive(begin: Begin, known: KnownWatchdog, { file, signals, path }: Drive): Promise<RunEnd> {
  const native = loadNative();
  const say = (text: string) => void process.stderr.write(`${printable(text)}\n`);
  say(`validating ${begin.device} (${begin.identity}); what happens stands in ${path}`);
  comeFirst();
  await promisify(execFile)('sync');
  return runValidation(
    { ...known, timeoutS: begin.timeoutAskedS },
    {
      device: createValidationDevice({ device: begin.device }, native),
      clock: { bootMs: () => native.boottimeMs(), wallMs: () => Date.now() },
      boardClockErrorMs: () => boardClockErrorMs(Date.now()),
      sleep: (ms) => sleep(ms),
      append: (step) => file.append(step),
      say,
      wanted: () => signals.wanted,
      witness: new ValidationWitness(path),
    },
  );
}

/** What else runs here must not keep us from showing that we live. */
function comeFirst(): void {
  try {
    setPriority(constants.priority.PRIORITY_HIGHEST);
  } catch {
    // Some containers forbid it; then the signs of life come as they can.
  }
}

/** Whoever wants an end. A terminal that goes is nobody: the reset would only come later, and unseen. */
class Signals {
  wanted: Interruption | null = null;
  readonly #listeners = {
    SIGINT: () => this.#want({ reason: 'ended by Ctrl-C (SIGINT)', final: false }),
    SIGTERM: () => this.#want({ reason: 'ended by SIGTERM, as by a shutdown', final: true }),
    SIGHUP: () => undefined,
  } as const;

  constructor() {
    for (const [name, listener] of Object.entries(this.#listeners)) process.on(name, listener);
  }

  stop(): void {
    for (const [name, listener] of Object.entries(this.#listeners)) process.off(name, listener);
  }

  #want(interruption: Interruption): void {
    if (this.wanted?.final !== true) this.wanted = interruption;
  }
}

async function tellLast(
  device: string | undefined,
  files: ValidationFiles,
  options: ValidateOptions,
): Promise<ExitCode> {
  const results = (await files.results()).filter((result) => device === undefined || result.device === device);
  const last = results.toSorted((a, b) => a.when.localeCompare(b.when)).at(-1);
  if (last !== undefined) return tellVerdict(last, options.json);
  throw new HoldfastError(
    'HF_NOT_FOUND',
    `${device ?? 'no watchdog of this machine'} was ${device === undefined ? 'ever' : 'never'} validated`,
  );
}

async function tell(completion: Completion, { json }: ValidateOptions): Promise<ExitCode> {
  if (completion.outcome === 'verdict') return tellVerdict(completion.validation, json);
  if (completion.outcome === 'under-way') {
    throw new HoldfastError(
      'HF_CONFLICT',
      `${completion.device} is being validated already (pid ${completion.pid}): wait for it`,
    );
  }
  const sentence = completion.outcome === 'untried' ? completion.sentence : 'the validation has left no record';
  throw new HoldfastError('HF_WATCHDOG', sentence);
}

async function tellVerdict(validation: Validation, json: boolean): Promise<ExitCode> {
  if (json) await printJson(validation);
  else await print(renderValidation(validation, paintFor(process.stdout)).join('\n'));
  return validation.verdict === 'resets' ? exitCodes.done : exitCodes.failed;
}
