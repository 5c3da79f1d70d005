import type { Command } from '../core/cluster-state.js';
import type { Decision } from './control.js';
import { describe } from './sentences.js';

/** A committed command as people want to read it. */
export function decisionOf(
  index: number,
  command: Command,
  wallMs: number,
  name: (nodeId: number | null) => string,
): Decision {
  const nodeId = 'nodeId' in command ? command.nodeId : null;
  return {
    index,
    wallMs,
    text: describe(command, name),
    sid: 'sid' in command ? command.sid : null,
    node: nodeId === null ? null : name(nodeId),
  };
}
