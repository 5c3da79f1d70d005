/** The watchdog port over the native keeper, for kernel devices and for the emulator. */
import { HoldfastError } from '../core/errors.js';
import type { ArmOptions, KeeperStats, Watchdog, WatchdogInfo } from '../ports/watchdog.js';
import { type CommandName, KeeperCommands, maxWaiting, tooManyWait } from './keeper-commands.js';
import { Lateness } from './keeper-lateness.js';
import { loadNative, type NativeKeeper, type NativeResult, type WatchdogNative } from './native.js';
import {
  type CheckedWatchdogOptions,
  checkArmOptions,
  checkInstant,
  checkReason,
  checkWatchdogOptions,
  type WatchdogOptions,
} from './watchdog-arguments.js';
import { errnoName, watchdogError } from './watchdog-failure.js';
import { readKernelWatchdog, refusalToArm } from './watchdog-sysfs.js';

export type { WatchdogOptions } from './watchdog-arguments.js';

export type KeeperEvent =
  /** Final: no pet any more, and a reset is asked for every second. */
  | { readonly type: 'expired' }
  /** A pet failed after one that worked; `error` is the errno's name. The keeper goes on trying. */
  | { readonly type: 'pet-failed'; readonly error: string }
  /** A pet worked after one that failed. */
  | { readonly type: 'pet-works' }
  /** The device could not be asked for the reset; the watchdog itself has to do it. */
  | { readonly type: 'reset-failed'; readonly error: string };

export interface KeeperWatchdogStats extends KeeperStats {
  readonly resetRequests: number;
  /** Errno's name of the last pet that failed; null: none did. */
  readonly petError: string | null;
  /** Errno's name of the last reset request that failed; null: none did. */
  readonly resetError: string | null;
}

export interface KeeperWatchdog extends Watchdog {
  /**
   * Opens the device without petting it or setting its timeout. From then on this process's death pets it: not for a
   * node that has no lease.
   */
  adopt(): Promise<void>;
  stats(): KeeperWatchdogStats;
  /** How late the pets were begun so far, and how late the device had taken them. */
  lateness(): { readonly begun: Lateness; readonly done: Lateness };
  /** Calls `listener` for each event until the returned function is called. */
  onEvent(listener: (event: KeeperEvent) => void): () => void;
}

/** As in native/keeper.h, in its order. */
const states = ['idle', 'open', 'armed', 'failed', 'expired'] as const;
const extensions = ['extended', 'ignored', 'too-far', 'not-armed', 'expired'] as const;
const notices = { result: 1, expired: 2, petFailed: 4, petWorks: 8, resetFailed: 16 } as const;

/** Why a watchdog must not be armed now, one sentence; null: it may be. Asked each time. */
export type Refusal = () => Promise<string | null>;

/**
 * Makes a watchdog and starts its keeper's thread; opens nothing.
 * The keeper outlives all that happens to JavaScript: forgotten while armed, it resets the machine when its lease ends.
 * @throws HF_ARGUMENT for malformed options, HF_ADDON when the addon cannot be loaded, HF_WATCHDOG when there is no thread
 */
export function createWatchdog(
  options: WatchdogOptions,
  native: WatchdogNative = loadNative(),
  refusal: Refusal = async () => null,
): KeeperWatchdog {
  return new NativeWatchdog(checkWatchdogOptions(options), native, refusal);
}

