/** What /sys, /dev and /proc say of a kernel watchdog, without opening it: opening an idle one arms it. */
import type { Stats } from 'node:fs';
import { readdir, readlink, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HoldfastError } from '../core/errors.js';
import { attribute, linkedName, numberAttribute } from './sysfs.js';
import { findOldDriver, softdogIdentity } from './watchdog-drivers.js';

export interface KernelWatchdogState {
  /** The driver's own name for itself; `unknown` where only opening would tell. */
  readonly identity: string;
  /** The kernel's name of the driver; null: it cannot be told. */
  readonly driver: string | null;
  readonly active: boolean;
  readonly timeoutS: number;
  readonly minTimeoutS: number;
  readonly maxTimeoutS: number;
  readonly pretimeoutS: number;
  /** Null: not counting, or the driver does not tell. */
  readonly timeLeftS: number | null;
  readonly nowayout: boolean;
  readonly bootStatus: number;
  /**
   * Closing it without magic close stops it, and so does the death of whoever has it open: such a driver does not state
   * WDIOF_MAGICCLOSE, and has no nowayout. False where sysfs does not tell.
   */
  readonly stopsOnClose: boolean;
  /** False: an old driver (ib700, IPMI) that has no entry in sysfs, so that all but the device's number is unknown. */
  readonly inSysfs: boolean;
}

export interface Holder {
  readonly pid: number;
  readonly program: string;
}

/** WDIOF_MAGICCLOSE of linux/watchdog.h. */
const magicClose = 0x0100;

/** WDIOF_CARDRESET of linux/watchdog.h, in the boot status: the watchdog has caused the last reset. */
export const cardReset = 0x20;

/** The reserved number of /dev/watchdog; the same device as watchdog0 where that exists. */
const miscWatchdog = '10:130';

const unknownState: KernelWatchdogState = {
  identity: 'unknown',
  driver: null,
  active: false,
  timeoutS: 0,
  minTimeoutS: 0,
  maxTimeoutS: 0,
  pretimeoutS: 0,
  timeLeftS: null,
  nowayout: false,
  bootStatus: 0,
  stopsOnClose: false,
  inSysfs: false,
};

