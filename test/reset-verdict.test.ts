import t from 'tap';
import {
  type Dump,
  type Ending,
  type ResetEvidence,
  resetLimits,
  type TroubleCause,
} from '../src/agent/reset-record.js';
import { resetWarnings } from '../src/agent/reset-sentences.js';
import { judge } from '../src/agent/reset-verdict.js';
import { plain } from '../src/cli/render.js';
import { renderHistory, renderReset } from '../src/cli/render-resets.js';
import { endsThatFit } from './reset-oracle.js';
import {
  aliveMs,
  bootedMs,
  plainEvidence,
  quorumLost,
  reportOf,
  shortLog,
  watchdogSaying,
  wellNotes,
  withNotes,
} from './reset-samples.js';
import fc from './seeded-fast-check.js';

/** From evidence to verdict: each verdict, each missing piece, and whatever else may stand in the files. */

const missing = { missing: 'not there' };
const gone = { kind: 'reboot', sinceMs: aliveMs - 5_000, doneMs: aliveMs } as const satisfies Ending;
const panicDump: Dump = {
  kind: 'Panic',
  file: '/sys/fs/pstore/dmesg-efi-1',
  atMs: aliveMs + 2_000,
  line: 'Kernel panic - not syncing: sysrq triggered crash',
};
const shutdownLog = { found: { ...shortLog, orderly: true } };
const orderlyLog = { found: { ...shortLog, orderly: true, target: 'reboot' as const } };
const poweroffLog = { found: { ...shortLog, orderly: true, target: 'poweroff' as const } };
const lost = { lostMs: null, fenced: null, releasedMs: null, backMs: null };
const released = { found: { lostMs: null, fenced: null, releasedMs: aliveMs, backMs: null } };
const unheldAt = (atMs: number, lastMs: number) => ({
  found: { ...shortLog, lastMs, unheld: { atMs, text: 'kernel: watchdog: watchdog0: watchdog did not stop!' } },
});
const validated = { device: '/dev/watchdog0', beganMs: aliveMs, mayResetUntilMs: null };
const unfinished = { ...validated, mayResetUntilMs: aliveMs + 50_000 };
const dayMs = 86_400_000;
/** Booted so long after the last notes. */
const foundAfter = (ms: number) => ({ bootedMs: aliveMs + ms + 10_000, foundMs: aliveMs + ms + 20_000 });
const logUntil = (lastMs: number) => ({ found: { ...shortLog, lastMs } });

