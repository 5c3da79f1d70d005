import { readFileSync } from 'node:fs';

/** Is it there, and not only as a zombie, which lasts until its parent looks after it: init of a container, perhaps late? */
export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX] /s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}
