import { type Budget, deriveBudget, takeoverMs } from '../core/budget.js';
import type { Effect } from '../core/effects.js';
import type { Electorate } from '../core/electorate.js';
import { grant, newGrants, silenceMs } from '../core/grants.js';
import { isHeld, newLease, noteEcho, renew, stamp } from '../core/lease.js';
import { newProtection, protect } from '../core/protection.js';
import { mayDeclareFenced } from '../core/takeover.js';

/**
 * The core's rules of lease, grant, takeover and protection, asked in coarse steps.
 *
 * A step is 3 003 ms of true time: 3 000 ms on a slow clock, 3 003 ms on a fast one, so that two clocks run apart by
 * the whole 1.001 that the budget allows. The budgets below make lease and T_eff whole steps and the takeover's wait
 * just reach a whole one. Whatever ends a right (a lease) is asked at the earliest moment of the step before, on a slow
 * clock; whatever grants one (a silence) at the last moment of its step, on a fast clock: each duration is rounded in
 * the direction that hurts. A run in dense time whose bounds are whole steps has its counterpart here (Henzinger, Manna
 * and Pnueli, "What good are digital clocks?"); all that is lost is a violation by less than what the bounds fall short
 * of whole steps: the 2 s of a reset are taken as shorter than a step, so that the margin of 1 s is not measured.
 */
export interface CoarseRules {
  readonly electorate: Electorate;
  readonly budget: Budget;
  /** Steps from a pet to the reset, in truth, whatever the budget believes. */
  readonly resetSteps: number;
  /** Steps for which a lease counted from a stamp made now may be used, at most. */
  readonly leaseSteps: number;
  /** Silence is counted up to this many steps; more makes no difference. */
  readonly silenceCap: number;
  /** A node out of quorum for this many steps must be dead. */
  readonly boundSteps: number;
  /** Steps left of the lease after an echo of a heartbeat stamped `ageSteps` ago, where `leftSteps` were left. */
  renewed(leftSteps: number, ageSteps: number): number;
  /** Silence in steps after a heartbeat stamped `ageSteps` ago was delivered, the newest before being `knownAge` old. */
  granted(silence: number, knownAge: number, ageSteps: number): number;
  /** Silence in steps towards everybody of an agent that has just started. */
  silenceAtStart(): number;
  /** Do the reports (node index and silence in steps) suffice to declare a node fenced? */
  mayDeclare(reports: readonly { readonly node: number; readonly silence: number }[]): boolean;
  /** May a node with so much of its lease left arm its watchdog, or take over one that runs? */
  mayArm(leftSteps: number, running: boolean): boolean;
}

export const nodeCount = 3;
const slowMs = 3_000;
const fastMs = 3_003;
/** Somewhere in the life of a clock, far from its zero. */
const originMs = 1_000_000_000;
/** No duration of a sane budget is longer. */
const stepsLimit = 14;

/** Worlds in which T_eff is one step, or two with a chip that resets at twice its timeout. */
export const boundMsByKappa = { 1: 17_000, 2: 26_000 } as const;

