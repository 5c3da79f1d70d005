import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, existsSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { loadNative } from '../src/host/native.js';
import { completeValidation, conclude } from '../src/host/validation-completion.js';
import { createValidationDevice } from '../src/host/validation-device.js';
import { type Begin, type Step, type Validation, ValidationFiles } from '../src/host/validation-record.js';
import { ValidationWitness } from '../src/host/validation-witness.js';
import { EmulatedMachine } from './emulated-machine.js';
import { fakeRoot } from './watchdog-trees.js';

/** Two expiries, a wait for one that never comes, and the start of Node for each on a loaded machine. */
t.setTimeout(120_000);

const program = fileURLToPath(new URL('./fixtures/validation-process.js', import.meta.url));

interface Running {
  readonly machine: EmulatedMachine;
  readonly files: ValidationFiles;
  /** `nsenter`, which waits for the validation. */
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  said(): string;
}

function validate(t: Test, ...emulator: string[]): Promise<Running> {
  return validateSaying(t, 'pipe', ...emulator);
}

async function validateSaying(t: Test, terminal: 'pipe' | number, ...emulator: string[]): Promise<Running> {
  const machine = await EmulatedMachine.start(t, ...emulator);
  const stateDir = t.testdir({});
  const inside = ['-t', String(machine.machinePid), '-p', process.execPath, program, machine.socket, stateDir];
  const child = spawn('nsenter', inside, { stdio: ['ignore', 'inherit', terminal] });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  return { machine, files: new ValidationFiles(stateDir), child, ended: once(child, 'close'), said: () => said };
}

/** As the next kernel finds it: it started just now. */
async function verdictOf(files: ValidationFiles): Promise<Validation> {
  const facts = { bootId: 'after', bootWallMs: Date.now(), bootStatus: null };
  const completion = await conclude(files, (await files.run()) ?? [], facts);
  if (completion.outcome !== 'verdict') throw new Error(JSON.stringify(completion));
  return completion.validation;
}

t.test('a watchdog that resets', { jobs: 3 }, async (t) => {
  for (const kappa of [1, 2] as const) {
    t.test(`kappa ${kappa}, and the time that the emulator saw`, async (t) => {
      const { machine, files, ended } = await validate(t, '--kappa', String(kappa), '--timeout-step', '5');
      await Promise.all([machine.died(), ended]);
      const validation = await verdictOf(files);
      t.match(validation, { verdict: 'resets', kappa, timeoutAskedS: 5, timeoutS: 5, driver: 'emulator' });
      t.match(validation.rounding, [
        { askedS: 2, setS: 5 },
        { askedS: 3, setS: 5 },
        { askedS: 5, setS: 5 },
        { askedS: 6, setS: 10 },
      ]);
      t.ok((validation.pets?.count ?? 0) === 50 && (validation.pets?.maxMs ?? 0) > 0);
      const lastPetMs = Math.max(...machine.petInstants());
      const [killedMs, goneMs] = ['killed', 'machine-gone'].map(
        (name) => (machine.events(name)[0]?.bootMs ?? 0) - lastPetMs,
      );
      const { measuredMs, uncertaintyMs } = validation;
      const [lowMs, highMs] = [(measuredMs ?? 0) - (uncertaintyMs ?? 0), (measuredMs ?? 0) + (uncertaintyMs ?? 0)];
      const figures = `${measuredMs} ± ${uncertaintyMs} ms, killed at ${killedMs}, gone at ${goneMs}`;
      t.ok(lowMs <= (goneMs ?? 0) + 20 && highMs >= (killedMs ?? 0) - 20, figures);
      t.comment(figures);
      t.ok((uncertaintyMs ?? 1e9) < 1_000);
      t.equal(await files.run(), null, 'the run is done with');
      t.same(await files.results(), [validation]);
    });
  }
  t.test('one that does not is disarmed in the end', async (t) => {
    const { machine, files, ended, said } = await validate(t, '--no-reboot');
    await ended;
    t.match(said(), /not reset four timeouts after the last pet\nthe watchdog is disarmed\nend outlived/);
    t.match(await verdictOf(files), { verdict: 'did-not-reset', kappa: null });
    t.ok(machine.alive);
    t.match(await machine.control('status'), { state: 'inactive' });
  });
});

