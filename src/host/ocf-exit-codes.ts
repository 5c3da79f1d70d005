import type { OperationResult, ResourceOperation } from '../ports/resource-driver.js';

interface ExitCode {
  readonly meaning: string;
  /** Trying again on this node cannot help: Pacemaker's "hard" and "fatal" errors. */
  readonly permanent: boolean;
  /** What it means as the answer of a monitor. */
  readonly monitor: OperationResult['outcome'];
}

/** OCF Resource Agent API 1.1, "Exit status codes"; 190 and 191 as in Pacemaker's Administration guide. */
const exitCodes: ReadonlyMap<number, ExitCode> = new Map([
  [0, { meaning: 'success', permanent: false, monitor: 'running' }],
  [1, { meaning: 'generic error', permanent: false, monitor: 'failed' }],
  [2, { meaning: 'invalid parameters', permanent: true, monitor: 'error' }],
  [3, { meaning: 'action not implemented', permanent: true, monitor: 'error' }],
  [4, { meaning: 'insufficient permissions', permanent: true, monitor: 'error' }],
  [5, { meaning: 'required software is not installed', permanent: true, monitor: 'error' }],
  [6, { meaning: 'not configured correctly', permanent: true, monitor: 'error' }],
  [7, { meaning: 'not running', permanent: false, monitor: 'stopped' }],
  [8, { meaning: 'running, promoted', permanent: false, monitor: 'running' }],
  [9, { meaning: 'failed, promoted', permanent: false, monitor: 'failed' }],
  [190, { meaning: 'running, degraded', permanent: false, monitor: 'running' }],
  [191, { meaning: 'running, promoted, degraded', permanent: false, monitor: 'running' }],
]);

/** A code outside the standard, for instance a shell's 127: something is broken, as Pacemaker sees it. */
const unknown: ExitCode = { meaning: 'an exit status that OCF does not define', permanent: false, monitor: 'failed' };

/** For sentences: `not running (7)`. */
export function exitMeaning(status: number): string {
  return `${(exitCodes.get(status) ?? unknown).meaning} (${status})`;
}

/**
 * What an agent's exit status means for the operation that it was asked to do. A start that did not
 * succeed leaves the resource `failed` (half there: it needs a stop); a stop that did not succeed is an
 * `error`: nothing is known of the resource.
 */
export function judgeExit(
  operation: ResourceOperation,
  status: number,
): Pick<OperationResult, 'outcome' | 'permanent'> {
  const { monitor, permanent } = exitCodes.get(status) ?? unknown;
  switch (operation) {
    case 'monitor':
      return { outcome: monitor, permanent };
    case 'start':
      return { outcome: status === 0 ? 'running' : 'failed', permanent };
    case 'stop':
      return { outcome: status === 0 || status === 7 ? 'stopped' : 'error', permanent };
  }
}
