import { parseArgs } from 'node:util';

export const usage = `usage: npm run watchdog-lab -- [--short] [--part drivers,cluster,validate] [--only DRIVER[/CASE],...]
                              [--times N] [--guests N] [--accel auto|kvm|tcg] [--json FILE] [--keep-logs]

Runs the real agent on real kernel watchdogs and real corosync in QEMU guests, and measures from outside when they are
reset. Needs root and Debian 12 on x86-64; installs what is missing of QEMU and its tools, and keeps the guests' kernel
and root in /var/cache/holdfast-qemu (or $HOLDFAST_QEMU_CACHE): remove it to get what Debian has now.
  --short       one driver, three cases, and one cut: what continuous integration can afford
  --part PART   drivers: every driver through every case; cluster: three guests, cut, panic, hang;
                validate: the commands 'watchdog validate', interrupted too, and 'why'
                (all, unless --only or --short says less)
  --only NAME   only these drivers, in parts drivers and validate; DRIVER/CASE: only that case, in part drivers
  --times N     how often the cluster is cut, 1 to 100 (10; 1 with --short)
  --guests N    drivers at a time, 1 to 8 (2)
  --accel NAME  auto: KVM if it boots the guests' kernel, else TCG (auto)
  --json FILE   writes every figure there
  --keep-logs   keeps the guests' logs even if all held
Exits with 0 only if every expectation held, with 77 if there can be no guests here, so that nothing was tried.`;

const parts = ['drivers', 'cluster', 'validate'];

/** What the lab may take besides its cuts, and each of those: twice and more of what an emulated processor needs. */
const limitMinutes = 180;
const cutMinutes = 5;

/** Throws an Error with one sentence; null: help was asked for. `known`: the names of drivers, and of cases. */
export function parseArguments(argv, known) {
  const text = { type: 'string' };
  const list = { ...text, multiple: true };
  const flag = { type: 'boolean' };
  const options = {
    short: flag,
    part: list,
    only: list,
    times: text,
    guests: text,
    accel: text,
    json: text,
    'keep-logs': flag,
    help: { type: 'boolean', short: 'h' },
  };
  const { values } = parseArgs({ args: [...argv], options });
  if (values.help) return null;
  const short = values.short ?? false;
  const times = whole('--times', values.times ?? (short ? '1' : '10'), 1, 100);
  const only = split(values.only).map((name) => choice(name, known));
  return {
    short,
    parts: chosenParts(values.part, only, short),
    only,
    times,
    limitMs: (limitMinutes + times * cutMinutes) * 60_000,
    guests: whole('--guests', values.guests ?? '2', 1, 8),
    accel: oneOf('--accel', values.accel ?? 'auto', ['auto', 'kvm', 'tcg']),
    json: values.json ?? null,
    keepLogs: values['keep-logs'] ?? false,
  };
}

/** Whether the case of the driver was asked for; nothing asked for: all. */
export function isChosen(only, driver, caseName) {
  return only.length === 0 || only.some((each) => each.driver === driver && (each.case ?? caseName) === caseName);
}

/** What was named; else those in which there is something of what was named. */
function chosenParts(given, only, short) {
  const named = split(given).map((name) => oneOf('--part', name, parts));
  if (named.length > 0) return parts.filter((part) => named.includes(part));
  if (only.length > 0) return only.every((each) => each.case !== null) ? ['drivers'] : ['drivers', 'validate'];
  return short ? ['drivers', 'cluster'] : parts;
}

function choice(name, known) {
  const [driver, caseName = null, ...rest] = name.split('/');
  oneOf('--only', driver, known.drivers);
  if (caseName !== null) oneOf(`--only ${driver}/`, caseName, known.cases);
  if (rest.length > 0) throw new Error(`--only is '${name}', but must be DRIVER or DRIVER/CASE`);
  return { driver, case: caseName };
}

function split(lists = []) {
  return lists.flatMap((list) => list.split(','));
}

function oneOf(option, value, allowed) {
  if (allowed.includes(value)) return value;
  throw new Error(`${option} is '${value}', not one of ${allowed.join(', ')}`);
}

function whole(option, value, least, most) {
  if (/^\d{1,9}$/.test(value) && Number(value) >= least && Number(value) <= most) return Number(value);
  throw new Error(`${option} is '${value}', not a whole number from ${least} to ${most}`);
}
