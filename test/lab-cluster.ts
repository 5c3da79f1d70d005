import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { isAlive } from './live-process.js';

const script = fileURLToPath(new URL('../../scripts/lab', import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A lab in a directory of its own, without agents; taken down after the test whatever happens. */
export class Lab {
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;

  constructor(t: Test, settings: Readonly<Record<string, string>> = {}) {
    const parent = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
    this.dir = join(parent, 'lab');
    this.env = { PATH: process.env.PATH, LAB: this.dir, NOAGENT: '1', ...settings };
    t.teardown(() => {
      this.try('down');
      rmSync(parent, { recursive: true, force: true });
    });
  }

  try(...args: readonly string[]): Outcome {
    const options = { env: this.env, encoding: 'utf8', timeout: 60_000 } as const;
    const { status, stdout, stderr } = spawnSync(script, args, options);
    return { code: status, out: stdout.trim(), err: stderr.trim() };
  }

  /** Its output; throws unless it exits 0. */
  run(...args: readonly string[]): string {
    const { code, out, err } = this.try(...args);
    if (code !== 0) throw new Error(`scripts/lab ${args.join(' ')}: exit ${code}: ${err}`);
    return out;
  }

  answers(from: number | 'client', address: string): boolean {
    const where = from === 'client' ? ['client'] : ['in', String(from)];
    return this.try(...where, 'ping', '-c', '1', '-W', '1', address).code === 0;
  }

  /** PID 1 of a machine as seen from here. */
  machinePid(node: number): number {
    return Number(readFileSync(join(this.dir, `n${node}`, 'machine.pid'), 'utf8'));
  }
}

/** Those of `kind` that processes are in, as the kernel names them. Zombies, which run nothing, do not count. */
export function namespaces(kind: 'net' | 'mnt' | 'pid' | 'uts'): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isAlive(Number(name)))) {
    try {
      const name = readlinkSync(`/proc/${pid}/ns/${kind}`);
      found.set(name, [...(found.get(name) ?? []), Number(pid)]);
    } catch {
      // It ended, or is ending.
    }
  }
  return found;
}

/** Looks every 50 ms; false when the limit has passed. */
export async function until(condition: () => boolean, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return true;
}
