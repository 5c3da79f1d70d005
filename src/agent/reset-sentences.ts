import { notesOf, type ResetFacts } from './reset-facts.js';
import {
  type BootNotes,
  type Cause,
  type Ending,
  type EvidenceSentence,
  oneLine,
  type PeersView,
  type ResetEvidence,
  type ResetReport,
  type Trouble,
  type Verdict,
} from './reset-record.js';

/** The evidence of a reset, as people read it. */

export const verdictWords: Readonly<Record<Verdict, string>> = {
  'self-fenced': 'self-fenced',
  'watchdog-fired': 'the watchdog fired',
  'kernel-panic': 'kernel panic',
  'orderly-reboot': 'orderly reboot',
  'orderly-poweroff': 'orderly power-off',
  'power-loss': 'power loss, or a reset from outside',
  unknown: 'unknown',
};

export const causeWords: Readonly<Record<Cause, string>> = {
  'quorum-lost': 'no quorum',
  'corosync-stopped': 'corosync did not run',
  'corosync-silent': 'corosync delivered nothing',
  'not-echoed': 'too few nodes echoed its heartbeats',
  'agent-failed': 'the agent had failed',
  'agent-stalled': 'the agent had stood still',
  'declared-fenced': 'the others had declared it fenced',
  'pets-failed': 'the watchdog did not take the pets',
  'restarted-without-lease': 'the agent was started again and got no lease',
  'agent-hung': 'the agent hung or was gone, on a machine that went on',
  standstill: 'the agent hung or was gone, or the whole machine stood still',
  'agent-ended': 'the agent had been ended, and was not started again',
  'not-armed-by-us': 'it was not armed by this agent',
  validation: 'it was being validated',
};