/** Name, evidence, and the verdict: its cause, certainty and alternatives. */
const table: readonly (readonly [string, ResetEvidence, string])[] = [
  ['the lease ran out', withNotes({ trouble: quorumLost }), 'self-fenced quorum-lost likely | power-loss'],
  [
    'the lease ran out, and the watchdog fired',
    { ...withNotes({ trouble: quorumLost }), watchdog: watchdogSaying(true) },
    'self-fenced quorum-lost certain |',
  ],
  [
    'the same, but the agent was last known alive longer before that than its notes are ever old',
    { ...withNotes({ trouble: { ...quorumLost, dueMs: aliveMs + 5_001 } }), watchdog: watchdogSaying(true) },
    'self-fenced quorum-lost likely | watchdog-fired',
  ],
  [
    'the same, and the watchdog says nothing',
    withNotes({ trouble: { ...quorumLost, dueMs: aliveMs + 35_000 } }),
    'self-fenced quorum-lost likely | power-loss watchdog-fired',
  ],
  [
    'the lease ran out, and the watchdog fired, but it booted as late as the slowest firmware',
    {
      ...withNotes({ trouble: quorumLost }),
      watchdog: watchdogSaying(true),
      bootedMs: quorumLost.dueMs + 3 * 6_000 + 2_000 + 10_000 + 600_000,
      foundMs: aliveMs + 700_000,
    },
    'self-fenced quorum-lost certain |',
  ],
  [
    'the same, but later: it may have lived on without notes and a log',
    {
      ...withNotes({ trouble: quorumLost }),
      watchdog: watchdogSaying(true),
      bootedMs: quorumLost.dueMs + 3 * 6_000 + 2_000 + 10_000 + 600_001,
      foundMs: aliveMs + 700_000,
    },
    'self-fenced quorum-lost likely | watchdog-fired',
  ],
  [
    'the lease ran out, and the watchdog says that it has fired, as it did before',
    { ...withNotes({ trouble: quorumLost }), watchdog: watchdogSaying(true), saidBefore: true },
    'self-fenced quorum-lost likely | power-loss',
  ],
  [
    'an agent that was well, and a watchdog that always says that it has fired',
    { ...plainEvidence, bootedMs: aliveMs + 37_499, watchdog: watchdogSaying(true), saidBefore: true },
    'watchdog-fired standstill likely | power-loss',
  ],
  [
    'the same of an emulated one, which never says so without having fired',
    {
      ...plainEvidence,
      bootedMs: aliveMs + 37_499,
      watchdog: { found: { device: 'emulator', emulated: true, causedReset: true } },
      saidBefore: true,
    },
    'watchdog-fired standstill certain |',
  ],
  [
    'the machine booted before the lease had ended',
    withNotes({ trouble: { ...quorumLost, dueMs: bootedMs + 1 } }),
    'power-loss - open | watchdog-fired',
  ],
  [
    'the machine lived on long after the lease had ended',
    { ...withNotes({ trouble: quorumLost }), log: logUntil(quorumLost.dueMs + 3 * 6_000 + 2_000 + 10_001) },
    'power-loss - open | watchdog-fired self-fenced',
  ],
  [
    'the machine lived on as long as a reset may take',
    { ...withNotes({ trouble: quorumLost }), log: logUntil(quorumLost.dueMs + 3 * 6_000 + 2_000 + 10_000) },
    'self-fenced quorum-lost likely | power-loss',
  ],
  [
    'the watchdog took no pets',
    withNotes({ trouble: { ...quorumLost, cause: 'pets-failed' } }),
    'watchdog-fired pets-failed likely | power-loss',
  ],
  [
    'the watchdog fired over an agent that was well',
    { ...plainEvidence, watchdog: watchdogSaying(true) },
    'watchdog-fired standstill likely | self-fenced',
  ],
  [
    'the same, and nothing would show a panic',
    { ...plainEvidence, watchdog: watchdogSaying(true), dumps: missing },
    'watchdog-fired standstill likely | self-fenced kernel-panic',
  ],
  [
    'the watchdog fired, and the machine had written its log for longer than the agent',
    { ...plainEvidence, watchdog: watchdogSaying(true), log: logUntil(aliveMs + 40_001) },
    'watchdog-fired agent-hung likely | self-fenced',
  ],
  [
    'the machine had written its log for longer than the agent, which may be chance',
    { ...plainEvidence, watchdog: watchdogSaying(true), log: logUntil(aliveMs + 40_000) },
    'watchdog-fired standstill likely | self-fenced',
  ],
  [
    'the agent hung, and its keeper reset the machine at the end of the lease',
    { ...plainEvidence, log: logUntil(aliveMs + 40_001) },
    'self-fenced agent-hung likely | power-loss watchdog-fired',
  ],
  [
    'the same, as long as a machine lives whose agent hangs',
    { ...plainEvidence, ...foundAfter(110_000), log: logUntil(aliveMs + 100_000) },
    'self-fenced agent-hung likely | power-loss watchdog-fired',
  ],
  [
    'the log goes on for longer than that: the notes were not kept',
    { ...plainEvidence, ...foundAfter(110_000), log: logUntil(aliveMs + 100_001) },
    'power-loss - open | watchdog-fired self-fenced',
  ],
  [
    'the same, for days, and the watchdog fired',
    { ...plainEvidence, ...foundAfter(3 * dayMs), log: logUntil(aliveMs + 3 * dayMs), watchdog: watchdogSaying(true) },
    'watchdog-fired standstill likely | self-fenced',
  ],
  [
    'the watchdog fired that the agent had not armed',
    { ...withNotes({ armed: false }), watchdog: watchdogSaying(true) },
    'watchdog-fired not-armed-by-us likely |',
  ],
  [
    'the agent was ended over what ran',
    { ...withNotes({ ending: { ...gone, kind: 'agent' } }), watchdog: watchdogSaying(true) },
    'watchdog-fired agent-ended certain |',
  ],
  [
    'the same, but the machine lived on: somebody had taken the watchdog up',
    {
      ...withNotes({ ending: { ...gone, kind: 'agent' } }),
      watchdog: watchdogSaying(true),
      log: logUntil(aliveMs + 6_000 + 10_001),
    },
    'watchdog-fired standstill likely | self-fenced',
  ],
  [
    'the same, but it booted only a day later',
    { ...withNotes({ ending: { ...gone, kind: 'agent' } }), ...foundAfter(dayMs), watchdog: watchdogSaying(true) },
    'watchdog-fired agent-ended likely | watchdog-fired',
  ],
  [
    'the same, and the watchdog cannot be asked',
    { ...withNotes({ ending: { ...gone, kind: 'agent' } }), watchdog: missing },
    'watchdog-fired agent-ended likely | power-loss orderly-reboot',
  ],
  [
    'the agent was killed, and the watchdog cannot be asked',
    { ...plainEvidence, watchdog: missing, log: unheldAt(aliveMs + 1_000, aliveMs + 6_000) },
    'watchdog-fired agent-ended likely | power-loss orderly-reboot',
  ],
  [
    'the same, but another agent was well after that',
    { ...plainEvidence, watchdog: missing, log: unheldAt(aliveMs - 1, aliveMs + 6_000) },
    'power-loss - open | watchdog-fired self-fenced',
  ],
  [
    'the same, but the machine lived on',
    { ...plainEvidence, watchdog: missing, log: unheldAt(aliveMs, aliveMs + 6_000 + 10_001) },
    'power-loss - open | watchdog-fired self-fenced',
  ],
  [
    'the watchdog was validated',
    { ...withNotes({ armed: false }), validation: validated },
    'watchdog-fired validation likely | power-loss',
  ],
  [
    'the same, and it says that it has fired',
    {
      ...withNotes({ armed: false }),
      validation: validated,
      watchdog: watchdogSaying(true),
    },
    'watchdog-fired validation certain |',
  ],
  [
    'the same, but it said so before the validation, too',
    {
      ...withNotes({ armed: false }),
      validation: validated,
      watchdog: watchdogSaying(true),
      saidBefore: true,
    },
    'watchdog-fired validation likely | power-loss',
  ],
  [
    'an unfinished validation had armed it, and it says that it has fired',
    { ...withNotes({ armed: false }), validation: unfinished, watchdog: watchdogSaying(true) },
    'watchdog-fired validation likely |',
  ],
  [
    'the same without notes of that boot',
    { ...plainEvidence, notes: missing, validation: unfinished, watchdog: watchdogSaying(true) },
    'watchdog-fired validation likely |',
  ],
  [
    'the same, but it said so before, too',
    { ...withNotes({ armed: false }), validation: unfinished, watchdog: watchdogSaying(true), saidBefore: true },
    'watchdog-fired validation likely | power-loss',
  ],
  [
    'another watchdog says so',
    {
      ...withNotes({ armed: false }),
      validation: { ...unfinished, device: '/dev/watchdog1' },
      watchdog: watchdogSaying(true),
    },
    'watchdog-fired not-armed-by-us likely |',
  ],
  [
    'it was the agent that had armed it',
    { ...plainEvidence, validation: unfinished, watchdog: watchdogSaying(true) },
    'watchdog-fired standstill likely | self-fenced',
  ],
  [
    'the machine lived on after an unfinished validation',
    {
      ...withNotes({ armed: false, aliveMs: aliveMs + 60_001 }),
      ...foundAfter(60_001),
      validation: unfinished,
      watchdog: watchdogSaying(true),
    },
    'watchdog-fired not-armed-by-us likely |',
  ],
  [
    'the machine came back long after an unfinished validation',
    { ...withNotes({ armed: false }), ...foundAfter(640_001), validation: unfinished, watchdog: watchdogSaying(true) },
    'watchdog-fired not-armed-by-us likely |',
  ],
  [
    'an unfinished validation, and the kernel says that it left the watchdog counting',
    { ...withNotes({ armed: false }), validation: unfinished, log: unheldAt(aliveMs, aliveMs + 1_000) },
    'watchdog-fired validation likely | power-loss',
  ],
  [
    'the same, but that was before it',
    { ...withNotes({ armed: false }), validation: unfinished, log: unheldAt(aliveMs - 1, aliveMs + 1_000) },
    'power-loss - open | watchdog-fired',
  ],
  [
    'an unfinished validation, of which nothing tells whether it left the watchdog counting',
    { ...withNotes({ armed: false }), validation: unfinished, watchdog: missing },
    'power-loss - open | watchdog-fired',
  ],
  [
    'the same without notes of that boot',
    { ...plainEvidence, notes: missing, validation: unfinished, watchdog: missing },
    'unknown - open | orderly-reboot power-loss watchdog-fired',
  ],
  [
    'a shutdown in order, soon after an unfinished validation',
    { ...withNotes({ armed: false, ending: gone }), validation: unfinished, log: orderlyLog },
    'orderly-reboot - likely | watchdog-fired',
  ],
  [
    'a shutdown in order, long after an unfinished validation',
    {
      ...withNotes({ armed: false, ending: gone }),
      validation: { ...unfinished, mayResetUntilMs: aliveMs - 10_001 },
      log: orderlyLog,
    },
    'orderly-reboot - certain |',
  ],
  ['the kernel left a dump', { ...plainEvidence, dumps: { found: [panicDump] } }, 'kernel-panic - certain |'],
  [
    'the kernel panicked over a lease that ran out',
    { ...withNotes({ trouble: quorumLost }), dumps: { found: [panicDump] }, watchdog: watchdogSaying(true) },
    'kernel-panic - certain |',
  ],
  [
    'a dump from before the last sign of life',
    { ...plainEvidence, dumps: { found: [{ ...panicDump, atMs: aliveMs - 10_001 }] } },
    'power-loss - open | watchdog-fired self-fenced',
  ],
  [
    'a dump from after this boot was looked at',
    { ...plainEvidence, dumps: { found: [{ ...panicDump, atMs: plainEvidence.foundMs + 1 }] } },
    'power-loss - open | watchdog-fired self-fenced',
  ],
  [
    'a dump that may be of the boot in between',
    { ...plainEvidence, bootedMs: null, dumps: { found: [panicDump] } },
    'kernel-panic - likely | unknown',
  ],
  [
    'a dump without a time',
    { ...plainEvidence, dumps: { found: [{ ...panicDump, atMs: null }] } },
    'kernel-panic - likely | unknown',
  ],
  [
    'an oops that was survived',
    { ...plainEvidence, dumps: { found: [{ ...panicDump, kind: 'Oops' }] } },
    'power-loss - open | watchdog-fired self-fenced',
  ],
  [
    'the kernel wrote of its panic in the journal',
    { ...plainEvidence, log: { found: { ...shortLog, panic: panicDump.line } } },
    'kernel-panic - certain |',
  ],
  [
    'a reboot, by the agent and the journal',
    { ...withNotes({ armed: false, ending: gone }), log: orderlyLog },
    'orderly-reboot - certain |',
  ],
  ['a reboot, by the agent alone', withNotes({ armed: false, ending: gone }), 'orderly-reboot - likely | power-loss'],
  [
    'a power-off, by the agent and the journal',
    { ...withNotes({ armed: false, ending: { ...gone, kind: 'poweroff' } }), log: poweroffLog },
    'orderly-poweroff - certain |',
  ],
  [
    'a power-off by the agent, which the journal calls a reboot',
    { ...withNotes({ armed: false, ending: { ...gone, kind: 'poweroff' } }), log: orderlyLog },
    'orderly-reboot - likely | orderly-poweroff',
  ],
  [
    'a power-off by the agent, and a journal that does not tell what for',
    { ...withNotes({ armed: false, ending: { ...gone, kind: 'poweroff' } }), log: shutdownLog },
    'orderly-poweroff - certain |',
  ],
  [
    'a reboot under a watchdog that was left armed, whose driver may not say that it has fired',
    { ...withNotes({ ending: gone }), log: orderlyLog },
    'orderly-reboot - likely | watchdog-fired',
  ],
  [
    'a reboot that hung',
    { ...withNotes({ armed: true, ending: gone }), watchdog: watchdogSaying(true) },
    'orderly-reboot - likely | power-loss watchdog-fired',
  ],
  [
    'a reboot that was begun, and the machine stayed up',
    {
      ...withNotes({ armed: false, ending: gone }),
      log: logUntil(aliveMs + 300_001),
      bootedMs: aliveMs + 400_000,
      foundMs: aliveMs + 420_000,
    },
    'orderly-reboot - open | power-loss',
  ],
  [
    'a reboot, by the journal of a node that ran nothing',
    { ...withNotes({ armed: false }), log: orderlyLog },
    'orderly-reboot - certain |',
  ],
  [
    'a power-off, by the journal of a node that ran nothing',
    { ...withNotes({ armed: false }), log: poweroffLog },
    'orderly-poweroff - certain |',
  ],
  [
    'a power-off, by the journal, of a boot without an agent',
    { ...plainEvidence, notes: missing, log: poweroffLog },
    'orderly-poweroff - certain |',
  ],
  [
    'a shutdown, by the journal, which does not tell what for',
    { ...withNotes({ armed: false, ending: { ...gone, kind: 'agent' } }), log: shutdownLog },
    'orderly-reboot - likely | orderly-poweroff',
  ],
  [
    'the journal had ended in order, but the agent was well for long after',
    { ...withNotes({ armed: false }), log: { found: { ...orderlyLog.found, lastMs: aliveMs - 300_001 } } },
    'power-loss - likely |',
  ],
  [
    'a reboot, by the journal, and an agent that nobody had ended',
    { ...plainEvidence, log: orderlyLog },
    'orderly-reboot - likely | power-loss watchdog-fired',
  ],
  [
    'a reboot while the lease ran out',
    { ...withNotes({ trouble: quorumLost }), log: orderlyLog },
    'orderly-reboot - likely | power-loss watchdog-fired self-fenced',
  ],
  [
    'a reboot that the agent did not end for, by the others',
    { ...withNotes({ armed: false, ending: { ...gone, doneMs: null } }), peers: released },
    'orderly-reboot - likely | power-loss',
  ],
  [
    'the others were told long before',
    {
      ...withNotes({ armed: false, ending: { ...gone, doneMs: null } }),
      peers: { found: { ...released.found, releasedMs: aliveMs - 300_001 } },
    },
    'power-loss - likely |',
  ],
  ['power was lost', withNotes({ armed: false }), 'power-loss - likely |'],
  ['the same under an armed watchdog', plainEvidence, 'power-loss - open | watchdog-fired self-fenced'],
  [
    'the watchdog cannot be asked',
    { ...plainEvidence, watchdog: missing },
    'power-loss - open | watchdog-fired self-fenced',
  ],
  [
    'the watchdog does not tell',
    { ...plainEvidence, watchdog: watchdogSaying(null) },
    'power-loss - open | watchdog-fired self-fenced',
  ],
  [
    'nothing keeps dumps',
    { ...plainEvidence, dumps: missing },
    'power-loss - open | watchdog-fired self-fenced kernel-panic',
  ],
  ['there is no log', { ...plainEvidence, log: missing }, 'power-loss - open | watchdog-fired self-fenced'],
  ['the others say nothing', { ...plainEvidence, peers: missing }, 'power-loss - open | watchdog-fired self-fenced'],
  [
    'the others say nothing, but the machine was back before its lease had ended',
    { ...plainEvidence, peers: missing, bootedMs: aliveMs + 37_499 },
    'power-loss - open | watchdog-fired',
  ],
  [
    'another boot lies in between: the agent was back before the lease had ended',
    { ...plainEvidence, peers: missing, bootedMs: null, foundMs: aliveMs + 37_499 },
    'power-loss - open | watchdog-fired',
  ],
  [
    'another boot lies in between, and the lease ran out before the agent was back',
    { ...withNotes({ trouble: { ...quorumLost, dueMs: plainEvidence.foundMs } }), bootedMs: null },
    'self-fenced quorum-lost likely | power-loss watchdog-fired',
  ],
  [
    'another boot lies in between, and the agent was back before the lease ran out',
    { ...withNotes({ trouble: { ...quorumLost, dueMs: plainEvidence.foundMs + 1 } }), bootedMs: null },
    'power-loss - open | watchdog-fired',
  ],
  [
    'the lease may have ended without a note of it, and the watchdog fired',
    { ...plainEvidence, bootedMs: aliveMs + 37_500, watchdog: watchdogSaying(true) },
    'watchdog-fired standstill likely | self-fenced',
  ],
  [
    'the lease cannot have ended, and the watchdog fired',
    { ...plainEvidence, bootedMs: aliveMs + 37_499, watchdog: watchdogSaying(true) },
    'watchdog-fired standstill certain |',
  ],
  [
    'the lease was about to run out, and the clock has gone back since',
    {
      ...withNotes({ trouble: quorumLost }),
      bootedMs: aliveMs - 300_000,
      foundMs: aliveMs - 280_000,
      log: missing,
    },
    'self-fenced quorum-lost likely | power-loss',
  ],
  [
    'the same, and nothing would show a panic either',
    { ...plainEvidence, bootedMs: aliveMs + 37_499, watchdog: watchdogSaying(true), dumps: missing },
    'watchdog-fired standstill likely | kernel-panic',
  ],
  [
    'the others lost sight of it before its lease can have ended, as of one that is cut off',
    { ...plainEvidence, peers: { found: { ...lost, lostMs: aliveMs + 1_000 } }, watchdog: watchdogSaying(true) },
    'watchdog-fired standstill likely | self-fenced',
  ],
  [
    'an emulated watchdog would say that it has fired',
    { ...plainEvidence, watchdog: { found: { device: 'emulator', emulated: true, causedReset: false } } },
    'power-loss - likely | self-fenced',
  ],
  ['the agent has left nothing', { ...plainEvidence, notes: missing }, 'unknown - open | orderly-reboot power-loss'],
  [
    'the agent has left nothing, and the watchdog fired',
    { ...plainEvidence, notes: missing, watchdog: watchdogSaying(true) },
    'watchdog-fired - likely |',
  ],
  [
    'nothing at all',
    {
      ...plainEvidence,
      endedBootId: null,
      notes: missing,
      watchdog: missing,
      dumps: missing,
      log: missing,
      peers: missing,
    },
    'unknown - open | orderly-reboot power-loss kernel-panic',
  ],
  [
    'the agent had been ended before',
    withNotes({ armed: false, ending: { ...gone, kind: 'agent' } }),
    'unknown - open | orderly-reboot power-loss',
  ],
  [
    'the mark of a shutdown is of another boot',
    { ...withNotes({ armed: false, ending: gone }), endedBootId: 'another' },
    'unknown - open | orderly-reboot power-loss',
  ],
];

