import { runsNothing } from '../core/acting.js';
import { AssertionError } from '../core/assert.js';
import type { Effect } from '../core/effects.js';
import { HoldfastError } from '../core/errors.js';
import type { NodeEvent, NodeState } from '../core/node-state.js';
import type { Watchdog } from '../ports/watchdog.js';

/** Whom to tell what became of a watchdog's effects: the core, or whoever ends an agent that has failed. */
export interface Told {
  readonly event: (event: NodeEvent) => void;
  readonly failed: (error: Error) => void;
}

/** The core's effects on the watchdog, carried out one after the other. */
export class WatchdogTurn {
  readonly #watchdog: Watchdog;
  readonly #node: NodeState;
  readonly #told: Told;
  #turn: Promise<void> = Promise.resolve();

  constructor(watchdog: Watchdog, node: NodeState, told: Told) {
    this.#watchdog = watchdog;
    this.#node = node;
    this.#told = told;
  }

  /** Resolves when what has been asked for so far is done; never rejects. */
  get done(): Promise<void> {
    return this.#turn;
  }

  carryOut(effect: Effect): void {
    switch (effect.type) {
      case 'watchdog-extend':
        try {
          this.#watchdog.extend(effect.leaseDeadlineMs);
        } catch (error) {
          // Told later: other effects of the same step are yet to be carried out.
          queueMicrotask(() => this.#failed(error));
        }
        return;
      case 'watchdog-arm':
        this.#inTurn(() => this.#arm(effect.leaseDeadlineMs), { type: 'armed' });
        break;
      case 'watchdog-release':
        this.#inTurn(() => this.#watchdog.release(), { type: 'released' });
        break;
      case 'watchdog-reset':
        // Not in turn: a command that hangs must not hold it up. The keeper opens what it needs, and tells when it expires.
        this.#watchdog.reset(effect.reason);
        return;
    }
  }

  #inTurn(run: () => Promise<void>, after: (NodeEvent & { type: 'watchdog' })['event']): void {
    this.#turn = this.#turn
      .then(run)
      .then(() => this.#told.event({ type: 'watchdog', event: after }))
      .catch((error) => this.#failed(error));
  }

  #failed(error: unknown): void {
    if (!(error instanceof HoldfastError)) this.#told.failed(error instanceof Error ? error : new Error(String(error)));
    else this.#told.event({ type: 'watchdog', event: { type: 'failed', detail: error.message } });
  }

  async #arm(leaseDeadlineMs: number): Promise<void> {
    const { cluster } = this.#node;
    if (cluster === null) throw new AssertionError('armed without a cluster');
    const { timeoutS, petIntervalMs } = cluster.budget;
    try {
      await this.#watchdog.arm({ timeoutS, petIntervalMs, leaseDeadlineMs, leaseMs: cluster.lease.leaseMs });
    } catch (error) {
      // An opened device may be counting. What runs here already must end with its reset; where nothing does, let it go.
      if (runsNothing(this.#node)) await this.#watchdog.release();
      throw error;
    }
  }
}
