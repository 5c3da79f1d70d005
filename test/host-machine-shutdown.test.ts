import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { shutdownIn, shutdownUnderWay } from '../src/host/machine-shutdown.js';

t.test('what becomes of the machine is read from the queue of jobs', (t) => {
  t.equal(shutdownIn('  77 holdfast.service stop  running\n  80 reboot.target    start waiting\n'), 'reboot');
  t.equal(shutdownIn('80 kexec.target start waiting'), 'reboot');
  t.equal(shutdownIn('80 poweroff.target start waiting\n81 holdfast.service stop waiting'), 'poweroff');
  t.equal(shutdownIn('80 halt.target start waiting'), 'poweroff');
  t.equal(shutdownIn('77 holdfast.service restart running'), null);
  t.equal(shutdownIn('80 reboot.target stop waiting'), null, 'a shutdown that was cancelled');
  t.equal(shutdownIn(''), null);
  t.end();
});

t.test('whatever systemd does, there is an answer in time, and a word on why there is none', async (t) => {
  const folder = t.testdir({});
  const ask = async (body: string, mark = folder) => {
    const systemctl = join(folder, 'systemctl');
    writeFileSync(systemctl, `#!/bin/sh\n${body}\n`);
    chmodSync(systemctl, 0o755);
    const problems: string[] = [];
    const answer = await shutdownUnderWay((why) => problems.push(why), { mark, systemctl });
    return { answer, problems };
  };
  t.match(await ask('echo "80 reboot.target start waiting"'), { answer: 'reboot', problems: { length: 0 } });
  t.match(await ask('exit 1', join(folder, 'none')), { answer: null, problems: { length: 0 } }, 'no systemd');
  t.match(await ask('echo "no bus" >&2; exit 1'), { answer: null, problems: [/does not say .*no bus/s] });
  const startMs = performance.now();
  const hanging = await ask("trap '' TERM; sleep 8");
  t.match(hanging, { answer: null, problems: [/does not say/] }, 'it hangs');
  t.ok(performance.now() - startMs < 6_000);
});
