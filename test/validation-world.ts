/** A machine with a watchdog, its storage and its power, in virtual time: production's run of a validation happens in it. */
import type { Step } from '../src/host/validation-record.js';
import { type Interruption, type RunEnd, type RunOptions, runValidation } from '../src/host/validation-run.js';
import type { BootFacts } from '../src/host/validation-verdict.js';

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
  /** The line that was being written when the machine went down. */
  readonly lastLine: 'lost' | 'whole';
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
  lastLine: 'lost',
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
  /** What is durable. */
  readonly steps: readonly Step[];
  readonly facts: BootFacts;
  readonly lastPetMs: number | null;
  /** When the run fell silent. */
  readonly silentMs: number;
  /** When the watchdog did reset the machine; null: it did not. */
  readonly resetMs: number | null;
  readonly said: readonly string[];
}

const startWallMs = 1_700_000_000_000;

export class World {
  readonly steps: Step[] = [];
  readonly said: string[] = [];
  #nowMs = 0;
  #timeoutS = 60;
  #petMs: number | null = null;
  #lastPetMs: number | null = null;
  #watched = false;
  #writes = 0;
  #gone: Down | Killed | null = null;
  readonly #nature: Nature;

  constructor(nature: Partial<Nature>) {
    this.#nature = { ...kind, ...nature };
  }

  get #dueMs(): number {
    const { kappa, earlyMs } = this.#nature;
    return this.#petMs === null ? Number.POSITIVE_INFINITY : this.#petMs + kappa * (this.#timeoutS * 1_000 - earlyMs);
  }

  #pass(ms: number): void {
    if (this.#gone !== null) throw this.#gone;
    const { powerLossMs, hangMs, killMs } = this.#nature;
    const goneMs = Math.min(this.#dueMs, powerLossMs, hangMs);
    const untilMs = this.#nowMs + ms;
    if (goneMs <= untilMs && goneMs <= killMs) {
      this.#nowMs = Math.max(this.#nowMs, goneMs);
      throw this.#end(new Down());
    }
    if (killMs <= untilMs) {
      this.#nowMs = Math.max(this.#nowMs, killMs);
      throw this.#end(new Killed());
    }
    this.#nowMs = untilMs;
  }

  #end(gone: Down | Killed): Down | Killed {
    this.#gone = gone;
    return gone;
  }

  #operate(name: string, ms: number): { startMs: number; endMs: number } {
    const startMs = this.#nowMs;
    this.#pass(ms);
    if (name !== 'disarm') this.#petMs = this.#nowMs;
    return { startMs, endMs: this.#nowMs };
  }

  #append(step: Step): void {
    const lived = this.#gone === null;
    try {
      this.#pass(this.#nature.writeMs(this.#writes++));
    } catch (error) {
      if (lived && this.#nature.lastLine === 'whole') this.steps.push(step);
      throw error;
    }
    this.steps.push(step);
  }

  async validate(options: Partial<RunOptions> = {}): Promise<Course> {
    const { signal, signalMs, nowayout, rounds, boardClockErrorMs } = this.#nature;
    const info = { firmware: 0, options: 0, status: 0, pretimeoutS: 0, bootStatus: 0, identity: 'a dog' };
    let end: Course['end'];
    try {
      this.#append({
        ...{ step: 'begin', run: '0123456789abcdef', device: '/dev/watchdog0', driver: 'dog', kind: 'hardware' },
        ...{ identity: 'a dog', board: 'a board', bootId: 'before', pid: 1, pidStarted: '1' },
        ...{ bootMs: this.#nowMs, wallMs: startWallMs, timeoutAskedS: options.timeoutS ?? 10 },
      });
      end = await runValidation(
        { timeoutS: 10, minTimeoutS: 1, maxTimeoutS: 0, nowayout, ...options },
        {
          device: {
            open: () => void this.#operate('open', 1),
            describe: () => ({ ...info, timeoutS: this.#timeoutS, timeLeftS: this.#timeoutS }),
            setTimeout: (seconds) => {
              this.#operate('setTimeout', 1);
              const setS = rounds(seconds);
              if (setS !== null) this.#timeoutS = setS;
              return setS;
            },
            start: () => this.#operate('start', 1),
            pet: () => {
              if (this.steps.at(-1)?.step === 'last-pet-due') this.#lastPetMs = this.#nowMs;
              return this.#operate('pet', 1);
            },
            disarm: () => {
              this.#operate('disarm', 1);
              if (!nowayout) this.#petMs = null;
            },
          },
          clock: { bootMs: () => this.#nowMs, wallMs: () => startWallMs + this.#nowMs },
          boardClockErrorMs: () => boardClockErrorMs,
          sleep: async (ms) => this.#pass(ms),
          append: (step) => this.#append(step),
          say: (text) => void this.said.push(text),
          wanted: () => (this.#nowMs >= signalMs ? signal : null),
          witness: {
            call: () => {
              this.#watched = true;
            },
            release: () => {
              if (this.#gone === null) this.#watched = false;
            },
          },
        },
      );
    } catch (error) {
      end = error instanceof Down ? 'down' : error instanceof Killed ? 'killed' : 'failed';
    }
    return this.#course(end);
  }

  /** What becomes of the machine, and what the next kernel finds. */
  #course(end: Course['end']): Course {
    const { powerLossMs, hangMs, stopsOnClose, bootMs, offMs, wallErrorMs } = this.#nature;
    const silentMs = this.#nowMs;
    if (end === 'killed' && this.#watched) this.steps.push({ step: 'interrupted', reason: 'killed' });
    if (end !== 'down') {
      // Its process has ended, and the device is closed.
      if (stopsOnClose) this.#petMs = null;
      else if (this.#petMs !== null) this.#petMs = silentMs;
    }
    const dueMs = this.#dueMs;
    const byWatchdog = Number.isFinite(dueMs) && dueMs <= powerLossMs;
    const downMs = byWatchdog ? dueMs : Math.min(powerLossMs, hangMs, silentMs) + offMs;
    return {
      end,
      steps: this.steps,
      facts: { bootId: 'after', bootWallMs: startWallMs + downMs + bootMs + wallErrorMs, bootStatus: null },
      lastPetMs: this.#lastPetMs,
      silentMs,
      resetMs: byWatchdog ? dueMs : null,
      said: this.said,
    };
  }
}