t.test('the table of verdicts', async (t) => {
  for (const [name, evidence, wanted] of table) {
    const { verdict, cause, certainty, alternatives } = judge(evidence);
    const others = alternatives.map((each) => each.verdict).join(' ');
    t.equal(`${verdict} ${cause ?? '-'} ${certainty} | ${others}`.trim(), wanted, name);
  }
});

t.test('each cause of a lease that ran out is named, with its beginning', async (t) => {
  const causes: readonly TroubleCause[] = [
    'quorum-lost',
    'corosync-stopped',
    'corosync-silent',
    'not-echoed',
    'agent-failed',
    'agent-stalled',
    'declared-fenced',
    'restarted-without-lease',
  ];
  const summaries = causes.map((cause) => judge(withNotes({ trouble: { ...quorumLost, cause } })).summary);
  t.equal(new Set(summaries).size, causes.length);
  for (const summary of summaries) t.match(summary, /^self-fenced, most likely: .+ since 2026-11-22 19:59:25 UTC$/);
});

t.test('an agent that has ended is not said to have fallen silent', async (t) => {
  const silent = (evidence: ResetEvidence) =>
    judge(evidence).evidence.some(({ text }) => /was silent from then/.test(text));
  const log = logUntil(aliveMs + 60_000);
  t.equal(silent({ ...plainEvidence, log }), true);
  t.equal(silent({ ...withNotes({ armed: false, ending: gone }), log }), false);
});