/** The validation itself, in the machine's namespace. */
function innerOf({ pid }: ChildProcess): number {
  const inner = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
  // 0 would mean this test's own process group.
  if (!(inner > 1)) throw new Error('nsenter has no child');
  return inner;
}

async function lastPetted(files: ValidationFiles): Promise<readonly Step[]> {
  for (;;) {
    const steps = (await files.run()) ?? [];
    if (steps.filter(({ step }) => step === 'alive').length > 2) return steps;
    await sleep(20);
  }
}

t.test('killed after the last pet', async (t) => {
  const { machine, files, child, ended } = await validate(t);
  await lastPetted(files);
  process.kill(innerOf(child), 'SIGKILL');
  await ended;
  await machine.died();
  const steps = (await files.run()) ?? [];
  t.match(steps.at(-1), { step: 'interrupted', reason: /killed/ }, 'the witness wrote it down');
  t.match(await verdictOf(files), { verdict: 'unfinished' });
});

/** Reads or fills a pipe for as long as it lets; true while it does. */
function lets(operation: () => number): boolean {
  try {
    return operation() > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false;
    throw error;
  }
}

t.test('a terminal that is stopped just before the first expiry leaves a second one what it is', async (t) => {
  const fifo = join(t.testdir({}), 'terminal');
  execFileSync('mkfifo', [fifo]);
  const ours = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
  const theirs = openSync(fifo, constants.O_WRONLY);
  t.teardown(() => [ours, theirs].forEach(closeSync));
  const { machine, files, ended } = await validateSaying(t, theirs, '--kappa', '2');
  const some = Buffer.alloc(4_096, '.');
  let said = '';
  while (!said.includes('petted for the last time')) {
    const at = Buffer.alloc(4_096);
    while (
      lets(() => {
        const length = readSync(ours, at);
        said += at.toString('utf8', 0, length);
        return length;
      })
    );
    await sleep(10);
  }
  await sleep(4_500);
  while (lets(() => writeSync(ours, some)));
  await Promise.all([machine.died(), ended]);
  t.match(await verdictOf(files), { verdict: 'resets', kappa: 2 });
});

t.test('a witness that is let go says nothing', async (t) => {
  const path = join(t.testdir({ run: 'as it was' }), 'run');
  const witness = new ValidationWitness(path);
  await witness.call();
  witness.release();
  await sleep(500);
  t.equal(readFileSync(path, 'utf8'), 'as it was');
});

t.test('a witness leaves the cgroup of its command, where there is one to go to', async (t) => {
  const directory = t.testdir({ run: 'as it was', 'cgroup.procs': '' });
  const [run, procs] = ['run', 'cgroup.procs'].map((name) => join(directory, name)) as [string, string];
  const witness = new ValidationWitness(run, 'sh', procs);
  await witness.call();
  while (!readFileSync(procs, 'utf8').endsWith('\n')) await sleep(10);
  const words = readFileSync(`/proc/${readFileSync(procs, 'utf8').trim()}/cmdline`, 'utf8').split('\0');
  t.equal(words[4], run, 'it has named itself');
  witness.release();
  const elsewhere = new ValidationWitness(run, 'sh', join(directory, 'none'));
  await elsewhere.call();
  elsewhere.release();
  await sleep(500);
  t.notOk(existsSync(join(directory, 'none')), 'what is not there is not made');
  t.equal(readFileSync(run, 'utf8'), 'as it was');
});

t.test('a witness that cannot be called', async (t) => {
  await t.rejects(new ValidationWitness('/nowhere/run', '/nowhere/sh').call(), {
    code: 'HF_STORE',
    message: /cannot start \/nowhere\/sh, .*ENOENT/,
  });
});

