import { factsOf } from '../agent/reset-facts.js';
import {
  type BootNotes,
  type Finding,
  type LogTail,
  oneLine,
  type PeersView,
  type ResetEvidence,
  type ResetRecord,
  type ResetReport,
  type ResetsReport,
  resetLimits,
  type Trouble,
  type ValidatedReset,
  type WatchdogWord,
} from '../agent/reset-record.js';
import { judge } from '../agent/reset-verdict.js';
import { HoldfastError } from '../core/errors.js';
import { findDumps } from './reset-dumps.js';
import type { Loaded, ResetFiles } from './reset-files.js';
import { type JournalTail, type LogSource, readJournal, readLogFile } from './reset-log.js';

/** The resets of this node: the one that led to this boot is found, what speaks about it gathered, and all of it kept. */

export interface ThisBoot {
  readonly bootId: string;
  readonly nowMs: number;
  /** Start of the kernel, by the clock at `nowMs`. */
  readonly bootedMs: number;
  /** As it was before it was armed. */
  readonly watchdog: Finding<WatchdogWord>;
  /** Resets that validations have brought about, in whatever boot. */
  readonly validations: readonly ValidatedReset[];
}

const notYet = 'not looked for yet';
const noPeersYet = 'this node has not been in a quorate view since';

export class ResetHistoryKeeper {
  readonly #files: ResetFiles;
  readonly #source: LogSource;
  readonly #boot: ThisBoot;
  readonly #onProblem: (text: string) => void;
  #records: readonly ResetRecord[] = [];
  #problem: string | null = null;
  #formerTrouble: Trouble | null = null;
  #saved: Promise<void> = Promise.resolve();

  private constructor(files: ResetFiles, source: LogSource, boot: ThisBoot, onProblem: (text: string) => void) {
    this.#files = files;
    this.#source = source;
    this.#boot = boot;
    this.#onProblem = onProblem;
  }

  /**
   * Reads what is kept, and adds the end of the boot before this one if that is new. Never rejects: what cannot be read
   * or written is told to `onProblem`, and goes on without.
   */
  static async open(
    files: ResetFiles,
    source: LogSource,
    boot: ThisBoot,
    onProblem: (text: string) => void,
  ): Promise<ResetHistoryKeeper> {
    const keeper = new ResetHistoryKeeper(files, source, boot, onProblem);
    await keeper.#load();
    return keeper;
  }

  async #load(): Promise<void> {
    const loaded = await this.#files.loadHistory();
    if (loaded.outcome === 'loaded') {
      this.#records = loaded.value.records;
      this.#problem = loaded.value.problem;
    } else if (loaded.outcome === 'damaged') {
      this.#problem = oneLine(`earlier resets are not known: ${loaded.why}; it is kept as history.damaged`);
      this.#onProblem(this.#problem);
      await this.#files.setHistoryAside().catch((error: Error) => this.#onProblem(error.message));
    }
    const notes = await this.#files.loadNotes();
    if (notes.outcome === 'loaded' && notes.value.bootId === this.#boot.bootId)
      this.#formerTrouble = notes.value.trouble;
    const evidence = this.#newEnd(notes);
    if (evidence === null) return;
    await this.#replace([...this.#records, { evidence, gathered: false, acknowledgedMs: null }]);
  }

  /** Null: no boot has ended since the last one that is known, or none is known at all. */
  #newEnd(loaded: Loaded<BootNotes>): ResetEvidence | null {
    const { bootId } = this.#boot;
    if (this.#records.some(({ evidence }) => evidence.bootId === bootId)) return null;
    if (loaded.outcome === 'loaded' && loaded.value.bootId === bootId) return null;
    if (loaded.outcome === 'loaded') return this.#evidence(loaded.value.bootId, { found: loaded.value });
    if (loaded.outcome === 'damaged') return this.#evidence(null, { missing: oneLine(loaded.why) });
    return this.#records.length === 0 ? null : this.#evidence(null, { missing: 'it has written nothing' });
  }

