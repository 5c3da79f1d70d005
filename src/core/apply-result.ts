import type { ErrorCode } from './errors.js';

/** What became of a command: done, or refused with everything left as it was. */
export type ApplyResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

export const done: ApplyResult = { ok: true };

export function refuse(code: ErrorCode, message: string): ApplyResult {
  return { ok: false, code, message };
}
