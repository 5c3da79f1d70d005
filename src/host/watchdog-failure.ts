/** Sentences for what can go wrong with a watchdog. */
import { getSystemErrorName } from 'node:util';
import { HoldfastError } from '../core/errors.js';
import type { ArmOptions } from '../ports/watchdog.js';
import type { CommandName } from './keeper-commands.js';
import type { NativeResult } from './native.js';
import { agentProgram, findHolder, type Holder, holderSetting, readKernelWatchdog } from './watchdog-sysfs.js';

/** As `Step` in native/keeper.h, in its order. */
const steps = ['none', 'state', 'lease', 'open', 'timeout', 'rounded', 'start', 'disarm'] as const;

export function errnoName(errno: number): string {
  return errno === 0 ? 'OK' : getSystemErrorName(-errno);
}

export interface Failure {
  readonly path: string;
  readonly emulated: boolean;
  readonly command: CommandName;
  readonly result: NativeResult;
  readonly options: ArmOptions | undefined;
}

const verbs = { adopt: 'adopt', arm: 'arm', release: 'disarm', describe: 'read' } as const;

/** The error of a command that failed: the thing, the cause, the remedy. */
export async function watchdogError(failure: Failure): Promise<HoldfastError> {
  return new HoldfastError('HF_WATCHDOG', `cannot ${verbs[failure.command]} ${failure.path}: ${await cause(failure)}`);
}

async function cause(failure: Failure): Promise<string> {
  const name = errnoName(failure.result.error);
  switch (steps[failure.result.step]) {
    case 'state':
      return name === 'EALREADY'
        ? 'it is armed already: release it first'
        : 'its lease has expired, and this machine is being reset';
    case 'lease':
      return 'the lease ran out before the first pet: get a new lease and arm again';
    case 'open':
      return openCause(failure, name);
    case 'timeout':
      return `the driver refuses a timeout of ${failure.options?.timeoutS} s (${name}): configure one within its limits`;
    case 'rounded':
      return (
        `the driver makes ${failure.result.info.timeoutS} s of a timeout of ${failure.options?.timeoutS} s: ` +
        `configure ${failure.result.info.timeoutS} s`
      );
    default:
      return `${name}: look at the kernel's log, or name another device`;
  }
}

/** Why a device cannot be opened, and what to do about it. @param name of the errno */
export async function openCause({ path, emulated }: Pick<Failure, 'path' | 'emulated'>, name: string): Promise<string> {
  if (emulated) {
    if (name === 'EBUSY') return 'another agent has the emulated device open: stop that agent';
    return `the emulator does not answer (${name}): start watchdog-emulator with --socket ${path}`;
  }
  if (name === 'ENOTTY') return 'it is not a watchdog: name one of /dev/watchdog*';
  if (name === 'ENOENT') return `there is none (ENOENT): load this board's watchdog driver, or name another device`;
  if (name !== 'EBUSY') return `${name}: look at the kernel's log, or name another device`;
  return busyCause(path, '/');
}

/** @param root prefix of /dev, /sys and /proc; only tests set it */
export async function busyCause(path: string, root: string): Promise<string> {
  const holder = await findHolder(path, root).catch(() => undefined);
  if (!holder) return 'another program holds it (EBUSY) that cannot be found in /proc: stop it, or name another device';
  const timeoutS = await readKernelWatchdog(path, root)
    .then((state) => state.timeoutS)
    .catch(() => 0);
  return heldBy({ ...holder, setting: holderSetting(holder, timeoutS) });
}

/** Who holds a device, and what to do about it. */
export function heldBy({ pid, program, setting }: Holder & { readonly setting: string | null }): string {
  if (program === agentProgram)
    return `held by pid ${pid} (${program}), which lets go of it once nothing runs on this node: empty this node, and do not end that program before, or this machine is reset`;
  if (setting === null) return `held by pid ${pid} (${program}): stop that program, or name another device`;
  return `held by pid ${pid} (${program}, ${setting}): set RuntimeWatchdogSec=0 in system.conf, or name another device`;
}
