import type { AgentControl, Committed, Mutation, Rehearsal } from '../agent/control.js';
import { HoldfastError } from '../core/errors.js';
import type { Preview } from '../core/preview.js';
import { serverLimits } from './limits.js';

/** The agent's changes, and the previews of them, bounded in number and time. */
export interface Changes {
  /** Resolves when the change is committed. */
  commit(mutation: Mutation): Promise<Committed>;
  preview(mutation: Mutation): Promise<Preview>;
  rehearse(mutations: readonly Mutation[]): Promise<Rehearsal>;
}

/** What a mutation is about, for a sentence. */
function subjectOf(mutation: Mutation): string {
  if ('sid' in mutation) return mutation.sid;
  if ('node' in mutation) return mutation.node ?? '';
  if ('name' in mutation) return `group ${mutation.name}`;
  if ('id' in mutation) return `rule ${mutation.id}`;
  return 'the cluster';
}

function outcomeUnknown(mutation: Mutation, why: string, cause?: unknown): HoldfastError {
  const message = `${why}: the change of ${subjectOf(mutation)} may or may not happen; look before trying again`;
  return new HoldfastError('HF_OUTCOME_UNKNOWN', message, { cause });
}

/** Rejects after serverLimits.mutationMs, if `stop` was not called before. */
function deadline(mutation: Mutation): { readonly passed: Promise<never>; stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<never>((_resolve, reject) => {
    const late = () => reject(outcomeUnknown(mutation, `not committed within ${serverLimits.mutationMs / 1000} s`));
    timer = setTimeout(late, serverLimits.mutationMs);
    timer.unref();
  });
  return { passed, stop: () => clearTimeout(timer) };
}

/**
 * @param reportDefect called with what the agent rejects with that is no refusal; whoever wanted a change is then told
 *   that the outcome is unknown, since it is
 */
export function createChanges(control: AgentControl, reportDefect: (error: unknown) => void): Changes {
  let pending = 0;
  async function bounded<Answer>(task: () => Promise<Answer>): Promise<Answer> {
    if (pending >= serverLimits.mutations) {
      throw new HoldfastError('HF_BUSY', `${pending} changes are under way; nothing was done, try again`);
    }
    pending += 1;
    try {
      return await task();
    } finally {
      pending -= 1;
    }
  }
  async function commit(mutation: Mutation): Promise<Committed> {
    const { passed, stop } = deadline(mutation);
    try {
      return await Promise.race([control.mutate(mutation), passed]);
    } catch (error) {
      if (error instanceof HoldfastError) throw error;
      reportDefect(error);
      throw outcomeUnknown(mutation, 'holdfastd failed, which is a defect', error);
    } finally {
      stop();
    }
  }
  return {
    commit: (mutation) => bounded(() => commit(mutation)),
    preview: (mutation) => bounded(() => control.preview(mutation)),
    rehearse: (mutations) => bounded(() => control.rehearse(mutations)),
  };
}
