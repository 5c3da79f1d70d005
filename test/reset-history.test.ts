import { link, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type BootNotes, type ResetEvidence, resetLimits, type ValidatedBoot } from '../src/agent/reset-record.js';
import { type Loaded, ResetFiles } from '../src/host/reset-files.js';
import { ResetHistoryKeeper } from '../src/host/reset-history.js';
import type { RunProgram } from '../src/host/reset-log.js';
import { aliveMs, bootedMs, plainEvidence, quorumLost, shortLog, watchdogSaying, wellNotes } from './reset-samples.js';

/** The history of resets on disk: found once, completed, kept, bounded; damaged files say so. */

const base = await mkdtemp(join(tmpdir(), 'holdfast-resets-'));
t.teardown(() => rm(base, { recursive: true, force: true }));
let count = 0;

const ids = { a: '11111111-1111-1111-1111-111111111111', b: '22222222-2222-2222-2222-222222222222' };

/** By boot id, and by -1. */
type Journal = Readonly<Record<string, readonly object[]>>;

interface Machine {
  readonly stateDir: string;
  readonly files: ResetFiles;
  readonly problems: string[];
  journal: Journal;
  /** While the journal is read. */
  meanwhile: () => Promise<void>;
  validations: readonly ValidatedBoot[];
  boot(bootId: string, causedReset?: boolean | null): Promise<ResetHistoryKeeper>;
}

async function machine(): Promise<Machine> {
  const stateDir = join(base, String(++count));
  await mkdir(stateDir);
  const files = new ResetFiles(stateDir);
  const problems: string[] = [];
  const run: RunProgram = async ({ args }) => {
    await all.meanwhile();
    const asked = args.find((arg) => arg.startsWith('--boot='))?.slice('--boot='.length) ?? '';
    const stdout = (all.journal[asked] ?? []).map((each) => JSON.stringify(each)).join('\n');
    return { kind: 'exit', status: 0, stdout, stderr: '', truncated: false };
  };
  const all: Machine = {
    stateDir,
    files,
    problems,
    journal: {},
    meanwhile: async () => undefined,
    validations: [],
    boot: (bootId, causedReset = false) => {
      const watchdog = watchdogSaying(causedReset);
      const boot = { bootId, nowMs: bootedMs + 20_000, bootedMs, watchdog, validations: all.validations };
      return ResetHistoryKeeper.open(files, { root: stateDir, run }, boot, (text) => problems.push(text));
    },
  };
  return all;
}

function journalOf(bootId: string, atMs: number, fields: object = {}): readonly object[] {
  const common = { _BOOT_ID: bootId.replaceAll('-', ''), __REALTIME_TIMESTAMP: `${atMs}000`, _TRANSPORT: 'syslog' };
  return [{ ...common, SYSLOG_IDENTIFIER: 'cron', MESSAGE: 'a line', ...fields }];
}

const notesOf = (bootId: string, changes: Partial<BootNotes> = {}): BootNotes => ({ ...wellNotes, bootId, ...changes });
const value = <T>(loaded: Loaded<T>): T | null => (loaded.outcome === 'loaded' ? loaded.value : null);
const stopped = { _TRANSPORT: 'driver', MESSAGE_ID: 'd93fb3c9c24d451a97cea615ce59c00b' };

t.test('the first start knows of no reset; nor does a restart of the agent alone', async (t) => {
  const all = await machine();
  t.strictSame((await all.boot('one')).report(), { resets: [], problem: null, incomplete: false });
  await all.files.saveNotes(notesOf('one'));
  const restarted = await all.boot('one');
  t.strictSame(restarted.report().resets, []);
  t.equal(restarted.formerTrouble, null);
  await all.files.saveNotes(notesOf('one', { trouble: quorumLost }));
  t.strictSame((await all.boot('one')).formerTrouble, quorumLost);
  t.equal((await all.boot('two')).formerTrouble, null, 'of another boot');
  t.strictSame(all.problems, []);
});

