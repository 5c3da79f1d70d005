import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { protectionWarning } from '../src/agent/report.js';
import { boardClockErrorMs, readBoard } from '../src/host/board.js';
import { type Validation, ValidationFiles } from '../src/host/validation-record.js';
import {
  chooseWatchdog,
  findConfiguredWatchdog,
  knownProblem,
  knownWatchdogs,
  watchdogAt,
} from '../src/host/watchdog-choice.js';
import { findWatchdogs } from '../src/host/watchdog-inventory.js';
import { trustIn } from '../src/host/watchdog-trust.js';
import { type FakeRoot, fakeRoot, i6300esb, itco, softdog } from './watchdog-trees.js';

const noLoading = () => Promise.reject(new Error('softdog is not to be loaded'));

const verdict: Validation = {
  run: '0123456789abcdef',
  device: '/dev/watchdog0',
  driver: 'i6300esb',
  kind: 'hardware',
  identity: 'i6300ESB timer',
  board: 'Here Inc., Board 1',
  machine: '4c4c4544-0001, SN 1',
  firmware: '1.2, 01/02/2025',
  when: '2026-11-22T10:00:00.000Z',
  bootBefore: 'before',
  bootAfter: null,
  timeoutAskedS: 10,
  timeoutS: 10,
  verdict: 'resets',
  kappa: 1,
  measuredMs: 10_100,
  uncertaintyMs: 250,
  sentence: 'it resets',
  evidence: [],
  rounding: [],
  timeLeftS: null,
  pets: null,
};

/** Gives the machine a state directory with verdicts. */
function remember(root: FakeRoot, ...verdicts: readonly Validation[]): string {
  const stateDir = join(root.root, 'state');
  mkdirSync(join(stateDir, 'watchdog'), { recursive: true });
  for (const each of verdicts) {
    writeFileSync(join(stateDir, 'watchdog', `${each.device.slice('/dev/'.length)}.json`), JSON.stringify(each));
  }
  return stateDir;
}

const here = {
  ...{ sys_vendor: 'Here Inc.', product_name: 'Board 1', board_vendor: 'Here Inc.' },
  ...{ product_uuid: '4c4c4544-0001', product_serial: 'SN 1', board_serial: 'SN 1' },
  ...{ bios_version: '1.2', bios_date: '01/02/2025' },
};

t.test('a hardware watchdog of the core, with its driver', async (t) => {
  const root = fakeRoot(t);
  root.core(0, { ...i6300esb, state: 'active', timeleft: '7' }, 'i6300esb');
  t.same(await findWatchdogs(root.root), {
    watchdogs: [
      {
        device: '/dev/watchdog0',
        driver: 'i6300esb',
        kind: 'hardware',
        identity: 'i6300ESB timer',
        active: true,
        timeoutS: 30,
        minTimeoutS: 1,
        maxTimeoutS: 2046,
        pretimeoutS: 0,
        timeLeftS: 7,
        nowayout: false,
        bootStatus: 0,
        stopsOnClose: false,
        inSysfs: true,
        holder: null,
        problem: null,
      },
    ],
    notes: [],
  });
});

t.test('a driver that names no device is the one that uses the core and has made no other watchdog', async (t) => {
  const root = fakeRoot(t);
  root.core(0, i6300esb, 'i6300esb');
  root.core(1, itco, 'iTCO_wdt', 'platform');
  root.core(2, softdog, 'softdog');
  const drivers = async () => (await findWatchdogs(root.root)).watchdogs.map(({ driver }) => driver);
  t.same(await drivers(), ['i6300esb', 'iTCO_wdt', 'softdog']);
  root.write('sys/module/watchdog/holders/another_wdt', '');
  t.same(await drivers(), [null, 'iTCO_wdt', 'softdog'], 'or it cannot be told');
});

