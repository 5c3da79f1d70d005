/** The states of a service and the one table of the transitions between them. */

export type ServiceState =
  /** To be started as soon as a node is found for it; runs nowhere. */
  | 'request_start'
  /** Belongs on its node, which starts it and keeps it running. */
  | 'started'
  /** Its node is to stop it. */
  | 'request_stop'
  /** Runs nowhere. */
  | 'stopped'
  /** Its node is out of reach and may still run it. */
  | 'fence'
  /** Its node was proved dead; to be started elsewhere. */
  | 'recovery'
  /** Start or stop failed; nobody touches it until the operator does. May be running on its node. */
  | 'error';

const transitions: Readonly<Record<ServiceState, readonly ServiceState[]>> = {
  request_start: ['started', 'stopped'],
  started: ['request_stop', 'fence', 'error'],
  request_stop: ['stopped', 'fence', 'error'],
  stopped: ['request_start'],
  fence: ['started', 'request_stop', 'recovery'],
  recovery: ['started', 'stopped'],
  error: ['request_stop'],
};

export function isTransition(from: ServiceState, to: ServiceState): boolean {
  return transitions[from].includes(to);
}

/** In these states the service's node may be running it, so nobody else may. */
export function mayRun(state: ServiceState): boolean {
  return state === 'started' || state === 'request_stop' || state === 'fence' || state === 'error';
}

/** A node that holds services in these states is fenced when it is lost. */
export function needsFencing(state: ServiceState): boolean {
  return state === 'started' || state === 'request_stop' || state === 'fence';
}
