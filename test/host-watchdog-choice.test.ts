import t from 'tap';
import { chooseWatchdogDevice } from '../src/host/watchdog-choice.js';

t.test('auto is the first of the devices that are there', async (t) => {
  const both = t.testdir({ dev: { watchdog: '', watchdog0: '', watchdog1: '' } });
  t.equal(await chooseWatchdogDevice('auto', both), '/dev/watchdog0');
});

t.test('an old driver has only /dev/watchdog', async (t) => {
  t.equal(await chooseWatchdogDevice('auto', t.testdir({ dev: { watchdog: '' } })), '/dev/watchdog');
});

t.test('without a device the sentence says what to load', async (t) => {
  const none = t.testdir({ dev: { watchdog1: '' } });
  await t.rejects(chooseWatchdogDevice('auto', none), { code: 'HF_WATCHDOG', message: /no watchdog .*softdog/ });
});

t.test('a device that is named is taken as it is: whether it works is found out later', async (t) => {
  const none = t.testdir({});
  t.equal(await chooseWatchdogDevice('/dev/watchdog7', none), '/dev/watchdog7');
});
