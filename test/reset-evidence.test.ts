import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';
import { resetLimits } from '../src/agent/reset-record.js';
import type { ProcessEnd, ProcessOutput, ProcessRequest } from '../src/host/ocf-process.js';
import { findDumps } from '../src/host/reset-dumps.js';
import { type RunProgram, readJournal, readLogFile } from '../src/host/reset-log.js';
import { readWatchdogWord, validatedResets, wordOf } from '../src/host/reset-watchdog.js';
import { type Validation, ValidationFiles } from '../src/host/validation-record.js';

/** What a machine has left of a boot, in made-up trees. */

const base = await mkdtemp(join(tmpdir(), 'holdfast-evidence-'));
t.teardown(() => rm(base, { recursive: true, force: true }));
let count = 0;

async function tree(files: Readonly<Record<string, string>>): Promise<string> {
  const root = join(base, String(++count));
  await mkdir(root);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

const backend = { 'sys/module/pstore/parameters/backend': 'efi_pstore\n' };
const panicText =
  'Panic#1 Part1\n<6>[   11.1] sysrq: Trigger a crash\n<0>[   12.345678] Kernel panic - not syncing: sysrq triggered crash\n';
const oopsText = 'Oops#1 Part1\n<1>[    9.0] BUG: kernel NULL pointer dereference, address: 0\n';

t.test('dumps: in pstore, and where systemd has moved them to', async (t) => {
  t.match(await findDumps(await tree({})), { missing: /no place that keeps them/ });
  t.match(await findDumps(await tree({ 'sys/module/pstore/parameters/backend': '(null)\n' })), { missing: String });
  t.strictSame(await findDumps(await tree(backend)), { found: [] });
  const root = await tree({
    ...backend,
    'sys/fs/pstore/dmesg-efi-1': panicText,
    'sys/fs/pstore/dmesg-efi-2': oopsText,
    'sys/fs/pstore/console-ramoops-0': 'a console that ended well\n',
    'sys/fs/pstore/README': panicText,
    'var/lib/systemd/pstore/1700000000/dmesg.txt': panicText,
  });
  await utimes(join(root, 'sys/fs/pstore/dmesg-efi-1'), 1_700_000_300, 1_700_000_300);
  await utimes(join(root, 'sys/fs/pstore/dmesg-efi-2'), 1_700_000_200, 1_700_000_200);
  await utimes(join(root, 'var/lib/systemd/pstore/1700000000/dmesg.txt'), 0, 0);
  const line = 'Kernel panic - not syncing: sysrq triggered crash';
  t.strictSame(await findDumps(root), {
    found: [
      { kind: 'Panic', file: '/sys/fs/pstore/dmesg-efi-1', atMs: 1_700_000_300_000, line },
      {
        kind: 'Oops',
        file: '/sys/fs/pstore/dmesg-efi-2',
        atMs: 1_700_000_200_000,
        line: 'BUG: kernel NULL pointer dereference, address: 0',
      },
      { kind: 'Panic', file: '/var/lib/systemd/pstore/1700000000/dmesg.txt', atMs: null, line },
    ],
  });
});

t.test('dumps: many, huge, and none', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`sys/fs/pstore/dmesg-efi-${i}`, panicText]));
  const found = await findDumps(await tree({ ...backend, ...many }));
  t.equal('found' in found && found.found.length, resetLimits.dumps);
  const root = await tree({
    ...backend,
    'sys/fs/pstore/dmesg-a': `${'x'.repeat(200_000)}\nKernel panic - not syncing: ${'\u001b[2Jy'.repeat(50_000)}\n`,
    'sys/fs/pstore/dmesg-b': '',
  });
  await symlink('/dev/zero', join(root, 'sys/fs/pstore/dmesg-c'));
  await mkdir(join(root, 'sys/fs/pstore/dmesg-d'));
  const odd = await findDumps(root);
  const dumps = 'found' in odd ? odd.found : [];
  t.strictSame(dumps.map(({ file }) => file).sort(), ['/sys/fs/pstore/dmesg-a', '/sys/fs/pstore/dmesg-b']);
  for (const { line } of dumps) t.ok(line.length <= resetLimits.textCharacters && !/\p{C}/u.test(line));
});

