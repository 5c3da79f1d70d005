import { HoldfastError } from '../core/errors.js';
import type { ArmOptions, KeeperStats, Watchdog, WatchdogInfo } from '../ports/watchdog.js';
import type { Random } from './sim-random.js';
import type { SimEvent, Timeline } from './sim-timeline.js';
import type { VirtualClock } from './virtual-clock.js';

export interface DeviceFacts {
  readonly kappa: 1 | 2;
  /** What agents are told that kappa is. */
  readonly kappaTold: 1 | 2;
  readonly minTimeoutS: number;
  readonly maxTimeoutS: number;
}

/** `open`: another has it; `timeout`: it takes no timeout; `pets`: it ignores them. */
export type WatchdogTrouble = 'open' | 'timeout' | 'pets';

/** What a device that nobody has given a timeout counts from, seconds. */
const defaultTimeoutS = 30;

/** The watchdog of one machine: resets it kappa times the timeout after the last pet. */
export class SimWatchdogDevice {
  readonly facts: DeviceFacts;
  /** True time of the last pet; meaningless while it does not count. */
  petMs = 0;
  counts = false;
  /** It was given a timeout since it was started. */
  #told = false;
  timeoutS = defaultTimeoutS;
  /** What does not work with it; null: everything does. */
  trouble: WatchdogTrouble | null = null;
  /** The last arming failed for that. */
  refused = false;
  readonly #timeline: Timeline;
  readonly #fires: () => void;
  #expiry: SimEvent | null = null;

  constructor(timeline: Timeline, facts: DeviceFacts, fires: () => void) {
    this.#timeline = timeline;
    this.facts = facts;
    this.#fires = fires;
  }

  get effectiveMs(): number {
    return this.timeoutS * this.facts.kappa * 1_000;
  }

  /** Opening an idle device starts it. */
  open(): void {
    if (!this.counts) this.pet();
  }

  /** Also a pet. */
  setTimeout(seconds: number): void {
    this.timeoutS = seconds;
    this.#told = true;
    this.pet();
  }

  /** Opened for an arming that then fails, it counts as well, from its own timeout: nothing was ever started under it. */
  get countsAsTold(): boolean {
    return this.counts && this.#told;
  }

  pet(): void {
    this.counts = true;
    this.petMs = this.#timeline.nowMs;
    this.#expect();
  }

  /** By magic close, by power loss, or because it has fired. */
  stop(): void {
    this.counts = false;
    this.#told = false;
    this.timeoutS = defaultTimeoutS;
  }

  /** One event for many pets: it looks whether there has been another since. */
  #expect(): void {
    const atMs = this.petMs + this.effectiveMs;
    if (this.#expiry !== null && this.#expiry.run !== null && this.#expiry.atMs <= atMs) return;
    if (this.#expiry !== null) this.#timeline.cancel(this.#expiry);
    this.#expiry = this.#timeline.at(atMs, () => {
      this.#expiry = null;
      if (!this.counts) return;
      if (this.#timeline.nowMs >= this.petMs + this.effectiveMs) this.#fires();
      else this.#expect();
    });
  }
}

export interface KeeperSurroundings {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly clock: VirtualClock;
  readonly device: SimWatchdogDevice;
  /** Neither dead nor stopped by a signal. */
  readonly mayRun: () => boolean;
  /** Brings a result to the agent's event loop. */
  readonly deliver: (run: () => void) => void;
  /** Asks the kernel for a reset; false: it is not granted, and the watchdog has to do it. */
  readonly requestReset: (reason: string) => boolean;
  /** Told when the keeper has given up petting. */
  readonly onExpired: () => void;
  readonly onRelease: () => void;
}

/** Until a command has reached the keeper, which then carries it out at once. */
const commandMs = [0.2, 20] as const;

/** Rounding must not make it sleep for no time at all, again and again. */
const shortestSleepMs = 0.01;

