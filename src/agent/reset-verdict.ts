import { factsOf, type ResetFacts } from './reset-facts.js';
import {
  type Alternative,
  type Cause,
  type Certainty,
  type Judgement,
  type ResetEvidence,
  resetLimits,
  type Verdict,
} from './reset-record.js';
import { causeWords, instant, sentencesOf, verdictWords } from './reset-sentences.js';
import { troubledNotesMs } from './reset-times.js';

/**
 * From evidence to verdict. The first row that fits is it; what else fits stands in its alternatives, and with one of
 * those nothing is certain.
 */
interface Row {
  readonly when: (facts: ResetFacts) => boolean;
  readonly verdict: (facts: ResetFacts) => Verdict;
  readonly cause?: (facts: ResetFacts) => Cause | null;
  readonly certainty: (facts: ResetFacts) => Certainty;
  readonly alternatives: (facts: ResetFacts) => readonly Alternative[];
}

const rows: readonly Row[] = [
  {
    // The kernel's own word.
    when: ({ panic }) => panic !== null,
    verdict: () => 'kernel-panic',
    certainty: () => 'certain',
    alternatives: (facts) => (facts.panic === 'dated' ? [] : [oldDump(facts)]),
  },
  {
    when: ({ validated }) => validated,
    verdict: () => 'watchdog-fired',
    cause: () => 'validation',
    certainty: () => 'certain',
    alternatives: (facts) => unfired(facts, 'power may have failed just when the reset was due'),
  },
  {
    // The agent has ended for a shutdown of this machine.
    when: wentDown,
    verdict: orderly,
    certainty: ({ stayedUp }) => (stayedUp ? 'open' : 'certain'),
    alternatives: (facts) => [
      ...(facts.logOrderly ? [] : [powerLoss('it may have lost power after the agent had ended')]),
      ...otherEnd(facts),
      ...hungShutdown(facts),
    ],
  },
  {
    when: ({ logOrderly }) => logOrderly,
    verdict: orderly,
    certainty: () => 'certain',
    alternatives: (facts) => [...otherEnd(facts), ...unended(facts), ...hungShutdown(facts), ...whileGoingDown(facts)],
  },
  {
    when: ({ released, fired }) => released && !fired,
    verdict: orderly,
    certainty: () => 'likely',
    alternatives: (facts) => [
      powerLoss('it may have lost power after it had told the others that it goes down'),
      ...otherEnd(facts),
    ],
  },
  {
    when: ({ lapsed }) => lapsed !== null,
    verdict: ({ lapsed }) => (lapsed?.cause === 'pets-failed' ? 'watchdog-fired' : 'self-fenced'),
    cause: ({ lapsed }) => lapsed?.cause ?? null,
    certainty: () => 'certain',
    alternatives: (facts) => [
      ...unfired(facts, `power may have failed ${beforeTheEnd(facts)}`),
      ...hungBeforeTheEnd(facts),
    ],
  },
  {
    // Nobody pets for an agent that was ended over what runs.
    when: ({ leftCounting }) => leftCounting,
    verdict: () => 'watchdog-fired',
    cause: () => 'agent-ended',
    certainty: ({ causedReset }) => (causedReset === false ? 'open' : 'certain'),
    alternatives: (facts) => [
      ...unfired(facts, 'power may have failed after the agent had ended'),
      ...(facts.fired ? [] : [unmarkedReboot]),
      ...(facts.fired && !facts.leftBackSoon ? [laterHang] : []),
    ],
  },
  {
    when: ({ underValidation, validationBackSoon, validationLeft, causedReset }) =>
      underValidation && validationBackSoon && (validationLeft || causedReset === true),
    verdict: () => 'watchdog-fired',
    cause: () => 'validation',
    certainty: () => 'likely',
    alternatives: (facts) => [...unfired(facts, 'power may have failed before it did'), ...unseenPanic(facts)],
  },
  {
    when: ({ causedReset }) => causedReset === true,
    verdict: () => 'watchdog-fired',
    cause: standstillCause,
    certainty: ({ armed }) => (armed ? 'certain' : 'likely'),
    alternatives: (facts) => [...unfired(facts, 'power may have failed'), ...unkeptNotes(facts), ...unseenPanic(facts)],
  },
  {
    // The keeper's own reset leaves no trace in the device; the thread that notes a hang hung with the process.
    when: ({ armed, agentFellSilent }) => armed && agentFellSilent,
    verdict: () => 'self-fenced',
    cause: () => 'agent-hung',
    certainty: () => 'likely',
    alternatives: (facts) => [
      powerLoss('it may have lost power while the agent hung'),
      ...unreadWatchdog(facts),
      ...unseenPanic(facts),
    ],
  },
  {
    when: ({ notes, ending }) => notes !== null && ending?.kind !== 'agent',
    verdict: () => 'power-loss',
    certainty: ({ allAsked, armed, emulated, underValidation }) =>
      allAsked && (!armed || emulated) && !underValidation ? 'likely' : 'open',
    alternatives: (facts) => [
      ...unreadWatchdog(facts),
      ...untoldValidation(facts),
      ...unkeptNotes(facts),
      ...unseenPanic(facts),
    ],
  },
];