t.test('softdog is shown for what it is, and comes after hardware whatever its number', async (t) => {
  const root = fakeRoot(t);
  root.core(0, softdog, 'softdog');
  root.core(1, itco, 'iTCO_wdt', 'platform');
  const { watchdogs } = await knownWatchdogs('/nowhere', root.root);
  t.match(watchdogs, [
    { device: '/dev/watchdog0', driver: 'softdog', kind: 'software' },
    { device: '/dev/watchdog1', driver: 'iTCO_wdt', kind: 'hardware' },
  ]);
  t.match(chooseWatchdog(watchdogs), {
    device: '/dev/watchdog1',
    reason: /hardware; not validated yet; before .*dog0/,
  });
  const validated = watchdogs.map((each) => (each.kind === 'software' ? { ...each, validation: verdict } : each));
  t.match(chooseWatchdog(validated), { device: '/dev/watchdog1' }, 'even where only softdog is validated');
  t.match(chooseWatchdog(watchdogs.slice(0, 1)), {
    device: '/dev/watchdog0',
    reason: /nothing else.*kernel that hangs/,
  });
});

t.test('drivers without an entry in sysfs have only /dev/watchdog', async (t) => {
  const ib700 = fakeRoot(t);
  ib700.old('ib700wdt');
  t.match((await findWatchdogs(ib700.root)).watchdogs, [
    {
      device: '/dev/watchdog',
      driver: 'ib700wdt',
      kind: 'hardware',
      identity: 'unknown',
      inSysfs: false,
      problem: null,
    },
  ]);
  const ipmi = fakeRoot(t);
  ipmi.old('ipmi_watchdog', { timeout: '10', pretimeout: '0', nowayout: 'Y', action: 'reset' });
  ipmi.opens(77, 'watchdogd', 'dev/watchdog');
  t.match((await findWatchdogs(ipmi.root)).watchdogs, [
    {
      device: '/dev/watchdog',
      driver: 'ipmi_watchdog',
      timeoutS: 10,
      nowayout: true,
      holder: { pid: 77, program: 'watchdogd', setting: null },
      problem: null,
    },
  ]);
  ipmi.write('sys/module/ipmi_watchdog/parameters/action', 'none\n');
  t.match((await findWatchdogs(ipmi.root)).watchdogs, [
    { problem: /resets nothing: ipmi_watchdog is told to do nothing/ },
  ]);
  t.match(chooseWatchdog((await knownWatchdogs('/nowhere', ipmi.root)).watchdogs), {
    device: null,
    reason: /do nothing/,
  });
});

t.test('an old driver beside one of the core, which then has no watchdog0', async (t) => {
  const root = fakeRoot(t);
  root.old('ib700wdt');
  root.core(1, softdog, 'softdog');
  const { watchdogs } = await knownWatchdogs('/nowhere', root.root);
  t.same(
    watchdogs.map(({ device, driver }) => [device, driver]),
    [
      ['/dev/watchdog1', 'softdog'],
      ['/dev/watchdog', 'ib700wdt'],
    ],
  );
  t.match(chooseWatchdog(watchdogs), { device: '/dev/watchdog' });
});

const forbidden = 'iTCO_wdt iTCO_wdt.1.auto: unable to reset NO_REBOOT flag, device disabled by hardware/BIOS';

