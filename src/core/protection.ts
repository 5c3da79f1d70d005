import { type Effect, notice } from './effects.js';

/**
 * When the watchdog is armed, and when it is let go. The keeper itself decides about every pet; this decides
 * whether there is to be a keeper's watch at all.
 *
 * idle → arming → armed → releasing → idle. After a restart of the agent it may be `unattended`: a former agent armed
 * it, and it counts down. It is not even opened before there is a lease, for the death of an agent that has it open
 * pets it: agents that died one after the other would keep a node alive that has no quorum.
 */
export type WatchdogState = 'idle' | 'unattended' | 'arming' | 'armed' | 'releasing' | 'expired' | 'failed';

const transitions: Readonly<Record<WatchdogState, readonly WatchdogState[]>> = {
  idle: ['arming', 'expired'],
  unattended: ['arming', 'releasing', 'expired'],
  arming: ['armed', 'failed', 'expired'],
  armed: ['releasing', 'failed', 'expired'],
  releasing: ['idle', 'failed', 'expired'],
  failed: ['arming', 'expired'],
  // The machine is about to be reset.
  expired: [],
};

export interface Protection {
  state: WatchdogState;
  /** Deadline last given to the keeper; it can only grow. */
  givenDeadlineMs: number;
  /** Since when nothing here needs protection; null: something does. */
  idleSinceMs: number | null;
  /** When a failed device may be tried again. */
  retryMs: number;
  /** This boot was declared fenced, or an assertion failed: never armed again, reset asked for. */
  doomed: boolean;
  detail: string | null;
}

/** The watchdog stays armed for this long after the last resource has gone, so that a restart does not flap it. */
const idleBeforeReleaseMs = 10_000;
const retryFailedMs = 10_000;

/** `running`: the device counts down, armed by a former agent. */
export function newProtection(running: boolean): Protection {
  return {
    state: running ? 'unattended' : 'idle',
    givenDeadlineMs: 0,
    idleSinceMs: null,
    retryMs: 0,
    doomed: false,
    detail: null,
  };
}

export interface ProtectionInput {
  /** T_eff of the device. */
  readonly effectiveMs: number;
  readonly leaseDeadlineMs: number;
  /** Something runs, may run or is to run here. */
  readonly needed: boolean;
  /** A lease of this length may be armed on: nothing refuses it, and those who would wait for its end know of it. */
  readonly mayArm: boolean;
  /** All that is committed is known here and every resource was looked for: `needed` can be trusted. */
  readonly certain: boolean;
  /** The cluster is disarmed: nothing resets this node, whatever runs here. */
  readonly disarmed: boolean;
  readonly nowMs: number;
}

export function protect(protection: Protection, input: ProtectionInput, effects: Effect[]): void {
  const { nowMs, leaseDeadlineMs } = input;
  if (protection.doomed) return;
  protection.idleSinceMs = input.needed ? null : (protection.idleSinceMs ?? nowMs);
  // A lease about to end is not worth arming on: the next heartbeats either extend it or are not coming.
  const leaseHolds = leaseDeadlineMs - nowMs > input.effectiveMs;
  // A deadline that has passed is final to the keeper, which may not have looked yet: a lease renewed since is of no use.
  if (protection.state === 'armed' && nowMs >= protection.givenDeadlineMs) enter(protection, 'expired');
  if (protection.state === 'armed' && leaseDeadlineMs > protection.givenDeadlineMs) {
    protection.givenDeadlineMs = leaseDeadlineMs;
    effects.push({ type: 'watchdog-extend', leaseDeadlineMs });
  }
  if (input.certain && mayRelease(protection, input)) {
    enter(protection, 'releasing');
    effects.push({ type: 'watchdog-release' });
    return;
  }
  const mayTry = transitions[protection.state].includes('arming');
  // Nobody gives this node anything before its failed device works, so nothing but a try of its own shows that it does.
  const wanted = input.needed || (protection.state === 'failed' && !input.disarmed);
  if (wanted && input.mayArm && mayTry && leaseHolds && nowMs >= protection.retryMs) {
    enter(protection, 'arming');
    protection.givenDeadlineMs = leaseDeadlineMs;
    effects.push({ type: 'watchdog-arm', leaseDeadlineMs });
  }
}

/** What a former agent has left counting cannot wait: nobody pets it. */
function mayRelease({ state, idleSinceMs }: Protection, { disarmed, nowMs }: ProtectionInput): boolean {
  if (idleSinceMs === null) return false;
  if (state === 'unattended') return true;
  return state === 'armed' && (disarmed || nowMs - idleSinceMs >= idleBeforeReleaseMs);
}

export type WatchdogEvent =
  | { readonly type: 'armed' }
  | { readonly type: 'released' }
  | { readonly type: 'expired' }
  | { readonly type: 'failed'; readonly detail: string };

const stateAfter = { armed: 'armed', released: 'idle', expired: 'expired', failed: 'failed' } as const;

export function onWatchdog(protection: Protection, event: WatchdogEvent, nowMs: number, effects: Effect[]): void {
  const before = protection.state;
  const known = protection.detail;
  enter(protection, stateAfter[event.type]);
  if (protection.state === before) return;
  protection.detail = event.type === 'failed' ? event.detail : null;
  if (event.type === 'failed') {
    protection.retryMs = nowMs + retryFailedMs;
    // It is tried again and again; the same trouble is told once.
    if (event.detail !== known) notice(effects, 'watchdog', 'error', `the watchdog cannot be used: ${event.detail}`);
  } else {
    const level = event.type === 'expired' ? 'error' : 'info';
    notice(effects, 'watchdog', level, sentences[event.type]);
  }
}

const sentences = {
  armed: 'watchdog armed',
  released: 'watchdog released',
  expired: 'the lease has run out: no more pets, reset asked for',
} as const;

/** Events that arrive late (an arm that completes after the expiry) change nothing. */
function enter(protection: Protection, to: WatchdogState): void {
  if (transitions[protection.state].includes(to)) protection.state = to;
}
