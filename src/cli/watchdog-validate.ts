import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { constants, hostname, setPriority } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../agent/config.js';
import { HoldfastError } from '../core/errors.js';
import { type Board, boardClockErrorMs } from '../host/board.js';
import { readBootId } from '../host/boot-id.js';
import { loadConfig } from '../host/config-file.js';
import { createHostClock } from '../host/host-clock.js';
import { loadNative } from '../host/native.js';
import { type Completion, completeValidation, conclude, processStart } from '../host/validation-completion.js';
import { createValidationDevice } from '../host/validation-device.js';
import { type Begin, mismatch, type RunFile, type Validation, ValidationFiles } from '../host/validation-record.js';
import { type Interruption, minValidationTimeoutS, type RunEnd, runValidation } from '../host/validation-run.js';
import { ValidationWitness } from '../host/validation-witness.js';
import { ValidationWords } from '../host/validation-words.js';
import {
  damagedProblem,
  findConfiguredWatchdog,
  type KnownWatchdog,
  knownWatchdogs,
  watchdogAt,
} from '../host/watchdog-choice.js';
import { type ExitCode, exitCodes } from './exit-codes.js';
import { leftCounting } from './left-counting.js';
import { paintFor, print, printJson, warn } from './output.js';
import { printable } from './render.js';
import { renderValidation } from './render-watchdogs.js';
import { refusalOfDevice, refusalOfDirectory, refuseIfInUse } from './validation-refusals.js';

export interface ValidateOptions {
  readonly json: boolean;
  /** Of the agent; null: as configured. */
  readonly socket: string | null;
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
  const config = loadConfig(options.config);
  const { stateDir } = config;
  const files = new ValidationFiles(stateDir);
  for (const left of await leftCounting((await knownWatchdogs(stateDir)).watchdogs, stateDir)) warn(left);
  const before = await completeValidation(files, Date.now());
  if (before.outcome !== 'none') return tellEarlier(before, stateDir, options);
  if (options.result) return tellLast(device, stateDir, options);
  return begin(device, config, options);
}

async function begin(device: string | undefined, config: Config, options: ValidateOptions): Promise<ExitCode> {
  const { stateDir, watchdog } = config;
  const bootId = readBootId();
  const socket = options.socket ?? config.socket;
  const { known } = await find(device ?? (watchdog.kind === 'kernel' ? watchdog.device : 'auto'), stateDir);
  const seen = options.again ? null : verdictOfBoot(known, bootId);
  if (seen !== null) return tellVerdict(seen, stateDir, options.json);
  // The agent is asked first: whoever is told only that it holds the device might end it over what runs here.
  await refuseIfInUse(socket, stateDir, bootId);
  await refuseUnusable(known, stateDir);
  const timeoutS = inLimits(options.timeoutS, known);
  if (!options.yes) await confirm(known, timeoutS, { input: process.stdin, output: process.stderr });
  // The question may have waited for hours.
  const now = await find(known.device, stateDir);
  await refuseIfInUse(socket, stateDir, bootId);
  await refuseUnusable(now.known, stateDir);
  return run(await beginning(now.known, now.board, bootId, timeoutS), now.known, stateDir, options);
}

interface Found {
  readonly known: KnownWatchdog;
  readonly board: Board;
}

/** @throws HF_NOT_FOUND */
async function find(configured: string, stateDir: string): Promise<Found> {
  const { known, board } = await findConfiguredWatchdog(configured, stateDir);
  if (known === null)
    throw new HoldfastError('HF_NOT_FOUND', `there is no watchdog ${configured} here: see 'holdfast watchdog list'`);
  return { known, board };
}

