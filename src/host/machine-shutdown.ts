import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Systemd answers at once, or it is in no state to be asked. */
const answerMs = 2_000;

/** What systemd's queue of jobs says that becomes of the machine; null: it stays up, or there is no systemd to tell. */
export function shutdownUnderWay(): Promise<'reboot' | 'poweroff' | null> {
  // The test that sd_booted(3) makes.
  if (!existsSync('/run/systemd/system')) return Promise.resolve(null);
  return new Promise((resolve) => {
    const options = { timeout: answerMs, encoding: 'utf8' } as const;
    execFile('systemctl', ['list-jobs', '--no-legend', '--plain'], options, (error, output) =>
      resolve(error === null ? shutdownIn(output) : null),
    );
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