class NativeWatchdog implements KeeperWatchdog {
  readonly #options: CheckedWatchdogOptions;
  readonly #native: WatchdogNative;
  readonly #refusal: Refusal;
  readonly #keeper: NativeKeeper;
  readonly #commands: KeeperCommands;
  readonly #listeners = new Set<(event: KeeperEvent) => void>();
  #inHand = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(options: CheckedWatchdogOptions, native: WatchdogNative, refusal: Refusal) {
    this.#options = options;
    this.#native = native;
    this.#refusal = refusal;
    try {
      this.#keeper = new native.Keeper(options.emulated, options.path, (bits, result) => this.#ring(bits, result));
    } catch (error) {
      const errno = Number((error as { errno?: number }).errno ?? 0);
      throw new HoldfastError(
        'HF_WATCHDOG',
        `cannot start the keeper's thread (${errnoName(errno)}): raise the limits on threads and memory`,
        { cause: error },
      );
    }
    this.#commands = new KeeperCommands(this.#keeper);
  }

  inspect(): Promise<WatchdogInfo> {
    return this.#options.emulated ? this.#inspectEmulator() : this.#inspectKernel();
  }

  async adopt(): Promise<void> {
    await this.#run('adopt');
  }

  /**
   * As the port says. When it fails after opening, the device is left `open`, unpetted and perhaps counting: arm
   * again, or release.
   */
  arm(options: ArmOptions): Promise<void> {
    return this.#inTurn(() => this.#arm(options));
  }

  async #arm(options: ArmOptions): Promise<void> {
    const { path, emulated } = this.#options;
    const why = await this.#refusal();
    if (why !== null) throw new HoldfastError('HF_WATCHDOG', `cannot arm ${path}: ${why}`);
    const checked = checkArmOptions(options, this.#native.boottimeMs());
    const refusal = emulated ? null : refusalToArm(path, await readKernelWatchdog(path));
    if (refusal !== null) throw new HoldfastError('HF_WATCHDOG', refusal);
    await this.#run('arm', checked);
  }

  /** Nothing happens when the lease has expired: then the machine is being reset, and an event said so. */
  extend(leaseDeadlineMs: number): void {
    const outcome = extensions[this.#keeper.extend(checkInstant('leaseDeadlineMs', leaseDeadlineMs))];
    if (outcome === 'too-far') {
      throw new HoldfastError('HF_ARGUMENT', 'leaseDeadlineMs must not be further ahead of now than leaseMs');
    }
    if (outcome === 'not-armed') {
      throw new HoldfastError('HF_WATCHDOG', `cannot extend the lease on ${this.#options.path}: it is not armed`);
    }
  }

  release(): Promise<void> {
    return this.#inTurn(() => this.#release());
  }

  async #release(): Promise<void> {
    const { path } = this.#options;
    const { active, nowayout } = await this.inspect();
    if (this.stats().state === 'idle' && !active) return;
    if (nowayout) {
      throw new HoldfastError(
        'HF_WATCHDOG',
        `cannot disarm ${path}: its driver has nowayout set: only a reboot stops it`,
      );
    }
    await this.adopt();
    await this.#run('release');
    // Some drivers go on after magic close; better known now than by a reset.
    if (!(await this.inspect()).active) return;
    throw new HoldfastError('HF_WATCHDOG', `${path} goes on counting after magic close: reboot this machine in time`);
  }

  reset(reason: string): void {
    this.#keeper.reset(checkReason(reason));
  }

  stats(): KeeperWatchdogStats {
    const { state, petError, resetError, ...numbers } = this.#keeper.stats();
    return {
      ...numbers,
      state: states[state] ?? 'failed',
      petError: petError === 0 ? null : errnoName(petError),
      resetError: resetError === 0 ? null : errnoName(resetError),
    };
  }

  lateness(): { readonly begun: Lateness; readonly done: Lateness } {
    const { begun, done } = this.#keeper.lateness();
    return { begun: new Lateness(begun), done: new Lateness(done) };
  }

  onEvent(listener: (event: KeeperEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Both take several steps: a release that is slow to look must not let go what was armed after it was asked for. */
  async #inTurn(run: () => Promise<void>): Promise<void> {
    if (this.#inHand >= maxWaiting) throw tooManyWait();
    this.#inHand++;
    const done = this.#turn.then(run);
    this.#turn = done.catch(() => undefined).finally(() => this.#inHand--);
    await done;
  }

  async #run(command: CommandName, options?: ArmOptions): Promise<NativeResult> {
    const result = await this.#commands.run(command, options);
    if (result.error === 0) return result;
    const { path, emulated } = this.#options;
    throw await watchdogError({ path, emulated, command, result, options });
  }

  async #inspectEmulator(): Promise<WatchdogInfo> {
    const { path, validated } = this.#options;
    const state = await this.#native.queryEmulator(path);
    if (typeof state === 'number') {
      throw new HoldfastError(
        'HF_WATCHDOG',
        `cannot read ${path}: the emulator does not answer (${errnoName(state)}): start watchdog-emulator with --socket ${path}`,
      );
    }
    const told = state.kappa === 1 ? 1 : 2;
    return { ...state, device: path, kind: 'emulated', kappa: this.#options.kappa ?? told, validated };
  }

  async #inspectKernel(): Promise<WatchdogInfo> {
    const { path, kappa = 2, validated } = this.#options;
    const {
      inSysfs,
      driver: _,
      pretimeoutS: __,
      timeLeftS: ___,
      stopsOnClose: ____,
      ...state
    } = await readKernelWatchdog(path);
    const device = { ...state, device: path, kind: 'kernel', kappa, validated } as const;
    if (inSysfs || this.stats().state === 'idle') return device;
    // Open in our hands, an old driver can be asked itself.
    const { identity, timeoutS, bootStatus } = (await this.#run('describe')).info;
    return { ...device, identity, timeoutS, bootStatus, active: true };
  }

  #ring(bits: number, result: NativeResult | undefined): void {
    const { petError, resetError } = this.stats();
    if (bits & notices.petFailed) this.#emit({ type: 'pet-failed', error: petError ?? 'unknown' });
    if (bits & notices.petWorks) this.#emit({ type: 'pet-works' });
    if (bits & notices.expired) this.#emit({ type: 'expired' });
    if (bits & notices.resetFailed) this.#emit({ type: 'reset-failed', error: resetError ?? 'unknown' });
    if (result) this.#commands.done(result);
  }

  #emit(event: KeeperEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
