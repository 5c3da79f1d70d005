import { readFileSync } from 'node:fs';
import type { ResetsReport } from '../agent/reset-record.js';
import { HoldfastError } from '../core/errors.js';
import { readBootId } from '../host/boot-id.js';
import { loadConfig } from '../host/config-file.js';
import { runProcess } from '../host/ocf-process.js';
import { ResetFiles } from '../host/reset-files.js';
import { type HistoryFiles, ResetHistoryKeeper } from '../host/reset-history.js';
import { readWatchdogWord, validatedResets } from '../host/reset-watchdog.js';
import { completeValidation } from '../host/validation-completion.js';
import { ValidationFiles } from '../host/validation-record.js';
import { AgentClient } from './agent-client.js';
import type { CommonOptions } from './commands.js';
import { type ExitCode, exitCodes } from './exit-codes.js';
import { paintFor, patiently, print, printJson, warn } from './output.js';
import { renderHistory, renderReset } from './render-resets.js';

export interface WhyOptions extends CommonOptions {
  /** The agent's, if it was named, for when the agent does not answer. */
  readonly config: string | undefined;
  /** The whole history, a line for each. */
  readonly all: boolean;
}

const answerMs = 30_000;

/** Why this node was reset: as its agent knows it, or from what is on disk. */
export async function why({ socket, json, config, all }: WhyOptions): Promise<ExitCode> {
  const report = await patiently('what is known', resetsFrom(socket, config));
  if (report.problem !== null) warn(report.problem);
  const resets = all ? report.resets : report.resets.slice(0, 1);
  const paint = paintFor(process.stdout);
  if (json) await printJson({ resets, problem: report.problem });
  else if (all) await print(renderHistory(resets, paint).join('\n'));
  else
    await print(
      resets.length === 0
        ? 'no reset of this node is known'
        : resets.flatMap((each) => renderReset(each, paint)).join('\n'),
    );
  return exitCodes.done;
}

/** Only the agent writes that down. */
export async function acknowledge({ socket, json }: CommonOptions): Promise<ExitCode> {
  const answer = await new AgentClient(socket).post('/v1/resets/acknowledge', {}, answerMs);
  const { acknowledged } = answer as { readonly acknowledged: number };
  if (json) await printJson(answer);
  else
    await print(
      acknowledged === 0
        ? 'there was nothing to acknowledge'
        : `acknowledged: ${acknowledged} ${acknowledged === 1 ? 'reset' : 'resets'}`,
    );
  return exitCodes.done;
}

async function resetsFrom(socket: string, config: string | undefined): Promise<ResetsReport> {
  try {
    return (await new AgentClient(socket, warn).get('/v1/resets')) as ResetsReport;
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'HF_UNREACHABLE') throw error;
    if (process.getuid?.() !== 0) {
      throw new HoldfastError('HF_FORBIDDEN', `${error.message}; without the agent only root can read what is kept`);
    }
    warn(`${error.message}; this is what its files and this machine say`);
    return fromFiles(config);
  }
}

/** Completes what the agent of the boot before has left, as the agent will at its start. */
async function fromFiles(config: string | undefined): Promise<ResetsReport> {
  const uptimeS = Number(/^[\d.]{1,20}/.exec(readFileSync('/proc/uptime', 'utf8'))?.[0] ?? 0);
  const nowMs = Date.now();
  const { stateDir } = loadConfig(config);
  await completeLastValidation(stateDir, nowMs);
  const boot = {
    bootId: readBootId(),
    nowMs,
    bootedMs: Math.max(0, Math.round(nowMs - uptimeS * 1_000)),
    watchdog: await readWatchdogWord('/'),
    validations: await validatedResets(stateDir, warn),
  };
  const history = await ResetHistoryKeeper.open(
    onlyRead(new ResetFiles(stateDir)),
    { root: '/', run: runProcess },
    boot,
    warn,
  );
  await history.gather();
  return history.report();
}

/** An agent that is started meanwhile keeps a history of its own, which must not be overwritten. */
function onlyRead(files: ResetFiles): HistoryFiles {
  return {
    loadNotes: () => files.loadNotes(),
    loadHistory: () => files.loadHistory(),
    keepDamaged: async () => 'history.json',
    saveHistory: async () => undefined,
  };
}

/** A watchdog that was being validated may be what has reset this machine. */
async function completeLastValidation(stateDir: string, nowMs: number): Promise<void> {
  try {
    const completion = await completeValidation(new ValidationFiles(stateDir), nowMs);
    if (completion.outcome === 'untried') warn(completion.sentence);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    warn(error.message);
  }
}
