import type { TimedFault } from './fault.js';
import type { FuzzPlan } from './fuzz-plan.js';
import { type FuzzOutcome, type FuzzViolation, runPlan } from './fuzz-run.js';

/** A shorter schedule that breaks the same rule: parts are left out as long as it still does. */
export interface Shrunk {
  readonly plan: FuzzPlan;
  readonly violation: FuzzViolation;
  /** How often the plan was run. */
  readonly runs: number;
}

/** Runs in all; each takes as long as the failing one, or a little longer. */
const runsLimit = 400;

/** @param proceed asked before each run; false: what was found so far has to do */
export async function shrink(
  plan: FuzzPlan,
  violation: FuzzViolation,
  proceed: () => boolean = () => true,
): Promise<Shrunk> {
  let best = { ...cutAfter(plan, violation), violation };
  let runs = 0;
  const attempt = async (faults: readonly TimedFault[]): Promise<boolean> => {
    runs++;
    const shorter = { ...best.plan, faults };
    const found = sameRule(await runPlan(shorter), violation);
    if (found !== null) best = { plan: shorter, violation: found };
    return found !== null;
  };
  if (sameRule(await runPlan(best.plan), violation) === null) best = { plan, violation };
  let size = Math.ceil(best.plan.faults.length / 2);
  while (size >= 1 && runs < runsLimit && proceed()) {
    let removed = false;
    for (let from = 0; from < best.plan.faults.length && runs < runsLimit && proceed(); ) {
      const { faults } = best.plan;
      const without = faults.filter((_, i) => i < from || i >= from + size);
      if (await attempt(without)) removed = true;
      else from += size;
    }
    if (!removed) size = size === 1 ? 0 : Math.ceil(size / 2);
  }
  return { ...best, runs };
}

/** What would have come after the violation cannot matter. */
function cutAfter(plan: FuzzPlan, { atMs }: FuzzViolation): { readonly plan: FuzzPlan } {
  return { plan: { ...plan, faults: plan.faults.filter((each) => each.atMs <= atMs) } };
}

function sameRule({ violation }: FuzzOutcome, { rule }: FuzzViolation): FuzzViolation | null {
  return violation !== null && violation.rule === rule ? violation : null;
}
