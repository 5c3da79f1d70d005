import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../core/errors.js';
import type { Board } from '../host/board.js';
import { readBootId } from '../host/boot-id.js';
import { loadConfig } from '../host/config-file.js';
import { isUnderWay } from '../host/validation-completion.js';
import { damagedRun, type Step, ValidationFiles } from '../host/validation-record.js';
import { chooseWatchdog, type KnownWatchdog, knownWatchdogs, watchdogAt } from '../host/watchdog-choice.js';
import { heldBy } from '../host/watchdog-failure.js';
import { agentProgram, readKernelWatchdog } from '../host/watchdog-sysfs.js';
import { trustIn } from '../host/watchdog-trust.js';
import type { CommonOptions } from './commands.js';
import { type ExitCode, exitCodes } from './exit-codes.js';
import { leftCounting } from './left-counting.js';
import { paintFor, print, printJson } from './output.js';
import { renderWatchdogs } from './render-watchdogs.js';

export interface ConfiguredChoice {
  readonly device: string | null;
  /** Why this one, or why none. */
  readonly reason: string;
  /** Why the agent starts nothing over it, with what helps; null: it does, or takes none. */
  readonly problem: string | null;
}

export interface WatchdogList extends Board {
  readonly watchdogs: readonly KnownWatchdog[];
  /** As the agent takes it; null: nobody can tell, for what is known of them cannot be read. */
  readonly choice: ConfiguredChoice | null;
  readonly notes: readonly string[];
}

/** Shows the watchdogs of this machine without opening any. @param configFile the agent's, if it was named */
export async function listWatchdogs(configFile: string | undefined, { json }: CommonOptions): Promise<ExitCode> {
  const { stateDir, watchdog } = loadConfig(configFile);
  const { watchdogs, board, notes: found } = await knownWatchdogs(stateDir);
  const isRead = await areReadable(stateDir);
  const runs = isRead ? [...(await waitingRun(stateDir)), ...(await leftCounting(watchdogs, stateDir))] : [];
  const notes = [...found, ...(await misplaced(stateDir)), ...runs];
  const list = { watchdogs, choice: isRead ? await choiceOf(watchdog, watchdogs) : null, ...board, notes };
  if (json) await printJson(list);
  else await print(renderWatchdogs(list, paintFor(process.stdout)).join('\n'));
  return exitCodes.done;
}

/** Only root may read the verdicts. Why they cannot be read is told among the notes of what was found. */
async function areReadable(stateDir: string): Promise<boolean> {
  try {
    await new ValidationFiles(stateDir).results();
    return true;
  } catch (error) {
    if (error instanceof HoldfastError) return false;
    throw error;
  }
}

/** A file where the records should lie: there are none, and there can be none. */
async function misplaced(stateDir: string): Promise<readonly string[]> {
  for (const path of [stateDir, join(stateDir, 'watchdog')]) {
    const there = await stat(path).catch(() => null);
    if (there !== null && !there.isDirectory())
      return [`${path} is not a directory, so that no validation can be kept: remove it, or set another stateDir`];
  }
  return [];
}

/** A validation that has no verdict yet. */
async function waitingRun(stateDir: string): Promise<readonly string[]> {
  const files = new ValidationFiles(stateDir);
  try {
    const steps = await files.run();
    return steps === null ? [] : [await sentenceOf(steps, files.runPath)];
  } catch (error) {
    if (error instanceof HoldfastError) return [error.message];
    throw error;
  }
}

async function sentenceOf([begin]: readonly Step[], path: string): Promise<string> {
  const remedy = "the agent gives it when it starts, or 'holdfast watchdog validate --result'";
  if (begin?.step !== 'begin') return damagedRun(path).message;
  if (await isUnderWay(begin, readBootId(), '/'))
    return `${begin.device} is being validated (pid ${begin.pid}), and is going to reset this machine`;
  if (begin.bootId === readBootId())
    return `a validation of ${begin.device} has ended in this boot, and has no verdict yet: ${remedy}`;
  return `a validation of ${begin.device} has reset this machine, or was ended by something else, and has no verdict yet: ${remedy}`;
}

type Configured = ReturnType<typeof loadConfig>['watchdog'];

export async function choiceOf(
  configured: Configured,
  watchdogs: readonly KnownWatchdog[],
  root = '/',
): Promise<ConfiguredChoice> {
  if (configured.kind === 'emulated') {
    const reason = `the emulator ${configured.emulator} is configured: no device of this machine is used`;
    return { device: null, reason, problem: null };
  }
  const { device, reason } =
    configured.device === 'auto'
      ? chooseWatchdog(watchdogs)
      : { device: configured.device, reason: 'named in the configuration' };
  if (device === null) return { device, reason: `${reason}; the agent tries softdog`, problem: null };
  const known = await watchdogAt(watchdogs, device, root);
  const named = known?.device ?? device;
  const absent = await absence(device, root);
  if (absent !== null) return { device: named, reason, problem: absent };
  const problems = [trustIn(named, known, configured).problem, known && heldByAnother(known)];
  const there = problems.filter((problem) => problem !== null);
  return { device: named, reason, problem: there.length === 0 ? null : there.join('; ') };
}

/** Why there is no such watchdog, with what helps; null: there is. */
async function absence(device: string, root: string): Promise<string | null> {
  try {
    await readKernelWatchdog(device, root);
    return null;
  } catch (error) {
    if (error instanceof HoldfastError) return error.message;
    throw error;
  }
}

function heldByAnother({ device, holder }: KnownWatchdog): string | null {
  if (holder === null || holder.program === agentProgram) return null;
  return `${device} is ${heldBy(holder)}`;
}
