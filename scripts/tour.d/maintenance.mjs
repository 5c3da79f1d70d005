import { setTimeout as sleep } from 'node:timers/promises';
import { machines } from '../faults.d/lab.mjs';
import { soonMs } from './tour.mjs';

/** Steps: a node emptied, off and back; the cluster disarmed, in both ways. */

export async function maintenance(tour) {
  if (tour.numberOf('batch') !== 2) await tour.holdfast(1, 'migrate', 'ocf:batch', 'node2');
  await tour.expect('batch runs on node2', async () => (await tour.settled()) && tour.numberOf('batch') === 2);
  const before = tour.witness.places();
  await tour.holdfast(1, 'maintenance', 'enable', 'node2');
  await tour.expect('node2 is empty, all else runs', async () => (await tour.settled()) && tour.on(2).length === 0);
  const meanwhile = tour.instances();
  await tour.verb('shutdown', '2');
  tour.check(tour.witness.isLetGo(2), 'its watchdog was released before the power went');
  await tour.refused(1, /not online|maintenance/, 'migrate', 'ocf:batch', 'node2');
  await tour.verb('boot', '2');
  await tour.expect('node2 is back, in maintenance', async () => {
    const status = await tour.lab.status(1);
    return status?.nodes.find(({ name }) => name === 'node2')?.state === 'maintenance' && tour.settled();
  });
  tour.checkEqual(tour.on(2), [], 'and runs nothing');
  tour.checkUndisturbed(meanwhile, 'nothing was touched by its end and its return');
  await tour.holdfast(2, 'maintenance', 'disable', 'node2');
  await tour.expect('everything is back where it was', async () => {
    return (await tour.settled()) && JSON.stringify(tour.witness.places()) === JSON.stringify(before);
  });
}

/** Nothing is waited for, unlike where the last resource has gone by itself (10 s). */
const releaseMs = 5_000;

/** Of each machine, as the emulator that resets it sees it. */
async function watchdogs(tour) {
  const texts = await Promise.all(machines.map((node) => tour.lab.verb('emulator', node, 'status')));
  return texts.map((text) => JSON.parse(text).state);
}

async function disarm(tour, mode) {
  await tour.holdfast(2, 'disarm', mode);
  await tour.expect(
    'every watchdog is released, over running services',
    async () => {
      const status = await tour.lab.status(2);
      return status?.disarm?.phase === 'disarmed' && (await watchdogs(tour)).every((state) => state === 'inactive');
    },
    releaseMs,
  );
}

async function arm(tour, watched) {
  await tour.holdfast(3, 'arm');
  await tour.expectSettled('everything is looked after again');
  await tour.expect('the watchdog of every node that runs something counts', async () => {
    const states = await watchdogs(tour);
    return watched().every((node) => states[node - 1] === 'active');
  });
}

const busyNodes = (tour) => machines.filter((node) => tour.on(node).length > 0);

export async function disarmFreeze(tour) {
  const before = tour.instances();
  await disarm(tour, 'freeze');
  await tour.holdfast(1, 'status');
  await tour.refused(1, /disarmed/, 'migrate', 'ocf:report', `node${(tour.numberOf('report') % 3) + 1}`);
  await tour.verb('agent-term', '2');
  await tour.verb('agent-kill', '3');
  // Longer than any watchdog's timeout here: one that counted would have fired.
  await sleep(5_000);
  await tour.expect('the agents are back, nothing is armed', async () => {
    const all = await Promise.all(machines.map((node) => tour.lab.status(node)));
    const states = await watchdogs(tour);
    return all.every((status) => status?.disarm?.phase === 'disarmed') && states.every((state) => state === 'inactive');
  });
  tour.checkUndisturbed(before, 'every resource is the same process as before');
  await arm(tour, () => busyNodes(tour));
  tour.checkUndisturbed(before, 'every resource is the same process as before');
}

function byHand(tour, node, action) {
  const settings = {
    OCF_ROOT: '/usr/lib/ocf',
    OCF_RESOURCE_INSTANCE: 'report',
    OCF_RESKEY_record: `${tour.lab.dir}/shared`,
    HA_RSCTMP: '/run/resource-agents',
  };
  const environment = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return tour.verb('in', node, 'env', ...environment, '/usr/lib/ocf/resource.d/holdfast/exclusive', action);
}

export async function disarmIgnore(tour) {
  const from = tour.numberOf('report');
  const to = (from % 3) + 1;
  const others = tour.instances(tour.resources.filter((name) => name !== 'report'));
  await disarm(tour, 'ignore');
  await byHand(tour, from, 'stop');
  await byHand(tour, to, 'start');
  await tour.expect(`report runs on node${to}, moved by hand`, () => tour.numberOf('report') === to, soonMs);
  const moved = tour.instances(['report']);
  await arm(tour, () => busyNodes(tour));
  tour.checkUndisturbed(moved, 'report was adopted where it was found, and not started again');
  tour.checkEqual((await tour.services(1)).report.node, `node${to}`, 'status knows where it is');
  tour.checkUndisturbed(others, 'all others are the same processes as before');
}
