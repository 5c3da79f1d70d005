import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** One living process, as /proc/PID/stat shows it (proc(5)). */
export interface LivingProcess {
  readonly pid: number;
  readonly comm: string;
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Ticks since boot; with the pid it names one process for ever, however often the pid is used again. */
  readonly startTicks: number;
}

/** `startTicks` undefined: it stands for the whole group, of which /proc would not tell more. */
export interface GroupMember {
  readonly pid: number;
  readonly startTicks: number | undefined;
  /** For people: `pid 12 (mount, state D)`. */
  readonly text: string;
}

/** How long to wait for a killed group to be gone: more than a busy machine needs to tear down memory. */
const killedMs = 2000;
export const pollMs = 50;

/** SIGTERM, then SIGKILL after `graceMs`; answers who is left. Never rejects. */
export async function endGroup(groupId: number, graceMs: number): Promise<GroupMember[]> {
  signalGroup(groupId, 'SIGTERM');
  if ((await waitForGroup(groupId, graceMs)).length === 0) return [];
  signalGroup(groupId, 'SIGKILL');
  return waitForGroup(groupId, killedMs);
}

/** Undefined when the process is gone, or a zombie: those stay for ever where PID 1 does not reap. */
export async function readLiving(pid: number): Promise<LivingProcess | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch((error: unknown) => {
    if (['ENOENT', 'ESRCH'].includes(errnoName(error))) return '';
    throw error;
  });
  // pid (comm) state ppid pgrp session ... starttime (the 22nd); comm may itself hold parentheses and spaces.
  const [, comm = '', rest = ''] = /^\d+ \((.*)\) (.*)/s.exec(stat) ?? [];
  const [state = '', ...fields] = rest.split(' ');
  if (state === '' || 'ZX'.includes(state)) return undefined;
  const [parent = 0, group = 0, session = 0] = fields.map(Number);
  return { pid, comm, state, parent, group, session, startTicks: Number(fields[18]) };
}

/** Is that very process, or what is left of its group, still there? Signals nothing. */
export async function isLeft({ pid, startTicks }: Omit<GroupMember, 'text'>): Promise<boolean> {
  if (startTicks === undefined) return signalGroup(pid, 0);
  return (await readLiving(pid))?.startTicks === startTicks;
}

/** Rejects when /proc cannot be read. */
export async function listPids(): Promise<number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
}

export function errnoName(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

async function waitForGroup(groupId: number, limitMs: number): Promise<GroupMember[]> {
  const startMs = performance.now();
  for (;;) {
    const members = await groupMembers(groupId);
    if (members.length === 0 || performance.now() - startMs >= limitMs) return members;
    await sleep(pollMs);
  }
}

/** kill(-pgid, 0) alone would count zombies; it decides when /proc cannot be read (EMFILE). */
async function groupMembers(groupId: number): Promise<GroupMember[]> {
  if (!signalGroup(groupId, 0)) return [];
  try {
    const members: GroupMember[] = [];
    for (const pid of await listPids()) {
      const found = await readLiving(pid);
      if (found?.group !== groupId) continue;
      members.push({ pid, startTicks: found.startTicks, text: `pid ${pid} (${found.comm}, state ${found.state})` });
    }
    return members;
  } catch (error) {
    const text = `process group ${groupId} (/proc cannot be read: ${errnoName(error)})`;
    return [{ pid: groupId, startTicks: undefined, text }];
  }
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