t.test('clocks that contradict each other', async (t) => {
  const report = judge({ ...plainEvidence, bootedMs: aliveMs - 60_000 });
  t.match(report.evidence.at(-1)?.text, /when it booted is not known, for the clocks contradict each other/);
  const inFuture = judge({ ...plainEvidence, log: logUntil(plainEvidence.foundMs + 3_600_000) });
  t.equal(inFuture.lastSeenMs, aliveMs, 'a log from the future is no sign of life');
});

t.test('as people read it', async (t) => {
  const report = reportOf({ ...withNotes({ trouble: quorumLost }), dumps: missing });
  const text = renderReset(report, plain).join('\n');
  t.match(text, /^self-fenced, most likely: no quorum since 2026-11-22 19:59:25 UTC\n/);
  t.match(text, /the agent {3}it had noted: no quorum since .*; the pets end at 2026-11-22 20:00:05 UTC\n/);
  t.match(
    text,
    /watchdog {4}\/dev\/watchdog0 does not say that it has caused the last reset; not every driver would\n/,
  );
  t.match(text, /the others {2}they saw it go at 2026-11-22 20:00:03 UTC/);
  t.match(text, /what fits as well:\n {2}power-loss: .* in the last 5 s before\n?$/);
  t.match(renderHistory([report], plain), [/2026-11-22 20:00:01 UTC {2}self-fenced.*not acknowledged/]);
  const unfound = { ...report, foundMs: null };
  t.match(
    renderReset(unfound, plain)[1],
    /^ {2}last seen alive at .*, booted again at 2026-11-22 20:01:00 UTC; not ack/,
  );
  t.match(renderReset({ ...unfound, lastSeenMs: null, bootedMs: null }, plain)[1], /^ {2}not acknowledged/);
  t.match(renderHistory([{ ...unfound, lastSeenMs: null }], plain), [/^2026-11-22 20:01:00 UTC {2}self-fenced/]);
  t.match(resetWarnings([report, report]), [/this node was reset.*, and 1 times before that: self-fenced.*why --ack/]);
  t.strictSame(resetWarnings([]), []);
});

