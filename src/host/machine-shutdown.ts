import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Systemd answers at once, or it is in no state to be asked. */
const answerMs = 2_000;
/** For its process to be gone after that. */
const killMs = 1_000;

/** Where systemd is found; only tests set it. */
export interface Systemd {
  /** There if systemd has booted this machine: the test that sd_booted(3) makes. */
  readonly mark: string;
  readonly systemctl: string;
}

const systemd: Systemd = { mark: '/run/systemd/system', systemctl: 'systemctl' };

/**
 * What systemd's queue of jobs says that becomes of the machine; null: it stays up, there is no systemd to tell, or it does
 * not tell, and `onProblem` hears why. Answers within three seconds, whatever systemd does.
 */
export function shutdownUnderWay(
  onProblem: (why: string) => void,
  { mark, systemctl }: Systemd = systemd,
): Promise<'reboot' | 'poweroff' | null> {
  if (!existsSync(mark)) return Promise.resolve(null);
  return new Promise((resolve) => {
    const fail = (why: string): void => {
      onProblem(`systemd does not say whether this machine goes down (${why})`);
      resolve(null);
    };
    // Who hangs in the kernel is not ended by SIGKILL either.
    const late = setTimeout(() => fail(`no answer in ${answerMs + killMs} ms`), answerMs + killMs);
    const options = { timeout: answerMs, killSignal: 'SIGKILL', encoding: 'utf8' } as const;
    execFile(systemctl, ['list-jobs', '--no-legend', '--plain'], options, (error, output) => {
      clearTimeout(late);
      if (error === null) resolve(shutdownIn(output));
      else fail(error.message.trim());
    });
  });
}

/** `output`: lines of job, unit, type, state, as `systemctl list-jobs` prints them. */
export function shutdownIn(output: string): 'reboot' | 'poweroff' | null {
  const started = output
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([, unit, type]) => (type === 'start' && unit !== undefined ? [unit] : []));
  if (started.includes('reboot.target') || started.includes('kexec.target')) return 'reboot';
  return started.includes('poweroff.target') || started.includes('halt.target') ? 'poweroff' : null;
}