const unknown: Row = {
  when: () => true,
  verdict: () => 'unknown',
  certainty: () => 'open',
  alternatives: (facts) => [
    unmarkedReboot,
    powerLoss('nothing tells that it went down in order'),
    ...unreadWatchdog(facts),
    ...untoldValidation(facts),
    ...unseenPanic(facts),
  ],
};

function wentDown({ ending }: ResetFacts): boolean {
  return ending !== null && ending.kind !== 'agent' && ending.doneMs !== null;
}

type ShutdownKind = 'reboot' | 'poweroff' | null;

function kindByAgent({ ending }: ResetFacts): ShutdownKind {
  return ending === null || ending.kind === 'agent' ? null : ending.kind;
}

function kindByLog({ logOrderly, logTarget }: ResetFacts): ShutdownKind {
  return logOrderly ? logTarget : null;
}

/** What systemd came to is later than what the agent was told. */
function orderly(facts: ResetFacts): Verdict {
  return (kindByLog(facts) ?? kindByAgent(facts)) === 'poweroff' ? 'orderly-poweroff' : 'orderly-reboot';
}

function otherEnd(facts: ResetFacts): readonly Alternative[] {
  const byLog = kindByLog(facts);
  const byAgent = kindByAgent(facts);
  if (byLog === null && byAgent === null)
    return [{ verdict: 'orderly-poweroff', why: 'nothing tells whether it was to boot again' }];
  if (byLog === null || byAgent === null || byLog === byAgent) return [];
  return [{ verdict: `orderly-${byAgent}`, why: `the agent was told that it was to be a ${byAgent}` }];
}

function standstillCause({ armed, notes, agentFellSilent }: ResetFacts): Cause | null {
  if (notes === null) return null;
  if (!armed) return 'not-armed-by-us';
  return agentFellSilent ? 'agent-hung' : 'standstill';
}

function powerLoss(why: string): Alternative {
  return { verdict: 'power-loss', why };
}

const unmarkedReboot: Alternative = {
  verdict: 'orderly-reboot',
  why: 'it may have gone down in order without the agent or a log that says so',
};

function oldDump({ causedReset }: ResetFacts): Alternative {
  const other = causedReset === true ? 'watchdog-fired' : 'unknown';
  return { verdict: other, why: 'the dump has no time that fits, and may be of another boot' };
}

/** A shutdown that hangs is ended by whatever watchdog runs. */
function hungShutdown({ causedReset, armed, underValidation, emulated }: ResetFacts): readonly Alternative[] {
  if (causedReset === true) {
    return [{ verdict: 'watchdog-fired', why: 'the watchdog says that it has fired: the shutdown may have hung' }];
  }
  if (!(armed || underValidation) || (causedReset === false && emulated)) return [];
  const why = `the watchdog ${armed ? 'was' : 'may have been'} left armed, and ${causedReset === null ? 'cannot tell whether' : 'not every driver says that'} it has fired`;
  return [{ verdict: 'watchdog-fired', why }];
}

/** A machine that goes down in order ends its agent first. */
function isUnended({ armed, ending }: ResetFacts): boolean {
  return armed && ending === null;
}

function unended(facts: ResetFacts): readonly Alternative[] {
  return isUnended(facts) ? [powerLoss('the agent had not been ended: only the log may have been')] : [];
}

