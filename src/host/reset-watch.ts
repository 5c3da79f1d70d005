import { areNews, bootNotesOf, type KeeperPicture, peersViewOf } from '../agent/reset-notes.js';
import type { BootNotes, Ending } from '../agent/reset-record.js';
import { lookMs } from '../agent/reset-times.js';
import type { NodeState } from '../core/node-state.js';
import type { HangWitness } from './hang-witness.js';
import type { ResetHistoryKeeper } from './reset-history.js';

/** What is looked at; `Agent` is one. */
export interface WatchedAgent {
  readonly node: NodeState;
  readonly connected: boolean;
  readonly failed: Error | null;
}

export interface ResetWatchOptions {
  readonly agent: WatchedAgent;
  readonly keeper: () => KeeperPicture | null;
  readonly history: ResetHistoryKeeper;
  readonly saveNotes: (notes: BootNotes) => Promise<void>;
  readonly clock: { bootMs(): number; wallMs(): number };
  /** Null: nobody writes down that the agent's own loop stands still. */
  readonly witness: Pick<HangWitness, 'tell'> | null;
  readonly log: { warn(detail: object, text: string): void };
}

/**
 * Keeps the notes of this boot: the record ahead of a reset. One write at a time and nobody waits for it: a disk that
 * hangs holds up no heartbeat.
 */
export class ResetWatch {
  readonly #options: ResetWatchOptions;
  readonly #startedMs: number;
  #lookedMs: number;
  #timer: NodeJS.Timeout | null = null;
  /** Last given to the disk. */
  #given: BootNotes | null = null;
  #unsaved: BootNotes | null = null;
  #writing: Promise<void> | null = null;
  #problem: string | null = null;
  #asking = false;

  constructor(options: ResetWatchOptions) {
    this.#options = options;
    this.#startedMs = options.clock.wallMs();
    this.#lookedMs = options.clock.bootMs();
  }

  start(): void {
    this.look();
    this.#timer = setInterval(() => this.look(), lookMs);
    this.#timer.unref();
  }

  /** Writes down what is new; to be called at once when the lease begins to run out. */
  look(): void {
    try {
      const notes = this.#take();
      if (this.#given === null || areNews(notes, this.#given)) this.#give(notes);
      this.#options.witness?.tell({ notes, leaseUntilMs: this.#leaseUntilMs(notes) });
      this.#askPeers();
    } catch (error) {
      this.#tell(error);
    }
  }

  /** Writes them whether they are news or not: what stands there is not theirs. */
  rewrite(): void {
    this.#given = null;
    this.look();
  }

  /**
   * The last notes: the agent has ended in order.
   * @param kind what becomes of the machine; null: as the agent was told
   */
  async ended(kind: 'reboot' | 'poweroff' | null): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    const notes = this.#take();
    const { aliveMs, ending } = notes;
    const last: Ending = {
      kind: kind ?? ending?.kind ?? 'agent',
      sinceMs: ending?.sinceMs ?? aliveMs,
      doneMs: aliveMs,
    };
    const ended = { ...notes, ending: last };
    this.#options.witness?.tell({ notes: ended, leaseUntilMs: 0 });
    this.#give(ended);
    await this.#writing;
  }

  #take(): BootNotes {
    const { agent, keeper, clock } = this.#options;
    const nowBootMs = clock.bootMs();
    const stalledMs = nowBootMs - this.#lookedMs - lookMs;
    this.#lookedMs = nowBootMs;
    return bootNotesOf({
      node: agent.node,
      connected: agent.connected,
      failed: agent.failed,
      keeper: keeper(),
      stalledMs,
      startedMs: this.#startedMs,
      formerTrouble: this.#options.history.formerTrouble,
      nowBootMs,
      nowWallMs: clock.wallMs(),
    });
  }

  #leaseUntilMs({ aliveMs }: BootNotes): number {
    const deadlineMs = this.#options.agent.node.cluster?.lease.deadlineMs ?? 0;
    return Math.max(0, Math.round(aliveMs + deadlineMs - this.#lookedMs));
  }

  #give(notes: BootNotes): void {
    this.#given = notes;
    this.#unsaved = notes;
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = null;
    });
  }

  async #writeAll(): Promise<void> {
    for (let notes = this.#unsaved; notes !== null; notes = this.#unsaved) {
      this.#unsaved = null;
      try {
        await this.#options.saveNotes(notes);
        this.#problem = null;
        // A disk that takes this may take what it has refused before; notes of trouble wait for nothing.
        if (notes.trouble === null) await this.#options.history.storeAgain();
      } catch (error) {
        this.#tell(error);
      }
    }
  }

  /** The same trouble is told once. */
  #tell(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (text !== this.#problem)
      this.#options.log.warn(
        { err: error },
        `the notes that 'holdfast why' would need after a reset are not kept: ${text}`,
      );
    this.#problem = text;
  }

  #askPeers(): void {
    const { history, agent } = this.#options;
    const [bootId] = history.unasked;
    if (this.#asking || bootId === undefined) return;
    const view = peersViewOf(agent.node, bootId);
    if (view === null) return;
    this.#asking = true;
    history.notePeers(bootId, view).finally(() => {
      this.#asking = false;
    });
  }
}
