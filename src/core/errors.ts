/**
 * The one base class of everything that Holdfast throws on purpose. `code` is stable and may be relied on by
 * scripts; the message is one sentence that names the thing, the cause and the remedy.
 */
export class HoldfastError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'HoldfastError';
    this.code = code;
  }
}

/** Every code there is, with what it means to a script. */
export const errorCodes = {
  HF_ARGUMENT: 'an argument is malformed or out of range; nothing was done',
  HF_CONFIG: 'the configuration file cannot be used',
  HF_ADDON: 'the native addon cannot be loaded',
  HF_WATCHDOG: 'the watchdog device cannot be used',
  HF_COROSYNC: 'corosync cannot be used',
  HF_STORE: 'the state directory cannot be read or written',
  HF_AGENT: 'the resource agent is missing, or refuses its parameters',
  HF_TIMING: 'the configured times do not fit together',
  HF_NOT_FOUND: 'no such resource, node or path',
  HF_EXISTS: 'it exists already, or is so already',
  HF_CONFLICT: 'what there is forbids it, a rule or a state for instance; nothing was done',
  HF_NO_QUORUM: 'this node is not part of a quorate, working cluster; nothing was done',
  HF_OUTCOME_UNKNOWN: 'the change may or may not have happened; look before trying again',
  HF_FORBIDDEN: 'the caller may look but not change anything',
  HF_BUSY: 'too much is under way; nothing was done, try again',
  HF_UNREACHABLE: 'the agent does not answer on its socket',
  HF_OUTPUT: 'the output cannot be written; look what was done before trying again',
  HF_INTERNAL: 'a defect of Holdfast itself; the log of holdfastd has the details',
} as const;

export type ErrorCode = keyof typeof errorCodes;