export function coarseRules(kappa: 1 | 2): CoarseRules {
  const fenceBoundMs = boundMsByKappa[kappa];
  const budget = deriveBudget({ fenceBoundMs, kappa, minTimeoutS: 3, maxTimeoutS: 0, tokenMs: 800, consensusMs: 960 });
  const electorate: Electorate = {
    nodes: [1, 2, 3].map((nodeId) => ({ nodeId, name: `node${nodeId}`, votes: 1 })),
    expectedVotes: 3,
  };
  const renewed = memo2((leftSteps, ageSteps) => renewedSteps(electorate, budget.leaseMs, leftSteps, ageSteps));
  const silenceCap = firstStep((steps) => elapsedMs(steps) >= takeoverMs(fenceBoundMs));
  const declared = new Map<number, boolean>();
  return {
    electorate,
    budget,
    resetSteps: Math.ceil((budget.timeoutS * kappa * 1_000) / slowMs),
    leaseSteps: renewed(0, 0) - 1,
    silenceCap,
    boundSteps: Math.ceil(fenceBoundMs / fastMs),
    renewed,
    granted: memo3((silence, knownAge, ageSteps) => grantedSteps(silenceCap, silence, knownAge, ageSteps)),
    silenceAtStart: () => Math.min(silenceCap, stepsOf(silenceMs(newGrants(originMs), 1, originMs))),
    mayDeclare: (reports) => {
      const key = reports.reduce((sum, { node, silence }) => sum + (silence + 1) * 32 ** node, 0);
      const known = declared.get(key);
      if (known !== undefined) return known;
      const inMs = reports.map(({ node, silence }) => ({ fromId: node + 1, silenceMs: elapsedMs(silence) }));
      const answer = mayDeclareFenced(electorate, inMs, fenceBoundMs);
      declared.set(key, answer);
      return answer;
    },
    mayArm: (leftSteps, running) => mayArm(budget, leftSteps, running),
  };
}

/** What a fast clock may show at most between two events that are so many steps apart. */
function elapsedMs(steps: number): number {
  return (steps + 1) * fastMs - 1;
}

function stepsOf(durationMs: number): number {
  return Math.max(0, Math.round(durationMs / fastMs));
}

function firstStep(reached: (steps: number) => boolean): number {
  for (let steps = 0; steps < stepsLimit; steps++) if (reached(steps)) return steps;
  return stepsLimit;
}

/** Lease of node 1 by the core's own functions: echoed by node 2, judged on a slow clock. */
function renewedSteps(electorate: Electorate, leaseMs: number, leftSteps: number, ageSteps: number): number {
  const lease = newLease(1, 'now', leaseMs);
  for (let age = stepsLimit; age >= 0; age--) stamp(lease, originMs - age * slowMs);
  const heldUntil = (): number =>
    firstStep((steps) => !isHeld(lease, originMs + (steps - 1) * slowMs + 1) || steps === stepsLimit - 1);
  const echo = (age: number): void => noteEcho(lease, 2, 'now', lease.nextSeq - 1 - age, '');
  for (let age = stepsLimit; leftSteps > 0 && heldUntil() < leftSteps && age >= 0; age--) {
    echo(age);
    renew(lease, electorate, true);
  }
  echo(ageSteps);
  renew(lease, electorate, true);
  return heldUntil();
}

function grantedSteps(cap: number, silence: number, knownAge: number, ageSteps: number): number {
  const seq = stepsLimit;
  const grants = newGrants(originMs - stepsLimit * fastMs);
  grants.lastGrantMs.set(1, originMs - silence * fastMs);
  if (knownAge < stepsLimit) grants.echoes.set(1, { incarnation: 'now', seq: seq - knownAge });
  grant(grants, 1, 'now', seq - ageSteps, originMs);
  return Math.min(cap, stepsOf(silenceMs(grants, 1, originMs)));
}

function mayArm(budget: Budget, leftSteps: number, running: boolean): boolean {
  const effects: Effect[] = [];
  protect(
    newProtection(running),
    {
      effectiveMs: budget.effectiveMs,
      leaseDeadlineMs: originMs + (leftSteps - 1) * slowMs,
      needed: true,
      mayArm: true,
      certain: true,
      disarmed: false,
      nowMs: originMs - slowMs + 1,
    },
    effects,
  );
  return effects.some((effect) => effect.type === 'watchdog-arm');
}

function memo2(run: (a: number, b: number) => number): (a: number, b: number) => number {
  const known = new Map<number, number>();
  return (a, b) => {
    const key = a * 32 + b;
    const value = known.get(key) ?? run(a, b);
    known.set(key, value);
    return value;
  };
}

function memo3(run: (a: number, b: number, c: number) => number): (a: number, b: number, c: number) => number {
  const byFirst = Array.from({ length: 32 }, (_, a) => memo2((b, c) => run(a, b, c)));
  return (a, b, c) => byFirst[a]?.(b, c) ?? run(a, b, c);
}
