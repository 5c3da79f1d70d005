/** A watchdog in the hands of a validation: no keeper, no lease, one operation at a time. */
import { HoldfastError } from '../core/errors.js';
import { loadNative, type NativeDevice, type NativeDeviceInfo, type WatchdogNative } from './native.js';
import { checkTimeout, checkWatchdogOptions, type WatchdogOptions } from './watchdog-arguments.js';
import { errnoName, openCause } from './watchdog-failure.js';
import { readKernelWatchdog } from './watchdog-sysfs.js';

/** CLOCK_BOOTTIME milliseconds before and after. */
export interface PetTimes {
  readonly startMs: number;
  readonly endMs: number;
}

/** The calls that promise nothing block until the driver has answered; all throw HF_WATCHDOG where it refuses. */
export interface ValidationDevice {
  /** Opens it, which starts many; pets nothing. */
  open(): Promise<void>;
  describe(): NativeDeviceInfo;
  /** What the driver makes of a timeout; null: it refuses it. Pets. */
  setTimeout(seconds: number): number | null;
  /** The first pet, a write: some drivers start only then. */
  start(): PetTimes;
  pet(): PetTimes;
  /** Magic close; the device may go on counting all the same. */
  disarm(): void;
  /** Does it count, by what can be seen from outside? Null: that cannot be seen. */
  isCounting(): Promise<boolean | null>;
}

/** @throws HF_ARGUMENT for malformed options, HF_ADDON when the addon cannot be loaded */
export function createValidationDevice(
  options: WatchdogOptions,
  native: Pick<WatchdogNative, 'Device' | 'queryEmulator'> = loadNative(),
): ValidationDevice {
  const { path, emulated } = checkWatchdogOptions(options);
  const device = new native.Device(emulated, path);
  const check = (what: string, error: number): void => {
    if (error === 0) return;
    throw new HoldfastError('HF_WATCHDOG', `cannot ${what} ${path}: ${errnoName(error)}: look at the kernel's log`);
  };
  return {
    open: async () => {
      const error = device.open();
      if (error === 0) return;
      const cause = await openCause({ path, emulated }, errnoName(error));
      throw new HoldfastError('HF_WATCHDOG', `cannot open ${path}: ${cause}`);
    },
    describe: () => describe(device, check),
    setTimeout: (seconds) => {
      const { error, timeoutS } = device.setTimeout(checkTimeout(seconds));
      return error === 0 ? timeoutS : null;
    },
    start: () => timed('start', device.start(), check),
    pet: () => timed('pet', device.pet(), check),
    disarm: () => check('disarm', device.disarm()),
    isCounting: () => (emulated ? isEmulatorCounting(path, native) : isKernelCounting(path)),
  };
}

type Check = (what: string, error: number) => void;

function describe(device: NativeDevice, check: Check): NativeDeviceInfo {
  const info = device.describe();
  if (typeof info !== 'number') return info;
  check('read', info);
  throw new HoldfastError('HF_WATCHDOG', 'the watchdog tells nothing');
}

function timed(what: string, { error, ...times }: ReturnType<NativeDevice['pet']>, check: Check): PetTimes {
  check(what, error);
  return times;
}

async function isEmulatorCounting(
  path: string,
  native: Pick<WatchdogNative, 'queryEmulator'>,
): Promise<boolean | null> {
  const state = await native.queryEmulator(path);
  return typeof state === 'number' ? null : state.active;
}

async function isKernelCounting(path: string): Promise<boolean | null> {
  const { inSysfs, active } = await readKernelWatchdog(path);
  return inSysfs ? active : null;
}
