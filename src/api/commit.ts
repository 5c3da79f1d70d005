import type { AgentControl, Mutation } from '../agent/control.js';
import { HoldfastError } from '../core/errors.js';
import { serverLimits } from './limits.js';

/** Resolves when the change is committed. */
export type Commit = (mutation: Mutation) => Promise<{ readonly index: number }>;

function outcomeUnknown(sid: string, why: string, cause?: unknown): HoldfastError {
  const message = `${why}: the change of ${sid} may or may not happen; look before trying again`;
  return new HoldfastError('HF_OUTCOME_UNKNOWN', message, { cause });
}

/** Rejects after serverLimits.mutationMs, if `stop` was not called before. */
function deadline(sid: string): { readonly passed: Promise<never>; stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<never>((_resolve, reject) => {
    const late = () => reject(outcomeUnknown(sid, `not committed within ${serverLimits.mutationMs / 1000} s`));
    timer = setTimeout(late, serverLimits.mutationMs);
    timer.unref();
  });
  return { passed, stop: () => clearTimeout(timer) };
}

/**
 * The agent's mutations, bounded in number and time.
 * @param reportDefect called with what the agent rejects with that is no refusal; the caller is then told that the
 *   outcome is unknown, since it is
 */
export function createCommit(control: AgentControl, reportDefect: (error: unknown) => void): Commit {
  let pending = 0;
  return async (mutation) => {
    if (pending >= serverLimits.mutations) {
      throw new HoldfastError('HF_BUSY', `${pending} changes are under way; nothing was done, try again`);
    }
    pending += 1;
    const { passed, stop } = deadline(mutation.sid);
    try {
      return await Promise.race([control.mutate(mutation), passed]);
    } catch (error) {
      if (error instanceof HoldfastError) throw error;
      reportDefect(error);
      throw outcomeUnknown(mutation.sid, 'holdfastd failed, which is a defect', error);
    } finally {
      stop();
      pending -= 1;
    }
  };
}