t.test('a reset is found once, completed, and kept', async (t) => {
  const all = await machine();
  await all.files.saveNotes(notesOf(ids.a, { trouble: quorumLost }));
  const history = await all.boot('new', true);
  t.match(history.report().resets, [
    { endedBootId: ids.a, bootId: 'new', verdict: 'self-fenced', certainty: 'certain' },
  ]);
  t.strictSame(value(await all.files.loadNotes())?.bootId, ids.a, 'not overwritten before it is kept');
  t.strictSame((await all.files.loadHistory()).records.length, 1);
  all.journal = { '-1': journalOf(ids.a, aliveMs) };
  await history.gather();
  t.match(history.report().resets, [{ lastLines: [{ atMs: aliveMs, text: 'cron: a line' }] }]);
  t.strictSame(history.unasked, [ids.a]);
  const view = {
    lostMs: aliveMs,
    fenced: { proof: 'takeover', atMs: aliveMs + 9 },
    releasedMs: null,
    backMs: null,
  } as const;
  await history.notePeers(ids.a, view);
  t.strictSame(history.unasked, []);
  t.ok(
    history
      .report()
      .resets[0]?.evidence.some(({ text }) => /declared that boot fenced at .*, after the takeover/.test(text)),
  );

  // The agent is started again, before and after it has written notes of its own.
  t.strictSame((await all.boot('new')).report(), history.report());
  await all.files.saveNotes(notesOf('new'));
  t.strictSame((await all.boot('new')).report(), history.report());
  t.equal((await all.boot('newer')).report().resets.length, 2);
});

t.test('notes of an end that is known say nothing of a later one', async (t) => {
  const all = await machine();
  await all.files.saveNotes(notesOf(ids.a, { trouble: quorumLost }));
  await all.boot(ids.b);
  all.journal = { '-1': journalOf(ids.b, aliveMs + 30_000, stopped) };
  const history = await all.boot('new');
  t.match(history.report().resets, [{ endedBootId: null, verdict: 'unknown' }, { endedBootId: ids.a }]);
  await history.gather();
  t.match(history.report().resets, [
    { endedBootId: ids.b, verdict: 'orderly-reboot' },
    { endedBootId: ids.a, verdict: 'self-fenced' },
  ]);
  t.equal(history.report().resets.length, 2);
});

t.test('an agent that died before it had looked for logs looks again at its next start', async (t) => {
  const all = await machine();
  await all.files.saveNotes(notesOf(ids.a));
  await all.boot('new');
  await all.files.saveNotes(notesOf('new'));
  all.journal = { '-1': journalOf(ids.a, aliveMs) };
  const history = await all.boot('new');
  await history.gather();
  t.match(history.report().resets, [{ lastLines: [{ text: 'cron: a line' }] }]);
});

t.test('a boot in which no agent ran: what the watchdog says is of its end, not of the one before', async (t) => {
  const all = await machine();
  await all.files.saveNotes(notesOf(ids.a));
  const ofB = journalOf(ids.b, aliveMs + 30_000, stopped);
  all.journal = { '-1': ofB, [ids.a.replaceAll('-', '')]: journalOf(ids.a, aliveMs + 1_000) };
  const history = await all.boot('new', true);
  t.match(history.report().resets, [{ verdict: 'watchdog-fired' }], 'as long as nothing else is known');
  await history.gather();
  t.match(history.report().resets, [
    { endedBootId: ids.b, verdict: 'orderly-reboot', certainty: 'likely' },
    { endedBootId: ids.a, verdict: 'power-loss', certainty: 'open' },
  ]);
  const said = history.report().resets.flatMap(({ evidence }) => evidence.map(({ text }) => text));
  t.notMatch(said.join(), /before that boot/, 'and it has said so once');
  t.strictSame(history.unasked, [ids.a, ids.b]);
  t.match(history.report().resets, [{ bootedMs }, { bootedMs: null }], 'nobody knows when b began');
  const ofClocks = history.report().resets.map(({ evidence }) => evidence.at(-1)?.text);
  t.match(ofClocks, [/; it booted at/, /; when it booted is not known, for another boot lies in between/]);
  t.strictSame((await all.boot('new', true)).report(), history.report(), 'and so it is kept');
});