// ---- whatever stands in the files

const anyInstant = fc.oneof(
  fc.integer({ min: 0, max: 4e15 }),
  fc.integer({ min: -60_000, max: 600_000 }).map((ms) => aliveMs + ms),
);
const anyText = fc.oneof(
  fc.string({ maxLength: 400 }),
  fc.constant('\u001b[2J\u202e\n'.repeat(80)),
  fc.constant('Panic'),
);
const anyBoot = fc.constantFrom('old', 'new', 'third');
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
const finding = <T>(value: fc.Arbitrary<T>) =>
  fc.oneof(
    value.map((found) => ({ found })),
    anyText.map((text) => ({ missing: text })),
  );

const anyEnding = fc.record({
  kind: fc.constantFrom('agent', 'reboot', 'poweroff'),
  sinceMs: anyInstant,
  doneMs: maybe(anyInstant),
});
const anyEvidence: fc.Arbitrary<ResetEvidence> = fc.record({
  endedBootId: maybe(anyBoot),
  bootId: anyBoot,
  foundMs: anyInstant,
  bootedMs: maybe(anyInstant),
  notes: finding(
    fc.record({
      bootId: anyBoot,
      startedMs: anyInstant,
      aliveMs: anyInstant,
      stampMs: fc.integer({ min: 0, max: 1e10 }),
      armed: fc.boolean(),
      effectiveMs: fc.integer({ min: 0, max: 1e10 }),
      leaseMs: fc.integer({ min: 0, max: 1e10 }),
      trouble: maybe(
        fc.record({
          cause: fc.constantFrom('quorum-lost', 'pets-failed', 'declared-fenced', 'agent-stalled'),
          sinceMs: anyInstant,
          dueMs: anyInstant,
          text: anyText,
        }),
      ),
      ending: maybe(anyEnding),
    }),
  ),
  watchdog: finding(fc.record({ device: anyText, emulated: fc.boolean(), causedReset: maybe(fc.boolean()) })),
  saidBefore: fc.boolean(),
  validation: maybe(fc.record({ device: anyText, beganMs: anyInstant, mayResetUntilMs: maybe(anyInstant) })),
  dumps: finding(
    fc.array(fc.record({ kind: anyText, file: anyText, atMs: maybe(anyInstant), line: anyText }), {
      maxLength: resetLimits.dumps,
    }),
  ),
  log: finding(
    fc.record({
      source: anyText,
      lines: fc.array(fc.record({ atMs: maybe(anyInstant), text: anyText }), { maxLength: resetLimits.logLines }),
      lastMs: maybe(anyInstant),
      orderly: fc.boolean(),
      target: maybe(fc.constantFrom('reboot', 'poweroff')),
      panic: maybe(anyText),
      unheld: maybe(fc.record({ atMs: maybe(anyInstant), text: anyText })),
    }),
  ),
  peers: finding(
    fc.record({
      lostMs: maybe(anyInstant),
      fenced: maybe(
        fc.record({ proof: maybe(fc.constantFrom('takeover', 'reboot', 'operator')), atMs: maybe(anyInstant) }),
      ),
      releasedMs: maybe(anyInstant),
      backMs: maybe(anyInstant),
    }),
  ),
}) as fc.Arbitrary<ResetEvidence>;

