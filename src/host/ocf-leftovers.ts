import { open, readlink } from 'node:fs/promises';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endGroup, errnoName, type GroupMember, isLeft, listPids, pollMs, readLiving } from './ocf-process-group.js';

/**
 * Operations run in sessions of their own, so they outlive a holdfastd that is killed. A start that goes on
 * unseen would bring the resource up here after a probe or a stop said `stopped`, and so twice in the cluster.
 * Hence each carries a mark by which the next holdfastd finds it.
 */
const markName = 'HOLDFAST_OPERATION';
const markRule = new RegExp(`^${markName}=(?<sid>ocf:\\S{1,64}) (?<driver>\\d{1,10}) (?<timeoutMs>\\d{1,9})$`);
/** The mark is first in the environment, so that no parameters can push it out of what is read. */
const maxEnvironmentBytes = 64 * 1024;
/** An interpreter's path and option, the agent's path and the operation. */
const maxCommandBytes = 16 * 1024;
const operations: ReadonlySet<string> = new Set(['start', 'stop', 'monitor']);
/** Reading what belongs to a process that hangs in the kernel can hang as well. */
const scanLimitMs = 10_000;
/** USER_HZ, in which /proc counts time: 100 wherever Node runs. */
const tickMs = 10;

/** To be spread into an operation's environment, first. Its daemons inherit it, so alone it proves nothing. */
export function operationMark(sid: string, timeoutMs: number): Record<string, string> {
  return { [markName]: `${sid} ${process.pid} ${Math.ceil(timeoutMs)}` };
}

/** Ends what earlier operations left running, an earlier holdfastd's too, before anything is done with the same resource. */
export class EarlierOperations {
  readonly #resources: string;
  readonly #killGraceMs: number;
  #found: Promise<Map<string, (Leftover | Survivors)[]>> | undefined;

  constructor(ocfRoot: string, killGraceMs: number) {
    this.#resources = join(ocfRoot, 'resource.d', '/');
    this.#killGraceMs = killGraceMs;
  }

  /**
   * Waits for a resource's earlier operations as long as their own timeouts allow, then ends them. Answers who
   * withstood even SIGKILL: as long as there is any, nothing may be done with the resource. Rejects with an
   * Error when /proc cannot be read: then nothing is known, and the next call tries again.
   */
  async end(sid: string): Promise<string[]> {
    // Once, before this driver's first operation: none of its own can be among them.
    this.#found ??= scan(this.#resources);
    const found = await this.#found.catch((error: unknown) => {
      this.#found = undefined;
      throw new Error(
        `cannot look for operations that an earlier holdfastd left: /proc cannot be read (${errnoName(error)})`,
      );
    });
    const survivors: string[] = [];
    for (const leftover of found.get(sid) ?? []) survivors.push(...(await leftover.end(this.#killGraceMs)));
    if (survivors.length === 0) found.delete(sid);
    return survivors;
  }

  /** An operation that is over has left these, which withstood SIGKILL. */
  async keep(sid: string, survivors: readonly GroupMember[]): Promise<void> {
    const found = await this.#found;
    found?.set(sid, [...(found.get(sid) ?? []), new Survivors(survivors)]);
  }
}

/** Processes that have been sent SIGKILL and hang in the kernel: they go one day, or with the machine. */
class Survivors {
  #left: readonly GroupMember[];

  constructor(left: readonly GroupMember[]) {
    this.#left = left;
  }

  /** Answers who is still there. Rejects when /proc cannot be read. */
  async end(): Promise<string[]> {
    const left = await Promise.all(this.#left.map(isLeft));
    this.#left = this.#left.filter((_, i) => left[i]);
    return this.#left.map(({ text }) => text);
  }
}

export class Leftover {
  readonly #leader: { readonly pid: number; readonly startTicks: number };
  readonly #deadlineMs: number;
  /** Who was left after SIGKILL; undefined: nothing has been signalled so far. */
  #survivors: Survivors | undefined;

  /** `remainingMs`: of its own timeout. */
  constructor(leader: { readonly pid: number; readonly startTicks: number }, remainingMs: number) {
    this.#leader = leader;
    this.#deadlineMs = performance.now() + remainingMs;
  }

  /** Answers who withstood SIGKILL. Rejects when /proc cannot be read. */
  async end(killGraceMs: number): Promise<string[]> {
    if (this.#survivors === undefined) {
      if (await this.#endsInTime()) return [];
      this.#survivors = new Survivors(await endGroup(this.#leader.pid, killGraceMs));
    }
    return this.#survivors.end();
  }

  /** False: that very process, and no later one of its pid, was there a moment ago and is out of time. */
  async #endsInTime(): Promise<boolean> {
    while (await isLeft(this.#leader)) {
      if (performance.now() >= this.#deadlineMs) return false;
      await sleep(pollMs);
    }
    return true;
  }
}

async function scan(resources: string): Promise<Map<string, Leftover[]>> {
  const limit = new AbortController();
  const late = sleep(scanLimitMs, undefined, { signal: limit.signal }).then(() => {
    throw Object.assign(new Error(`no end of it in ${scanLimitMs} ms`), { code: 'ETIMEDOUT' });
  });
  try {
    return await Promise.race([findLeftovers(resources, limit.signal), late]);
  } finally {
    late.catch(() => undefined);
    limit.abort();
  }
}

async function findLeftovers(resources: string, limit: AbortSignal): Promise<Map<string, Leftover[]>> {
  const found = new Map<string, Leftover[]>();
  const namespace = await readlink('/proc/self/ns/pid');
  for (const pid of await listPids()) {
    limit.throwIfAborted();
    const mark = await readMark(pid, resources, namespace).catch((error: unknown) => {
      // It has ended meanwhile, or another user's it is: not an operation then.
      if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errnoName(error))) return undefined;
      throw error;
    });
    if (mark !== undefined) found.set(mark.sid, [...(found.get(mark.sid) ?? []), mark.leftover]);
  }
  return found;
}

/** Undefined unless it is an operation whose driver is gone. */
async function readMark(pid: number, resources: string, namespace: string) {
  const leader = await readLiving(pid);
  if (leader === undefined || leader.session !== pid) return undefined;
  if ((await readlink(`/proc/${pid}/ns/pid`)) !== namespace) return undefined;
  const command = await readStart(`/proc/${pid}/cmdline`, maxCommandBytes);
  // What an agent has started in a session of its own inherits the mark, but has another command line.
  const [agent = '', operation = ''] = command.slice(-2);
  if (!agent.startsWith(resources) || !operations.has(operation)) return undefined;
  const environment = await readStart(`/proc/${pid}/environ`, maxEnvironmentBytes);
  const { sid, driver, timeoutMs } = environment.map((entry) => markRule.exec(entry)?.groups).find(Boolean) ?? {};
  // A driver that lives is still the parent, and in charge: several can share one machine in a lab.
  if (sid === undefined || leader.parent === Number(driver)) return undefined;
  const ageMs = uptime() * 1000 - leader.startTicks * tickMs;
  const remainingMs = Math.min(Number(timeoutMs), Math.max(0, Number(timeoutMs) - ageMs));
  return { sid, leftover: new Leftover(leader, remainingMs) };
}

/** The NUL-terminated strings of a file under /proc; one read answers all that there is, up to `maxBytes`. */
async function readStart(path: string, maxBytes: number): Promise<string[]> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxBytes), 0, maxBytes, 0);
    return buffer.toString('utf8', 0, bytesRead).split('\0').slice(0, -1);
  } finally {
    await file.close();
  }
}
