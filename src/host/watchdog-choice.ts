/** Which watchdog of a machine the agent takes, and which may be validated: one ranking for all. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { HoldfastError } from '../core/errors.js';
import { type Board, readBoard } from './board.js';
import { mismatch, type Validation, ValidationFiles, type ValidationRecords } from './validation-record.js';
import { type FoundWatchdog, findWatchdogs } from './watchdog-inventory.js';
import { deviceKey } from './watchdog-sysfs.js';

export interface KnownWatchdog extends FoundWatchdog {
  /** The verdict of the last validation of this device with this driver on this board; null: there is none. */
  readonly validation: Validation | null;
  /** A verdict that belongs to another device, driver, machine or firmware, and why it does not count. */
  readonly foreign: { readonly validation: Validation; readonly why: string } | null;
  /** Path of its record, which cannot be read or understood, and may say that it does not reset; null: none such. */
  readonly damagedRecord: string | null;
}

export interface KnownWatchdogs {
  readonly watchdogs: readonly KnownWatchdog[];
  readonly board: Board;
  readonly notes: readonly string[];
}

export interface WatchdogChoice {
  readonly device: string | null;
  /** Why this one, or why none. */
  readonly reason: string;
}

/**
 * The watchdogs of this machine with what is known of each; where no verdict can be read, a note says so.
 * @param root prefix of /dev, /proc and /sys; only tests set it
 */
export async function knownWatchdogs(stateDir: string, root = '/'): Promise<KnownWatchdogs> {
  try {
    return await judgedWatchdogs(await new ValidationFiles(stateDir).records(), root);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    const known = await judgedWatchdogs({ results: [], damaged: new Map() }, root);
    return { ...known, notes: [...known.notes, error.message] };
  }
}

async function judgedWatchdogs(records: ValidationRecords, root: string): Promise<KnownWatchdogs> {
  const { watchdogs, notes } = await findWatchdogs(root);
  const board = await readBoard(root);
  return { watchdogs: watchdogs.map((watchdog) => withVerdict(watchdog, board, records)), board, notes };
}

function withVerdict(watchdog: FoundWatchdog, board: Board, { results, damaged }: ValidationRecords): KnownWatchdog {
  const validation = results.find((result) => result.device === watchdog.device) ?? null;
  const why = validation && mismatch(validation, { ...watchdog, ...board });
  const damagedRecord = damaged.get(watchdog.device) ?? null;
  if (validation === null || why === null) return { ...watchdog, validation, foreign: null, damagedRecord };
  return { ...watchdog, validation: null, foreign: { validation, why }, damagedRecord };
}

/** Why a watchdog must not be relied on, whatever the configuration allows; null: nothing is known against it. */
export function knownProblem({ device, problem, validation, damagedRecord }: KnownWatchdog): string | null {
  if (problem !== null) return problem;
  if (damagedRecord !== null) return damagedProblem(device, damagedRecord);
  if (validation?.verdict !== 'did-not-reset') return null;
  return `${device} did not reset this machine when it was validated (${validation.when}): mend the cause and validate it again, or name another device`;
}

/** @param path of its record */
export function damagedProblem(device: string, path: string): string {
  return `what was recorded of ${device} cannot be read or is damaged (${path}), and may be that it does not reset this machine: validate it again`;
}

/** Better ones first. */
const merits: readonly ((watchdog: KnownWatchdog) => boolean)[] = [
  (watchdog) => watchdog.kind === 'hardware',
  (watchdog) => watchdog.validation?.verdict === 'resets',
  // What systemd pets it keeps; any other holder may be this node's agent.
  (watchdog) => watchdog.holder === null || watchdog.holder.setting === null,
];