// ---- the journal

const old = '11111111111111111111111111111111';
const dashedOld = '11111111-1111-1111-1111-111111111111';

function entry(fields: object, atS = 1_700_000_000): string {
  return JSON.stringify({
    _BOOT_ID: old,
    __REALTIME_TIMESTAMP: `${atS}000000`,
    _TRANSPORT: 'syslog',
    SYSLOG_IDENTIFIER: 'cron',
    MESSAGE: 'a line',
    ...fields,
  });
}

interface Answer {
  readonly run: RunProgram;
  readonly asked: ProcessRequest[];
}

function answering(lines: readonly string[], end: ProcessEnd = { kind: 'exit', status: 0 }, stderr = ''): Answer {
  const asked: ProcessRequest[] = [];
  const run = async (request: ProcessRequest): Promise<ProcessEnd & ProcessOutput> => {
    asked.push(request);
    return { ...end, stdout: lines.join('\n'), stderr, truncated: false };
  };
  return { run, asked };
}

const journalStop = {
  MESSAGE_ID: 'd93fb3c9c24d451a97cea615ce59c00b',
  SYSLOG_IDENTIFIER: 'systemd-journald',
  MESSAGE: 'Journal stopped',
};
const journalStart = {
  ...journalStop,
  MESSAGE_ID: 'f77379a8490b408bbe5f6940505a777b',
  MESSAGE: 'Journal started',
  _TRANSPORT: 'driver',
};
const target = { _PID: '1', SYSLOG_IDENTIFIER: 'systemd', MESSAGE: 'Reached target reboot.target - System Reboot.' };
const panic = { SYSLOG_IDENTIFIER: 'kernel', MESSAGE: 'Kernel panic - not syncing: VFS' };

t.test('the journal: its last lines, asked for within a time and a size', async (t) => {
  const { run, asked } = answering([entry({}), entry({ MESSAGE: 'the last' }, 1_700_000_060)]);
  t.strictSame(await readJournal({ root: '/', run }, dashedOld), {
    found: {
      source: 'journal',
      lines: [
        { atMs: 1_700_000_000_000, text: 'cron: a line' },
        { atMs: 1_700_000_060_000, text: 'cron: the last' },
      ],
      lastMs: 1_700_000_060_000,
      orderly: false,
      target: null,
      panic: null,
      unheld: null,
      bootId: dashedOld,
    },
  });
  const [request] = asked;
  t.equal(request?.file, 'journalctl');
  t.ok(request?.args.includes(`--boot=${old}`) && !request.args.some((arg) => arg.startsWith('--root')));
  t.ok((request?.timeoutMs ?? 0) > 0 && (request?.keepBytes ?? 0) <= 1_000_000);
  const other = answering([]);
  await readJournal({ root: '/other', run: other.run }, null);
  t.ok(other.asked[0]?.args.includes('--boot=-1') && other.asked[0].args.includes('--root=/other'));
});

