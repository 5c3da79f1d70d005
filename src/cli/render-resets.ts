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

export function renderHistory(resets: readonly ResetReport[], paint: Paint): readonly string[] {
  if (resets.length === 0) return ['no reset of this node is known'];
  return resets.map((reset) => `${when(reset)}  ${headline(reset, paint)} (${stateOf(reset, paint)})`);
}

function headline({ summary, expected, certainty }: ResetReport, paint: Paint): string {
  return paint(expected ? 'good' : tones[certainty], printable(summary));
}

function when({ lastSeenMs, foundMs }: ResetReport): string {
  return instant(lastSeenMs ?? foundMs);
}

function stateOf({ lastSeenMs, foundMs, acknowledgedMs, expected }: ResetReport, paint: Paint): string {
  const seen = lastSeenMs === null ? '' : `last seen alive at ${instant(lastSeenMs)}, `;
  const back = `the agent was back at ${instant(foundMs)}`;
  if (acknowledgedMs !== null) return `${seen}${back}; acknowledged`;
  return expected ? `${seen}${back}` : `${seen}${back}; ${paint('notable', "not acknowledged ('holdfast why --ack')")}`;
}