/** The keeper thread of one agent: as native/keeper.cc, in virtual time. */
export class SimKeeper implements Watchdog {
  readonly #world: KeeperSurroundings;
  #state: KeeperStats['state'] = 'idle';
  #deadlineMs = 0;
  #leaseMs = 0;
  #petIntervalMs = 0;
  #nextPetMs = 0;
  #lastPetMs = 0;
  #pets = 0;
  #wake: SimEvent | null = null;
  /** The next wake-up stalls for so long between its check and its pet. */
  #stallMs = 0;
  /** Between check and pet at this moment: hears nothing. */
  #stalled = false;
  #resetReason: string | null = null;
  /** One at a time, in their order, as the native keeper takes them. */
  readonly #commands: (() => void)[] = [];
  #dead = false;

  constructor(world: KeeperSurroundings) {
    this.#world = world;
  }

  // ---- the port ----

  async inspect(): Promise<WatchdogInfo> {
    const { device } = this.#world;
    const { kappaTold, minTimeoutS, maxTimeoutS } = device.facts;
    const facts = { minTimeoutS, maxTimeoutS, kappa: kappaTold, nowayout: false, bootStatus: 0, validated: true };
    const state = { active: device.counts, timeoutS: device.timeoutS };
    return { device: '/dev/watchdog0', kind: 'kernel', identity: 'simulated', ...facts, ...state };
  }

  arm(options: ArmOptions): Promise<void> {
    return this.#command(() => this.#arm(options));
  }