t.test('the journal: what is the end of a machine that goes down, and what only looks so', async (t) => {
  const orderly = async (...entries: readonly object[]): Promise<unknown> => {
    const journal = await readJournal({ root: '/', run: answering(entries.map((each) => entry(each))).run }, null);
    return 'found' in journal && journal.found.orderly;
  };
  t.equal(await orderly({}, { ...journalStop, _TRANSPORT: 'driver' }), true);
  t.equal(await orderly({ ...journalStop, _TRANSPORT: 'driver' }, journalStart), false, 'journald was only restarted');
  t.equal(await orderly({ ...journalStop, _TRANSPORT: 'journal' }), false, 'made up by somebody');
  t.equal(await orderly(target), true);
  t.equal(await orderly({ ...target, _PID: '4711' }), false, 'made up by somebody');
  t.equal(await orderly({ ...target, MESSAGE: 'Reached target multi-user.target - Multi-User System.' }), false);
  t.equal(await orderly(target, { ...journalStop, _TRANSPORT: 'driver' }, journalStart), false, 'soft-reboot');
  const said = async (fields: object): Promise<unknown> => {
    const journal = await readJournal({ root: '/', run: answering([entry(fields), entry({})]).run }, null);
    return 'found' in journal && journal.found.panic;
  };
  t.equal(await said({ ...panic, _TRANSPORT: 'kernel' }), 'kernel: Kernel panic - not syncing: VFS');
  t.equal(await said({ ...panic, _TRANSPORT: 'syslog' }), null, 'made up by somebody');
  const left = async (MESSAGE: string, _TRANSPORT = 'kernel'): Promise<unknown> => {
    const fields = entry({ SYSLOG_IDENTIFIER: 'kernel', MESSAGE, _TRANSPORT }, 1_700_000_030);
    const journal = await readJournal({ root: '/', run: answering([fields, entry({})]).run }, null);
    return 'found' in journal && journal.found.unheld;
  };
  const words = 'watchdog: watchdog0: watchdog did not stop!';
  t.strictSame(await left(words), { atMs: 1_700_000_030_000, text: `kernel: ${words}` });
  t.match(await left('ib700wdt: WDT device closed unexpectedly.  WDT will not stop!'), { text: /ib700wdt/ });
  t.match(await left('IPMI Watchdog: Unexpected close, not stopping watchdog!'), { text: /IPMI/ });
  t.equal(await left(words, 'syslog'), null, 'made up by somebody');
});

t.test('the journal: what the machine went down for, where it tells', async (t) => {
  const wentFor = async (...messages: readonly string[]): Promise<unknown> => {
    const entries = messages.map((MESSAGE) => entry({ ...target, MESSAGE }));
    const stop = entry({ ...journalStop, _TRANSPORT: 'driver' });
    const journal = await readJournal({ root: '/', run: answering([...entries, stop]).run }, null);
    return 'found' in journal && [journal.found.orderly, journal.found.target];
  };
  const shutdown = 'Reached target shutdown.target - System Shutdown.';
  const lines = {
    reboot: ['reboot.target - System Reboot', 'kexec.target - Reboot via kexec', 'System Reboot'],
    poweroff: ['poweroff.target - System Power Off', 'halt.target - System Halt', 'System Power Off'],
  };
  for (const [kind, each] of Object.entries(lines)) {
    for (const line of each) t.strictSame(await wentFor(shutdown, `Reached target ${line}.`), [true, kind], line);
  }
  t.strictSame(await wentFor(shutdown), [true, null]);
  t.strictSame(await wentFor('Reached target reboot.target.', shutdown), [true, 'reboot']);
  t.strictSame(await wentFor(), [true, null], 'journald was stopped, nobody knows what for');
  t.strictSame(await wentFor('Stopped target poweroff.target - System Power Off.'), [true, null]);
});

t.test('the journal: missing, failing, damaged and hostile', async (t) => {
  const missing = async (answer: Answer): Promise<unknown> => readJournal({ root: '/', run: answer.run }, null);
  t.match(await missing(answering([], { kind: 'unstartable', code: 'ENOENT' })), { missing: 'there is no journalctl' });
  t.match(await missing(answering([], { kind: 'unstartable', code: 'EMFILE' })), { missing: /EMFILE/ });
  t.match(await missing(answering([], { kind: 'timeout', survivors: [] })), { missing: /no answer in 20 s/ });
  t.match(await missing(answering([], { kind: 'exit', status: 1 }, '\nNo such boot ID\nmore')), {
    missing: 'the journal does not know it (No such boot ID)',
  });
  t.match(await missing(answering(['{"a', 'null', '7', '[]', '{}', entry({ _BOOT_ID: 'short' })])), {
    missing: String,
  });
  const odd = [
    'GE": "the beginning of this line was cut"}',
    entry({ MESSAGE: [104, 105], SYSLOG_IDENTIFIER: null }),
    entry({ MESSAGE: null, __REALTIME_TIMESTAMP: 'x' }),
    entry({ MESSAGE: `\u001b[2J\n${'long '.repeat(10_000)}` }),
    ...Array.from({ length: 500 }, () => entry({})),
    entry({ _BOOT_ID: '2'.repeat(32), MESSAGE: 'of another boot' }),
    entry({ MESSAGE: 'of its own' }),
  ];
  const journal = await readJournal({ root: '/', run: answering(odd).run }, null);
  const { lines, bootId } = 'found' in journal ? journal.found : { lines: [], bootId: '' };
  t.equal(bootId, dashedOld);
  t.equal(lines.length, resetLimits.logLines);
  t.notOk(lines.some(({ text }) => text.includes('another boot')));
  for (const { text } of lines) t.ok(text.length <= resetLimits.textCharacters && !/\p{C}/u.test(text));
});