t.test('Ctrl-C after the last pet disarms', async (t) => {
  const { machine, files, child, ended, said } = await validate(t);
  await lastPetted(files);
  process.kill(innerOf(child), 'SIGINT');
  await ended;
  t.match(said(), /end interrupted/);
  t.match(await machine.control('status'), { state: 'inactive' });
  t.match(await verdictOf(files), { verdict: 'unfinished', sentence: /ended by Ctrl-C/ });
  await sleep(500);
  t.equal(await files.run(), null, 'the witness was told that all is well');
});

t.test('a device that is not there, or refuses', async (t) => {
  const device = createValidationDevice({ emulator: '/nowhere/socket' }, loadNative());
  await t.rejects(device.open(), { code: 'HF_WATCHDOG', message: /cannot open .*does not answer \(ENOENT\): start/ });
  t.throws(() => device.describe(), { code: 'HF_WATCHDOG', message: /EBADF/ });
  t.throws(() => device.start(), { code: 'HF_WATCHDOG', message: /EBADF/ });
  t.throws(() => device.pet(), { code: 'HF_WATCHDOG', message: /EBADF/ });
  t.throws(() => device.disarm(), { code: 'HF_WATCHDOG', message: /EBADF/ });
  t.equal(device.setTimeout(5), null);
  for (const bad of [0, -1, 1.5, 65_536, Number.NaN]) t.throws(() => device.setTimeout(bad), { code: 'HF_ARGUMENT' });
  t.throws(() => createValidationDevice({ device: 'watchdog0' }), { code: 'HF_ARGUMENT' });
  const none = createValidationDevice({ device: '/dev/null' });
  await t.rejects(none.open(), { code: 'HF_WATCHDOG', message: /cannot open \/dev\/null: it is not a watchdog/ });
});

const begin: Begin = {
  ...{ step: 'begin', run: '0123456789abcdef', device: '/dev/watchdog0', driver: 'dog', kind: 'hardware' },
  ...{
    identity: 'a dog',
    board: 'a board',
    machine: null,
    firmware: null,
    bootId: 'before',
    pid: 4711,
    pidStarted: '77',
  },
  ...{ bootMs: 0, wallMs: 1_700_000_000_000, timeoutAskedS: 10 },
};

/** A machine that is up for ten seconds, and what a run has left on it. */
function machineAfter(t: Test, bootId: string, steps: readonly Step[]) {
  const root = fakeRoot(t);
  root.write('proc/uptime', '10.00 5.00\n');
  root.write('proc/sys/kernel/random/boot_id', `${bootId}\n`);
  root.write('state/watchdog/run', steps.map((step) => `${JSON.stringify(step)}\n`).join(''));
  return { root, files: new ValidationFiles(join(root.root, 'state')) };
}

function wholeRun(): readonly Step[] {
  const alive = Array.from({ length: 40 }, (_, nth): Step => {
    const bootMs = 100 + 250 * (nth + 1);
    return { step: 'alive', bootMs, untilMs: bootMs + 750 };
  });
  const pets = { count: 50, medianMs: 0.1, maxMs: 0.2 };
  const measured: Step = {
    step: 'measured',
    identity: 'a dog',
    timeoutS: 10,
    bootStatus: 0,
    boardClockErrorMs: null,
    rounding: [],
    timeLeftS: 9,
    pets,
  };
  const due: Step = { step: 'last-pet-due', bootMs: 99 };
  return [begin, measured, due, { step: 'last-pet', startMs: 99, endMs: 100, wallMs: 1_700_000_000_099 }, ...alive];
}

t.test('completed once, by whoever comes first', async (t) => {
  const { root, files } = machineAfter(t, 'after', wholeRun());
  const nowMs = 1_700_000_000_000 + 25_000;
  const first = await completeValidation(files, nowMs, root.root);
  t.match(first, { outcome: 'verdict', validation: { verdict: 'resets', kappa: 1 } });
  t.same(await completeValidation(files, nowMs, root.root), { outcome: 'none' });
  // The command died after it had written the verdict, and the machine was off for an hour.
  root.write(
    'state/watchdog/run',
    wholeRun()
      .map((step) => `${JSON.stringify(step)}\n`)
      .join(''),
  );
  t.same(
    await completeValidation(files, nowMs + 3_600_000, root.root),
    first,
    'the verdict that was given first stands',
  );
});

