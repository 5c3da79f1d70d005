import t from 'tap';
import { shutdownIn } from '../src/host/machine-shutdown.js';

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
