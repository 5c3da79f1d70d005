import { join } from 'node:path';
import { z } from 'zod';
import { type Finding, type LogLine, type LogTail, oneLine, resetLimits } from '../agent/reset-record.js';
import { readPart } from './bounded-file.js';
import type { ProcessEnd, ProcessOutput, ProcessRequest } from './ocf-process.js';
import { isPanic } from './reset-dumps.js';

/** The last lines of the log of a boot that has ended: from the journal, or from a file where there is none. */

/** Runs a program; never rejects. */
export type RunProgram = (request: ProcessRequest) => Promise<ProcessEnd & ProcessOutput>;

const files = ['/var/log/syslog', '/var/log/messages', '/var/log/kern.log'] as const;
const keepBytes = 256 * 1024;
/** Looked at; a machine that goes down in order writes many lines. */
const linesRead = 100;
/** A large journal on a slow disk takes seconds. */
const journalMs = 20_000;

/** SD_MESSAGE_JOURNAL_STOP and SD_MESSAGE_JOURNAL_START of sd-messages.h. */
const journalStop = 'd93fb3c9c24d451a97cea615ce59c00b';
const journalStart = 'f77379a8490b408bbe5f6940505a777b';
/** Targets of systemd, which it reaches as the machine goes down; the last one tells what for. */
const targets: readonly (readonly [LogTail['target'], RegExp])[] = [
  ['reboot', /\b(reboot|kexec)\.target\b|System Reboot/],
  ['poweroff', /\b(poweroff|halt)\.target\b|System (Power Off|Halt)/],
  [null, /\bshutdown\.target\b|System Shutdown/],
];

/** Of the kernel's watchdog core, and of the drivers that make their device without it (Linux 6.1). */
const unheld =
  /watchdog did not stop!|device closed unexpectedly.*will not stop|Unexpected close, not stopping watchdog/i;

/** What begins with an underscore is journald's own, and cannot be made up by who logs. */
const entrySchema = z.object({
  MESSAGE: z.unknown(),
  MESSAGE_ID: z.string().optional().catch(undefined),
  SYSLOG_IDENTIFIER: z.string().catch(''),
  __REALTIME_TIMESTAMP: z
    .string()
    .regex(/^\d{1,17}$/)
    .catch(''),
  _BOOT_ID: z.string().regex(/^[0-9a-f]{32}$/),
  _TRANSPORT: z.string().catch(''),
  _PID: z.string().catch(''),
});

type JournalEntry = z.infer<typeof entrySchema>;

export interface JournalTail extends LogTail {
  /** As the kernel writes it, with dashes. */
  readonly bootId: string;
}

export interface LogSource {
  /** Prefix of /var. */
  readonly root: string;
  readonly run: RunProgram;
}

/** @param bootId null: of the boot before this one, as far as the journal knows */
export async function readJournal({ root, run }: LogSource, bootId: string | null): Promise<Finding<JournalTail>> {
  const end = await run({
    file: 'journalctl',
    args: [
      ...(root === '/' ? [] : [`--root=${root}`]),
      `--boot=${bootId?.replaceAll('-', '') ?? '-1'}`,
      '--lines',
      String(linesRead),
      '--output',
      'json',
      '--quiet',
      '--no-pager',
    ],
    environment: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C' },
    timeoutMs: journalMs,
    killGraceMs: 1_000,
    keepBytes,
  });
  const entries = end.stdout.split('\n').flatMap(entryOf).slice(-linesRead);
  const last = entries.at(-1);
  if (last === undefined) return { missing: whyNone(end) };
  const own = entries.filter((entry) => entry._BOOT_ID === last._BOOT_ID);
  return { found: { ...tailOf(own), bootId: dashed(last._BOOT_ID) } };
}

function whyNone(end: ProcessEnd & ProcessOutput): string {
  if (end.kind === 'unstartable')
    return end.code === 'ENOENT' ? 'there is no journalctl' : `journalctl cannot be run (${end.code})`;
  if (end.kind === 'timeout') return `journalctl gave no answer in ${journalMs / 1_000} s`;
  const said = oneLine(end.stderr.split('\n').find((line) => line.trim() !== '') ?? '');
  return `the journal does not know it${said === '' ? '' : ` (${said})`}`;
}

/** Lines that are cut, or are none of the journal's, are left out. */
function entryOf(line: string): readonly JournalEntry[] {
  try {
    const parsed = entrySchema.safeParse(JSON.parse(line));
    return parsed.success ? [parsed.data] : [];
  } catch {
    return [];
  }
}

