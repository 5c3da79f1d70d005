/** One validation: arms a watchdog, measures it, pets it a last time, and waits to be reset. */

import type { PetTimes, ValidationDevice } from './validation-device.js';
import type { Step } from './validation-record.js';

export interface RunPorts {
  readonly device: ValidationDevice;
  readonly clock: { bootMs(): number; wallMs(): number };
  /** By how much the board's clock differs from `wallMs`, without a sign; null: there is none. */
  boardClockErrorMs(): number | null;
  sleep(ms: number): Promise<void>;
  /** Returns when the step is durable. */
  append(step: Step): void;
  say(text: string): void;
  /** The operator or the system wants an end: why, or null. */
  wanted(): Interruption | null;
  /** From here until `release` somebody else notes it should this process die. */
  readonly witness: { call(): void; release(): void };
}

export interface Interruption {
  readonly reason: string;
  /** The system goes down, or a program ends us: not an operator who may be told that it is too late. */
  readonly final: boolean;
}

export interface RunOptions {
  readonly timeoutS: number;
  /** The driver's limits; 0: it states none. */
  readonly minTimeoutS: number;
  readonly maxTimeoutS: number;
  readonly nowayout: boolean;
}

/** What became of it while this process lives; a reset ends it otherwise. */
export type RunEnd = 'aborted' | 'interrupted' | 'outlived';

/** Two expiries have to be told from one, with the margin of a reset and the ticks of drivers between them. */
export const minValidationTimeoutS = 5;
/** Timeouts that the agent might ask for, and some more. */
const askedS = [2, 3, 5, 6, 7, 8, 10, 15, 20, 30, 60];
const pets = 50;
const petPauseMs = 20;
const signPauseMs = 250;
/** How many timeouts are waited for a reset; two are what may be used. */
const waitedTimeouts = 4;
const sayEveryMs = 1_000;

/** Ends only if the machine is not reset. @throws HF_WATCHDOG; then the device was disarmed if it can be */
export async function runValidation(options: RunOptions, ports: RunPorts): Promise<RunEnd> {
  const measured = await measure(options, ports);
  if (measured === null) return 'aborted';
  ports.append(measured);
  ports.witness.call();
  try {
    return await leaveAlone(measured.timeoutS, options, ports);
  } catch (error) {
    ports.append({ step: 'interrupted', reason: messageOf(error) });
    disarm(ports);
    throw error;
  } finally {
    ports.witness.release();
  }
}

/** Null: ended before the last pet, with the device disarmed. */
async function measure(options: RunOptions, ports: RunPorts): Promise<Extract<Step, { step: 'measured' }> | null> {
  const { device, append, say } = ports;
  const abort = (reason: string) => {
    device.disarm();
    append({ step: 'aborted', reason });
    say(`ended before the last pet: ${reason}; the watchdog is disarmed, if its driver lets it be`);
    return null;
  };
  try {
    device.open();
  } catch (error) {
    append({ step: 'aborted', reason: messageOf(error) });
    throw error;
  }
  try {
    // Written to at once: some count only from then on.
    device.start();
    const { identity, bootStatus } = device.describe();
    const rounding = roundings(options, device);
    const timeoutS = device.setTimeout(options.timeoutS) ?? device.describe().timeoutS;
    if (timeoutS < minValidationTimeoutS)
      return abort(`the driver makes ${timeoutS} s of a timeout of ${options.timeoutS} s`);
    device.pet();
    const timeLeftS = device.describe().timeLeftS || null;
    const durations = await petOften(ports);
    const interruption = ports.wanted();
    if (interruption !== null) return abort(interruption.reason);
    const boardClockErrorMs = ports.boardClockErrorMs();
    return {
      step: 'measured',
      identity,
      timeoutS,
      bootStatus,
      boardClockErrorMs,
      rounding,
      timeLeftS,
      pets: summary(durations),
    };
  } catch (error) {
    abort(messageOf(error));
    throw error;
  }
}

function roundings({ minTimeoutS, maxTimeoutS }: RunOptions, device: ValidationDevice) {
  const allowed = askedS.filter((each) => each >= minTimeoutS && (maxTimeoutS === 0 || each <= maxTimeoutS));
  return allowed.map((each) => ({ askedS: each, setS: device.setTimeout(each) }));
}

async function petOften({ device, sleep, wanted }: RunPorts): Promise<readonly number[]> {
  const durationsMs: number[] = [];
  while (durationsMs.length < pets && wanted() === null) {
    const { startMs, endMs } = device.pet();
    durationsMs.push(endMs - startMs);
    await sleep(petPauseMs);
  }
  return durationsMs;
}

function summary(durationsMs: readonly number[]) {
  const sorted = durationsMs.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? 0;
  return { count: sorted.length, medianMs: at(Math.floor(sorted.length / 2)), maxMs: at(sorted.length - 1) };
}

async function leaveAlone(timeoutS: number, options: RunOptions, ports: RunPorts): Promise<RunEnd> {
  const { device, clock, append, say } = ports;
  append({ step: 'last-pet-due', bootMs: clock.bootMs() });
  const wallMs = clock.wallMs();
  const lastPet = device.pet();
  append({ step: 'last-pet', ...lastPet, wallMs });
  say(
    `petted for the last time, with a timeout of ${timeoutS} s: this machine should be reset in ${timeoutS} s, or ${2 * timeoutS} s`,
  );
  const ended = await showLife(timeoutS, lastPet, options, ports);
  if (ended !== null) return ended;
  append({ step: 'outlived', bootMs: clock.bootMs() });
  say(`not reset ${waitedTimeouts * timeoutS} s after the last pet: disarming`);
  disarm(ports);
  return 'outlived';
}

/** Signs of life, durable one by one, until the machine is reset; null: the whole wait has passed. */
async function showLife(
  timeoutS: number,
  lastPet: PetTimes,
  { nowayout }: RunOptions,
  { device, clock, sleep, append, say, wanted }: RunPorts,
): Promise<RunEnd | null> {
  let saidMs = 0;
  let refused = false;
  for (let passedMs = 0; passedMs < waitedTimeouts * timeoutS * 1_000; passedMs = clock.bootMs() - lastPet.endMs) {
    append({ step: 'alive', bootMs: clock.bootMs() });
    if (passedMs - saidMs >= sayEveryMs) {
      say(`${(passedMs / 1_000).toFixed(1)} s after the last pet`);
      saidMs = passedMs;
    }
    const interruption = wanted();
    if (interruption !== null && (!nowayout || interruption.final)) {
      append({ step: 'interrupted', reason: interruption.reason });
      if (nowayout) say('too late: the driver has nowayout set, and the watchdog will reset this machine');
      else disarm({ device, say });
      return 'interrupted';
    }
    if (interruption !== null && !refused) {
      refused = true;
      say('too late: the driver has nowayout set, and only a reset ends this');
    }
    await sleep(signPauseMs);
  }
  return null;
}

function disarm({ device, say }: Pick<RunPorts, 'device' | 'say'>): void {
  try {
    device.disarm();
  } catch (error) {
    say(messageOf(error));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
