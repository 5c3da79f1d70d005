/** A machine with a watchdog, its storage and its power, in virtual time: production's run of a validation happens in it. */

import type { ValidationDevice } from '../src/host/validation-device.js';
import type { Step } from '../src/host/validation-record.js';
import { type Interruption, type RunEnd, type RunOptions, runValidation } from '../src/host/validation-run.js';
import type { BootFacts } from '../src/host/validation-verdict.js';
import { ValidationWords } from '../src/host/validation-words.js';

/** Instants are milliseconds since the boot of the world. */
export interface Nature {
  /** Expiries until the reset; infinite: it never resets. */
  readonly kappa: number;
  /** So much earlier than the timeout says comes each expiry. */
  readonly earlyMs: number;
  readonly powerLossMs: number;
  /** The kernel hangs: nothing runs any more, and the watchdog does what it does. */
  readonly hangMs: number;
  /** SIGKILL; closing the device pets it, or stops it. */
  readonly killMs: number;
  readonly stopsOnClose: boolean;
  readonly signalMs: number;
  readonly signal: Interruption;
  readonly nowayout: boolean;
  /** How long a write takes to be durable, at the nth. */
  readonly writeMs: (nth: number) => number;
  /** From `stallMs` on nothing becomes durable for `stalledMs`. */
  readonly stallMs: number;
  readonly stalledMs: number;
  /** The so manyth write fails, and with it all that follow for `failingMs`. */
  readonly failAt: number;
  readonly failingMs: number;
  /** What is said of it. */
  readonly fault: string;
  /** From `mutedMs` on the terminal takes nothing for `mutedForMs`. */
  readonly mutedMs: number;
  readonly mutedForMs: number;
  /** What was being written when the machine went down. */
  readonly lastLine: 'lost' | 'whole';
  /** Magic close is refused, and the device stays in our hands. */
  readonly disarmFails: boolean;
  /** The wall clock is set on the way. */
  readonly stepMs: number;
  readonly stepByMs: number;
  /** From the end of power, or of the operator's patience, to the next boot. */
  readonly offMs: number;
  readonly bootMs: number;
  /** What the next kernel's time is wrong by. */
  readonly wallErrorMs: number;
  /** What the board's clock was seen to be wrong by before; null: there is none. */
  readonly boardClockErrorMs: number | null;
  readonly rounds: (seconds: number) => number | null;
}

export const kind: Nature = {
  kappa: 1,
  earlyMs: 0,
  powerLossMs: Number.POSITIVE_INFINITY,
  hangMs: Number.POSITIVE_INFINITY,
  killMs: Number.POSITIVE_INFINITY,
  stopsOnClose: false,
  signalMs: Number.POSITIVE_INFINITY,
  signal: { reason: 'ended by Ctrl-C', final: false },
  nowayout: false,
  writeMs: () => 5,
  stallMs: Number.POSITIVE_INFINITY,
  stalledMs: 0,
  failAt: Number.POSITIVE_INFINITY,
  failingMs: 0,
  fault: 'EIO: the disk is broken',
  mutedMs: Number.POSITIVE_INFINITY,
  mutedForMs: 0,
  lastLine: 'lost',
  disarmFails: false,
  stepMs: Number.POSITIVE_INFINITY,
  stepByMs: 0,
  offMs: 30_000,
  bootMs: 4_000,
  wallErrorMs: 0,
  boardClockErrorMs: 0,
  rounds: (seconds) => seconds,
};

class Down extends Error {}
class Killed extends Error {}

export interface Course {
  readonly end: RunEnd | 'down' | 'killed' | 'failed';
  /** What was thrown; null: nothing. */
  readonly error: Error | null;
  /** What is durable. */
  readonly steps: readonly Step[];
  readonly facts: BootFacts;
  readonly lastPetMs: number | null;
  /** When the run fell silent. */
  readonly silentMs: number;
  /** When the watchdog did reset the machine; null: it did not. */
  readonly resetMs: number | null;
  /** When the machine, or the operator, went down or ended it otherwise. */
  readonly downMs: number;
  readonly disarmedMs: number | null;
  readonly opened: boolean;
  readonly said: readonly string[];
}

interface Pending {
  readonly step: Step;
  readonly dueMs: number;
  readonly fails: boolean;
  readonly settle: (error: Error | null) => void;
}

/** Words on their way to the terminal. */
interface Uttered {
  readonly dueMs: number;
  readonly done: () => void;
}

/** Of libuv: by these all is written, words and steps. */
const threads = 4;
const startWallMs = 1_700_000_000_000;
/** Nobody waits longer for a machine whose storage is silent. */
const patienceMs = 7_200_000;