function tailOf(entries: readonly JournalEntry[]): LogTail {
  const lines = entries.map(lineOf);
  const panic = entries.findIndex((entry) => entry._TRANSPORT === 'kernel' && isPanic(messageOf(entry)));
  return {
    source: 'journal',
    lines: lines.slice(-resetLimits.logLines),
    lastMs: lines.at(-1)?.atMs ?? null,
    ...endOf(entries),
    panic: panic < 0 ? null : (lines[panic]?.text ?? ''),
    unheld:
      lines[entries.findLastIndex((entry) => entry._TRANSPORT === 'kernel' && unheld.test(messageOf(entry)))] ?? null,
  };
}

/** Journald was stopped and not started again; or systemd itself had come to the target that ends the machine. */
function endOf(entries: readonly JournalEntry[]): Pick<LogTail, 'orderly' | 'target'> {
  const isOfJournald = (id: string) => (entry: JournalEntry) =>
    entry.MESSAGE_ID === id && entry._TRANSPORT === 'driver';
  // What stands before a start of journald was outlived: it, or all of user space, was only restarted.
  const last = entries.slice(entries.findLastIndex(isOfJournald(journalStart)) + 1);
  const reached = last.flatMap((entry) => {
    if (entry._PID !== '1' || !/^Reached target/.test(messageOf(entry))) return [];
    const its = targets.find(([, words]) => words.test(messageOf(entry)));
    return its === undefined ? [] : [its[0]];
  });
  return {
    orderly: reached.length > 0 || last.some(isOfJournald(journalStop)),
    target: reached.findLast((target) => target !== null) ?? null,
  };
}

/** Binary messages are arrays of bytes, long ones null. */
function messageOf({ MESSAGE }: JournalEntry): string {
  return typeof MESSAGE === 'string' ? MESSAGE : '(not text)';
}

function lineOf(entry: JournalEntry): LogLine {
  const atMs = entry.__REALTIME_TIMESTAMP === '' ? null : Math.floor(Number(entry.__REALTIME_TIMESTAMP) / 1_000);
  return { atMs, text: oneLine(`${entry.SYSLOG_IDENTIFIER || 'kernel'}: ${messageOf(entry)}`) };
}

function dashed(id: string): string {
  return id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * The lines before this boot's first one. Anybody may write into these files, so they are shown and dated, and decide
 * nothing.
 */
export async function readLogFile(root: string, nowMs: number): Promise<Finding<LogTail>> {
  const problems: string[] = [];
  for (const file of files) {
    const part = await readPart(join(root, file), 'tail', keepBytes).catch(() => null);
    if (part === null) continue;
    const all = part.text.split('\n').slice(part.cut ? 1 : 0);
    const begin = all.findLastIndex(isFirstOfBoot);
    if (begin < 1) problems.push(`${file} does not show where this boot began`);
    else return { found: fileTail(file, all.slice(Math.max(0, begin - resetLimits.logLines), begin), nowMs) };
  }
  return { missing: problems[0] ?? `there is none of ${files.join(', ')}` };
}

/** Not by one expression: it would look for the second half of a hostile line after each of many first halves. */
function isFirstOfBoot(line: string): boolean {
  const kernel = /\bkernel:/.exec(line);
  return kernel !== null && /\bLinux version \d/.test(line.slice(kernel.index));
}

function fileTail(source: string, all: readonly string[], nowMs: number): LogTail {
  const lines = all.map((text) => ({ atMs: timeIn(text, nowMs), text: oneLine(text) }));
  const lastMs = lines.findLast(({ atMs }) => atMs !== null)?.atMs ?? null;
  return { source, lines, lastMs, orderly: false, target: null, panic: null, unheld: null };
}

/** Of a line of syslog: as ISO 8601, or without a year, in local time. */
function timeIn(line: string, nowMs: number): number | null {
  const iso = /^\d{4}-\d\d-\d\dT[\d:.]{8,15}(Z|[+-]\d\d:\d\d)/.exec(line)?.[0];
  if (iso !== undefined) return valid(Date.parse(iso));
  const old = /^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d/.exec(line)?.[0];
  if (old === undefined) return null;
  const year = new Date(nowMs).getFullYear();
  const atMs = Date.parse(`${old} ${year}`);
  return valid(atMs > nowMs ? Date.parse(`${old} ${year - 1}`) : atMs);
}

function valid(ms: number): number | null {
  return Number.isNaN(ms) ? null : ms;
}