/** The watchdog that `auto` stands for: the order of their numbers decides between equals. */
export function chooseWatchdog(watchdogs: readonly KnownWatchdog[]): WatchdogChoice {
  const usable = watchdogs.filter((watchdog) => knownProblem(watchdog) === null);
  const [best, ...others] = merits.reduceRight<readonly KnownWatchdog[]>(
    (order, merit) => [...order.filter(merit), ...order.filter((watchdog) => !merit(watchdog))],
    usable,
  );
  if (best === undefined) {
    const refused = watchdogs.map(knownProblem).filter((problem) => problem !== null);
    return { device: null, reason: refused.length > 0 ? refused.join('; ') : noWatchdog };
  }
  return { device: best.device, reason: reasonFor(best, others, watchdogs) };
}

const noWatchdog =
  "this machine has no watchdog (/dev/watchdog0, /dev/watchdog): load its board's driver, or softdog if it has no hardware one";

function reasonFor(best: KnownWatchdog, others: readonly KnownWatchdog[], all: readonly KnownWatchdog[]): string {
  const refused = refusedHardware(all);
  const instead = refused === null ? 'but there is nothing else' : `for the hardware is refused (${refused})`;
  const facts = [
    best.kind === 'hardware' ? 'hardware' : `not hardware, ${instead}: a kernel that hangs is not reset by it`,
    best.validation?.verdict === 'resets' ? 'validated' : 'not validated yet',
    ...(others.length === 0 ? [] : [`before ${others.map(({ device }) => device).join(', ')}`]),
  ];
  return facts.join('; ');
}

/** Why the hardware that is there is not taken, and what helps; null: there is none, or nothing against it. */
function refusedHardware(all: readonly KnownWatchdog[]): string | null {
  const problems = all.filter(({ kind }) => kind === 'hardware').map(knownProblem);
  const refused = problems.filter((problem) => problem !== null);
  return refused.length === 0 ? null : refused.join('; ');
}

export interface ConfiguredWatchdog {
  readonly device: string;
  /** Null: not one of the watchdogs that were found. */
  readonly known: KnownWatchdog | null;
  readonly board: Board;
  /** Why it is no hardware though there is some, with what helps; null: it is, or there is none, or it was named. */
  readonly insteadOf: string | null;
}

/** Loads softdog. Injected, for tests load no modules. */
export type LoadSoftdog = () => Promise<void>;

export const loadSoftdog: LoadSoftdog = async () => {
  await promisify(execFile)('modprobe', ['softdog'], { timeout: 10_000 });
};

/**
 * The device that a configuration stands for. Where `auto` finds nothing that could reset this machine, softdog is
 * loaded: it resets a machine whose software hangs, though not one whose kernel does.
 * @throws HF_WATCHDOG if there is none, HF_STORE if no verdict can be read, not even one that forbids it
 */
export async function findConfiguredWatchdog(
  configured: string,
  stateDir: string,
  root = '/',
  load: LoadSoftdog = loadSoftdog,
): Promise<ConfiguredWatchdog> {
  const records = await new ValidationFiles(stateDir).records();
  let all = await judgedWatchdogs(records, root);
  let device: string | null = configured;
  if (configured === 'auto') {
    let choice = chooseWatchdog(all.watchdogs);
    if (choice.device === null && (await loaded(load))) {
      all = await judgedWatchdogs(records, root);
      choice = chooseWatchdog(all.watchdogs);
    }
    device = choice.device;
    if (device === null) throw new HoldfastError('HF_WATCHDOG', choice.reason);
  }
  const known = await watchdogAt(all.watchdogs, device, root);
  const isStopgap = configured === 'auto' && known?.kind === 'software';
  return { device, known, board: all.board, insteadOf: isStopgap ? refusedHardware(all.watchdogs) : null };
}

async function loaded(load: LoadSoftdog): Promise<boolean> {
  return load().then(
    () => true,
    () => false,
  );
}

/**
 * The one that a path names, be it by a link or by another node with its number; null: none of them.
 * @param root prefix of /dev and /sys; only tests set it
 */
export async function watchdogAt(
  watchdogs: readonly KnownWatchdog[],
  device: string,
  root = '/',
): Promise<KnownWatchdog | null> {
  const key = await deviceKey(device, root);
  for (const watchdog of key === null ? [] : watchdogs) {
    if ((await deviceKey(watchdog.device, root)) === key) return watchdog;
  }
  return null;
}
