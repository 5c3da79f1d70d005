/** What drivers of watchdogs tell elsewhere than in sysfs, or only in the kernel's log. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { attribute, numberAttribute } from './sysfs.js';

/** What softdog calls itself; it is a timer of the kernel that it watches, and has no device. */
export const softdogIdentity = 'Software Watchdog';

/**
 * Drivers of Linux 6.1 that make /dev/watchdog by themselves, without the kernel's watchdog core: no entry in
 * /sys/class/watchdog, no /dev/watchdog0.
 */
const oldDrivers: ReadonlySet<string> = new Set(
  (
    'acquirewdt advantechwdt alim1535_wdt alim7101_wdt cpu5wdt eurotechwdt geodewdt ib700wdt ibmasr ipmi_watchdog ' +
    'it8712f_wdt machzwd mixcomwd nv_tco pc87413_wdt pcwd pcwd_pci pcwd_usb sbc60xxwdt sbc7240_wdt sbc8360 sbc_epx_c3 ' +
    'sbc_fitpc2_wdt sc1200wdt sc520_wdt sch311x_wdt smsc37b787_wdt w83877f_wdt w83977f_wdt wafer5823wdt wdt wdt_pci'
  ).split(' '),
);

export interface OldDriver {
  /** `a or b` where two are loaded that could have made the device; null: none that is known is. */
  readonly name: string | null;
  /** From the module's parameters, where it shows them; 0: not told. */
  readonly timeoutS: number;
  readonly pretimeoutS: number;
  readonly nowayout: boolean;
  /** Why it resets nothing, or null. */
  readonly problem: string | null;
}

/** The old driver that has made /dev/watchdog, by the loaded modules. @param root prefix of /sys; only tests set it */
export async function findOldDriver(root: string): Promise<OldDriver> {
  const modules = await readdir(join(root, '/sys/module')).catch((): string[] => []);
  const loaded = modules.filter((name) => oldDrivers.has(name)).sort();
  const parameters = join(root, '/sys/module', loaded[0] ?? '', 'parameters');
  const known = loaded.length === 1;
  const action = known ? await attribute(parameters, 'action') : undefined;
  return {
    name: loaded.length === 0 ? null : loaded.join(' or '),
    timeoutS: (known && (await numberAttribute(parameters, 'timeout'))) || 0,
    pretimeoutS: (known && (await numberAttribute(parameters, 'pretimeout'))) || 0,
    nowayout: known && ['Y', '1'].includes((await attribute(parameters, 'nowayout')) ?? ''),
    problem: action === 'none' ? `${loaded[0]} is told to do nothing when it expires: load it with action=reset` : null,
  };
}

interface Verdict {
  readonly driver: string;
  readonly line: RegExp;
  /** What the line means for the watchdog, or null when it takes an earlier one back. */
  readonly problem: string | null;
}

/** Lines of the kernel's log by which a driver says that it resets nothing; the last one counts. */
const verdicts: readonly Verdict[] = [
  {
    driver: 'iTCO_wdt',
    line: /^iTCO_wdt\b.*NO_REBOOT flag.*disabled by hardware/,
    problem:
      "this board's firmware forbids the reset (NO_REBOOT, as the kernel's log says): allow it in the firmware's settings, or name another device",
  },
  { driver: 'iTCO_wdt', line: /^iTCO_wdt\b.*: initialized\./, problem: null },
  {
    driver: 'softdog',
    line: /^softdog: initialized\..*\bsoft_noboot=[1-9]/,
    problem: 'it was loaded with soft_noboot=1 and resets nothing: load it without',
  },
  { driver: 'softdog', line: /^softdog: initialized\..*\bsoft_noboot=0/, problem: null },
];

/** Why a driver resets nothing, by what it said in the kernel's log, oldest line first; null: it said no such thing. */
export function problemInLog(driver: string, log: readonly string[]): string | null {
  const own = verdicts.filter((verdict) => verdict.driver === driver);
  const said = log.findLast((line) => own.some((verdict) => verdict.line.test(line)));
  return said === undefined ? null : (own.find((verdict) => verdict.line.test(said))?.problem ?? null);
}

/** Loaded drivers that say in the kernel's log whether they reset anything. @param root prefix of /sys; only tests set it */
export async function talkingDrivers(root: string): Promise<readonly string[]> {
  const modules = await readdir(join(root, '/sys/module')).catch((): string[] => []);
  return [...new Set(verdicts.map(({ driver }) => driver))].filter((name) => modules.includes(name));
}

/** Of these, those that have made no device, and have said why. */
export function driversInVain(
  talking: readonly string[],
  made: readonly (string | null)[],
  log: readonly string[],
): readonly string[] {
  return talking
    .filter((name) => !made.includes(name))
    .flatMap((name) => {
      const problem = problemInLog(name, log);
      return problem === null ? [] : [`${name} is loaded, but there is no watchdog of it: ${problem}`];
    });
}
