/** Checks of what callers give to the watchdog, before anything reaches the addon. */
import { HoldfastError } from '../core/errors.js';
import type { ArmOptions } from '../ports/watchdog.js';

interface Common {
  /** Measured reset time over the timeout asked for. Unset: 2, the worst there is; what the emulator says of itself. */
  readonly kappa?: 1 | 2;
  /** This device was seen to reset this machine. Unset: it was not. */
  readonly validated?: boolean;
}

/** A kernel device (`/dev/watchdog0`), or the socket of an emulator: one of them. */
export type WatchdogOptions = (Common & { readonly device: string }) | (Common & { readonly emulator: string });

/** WDIOC_SETTIMEOUT takes an int; no driver of Linux takes more than this. */
const maxTimeoutS = 65_535;
const minPetIntervalMs = 50;
const maxLeaseMs = 3_600_000;
/** Buffers of native/watchdog_device.h, and sockaddr_un; both with a closing zero. */
const maxDeviceBytes = 255;
const maxSocketBytes = 107;
/** In nanoseconds it has to fit in 63 bits: 285 years of uptime. */
const maxInstantMs = 9e12;
const maxReasonLength = 1_000;

function reject(name: string, rule: string, value: unknown): never {
  throw new HoldfastError('HF_ARGUMENT', `${name} must be ${rule}, and is ${describe(value)}`);
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value);
  return typeof value === 'number' || typeof value === 'boolean' || value == null ? String(value) : `a ${typeof value}`;
}

function checkInteger(name: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value;
  return reject(name, `a whole number from ${min} to ${max}`, value);
}

export function checkInstant(name: string, value: unknown): number {
  if (typeof value === 'number' && value > 0 && value <= maxInstantMs) return value;
  return reject(name, 'a CLOCK_BOOTTIME instant in milliseconds', value);
}

function checkPath(name: string, value: unknown, maxBytes: number): string {
  const good = typeof value === 'string' && value.startsWith('/') && !value.includes('\0');
  if (good && Buffer.byteLength(value) <= maxBytes) return value;
  return reject(name, `an absolute path of at most ${maxBytes} bytes`, value);
}

export interface CheckedWatchdogOptions {
  readonly path: string;
  readonly emulated: boolean;
  readonly kappa: 1 | 2 | undefined;
  readonly validated: boolean;
}

export function checkWatchdogOptions(options: WatchdogOptions): CheckedWatchdogOptions {
  if (typeof options !== 'object' || options === null) reject('the watchdog', 'an object', options);
  const given: Partial<Record<string, unknown>> = { ...options };
  const { device, emulator, kappa, validated, ...rest } = given;
  for (const name of Object.keys(rest)) reject(name, 'left out: there is no such option', rest[name]);
  if ((device === undefined) === (emulator === undefined)) {
    throw new HoldfastError('HF_ARGUMENT', 'name either a device or an emulator, not both and not none');
  }
  if (kappa !== undefined && kappa !== 1 && kappa !== 2) reject('kappa', '1 or 2', kappa);
  if (validated !== undefined && typeof validated !== 'boolean') reject('validated', 'true or false', validated);
  const emulated = emulator !== undefined;
  const path = emulated
    ? checkPath('the emulator', emulator, maxSocketBytes)
    : checkPath('the device', device, maxDeviceBytes);
  return { path, emulated, kappa, validated: validated ?? false };
}

/** A timeout as WDIOC_SETTIMEOUT takes it. */
export function checkTimeout(timeoutS: number): number {
  return checkInteger('timeoutS', timeoutS, 1, maxTimeoutS);
}

/** @param nowMs CLOCK_BOOTTIME in milliseconds */
export function checkArmOptions(options: ArmOptions, nowMs: number): ArmOptions {
  if (typeof options !== 'object' || options === null) reject('the options of arm', 'an object', options);
  const timeoutS = checkTimeout(options.timeoutS);
  // Two pets within each timeout, so that one that fails is no reset.
  const petIntervalMs = checkInteger('petIntervalMs', options.petIntervalMs, minPetIntervalMs, timeoutS * 500);
  const leaseMs = checkInteger('leaseMs', options.leaseMs, 1, maxLeaseMs);
  const leaseDeadlineMs = checkInstant('leaseDeadlineMs', options.leaseDeadlineMs);
  const aheadMs = leaseDeadlineMs - nowMs;
  if (aheadMs <= 0 || aheadMs > leaseMs) {
    throw new HoldfastError(
      'HF_ARGUMENT',
      `leaseDeadlineMs must be ahead of now by at most leaseMs (${leaseMs} ms), and is by ${Math.round(aheadMs)} ms`,
    );
  }
  return { timeoutS, petIntervalMs, leaseMs, leaseDeadlineMs };
}

export function checkReason(reason: string): string {
  if (typeof reason === 'string' && reason.length > 0 && reason.length <= maxReasonLength) return reason;
  return reject('the reason of a reset', `a sentence of at most ${maxReasonLength} characters`, reason);
}