t.test('what comes in while logs are looked for is kept', async (t) => {
  const all = await machine();
  const view = { lostMs: aliveMs, fenced: null, releasedMs: null, backMs: null };
  await all.files.saveNotes(notesOf(ids.a));
  all.journal = { '-1': journalOf(ids.a, aliveMs) };
  const history = await all.boot('new');
  all.meanwhile = async () => {
    await history.acknowledge(5);
    await history.notePeers(ids.a, view);
  };
  await history.gather();
  t.match((await all.files.loadHistory()).records, [
    { gathered: true, acknowledgedMs: 5, evidence: { peers: { found: view }, log: { found: {} } } },
  ]);
  t.match((await all.boot('new')).report().resets, [{ acknowledgedMs: 5, lastLines: [{ text: 'cron: a line' }] }]);
});

t.test('a later end that is found after an acknowledgement was not acknowledged', async (t) => {
  const all = await machine();
  await all.files.saveNotes(notesOf(ids.a));
  all.journal = { '-1': journalOf(ids.b, aliveMs + 30_000) };
  const history = await all.boot('new');
  all.meanwhile = async () => void (await history.acknowledge(5));
  await history.gather();
  t.match(history.report().resets, [
    { endedBootId: ids.b, acknowledgedMs: null },
    { endedBootId: ids.a, acknowledgedMs: 5 },
  ]);
});

t.test('a journal that ends before the notes, or is of other boots, decides nothing', async (t) => {
  const all = await machine();
  await all.files.saveNotes(notesOf(ids.a));
  all.journal = {
    '-1': journalOf(ids.b, aliveMs - 1, stopped),
    [ids.a.replaceAll('-', '')]: journalOf(ids.b, aliveMs, stopped),
  };
  const history = await all.boot('new');
  await history.gather();
  t.match(history.report().resets, [{ endedBootId: ids.a, verdict: 'power-loss', lastLines: [] }]);
  t.equal(history.report().resets.length, 1);
});

t.test('acknowledged is what was there, durably; an orderly reboot needs none', async (t) => {
  const all = await machine();
  const ending = { kind: 'reboot', sinceMs: aliveMs, doneMs: aliveMs } as const;
  await all.files.saveNotes(notesOf('one', { armed: false, ending }));
  const first = await all.boot('two');
  t.strictSame(first.unacknowledged(), []);
  t.match(first.report().resets, [{ verdict: 'orderly-reboot', expected: true, acknowledgedMs: null }]);
  await all.files.saveNotes(notesOf('two'));
  const second = await all.boot('three');
  t.equal(second.unacknowledged().length, 1);
  t.equal(await second.acknowledge(5), 1);
  t.equal(await second.acknowledge(6), 0);
  t.strictSame(second.unacknowledged(), []);
  t.match((await all.boot('three')).report().resets, [{ acknowledgedMs: 5 }, { acknowledgedMs: 5 }]);
});

const validated = (bootBefore: string, bootAfter: string): ValidatedBoot => ({
  device: '/dev/watchdog0',
  beganMs: wellNotes.startedMs,
  mayResetUntilMs: null,
  bootBefore,
  bootAfter,
});

t.test('a validation has ended the boot in which it was begun, and no other, whatever the clocks say', async (t) => {
  const verdictOf = async (bootBefore: string, changes: Partial<BootNotes> = {}): Promise<unknown> => {
    const all = await machine();
    all.validations = [validated('zero', 'one'), validated(bootBefore, 'two')];
    await all.files.saveNotes(notesOf('one', changes));
    const history = await all.boot('two', true);
    const [reset] = history.report().resets;
    return [reset?.endedBootId, reset?.cause, reset?.expected, history.unacknowledged().length];
  };
  t.strictSame(await verdictOf('one'), ['one', 'validation', true, 0]);
  t.strictSame(await verdictOf('one', { startedMs: wellNotes.startedMs + 1 }), ['one', 'validation', true, 0]);
  t.strictSame(await verdictOf('zero'), ['one', 'standstill', false, 1]);
  const before1971 = { startedMs: 4_000 };
  t.strictSame(await verdictOf('zero', before1971), ['one', 'standstill', false, 1], 'before its clock was set');
});