function whileGoingDown({ lapsed }: ResetFacts): readonly Alternative[] {
  if (lapsed === null) return [];
  return [{ verdict: 'self-fenced', why: 'its lease was running out while it went down' }];
}

function beforeTheEnd({ lapseUnseenMs }: ResetFacts): string {
  return lapseUnseenMs === 0 ? 'at that moment' : `in the last ${Math.ceil(lapseUnseenMs / 1_000)} s before`;
}

/** The machine's own reset leaves no word in the watchdog: one that says that it has fired may speak of a hang. */
function hungBeforeTheEnd(facts: ResetFacts): readonly Alternative[] {
  if (facts.lapseUnseenMs > troubledNotesMs)
    return [{ verdict: 'watchdog-fired', why: `the machine may have hung ${beforeTheEnd(facts)}` }];
  return facts.fired && !facts.lapseBackSoon ? [laterHang] : [];
}

/** Some time without notes lies between them and the boot. */
const laterHang: Alternative = {
  verdict: 'watchdog-fired',
  why: 'it is not known to have booted soon after, and may have lived on without notes until it hung',
};

/** What the watchdog's word leaves open; it may have none. */
function unfired({ causedReset, fired, staleWord }: ResetFacts, why: string): readonly Alternative[] {
  if (fired) return [];
  const said = staleWord
    ? 'the watchdog said that it had fired before that boot, too'
    : `the watchdog ${causedReset === null ? 'cannot tell whether' : 'does not say that'} it has fired`;
  return [powerLoss(`${said}, and ${why}`)];
}

function unreadWatchdog({ armed, causedReset, emulated }: ResetFacts): readonly Alternative[] {
  if (!armed || causedReset === true || (causedReset === false && emulated)) return [];
  const why =
    causedReset === null
      ? 'it was armed, and nothing tells whether it has fired'
      : 'it was armed, and not every driver says that it has fired';
  return [{ verdict: 'watchdog-fired', why }];
}

/** It may as well have been disarmed. */
function untoldValidation({ underValidation }: ResetFacts): readonly Alternative[] {
  if (!underValidation) return [];
  return [{ verdict: 'watchdog-fired', why: 'an unfinished validation had armed it, and may have left it counting' }];
}

function unkeptNotes({ armed, leaseOutlasted }: ResetFacts): readonly Alternative[] {
  if (!armed || leaseOutlasted) return [];
  return [{ verdict: 'self-fenced', why: 'a disk that takes no writes keeps no notes of a lease that ends' }];
}

function unseenPanic({ dumpsSeen }: ResetFacts): readonly Alternative[] {
  if (dumpsSeen) return [];
  return [{ verdict: 'kernel-panic', why: 'nothing here keeps what the kernel says as it dies' }];
}

/** Never throws, whatever is missing, damaged or made up. */
export function judge(evidence: ResetEvidence): Judgement {
  const facts = factsOf(evidence);
  const row = rows.find(({ when }) => when(facts)) ?? unknown;
  const verdict = row.verdict(facts);
  const cause = row.cause?.(facts) ?? null;
  const alternatives = row.alternatives(facts);
  const claimed = row.certainty(facts);
  const certainty = claimed === 'certain' && alternatives.length > 0 ? 'likely' : claimed;
  return {
    verdict,
    cause,
    certainty,
    summary: summaryOf(verdict, cause, certainty, facts),
    evidence: sentencesOf(evidence, facts).slice(0, resetLimits.sentences),
    alternatives,
    expected: isExpected(verdict, cause, facts),
    lastSeenMs: facts.lastSeenMs,
  };
}

/** Of an unfinished validation somebody should know: nothing is validated. */
function isExpected(verdict: Verdict, cause: Cause | null, { validated }: ResetFacts): boolean {
  return (validated && cause === 'validation') || verdict === 'orderly-reboot' || verdict === 'orderly-poweroff';
}

function summaryOf(verdict: Verdict, cause: Cause | null, certainty: Certainty, { lapsed }: ResetFacts): string {
  const since = lapsed === null || cause !== lapsed.cause ? '' : ` since ${instant(lapsed.sinceMs)}`;
  const why = cause === null ? '' : `: ${causeWords[cause]}${since}`;
  const doubt = { certain: '', likely: ', most likely', open: ', perhaps' }[certainty];
  return `${verdictWords[verdict]}${verdict === 'unknown' ? '' : doubt}${why}`;
}