const runs = { numRuns: 2_000 };

t.test('whatever the evidence, there is an answer, bounded and of one line each', async () => {
  fc.assert(
    fc.property(anyEvidence, (evidence) => {
      const judged = judge(evidence);
      const texts = [
        judged.summary,
        ...judged.evidence.map(({ text }) => text),
        ...judged.alternatives.map(({ why }) => why),
      ];
      const all = renderReset(reportOf(evidence), plain);
      return (
        judged.evidence.length <= resetLimits.sentences &&
        judged.alternatives.length <= 5 &&
        texts.every((text) => text.length <= 1_200 && !/\p{Cc}|\u202e/u.test(text)) &&
        all.every((line) => !line.includes('\n'))
      );
    }),
    runs,
  );
});

t.test('a mark of another boot never counts', async () => {
  fc.assert(
    fc.property(anyEvidence, anyEnding, (evidence, ending) => {
      const notes = { ...wellNotes, bootId: 'another', ending: ending as Ending };
      const marked = judge({ ...evidence, notes: { found: notes } });
      const unmarked = judge({ ...evidence, notes: { found: { ...notes, ending: null } } });
      return marked.verdict === unmarked.verdict && marked.certainty === unmarked.certainty;
    }),
    runs,
  );
  const log = { found: { ...shortLog, orderly: false } };
  fc.assert(
    fc.property(anyEvidence, (evidence) => {
      const notes = { found: { ...wellNotes, bootId: 'another', ending: gone } };
      return !judge({ ...evidence, notes, log, peers: missing, validation: null }).expected;
    }),
    runs,
  );
});

