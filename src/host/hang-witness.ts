import { Worker } from 'node:worker_threads';
import type { WitnessTold } from './hang-witness-thread.js';

/** Megabytes; the thread holds one small object. */
const limits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 } as const;

export interface HangWitness {
  /** All is well at this moment; to be called every second. */
  tell(told: WitnessTold): void;
  stop(): Promise<void>;
}

/**
 * Starts the thread that writes to `path` that the agent stands still, once it has not been told of it for three seconds.
 * @param onNoted it has written that, and the agent goes on
 * @param onProblem there is no such thread any more; the agent goes on without
 */
export function startHangWitness(path: string, onNoted: () => void, onProblem: (text: string) => void): HangWitness {
  const thread = new Worker(new URL('./hang-witness-thread.js', import.meta.url), {
    workerData: path,
    resourceLimits: limits,
    // Options of the agent's own process, such as hooks, are not for it.
    execArgv: [],
  });
  thread.unref();
  thread.on('message', onNoted);
  thread.on('error', (error: Error) =>
    onProblem(`the thread that would write down a hang has ended: ${error.message}`),
  );
  return {
    tell: (told) => thread.postMessage(told),
    stop: async () => void (await thread.terminate()),
  };
}
