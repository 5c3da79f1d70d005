/** Directory trees that look like the /dev, /sys and /proc of machines with watchdogs. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/**
 * A root of its own. The device numbers belong to no driver: opening them gives ENXIO.
 * @param firstMinor that of watchdog0
 */
export function fakeRoot(t: { teardown(run: () => void): void }, firstMinor = 0) {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-root-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  mkdirSync(join(root, 'dev'));
  mkdirSync(join(root, 'proc'));
  const watchdog = (name: string, attributes: Readonly<Record<string, string>>) => {
    for (const [attribute, text] of Object.entries(attributes)) {
      write(`sys/class/watchdog/${name}/${attribute}`, `${text}\n`);
    }
  };
  const device = (name: string, major: number, minor: number) =>
    execFileSync('mknod', [join(root, 'dev', name), 'c', `${major}`, `${minor}`]);
  return {
    root,
    write,
    device,
    watchdog,
    opens: (pid: number, program: string, target: string) => {
      write(`proc/${pid}/comm`, `${program}\n`);
      mkdirSync(join(root, `proc/${pid}/fd`));
      symlinkSync('socket:[7]', join(root, `proc/${pid}/fd/3`));
      symlinkSync(join(root, target), join(root, `proc/${pid}/fd/4`));
    },
    /** A driver of the kernel's watchdog core; `bus` where it names its device to the core. */
    core: (number: number, attributes: Readonly<Record<string, string>>, driver: string, bus?: string) => {
      const minor = firstMinor + number;
      watchdog(`watchdog${number}`, { ...attributes, dev: `511:${minor}` });
      device(`watchdog${number}`, 511, minor);
      if (number === 0) device('watchdog', 10, 130);
      write(`sys/module/${driver}/refcnt`, '0\n');
      write(`sys/module/watchdog/holders/${driver}`, '');
      if (bus === undefined) return;
      const folder = join(root, `sys/devices/dog${number}`);
      mkdirSync(folder, { recursive: true });
      symlinkSync(`../../bus/${bus}/drivers/${driver}`, join(folder, 'driver'));
      symlinkSync(`../../../devices/dog${number}`, join(root, `sys/class/watchdog/watchdog${number}/device`));
    },
    /** A driver without an entry in sysfs: /dev/watchdog alone. */
    old: (driver: string, parameters: Readonly<Record<string, string>> = {}) => {
      device('watchdog', 10, 130);
      write(`sys/module/${driver}/refcnt`, '0\n');
      for (const [name, value] of Object.entries(parameters)) {
        write(`sys/module/${driver}/parameters/${name}`, `${value}\n`);
      }
    },
    board: (names: Readonly<Record<string, string>>) => {
      for (const [name, text] of Object.entries(names)) write(`sys/class/dmi/id/${name}`, `${text}\n`);
    },
    kernelSays: (...lines: readonly string[]) =>
      write('dev/kmsg', lines.map((line, at) => `6,${at},${at * 1_000},-;${line}\n SUBSYSTEM=x\n`).join('')),
  };
}

export type FakeRoot = ReturnType<typeof fakeRoot>;

const idle = { state: 'inactive', nowayout: '0', bootstatus: '0', pretimeout: '0' };

/** As the drivers of Debian's kernel 6.1 show themselves in guests of QEMU. */
export const i6300esb = {
  ...idle,
  identity: 'i6300ESB timer',
  timeout: '30',
  min_timeout: '1',
  max_timeout: '2046',
};

export const softdog = {
  ...idle,
  identity: 'Software Watchdog',
  timeout: '60',
  min_timeout: '1',
  max_timeout: '65535',
};

export const itco = {
  ...idle,
  identity: 'iTCO_wdt',
  timeout: '30',
  min_timeout: '0',
  max_timeout: '0',
  timeleft: '29',
};