t.test('a validation in a later boot, in which no agent ran, explains the end of that one alone', async (t) => {
  const ends = [
    { endedBootId: ids.b, cause: 'validation', expected: true },
    { endedBootId: ids.a, verdict: 'power-loss', cause: null, expected: false, bootedMs: null },
  ];
  for (const journal of [{ '-1': journalOf(ids.b, aliveMs + 30_000) }, { '-1': journalOf(ids.a, aliveMs + 1) }, {}]) {
    const all = await machine();
    all.validations = [validated(ids.b, 'new')];
    all.journal = journal;
    await all.files.saveNotes(notesOf(ids.a));
    const history = await all.boot('new', true);
    await history.gather();
    t.match(history.report().resets, ends, JSON.stringify(Object.keys(journal)));
    t.equal(history.report().resets.length, 2);
  }
  const all = await machine();
  all.validations = [validated(ids.b, 'new')];
  await mkdir(join(all.stateDir, 'resets'));
  await writeFile(join(all.stateDir, 'resets', 'boot.json'), '{');
  const history = await all.boot('new', true);
  await history.gather();
  t.match(history.report().resets, [ends[0]], 'damaged notes, and no journal');
});

t.test('a validation that gets its verdict after the reset was found explains it at the next start', async (t) => {
  const all = await machine();
  await all.files.saveNotes(notesOf('one'));
  t.match((await all.boot('two', true)).report().resets, [{ cause: 'standstill' }]);
  all.validations = [validated('one', 'two')];
  t.match((await all.boot('two', true)).report().resets, [{ cause: 'validation', expected: true }]);
});

t.test('an unfinished validation may have ended the boot in which it was begun', async (t) => {
  const all = await machine();
  const unfinished = {
    ...validated('one', 'two'),
    bootAfter: null,
    beganMs: aliveMs,
    mayResetUntilMs: aliveMs + 50_000,
  };
  all.validations = [unfinished];
  await all.files.saveNotes(notesOf('one', { armed: false }));
  const ended = { endedBootId: 'one', verdict: 'watchdog-fired', cause: 'validation', expected: false };
  t.match((await all.boot('two', true)).report().resets, [ended]);
  all.validations = [];
  const [reset] = (await all.boot('two', true)).report().resets;
  t.match(reset, ended, 'kept, whatever becomes of the record of the validation');
  const said =
    /validation of \/dev\/watchdog0 that began at .* had armed it, and is unfinished: until .* it may have reset this machine/;
  t.ok(reset?.evidence.some(({ source, text }) => source === 'watchdog' && said.test(text)));
});

/** Its next write finds no room. */
const fillDisk = (path: string): Promise<void> => symlink('/dev/full', `${path}.new`);

t.test(
  'a full disk: what was stored stays, it is said, nothing is acknowledged; stored once there is room',
  async (t) => {
    const all = await machine();
    const path = join(all.stateDir, 'resets', 'history.json');
    await all.files.saveNotes(notesOf('one'));
    await all.boot('two');
    const before = await readFile(path, 'utf8');
    await all.files.saveNotes(notesOf('two'));
    await fillDisk(path);
    const history = await all.boot('three');
    const problem =
      /are not stored: cannot write .*history.json: ENOSPC: free some space on its file system; what was stored before stays/;
    t.match(all.problems, [problem]);
    const resets = [{ endedBootId: 'two' }, { endedBootId: 'one' }];
    t.match(history.report(), { resets, problem, incomplete: false }, 'all of it is known');
    await fillDisk(path);
    const view = { lostMs: aliveMs, fenced: null, releasedMs: null, backMs: null };
    const refused = history.acknowledge(5);
    const noted = history.notePeers('two', view);
    await t.rejects(refused, { code: 'HF_STORE', message: /nothing was acknowledged: .*ENOSPC: free some space/ });
    await noted;
    t.equal(history.unacknowledged().length, 2);
    t.strictSame(history.unasked, [], 'what came in meanwhile is not taken back');

    const full = await machine();
    await mkdir(join(full.stateDir, 'resets'));
    await writeFile(join(full.stateDir, 'resets', 'history.json'), before);
    await full.files.saveNotes(notesOf('two'));
    await fillDisk(join(full.stateDir, 'resets', 'history.json'));
    const later = await full.boot('three');
    t.equal(await readFile(join(full.stateDir, 'resets', 'history.json'), 'utf8'), before);
    t.strictSame((await readdir(join(full.stateDir, 'resets'))).sort(), ['boot.json', 'history.json']);
    await later.storeAgain();
    t.equal(later.report().problem, null);
    t.match((await full.files.loadHistory()).records, [{}, { evidence: { endedBootId: 'two' } }]);
    const stored = await readFile(join(full.stateDir, 'resets', 'history.json'), 'utf8');
    await rm(join(full.stateDir, 'resets', 'history.json'));
    await later.storeAgain();
    t.notOk((await readdir(join(full.stateDir, 'resets'))).includes('history.json'), 'not written without need');
    t.not(stored, before);
  },
);

