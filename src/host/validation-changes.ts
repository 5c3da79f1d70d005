/** Whether what is recorded of this machine's watchdogs is still what an agent has read when it started. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A command is seen to its end by whoever typed it; the status is to follow soon after. */
const lookMs = 5_000;

export class ValidationChanges {
  readonly #directory: string;
  readonly #atStart: string;

  private constructor(directory: string, atStart: string) {
    this.#directory = directory;
    this.#atStart = atStart;
  }

  /** Before the records are read. @param stateDir the agent's state directory */
  static async open(stateDir: string): Promise<ValidationChanges> {
    const directory = join(stateDir, 'watchdog');
    return new ValidationChanges(directory, await stampOf(directory));
  }

  /** One sentence; null: nothing has changed. Never rejects. */
  async problem(): Promise<string | null> {
    if ((await stampOf(this.#directory)) === this.#atStart) return null;
    return `what is recorded of the watchdogs in ${this.#directory} has changed since this agent started: it has to be started again`;
  }

  /** Looks every few seconds, and calls `tell` once, when there is a problem and `mayTell`. */
  watch(mayTell: () => boolean, tell: (problem: string) => void, everyMs = lookMs): void {
    const look = async (): Promise<void> => {
      const problem = mayTell() ? await this.problem() : null;
      if (problem !== null && mayTell()) tell(problem);
      else setTimeout(look, everyMs).unref();
    };
    setTimeout(look, everyMs).unref();
  }
}

/** Changes with each record that is written or removed, for each is written anew and then renamed; never rejects. */
async function stampOf(directory: string): Promise<string> {
  try {
    const names = (await readdir(directory)).filter((name) => name.endsWith('.json')).sort();
    const stamps = names.map(async (name) => {
      const { ino, ctimeNs } = await stat(join(directory, name), { bigint: true });
      return `${name} ${ino} ${ctimeNs}`;
    });
    return (await Promise.all(stamps)).join('\n');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? '' : String(code);
  }
}
