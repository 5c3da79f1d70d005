import type { Certainty, EvidenceSentence, ResetReport } from '../agent/reset-record.js';
import { instant } from '../agent/reset-sentences.js';
import { type Paint, printable, type Tone } from './render.js';

/** Why this node was reset. */

const tones: Readonly<Record<Certainty, Tone>> = { certain: 'bad', likely: 'bad', open: 'notable' };

const sources: Readonly<Record<EvidenceSentence['source'], string>> = {
  agent: 'the agent',
  watchdog: 'watchdog',
  pstore: 'pstore',
  log: 'the log',
  peers: 'the others',
  clock: 'this boot',
};

export function renderReset(reset: ResetReport, paint: Paint): readonly string[] {
  const { evidence, alternatives, lastLines } = reset;
  return [
    headline(reset, paint),
    `  ${stateOf(reset, paint)}`,
    'evidence:',
    ...evidence.map(({ source, text }) => `  ${sources[source].padEnd(10)}  ${printable(text)}`),
    ...(alternatives.length === 0 ? [] : ['what fits as well:']),
    ...alternatives.map((each) => `  ${each.verdict}: ${printable(each.why)}`),
    ...(lastLines.length === 0 ? [] : ['the last lines of its log:']),
    ...lastLines.map(({ atMs, text }) => `  ${paint('faint', atMs === null ? '' : instant(atMs))} ${printable(text)}`),
  ];
}

/** @param incomplete what was kept of earlier resets could not be read */
export function noneKnown(incomplete: boolean): string {
  return incomplete
    ? 'whether this node was reset is not known, for its history could not be read'
    : 'no reset of this node is known';
}

export function renderHistory(resets: readonly ResetReport[], paint: Paint): readonly string[] {
  return resets.map((reset) => `${when(reset)}  ${headline(reset, paint)} (${stateOf(reset, paint)})`);
}

function headline({ summary, expected, certainty }: ResetReport, paint: Paint): string {
  return paint(expected ? 'good' : tones[certainty], printable(summary));
}

function when({ lastSeenMs, foundMs, bootedMs }: ResetReport): string {
  const ms = lastSeenMs ?? foundMs ?? bootedMs;
  return ms === null ? 'at an unknown time' : instant(ms);
}

function stateOf(reset: ResetReport, paint: Paint): string {
  return [timesOf(reset).join(', '), seenBySomebody(reset, paint)].filter((each) => each !== '').join('; ');
}

function seenBySomebody({ acknowledgedMs, expected }: ResetReport, paint: Paint): string {
  if (acknowledgedMs !== null) return 'acknowledged';
  return expected ? '' : paint('notable', "not acknowledged ('holdfast why --ack')");
}

function timesOf({ lastSeenMs, foundMs, bootedMs }: ResetReport): readonly string[] {
  const seen = lastSeenMs === null ? [] : [`last seen alive at ${instant(lastSeenMs)}`];
  if (foundMs !== null) return [...seen, `the agent was back at ${instant(foundMs)}`];
  return bootedMs === null ? seen : [...seen, `booted again at ${instant(bootedMs)}`];
}
