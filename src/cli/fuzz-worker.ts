import { parentPort } from 'node:worker_threads';
import { scheduleLine } from '../sim/fault.js';
import { newPlan } from '../sim/fuzz-plan.js';
import { type FuzzViolation, runPlan } from '../sim/fuzz-run.js';
import { shrink } from '../sim/fuzz-shrink.js';

/** Some seeds to run, in a thread of their own. */
export interface FuzzOrder {
  readonly from: number;
  readonly to: number;
  /** Absent: as the seed decides. */
  readonly nodes?: number;
  /** Look for a shorter schedule of the first violation. */
  readonly shrinks: boolean;
}

export interface FuzzFinding {
  readonly seed: number;
  readonly nodes: number;
  readonly violation: FuzzViolation;
  readonly steps: number;
  /** Lines of the shortened schedule; empty: it was not asked for. */
  readonly schedule: readonly string[];
}

/** What came of some seeds. */
export interface FuzzSum {
  readonly seeds: number;
  /** Of all threads together; as long as each has a core. */
  readonly cpuMs: number;
  readonly simulatedMs: number;
  readonly commits: number;
  readonly declarations: number;
  readonly resets: number;
  readonly findings: readonly FuzzFinding[];
}

async function carryOut({ from, to, nodes, shrinks }: FuzzOrder): Promise<FuzzSum> {
  const sum = { seeds: 0, simulatedMs: 0, commits: 0, declarations: 0, resets: 0 };
  const findings: FuzzFinding[] = [];
  const startedMs = performance.now();
  for (let seed = from; seed <= to; seed++) {
    const { violation, ...figures } = await runPlan(newPlan(seed, nodes));
    sum.seeds++;
    for (const [name, value] of Object.entries(figures)) sum[name as keyof typeof figures] += value;
    if (violation !== null) findings.push(await findingOf(seed, nodes, violation, shrinks && findings.length === 0));
  }
  return { ...sum, cpuMs: performance.now() - startedMs, findings };
}

async function findingOf(
  seed: number,
  nodes: number | undefined,
  violation: FuzzViolation,
  shrinks: boolean,
): Promise<FuzzFinding> {
  const plan = newPlan(seed, nodes);
  const finding = { seed, nodes: plan.nodes.length, violation, steps: plan.faults.length };
  if (!shrinks) return { ...finding, schedule: [] };
  const shorter = await shrink(plan, violation);
  return { ...finding, schedule: shorter.plan.faults.map(scheduleLine) };
}

parentPort?.on('message', (order: FuzzOrder) => {
  carryOut(order).then(
    (reply) => parentPort?.postMessage(reply),
    // An unhandled error ends the worker, which its owner is told of.
    (error) => setImmediate(() => Promise.reject(error)),
  );
});
