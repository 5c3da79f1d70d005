/** The watchdog and the keeper that pets it. */

export interface WatchdogInfo {
  /** Device path (`/dev/watchdog0`) or the emulator's socket. */
  readonly device: string;
  readonly kind: 'kernel' | 'emulated';
  /** The driver's own name for itself. */
  readonly identity: string;
  /** Counting down now, whoever armed it. */
  readonly active: boolean;
  /** Present timeout, whole seconds as the driver tells it. */
  readonly timeoutS: number;
  readonly minTimeoutS: number;
  /** 0: the driver states no limit. */
  readonly maxTimeoutS: number;
  readonly nowayout: boolean;
  /** Raw WDIOC_GETBOOTSTATUS; 0x20 (WDIOF_CARDRESET): this device caused the last reset. */
  readonly bootStatus: number;
  /** Measured reset time over the timeout asked for: 1, or 2 for chips that expire twice. */
  readonly kappa: 1 | 2;
  /** A reset by this very device was seen on this machine. */
  readonly validated: boolean;
}

/** Read from the keeper's atomics; instants are CLOCK_BOOTTIME milliseconds, fractions allowed. */
export interface KeeperStats {
  readonly state: 'idle' | 'open' | 'armed' | 'expired' | 'failed';
  readonly leaseDeadlineMs: number;
  /** 0 before the first pet. */
  readonly lastPetMs: number;
  readonly pets: number;
  readonly failedPets: number;
  readonly wakeups: number;
  /** Longest time from when a pet was planned to the end of the pet that was made for it. */
  readonly worstLatenessMs: number;
  readonly realtime: boolean;
  readonly memoryLocked: boolean;
}

export interface ArmOptions {
  /** Timeout to give to the device, whole seconds. */
  readonly timeoutS: number;
  readonly petIntervalMs: number;
  /** The keeper pets only while CLOCK_BOOTTIME is before this. */
  readonly leaseDeadlineMs: number;
  /** `leaseDeadlineMs` may never be set further ahead of now than this. */
  readonly leaseMs: number;
}

export interface Watchdog {
  /** Looks without opening: opening an idle device would arm it. Rejects with a HoldfastError. */
  inspect(): Promise<WatchdogInfo>;
  /** Opens if need be, sets the timeout, pets, and keeps petting. Needs a lease deadline in the future. */
  arm(options: ArmOptions): Promise<void>;
  /** Extends the lease; earlier deadlines are ignored, later than `now + leaseMs` is an error. */
  extend(leaseDeadlineMs: number): void;
  /** Disarms by magic close, a device that a former agent has left running too; only when nothing runs here. */
  release(): Promise<void>;
  /** Pets never again and resets this machine at once, by the means that belong to the device. */
  reset(reason: string): void;
  stats(): KeeperStats;
}