  extend(leaseDeadlineMs: number): void {
    if (this.#state === 'expired') return;
    if (this.#state !== 'armed') throw new HoldfastError('HF_WATCHDOG', 'cannot extend the lease: it is not armed');
    const nowMs = this.#world.clock.exactMs();
    if (leaseDeadlineMs > nowMs + this.#leaseMs) {
      throw new HoldfastError('HF_ARGUMENT', 'leaseDeadlineMs must not be further ahead of now than leaseMs');
    }
    // A deadline that has passed is final, also before the keeper has seen it.
    if (this.#deadlineMs > nowMs) this.#deadlineMs = Math.max(this.#deadlineMs, leaseDeadlineMs);
  }

  release(): Promise<void> {
    return this.#command(() => this.#release());
  }

  reset(reason: string): void {
    this.#resetReason ??= reason;
    if (this.#world.mayRun() && !this.#stalled) this.#expire(this.#resetReason);
  }

  stats(): KeeperStats {
    return {
      state: this.#state,
      leaseDeadlineMs: this.#deadlineMs,
      lastPetMs: this.#lastPetMs,
      pets: this.#pets,
      failedPets: 0,
      wakeups: this.#pets,
      worstLatenessMs: 0,
      realtime: true,
      memoryLocked: true,
    };
  }

  // ---- what befalls it ----

  /** The next time it has checked the lease, it stalls for so long before it pets. */
  stallBeforePet(whileMs: number): void {
    this.#stallMs = whileMs;
  }

  /** The process was stopped and goes on. */
  goOn(): void {
    if (this.#state === 'armed' && !this.#stalled) this.#tick();
  }

  /** The process dies: the kernel closes the device, and pets on its behalf. */
  die(): void {
    if (this.#isOpen() && this.#world.device.counts) this.#world.device.pet();
    this.#state = 'idle';
    this.#dead = true;
    if (this.#wake !== null) this.#world.timeline.cancel(this.#wake);
  }

  /** It pets, or can. */
  get holdsDevice(): boolean {
    return this.#isOpen();
  }

  // ---- the thread ----

  #isOpen(): boolean {
    return this.#state === 'open' || this.#state === 'armed' || this.#state === 'expired';
  }

  /** Carried out by the thread, some time later; only then is its promise settled, in the event loop. */
  #command(run: () => void): Promise<void> {
    const { timeline, deliver } = this.#world;
    return new Promise((resolve, reject) => {
      const attempt = (): void => {
        if (this.#dead) return;
        if (this.#stalled || !this.#world.mayRun()) {
          timeline.after(50, attempt);
          return;
        }
        try {
          run();
          deliver(resolve);
        } catch (error) {
          deliver(() => reject(error));
        }
        this.#commands.shift();
        this.#beginCommand();
      };
      this.#commands.push(attempt);
      if (this.#commands.length === 1) this.#beginCommand();
    });
  }

  #beginCommand(): void {
    const { timeline, random } = this.#world;
    const [first] = this.#commands;
    if (first !== undefined) timeline.after(random.within(commandMs), first);
  }

  #arm({ timeoutS, petIntervalMs, leaseDeadlineMs, leaseMs }: ArmOptions): void {
    const { clock, device } = this.#world;
    const nowMs = clock.exactMs();
    if (this.#state === 'armed') throw failed('it is armed already');
    if (this.#state === 'expired') throw failed('its lease has expired');
    if (leaseDeadlineMs <= nowMs || leaseDeadlineMs > nowMs + leaseMs) throw failed('the lease is over');
    const { minTimeoutS, maxTimeoutS } = device.facts;
    device.refused = device.trouble !== null;
    if (device.trouble === 'open') throw failed('EBUSY: another process has it');
    device.open();
    this.#state = 'open';
    if (device.trouble === 'timeout') throw failed('it does not take the timeout');
    if (timeoutS < minTimeoutS || (maxTimeoutS > 0 && timeoutS > maxTimeoutS)) throw failed('it rounds the timeout');
    device.setTimeout(timeoutS);
    this.#leaseMs = leaseMs;
    this.#deadlineMs = leaseDeadlineMs;
    this.#petIntervalMs = petIntervalMs;
    this.#state = 'armed';
    this.#pet();
    this.#nextPetMs = nowMs + petIntervalMs;
    this.#sleep();
  }

  #release(): void {
    const { clock, device, onRelease } = this.#world;
    if (this.#state === 'expired') throw failed('its lease has expired');
    if (this.#state === 'armed' && this.#deadlineMs <= clock.exactMs()) {
      this.#expire('lease expired');
      throw failed('its lease has expired');
    }
    if (device.counts) onRelease();
    device.stop();
    this.#state = 'idle';
    this.#deadlineMs = 0;
    if (this.#wake !== null) this.#world.timeline.cancel(this.#wake);
  }

  #sleep(): void {
    const { timeline, clock } = this.#world;
    const wakeMs = Math.min(this.#nextPetMs, this.#deadlineMs);
    this.#wake = timeline.after(clock.trueMs(Math.max(shortestSleepMs, wakeMs - clock.exactMs())), () => this.#tick());
  }

  #tick(): void {
    if (!this.#world.mayRun() || this.#state !== 'armed') return;
    const nowMs = this.#world.clock.exactMs();
    if (this.#resetReason !== null) this.#expire(this.#resetReason);
    else if (this.#deadlineMs <= nowMs) this.#expire('lease expired');
    // Half a millisecond: what rounding loses between this clock and true time.
    else if (nowMs < this.#nextPetMs - 0.5) this.#sleep();
    else if (this.#stallMs > 0) this.#stall();
    else this.#petAndSleep();
  }

  #stall(): void {
    const { timeline, mayRun } = this.#world;
    this.#stalled = true;
    const petLate = (): void => {
      if (this.#state !== 'armed') return;
      if (!mayRun()) {
        timeline.after(50, petLate);
        return;
      }
      this.#stalled = false;
      this.#petAndSleep();
    };
    timeline.after(this.#stallMs, petLate);
    this.#stallMs = 0;
  }

  #petAndSleep(): void {
    this.#pet();
    const nowMs = this.#world.clock.exactMs();
    const planned = this.#nextPetMs + this.#petIntervalMs;
    this.#nextPetMs = planned > nowMs ? planned : nowMs + this.#petIntervalMs;
    this.#sleep();
  }

  #pet(): void {
    const { device } = this.#world;
    if (device.trouble !== 'pets') device.pet();
    this.#lastPetMs = this.#world.clock.exactMs();
    this.#pets++;
  }

  #expire(reason: string): void {
    const { device, requestReset, deliver, onExpired } = this.#world;
    if (this.#state === 'expired') return;
    this.#state = 'expired';
    device.open();
    if (!requestReset(reason)) deliver(onExpired);
  }
}

function failed(why: string): HoldfastError {
  return new HoldfastError('HF_WATCHDOG', `cannot use the simulated watchdog: ${why}`);
}