t.test('a history that cannot be read is not overwritten, and is there again once it can be', async (t) => {
  const all = await machine();
  const path = join(all.stateDir, 'resets', 'history.json');
  await all.files.saveNotes(notesOf('one'));
  await all.boot('two');
  const elsewhere = join(all.stateDir, 'elsewhere');
  await link(path, elsewhere);
  const before = await readFile(path, 'utf8');
  await rm(path);
  await symlink('history.json', path);
  await all.files.saveNotes(notesOf('two'));
  const history = await all.boot('three');
  const problem = /earlier resets are not known: cannot read .*history.json: ELOOP: see to its file system/;
  t.match(all.problems, [problem]);
  t.equal(all.problems.length, 1, 'told once');
  t.match(history.report(), { resets: [{ endedBootId: 'two' }], problem, incomplete: true });
  await t.rejects(history.acknowledge(5), { code: 'HF_STORE', message: /nothing was acknowledged/ });
  t.strictSame((await readdir(join(all.stateDir, 'resets'))).sort(), ['boot.json', 'history.json']);
  await rm(path);
  await link(elsewhere, path);
  t.equal(await readFile(path, 'utf8'), before);
  t.equal(await history.acknowledge(6), 1);
  const both = [
    { endedBootId: 'two', acknowledgedMs: 6 },
    { endedBootId: 'one', acknowledgedMs: null },
  ];
  t.match(history.report(), { resets: both, problem: null, incomplete: false });
  t.match((await all.boot('three')).report().resets, both);
});

t.test('the history is bounded, the newest stay', async (t) => {
  const all = await machine();
  for (let i = 0; i < resetLimits.records + 3; i++) {
    await all.files.saveNotes(notesOf(`boot${i}`));
    await all.boot(`boot${i + 1}`);
  }
  const { resets } = (await all.boot(`boot${resetLimits.records + 3}`)).report();
  t.equal(resets.length, resetLimits.records);
  t.equal(resets[0]?.endedBootId, `boot${resetLimits.records + 2}`);
});

t.test('a damaged history says so until it is acknowledged, and is kept', async (t) => {
  const damages = [
    '',
    '{',
    '[]',
    'null',
    `{"records":[{}],"problem":null}`,
    '\u0000'.repeat(100),
    'x'.repeat(5_000_000),
  ];
  for (const damage of damages) {
    const all = await machine();
    await all.files.saveNotes(notesOf('one'));
    await writeFile(join(all.stateDir, 'resets', 'history.json'), damage);
    const history = await all.boot('two');
    const name = JSON.stringify(damage.slice(0, 20));
    t.match(history.report(), { resets: [{ endedBootId: 'one' }], problem: /history.json.*history.damaged/ }, name);
    t.equal(await readFile(join(all.stateDir, 'resets', 'history.damaged'), 'utf8'), damage);
    t.match((await all.boot('two')).report(), { problem: /earlier resets are not known/, incomplete: true });
    await history.acknowledge(1);
    t.match((await all.boot('two')).report(), { problem: null, incomplete: false });
  }
});

t.test('one record that is malformed costs no other, nor what was acknowledged', async (t) => {
  const all = await machine();
  const path = join(all.stateDir, 'resets', 'history.json');
  const turns = [
    ['one', 'two'],
    ['two', 'three'],
    ['three', 'four'],
  ] as const;
  for (const [before, after] of turns) {
    await all.files.saveNotes(notesOf(before));
    await (await all.boot(after)).acknowledge(5);
  }
  const damaged = (await readFile(path, 'utf8')).replace('"endedBootId":"two"', '"endedBootId":7');
  await writeFile(path, damaged);
  const history = await all.boot('three');
  const kept = [
    { endedBootId: 'three', acknowledgedMs: 5 },
    { endedBootId: 'one', acknowledgedMs: 5 },
  ];
  const problem =
    /^1 of 3 earlier resets are not known: .*history.json is malformed at 'records.1.evidence.endedBootId'/;
  t.match(history.report(), { resets: kept, problem });
  t.equal(history.report().resets.length, 2);
  t.equal(await readFile(join(all.stateDir, 'resets', 'history.damaged'), 'utf8'), damaged);
  t.match((await all.boot('four')).report(), { resets: kept, problem }, 'and so it is stored');
});

