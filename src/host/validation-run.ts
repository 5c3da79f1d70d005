/** One validation: arms a watchdog, measures it, pets it a last time, and waits to be reset. */
import { HoldfastError } from '../core/errors.js';
import type { PetTimes, ValidationDevice } from './validation-device.js';
import { type Ending, type Measured, maxTextCharacters, type Step } from './validation-record.js';
import { SignPace } from './validation-signs.js';
import { maxBootMs } from './validation-verdict.js';

export interface RunPorts {
  readonly device: ValidationDevice;
  readonly clock: { bootMs(): number; wallMs(): number };
  /** By how much the board's clock differs from `wallMs`, without a sign; null: there is none. */
  boardClockErrorMs(): number | null;
  sleep(ms: number): Promise<void>;
  /** Resolves when the step is durable. One need not wait for the other: each has its place in the file. */
  append(step: Step): Promise<void>;
  say(text: string): void;
  /** The operator or the system wants an end: why, or null. */
  wanted(): Interruption | null;
  /** From the end of `call` until `release` somebody else notes it should this process die. */
  readonly witness: { call(): Promise<void>; release(): void };
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
export type RunEnd = Ending['step'];

/** Two expiries have to be told from one, with the margin of a reset and the ticks of drivers between them. */
export const minValidationTimeoutS = 5;
/** Timeouts that the agent might ask for, and some more. */
const askedS = [2, 3, 5, 6, 7, 8, 10, 15, 20, 30, 60];
const pets = 50;
const petPauseMs = 20;
const minSignPauseMs = 250;
/** More, in a run of many minutes, would make a file of steps that nobody reads to its end. */
const maxSigns = 2_500;
/** Before the last pet the storage may take so long; it is petted meanwhile. */
const maxStoreMs = 10_000;
/** So long before a sign of life is overdue the watchdog is disarmed, which takes a moment. */
const disarmMs = 100;
/** An end that could not be stored is tried again so often. */
const retryMs = 1_000;
/** Whatever resets the machine after that is not taken for the watchdog any more. */
const tooLateToTellMs = maxBootMs + 10_000;
/** How many timeouts are waited for a reset; two are what may be used. */
const waitedTimeouts = 4;
const sayEveryMs = 1_000;

/**
 * Ends only if the machine is not reset; then the device was disarmed if it can be, before all else.
 * @throws HF_WATCHDOG, HF_STORE
 */
export async function runValidation(options: RunOptions, ports: RunPorts): Promise<RunEnd> {
  const early = ports.wanted();
  if (early !== null) return endUnopened(early.reason, ports);
  if (options.nowayout) ports.say(`its driver has nowayout set: from now on nothing but a reset stops it`);
  try {
    await ports.device.open();
  } catch (error) {
    await endUnopened(messageOf(error), ports).catch(() => undefined);
    throw error;
  }
  const heeding = { ...ports, wanted: heeded(options, ports) };
  const { ending, error } = await untilEnd(options, heeding);
  const failure = await leave(ending, options, heeding).then(() => null, failed);
  const first = error ?? failure;
  if (first !== null) throw first.cause;
  return ending.step;
}

async function endUnopened(reason: string, ports: RunPorts): Promise<RunEnd> {
  ports.say(`ended before the watchdog was opened: ${reason}`);
  await storeEnd({ step: 'aborted', reason }, false, ports);
  return 'aborted';
}

/** With nowayout only a reset ends what was begun: an operator who wants an end is told so, once. */
function heeded({ nowayout }: RunOptions, { wanted, say }: RunPorts): RunPorts['wanted'] {
  let told = false;
  return () => {
    const interruption = wanted();
    if (interruption === null || !nowayout || interruption.final) return interruption;
    if (!told) say('too late: the driver has nowayout set, and only a reset ends this');
    told = true;
    return null;
  };
}

interface Failed {
  readonly cause: unknown;
}

function failed(cause: unknown): Failed {
  return { cause };
}

/** From the open device to the end that is due; throws nothing. */
async function untilEnd(
  options: RunOptions,
  ports: RunPorts,
): Promise<{ readonly ending: Ending; readonly error: Failed | null }> {
  let step: 'aborted' | 'interrupted' = 'aborted';
  try {
    const prepared = await prepare(options, ports);
    if ('reason' in prepared) return { ending: { step, reason: prepared.reason }, error: null };
    step = 'interrupted';
    return { ending: await leaveAlone(prepared.timeoutS, ports), error: null };
  } catch (error) {
    return { ending: { step, reason: messageOf(error) }, error: failed(error) };
  }
}

/** All that comes before the last pet, durable; or why there is to be none. */
async function prepare(
  options: RunOptions,
  ports: RunPorts,
): Promise<{ readonly timeoutS: number } | { readonly reason: string }> {
  const measured = await measure(options, ports);
  const { timeoutS } = measured;
  if (timeoutS < minValidationTimeoutS)
    return { reason: `the driver makes ${timeoutS} s of a timeout of ${options.timeoutS} s` };
  await storePetting(measured, ports);
  await ports.witness.call();
  if (ports.wanted() === null) await storePetting({ step: 'last-pet-due', bootMs: ports.clock.bootMs() }, ports);
  return ports.wanted() ?? { timeoutS };
}

async function measure(options: RunOptions, ports: RunPorts): Promise<Measured> {
  const { device } = ports;
  // A write: an IPMI watchdog counts only from then on.
  device.start();
  const { identity, bootStatus } = device.describe();
  const rounding = roundings(options, device);
  const timeoutS = device.setTimeout(options.timeoutS) ?? device.describe().timeoutS;
  device.pet();
  const timeLeftS = device.describe().timeLeftS || null;
  const durations = await petOften(ports);
  return {
    ...{ step: 'measured', identity, timeoutS, bootStatus, rounding, timeLeftS },
    boardClockErrorMs: ports.boardClockErrorMs(),
    pets: summary(durations),
  };
}

function roundings({ minTimeoutS, maxTimeoutS }: RunOptions, device: ValidationDevice) {
  const allowed = askedS.filter((each) => each >= minTimeoutS && (maxTimeoutS === 0 || each <= maxTimeoutS));
  return allowed.map((each) => ({ askedS: each, setS: device.setTimeout(each) }));
}

async function petOften({ device, sleep, wanted }: RunPorts): Promise<readonly number[]> {
  const durationsMs: number[] = [];
  do {
    const { startMs, endMs } = device.pet();
    durationsMs.push(endMs - startMs);
    await sleep(petPauseMs);
  } while (durationsMs.length < pets && wanted() === null);
  return durationsMs;
}

function summary(durationsMs: readonly number[]) {
  const sorted = durationsMs.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? 0;
  return { count: sorted.length, medianMs: at(Math.floor(sorted.length / 2)), maxMs: at(sorted.length - 1) };
}

/** A step on its way to the disk, to be looked at between two sleeps. */
interface Write {
  readonly outcome: 'under-way' | 'durable' | 'failed';
  readonly error: unknown;
}

function follow(appended: Promise<void>): Write {
  const write: { -readonly [Key in keyof Write]: Write[Key] } = { outcome: 'under-way', error: null };
  appended.then(
    () => {
      write.outcome = 'durable';
    },
    (error: unknown) => {
      write.error = error;
      write.outcome = 'failed';
    },
  );
  return write;
}

/** Before the last pet: a slow disk must not have the machine reset yet. */
async function storePetting(step: Step, { append, device, clock, sleep }: RunPorts): Promise<void> {
  const startMs = clock.bootMs();
  const write = follow(append(step));
  while (write.outcome === 'under-way') {
    if (clock.bootMs() - startMs > maxStoreMs) throw storageSilent(`for ${maxStoreMs / 1_000} s`);
    device.pet();
    await sleep(petPauseMs);
  }
  if (write.outcome === 'failed') throw write.error;
}

function storageSilent(howLong: string): HoldfastError {
  return new HoldfastError(
    'HF_STORE',
    `the storage of the state directory has stored nothing ${howLong}: see to it, and let nothing else use it meanwhile`,
  );
}

/** Pets it a last time, and shows that the machine lives, until it does not. */
async function leaveAlone(timeoutS: number, ports: RunPorts): Promise<Ending> {
  const { device, clock, append, say } = ports;
  const wallMs = clock.wallMs();
  const lastPet = device.pet();
  const write = follow(append({ step: 'last-pet', ...lastPet, wallMs }));
  say(
    `petted for the last time, with a timeout of ${timeoutS} s: this machine should be reset in ${timeoutS} s, or ${2 * timeoutS} s`,
  );
  return showLife(timeoutS, lastPet, write, ports);
}

/**
 * Signs of life, each durable before the next, until the machine is reset. Storage that falls silent would look like a
 * reset, so the watchdog must not come after it: the run ends before the next sign is overdue.
 */
async function showLife(timeoutS: number, lastPet: PetTimes, first: Write, ports: RunPorts): Promise<Ending> {
  const { clock, sleep, append, wanted } = ports;
  const tell = progress(ports);
  const pace = new SignPace(lastPet.endMs);
  const waitedMs = waitedTimeouts * timeoutS * 1_000;
  const signPauseMs = Math.max(minSignPauseMs, waitedMs / maxSigns);
  let write = first;
  let late = 0;
  for (let passedMs = 0; passedMs < waitedMs; passedMs = clock.bootMs() - lastPet.endMs) {
    tell(passedMs);
    const interruption = wanted();
    if (interruption !== null) return { step: 'interrupted', reason: interruption.reason };
    if (write.outcome === 'failed') throw write.error;
    if (write.outcome === 'durable') write = follow(append(pace.next(clock.bootMs())));
    const leftMs = pace.overdueMs - disarmMs - clock.bootMs();
    // A process that was itself held up may not have been told yet that the sign is durable: it looks once more.
    late = leftMs > 0 ? 0 : late + 1;
    if (late > 1) throw storageSilent('in time after the last pet');
    await sleep(Math.max(1, Math.min(signPauseMs, leftMs)));
  }
  return { step: 'outlived', bootMs: clock.bootMs() };
}

function progress({ say }: RunPorts): (passedMs: number) => void {
  let saidMs = 0;
  return (passedMs) => {
    if (passedMs - saidMs < sayEveryMs) return;
    say(`${(passedMs / 1_000).toFixed(1)} s after the last pet`);
    saidMs = passedMs;
  };
}

/** Disarms whatever becomes of the storage, and returns when the end is durable. @throws HF_STORE */
async function leave(ending: Ending, options: RunOptions, ports: RunPorts): Promise<void> {
  const { witness, say } = ports;
  say(ending.step === 'outlived' ? 'not reset four timeouts after the last pet' : `${ending.step}: ${ending.reason}`);
  const counts = await isLeftCounting(ending, options, ports);
  await storeEnd(ending, counts, ports);
  witness.release();
}

/** Says what the device does now. True: it counts in our hands, and can only be petted. */
async function isLeftCounting({ step }: Ending, { nowayout }: RunOptions, { device, say }: RunPorts): Promise<boolean> {
  const reset =
    step === 'outlived'
      ? 'the watchdog counts on, and may reset this machine yet'
      : 'the watchdog is going to reset this machine within its timeout, or twice that';
  if (nowayout) {
    say(`its driver has nowayout set: ${reset}`);
    return true;
  }
  try {
    device.disarm();
  } catch (error) {
    say(`${messageOf(error)}; ${reset}`);
    return true;
  }
  const counting = await device.isCounting().catch(() => null);
  if (counting === true) say(`it goes on counting after magic close: ${reset}`);
  else say(counting === false ? 'the watchdog is disarmed' : 'the watchdog is disarmed, as far as its driver tells');
  return false;
}

/**
 * After the last pet the record must not end with a sign of life, or whatever ends this machine soon would be taken for
 * the watchdog: an interruption is stored, or the machine kept alive until its next boot comes too late for a verdict.
 */
async function storeEnd(
  ending: Ending,
  counts: boolean,
  { append, device, clock, sleep, say }: RunPorts,
): Promise<void> {
  const startMs = clock.bootMs();
  const patienceMs = ending.step === 'interrupted' ? tooLateToTellMs : maxStoreMs;
  let write = follow(append(ending));
  let triedMs = startMs;
  for (let nowMs = startMs; write.outcome !== 'durable'; nowMs = clock.bootMs()) {
    if (nowMs - startMs > patienceMs) throw write.error ?? storageSilent(`for ${patienceMs / 1_000} s`);
    if (nowMs - triedMs >= retryMs) {
      if (triedMs === startMs) say(`the end is not stored yet: do not reset this machine for ${patienceMs / 1_000} s`);
      triedMs = nowMs;
      if (write.outcome === 'failed') write = follow(append(ending));
    }
    if (counts) petIfItLets(device);
    await sleep(petPauseMs);
  }
}

function petIfItLets(device: ValidationDevice): void {
  try {
    device.pet();
  } catch {
    // Said already by whoever could not disarm it.
  }
}

/** Not longer than a step may hold: the run would end with its last sign of life, as if reset there. */
function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, maxTextCharacters);
}
