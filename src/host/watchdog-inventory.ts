/** Every watchdog of this machine, from /sys, /dev, /proc and the kernel's log; none is opened. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../core/errors.js';
import { readKernelLog } from './kernel-log.js';
import { driversInVain, findOldDriver, problemInLog, softdogIdentity, talkingDrivers } from './watchdog-drivers.js';
import {
  findHolder,
  type Holder,
  holderSetting,
  type KernelWatchdogState,
  readKernelWatchdog,
  refusalToArm,
} from './watchdog-sysfs.js';

export interface FoundWatchdog extends KernelWatchdogState {
  readonly device: string;
  /** `software`: a timer of the kernel itself, which a kernel that hangs does not reset. */
  readonly kind: 'hardware' | 'software';
  /** Who has it open, and by which setting if that is known; null: nobody that may be seen. */
  readonly holder: (Holder & { readonly setting: string | null }) | null;
  /** Why it must not be used, one sentence; null: nothing is known against it. */
  readonly problem: string | null;
}

export interface WatchdogInventory {
  /** In the order of their numbers; an old driver's /dev/watchdog comes last. */
  readonly watchdogs: readonly FoundWatchdog[];
  /** What else there is to know: drivers that are loaded and have made no device. */
  readonly notes: readonly string[];
}

/** The kernel has numbers for so many (MAX_DOGS). */
const maxWatchdogs = 32;

/** @param root prefix of /dev, /proc and /sys; only tests set it */
export async function findWatchdogs(root = '/'): Promise<WatchdogInventory> {
  const talking = await talkingDrivers(root);
  // Some ten milliseconds in which nothing else is done: only for what may stand there.
  const log = talking.length === 0 ? [] : readKernelLog(root);
  const watchdogs: FoundWatchdog[] = [];
  const notes: string[] = [];
  for (const device of await deviceNames(root)) {
    try {
      watchdogs.push(await look(device, root, log));
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      notes.push(error.message);
    }
  }
  const drivers = watchdogs.map(({ driver }) => driver);
  return { watchdogs, notes: [...notes, ...driversInVain(talking, drivers, log)] };
}

async function deviceNames(root: string): Promise<readonly string[]> {
  const numbered = (await readdir(join(root, '/sys/class/watchdog')).catch((): string[] => []))
    .filter((name) => /^watchdog\d{1,2}$/.test(name))
    .sort((a, b) => Number(a.slice('watchdog'.length)) - Number(b.slice('watchdog'.length)))
    .slice(0, maxWatchdogs)
    .map((name) => `/dev/${name}`);
  // With a watchdog0, /dev/watchdog is another name of it: the core gives that number only to whoever has both.
  if (numbered.includes('/dev/watchdog0')) return numbered;
  const others = await readdir(join(root, '/dev')).catch((): string[] => []);
  return others.includes('watchdog') ? [...numbered, '/dev/watchdog'] : numbered;
}

async function look(device: string, root: string, log: readonly string[]): Promise<FoundWatchdog> {
  const state = await readKernelWatchdog(device, root);
  const found = await findHolder(device, root);
  const holder = found === undefined ? null : { ...found, setting: holderSetting(found, state.timeoutS) };
  const kind = state.identity === softdogIdentity ? 'software' : 'hardware';
  return { ...state, device, kind, holder, problem: await problemOf(device, state, root, log) };
}

async function problemOf(
  device: string,
  state: KernelWatchdogState,
  root: string,
  log: readonly string[],
): Promise<string | null> {
  const said = state.driver === null ? null : problemInLog(state.driver, log);
  const set = state.inSysfs ? null : (await findOldDriver(root)).problem;
  const cause = said ?? set;
  return cause === null ? refusalToArm(device, state) : `${device} resets nothing: ${cause}`;
}
