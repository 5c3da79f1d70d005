import { assert } from './assert.js';
import { type ApplyResult, apply, type ClusterState, type Command, emptyState, isFenced } from './cluster-state.js';
import type { Electorate } from './electorate.js';
import type { Entry, Snapshot } from './messages.js';

/** What a node keeps on disk of the log; immutable, so that it can be written while the log goes on. */
export interface DurableRecord {
  /** No view below this is taken part in any more. */
  readonly promisedEpoch: number;
  /** The candidate that it was promised to: only its view is taken part in. */
  readonly promisedTo: number;
  /** Last view in which the log was stored; ≤ promisedEpoch. */
  readonly viewEpoch: number;
  /** This node remembers everything it ever acknowledged. */
  readonly valid: boolean;
  /** The store was damaged and this is what came after; not a new node, whatever it looks like. Never with `valid`. */
  readonly lost: boolean;
  readonly snapshot: Snapshot;
  /** Consecutive, the first follows the snapshot. */
  readonly entries: readonly Entry[];
  /** Known to be committed; may lag. snapshot.index ≤ commitIndex ≤ last index. */
  readonly commitIndex: number;
}

/** Entries kept before the committed ones are folded into the snapshot. */
const entriesKept = 256;

/** The log of one node: durable part and the state that its committed part adds up to. Mutable, owned by the core. */
export interface Log {
  record: DurableRecord;
  /** Result of all commands up to record.commitIndex; nothing may act on anything newer. */
  committed: ClusterState;
  /** The last electorate in the log, committed or not: what promises, commits and leases go by. Null: there is none yet. */
  electorate: Electorate | null;
}

/** Where nothing is stored; `lost`: where something was. It has promised nothing and knows nothing (design §3). */
export function blankRecord(lost: boolean): DurableRecord {
  return {
    promisedEpoch: 0,
    promisedTo: 0,
    viewEpoch: 0,
    valid: false,
    lost,
    snapshot: { index: 0, state: emptyState() },
    entries: [],
    commitIndex: 0,
  };
}

export function openLog(record: DurableRecord): Log {
  const log: Log = {
    record: { ...record, commitIndex: record.snapshot.index },
    committed: structuredClone(record.snapshot.state),
    electorate: null,
  };
  commitTo(log, record.commitIndex, () => undefined);
  noteElectorate(log);
  return log;
}

/** A change of the electorate counts for a node as soon as its log holds it, for the others may have committed it. */
function noteElectorate(log: Log): void {
  const uncommitted = entriesAfter(log.record, log.record.commitIndex).findLast(
    ({ command }) => command.type === 'electorate',
  );
  const command = uncommitted?.command;
  log.electorate = command?.type === 'electorate' ? command.electorate : (log.committed.electorate ?? null);
}

export function lastIndex(record: DurableRecord): number {
  return record.snapshot.index + record.entries.length;
}

/** Nothing but the first electorate was ever stored here; if that is so of all nodes, nothing else was ever committed. */
export function isBlank(record: DurableRecord): boolean {
  if (record.lost || record.snapshot.index > 0) return false;
  return (
    record.entries.length === 0 || (record.entries.length === 1 && record.entries[0]?.command.type === 'electorate')
  );
}

export function entriesAfter(record: DurableRecord, index: number): readonly Entry[] {
  assert(index >= record.snapshot.index, `entries after ${index} asked, snapshot is at ${record.snapshot.index}`);
  return record.entries.slice(index - record.snapshot.index);
}

export function promise(log: Log, epoch: number, candidateId: number): void {
  assert(epoch > log.record.promisedEpoch, `epoch ${epoch} promised twice (promised ${log.record.promisedEpoch})`);
  log.record = { ...log.record, promisedEpoch: epoch, promisedTo: candidateId };
}

/** Does it follow on directly? A gap means that something was lost on the way. */
export function follows(record: DurableRecord, entries: readonly Entry[]): boolean {
  return entries.every((entry, i) => entry.index === lastIndex(record) + 1 + i);
}