// ---- files

const nowMs = Date.parse('2026-01-01T00:10:00Z');

t.test('a file of syslog: the lines before this boot, which decide nothing', async (t) => {
  const root = await tree({
    'var/log/messages': [
      '2025-12-31T23:50:00.123456+00:00 node1 systemd[1]: Reached target reboot.target - System Reboot.',
      '2025-12-31T23:50:02.000000+00:00 node1 kernel: [  99.0] Kernel panic - not syncing: made up',
      '2026-01-01T00:01:00.000000+00:00 node1 kernel: [    0.0] Linux version 6.1.0-30-amd64',
      '2026-01-01T00:01:05.000000+00:00 node1 cron[1]: of this boot',
      '',
    ].join('\n'),
  });
  t.match(await readLogFile(root, nowMs), {
    found: {
      source: '/var/log/messages',
      lines: [{ atMs: Date.parse('2025-12-31T23:50:00.123Z') }, { text: /made up/ }],
      lastMs: Date.parse('2025-12-31T23:50:02Z'),
      orderly: false,
      panic: null,
    },
  });
  const traditional = await tree({
    'var/log/syslog': 'Dec 31 23:59:59 node1 cron[1]: old\nJan  1 00:05:00 node1 kernel: [ 0.0] Linux version 6.1\n',
  });
  const found = await readLogFile(traditional, new Date(2026, 0, 1, 0, 10).getTime());
  t.match(found, { found: { lastMs: new Date(2025, 11, 31, 23, 59, 59).getTime() } });
});

t.test('a file of syslog: none, unreadable, and one that does not show where the boot began', async (t) => {
  t.match(await readLogFile(await tree({}), nowMs), { missing: /there is none of/ });
  t.match(await readLogFile(await tree({ 'var/log/syslog': 'a line\n' }), nowMs), { missing: /does not show where/ });
  const root = await tree({ 'var/log/syslog/x': '' });
  t.match(await readLogFile(root, nowMs), { missing: /there is none of/ }, 'a directory');
  const endless = await tree({ 'var/log/x': '' });
  await symlink('/dev/zero', join(endless, 'var/log/messages'));
  t.match(await readLogFile(endless, nowMs), { missing: /there is none of/ }, 'a device');
  const huge = await tree({ 'var/log/syslog': `${'z'.repeat(3_000_000)}\nold\n kernel: Linux version 6\n` });
  t.match(await readLogFile(huge, nowMs), { found: { lines: [{ text: 'old' }] } });
  const hostile = await tree({ 'var/log/syslog': `old\n kernel: Linux version 6\n${'kernel: '.repeat(31_000)}\n` });
  const startMs = performance.now();
  t.match(await readLogFile(hostile, nowMs), { found: { lines: [{ text: 'old' }] } });
  t.ok(performance.now() - startMs < 1_000, 'in no time');
});

// ---- the watchdog

