import { setTimeout as sleep } from 'node:timers/promises';
import { sidOf } from './tour.mjs';

/** Steps: a node is cut off with everything that depends on each other; what is recovered, in which order. */

/** What comes after the takeover: two more decisions, three starts one after the other. */
const orderMs = 15_000;

/** `peer`: of lower priority than db, and nothing keeps them from starting at the same time. */
export const deathOfMember = (tour) => death(tour, { victim: 2, peer: 'batch' });
export const deathOfLeader = (tour) => death(tour, { victim: 1, peer: 'web' });

async function death(tour, { victim, peer }) {
  const stack = ['db', 'app', 'report', peer];
  await gather(tour, victim, stack);
  const [survivor] = [1, 2, 3].filter((node) => node !== victim);
  const cutMs = tour.witness.nowMs();
  await tour.verb('cut', victim);
  await sleep(3_000); // its silence is seen
  await tour.holdfast(survivor, 'status');
  await tour.expect(
    'everything runs on the other two',
    async () => (await tour.settled({ nodes: [1, 2, 3].filter((node) => node !== victim) })) && isGone(tour, victim),
    tour.boundMs + orderMs,
  );
  tour.resetsDue.push(victim);
  checkReset(tour, tour.witness.resetMs(victim, cutMs), stack, cutMs);
  const started = Object.fromEntries(stack.map((name) => [name, tour.witness.running(name)?.fromMs ?? 0]));
  const at = stack.map((name) => `${name} ${Math.round(started[name] - cutMs)}`);
  tour.say(`running again, in ms after the cut: ${at.join(', ')}`);
  tour.check(started.db < started.app, 'app after db, which it requires');
  tour.check(started.app < started.report, 'report after app');
  await checkPriority(tour, survivor, peer);
  await tour.verb('uncut', victim);
  await tour.verb('boot', victim);
  await tour.expectWhole(`node${victim} is back, everything runs where its rules want it`);
}

const isGone = (tour, victim) => tour.on(victim).length === 0;

function checkReset(tour, resetMs, stack, cutMs) {
  if (resetMs === null) return tour.check(false, 'its watchdog has reset it');
  const tookMs = Math.round(resetMs - cutMs);
  tour.check(tookMs <= tour.boundMs, `its watchdog reset it ${tookMs} ms after the cut, within the bound`);
  const early = stack.filter((name) => (tour.witness.running(name)?.fromMs ?? 0) < resetMs);
  tour.checkEqual(early, [], 'nothing of it was started before that');
}

async function gather(tour, victim, stack) {
  const free = [1, 2, 3].find((node) => node !== victim && node !== tour.numberOf('db')) ?? 3;
  if (tour.numberOf('mirror') === victim) {
    await tour.holdfast(1, 'migrate', 'ocf:mirror', `node${free}`);
    await tour.expectSettled('mirror is out of the way');
  }
  for (const name of stack.filter((each) => each !== 'app')) {
    if (tour.numberOf(name) !== victim) await tour.holdfast(1, 'migrate', sidOf(name), `node${victim}`);
  }
  await tour.expect(`${stack.join(', ')} run on node${victim}`, async () => {
    return (await tour.settled()) && stack.every((name) => tour.numberOf(name) === victim);
  });
}

/** The one of higher priority is given its node first. */
async function checkPriority(tour, survivor, peer) {
  const text = await tour.read(survivor, 'decisions', '--limit', '60');
  const given = (name) => text.split('\n').findLast((line) => line.includes(`${sidOf(name)}: started on`)) ?? '';
  for (const name of ['db', peer]) tour.say(`  ${given(name)}`);
  const index = (line) => Number(/\s(\d+)\s{2}/.exec(line)?.[1] ?? Number.NaN);
  tour.check(index(given('db')) < index(given(peer)), `db, of priority 100, was given its node before ${peer}`);
}
