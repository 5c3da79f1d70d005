import type { Decision } from '../agent/control.js';
import type { Explanation, NodeVerdict } from '../core/explanation.js';
import type { Place, Preview, PreviewedMove } from '../core/preview.js';
import { type Paint, printable, type Tone, timeOf } from './render.js';

/** Why something is so, and what would become of a change. */

const verdictTones: Readonly<Record<NodeVerdict['verdict'], Tone>> = {
  here: 'good',
  best: 'good',
  possible: 'faint',
  excluded: 'notable',
};

export function renderExplanation(explanation: Explanation, paint: Paint): readonly string[] {
  const { sid, state, node, sentences, nodes } = explanation;
  return [
    `${printable(sid)}: ${printable(state)}${node === null ? '' : ` on ${printable(node)}`}`,
    ...sentences.map((sentence) => `  ${printable(sentence)}`),
    ...nodes.flatMap((each) => [
      `${printable(each.name)}: ${paint(verdictTones[each.verdict], each.verdict)}`,
      ...each.sentences.map((sentence) => `  ${printable(sentence)}`),
    ]),
  ];
}

export function renderDecision({ index, wallMs, text }: Decision, paint: Paint): string {
  return `${paint('faint', timeOf(wallMs))} ${String(index).padStart(7)}  ${printable(text)}`;
}

export function renderPreview(preview: Preview, paint: Paint): readonly string[] {
  const { before, after, moves, unplaced, warnings } = preview;
  const sids = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const changed = sids.map((sid) => `  ${printable(sid)}: ${place(before[sid])} -> ${place(after[sid])}`);
  return [
    ...(moves.length === 0 ? ['nothing would move'] : ['this would happen:', ...moves.map(moveLine)]),
    ...(changed.length === 0 ? [] : ['before and after:', ...changed]),
    ...unplaced.map(({ sid, reason }) => `${paint('bad', 'UNPLACED')} ${printable(sid)}: ${printable(reason)}`),
    ...warnings.map((warning) => `${paint('notable', 'WARNING:')} ${printable(warning)}`),
    paint('faint', 'nothing was changed (dry run)'),
  ];
}

function moveLine({ sid, from, to, how, reason }: PreviewedMove): string {
  const way = from === null || to === null ? (to ?? from ?? '') : `${from} -> ${to}`;
  return `  ${how} ${printable(sid)} ${printable(way)} (${printable(reason)})`;
}

function place(at: Place | undefined): string {
  if (at === undefined) return 'none';
  return printable(at.node === null ? at.state : `${at.node} ${at.state}`);
}
