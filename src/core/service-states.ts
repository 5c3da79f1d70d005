/** The states of a service and the one table of the transitions between them. */

export type ServiceState =
  /** To be started as soon as a node is found for it; runs nowhere. */
  | 'request_start'
  /** As request_start, on another node than the one it was on: starting was the moment to spread the load. */
  | 'request_start_balance'
  /** Belongs on its node, which starts it and keeps it running. */
  | 'started'
  /** Its node is to stop it. */
  | 'request_stop'
  /** Runs nowhere. */
  | 'stopped'
  /** Its node moves it to its target without stopping it: may run on either. */
  | 'migrate'
  /** Its node is to stop it, for it is to be started on its target. */
  | 'relocate'
  /** Its node is out of reach and may still run it. */
  | 'fence'
  /** Its node was proved dead; to be started elsewhere. */
  | 'recovery'
  /** Its node reboots, or the cluster is disarmed: left as it is on its node, for a time. */
  | 'freeze'
  /** Start or stop failed; nobody touches it until the operator does. May be running on its node. */
  | 'error'
  /** Not looked after, by request; where it runs, if it does, is not known. */
  | 'ignored';

const transitions: Readonly<Record<ServiceState, readonly ServiceState[]>> = {
  request_start: ['request_start_balance', 'started', 'stopped', 'ignored'],
  request_start_balance: ['request_start', 'started', 'stopped', 'ignored'],
  // To itself: another attempt on the same node.
  started: ['started', 'request_stop', 'migrate', 'relocate', 'fence', 'freeze', 'error', 'ignored'],
  request_stop: ['stopped', 'fence', 'freeze', 'error', 'ignored'],
  // To request_stop: it was found running.
  stopped: ['stopped', 'request_start', 'request_stop', 'ignored'],
  migrate: ['started', 'request_stop', 'fence', 'recovery'],
  relocate: ['started', 'request_start', 'stopped', 'fence', 'error'],
  fence: ['started', 'request_stop', 'recovery'],
  recovery: ['recovery', 'started', 'stopped', 'ignored'],
  freeze: ['started', 'request_stop', 'fence', 'recovery', 'ignored'],
  // To stopped: its node was proved dead.
  error: ['request_stop', 'stopped', 'ignored'],
  ignored: ['request_start', 'stopped'],
};

/** All there are, in the order of the table. */
export const serviceStates = Object.keys(transitions) as readonly ServiceState[];

export function isTransition(from: ServiceState, to: ServiceState): boolean {
  return transitions[from].includes(to);
}

const whileItMayRun: ReadonlySet<ServiceState> = new Set([
  'started',
  'request_stop',
  'migrate',
  'relocate',
  'fence',
  'freeze',
  'error',
]);

/** In these states the service's node may be running it, so nobody else may. */
export function mayRun(state: ServiceState): boolean {
  return whileItMayRun.has(state);
}

const whileItIsMissed: ReadonlySet<ServiceState> = new Set(['started', 'request_stop', 'migrate', 'relocate', 'fence']);

/** A node that holds services in these states is fenced when it is lost. */
export function needsFencing(state: ServiceState): boolean {
  return whileItIsMissed.has(state);
}

/** Wants a node, and runs nowhere. */
export function seeksNode(state: ServiceState): boolean {
  return state === 'request_start' || state === 'request_start_balance' || state === 'recovery';
}
