import type { Command } from '../core/cluster-state.js';
import { fingerprint } from '../core/electorate.js';

type Name = (nodeId: number | null) => string;

/** What a committed command means, in a sentence. */
export function describe(command: Command, name: Name): string {
  switch (command.type) {
    case 'resource-add':
      return `${command.sid} added${command.agent === '' ? '' : ` (${command.agent})`}`;
    case 'resource-set':
      return `${command.sid} changed (${[...Object.keys(command.changes), ...command.unset].join(', ')})`;
    case 'resource-remove':
      return `${command.sid} is being removed${command.purge ? ', also from rules and dependencies' : ''}`;
    case 'resource-stop':
      return `${command.sid} is to be stopped${stopWithin(command.timeoutS)}`;
    case 'resource-move':
      return `${command.sid} is to be moved to ${name(command.nodeId)} (${command.kind})`;
    case 'group-set':
      return `group ${command.group.name} ${command.mode === 'add' ? 'added' : 'changed'}`;
    case 'group-remove':
      return `group ${command.name} removed`;
    case 'rule-set':
      return `rule ${command.rule.id} ${command.mode === 'add' ? 'added' : 'changed'}`;
    case 'rule-remove':
      return `rule ${command.id} removed`;
    case 'options-set':
      return `options changed: ${Object.entries(command.changes)
        .map(([option, value]) => `${option} ${value}`)
        .join(', ')}`;
    case 'disarm':
      return `the cluster is being disarmed (${command.mode}): nothing is fenced or recovered from now on`;
    case 'electorate':
      return command.electorate.former
        ? `votes are changing to ${fingerprint(command.electorate)}`
        : `votes: ${fingerprint(command.electorate)}`;
    case 'disarmed':
      return 'the cluster is disarmed';
    case 'arm':
      return 'the cluster is armed again';
    case 'service-state':
    case 'service-order-dropped':
    case 'service-found':
    case 'service-running':
    case 'service-forget':
      return describeService(command, name);
    default:
      return describeNode(command, name);
  }
}

function stopWithin(timeoutS: number | null): string {
  if (timeoutS === null) return '';
  return timeoutS === 0 ? ' at once, by force' : ` within ${timeoutS} s`;
}

function describeService(command: Extract<Command, { type: `service-${string}` }>, name: Name): string {
  switch (command.type) {
    case 'service-state': {
      const on = command.nodeId === null ? '' : ` on ${name(command.nodeId)}`;
      const to = command.targetId === null ? '' : ` to ${name(command.targetId)}`;
      return `${command.sid}: ${command.state}${on}${to} (${command.reason})`;
    }
    case 'service-order-dropped':
      return `${command.sid} is not moved as asked for: ${command.reason}`;
    case 'service-found':
      return `${command.sid} was found running on ${name(command.nodeId)}, which is not protected yet: it is started nowhere else`;
    case 'service-running':
      return `${command.sid}: its start has succeeded`;
    case 'service-forget':
      return `${command.sid} is removed`;
  }
}

function describeNode(command: Extract<Command, { type: `node-${string}` }>, name: Name): string {
  switch (command.type) {
    case 'node-up':
      return `${command.name} is online`;
    case 'node-state':
      return `${name(command.nodeId)} ${becomes[command.state]}`;
    case 'node-fenced':
      return `${name(command.nodeId)} ${proofs[command.proof]}`;
    case 'node-released':
      return `${name(command.nodeId)} has shut down with nothing running`;
    case 'node-protected':
      return `${name(command.nodeId)} has its watchdog armed again`;
    case 'node-forget':
      return `${name(command.nodeId)} is forgotten`;
    case 'node-maintenance':
      return `${name(command.nodeId)} ${command.enabled ? 'goes into maintenance' : 'is not in maintenance any more'}`;
  }
}

const becomes = {
  unknown: 'is out of reach',
  fence: 'is lost and cannot keep what it ran: waiting for the proof that it was reset',
  gone: 'is not in the list of nodes any more',
} as const;

const proofs = {
  takeover: 'is fenced: its watchdog has reset it',
  reboot: 'has rebooted: nothing of its earlier boot runs any more',
  operator: 'is off, as the operator has confirmed: nothing runs there any more',
} as const;

/** The scalar fields of a command, for the log line. */
export function flat(command: Command): Record<string, string | number | boolean | null> {
  const scalars = Object.entries(command).filter(
    (pair): pair is [string, string | number | boolean | null] => pair[1] === null || typeof pair[1] !== 'object',
  );
  return Object.fromEntries(scalars.filter(([key]) => key !== 'type'));
}