t.test('completed by the agent and the command at once', async (t) => {
  for (let round = 0; round < 20; round++) {
    const { root, files } = machineAfter(t, 'after', wholeRun());
    const both = await Promise.all([1, 2].map(() => completeValidation(files, 1_700_000_025_000, root.root)));
    for (const { outcome } of both) t.match(outcome, /verdict|none/);
    t.match(await files.results(), [{ verdict: 'resets', kappa: 1 }]);
  }
});

t.test('a run that is under way is left alone', async (t) => {
  const { root, files } = machineAfter(t, 'before', wholeRun());
  const stat = (started: string) =>
    `4711 (a (b) c) S ${Array.from({ length: 18 }, () => '0').join(' ')} ${started} 0\n`;
  root.write('proc/4711/stat', stat('77'));
  t.same(await completeValidation(files, 1_700_000_000_000, root.root), {
    outcome: 'under-way',
    pid: 4711,
    device: '/dev/watchdog0',
  });
  await t.rejects(files.begin(begin), { code: 'HF_CONFLICT', message: /a validation is under way/ });
  root.write('proc/4711/stat', stat('78'));
  t.match(await completeValidation(files, 1_700_000_000_000, root.root), {
    validation: { verdict: 'unfinished', sentence: /its command died, and this machine was not reset/ },
  });
});

t.test('a run that ended before its last pet leaves the earlier verdict', async (t) => {
  const { root, files } = machineAfter(t, 'after', wholeRun());
  const first = await completeValidation(files, 1_700_000_025_000, root.root);
  for (const steps of [[begin], [begin, { step: 'aborted', reason: 'Ctrl-C' } as const], []]) {
    root.write('state/watchdog/run', steps.map((step) => `${JSON.stringify(step)}\n`).join(''));
    t.match(await completeValidation(files, 1_700_000_025_000, root.root), { outcome: 'untried' });
    t.same(await files.results(), first.outcome === 'verdict' ? [first.validation] : []);
    t.equal(await files.run(), null);
  }
  const due: Step = { step: 'last-pet-due', bootMs: 99 };
  root.write(
    'state/watchdog/run',
    [{ ...begin, run: 'fedcba9876543210' }, due].map((step) => `${JSON.stringify(step)}\n`).join(''),
  );
  t.match(await completeValidation(files, 1_700_000_025_000, root.root), { validation: { verdict: 'unfinished' } });
  t.match(await files.results(), [{ verdict: 'unfinished' }], 'one that had begun to count does not');
});

const failed: Validation = {
  ...{ run: '00000000000000ff', device: '/dev/watchdog0', driver: 'dog', kind: 'hardware', identity: 'a dog' },
  ...{ board: 'a board', machine: null, firmware: null, when: '2023-11-14T20:00:00.000Z', bootBefore: 'earlier' },
  ...{ bootAfter: null, timeoutAskedS: 10, timeoutS: 10, verdict: 'did-not-reset', kappa: null, measuredMs: null },
  ...{ uncertaintyMs: null, sentence: 'it did not', evidence: [], rounding: [], timeLeftS: null, pets: null },
};

/** Ctrl-C after the last pet. */
const inVain: readonly Step[] = [...wholeRun().slice(0, 12), { step: 'interrupted', reason: 'ended by Ctrl-C' }];

