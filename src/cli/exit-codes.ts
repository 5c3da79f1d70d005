import type { ErrorCode } from '../core/errors.js';

/** What scripts can tell apart; stable. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  nothingDone: 3,
  outcomeUnknown: 4,
  unreachable: 5,
  forbidden: 6,
  /** As shells have it for SIGINT. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

const specialCodes: Readonly<Partial<Record<ErrorCode, ExitCode>>> = {
  HF_ARGUMENT: exitCodes.usage,
  HF_NO_QUORUM: exitCodes.nothingDone,
  HF_BUSY: exitCodes.nothingDone,
  HF_CONFLICT: exitCodes.nothingDone,
  HF_COROSYNC: exitCodes.nothingDone,
  HF_OUTCOME_UNKNOWN: exitCodes.outcomeUnknown,
  HF_UNREACHABLE: exitCodes.unreachable,
  HF_FORBIDDEN: exitCodes.forbidden,
};

export function exitCodeOf(code: ErrorCode): ExitCode {
  return specialCodes[code] ?? exitCodes.failed;
}

export const exitCodeHelp = `
Exit codes:
  0  done; also when watch is ended with Ctrl-C
  1  failed: no such resource, it exists already, times that do not fit, output that cannot be written,
     a history of resets that could not be read (why), ...
  2  unknown command or option, or a malformed argument; nothing was done
  3  nothing was done: no quorum, too much under way, or what there is forbids it (a rule, a state)
  4  the outcome is unknown: the change may or may not have happened
  5  holdfastd does not answer on its socket
  6  not allowed: changes need root or the admin group
  130  simulate --fuzz was interrupted before it had run all seeds`;
