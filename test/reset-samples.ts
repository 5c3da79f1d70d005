import type { BootNotes, LogTail, ResetEvidence, ResetReport, Trouble } from '../src/agent/reset-record.js';
import { judge } from '../src/agent/reset-verdict.js';

/** One end of a kernel, told in pieces: the boot `old`, last alive at `aliveMs`; the boot `new` began a minute later. */

export const aliveMs = Date.UTC(2026, 10, 22, 20, 0, 0);
export const bootedMs = aliveMs + 60_000;

export const wellNotes: BootNotes = {
  bootId: 'old',
  startedMs: aliveMs - 3_600_000,
  aliveMs,
  stampMs: 30_000,
  armed: true,
  effectiveMs: 6_000,
  leaseMs: 40_000,
  trouble: null,
  ending: null,
};

export const quorumLost: Trouble = {
  cause: 'quorum-lost',
  sinceMs: aliveMs - 35_000,
  dueMs: aliveMs + 5_000,
  text: '',
};

export const shortLog: LogTail = {
  source: 'journal',
  lines: [{ atMs: aliveMs + 1_000, text: 'cron: a line' }],
  lastMs: aliveMs + 1_000,
  orderly: false,
  target: null,
  panic: null,
  unheld: null,
};

/** All sources were asked, and tell nothing but that the agent was well. */
export const plainEvidence: ResetEvidence = {
  endedBootId: 'old',
  bootId: 'new',
  foundMs: bootedMs + 20_000,
  bootedMs,
  notes: { found: wellNotes },
  watchdog: { found: { device: '/dev/watchdog0', emulated: false, causedReset: false } },
  saidBefore: false,
  validation: null,
  dumps: { found: [] },
  log: { found: shortLog },
  peers: { found: { lostMs: aliveMs + 3_000, fenced: null, releasedMs: null, backMs: bootedMs + 30_000 } },
};

export function withNotes(changes: Partial<BootNotes>, evidence: ResetEvidence = plainEvidence): ResetEvidence {
  return { ...evidence, notes: { found: { ...wellNotes, ...changes } } };
}

export function watchdogSaying(causedReset: boolean | null): ResetEvidence['watchdog'] {
  return { found: { device: '/dev/watchdog0', emulated: false, causedReset } };
}

export function reportOf(evidence: ResetEvidence): ResetReport {
  const { endedBootId, bootId, foundMs } = evidence;
  return { endedBootId, bootId, foundMs, bootedMs, acknowledgedMs: null, ...judge(evidence), lastLines: [] };
}
