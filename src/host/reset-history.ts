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
  type ValidatedBoot,
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
  /** Resets that validations have brought about, or may have, in whatever boot; what explains most first. */
  readonly validations: readonly ValidatedBoot[];
}

const notYet = 'not looked for yet';
const noPeersYet = 'this node has not been in a quorate view since';

/** What the history is kept in. */
export type HistoryFiles = Pick<ResetFiles, 'loadNotes' | 'loadHistory' | 'keepDamaged' | 'saveHistory'>;

export class ResetHistoryKeeper {
  readonly #files: HistoryFiles;
  readonly #source: LogSource;
  readonly #boot: ThisBoot;
  readonly #onProblem: (text: string) => void;
  #records: readonly ResetRecord[] = [];
  #problem: string | null = null;
  /** What is on disk is among the records. Until then it is not overwritten. */
  #isRead = false;
  /** Why the newest state is not on disk; null: it is. */
  #unstored: string | null = null;
  #formerTrouble: Trouble | null = null;
  #saved: Promise<string | null> = Promise.resolve(null);

  private constructor(files: HistoryFiles, source: LogSource, boot: ThisBoot, onProblem: (text: string) => void) {
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
    files: HistoryFiles,
    source: LogSource,
    boot: ThisBoot,
    onProblem: (text: string) => void,
  ): Promise<ResetHistoryKeeper> {
    const keeper = new ResetHistoryKeeper(files, source, boot, onProblem);
    await keeper.#load();
    return keeper;
  }