/** Instants at which something changes, of a machine with a lease of 40 s and a watchdog of 6 s. */
const turns = [
  -300_001,
  -10_001,
  -10_000,
  -1_000,
  0,
  1_000,
  5_000,
  5_001,
  16_001,
  25_000,
  35_000,
  37_499,
  37_500,
  40_001,
  60_000,
  100_000,
  100_001,
  300_001,
  640_000,
  3 * dayMs,
] as const;
const turn = fc.constantFrom(...turns).map((ms) => aliveMs + ms);
const mostly = <T>(value: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 4, arbitrary: value.map((found) => ({ found })) }, { weight: 1, arbitrary: fc.constant(missing) });
const seldom = <T>(value: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 1, arbitrary: value }, { weight: 4, arbitrary: fc.constant(null) });

/** Sources that speak, each of what it pleases. */
const spokenEvidence: fc.Arbitrary<ResetEvidence> = fc
  .record({
    notes: mostly(
      fc.record({
        armed: fc.boolean(),
        trouble: maybe(
          fc.record({ cause: fc.constantFrom('quorum-lost', 'pets-failed', 'agent-stalled'), dueMs: turn }),
        ),
        ending: maybe(
          fc.record({ kind: fc.constantFrom('agent', 'reboot', 'poweroff'), sinceMs: turn, doneMs: maybe(turn) }),
        ),
      }),
    ),
    watchdog: mostly(fc.record({ emulated: fc.boolean(), causedReset: maybe(fc.boolean()) })),
    saidBefore: fc.boolean(),
    validation: seldom(
      fc.record({ device: fc.constant('/dev/watchdog0'), beganMs: turn, mayResetUntilMs: maybe(turn) }),
    ),
    dumps: mostly(fc.array(fc.record({ kind: fc.constantFrom('Panic', 'Oops'), atMs: maybe(turn) }), { maxLength: 1 })),
    log: mostly(
      fc.record({
        lastMs: maybe(turn),
        orderly: fc.boolean(),
        target: maybe(fc.constantFrom('reboot', 'poweroff')),
        panic: seldom(fc.constant('panic')),
        unheld: seldom(turn),
      }),
    ),
    peers: mostly(fc.record({ lostMs: maybe(turn), releasedMs: seldom(turn) })),
    bootedMs: fc.option(turn, { nil: null, freq: 8 }),
  })
  .map(({ notes, watchdog, dumps, log, peers, bootedMs, ...others }) => ({
    ...plainEvidence,
    ...others,
    notes:
      'missing' in notes
        ? notes
        : {
            found: {
              ...wellNotes,
              ...notes.found,
              trouble: notes.found.trouble && { ...quorumLost, ...notes.found.trouble },
            },
          },
    // Of a boot in between nothing is known to the watchdog.
    watchdog:
      'missing' in watchdog || bootedMs === null ? missing : { found: { device: '/dev/watchdog0', ...watchdog.found } },
    dumps: 'missing' in dumps ? dumps : { found: dumps.found.map((dump) => ({ ...panicDump, ...dump })) },
    log:
      'missing' in log
        ? log
        : {
            found: {
              ...shortLog,
              ...log.found,
              unheld: log.found.unheld === null ? null : { atMs: log.found.unheld, text: '' },
            },
          },
    peers: 'missing' in peers ? peers : { found: { ...lost, ...peers.found } },
    bootedMs,
    foundMs: (bootedMs ?? aliveMs) + 20_000,
  })) as fc.Arbitrary<ResetEvidence>;

t.test('nothing is certain that can be another end as well', async (t) => {
  const certain = new Set<string>();
  fc.assert(
    fc.property(spokenEvidence, (evidence) => {
      const judged = judge(evidence);
      if (judged.certainty !== 'certain') return true;
      certain.add(`${judged.verdict} ${judged.cause ?? '-'}`);
      const fitting = [...endsThatFit(evidence)];
      return fitting.length === 1 && fitting[0] === judged.verdict && judged.alternatives.length === 0;
    }),
    { numRuns: 20_000 },
  );
  const wanted = ['kernel-panic -', 'orderly-reboot -', 'orderly-poweroff -', 'watchdog-fired validation'];
  const rarer = ['self-fenced quorum-lost', 'watchdog-fired agent-ended', 'watchdog-fired standstill'];
  for (const each of [...wanted, ...rarer]) t.ok(certain.has(each), `${each} was among them`);
});

t.test('nothing is certain that no source says', async () => {
  fc.assert(
    fc.property(anyEvidence, (evidence) => {
      const silent = { ...evidence, watchdog: missing, validation: null, dumps: missing, log: missing };
      const { certainty, alternatives } = judge(silent);
      return certainty !== 'certain' && alternatives.length > 0;
    }),
    runs,
  );
});