  #evidence(endedBootId: string | null, notes: Finding<BootNotes>): ResetEvidence {
    const { bootId, nowMs, bootedMs, watchdog } = this.#boot;
    const missing = { missing: notYet };
    const peers = { missing: noPeersYet };
    const validation = 'found' in notes ? this.#validationIn(notes.found) : null;
    return {
      endedBootId,
      bootId,
      foundMs: nowMs,
      bootedMs,
      notes,
      watchdog,
      validation,
      dumps: missing,
      log: missing,
      peers,
    };
  }

  /** A validation that was begun since the agent of that boot started, and has reset the machine, has ended that boot. */
  #validationIn({ startedMs }: BootNotes): ValidatedReset | null {
    const { validations, nowMs } = this.#boot;
    return validations.find(({ beganMs }) => beganMs >= startedMs && beganMs <= nowMs) ?? null;
  }

  /** Looks for dumps and logs of the end that led to this boot; takes seconds. Never rejects. */
  async gather(): Promise<void> {
    const at = this.#records.findIndex(({ gathered, evidence }) => !gathered && evidence.bootId === this.#boot.bootId);
    const record = this.#records[at];
    if (record === undefined) return;
    const dumps = await findDumps(this.#source.root);
    const journal = await readJournal(this.#source, null);
    const ends = await this.#endsOf({ ...record.evidence, dumps }, journal);
    const gathered = ends.map((evidence) => ({ ...record, evidence, gathered: true }));
    await this.#replace(this.#records.toSpliced(at, 1, ...gathered));
  }

  /** The end that the agent's notes are about; and that of a later boot, if the journal knows one in which no agent ran. */
  async #endsOf(evidence: ResetEvidence, journal: Finding<JournalTail>): Promise<readonly ResetEvidence[]> {
    const { endedBootId, notes } = evidence;
    const last = 'found' in journal ? journal.found : null;
    if (last === null) return [{ ...evidence, log: await this.#withoutJournal(journal) }];
    if (endedBootId === null) return [{ ...evidence, endedBootId: last.bootId, log: { found: tailOf(last) } }];
    if (last.bootId === endedBootId) return [{ ...evidence, log: { found: tailOf(last) } }];
    const own = await readJournal(this.#source, endedBootId);
    const log: ResetEvidence['log'] =
      'found' in own && own.found.bootId === endedBootId
        ? { found: tailOf(own.found) }
        : { missing: 'found' in own ? 'the journal does not know it' : own.missing };
    const isLater = 'found' in notes && (last.lastMs ?? 0) > notes.found.aliveMs;
    if (!isLater) return [{ ...evidence, log }];
    const between = { missing: 'the machine has booted once more since, without the agent' };
    return [
      { ...evidence, log, watchdog: between, bootedMs: evidence.foundMs },
      {
        ...this.#evidence(last.bootId, { missing: 'no agent has written in it' }),
        dumps: evidence.dumps,
        log: { found: tailOf(last) },
      },
    ];
  }

  async #withoutJournal(journal: Finding<JournalTail>): Promise<Finding<LogTail>> {
    const file = await readLogFile(this.#source.root, this.#boot.nowMs);
    if ('found' in file || 'found' in journal) return file;
    return { missing: oneLine(`${journal.missing}; ${file.missing}`) };
  }

  /** Boots whose end the others may have something to say about, and have not been asked. */
  get unasked(): readonly string[] {
    return this.#records.flatMap(({ evidence }) => {
      const { endedBootId, peers, bootId } = evidence;
      return endedBootId !== null && bootId === this.#boot.bootId && 'missing' in peers ? [endedBootId] : [];
    });
  }

  async notePeers(endedBootId: string, view: PeersView): Promise<void> {
    const told = this.#records.map((record) => {
      const { evidence } = record;
      const isIt = evidence.endedBootId === endedBootId && evidence.bootId === this.#boot.bootId;
      return isIt ? { ...record, evidence: { ...evidence, peers: { found: view } } } : record;
    });
    await this.#replace(told);
  }

  /** What an earlier agent of this very boot had noted; its notes are about to be replaced. */
  get formerTrouble(): Trouble | null {
    return this.#formerTrouble;
  }

  report(): ResetsReport {
    return { resets: this.#records.map(reportOf).toReversed(), problem: this.#problem };
  }

  /** What nobody has acknowledged and somebody should; newest first. */
  unacknowledged(): readonly ResetReport[] {
    return this.report().resets.filter(({ expected, acknowledgedMs }) => !expected && acknowledgedMs === null);
  }

  /**
   * Marks all that there is as seen; the number of unexpected resets among what was not.
   * @throws HF_STORE if that cannot be stored; then nothing is acknowledged
   */
  async acknowledge(nowMs: number): Promise<number> {
    const count = this.unacknowledged().length;
    const before = this.#records;
    const problem = this.#problem;
    this.#records = before.map((record) => ({ ...record, acknowledgedMs: record.acknowledgedMs ?? nowMs }));
    this.#problem = null;
    try {
      await this.#save();
    } catch (error) {
      this.#records = before;
      this.#problem = problem;
      const cause = error instanceof Error ? error.message : String(error);
      throw new HoldfastError('HF_STORE', `the history of resets cannot be stored, nothing was acknowledged: ${cause}`);
    }
    return count;
  }

  async #replace(records: readonly ResetRecord[]): Promise<void> {
    this.#records = records.slice(-resetLimits.records);
    await this.#save().catch((error: Error) =>
      this.#onProblem(`the history of resets cannot be stored: ${error.message}`),
    );
  }

  /** One after the other: each is the newest state. */
  #save(): Promise<void> {
    const save = () => this.#files.saveHistory({ records: this.#records, problem: this.#problem });
    const saved = this.#saved.then(save, save);
    this.#saved = saved.catch(() => undefined);
    return saved;
  }
}

function tailOf({ bootId: _, ...tail }: JournalTail): LogTail {
  return tail;
}

function reportOf({ evidence, acknowledgedMs }: ResetRecord): ResetReport {
  const { endedBootId, bootId, foundMs, log } = evidence;
  const { bootedMs } = factsOf(evidence);
  const lastLines = 'found' in log ? log.found.lines : [];
  return { endedBootId, bootId, foundMs, bootedMs, acknowledgedMs, ...judge(evidence), lastLines };
}
