import type { Protection } from '../agent/status.js';
import { type KnownWatchdog, knownProblem } from './watchdog-choice.js';

/** How far the agent may rely on a kernel device. */
export interface WatchdogTrust {
  /** Real reset time over the timeout; null: neither configured nor measured. */
  readonly kappa: 1 | 2 | null;
  readonly validated: boolean;
  /** Why nothing may run over it, one sentence; null: something may. */
  readonly problem: string | null;
  readonly protection: Exclude<Protection, 'UNPROTECTED (emulated)'>;
}

export interface TrustConfig {
  /** As configured; null: what was measured. */
  readonly kappa: 1 | 2 | null;
  readonly allowUnvalidated: boolean;
}

/**
 * @param known null: not one of the watchdogs that were found
 * @param insteadOf why it was taken instead of hardware; null: it was not
 */
export function trustIn(
  device: string,
  known: KnownWatchdog | null,
  config: TrustConfig,
  insteadOf: string | null = null,
): WatchdogTrust {
  const refused = known && knownProblem(known);
  const validation = known?.validation ?? null;
  const measured = validation?.verdict === 'resets' ? validation.kappa : null;
  if (refused !== null)
    return { kappa: config.kappa, validated: false, problem: refused, protection: 'UNPROTECTED (no watchdog)' };
  if (measured === null) return unvalidated(device, known, config, insteadOf);
  if (config.kappa !== null && config.kappa < measured) {
    const problem = `watchdog.kappa = ${config.kappa} is configured, but ${device} was seen to reset this machine after ${measured} timeouts: remove kappa from the configuration, or set it to ${measured}`;
    return { kappa: measured, validated: true, problem, protection: 'UNPROTECTED (no watchdog)' };
  }
  const protection = known?.kind === 'software' ? 'protected (not by hardware)' : 'protected';
  return { kappa: config.kappa ?? measured, validated: true, problem: null, protection };
}

function unvalidated(
  device: string,
  known: KnownWatchdog | null,
  { kappa, allowUnvalidated }: TrustConfig,
  insteadOf: string | null,
): WatchdogTrust {
  const base = { kappa, validated: false, protection: 'UNPROTECTED (unvalidated)' } as const;
  if (allowUnvalidated) return { ...base, problem: null };
  const remedy = `run 'holdfast watchdog validate ${device}', or set watchdog.allowUnvalidated = true to run resources all the same`;
  const instead = insteadOf === null ? '' : `${insteadOf}; until then the agent takes ${device}, and `;
  return { ...base, problem: `${instead}${why(device, known)}: ${remedy}` };
}

function why(device: string, known: KnownWatchdog | null): string {
  if (known?.foreign) return `what is known of ${device} does not count, for ${known.foreign.why}`;
  if (known?.validation) return `the last validation of ${device} gave no verdict (${known.validation.sentence})`;
  return `${device} was never seen to reset this machine`;
}