/** @throws HF_CONFLICT */
async function refuseUnusable(known: KnownWatchdog, stateDir: string): Promise<void> {
  const refusal = refusalOfDevice(known) ?? (await refusalOfDirectory(stateDir));
  if (refusal !== null) throw new HoldfastError('HF_CONFLICT', refusal);
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
export async function confirm(
  { device, identity, nowayout }: KnownWatchdog,
  timeoutS: number,
  { input, output }: Terminal,
): Promise<void> {
  if (input.isTTY !== true)
    throw new HoldfastError(
      'HF_ARGUMENT',
      'validating a watchdog resets this machine: add --yes if it may be reset now',
    );
  const terminal = createInterface({ input, output });
  const question = [
    `${device} (${printable(identity)}) will RESET THIS MACHINE (${hostname()}), without a shutdown,`,
    `${timeoutS} s or ${2 * timeoutS} s after its last pet, which comes some seconds from now.`,
    ...(nowayout ? ['Its driver has nowayout set: once it is opened nothing but the reset ends this.'] : []),
    'Type the name of this machine to go on: ',
  ].join('\n');
  // Ctrl-C and Ctrl-D end the question with an error, the end of a pipe without a word.
  const closed = once(terminal, 'close').then(() => '');
  const answer = await Promise.race([terminal.question(question).catch(() => ''), closed]);
  terminal.close();
  if (answer.trim() !== hostname()) throw new HoldfastError('HF_ARGUMENT', 'not confirmed: nothing was done');
}

async function beginning(known: KnownWatchdog, board: Board, bootId: string, timeoutS: number): Promise<Begin> {
  const { device, driver, kind, identity } = known;
  const clock = createHostClock(loadNative());
  return {
    ...{ step: 'begin', run: randomBytes(8).toString('hex'), device, driver, kind, identity, ...board, bootId },
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
async function run(begin: Begin, known: KnownWatchdog, stateDir: string, options: ValidateOptions): Promise<ExitCode> {
  const files = new ValidationFiles(stateDir);
  const file = await files.begin(begin);
  const signals = new Signals();
  const failure = await drive(begin, known, { file, signals, path: files.runPath }).then(
    () => null,
    (error: unknown) => ({ error }),
  );
  signals.stop();
  file.close();
  const facts = { bootId: begin.bootId, bootWallMs: begin.wallMs - begin.bootMs, bootStatus: null };
  const concluded = files.run().then((steps) => conclude(files, steps ?? [], facts));
  if (failure === null) return tell(await concluded, stateDir, options);
  await concluded.catch(() => undefined);
  throw failure.error;
}

interface Drive {
  readonly file: RunFile;
  readonly signals: Signals;
  readonly path: string;
}

/** What is still to be said to a terminal that takes nothing is lost after this. */
const maxLastWordsMs = 1_000;

async function drive(begin: Begin, known: KnownWatchdog, { file, signals, path }: Drive): Promise<RunEnd> {
  const native = loadNative();
  const words = new ValidationWords();
  const say = (text: string) => words.say(printable(text));
  say(`validating ${begin.device} (${begin.identity}); what happens stands in ${path}`);
  comeFirst();
  await flushDisks(() => signals.wanted !== null);
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
  ).finally(() => Promise.race([words.silence(), sleep(maxLastWordsMs)]));
}

/**
 * Has all that is unwritten written, as the reset would lose it; comes back sooner if an end is wanted.
 * @param program only tests set it
 * @throws HF_STORE
 */
export async function flushDisks(isWanted: () => boolean, program = 'sync'): Promise<void> {
  // Not in our process group: Ctrl-C is for us to heed.
  const flushing = spawn(program, { stdio: 'ignore', detached: true });
  let ended: string | null = null;
  flushing.on('error', ({ message }) => {
    ended = message;
  });
  flushing.on('exit', (code, signal) => {
    ended = code === 0 ? '' : `it ended with ${code ?? signal}`;
  });
  while (ended === null && !isWanted()) await sleep(20);
  flushing.unref();
  // Until it has left our process group Ctrl-C ends it too.
  if (ended !== null && ended !== '' && !isWanted())
    throw new HoldfastError(
      'HF_STORE',
      `cannot write the disks' caches (${program}): ${ended}: see to the file systems`,
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
    SIGQUIT: () => this.#want({ reason: 'ended by SIGQUIT', final: false }),
    // Stopped, we would fall silent like a machine that was reset.
    SIGTSTP: () => this.#want({ reason: 'ended by Ctrl-Z (SIGTSTP)', final: false }),
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

async function tellLast(device: string | undefined, stateDir: string, options: ValidateOptions): Promise<ExitCode> {
  const known = device === undefined ? null : await watchdogAt((await knownWatchdogs(stateDir)).watchdogs, device);
  const named = known?.device ?? device;
  const isAsked = (each: string) => named === undefined || each === named;
  const records = await new ValidationFiles(stateDir).records();
  const damaged = [...records.damaged].find(([each]) => isAsked(each));
  // Perhaps it was the last one, and perhaps it said that nothing was reset.
  if (damaged !== undefined) throw new HoldfastError('HF_STORE', damagedProblem(...damaged));
  const results = records.results.filter((result) => isAsked(result.device));
  const last = results.toSorted((a, b) => a.when.localeCompare(b.when)).at(-1);
  if (last !== undefined) return tellVerdict(last, stateDir, options.json);
  const never =
    device === undefined
      ? "no watchdog of this machine was ever validated: run 'holdfast watchdog validate'"
      : `${device} was never validated: run 'holdfast watchdog validate ${device}'`;
  throw new HoldfastError('HF_NOT_FOUND', never);
}

/** The verdict of a run that had none yet: whoever asked for another run has to be told that it was not begun. */
async function tellEarlier(completion: Completion, stateDir: string, options: ValidateOptions): Promise<ExitCode> {
  if (!options.result && completion.outcome !== 'under-way')
    warn("nothing was begun, for an earlier validation had not been told of yet: 'validate --again' begins another");
  return tell(completion, stateDir, options);
}

async function tell(completion: Completion, stateDir: string, { json }: ValidateOptions): Promise<ExitCode> {
  if (completion.outcome === 'verdict') return tellVerdict(completion.validation, stateDir, json);
  if (completion.outcome === 'under-way') {
    throw new HoldfastError(
      'HF_CONFLICT',
      `${completion.device} is being validated already (pid ${completion.pid}): wait for it`,
    );
  }
  const sentence = completion.outcome === 'untried' ? completion.sentence : 'the validation has left no record';
  throw new HoldfastError('HF_WATCHDOG', sentence);
}

async function tellVerdict(validation: Validation, stateDir: string, json: boolean): Promise<ExitCode> {
  const mismatched = await mismatchNow(validation, stateDir);
  if (json) await printJson({ ...validation, mismatch: mismatched });
  else await print(renderValidation(validation, mismatched, paintFor(process.stdout)).join('\n'));
  return mismatched === null && validation.verdict === 'resets' ? exitCodes.done : exitCodes.failed;
}

/** Why a verdict does not count; null: it does. */
async function mismatchNow(validation: Validation, stateDir: string): Promise<string | null> {
  const { watchdogs, board } = await knownWatchdogs(stateDir);
  // Its driver may not be loaded yet: then only the machine can be another one.
  const now = watchdogs.find(({ device }) => device === validation.device) ?? validation;
  return mismatch(validation, { ...now, ...board });
}