  async #load(): Promise<void> {
    const isWhole = await this.#readKept().catch((error: Error) => {
      this.#noteUnstored(error);
      return true;
    });
    const notes = await this.#files.loadNotes();
    if (notes.outcome === 'loaded' && notes.value.bootId === this.#boot.bootId)
      this.#formerTrouble = notes.value.trouble;
    const evidence = this.#newEnd(notes);
    if (evidence !== null) await this.#replace([...this.#records, { evidence, gathered: false, acknowledgedMs: null }]);
    else if (!isWhole) await this.#save();
  }

  /**
   * What is on disk, before what was found without it. False: some of it was damaged.
   * @throws HF_STORE if it cannot be read, or what is damaged cannot be kept
   */
  async #readKept(): Promise<boolean> {
    const { records, problem, damage } = await this.#files.loadHistory();
    if (damage !== null) {
      const name = await this.#files.keepDamaged();
      this.#problem = oneLine(`${damage}; it is kept there as ${name}, and 'holdfast why --ack' ends this notice`);
      this.#onProblem(this.#problem);
    } else this.#problem = problem;
    const known = new Set(records.map(({ evidence }) => evidence.bootId));
    const found = this.#records.filter(({ evidence }) => !known.has(evidence.bootId));
    this.#records = [...records.map((record) => this.#withValidation(record)), ...found].slice(-resetLimits.records);
    this.#isRead = true;
    return damage === null;
  }

  /** A validation may get its verdict after the reset was found. */
  #withValidation(record: ResetRecord): ResetRecord {
    const { evidence } = record;
    const validation = evidence.validation ?? this.#validationOf(evidence.endedBootId);
    return { ...record, evidence: { ...evidence, validation } };
  }

  /** Null: no boot has ended since the last one that is known, or none is known at all. */
  #newEnd(loaded: Loaded<BootNotes>): ResetEvidence | null {
    const { bootId } = this.#boot;
    if (this.#records.some(({ evidence }) => evidence.bootId === bootId)) return null;
    const notes = loaded.outcome === 'loaded' ? loaded.value : null;
    if (notes?.bootId === bootId) return null;
    // Of an end that is known, these notes say nothing of a later one.
    const isKnown = this.#records.some(({ evidence }) => evidence.endedBootId === notes?.bootId);
    if (notes !== null && !isKnown) return this.#evidence(notes.bootId, { found: notes });
    if (loaded.outcome === 'damaged') return this.#evidence(null, { missing: oneLine(loaded.why) });
    return this.#records.length === 0 ? null : this.#evidence(null, { missing: 'it has written nothing' });
  }

  #evidence(endedBootId: string | null, notes: Finding<BootNotes>): ResetEvidence {
    const { bootId, nowMs, bootedMs, watchdog } = this.#boot;
    const missing = { missing: notYet };
    const peers = { missing: noPeersYet };
    return {
      endedBootId,
      bootId,
      foundMs: nowMs,
      bootedMs,
      notes,
      watchdog,
      saidBefore: this.#saidBefore(watchdog),
      validation: this.#validationOf(endedBootId),
      dumps: missing,
      log: missing,
      peers,
    };
  }

  /** Hardware whose word is not cleared says the same after every reset. */
  #saidBefore(watchdog: Finding<WatchdogWord>): boolean {
    if ('missing' in watchdog) return false;
    const words = this.#records.flatMap(({ evidence }) =>
      evidence.bootId !== this.#boot.bootId && 'found' in evidence.watchdog ? [evidence.watchdog.found] : [],
    );
    const its = words.filter(({ device, causedReset }) => device === watchdog.found.device && causedReset !== null);
    return its.at(-1)?.causedReset ?? false;
  }

  #validationOf(endedBootId: string | null): ValidatedReset | null {
    const its = this.#boot.validations.find(({ bootBefore }) => bootBefore === endedBootId);
    if (its === undefined) return null;
    const { device, beganMs, mayResetUntilMs } = its;
    return { device, beganMs, mayResetUntilMs };
  }

  /** Looks for dumps and logs of the end that led to this boot; takes seconds. Never rejects. */
  async gather(): Promise<void> {
    const before = this.#ungathered;
    if (before === undefined) return;
    const dumps = await findDumps(this.#source.root);
    const journal = await readJournal(this.#source, null);
    const [evidence, ...later] = await this.#endsOf({ ...before.evidence, dumps }, journal);
    // As it is by now: somebody may have acknowledged it, and the others may have told what they know.
    const record = this.#ungathered;
    if (record === undefined) return;
    const { peers } = record.evidence;
    const gathered = [
      { ...record, evidence: { ...evidence, peers }, gathered: true },
      ...later.map((other) => ({ evidence: other, gathered: true, acknowledgedMs: null })),
    ];
    await this.#replace(this.#records.toSpliced(this.#records.indexOf(record), 1, ...gathered));
  }

  get #ungathered(): ResetRecord | undefined {
    return this.#records.find(({ gathered, evidence }) => !gathered && evidence.bootId === this.#boot.bootId);
  }

  /** The end that the agent's notes are about; and that of a later boot, if one is known in which no agent ran. */
  async #endsOf(
    evidence: ResetEvidence,
    journal: Finding<JournalTail>,
  ): Promise<readonly [ResetEvidence, ...ResetEvidence[]]> {
    const { endedBootId, notes, dumps } = evidence;
    const lastBootId = this.#lastBootBefore(notes, journal) ?? endedBootId;
    const log = await this.#logOf(lastBootId, journal);
    if (endedBootId === null || lastBootId === endedBootId)
      return [{ ...evidence, endedBootId: lastBootId, validation: this.#validationOf(lastBootId), log }];
    const between = { missing: 'the machine has booted once more since, without the agent' };
    const own = 'found' in journal ? await this.#logOf(endedBootId, journal) : journal;
    const last = this.#evidence(lastBootId, { missing: 'no agent has written in it' });
    return [
      { ...evidence, log: own, watchdog: between, bootedMs: null },
      { ...last, dumps, log },
    ];
  }

  /** As the journal knows it, or a validation that has ended it; null: neither knows one after these notes. */
  #lastBootBefore(notes: Finding<BootNotes>, journal: Finding<JournalTail>): string | null {
    const noted = 'found' in notes ? notes.found : null;
    const last = 'found' in journal ? journal.found : null;
    const isLater = noted === null || (last?.bootId !== noted.bootId && (last?.lastMs ?? 0) > noted.aliveMs);
    if (last !== null && isLater) return last.bootId;
    return this.#boot.validations.find(({ bootAfter }) => bootAfter === this.#boot.bootId)?.bootBefore ?? null;
  }

  async #logOf(bootId: string | null, journal: Finding<JournalTail>): Promise<Finding<LogTail>> {
    if ('missing' in journal) return this.#withoutJournal(journal);
    if (journal.found.bootId === bootId) return { found: tailOf(journal.found) };
    const own = await readJournal(this.#source, bootId);
    if ('missing' in own) return own;
    return own.found.bootId === bootId ? { found: tailOf(own.found) } : { missing: 'the journal does not know it' };
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
    const problems = [this.#problem, this.#unstored].filter((each) => each !== null);
    const resets = this.#records.map(reportOf).toReversed();
    const incomplete = !this.#isRead || this.#problem !== null;
    return { resets, problem: problems.length === 0 ? null : problems.join('; '), incomplete };
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
    const problem = this.#problem;
    this.#records = this.#records.map((record) => ({ ...record, acknowledgedMs: record.acknowledgedMs ?? nowMs }));
    this.#problem = null;
    const unstored = await this.#save();
    if (unstored === null) return count;
    // Only that is taken back: what has come in meanwhile stays.
    this.#records = this.#records.map((record) =>
      record.acknowledgedMs === nowMs ? { ...record, acknowledgedMs: null } : record,
    );
    this.#problem ??= problem;
    throw new HoldfastError('HF_STORE', `nothing was acknowledged: ${unstored}`);
  }

  /** Tries again what could not be stored, for there may be room by now. Never rejects. */
  async storeAgain(): Promise<void> {
    if (this.#unstored !== null) await this.#save();
  }

  async #replace(records: readonly ResetRecord[]): Promise<void> {
    this.#records = records.slice(-resetLimits.records);
    await this.#save();
  }

  /** One after the other: each is the newest state. Never rejects; why it is not stored, or null. */
  #save(): Promise<string | null> {
    this.#saved = this.#saved.then(async () => {
      try {
        if (!this.#isRead) await this.#readKept();
        await this.#files.saveHistory({ records: this.#records, problem: this.#problem });
        this.#unstored = null;
      } catch (error) {
        this.#noteUnstored(error);
      }
      return this.#unstored;
    });
    return this.#saved;
  }

  /** The same trouble is told once. */
  #noteUnstored(error: unknown): void {
    const cause = error instanceof Error ? error.message : String(error);
    const what = this.#isRead ? 'resets are not stored' : 'earlier resets are not known';
    const text = oneLine(`this node's ${what}: ${cause}; what was stored before stays`);
    if (text !== this.#unstored) this.#onProblem(text);
    this.#unstored = text;
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