export class World {
  readonly steps: Step[] = [];
  readonly said: string[] = [];
  #nowMs = 0;
  #timeoutS = 60;
  #petMs: number | null = null;
  #lastPetMs: number | null = null;
  #disarmedMs: number | null = null;
  #opened = false;
  #watched = false;
  #writes = 0;
  #pending: Pending[] = [];
  #uttered: Uttered[] = [];
  #failingSinceMs: number | null = null;
  #gone: Down | Killed | null = null;
  readonly #nature: Nature;

  constructor(nature: Partial<Nature>) {
    this.#nature = { ...kind, ...nature };
  }

  get #dueMs(): number {
    const { kappa, earlyMs } = this.#nature;
    return this.#petMs === null ? Number.POSITIVE_INFINITY : this.#petMs + kappa * (this.#timeoutS * 1_000 - earlyMs);
  }

  get #wallMs(): number {
    const { stepMs, stepByMs } = this.#nature;
    return startWallMs + this.#nowMs + (this.#nowMs >= stepMs ? stepByMs : 0);
  }

  #pass(ms: number): void {
    if (this.#gone !== null) throw this.#gone;
    const { powerLossMs, hangMs, killMs } = this.#nature;
    const goneMs = Math.min(this.#dueMs, powerLossMs, hangMs, patienceMs);
    const untilMs = this.#nowMs + ms;
    if (goneMs <= untilMs && goneMs <= killMs) throw this.#end(new Down(), goneMs);
    if (killMs <= untilMs) throw this.#end(new Killed(), killMs);
    this.#nowMs = untilMs;
    this.#write(untilMs);
  }

  #end(gone: Down | Killed, atMs: number): Down | Killed {
    this.#nowMs = Math.max(this.#nowMs, atMs);
    this.#write(this.#nowMs);
    this.#gone = gone;
    return gone;
  }

  /** What becomes durable until then, or fails. */
  #write(untilMs: number): void {
    const out = this.#uttered.filter(({ dueMs }) => dueMs <= untilMs);
    this.#uttered = this.#uttered.filter(({ dueMs }) => dueMs > untilMs);
    for (const { done } of out) done();
    const done = this.#pending.filter(({ dueMs }) => dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs);
    this.#pending = this.#pending.filter(({ dueMs }) => dueMs > untilMs);
    for (const { step, fails, settle } of done) {
      if (!fails) this.steps.push(step);
      settle(fails ? Object.assign(new Error(this.#nature.fault), { code: 'EIO' }) : null);
    }
  }

  /** When a write is durable that begins now and takes so long. */
  #durableMs(takesMs: number): number {
    const { stallMs, stalledMs } = this.#nature;
    const dueMs = Math.max(this.#nowMs, this.#freeThreadMs) + takesMs;
    return dueMs < stallMs || this.#nowMs >= stallMs + stalledMs ? dueMs : Math.max(dueMs, stallMs + stalledMs);
  }

  get #freeThreadMs(): number {
    const heldMs = this.#uttered.map(({ dueMs }) => dueMs).sort((a, b) => b - a);
    return heldMs[threads - 1] ?? 0;
  }

  #utter(done: () => void): void {
    const { mutedMs, mutedForMs } = this.#nature;
    const isMuted = this.#nowMs >= mutedMs && this.#nowMs < mutedMs + mutedForMs;
    this.#uttered.push({ dueMs: isMuted ? mutedMs + mutedForMs : this.#nowMs + 1, done });
  }

  #fails(nth: number): boolean {
    const { failAt, failingMs } = this.#nature;
    if (nth >= failAt) this.#failingSinceMs ??= this.#nowMs;
    return this.#failingSinceMs !== null && this.#nowMs <= this.#failingSinceMs + failingMs;
  }

  #append(step: Step): Promise<void> {
    if (this.#gone !== null) return Promise.reject(this.#gone);
    const nth = this.#writes++;
    return new Promise((resolve, reject) => {
      const settle = (error: Error | null) => (error === null ? resolve() : reject(error));
      const dueMs = this.#durableMs(this.#nature.writeMs(nth));
      this.#pending.push({ step, dueMs, fails: this.#fails(nth), settle });
    });
  }

  #operate(ms: number): { startMs: number; endMs: number } {
    const startMs = this.#nowMs;
    this.#pass(ms);
    return { startMs, endMs: this.#nowMs };
  }

  #pet(): { startMs: number; endMs: number } {
    const times = this.#operate(1);
    this.#petMs = this.#nowMs;
    return times;
  }

  get #device(): ValidationDevice {
    const { rounds, nowayout, disarmFails } = this.#nature;
    const info = { firmware: 0, options: 0, status: 0, pretimeoutS: 0, bootStatus: 0, identity: 'a dog' };
    return {
      open: async () => {
        this.#opened = true;
        this.#pet();
      },
      describe: () => ({ ...info, timeoutS: this.#timeoutS, timeLeftS: this.#timeoutS }),
      setTimeout: (seconds) => {
        this.#pet();
        const setS = rounds(seconds);
        if (setS !== null) this.#timeoutS = setS;
        return setS;
      },
      start: () => this.#pet(),
      pet: () => {
        const isDue = this.steps.at(-1)?.step === 'last-pet-due' && this.#pending.length === 0;
        if (isDue) this.#lastPetMs ??= this.#nowMs;
        return this.#pet();
      },
      disarm: () => {
        this.#operate(1);
        if (disarmFails) throw new Error('cannot disarm a dog: EIO');
        this.#disarmedMs ??= this.#nowMs;
        if (!nowayout) this.#petMs = null;
      },
      isCounting: async () => this.#petMs !== null,
    };
  }

  async validate(options: Partial<RunOptions> = {}): Promise<Course> {
    const { signal, signalMs, nowayout, boardClockErrorMs } = this.#nature;
    const words = new ValidationWords((_, done) => this.#utter(done));
    let end: Course['end'];
    let thrown: unknown = null;
    try {
      this.steps.push({
        ...{ step: 'begin', run: '0123456789abcdef', device: '/dev/watchdog0', driver: 'dog', kind: 'hardware' },
        ...{ identity: 'a dog', board: 'a board', machine: null, firmware: null, bootId: 'before', pid: 1 },
        ...{ pidStarted: '1', bootMs: this.#nowMs, wallMs: startWallMs, timeoutAskedS: options.timeoutS ?? 10 },
      });
      end = await runValidation(
        { timeoutS: 10, minTimeoutS: 1, maxTimeoutS: 0, nowayout, ...options },
        {
          device: this.#device,
          clock: { bootMs: () => this.#nowMs, wallMs: () => this.#wallMs },
          boardClockErrorMs: () => boardClockErrorMs,
          sleep: async (ms) => this.#pass(ms),
          append: (step) => this.#append(step),
          say: (text) => {
            this.said.push(text);
            words.say(text);
          },
          wanted: () => (this.#nowMs >= signalMs ? signal : null),
          witness: {
            call: async () => {
              this.#watched = true;
            },
            release: () => {
              if (this.#gone === null) this.#watched = false;
            },
          },
        },
      );
    } catch (error) {
      thrown = error;
      end = 'failed';
    }
    if (this.#gone !== null) end = this.#gone instanceof Down ? 'down' : 'killed';
    return this.#course(end, thrown instanceof Error ? thrown : null);
  }

  /** What becomes of the machine, and what the next kernel finds. */
  #course(end: Course['end'], error: Error | null): Course {
    const { powerLossMs, stopsOnClose, bootMs, offMs, wallErrorMs, lastLine } = this.#nature;
    const silentMs = this.#nowMs;
    if (end !== 'down') {
      // Its process has ended, and the device is closed.
      if (stopsOnClose) this.#petMs = null;
      else if (this.#petMs !== null) this.#petMs = silentMs;
    }
    const dueMs = this.#dueMs;
    const byWatchdog = Number.isFinite(dueMs) && dueMs <= powerLossMs;
    const downMs = byWatchdog ? dueMs : Math.min(powerLossMs, silentMs) + offMs;
    this.#finishWriting(end, downMs, lastLine);
    return {
      end,
      error,
      steps: this.steps,
      facts: { bootId: 'after', bootWallMs: startWallMs + downMs + bootMs + wallErrorMs, bootStatus: null },
      lastPetMs: this.#lastPetMs,
      silentMs,
      resetMs: byWatchdog ? dueMs : null,
      downMs,
      disarmedMs: this.#disarmedMs,
      opened: this.#opened,
      said: this.said,
    };
  }

  /** Of what was under way, and what the witness says, when the process was gone. */
  #finishWriting(end: Course['end'], downMs: number, lastLine: Nature['lastLine']): void {
    if (end === 'down') {
      if (lastLine === 'whole') this.steps.push(...this.#pending.map(({ step }) => step));
      return;
    }
    this.#write(downMs);
    const says = (end === 'killed' || end === 'failed') && this.#watched;
    if (says && this.#durableMs(5) < downMs && !this.#fails(this.#writes)) {
      this.steps.push({ step: 'interrupted', reason: 'killed' });
    }
  }
}