t.test('each damaged history is kept, and none takes the place of another', async (t) => {
  const all = await machine();
  const inResets = (name: string): string => join(all.stateDir, 'resets', name);
  await all.files.saveNotes(notesOf('one'));
  for (const damage of ['first', 'second']) {
    await writeFile(inResets('history.json'), damage);
    await fillDisk(inResets('history.json'));
    await all.boot('one');
    await all.boot('one');
  }
  t.equal(await readFile(inResets('history.damaged'), 'utf8'), 'first');
  t.equal(await readFile(inResets('history.damaged-2'), 'utf8'), 'second');
  t.notOk((await readdir(inResets(''))).includes('history.damaged-3'), 'the same one is kept once');

  for (let i = 3; i <= 10; i++) await writeFile(inResets(`history.damaged-${i}`), 'older');
  await writeFile(inResets('history.json'), 'one too many');
  await all.files.saveNotes(notesOf('one'));
  const history = await all.boot('two');
  const problem = /10 before it: remove the history.damaged files there that nobody needs/;
  t.match(history.report(), { resets: [{ endedBootId: 'one' }], problem });
  t.equal(await readFile(inResets('history.json'), 'utf8'), 'one too many');
  await rm(inResets('history.damaged-7'));
  await history.storeAgain();
  t.equal(await readFile(inResets('history.damaged-7'), 'utf8'), 'one too many');
  t.match((await all.files.loadHistory()).records, [{ evidence: { endedBootId: 'one' } }]);
});

t.test('damaged notes are said to be, and the rest decides', async (t) => {
  const good = JSON.stringify(notesOf('one'));
  const endless = good.replace(String(aliveMs), '1e300');
  for (const damage of [
    '',
    '{}',
    good.slice(0, 90),
    endless,
    good.replace('true', '"true"'),
    good.replace('"one"', '""'),
  ]) {
    const all = await machine();
    await mkdir(join(all.stateDir, 'resets'));
    await writeFile(join(all.stateDir, 'resets', 'boot.json'), damage);
    all.journal = { '-1': journalOf(ids.b, aliveMs, stopped) };
    const history = await all.boot('new');
    t.match(history.report().resets, [{ endedBootId: null, verdict: 'unknown' }], damage.slice(0, 40));
    t.match(history.report().resets[0]?.evidence[0]?.text, /left nothing: .*boot.json/);
    await history.gather();
    t.match(history.report().resets, [{ endedBootId: ids.b, verdict: 'orderly-reboot' }]);
    t.equal((await all.boot('new')).report().resets.length, 1, 'once');
  }
});

t.test('nobody else may read it, and no temporary file stays', async (t) => {
  const all = await machine();
  await all.files.saveNotes(notesOf('one'));
  await all.boot('two');
  t.strictSame((await readdir(join(all.stateDir, 'resets'))).sort(), ['boot.json', 'history.json']);
});

t.test('a watchdog that said so before the boot that ended, too, may not speak of its end', async (t) => {
  const all = await machine();
  const turn = async (before: string, after: string, causedReset: boolean | null): Promise<unknown> => {
    await all.files.saveNotes(notesOf(before, { trouble: quorumLost }));
    await all.boot(after, causedReset);
    const [reset] = (await all.boot(after, causedReset)).report().resets;
    const isTold = reset?.evidence.some(
      ({ source, text }) => source === 'watchdog' && /so before that boot/.test(text),
    );
    return [reset?.endedBootId, reset?.certainty, isTold, reset?.alternatives.map(({ why }) => why).join()];
  };
  const stale = /said that it had fired before that boot, too, and power may have failed in the last 5 s/;
  t.strictSame(await turn('one', 'two', true), ['one', 'certain', false, '']);
  t.match(await turn('two', 'three', true), ['two', 'likely', true, stale]);
  t.match(await turn('three', 'four', null), ['three', 'likely', false, String]);
  t.match(await turn('four', 'five', true), ['four', 'likely', true, stale], 'it could not tell in between');
  t.match(await turn('five', 'six', false), ['five', 'likely', false, String]);
  t.strictSame(await turn('six', 'seven', true), ['six', 'certain', false, ''], 'it was cleared');
});

