import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { endGroup, errnoName, type GroupMember } from './ocf-process-group.js';

export interface ProcessRequest {
  readonly file: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Between SIGTERM and SIGKILL after the timeout. */
  readonly killGraceMs: number;
  /** Of each of stdout and stderr the last so many bytes are kept. */
  readonly keepBytes: number;
}

export interface ProcessOutput {
  readonly stdout: string;
  readonly stderr: string;
  /** More than was kept was written to stdout. */
  readonly truncated: boolean;
}

export type ProcessEnd =
  | { readonly kind: 'exit'; readonly status: number }
  | { readonly kind: 'signal'; readonly signal: string; readonly survivors: readonly GroupMember[] }
  /** `survivors`, here and above: processes of the group that even SIGKILL has not ended (they hang in the kernel). */
  | { readonly kind: 'timeout'; readonly survivors: readonly GroupMember[] }
  /** It could not be started; errno's name. */
  | { readonly kind: 'unstartable'; readonly code: string };

/** How long a daemon that inherited the output may hold up the result after the agent's exit. */
const drainMs = 50;
/**
 * Runs a program in a session of its own, without a shell, stdin closed, in `/`. Never rejects. Settles on the
 * program's *exit*: daemons that it started may keep its output open and are left alone. After the timeout, or when
 * a signal has killed it, the whole process group is ended, and the result waits until nothing of it is left.
 */
export async function runProcess(request: ProcessRequest): Promise<ProcessEnd & ProcessOutput> {
  let child: ChildProcess;
  try {
    child = spawn(request.file, request.args, {
      cwd: '/',
      env: { ...request.environment },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    return { kind: 'unstartable', code: errnoName(error), stdout: '', stderr: '', truncated: false };
  }
  // Undefined, whatever the types say, when descriptors ran out (EMFILE).
  const stdout = new Tail(child.stdout ?? null, request.keepBytes);
  const stderr = new Tail(child.stderr ?? null, request.keepBytes);
  try {
    const end = await settle(child, request);
    if (end.kind === 'exit' || end.kind === 'signal') {
      // One more turn after the timer, so that a loop that was held up reads what is there.
      await Promise.race([Promise.all([stdout.ended, stderr.ended]), sleep(drainMs).then(() => turn())]);
    }
    return { ...end, stdout: stdout.text(), stderr: stderr.text(), truncated: stdout.truncated };
  } finally {
    stdout.close();
    stderr.close();
    child.unref();
  }
}

type ProgramEnd =
  | Exclude<ProcessEnd, { readonly kind: 'signal' | 'timeout' }>
  | { readonly kind: 'signal'; readonly signal: string };

/** Waits for the exit, or for the timeout and then for the end of the group. */
async function settle(child: ChildProcess, request: ProcessRequest): Promise<ProcessEnd> {
  const exited = new Promise<ProgramEnd>((resolve) => {
    child.once('error', (error) => resolve({ kind: 'unstartable', code: errnoName(error) }));
    child.once('exit', (status, signal) => {
      resolve(signal === null ? { kind: 'exit', status: status ?? -1 } : { kind: 'signal', signal });
    });
  });
  const deadline = new AbortController();
  const late = sleep(request.timeoutMs, undefined, { signal: deadline.signal }).catch(() => undefined);
  const end = await Promise.race([exited, late]);
  deadline.abort();
  if (end !== undefined && end.kind !== 'signal') return end;
  // Who was killed has not finished what it began, and its children would go on with that, unseen.
  const survivors = child.pid === undefined ? [] : await endGroup(child.pid, request.killGraceMs);
  return { ...(end ?? { kind: 'timeout' }), survivors };
}

/** The end of a stream, bounded in memory whatever is written to it. */
class Tail {
  /** Resolves when the stream ends, or fails. */
  readonly ended: Promise<void>;
  truncated = false;
  readonly #stream: Readable | null;
  readonly #keepBytes: number;
  #kept: Buffer = Buffer.alloc(0);

  constructor(stream: Readable | null, keepBytes: number) {
    this.#stream = stream;
    this.#keepBytes = keepBytes;
    this.ended = new Promise((resolve) => {
      if (stream === null) return resolve();
      stream.on('data', (chunk: Buffer) => this.#push(chunk));
      stream.on('error', () => resolve());
      stream.on('close', () => resolve());
    });
  }

  text(): string {
    return this.#kept.toString('utf8');
  }

  close(): void {
    this.#stream?.destroy();
  }

  #push(chunk: Buffer): void {
    const all = Buffer.concat([this.#kept, chunk]);
    this.truncated ||= all.length > this.#keepBytes;
    this.#kept = all.length > this.#keepBytes ? Buffer.from(all.subarray(-this.#keepBytes)) : all;
  }
}