export function append(log: Log, entries: readonly Entry[]): void {
  assert(follows(log.record, entries), `entry ${entries[0]?.index} does not follow ${lastIndex(log.record)}`);
  log.record = { ...log.record, entries: [...log.record.entries, ...entries] };
  if (entries.some(({ command }) => command.type === 'electorate')) noteElectorate(log);
}

/** A log as one node hands it to another: `entries` follow on `afterIndex`, which the snapshot, if there is one, reaches. */
export interface LogTransfer {
  /** View in which this log was stored, or with which it starts. */
  readonly viewEpoch: number;
  readonly snapshot: Snapshot | null;
  readonly afterIndex: number;
  readonly entries: readonly Entry[];
}

/**
 * Takes over a log in place of everything that was not committed here. False, and nothing changed, if this
 * node lacks what the transfer builds on.
 */
export function install(log: Log, transfer: LogTransfer): boolean {
  const reached = Math.max(log.record.commitIndex, transfer.snapshot?.index ?? 0);
  if (reached < transfer.afterIndex) return false;
  if (transfer.snapshot !== null && transfer.snapshot.index > log.record.commitIndex) {
    log.committed = structuredClone(transfer.snapshot.state);
    log.record = { ...log.record, snapshot: transfer.snapshot, entries: [], commitIndex: transfer.snapshot.index };
  }
  const base = log.record;
  assertSameCommitted(base, transfer);
  const kept = base.entries.slice(0, base.commitIndex - base.snapshot.index);
  const fresh = transfer.entries.filter((entry) => entry.index > base.commitIndex);
  assert(
    follows({ ...base, entries: kept }, fresh),
    `log of view ${transfer.viewEpoch} has a gap behind ${base.commitIndex}`,
  );
  log.record = { ...base, viewEpoch: transfer.viewEpoch, entries: [...kept, ...fresh] };
  noteElectorate(log);
  return true;
}

/** What was committed never changes: another entry in its place means that the log has failed. */
function assertSameCommitted(record: DurableRecord, transfer: LogTransfer): void {
  for (const entry of transfer.entries) {
    if (entry.index <= record.snapshot.index || entry.index > record.commitIndex) continue;
    const own = record.entries[entry.index - record.snapshot.index - 1];
    assert(own?.epoch === entry.epoch, `view ${transfer.viewEpoch} replaces committed entry ${entry.index}`);
  }
  const end = transfer.afterIndex + transfer.entries.length;
  assert(
    end >= record.commitIndex,
    `view ${transfer.viewEpoch} ends at ${end}, before what is committed (${record.commitIndex})`,
  );
}

export type OnApplied = (entry: Entry, result: ApplyResult) => void;

/** Applies what is now known to be committed, as far as it is here. */
export function commitTo(log: Log, index: number, onApplied: OnApplied): void {
  const target = Math.min(index, lastIndex(log.record));
  for (let next = log.record.commitIndex + 1; next <= target; next++) {
    const entry = log.record.entries[next - log.record.snapshot.index - 1];
    assert(entry !== undefined && entry.index === next, `entry ${next} is missing`);
    log.record = { ...log.record, commitIndex: next };
    onApplied(entry, apply(log.committed, entry.command, next));
  }
  compact(log);
}

function compact(log: Log): void {
  const { record } = log;
  const committedEntries = record.commitIndex - record.snapshot.index;
  if (record.entries.length <= entriesKept || committedEntries <= entriesKept / 2) return;
  log.record = {
    ...record,
    snapshot: { index: record.commitIndex, state: structuredClone(log.committed) },
    entries: record.entries.slice(committedEntries),
  };
}

/** Does this log, committed or not, declare that boot fenced? Nobody grants anything to one that is. */
export function declaresFenced(log: Log, nodeId: number, bootId: string): boolean {
  return (
    isFenced(log.committed, nodeId, bootId) ||
    entriesAfter(log.record, log.record.commitIndex).some((entry) => declares(entry.command, nodeId, bootId))
  );
}

function declares(command: Command, nodeId: number, bootId: string): boolean {
  return command.type === 'node-fenced' && command.nodeId === nodeId && command.bootId === bootId;
}
