import { readFileSync } from 'node:fs';
import { parseConfig } from '../agent/config.js';
import type { ResetReport, ResetsReport } from '../agent/reset-record.js';
import { HoldfastError } from '../core/errors.js';
import { readBootId } from '../host/boot-id.js';
import { defaultConfigFile, loadConfig } from '../host/config-file.js';
import { runProcess } from '../host/ocf-process.js';
import { ResetFiles } from '../host/reset-files.js';
import { type HistoryFiles, ResetHistoryKeeper } from '../host/reset-history.js';
import { readWatchdogWord, validatedResets } from '../host/reset-watchdog.js';
import { completeValidation } from '../host/validation-completion.js';
import { ValidationFiles } from '../host/validation-record.js';
import { AgentClient } from './agent-client.js';
import { type ExitCode, exitCodes } from './exit-codes.js';
import { paintFor, patiently, print, printJson, warn } from './output.js';
import { noneKnown, renderHistory, renderReset } from './render-resets.js';

export interface WhyOptions {
  readonly json: boolean;
  /** Of the agent; null: as configured. */
  readonly socket: string | null;
  /** The agent's, if it was named. */
  readonly config: string | undefined;
  /** The whole history, a line for each. */
  readonly all: boolean;
}

const answerMs = 30_000;

/** What is printed as JSON. */
interface Answer extends ResetsReport {
  /** The agent, or its files, which this command has read for itself. */
  readonly source: 'agent' | 'files';
}

/** Why this node was reset: as its agent knows it, or from what is on disk. */
export async function why({ json, all, ...asked }: WhyOptions): Promise<ExitCode> {
  const answer = await patiently('what is known', answerFrom(socketOf(asked), asked.config));
  const { problem, incomplete } = answer;
  if (problem !== null) warn(problem);
  const resets = all ? answer.resets : answer.resets.slice(0, 1);
  const paint = paintFor(process.stdout);
  if (json) await printJson({ ...answer, resets });
  else if (resets.length === 0) await print(noneKnown(incomplete));
  else if (all) await print(renderHistory(resets, paint).join('\n'));
  else await print(resets.flatMap((each) => renderReset(each, paint)).join('\n'));
  return incomplete && (all || resets.length === 0) ? exitCodes.failed : exitCodes.done;
}

/** Only the agent writes that down. */
export async function acknowledge({ json, ...asked }: WhyOptions): Promise<ExitCode> {
  const answer = await new AgentClient(socketOf(asked)).post('/v1/resets/acknowledge', {}, answerMs);
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

function socketOf({ socket, config }: Pick<WhyOptions, 'socket' | 'config'>): string {
  if (socket !== null) return socket;
  try {
    return loadConfig(config).socket;
  } catch (error) {
    if (config !== undefined || !(error instanceof HoldfastError)) throw error;
    // Whoever may ask the agent need not be able to read its usual configuration.
    return parseConfig('', defaultConfigFile).socket;
  }
}

async function answerFrom(socket: string, config: string | undefined): Promise<Answer> {
  try {
    return { source: 'agent', ...((await new AgentClient(socket, warn).get('/v1/resets')) as ResetsReport) };
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'HF_UNREACHABLE') throw error;
    if (process.getuid?.() !== 0) {
      throw new HoldfastError('HF_FORBIDDEN', `${error.message}; without the agent only root can read what is kept`);
    }
    warn(`${error.message}; this is what its files and this machine say`);
    return { source: 'files', ...(await fromFiles(config)) };
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
    // What is wrong with the history stands in its report.
    () => undefined,
  );
  await history.gather();
  const report = history.report();
  return { ...report, resets: report.resets.map((reset) => unfound(reset, nowMs)) };
}

/** What this command has found just now no agent has. */
function unfound(reset: ResetReport, nowMs: number): ResetReport {
  return reset.foundMs === nowMs ? { ...reset, foundMs: null } : reset;
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