/** As UTC, to be compared with other nodes' logs. */
export function instant(ms: number): string {
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return 'an unknown time';
  return `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** What a status says until somebody has acknowledged it; newest first. */
export function resetWarnings([newest, ...others]: readonly ResetReport[]): readonly string[] {
  if (newest === undefined) return [];
  const when = newest.lastSeenMs === null ? '' : `, after ${instant(newest.lastSeenMs)}`;
  const more = others.length === 0 ? '' : `, and ${others.length} times before that`;
  return [
    `this node was reset${when}${more}: ${newest.summary}; 'holdfast why' has the evidence, 'holdfast why --ack' says that it was seen`,
  ];
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}

export function sentencesOf(evidence: ResetEvidence, facts: ResetFacts): readonly EvidenceSentence[] {
  return [
    ...agentSays(evidence, facts).map((text) => ({ source: 'agent', text }) as const),
    { source: 'watchdog', text: watchdogSays(evidence) },
    ...validationSays(evidence).map((text) => ({ source: 'watchdog', text }) as const),
    ...dumpsSay(evidence).map((text) => ({ source: 'pstore', text }) as const),
    ...logSays(evidence, facts).map((text) => ({ source: 'log', text }) as const),
    ...peersSay(evidence).map((text) => ({ source: 'peers', text }) as const),
    { source: 'clock', text: clockSays(evidence, facts) },
  ];
}

function agentSays(evidence: ResetEvidence, { lapsed, agentFellSilent, notesUnkept }: ResetFacts): readonly string[] {
  if ('missing' in evidence.notes)
    return [`the agent of that boot has left nothing: ${oneLine(evidence.notes.missing)}`];
  const notes = notesOf(evidence);
  if (notes === null) return ['what the agent has left is of another boot, and says nothing of the end of this one'];
  const silent = agentFellSilent
    ? [`the agent was silent from then on, though it writes every ${seconds(notes.stampMs)} while it is well`]
    : [];
  const unkept = notesUnkept
    ? ['its notes were not kept to the end: the log goes on for longer than a machine lives whose agent hangs']
    : [];
  return [
    aliveSentence(notes),
    ...troubleSays(notes.trouble, lapsed),
    ...endingSays(notes.ending),
    ...silent,
    ...unkept,
  ];
}

function aliveSentence({ aliveMs, armed, trouble, ending }: BootNotes): string {
  const how = trouble !== null ? '' : ' and well';
  const watch = armed ? ', its watchdog armed' : ', no watchdog armed';
  return ending?.doneMs != null
    ? `the agent last wrote at ${instant(aliveMs)}${watch}`
    : `the agent was last known alive${how} at ${instant(aliveMs)}${watch}`;
}

function troubleSays(trouble: Trouble | null, lapsed: Trouble | null): readonly string[] {
  if (trouble === null) return ['it had noted nothing that would have had it reset'];
  const told = trouble.text === '' ? '' : ` (${oneLine(trouble.text)})`;
  const first = `it had noted: ${causeWords[trouble.cause]} since ${instant(trouble.sinceMs)}${told}; the pets end at ${instant(trouble.dueMs)}`;
  return lapsed === null
    ? [first, 'that time is not when the machine went: it was gone before, or lived on after']
    : [first];
}

function endingSays(ending: Ending | null): readonly string[] {
  if (ending === null) return [];
  const what = ending.kind === 'agent' ? 'the agent alone was ended' : `a ${ending.kind} of this machine was begun`;
  const done =
    ending.doneMs === null
      ? 'the agent had not ended when it last wrote'
      : `the agent had ended at ${instant(ending.doneMs)}`;
  return [`${what} at ${instant(ending.sinceMs)}, and ${done}`];
}

function watchdogSays({ watchdog, saidBefore }: ResetEvidence): string {
  if ('missing' in watchdog) return `the watchdog cannot tell whether it has fired: ${oneLine(watchdog.missing)}`;
  const { device, emulated, causedReset } = watchdog.found;
  const name = `${oneLine(device)}${emulated ? ' (emulated)' : ''}`;
  if (causedReset === null) return `${name} does not tell whether it has fired`;
  const before =
    saidBefore && !emulated
      ? ', but it said so before that boot, too, and nothing shows that this was cleared since'
      : '';
  return causedReset
    ? `${name} says that it has caused the last reset${before}`
    : `${name} does not say that it has caused the last reset; not every driver would`;
}

function validationSays({ validation }: ResetEvidence): readonly string[] {
  if (validation === null) return [];
  const { device, beganMs, mayResetUntilMs } = validation;
  const its = `the validation of ${oneLine(device)} that began at ${instant(beganMs)}`;
  return mayResetUntilMs === null
    ? [`${its} was to reset this machine, and has`]
    : [`${its} had armed it, and is unfinished: until ${instant(mayResetUntilMs)} it may have reset this machine`];
}

function dumpsSay({ dumps }: ResetEvidence): readonly string[] {
  if ('missing' in dumps) return [`no dump of the kernel could be looked for: ${oneLine(dumps.missing)}`];
  if (dumps.found.length === 0) return ['the kernel has left no dump'];
  return dumps.found.map(({ kind, file, atMs, line }) => {
    const when = atMs === null ? 'of unknown time' : `of ${instant(atMs)}`;
    const what = kind === '' ? 'a dump' : `a dump (${oneLine(kind)})`;
    return `${what} ${when} in ${oneLine(file)}${line === '' ? '' : `: ${oneLine(line)}`}`;
  });
}

function at(ms: number | null): string {
  return ms === null ? '' : ` at ${instant(ms)}`;
}

function logSays({ log }: ResetEvidence, { stayedUp }: ResetFacts): readonly string[] {
  if ('missing' in log) return [`no log of that boot: ${oneLine(log.missing)}`];
  const { source, lastMs, orderly, panic, unheld } = log.found;
  const end = lastMs === null ? 'has no times' : `ends at ${instant(lastMs)}`;
  const how = orderly ? ' as that of a machine that goes down in order' : ' without a shutdown';
  return [
    `the log of that boot (${oneLine(source)}) ${end}${how}`,
    ...(panic === null ? [] : [`the kernel wrote there: ${oneLine(panic)}`]),
    ...(unheld === null
      ? []
      : [`the kernel wrote there${at(unheld.atMs)}, of a watchdog without a holder: ${oneLine(unheld.text)}`]),
    ...(stayedUp ? ['it went on for long after the agent had ended, so the machine did not go down then'] : []),
  ];
}

function peersSay({ peers }: ResetEvidence): readonly string[] {
  if ('missing' in peers) return [`the other nodes' view is missing: ${oneLine(peers.missing)}`];
  const { lostMs, releasedMs, backMs } = peers.found;
  const said = [
    ...(releasedMs === null ? [] : [`they were told at ${instant(releasedMs)} that it goes down with nothing running`]),
    ...(lostMs === null ? [] : [`they saw it go at ${instant(lostMs)}, by their leader's clock`]),
    ...fencedSays(peers.found),
    ...(backMs === null ? [] : [`they saw it back at ${instant(backMs)}`]),
  ];
  return said.length === 0 ? ['the replicated log holds nothing of its end'] : said;
}

const proofs = {
  takeover: 'after the takeover time, as one that its watchdog has reset',
  reboot: 'when it came back with another boot id',
  operator: 'on the word of an operator',
} as const;

function fencedSays({ fenced }: PeersView): readonly string[] {
  if (fenced === null) return [];
  const when = fenced.atMs === null ? '' : ` at ${instant(fenced.atMs)}`;
  return [`they declared that boot fenced${when}${fenced.proof === null ? '' : `, ${proofs[fenced.proof]}`}`];
}

function clockSays(evidence: ResetEvidence, { bootedMs }: ResetFacts): string {
  const { endedBootId, bootId } = evidence;
  const ids = `the kernel's boot id was ${oneLine(endedBootId ?? 'unknown')} and is ${oneLine(bootId)}`;
  if (bootedMs !== null) return `${ids}; it booted at ${instant(bootedMs)}`;
  const why = evidence.bootedMs === null ? 'another boot lies in between' : 'the clocks contradict each other';
  return `${ids}; when it booted is not known, for ${why}`;
}
