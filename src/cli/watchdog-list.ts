import type { Board } from '../host/board.js';
import { loadConfig } from '../host/config-file.js';
import { ValidationFiles } from '../host/validation-record.js';
import { chooseWatchdog, type KnownWatchdog, knownWatchdogs, watchdogAt } from '../host/watchdog-choice.js';
import type { CommonOptions } from './commands.js';
import { type ExitCode, exitCodes } from './exit-codes.js';
import { paintFor, print, printJson } from './output.js';
import { renderWatchdogs } from './render-watchdogs.js';

export interface WatchdogList extends Board {
  readonly watchdogs: readonly KnownWatchdog[];
  /** As the agent takes it. */
  readonly choice: { readonly device: string | null; readonly reason: string };
  readonly notes: readonly string[];
}

/** Shows the watchdogs of this machine without opening any. @param configFile the agent's, if it was named */
export async function listWatchdogs(configFile: string | undefined, { json }: CommonOptions): Promise<ExitCode> {
  const { stateDir, watchdog } = loadConfig(configFile);
  const { watchdogs, board, notes } = await knownWatchdogs(stateDir);
  const waiting = await waitingRun(stateDir);
  const list = { watchdogs, choice: await choiceOf(watchdog, watchdogs), ...board, notes: [...notes, ...waiting] };
  if (json) await printJson(list);
  else await print(renderWatchdogs(list, paintFor(process.stdout)).join('\n'));
  return exitCodes.done;
}

/** A validation that has no verdict yet. */
async function waitingRun(stateDir: string): Promise<readonly string[]> {
  const [begin] = (await new ValidationFiles(stateDir).run().catch(() => null)) ?? [];
  if (begin?.step !== 'begin') return [];
  const remedy = "the agent gives it when it starts, or 'holdfast watchdog validate --result'";
  return [`a validation of ${begin.device} is under way, or has reset this machine and has no verdict yet: ${remedy}`];
}

type Configured = ReturnType<typeof loadConfig>['watchdog'];

async function choiceOf(configured: Configured, watchdogs: readonly KnownWatchdog[]): Promise<WatchdogList['choice']> {
  if (configured.kind === 'emulated') {
    return {
      device: null,
      reason: `the emulator ${configured.emulator} is configured: no device of this machine is used`,
    };
  }
  if (configured.device === 'auto') {
    const choice = chooseWatchdog(watchdogs);
    return choice.device === null ? { ...choice, reason: `${choice.reason}; the agent tries softdog` } : choice;
  }
  const known = await watchdogAt(watchdogs, configured.device);
  const missing = known === null ? ', but it is not there' : '';
  return { device: known?.device ?? configured.device, reason: `named in the configuration${missing}` };
}