t.test('iTCO whose reset the firmware forbids', async (t) => {
  const root = fakeRoot(t);
  root.write('sys/module/iTCO_wdt/refcnt', '0\n');
  root.kernelSays('Linux version 6.1', forbidden);
  t.match(await findWatchdogs(root.root), { watchdogs: [], notes: [/iTCO_wdt is loaded, but .*NO_REBOOT/] });
  root.core(0, itco, 'iTCO_wdt', 'platform');
  t.match((await findWatchdogs(root.root)).watchdogs, [{ problem: /firmware forbids the reset \(NO_REBOOT/ }]);
  root.kernelSays(forbidden, 'iTCO_wdt iTCO_wdt.1.auto: initialized. heartbeat=30 sec (nowayout=0)');
  t.match(await findWatchdogs(root.root), { watchdogs: [{ problem: null }], notes: [] }, 'the last word counts');
});

t.test('softdog that was told to reset nothing', async (t) => {
  const root = fakeRoot(t);
  root.core(0, softdog, 'softdog');
  const said = (noboot: number) =>
    `softdog: initialized. soft_noboot=${noboot} soft_margin=60 sec soft_panic=0 (nowayout=0)`;
  root.kernelSays(said(1));
  t.match((await findWatchdogs(root.root)).watchdogs, [{ problem: /soft_noboot=1/ }]);
  root.kernelSays(said(1), said(0));
  t.match((await findWatchdogs(root.root)).watchdogs, [{ problem: null }]);
});

t.test('who holds it, systemd with its setting; what systemd holds comes last among hardware', async (t) => {
  const root = fakeRoot(t);
  root.core(0, { ...i6300esb, state: 'active' }, 'i6300esb');
  root.core(1, itco, 'iTCO_wdt', 'platform');
  root.core(2, softdog, 'softdog');
  root.opens(1, 'systemd', 'dev/watchdog0');
  const { watchdogs } = await knownWatchdogs('/nowhere', root.root);
  t.match(watchdogs[0], { holder: { pid: 1, program: 'systemd', setting: 'RuntimeWatchdogSec=30' } });
  t.match(chooseWatchdog(watchdogs), { device: '/dev/watchdog1' });
  const [held, , soft] = watchdogs;
  t.match(chooseWatchdog([held, soft].filter((each) => each !== undefined)), { device: '/dev/watchdog0' });
});

t.test('a device of the core whose file is missing is told of, and not taken', async (t) => {
  const root = fakeRoot(t);
  root.watchdog('watchdog0', { ...i6300esb, dev: '511:0' });
  t.match(await findWatchdogs(root.root), { watchdogs: [], notes: [/there is no \/dev\/watchdog0/] });
  root.write('dev/watchdog0', 'a file');
  t.match(await findWatchdogs(root.root), { watchdogs: [], notes: [/is not a watchdog/] });
});

t.test('softdog is loaded only where there is nothing that could reset the machine', async (t) => {
  const root = fakeRoot(t);
  const load = async () => root.core(0, softdog, 'softdog');
  t.match(await findConfiguredWatchdog('auto', '/nowhere', root.root, load), {
    device: '/dev/watchdog0',
    known: { driver: 'softdog', kind: 'software' },
  });
  let loads = 0;
  const count = async () => {
    loads += 1;
  };
  t.match(await findConfiguredWatchdog('auto', '/nowhere', root.root, count), { device: '/dev/watchdog0' });
  t.equal(loads, 0, 'what is there is taken');
  const none = fakeRoot(t);
  await t.rejects(findConfiguredWatchdog('auto', '/nowhere', none.root, noLoading), {
    code: 'HF_WATCHDOG',
    message: /no watchdog .*softdog/,
  });
  const named = await findConfiguredWatchdog('/dev/watchdog7', '/nowhere', none.root, count);
  t.match(named, { device: '/dev/watchdog7', known: null }, 'what is named is taken as it is');
  t.equal(loads, 0);
});

t.test('/dev/watchdog is another name of watchdog0', async (t) => {
  const root = fakeRoot(t);
  root.core(0, i6300esb, 'i6300esb');
  const { watchdogs } = await knownWatchdogs('/nowhere', root.root);
  t.equal(watchdogs.length, 1);
  t.equal((await watchdogAt(watchdogs, '/dev/watchdog', root.root))?.device, '/dev/watchdog0');
  t.equal(await watchdogAt(watchdogs, '/dev/watchdog1', root.root), null);
});

t.test('a verdict belongs to device, driver, machine and firmware', async (t) => {
  const root = fakeRoot(t);
  root.core(0, i6300esb, 'i6300esb');
  root.board(here);
  const trust = async (stateDir: string, kappa: 1 | 2 | null = null, allowUnvalidated = false) => {
    const { device, known } = await findConfiguredWatchdog('auto', stateDir, root.root, noLoading);
    return trustIn(device, known, { kappa, allowUnvalidated });
  };
  t.match(await trust(remember(root)), {
    validated: false,
    kappa: null,
    problem: /never seen to reset this machine.*watchdog validate/,
  });
  t.match(await trust(remember(root), 1, true), {
    validated: false,
    kappa: 1,
    problem: null,
    protection: 'UNPROTECTED (unvalidated)',
  });
  t.same(await trust(remember(root, verdict)), { kappa: 1, validated: true, problem: null, protection: 'protected' });
  t.match(await trust(remember(root, { ...verdict, kappa: 2 })), { kappa: 2, validated: true });
  t.match(await trust(remember(root, verdict), 2), { kappa: 2, validated: true });
  t.match(await trust(remember(root, { ...verdict, kappa: 2 }), 1, true), {
    protection: 'UNPROTECTED (no watchdog)',
    problem: /watchdog.kappa = 1 is configured, but .* after 2 timeouts.*set it to 2/,
  });
  for (const [other, why] of [
    [{ driver: 'iTCO_wdt' }, /^it was validated with the driver iTCO_wdt$/],
    [{ driver: null }, /^it was validated with the driver unknown$/],
    [{ identity: 'another dog' }, /^it was validated with the identity another dog$/],
    [{ board: 'Another board' }, /^it was validated with the board Another board$/],
    [{ machine: '4c4c4544-0002, SN 2' }, /^it was validated on another machine of this name/],
    [{ machine: null }, /^it was validated on another machine of this name/],
    [{ firmware: '1.1' }, /^it was validated with the firmware 1\.1, and this machine now has 1\.2, 01\/02\/2025$/],
    [{ machine: undefined }, /^an earlier version recorded it/],
    [{ firmware: undefined }, /^an earlier version recorded it/],
  ] as const) {
    const { machine, firmware, ...rest } = { ...verdict, ...other };
    const told = { ...(machine === undefined ? {} : { machine }), ...(firmware === undefined ? {} : { firmware }) };
    const stateDir = remember(root, { ...rest, ...told });
    t.match(await trust(stateDir), { validated: false, kappa: null, problem: /does not count, for / });
    t.match((await knownWatchdogs(stateDir, root.root)).watchdogs, [{ validation: null, foreign: { why } }]);
  }
  t.match(await trust(remember(root, { ...verdict, verdict: 'unfinished' })), {
    validated: false,
    problem: /gave no verdict/,
  });
});

t.test('softdog protects, but not as hardware does', async (t) => {
  const root = fakeRoot(t);
  root.core(0, softdog, 'softdog');
  root.board(here);
  const stateDir = remember(root, { ...verdict, driver: 'softdog', identity: 'Software Watchdog' });
  const { device, known } = await findConfiguredWatchdog('auto', stateDir, root.root, noLoading);
  const { protection, problem } = trustIn(device, known, { kappa: null, allowUnvalidated: false });
  t.equal(protection, 'protected (not by hardware)');
  t.match(
    protectionWarning(protection, device, problem),
    /watchdog0 does not reset this machine when its kernel hangs/,
  );
});

t.test('what did not reset the machine is refused, whatever is allowed', async (t) => {
  const root = fakeRoot(t);
  root.core(0, itco, 'iTCO_wdt', 'platform');
  root.board(here);
  const failed = {
    ...verdict,
    driver: 'iTCO_wdt',
    identity: 'iTCO_wdt',
    verdict: 'did-not-reset',
    kappa: null,
  } as const;
  const stateDir = remember(root, failed);
  const { watchdogs } = await knownWatchdogs(stateDir, root.root);
  t.match(chooseWatchdog(watchdogs), { device: null, reason: /did not reset this machine when it was validated/ });
  const known = await watchdogAt(watchdogs, '/dev/watchdog0', root.root);
  t.match(known && knownProblem(known), /did not reset/);
  t.match(trustIn('/dev/watchdog0', known, { kappa: null, allowUnvalidated: true }), {
    validated: false,
    problem: /did not reset/,
    protection: 'UNPROTECTED (no watchdog)',
  });
  const load = async () => root.core(1, softdog, 'softdog');
  t.match(
    await findConfiguredWatchdog('auto', stateDir, root.root, load),
    { device: '/dev/watchdog1' },
    'softdog instead',
  );
});

t.test('a link to what did not reset the machine is that device', async (t) => {
  const root = fakeRoot(t);
  root.core(0, i6300esb, 'i6300esb');
  root.board(here);
  symlinkSync('watchdog0', join(root.root, 'dev/mydog'));
  root.device('another-node', 511, 0);
  const stateDir = remember(root, { ...verdict, verdict: 'did-not-reset', kappa: null });
  for (const named of ['/dev/mydog', '/dev/another-node', '/dev/watchdog']) {
    const { device, known } = await findConfiguredWatchdog(named, stateDir, root.root, noLoading);
    t.match(known, { device: '/dev/watchdog0' }, named);
    t.match(trustIn(device, known, { kappa: null, allowUnvalidated: true }), { problem: /did not reset/ }, named);
  }
});

t.test('a damaged verdict is none, is told of, and may have been a bad one', async (t) => {
  const root = fakeRoot(t);
  root.core(0, i6300esb, 'i6300esb');
  const stateDir = remember(root, verdict);
  for (const text of ['', '{', '{}', JSON.stringify({ ...verdict, kappa: 3 }), 'x'.repeat(2_000_000)]) {
    writeFileSync(join(stateDir, 'watchdog', 'watchdog0.json'), text);
    const { watchdogs } = await knownWatchdogs(stateDir, root.root);
    t.match(watchdogs, [{ validation: null, foreign: null, damagedRecord: /watchdog0\.json$/ }]);
    const [known = null] = watchdogs;
    t.match(trustIn('/dev/watchdog0', known, { kappa: null, allowUnvalidated: true }), {
      validated: false,
      problem: /is damaged \(.*watchdog0\.json\), and may be that it does not reset .*: validate it again/,
    });
  }
});

t.test('a verdict that cannot be read is a damaged one, and costs no other device its own', async (t) => {
  const root = fakeRoot(t);
  root.core(0, i6300esb, 'i6300esb');
  root.core(1, softdog, 'softdog');
  root.board(here);
  const bad = { ...verdict, verdict: 'did-not-reset', kappa: null } as const;
  const stateDir = remember(root, bad);
  mkdirSync(join(stateDir, 'watchdog', 'watchdog1.json'));
  mkdirSync(join(stateDir, 'watchdog', 'watchdog7.json'));
  const { watchdogs, notes } = await knownWatchdogs(stateDir, root.root);
  t.match(watchdogs, [{ validation: bad }, { validation: null, damagedRecord: /watchdog1\.json$/ }]);
  t.same(notes, []);
  for (const known of watchdogs)
    t.match(trustIn(known.device, known, { kappa: null, allowUnvalidated: true }), {
      validated: false,
      problem: /did not reset|cannot be read or is damaged/,
    });
});

t.test(
  'a directory of verdicts that cannot be read: said in a list, and reason enough to take no watchdog',
  async (t) => {
    const root = fakeRoot(t);
    root.core(0, i6300esb, 'i6300esb');
    const stateDir = join(root.root, 'state');
    mkdirSync(stateDir);
    symlinkSync('watchdog', join(stateDir, 'watchdog'));
    t.match(await knownWatchdogs(stateDir, root.root), {
      watchdogs: [{ validation: null, damagedRecord: null }],
      notes: [/cannot read .*ELOOP/],
    });
    for (const device of ['auto', '/dev/watchdog0'])
      await t.rejects(findConfiguredWatchdog(device, stateDir, root.root, noLoading), { code: 'HF_STORE' }, device);
  },
);

t.test('a record is that of the device that its file is named after, whatever lies beside it', async (t) => {
  const root = fakeRoot(t);
  root.core(0, i6300esb, 'i6300esb');
  root.core(1, itco, 'iTCO_wdt', 'platform');
  root.board(here);
  const bad = { ...verdict, verdict: 'did-not-reset', kappa: null } as const;
  const stateDir = remember(root, bad);
  const copies = ['watchdog0-2025.json', 'a.json', 'watchdog0.json.json', 'watchdog000.json'];
  for (const name of [...copies, ...Array.from({ length: 300 }, (_, nth) => `${nth}.json`)])
    writeFileSync(join(stateDir, 'watchdog', name), JSON.stringify(verdict));
  const files = new ValidationFiles(stateDir);
  const { results, damaged } = await files.records();
  t.same([results.length, damaged.size], [1, 0], 'not even looked at');
  const known = async () => (await knownWatchdogs(stateDir, root.root)).watchdogs;
  t.match(await known(), [{ validation: { verdict: 'did-not-reset' }, damagedRecord: null }, { damagedRecord: null }]);
  writeFileSync(join(stateDir, 'watchdog', 'watchdog1.json'), JSON.stringify(verdict));
  t.match(await known(), [
    { validation: { verdict: 'did-not-reset' }, damagedRecord: null },
    { validation: null, foreign: null, damagedRecord: /watchdog1\.json$/ },
  ]);
});

t.test('numbers and instants that nothing of ours could have written are damage', async (t) => {
  const root = fakeRoot(t);
  root.core(0, i6300esb, 'i6300esb');
  root.board(here);
  for (const change of [{ when: 'never' }, { when: '+200000-01-01T00:00:00.000Z' }, { timeoutS: 1e300 }]) {
    const { watchdogs } = await knownWatchdogs(remember(root, { ...verdict, ...change }), root.root);
    t.match(watchdogs, [{ validation: null, damagedRecord: /watchdog0\.json$/ }], JSON.stringify(change));
  }
  const old = remember(root, { ...verdict, when: '1970-01-01T00:00:00.000Z' });
  t.match((await knownWatchdogs(old, root.root)).watchdogs, [{ damagedRecord: null }], 'a board without a clock');
});

t.test('what is longer than a record may hold is told as far as it goes', async (t) => {
  const root = fakeRoot(t);
  root.write('proc/device-tree/model', 'x'.repeat(3_000));
  t.equal((await readBoard(root.root)).board.length, 1_000);
});

t.test('the board is named by DMI, else by the device tree', async (t) => {
  const root = fakeRoot(t);
  t.same(await readBoard(root.root), { board: 'unknown board', machine: null, firmware: null });
  root.write('proc/device-tree/model', 'Small Computer 4\0');
  root.write('proc/device-tree/serial-number', '1000\0');
  t.same(await readBoard(root.root), { board: 'Small Computer 4', machine: '1000', firmware: null });
  root.board({ ...here, board_name: '' });
  t.same(await readBoard(root.root), {
    board: 'Here Inc., Board 1',
    machine: '4c4c4544-0001, SN 1',
    firmware: '1.2, 01/02/2025',
  });
});

t.test('how wrong the clock of the board is', async (t) => {
  const root = fakeRoot(t);
  t.equal(boardClockErrorMs(1_700_000_000_000, root.root), null);
  root.write('sys/class/rtc/rtc0/since_epoch', '1700000002\n');
  t.equal(boardClockErrorMs(1_700_000_000_000, root.root), 2_500);
  root.write('sys/class/rtc/rtc0/since_epoch', 'x\n');
  t.equal(boardClockErrorMs(1_700_000_000_000, root.root), null);
});

t.test('a kernel without any watchdog', async (t) => {
  const root = fakeRoot(t);
  symlinkSync('/nowhere', join(root.root, 'dev/kmsg'));
  t.same(await findWatchdogs(root.root), { watchdogs: [], notes: [] });
});