t.test('a run without a verdict clears no watchdog that did not reset this machine', async (t) => {
  const nowMs = 1_700_000_025_000;
  const { root, files } = machineAfter(t, 'after', inVain);
  await files.writeResult(failed);
  const told = await completeValidation(files, nowMs, root.root);
  const since = /^this stands, for the validation of 2023-11-14T22:13:20.000Z is unfinished: ended by Ctrl-C/;
  const expected = { ...failed, run: begin.run, bootBefore: 'before', bootAfter: 'after' };
  t.match(told, { outcome: 'verdict', validation: { ...expected, evidence: [since] } });
  t.same(await files.results(), told.outcome === 'verdict' ? [told.validation] : []);
  const again = inVain.map((step): Step => (step.step === 'begin' ? { ...step, run: 'fedcba9876543210' } : step));
  root.write('state/watchdog/run', again.map((step) => `${JSON.stringify(step)}\n`).join(''));
  await completeValidation(files, nowMs, root.root);
  t.match(await files.results(), [{ verdict: 'did-not-reset', run: 'fedcba9876543210', evidence: [since] }]);
  t.equal((await files.results())[0]?.evidence.length, 1, 'however often it is tried');
  await files.writeResult({ ...failed, firmware: 'an older one' });
  root.write('state/watchdog/run', again.map((step) => `${JSON.stringify(step)}\n`).join(''));
  await completeValidation(files, nowMs, root.root);
  t.match(await files.results(), [{ verdict: 'unfinished' }], 'that of another firmware counts no more');
  await files.writeResult(failed);
  root.write(
    'state/watchdog/run',
    wholeRun()
      .map((step) => `${JSON.stringify(step)}\n`)
      .join(''),
  );
  await completeValidation(files, nowMs, root.root);
  t.match(await files.results(), [{ verdict: 'resets' }], 'a verdict does');
});

t.test('a run without a verdict does not mend a damaged record', async (t) => {
  const { root, files } = machineAfter(t, 'after', inVain);
  root.write('state/watchdog/watchdog0.json', '{"verdict":');
  const sentence = /^the record before was damaged, .* the validation of .* is unfinished: ended by Ctrl-C/;
  const expected = { verdict: 'did-not-reset', kappa: null, sentence } as const;
  t.match(await completeValidation(files, 1_700_000_025_000, root.root), { validation: expected });
  t.match(await files.results(), [expected]);
});

t.test('a run of which only the beginning is damaged is kept, and says nothing good', async (t) => {
  const { root, files } = machineAfter(t, 'after', []);
  const lines = wholeRun().map((step) => JSON.stringify(step));
  const due = lines.findIndex((line) => line.includes('last-pet-due'));
  const damages: Readonly<Record<string, readonly string[]>> = {
    'torn by the disk': [lines[0]?.slice(9) ?? '', ...lines.slice(1)],
    'without its first lines': lines.slice(due),
    'ended there': lines.slice(due, due + 1),
    'without that the last pet was due': lines.slice(due + 1),
    'begun in the year 31 688 738': [JSON.stringify({ ...begin, wallMs: 1e18 }), ...lines.slice(1)],
    'of another name': [JSON.stringify({ ...begin, board: 'b'.repeat(1_001) }), ...lines.slice(1)],
    'longer than any run': [...lines, 'x'.repeat(300_000)],
  };
  for (const [what, damaged] of Object.entries(damages)) {
    root.write('state/watchdog/run', damaged.map((line) => `${line}\n`).join(''));
    for (const time of ['first', 'again']) {
      await t.rejects(
        completeValidation(files, 1_700_000_025_000, root.root),
        { code: 'HF_STORE', message: /watchdog\/run is damaged, .* remove it, and validate each watchdog again$/ },
        `${what}, ${time}`,
      );
    }
  }
  t.same(await files.results(), []);
  root.write('state/watchdog/run', `${lines[1]}\n{"step":"aborted","reason":"Ctrl-C"}\n`);
  t.match(await completeValidation(files, 0, root.root), { outcome: 'untried' }, 'one that was never tried is none');
});

t.test('boot status is read from sysfs', async (t) => {
  const { root, files } = machineAfter(t, 'after', wholeRun());
  root.core(0, { identity: 'a dog', bootstatus: '32' }, 'dog', 'pci');
  const completion = await completeValidation(files, 1_700_000_025_000, root.root);
  t.match(completion, { validation: { evidence: [/./, /./, /WDIOF_CARDRESET/] } });
});

t.test('a state directory that cannot be written', async (t) => {
  const directory = t.testdir({ file: '' });
  const files = new ValidationFiles(join(directory, 'file'));
  await t.rejects(files.begin(begin), { code: 'HF_STORE', message: /cannot write .*ENOTDIR/ });
  t.same(await files.results(), []);
  t.equal(await files.run(), null);
});
