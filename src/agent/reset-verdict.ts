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

/** From evidence to verdict. The first row that fits is it; what else fits stands in its alternatives. */
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
    certainty: ({ panic }) => (panic === 'dated' ? 'certain' : 'likely'),
    alternatives: (facts) => (facts.panic === 'dated' ? [] : [oldDump(facts)]),
  },
  {
    when: ({ validated }) => validated,
    verdict: () => 'watchdog-fired',
    cause: () => 'validation',
    certainty: () => 'certain',
    alternatives: () => [],
  },
  {
    // The agent has ended for a shutdown of this machine.
    when: wentDown,
    verdict: orderly,
    certainty: (facts) => {
      if (facts.stayedUp) return 'open';
      return facts.logOrderly && facts.causedReset !== true ? 'certain' : 'likely';
    },
    alternatives: (facts) =>
      (facts.logOrderly ? [] : [powerLoss('it may have lost power after the agent had ended')]).concat(
        hungShutdown(facts),
      ),
  },
  {
    when: ({ logOrderly }) => logOrderly,
    verdict: orderly,
    certainty: (facts) =>
      facts.lapsed === null && facts.causedReset !== true && !isUnended(facts) ? 'certain' : 'likely',
    alternatives: (facts) => [...unended(facts), ...hungShutdown(facts), ...whileGoingDown(facts)],
  },
  {
    when: ({ released, causedReset }) => released && causedReset !== true,
    verdict: orderly,
    certainty: () => 'likely',
    alternatives: () => [powerLoss('it may have lost power after it had told the others that it goes down')],
  },
  {
    when: ({ lapsed }) => lapsed !== null,
    verdict: ({ lapsed }) => (lapsed?.cause === 'pets-failed' ? 'watchdog-fired' : 'self-fenced'),
    cause: ({ lapsed }) => lapsed?.cause ?? null,
    certainty: ({ causedReset }) => (causedReset === true ? 'certain' : 'likely'),
    alternatives: (facts) => (facts.causedReset === true ? [] : [beforeTheEnd(facts)]),
  },
  {
    // Nobody pets for an agent that was ended over what runs.
    when: ({ armed, ending, leftCounting }) =>
      leftCounting || (armed && ending?.kind === 'agent' && ending.doneMs !== null),
    verdict: () => 'watchdog-fired',
    cause: () => 'agent-ended',
    certainty: ({ causedReset }) => (causedReset === true ? 'certain' : causedReset === null ? 'likely' : 'open'),
    alternatives: (facts) =>
      facts.causedReset === true ? [] : [powerLoss('the watchdog does not say that it has fired'), unmarkedReboot],
  },
  {
    when: ({ causedReset }) => causedReset === true,
    verdict: () => 'watchdog-fired',
    cause: standstillCause,
    certainty: ({ armed, agentFellSilent, leaseOutlasted }) =>
      armed && (agentFellSilent || leaseOutlasted) ? 'certain' : 'likely',
    alternatives: (facts) => [...(facts.agentFellSilent ? [] : unkeptNotes(facts)), ...unseenPanic(facts)],
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
    certainty: ({ allAsked, armed, emulated }) => (allAsked && (!armed || emulated) ? 'likely' : 'open'),
    alternatives: (facts) => [...unreadWatchdog(facts), ...unkeptNotes(facts), ...unseenPanic(facts)],
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
    ...unseenPanic(facts),
  ],
};

function wentDown({ ending }: ResetFacts): boolean {
  return ending !== null && ending.kind !== 'agent' && ending.doneMs !== null;
}

function orderly({ ending }: ResetFacts): Verdict {
  return ending?.kind === 'poweroff' ? 'orderly-poweroff' : 'orderly-reboot';
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
  return { verdict: other, why: 'the dump has no time that fits, and may be of an earlier boot' };
}

/** A shutdown that hangs is ended by whatever watchdog runs. */
function hungShutdown({ causedReset, armed }: ResetFacts): readonly Alternative[] {
  if (causedReset === true) {
    return [{ verdict: 'watchdog-fired', why: 'the watchdog says that it has fired: the shutdown may have hung' }];
  }
  if (!armed || causedReset === false) return [];
  return [{ verdict: 'watchdog-fired', why: 'the watchdog was left armed, and cannot tell whether it has fired' }];
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

function beforeTheEnd({ lapsed, notes }: ResetFacts): Alternative {
  const aliveMs = notes?.aliveMs ?? 0;
  const restMs = Math.max(0, (lapsed?.dueMs ?? 0) - aliveMs);
  const rest = restMs === 0 ? 'at that moment' : `in the last ${Math.ceil(restMs / 1_000)} s before`;
  return powerLoss(`the watchdog does not say that it has fired, and power may have failed ${rest}`);
}

function unreadWatchdog({ armed, causedReset, emulated }: ResetFacts): readonly Alternative[] {
  if (!armed || causedReset === true || (causedReset === false && emulated)) return [];
  const why =
    causedReset === null
      ? 'it was armed, and nothing tells whether it has fired'
      : 'it was armed, and not every driver says that it has fired';
  return [{ verdict: 'watchdog-fired', why }];
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
  const certainty = row.certainty(facts);
  return {
    verdict,
    cause,
    certainty,
    summary: summaryOf(verdict, cause, certainty, facts),
    evidence: sentencesOf(evidence, facts).slice(0, resetLimits.sentences),
    alternatives: row.alternatives(facts),
    expected: cause === 'validation' || verdict === 'orderly-reboot' || verdict === 'orderly-poweroff',
    lastSeenMs: facts.lastSeenMs,
  };
}

function summaryOf(verdict: Verdict, cause: Cause | null, certainty: Certainty, { lapsed }: ResetFacts): string {
  const since = lapsed === null || cause !== lapsed.cause ? '' : ` since ${instant(lapsed.sinceMs)}`;
  const why = cause === null ? '' : `: ${causeWords[cause]}${since}`;
  const doubt = { certain: '', likely: ', most likely', open: ', perhaps' }[certainty];
  return `${verdictWords[verdict]}${verdict === 'unknown' ? '' : doubt}${why}`;
}