t.test('what a watchdog says, of itself and in sysfs', async (t) => {
  const info = {
    device: '/dev/watchdog0',
    kind: 'kernel',
    identity: 'i6300ESB timer',
    active: false,
    timeoutS: 30,
    minTimeoutS: 1,
    maxTimeoutS: 0,
    nowayout: false,
    bootStatus: 0x20,
    kappa: 1,
    validated: false,
  } as const;
  const causedReset = (word: ReturnType<typeof wordOf>) => ('found' in word ? word.found.causedReset : 'missing');
  t.equal(causedReset(wordOf(info)), true);
  t.equal(causedReset(wordOf({ ...info, bootStatus: 0x10 })), false);
  t.equal(causedReset(wordOf({ ...info, bootStatus: 0, identity: 'unknown' })), null, 'an old driver tells nothing');
  t.equal(causedReset(wordOf({ ...info, bootStatus: 0, identity: 'unknown', kind: 'emulated' })), false);
  t.equal(causedReset(wordOf(null)), 'missing');
  t.match(await readWatchdogWord(await tree({})), { missing: String });
  const two = await tree({
    'sys/class/watchdog/watchdog0/bootstatus': '0\n',
    'sys/class/watchdog/watchdog1/bootstatus': '32\n',
  });
  t.match(await readWatchdogWord(two), { found: { device: '/dev/watchdog1', causedReset: true } });
  const odd = await tree({ 'sys/class/watchdog/watchdog0/bootstatus': 'never\n' });
  t.match(await readWatchdogWord(odd), { missing: String });
});

t.test('validations that have reset this machine', async (t) => {
  const stateDir = await tree({});
  const files = new ValidationFiles(stateDir);
  const told: string[] = [];
  const known = () => validatedResets(stateDir, (text) => told.push(text));
  t.strictSame(await known(), []);
  const sample: Validation = {
    run: '0123456789abcdef',
    device: '/dev/watchdog0',
    driver: 'i6300esb',
    kind: 'hardware',
    identity: 'i6300ESB timer',
    board: 'a board',
    when: '2026-11-22T20:00:00.000Z',
    bootBefore: 'before',
    bootAfter: 'after',
    timeoutAskedS: 10,
    timeoutS: 10,
    verdict: 'resets',
    kappa: 1,
    measuredMs: 10_000,
    uncertaintyMs: 500,
    sentence: 'it resets',
    evidence: [],
    rounding: [],
    timeLeftS: null,
    pets: null,
  };
  await files.writeResult(sample);
  await files.writeResult({ ...sample, device: '/dev/watchdog1', verdict: 'did-not-reset' });
  await files.writeResult({ ...sample, device: '/dev/watchdog2', when: 'never' });
  await files.writeResult({ ...sample, device: '/dev/watchdog3', bootBefore: null });
  await files.writeResult({ ...sample, device: '/dev/watchdog4', bootAfter: null });
  const beganMs = Date.UTC(2026, 10, 22, 20);
  const its = { device: '/dev/watchdog0', beganMs, bootBefore: 'before', bootAfter: 'after', mayResetUntilMs: null };
  t.strictSame(await known(), [its]);
  // As a command leaves it that was killed after its last pet: judged in the same boot, or in a later one.
  const unfinished: Validation = { ...sample, device: '/dev/watchdog5', verdict: 'unfinished', kappa: null };
  await files.writeResult({ ...unfinished, bootAfter: null });
  await files.writeResult({ ...unfinished, device: '/dev/watchdog6', timeoutS: null, timeoutAskedS: 5 });
  await files.writeResult({ ...unfinished, device: '/dev/watchdog7', timeoutS: 1e15 });
  await files.writeResult({ ...unfinished, device: '/dev/watchdog8', bootBefore: null });
  const may = (device: string, mayResetUntilMs: number) => ({ ...its, device, bootAfter: null, mayResetUntilMs });
  const expected = [
    its,
    may('/dev/watchdog7', 4e15),
    may('/dev/watchdog5', beganMs + 120_000),
    may('/dev/watchdog6', beganMs + 90_000),
  ];
  t.strictSame(await known(), expected, 'what explains most first');
  t.strictSame(told, []);
  await rm(join(stateDir, 'watchdog'), { recursive: true });
  await symlink('watchdog', join(stateDir, 'watchdog'));
  t.strictSame(await known(), [], 'what cannot be read explains nothing');
  t.match(told, [/a reset by a validation is not told from others: cannot read .*watchdog: ELOOP: .*its file system/]);
});
