import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { createWatchdog } from '../src/host/keeper-watchdog.js';
import { EmulatedMachine } from './emulated-machine.js';

/** As in keeper-lease.test.ts: nothing here should take a millisecond, but the test machine may be loaded. */
const promptMs = 250;

t.jobs = 4;

t.test('JavaScript blocked for ever: petted until the deadline, then reset', async (t) => {
  const lab = await EmulatedMachine.start(t);
  await lab.agent({ timeoutS: 3, petIntervalMs: 100, leaseMs: 1_500, behave: 'block' });
  const asked = await lab.waitFor('reset-requested');
  const pets = lab.petInstants();
  t.ok(pets.length >= 10, `${pets.length} pets while blocked`);
  t.ok(asked.bootMs - Math.max(...pets) < 100 + promptMs, 'petted to the last');
  await lab.waitFor('machine-gone');
});

t.test('the agent killed: its close pets once more, and the watchdog fires T later', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const agent = await lab.agent({ timeoutS: 1, petIntervalMs: 100, leaseMs: 60_000, behave: 'wait' });
  await sleep(300);
  agent.kill('SIGKILL');
  const released = await lab.waitFor('release-pet');
  const expired = await lab.waitFor('expired');
  t.ok(expired.bootMs - released.bootMs >= 1_000);
  t.ok(expired.bootMs - released.bootMs < 1_000 + promptMs);
  await lab.waitFor('machine-gone');
  t.same(lab.events('magic-close'), []);
});

t.test('the agent stopped: the watchdog fires T after its last pet', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const agent = await lab.agent({ timeoutS: 1, petIntervalMs: 100, leaseMs: 60_000, behave: 'wait' });
  agent.kill('SIGSTOP');
  const expired = await lab.waitFor('expired');
  const sincePetMs = expired.bootMs - Math.max(...lab.petInstants());
  t.ok(sincePetMs >= 1_000 && sincePetMs < 1_000 + promptMs, `${sincePetMs} ms`);
  t.same(lab.events('release-pet'), []);
  await lab.waitFor('machine-gone');
});

t.test('adopting neither pets nor sets a timeout', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const agent = await lab.agent({ timeoutS: 2, petIntervalMs: 100, leaseMs: 60_000, behave: 'wait' });
  agent.kill('SIGKILL');
  const released = await lab.waitFor('release-pet');
  const watchdog = createWatchdog({ emulator: lab.socket });
  await watchdog.adopt();
  t.equal(watchdog.stats().state, 'open');
  t.match(lab.events('open')[1], { wasActive: true });
  const expired = await lab.waitFor('expired');
  const afterMs = expired.bootMs - released.bootMs;
  t.ok(afterMs >= 2_000 && afterMs < 2_000 + promptMs, 'only the release pet counted');
  t.equal(Math.max(...lab.petInstants()), released.bootMs);
  t.equal(watchdog.stats().pets, 0);
});

t.test('process.exit while armed does not disarm', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const agent = await lab.agent({ timeoutS: 1, petIntervalMs: 100, leaseMs: 60_000, behave: 'exit' });
  t.same(await once(agent, 'exit'), [0, null]);
  await lab.waitFor('release-pet');
  t.equal((await lab.waitFor('machine-gone')).cause, 'expired');
  t.same(lab.events('magic-close'), []);
});

t.test('Node ends while the keeper has something to say', async (t) => {
  const lab = await EmulatedMachine.start(t, '--no-reboot');
  const agent = await lab.agent({ behave: 'end' });
  t.same(await once(agent, 'exit'), [0, null]);
  t.match(await lab.waitFor('reset-requested'), { reason: 'ending' });
});

t.test('a worker thread that ends while armed neither crashes nor disarms', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const agent = await lab.agent({ timeoutS: 3, petIntervalMs: 100, leaseMs: 1_500, behave: 'worker' });
  t.equal((await lab.waitFor('reset-requested')).reason, 'lease expired');
  t.equal(agent.exitCode, null, 'the process lives');
  t.ok(lab.petInstants().length >= 10, 'petted to the end of the lease');
});

t.test('a worker thread with an idle keeper ends', async (t) => {
  const lab = await EmulatedMachine.start(t);
  const agent = await lab.agent({ behave: 'idle-worker' });
  t.equal(agent.exitCode, null);
  t.same(lab.events('open'), []);
});

t.test('keepers that are forgotten: idle ones end, an armed one goes on until its lease ends', async (t) => {
  const lab = await EmulatedMachine.start(t);
  await lab.agent({ behave: 'collect' });
  await lab.agent({ timeoutS: 3, petIntervalMs: 100, leaseMs: 1_500, behave: 'forget' });
  t.equal((await lab.waitFor('reset-requested')).reason, 'lease expired');
});