/** Linux's `dev_t` as user space sees it, see makedev(3). */
function deviceNumber(file: Stats): string {
  const rdev = BigInt(file.rdev);
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

async function statDevice(device: string, root: string): Promise<Stats> {
  try {
    return await stat(join(root, device));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOENT')
      throw new HoldfastError('HF_WATCHDOG', `cannot look at ${device}: ${code}`, { cause: error });
    throw new HoldfastError(
      'HF_WATCHDOG',
      `there is no ${device} (ENOENT): load this board's watchdog driver, or softdog, or name another device`,
      { cause: error },
    );
  }
}

/** The folder of each watchdog in sysfs by device number; watchdog0 by /dev/watchdog's as well. */
async function sysfsFolders(root: string): Promise<Map<string, string>> {
  const folders = new Map<string, string>();
  const parent = join(root, '/sys/class/watchdog');
  for (const name of await readdir(parent).catch((): string[] => [])) {
    const folder = join(parent, name);
    const number = await attribute(folder, 'dev');
    if (number) folders.set(number, folder);
    if (name === 'watchdog0') folders.set(miscWatchdog, folder);
  }
  return folders;
}

/**
 * Reads the state of a kernel watchdog without opening it.
 * @param root prefix of /dev and /sys; only tests set it
 * @throws HF_WATCHDOG if it is missing, or not a watchdog
 */
export async function readKernelWatchdog(device: string, root = '/'): Promise<KernelWatchdogState> {
  const file = await statDevice(device, root);
  const number = deviceNumber(file);
  const folder = file.isCharacterDevice() ? (await sysfsFolders(root)).get(number) : undefined;
  if (!folder && !(file.isCharacterDevice() && number === miscWatchdog)) {
    throw new HoldfastError('HF_WATCHDOG', `${device} is not a watchdog: name one of /dev/watchdog*`);
  }
  return folder ? readFolder(folder, root) : readOldDriver(root);
}

async function readFolder(folder: string, root: string): Promise<KernelWatchdogState> {
  const number = async (name: string) => (await numberAttribute(folder, name)) ?? 0;
  const identity = (await attribute(folder, 'identity')) || unknownState.identity;
  const active = (await attribute(folder, 'state')) === 'active';
  const nowayout = (await number('nowayout')) === 1;
  const options = await numberAttribute(folder, 'options');
  const driver = await linkedName(join(folder, 'device'), 'driver');
  const named = identity === softdogIdentity ? 'softdog' : await driverWithoutDevice(root);
  return {
    identity,
    driver: driver ?? named,
    active,
    timeoutS: await number('timeout'),
    minTimeoutS: await number('min_timeout'),
    maxTimeoutS: await number('max_timeout'),
    pretimeoutS: await number('pretimeout'),
    timeLeftS: active ? ((await numberAttribute(folder, 'timeleft')) ?? null) : null,
    nowayout,
    bootStatus: await number('bootstatus'),
    stopsOnClose: options !== undefined && !nowayout && (options & magicClose) === 0,
    inSysfs: true,
  };
}

/**
 * Some drivers (i6300esb) name no device of theirs to the kernel's watchdog core: the module that uses the core and has
 * made no other watchdog. Null: there is none, or more than one.
 */
async function driverWithoutDevice(root: string): Promise<string | null> {
  const users = await readdir(join(root, '/sys/module/watchdog/holders')).catch((): string[] => []);
  const linked = new Set<string | undefined>(['softdog']);
  for (const folder of (await sysfsFolders(root)).values()) {
    linked.add(await linkedName(join(folder, 'device'), 'driver'));
  }
  const [only, ...others] = users.filter((name) => !linked.has(name));
  return only === undefined || others.length > 0 ? null : only;
}

async function readOldDriver(root: string): Promise<KernelWatchdogState> {
  const { name, timeoutS, pretimeoutS, nowayout } = await findOldDriver(root);
  return { ...unknownState, driver: name, timeoutS, pretimeoutS, nowayout };
}

/**
 * What two paths have in common that name one device, be it by a link, by another node of the same number, or as
 * /dev/watchdog and watchdog0; null: there is no such device.
 * @param root prefix of /dev and /sys; only tests set it
 */
export async function deviceKey(device: string, root = '/'): Promise<string | null> {
  const file = await stat(join(root, device)).catch(() => null);
  if (!file?.isCharacterDevice()) return null;
  const number = deviceNumber(file);
  return (await sysfsFolders(root)).get(number) ?? number;
}

/** A device that must not be armed: the death of the agent would leave what runs here unguarded. */
export function refusalToArm(device: string, { stopsOnClose }: KernelWatchdogState): string | null {
  if (!stopsOnClose) return null;
  return `cannot arm ${device}: its driver stops when the agent dies (no WDIOF_MAGICCLOSE): load it with nowayout=1, or name another device`;
}

/** Who has the device open; undefined: nobody, or it cannot be told. Looking at others needs the right to. */
export async function findHolder(device: string, root = '/'): Promise<Holder | undefined> {
  const file = await stat(join(root, device)).catch(() => undefined);
  if (file === undefined) return undefined;
  const own = deviceNumber(file);
  const folders = await sysfsFolders(root);
  // Two numbers with one folder are one device.
  const same = (number: string): boolean =>
    number === own || (folders.has(own) && folders.get(number) === folders.get(own));
  for (const pid of await readdir(join(root, '/proc')).catch((): string[] => [])) {
    if (!/^[0-9]+$/.test(pid)) continue;
    if (await holds(join(root, '/proc', pid, 'fd'), join(root, '/dev/'), same)) {
      return { pid: Number(pid), program: await programOf(join(root, '/proc', pid)) };
    }
  }
  return undefined;
}

/** What the agent is called as a holder: its process has the name of its interpreter. */
export const agentProgram = 'holdfastd';

async function programOf(folder: string): Promise<string> {
  const words = (await attribute(folder, 'cmdline'))?.split('\0') ?? [];
  if (words.some((word) => basename(word, '.js') === agentProgram)) return agentProgram;
  return (await attribute(folder, 'comm')) ?? 'unknown';
}

/** The setting that made a program hold the device: systemd gives its RuntimeWatchdogSec to it. Null: not known. */
export function holderSetting({ pid, program }: Holder, timeoutS: number): string | null {
  if (pid !== 1 || program !== 'systemd') return null;
  return timeoutS > 0 ? `RuntimeWatchdogSec=${timeoutS}` : 'RuntimeWatchdogSec';
}

async function holds(folder: string, devices: string, same: (number: string) => boolean): Promise<boolean> {
  for (const fd of await readdir(folder).catch((): string[] => [])) {
    const path = join(folder, fd);
    // To stat a file of a network file system may wait for ever; readlink asks nobody.
    const target = await readlink(path).catch(() => '');
    if (!target.startsWith(devices)) continue;
    const file = await stat(path).catch(() => undefined);
    if (file?.isCharacterDevice() && same(deviceNumber(file))) return true;
  }
  return false;
}
