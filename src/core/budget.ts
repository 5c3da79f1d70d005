/** The budget of times of design §2.3: one number is configured, all else follows from it and the device. */

export interface BudgetInput {
  /** A node without quorum is reset within this, milliseconds. */
  readonly fenceBoundMs: number;
  /** Reset time over timeout of the device: 1 or 2. */
  readonly kappa: 1 | 2;
  readonly minTimeoutS: number;
  /** 0: no limit stated. */
  readonly maxTimeoutS: number;
  readonly tokenMs: number;
  readonly consensusMs: number;
  /** Corosync's quorum.device.sync_timeout, by which a new membership waits for the device; 0 without one. */
  readonly deviceSyncTimeoutMs?: number;
}

export interface Budget {
  readonly fenceBoundMs: number;
  /** Given to the device, whole seconds. */
  readonly timeoutS: number;
  /** T_eff: from the last pet to the reset, at most. */
  readonly effectiveMs: number;
  readonly petIntervalMs: number;
  readonly leaseMs: number;
  /** What a lease must outlast for the cluster to reform: token + consensus + the device's sync_timeout + 4 000. */
  readonly rideThroughMs: number;
  readonly takeoverMs: number;
  /** Sentences that say which value to change; empty if all fits. */
  readonly problems: readonly string[];
}

/** Longest T_eff that is aimed at, milliseconds: short enough to ride out, long enough to restart an agent. */
const targetEffectiveMs = 6_000;
/**
 * How often T_eff may pass after the lease has run out. A keeper that stalls between check and pet pets up to T_eff
 * late; if the machine's own reset then does not work and the agent is killed, closing the device pets once more; only
 * then does the watchdog get its time. (The design's two are short by one: the exhaustive search shows the schedule.)
 */
const expiriesAfterLease = 3;
/** T_eff is at most this part of the bound, so that the expiries leave a lease of half of it. */
const longestPartOfBound = 6;
/** From the expiry to a machine that runs nothing any more. */
const resetTimeMs = 2_000;
/** Time to form a view and to get heartbeats echoed once corosync has reformed. */
const reformMarginMs = 4_000;
/** Two clocks of one cluster run apart by at most this; 500 ppm each, and NTP slews no faster. */
const clockRateFactor = 1.001;

/** How long after its lease a node may live at most, whatever fails on it, milliseconds. */
export function afterLeaseMs(effectiveMs: number): number {
  return expiriesAfterLease * effectiveMs + resetTimeMs;
}

/** How long survivors wait after the last grant before they may declare a node fenced, milliseconds. */
export function takeoverMs(fenceBoundMs: number): number {
  return Math.ceil((fenceBoundMs + 1_000) * clockRateFactor);
}

export function deriveBudget(input: BudgetInput): Budget {
  const { fenceBoundMs, kappa } = input;
  const timeoutS = timeoutOfS(input, fenceBoundMs);
  const effectiveMs = timeoutS * kappa * 1_000;
  const leaseMs = fenceBoundMs - afterLeaseMs(effectiveMs);
  const rideThroughMs = input.tokenMs + input.consensusMs + (input.deviceSyncTimeoutMs ?? 0) + reformMarginMs;
  return {
    fenceBoundMs,
    timeoutS,
    effectiveMs,
    petIntervalMs: Math.min(Math.max(500, Math.floor(effectiveMs / 3)), timeoutS * 500),
    leaseMs,
    rideThroughMs,
    takeoverMs: takeoverMs(fenceBoundMs),
    problems: leaseMs >= rideThroughMs ? [] : [shortLease(input, leaseMs, rideThroughMs)],
  };
}

function timeoutOfS({ kappa, minTimeoutS, maxTimeoutS }: BudgetInput, fenceBoundMs: number): number {
  const wantedS = Math.floor(Math.min(targetEffectiveMs, fenceBoundMs / longestPartOfBound) / kappa / 1_000);
  const upperS = maxTimeoutS > 0 ? maxTimeoutS : Number.POSITIVE_INFINITY;
  return Math.min(Math.max(wantedS, minTimeoutS, 1), upperS);
}

/** The smallest bound that fits: a longer one may also get the device a longer timeout. */
function neededBoundMs(input: BudgetInput, rideThroughMs: number, boundMs = input.fenceBoundMs): number {
  const effectiveMs = timeoutOfS(input, boundMs) * input.kappa * 1_000;
  const neededMs = rideThroughMs + afterLeaseMs(effectiveMs);
  return neededMs <= boundMs ? boundMs : neededBoundMs(input, rideThroughMs, neededMs);
}

function shortLease(input: BudgetInput, leaseMs: number, rideThroughMs: number): string {
  const neededMs = neededBoundMs(input, rideThroughMs);
  const device = input.deviceSyncTimeoutMs ? ` + quorum device ${input.deviceSyncTimeoutMs}` : '';
  return (
    `fenceBoundMs ${input.fenceBoundMs} leaves a lease of ${leaseMs} ms, but corosync may need ${rideThroughMs} ms to reform ` +
    `(token ${input.tokenMs} + consensus ${input.consensusMs}${device} + 4000): set fenceBoundMs to ${neededMs} or more, or lower totem.token${input.deviceSyncTimeoutMs ? ' or quorum.device.sync_timeout' : ''}`
  );
}

export interface BudgetLine {
  readonly name: string;
  readonly valueMs: number;
  readonly source: string;
}

/** The budget as people read it, each line with where its number comes from. */
export function budgetLines(input: BudgetInput, budget: Budget, kappaSource: string): BudgetLine[] {
  return [
    { name: 'fence bound', valueMs: budget.fenceBoundMs, source: 'fenceBoundMs in the configuration' },
    {
      name: 'watchdog timeout',
      valueMs: budget.timeoutS * 1_000,
      source: `min(6 s, fence bound / ${longestPartOfBound}) / kappa, in the limits of the device`,
    },
    {
      name: 'effective reset time (T_eff)',
      valueMs: budget.effectiveMs,
      source: `timeout × kappa ${input.kappa} (${kappaSource})`,
    },
    {
      name: 'pet interval',
      valueMs: budget.petIntervalMs,
      source: 'T_eff / 3, at least 500 ms, at most half the timeout',
    },
    { name: 'lease', valueMs: budget.leaseMs, source: `fence bound − ${expiriesAfterLease} × T_eff − ${resetTimeMs}` },
    { name: 'corosync token', valueMs: input.tokenMs, source: 'cmap runtime.config.totem.token' },
    { name: 'corosync consensus', valueMs: input.consensusMs, source: 'cmap runtime.config.totem.consensus' },
    ...deviceLines(input),
    {
      name: 'ride-through needed',
      valueMs: budget.rideThroughMs,
      source: 'token + consensus + sync timeout of a quorum device + 4000; the lease must not be shorter',
    },
    { name: 'takeover wait', valueMs: budget.takeoverMs, source: '(fence bound + 1000) × 1.001, from the last grant' },
  ];
}

function deviceLines({ deviceSyncTimeoutMs = 0 }: BudgetInput): BudgetLine[] {
  if (deviceSyncTimeoutMs === 0) return [];
  return [
    { name: 'quorum device, sync timeout', valueMs: deviceSyncTimeoutMs, source: 'cmap quorum.device.sync_timeout' },
  ];
}
