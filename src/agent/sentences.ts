import type { Command } from '../core/cluster-state.js';

/** What a committed command means, in a sentence. */
export function describe(command: Command, name: (nodeId: number | null) => string): string {
  switch (command.type) {
    case 'resource-add':
      return `${command.sid} added (${command.agent})`;
    case 'resource-set':
      return `${command.sid} changed`;
    case 'resource-remove':
      return `${command.sid} is being removed`;
    case 'node-up':
      return `${command.name} is online`;
    case 'node-state':
      return command.state === 'unknown'
        ? `${name(command.nodeId)} is out of reach`
        : `${name(command.nodeId)} is lost and cannot keep what it ran: waiting for the proof that it was reset`;
    case 'node-fenced':
      return command.proof === 'takeover'
        ? `${name(command.nodeId)} is fenced: its watchdog has reset it`
        : `${name(command.nodeId)} has rebooted: nothing of its earlier boot runs any more`;
    case 'service-state':
      return `${command.sid}: ${command.state}${command.nodeId === null ? '' : ` on ${name(command.nodeId)}`} (${command.reason})`;
    case 'service-running':
      return `${command.sid} runs where it was started`;
    case 'service-forget':
      return `${command.sid} is removed`;
  }
}

/** The scalar fields of a command, for the log line. */
export function flat(command: Command): Record<string, string | number | boolean | null> {
  const scalars = Object.entries(command).filter(
    (pair): pair is [string, string | number | boolean | null] => pair[1] === null || typeof pair[1] !== 'object',
  );
  return Object.fromEntries(scalars.filter(([key]) => key !== 'type'));
}
