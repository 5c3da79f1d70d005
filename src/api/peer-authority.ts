import { readFileSync } from 'node:fs';

/** Who opened the connection, as SO_PEERCRED tells it; pid 0: not visible from here. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** The text of /proc/PID/status, or null when there is no such process any more. */
export type ReadProcessStatus = (pid: number) => string | null;

export function readProcessStatus(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return null;
  }
}

/** The numbers of a line such as `Uid:\t0\t0\t0\t0`. */
function numbersOf(status: string, field: string): readonly number[] {
  const line = status.split('\n').find((each) => each.startsWith(`${field}:`));
  const values = line?.slice(field.length + 1).trim();
  return values === undefined || values === '' ? [] : values.split(/\s+/).map(Number);
}

/**
 * Whether the peer may change anything: root, or the admin group as its effective or a supplementary group.
 * SO_PEERCRED has no supplementary groups, so they are read from the process, whose effective uid (the second of
 * the four) must still be the peer's: the pid may have been given to another process in the meantime.
 */
export function mayChange(peer: PeerCredentials, adminGid: number | undefined, read: ReadProcessStatus): boolean {
  if (peer.uid === 0) return true;
  if (adminGid === undefined) return false;
  if (peer.gid === adminGid) return true;
  if (peer.pid <= 0) return false;
  const status = read(peer.pid);
  if (status === null || numbersOf(status, 'Uid')[1] !== peer.uid) return false;
  return numbersOf(status, 'Groups').includes(adminGid);
}