t.test('the largest history that can be is read again', async (t) => {
  const all = await machine();
  const text = '\u8a9e'.repeat(resetLimits.textCharacters);
  const atMs = 4e15;
  const lines = Array.from({ length: resetLimits.logLines }, () => ({ atMs, text }));
  const dumps = Array.from({ length: resetLimits.dumps }, () => ({ kind: text, file: text, atMs, line: text }));
  const log = { source: text, lines, lastMs: atMs, orderly: false, target: null, panic: text, unheld: { atMs, text } };
  const evidence: ResetEvidence = {
    ...plainEvidence,
    ...{ endedBootId: ids.a, bootId: ids.b, foundMs: atMs, bootedMs: atMs },
    notes: { found: notesOf(ids.a, { trouble: { ...quorumLost, text } }) },
    watchdog: { found: { device: text, emulated: false, causedReset: false } },
    validation: { device: text, beganMs: atMs, mayResetUntilMs: atMs },
    dumps: { found: dumps },
    log: { found: log },
    peers: { missing: text },
  };
  const record = { evidence, gathered: true, acknowledgedMs: atMs };
  await all.files.saveHistory({ records: Array(resetLimits.records).fill(record), problem: text });
  const { records, damage } = await all.files.loadHistory();
  t.equal(damage, null);
  t.equal(records.length, resetLimits.records);
  await all.files.saveNotes(notesOf(ids.a, { trouble: { ...quorumLost, text } }));
  t.equal(value(await all.files.loadNotes())?.trouble?.text, text);
});

t.test('of a history of more records than are ever kept the newest are looked at, in no time', async (t) => {
  const all = await machine();
  await mkdir(join(all.stateDir, 'resets'));
  const path = join(all.stateDir, 'resets', 'history.json');
  const good = JSON.stringify({ evidence: plainEvidence, gathered: true, acknowledgedMs: null });
  const write = (bad: number): Promise<void> =>
    writeFile(path, `{"records":[${'{},'.repeat(bad)}${good}],"problem":null}`);
  await write(800_000);
  const startMs = performance.now();
  const { records, damage } = await all.files.loadHistory();
  // 0.2 s; to look at each takes many seconds, and a gigabyte.
  t.ok(performance.now() - startMs < 3_000);
  t.strictSame(records, [JSON.parse(good)]);
  t.match(damage, /^800000 of 800001 earlier resets are not known: .* is malformed at 'records.799801.evidence'/);
});

t.test('a history of an earlier version is read', async (t) => {
  const all = await machine();
  const { saidBefore: _, ...evidence } = plainEvidence;
  const { target: __, ...log } = { ...shortLog, orderly: true };
  const validation = { device: '/dev/watchdog0', beganMs: aliveMs };
  const record = { evidence: { ...evidence, validation, log: { found: log } }, gathered: true, acknowledgedMs: null };
  await mkdir(join(all.stateDir, 'resets'));
  await writeFile(join(all.stateDir, 'resets', 'history.json'), JSON.stringify({ records: [record], problem: null }));
  t.match(await all.files.loadHistory(), {
    records: [
      {
        evidence: {
          saidBefore: false,
          validation: { ...validation, mayResetUntilMs: null },
          log: { found: { orderly: true, target: null } },
        },
      },
    ],
    damage: null,
  });
});

t.test('what is kept is read as it was written', async (t) => {
  const all = await machine();
  const dumps = { found: [{ kind: 'Panic', file: '/sys/fs/pstore/dmesg-1', atMs: null, line: 'x' }] };
  const ending = { kind: 'reboot', sinceMs: 1, doneMs: null } as const;
  const evidence = { ...plainEvidence, notes: { found: notesOf('old', { trouble: quorumLost, ending }) }, dumps };
  const history = { records: [{ evidence, gathered: true, acknowledgedMs: null }], problem: null };
  await all.files.saveHistory(history);
  t.strictSame(await all.files.loadHistory(), { ...history, damage: null });
  await all.files.saveNotes(notesOf('old', { trouble: quorumLost, ending }));
  t.strictSame(value(await all.files.loadNotes()), notesOf('old', { trouble: quorumLost, ending }));
});
