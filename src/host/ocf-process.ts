import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';

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
  | { readonly kind: 'signal'; readonly signal: string }
  /** `survivors`: processes of the group that even SIGKILL has not ended (they hang in the kernel). */
  | { readonly kind: 'timeout'; readonly survivors: readonly string[] }
  /** It could not be started; errno's name. */
  | { readonly kind: 'unstartable'; readonly code: string };

/** How long a daemon that inherited the output may hold up the result after the agent's exit. */
const drainMs = 50;
/** How long to wait for a killed group to be gone: more than a busy machine needs to tear down memory. */
const killedMs = 2000;
const pollMs = 50;

/**
 * Runs a program in a session of its own, without a shell, stdin closed, in `/`. Never rejects. Settles on the
 * program's *exit*: daemons that it started may keep its output open and are left alone. After the timeout the
 * whole process group is ended, and the result waits until nothing of it is left.
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

/** Waits for the exit, or for the timeout and then for the end of the group. */
async function settle(child: ChildProcess, request: ProcessRequest): Promise<ProcessEnd> {
  const exited = new Promise<ProcessEnd>((resolve) => {
    child.once('error', (error) => resolve({ kind: 'unstartable', code: errnoName(error) }));
    child.once('exit', (status, signal) => {
      resolve(signal === null ? { kind: 'exit', status: status ?? -1 } : { kind: 'signal', signal });
    });
  });
  const deadline = new AbortController();
  const late = sleep(request.timeoutMs, undefined, { signal: deadline.signal }).catch(() => undefined);
  const end = await Promise.race([exited, late]);
  deadline.abort();
  if (end !== undefined) return end;
  return { kind: 'timeout', survivors: child.pid === undefined ? [] : await endGroup(child.pid, request.killGraceMs) };
}

/** SIGTERM, then SIGKILL; answers who is left (`pid 12 (mount, state D)`). */
async function endGroup(groupId: number, graceMs: number): Promise<string[]> {
  signalGroup(groupId, 'SIGTERM');
  if ((await waitForGroup(groupId, graceMs)).length === 0) return [];
  signalGroup(groupId, 'SIGKILL');
  return waitForGroup(groupId, killedMs);
}

async function waitForGroup(groupId: number, limitMs: number): Promise<string[]> {
  const startMs = performance.now();
  for (;;) {
    const members = await groupMembers(groupId);
    if (members.length === 0 || performance.now() - startMs >= limitMs) return members;
    await sleep(pollMs);
  }
}

/**
 * The living processes of a group. kill(-pgid, 0) alone would count zombies, which stay for ever where PID 1
 * does not reap, as in many containers; it decides when /proc cannot be read (EMFILE).
 */
async function groupMembers(groupId: number): Promise<string[]> {
  if (!signalGroup(groupId, 0)) return [];
  try {
    const members: string[] = [];
    for (const pid of await readdir('/proc')) {
      if (!/^\d+$/.test(pid)) continue;
      // pid (comm) state ppid pgrp ...; comm may itself hold parentheses and spaces (proc(5)).
      const [, comm, state = '', group] = /^\d+ \((.*)\) (\S) \d+ (\d+) /s.exec(await readStat(pid)) ?? [];
      if (group === String(groupId) && !'ZX'.includes(state)) members.push(`pid ${pid} (${comm}, state ${state})`);
    }
    return members;
  } catch (error) {
    return [`process group ${groupId} (/proc cannot be read: ${errnoName(error)})`];
  }
}

/** Empty when the process is gone. */
function readStat(pid: string): Promise<string> {
  return readFile(`/proc/${pid}/stat`, 'latin1').catch((error: unknown) => {
    if (['ENOENT', 'ESRCH'].includes(errnoName(error))) return '';
    throw error;
  });
}

/** False when there is no such group any more. */
function signalGroup(groupId: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-groupId, signal);
  } catch (error) {
    // EPERM: it exists, but has changed its user.
    return errnoName(error) === 'EPERM';
  }
}

function errnoName(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
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
