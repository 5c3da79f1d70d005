import { createRequire } from 'node:module';
import { HoldfastError } from '../core/errors.js';
import type { CorosyncNative } from './corosync-native.js';

/** What the device told when a command was done; zeros and an empty identity while nothing is open. */
export interface NativeDeviceInfo {
  readonly identity: string;
  readonly firmware: number;
  readonly options: number;
  readonly status: number;
  readonly bootStatus: number;
  readonly timeoutS: number;
  readonly pretimeoutS: number;
  readonly timeLeftS: number;
}

/** `error` is 0 or an errno; `step` one of native/keeper.h's. */
export interface NativeResult {
  readonly error: number;
  readonly step: number;
  readonly info: NativeDeviceInfo;
}

export interface NativeKeeperStats {
  readonly state: number;
  readonly leaseDeadlineMs: number;
  readonly lastPetMs: number;
  readonly pets: number;
  readonly failedPets: number;
  readonly wakeups: number;
  readonly resetRequests: number;
  readonly worstLatenessMs: number;
  /** Errno of the last pet that failed; 0: none did. */
  readonly petError: number;
  /** Errno of the last reset request that failed; 0: none did. */
  readonly resetError: number;
  readonly realtime: boolean;
  readonly memoryLocked: boolean;
}

export interface NativeKeeper {
  /** False while another command is under way. The result arrives at the bell. */
  post(type: number, timeoutS: number, petIntervalMs: number, deadlineMs: number, leaseMs: number): boolean;
  extend(deadlineMs: number): number;
  reset(reason: string): void;
  stats(): NativeKeeperStats;
  /** How late pets were begun, and how late they were done; each also of those that a late one came for. */
  lateness(): { readonly begun: NativeLateness; readonly done: NativeLateness };
}

export interface NativeLateness {
  /** Of pets, in the buckets of native/lateness.h. */
  readonly counts: Float64Array;
  readonly worstMs: number;
}

/** `error` is 0 or an errno; the instants are CLOCK_BOOTTIME milliseconds before and after. */
export interface NativePet {
  readonly error: number;
  readonly startMs: number;
  readonly endMs: number;
}

/** A watchdog without a keeper; every call blocks until the driver has answered. Numbers alone are errnos, 0: done. */
export interface NativeDevice {
  open(): number;
  describe(): NativeDeviceInfo | number;
  setTimeout(seconds: number): { readonly error: number; readonly timeoutS: number };
  start(): NativePet;
  pet(): NativePet;
  disarm(): number;
}

export interface NativeEmulatorState {
  readonly identity: string;
  readonly active: boolean;
  readonly timeoutS: number;
  readonly minTimeoutS: number;
  readonly maxTimeoutS: number;
  readonly nowayout: boolean;
  readonly bootStatus: number;
  readonly kappa: number;
}

export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** The watchdog half of the addon as it is: arguments are not checked there. */
export interface WatchdogNative {
  /** CLOCK_BOOTTIME in milliseconds, with fractions. */
  boottimeMs(): number;
  /** SO_PEERCRED of a connected Unix socket, or an errno. */
  peerCredentials(fd: number): PeerCredentials | number;
  /** The emulator's state without opening its device, or an errno. */
  queryEmulator(socket: string): Promise<NativeEmulatorState | number>;
  readonly Keeper: new (
    emulated: boolean,
    path: string,
    bell: (notices: number, result: NativeResult | undefined) => void,
  ) => NativeKeeper;
  readonly Device: new (emulated: boolean, path: string) => NativeDevice;
}

export type Native = WatchdogNative & CorosyncNative;

/** From dist/src/host to the package. */
const addonPath = '../../../build/Release/holdfast.node';

/** Loads the addon; Node itself keeps it, so that further calls are cheap. Throws `HF_ADDON`. */
export function loadNative(path: string = addonPath): Native {
  try {
    return createRequire(import.meta.url)(path) as Native;
  } catch (error) {
    throw new HoldfastError('HF_ADDON', `cannot load the native addon: ${remedy(error)}`, { cause: error });
  }
}

function remedy(error: unknown): string {
  const message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
  const library = /^(lib\S+?): cannot open shared object file/.exec(message)?.[1];
  if (library) return `${library} is not installed: install corosync's libraries (apt-get install corosync)`;
  if (/^Cannot find module/.test(message)) return 'it was never built: run `npm run addon`';
  return `${message}: build it again for this machine and this Node (remove build/, then \`npm run addon\`)`;
}
