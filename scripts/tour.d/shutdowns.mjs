import { setTimeout as sleep } from 'node:timers/promises';
import { machines } from '../faults.d/lab.mjs';
import { soonMs } from './tour.mjs';

/** Steps: orderly ends of one node under each policy, of one after the other, and of all. */

const setPolicy = (tour, policy) => tour.holdfast(1, 'options', `shutdown_policy=${policy}`);
const observerOf = (node) => (node % 3) + 1;
const others = (node) => machines.filter((each) => each !== node);

/** What its services are to the manager, seen from another node. */
async function states(tour, node, names) {
  const services = await tour.services(observerOf(node));
  return names.map((name) => services[name]?.state);
}

/** The node of db and app, which nothing ties to a node, is the one that goes down. */
async function prepare(tour, policy, kind) {
  await setPolicy(tour, policy);
  await tour.expectWhole();
  const node = tour.numberOf('db');
  const names = tour.on(node);
  tour.say(`node${node} goes down (${kind}) under policy ${policy}; it runs ${names.join(', ')}`);
  return {
    node,
    names,
    before: tour.instances(names),
    rest: tour.instances(tour.resources.filter((name) => !names.includes(name))),
  };
}

function checkOff(tour, node) {
  tour.check(tour.witness.isLetGo(node), 'its watchdog was released before the power went');
}

async function staysFrozen(tour, policy, kind) {
  const { node, names, rest } = await prepare(tour, policy, kind);
  const sinceMs = tour.witness.nowMs();
  const frozen = async () => (await states(tour, node, names)).every((state) => state === 'freeze');
  if (kind === 'reboot') {
    await Promise.all([tour.verb('reboot', node), tour.expect('its services wait for it (freeze)', frozen)]);
  } else {
    await tour.verb('shutdown', node);
    checkOff(tour, node);
    await tour.expect('its services wait for it (freeze)', frozen);
    tour.checkEqual(
      names.map((name) => tour.place(name)),
      names.map(() => null),
      'and run nowhere',
    );
    await tour.verb('boot', node);
  }
  await tour.expectSettled(`node${node} is back, everything runs`);
  tour.checkEqual(
    names.flatMap((name) => startsSince(tour, name, sinceMs)),
    names.map(() => `node${node}`),
    'each was started once, where it was',
  );
  tour.checkUndisturbed(rest, 'nothing else was touched');
}

function startsSince(tour, name, sinceMs) {
  return tour.witness
    .instances(name)
    .filter(({ fromMs }) => fromMs > sinceMs)
    .map(({ node }) => node);
}

/** The first instance of each since then. */
function successors(tour, names, sinceMs) {
  return names.map((name) => tour.witness.instances(name).find(({ fromMs }) => fromMs > sinceMs));
}

/** Down by the policy; off, or through to the next boot. */
async function goDown(tour, node, kind) {
  await tour.verb(kind === 'reboot' ? 'reboot' : 'shutdown', node);
  if (kind === 'poweroff') checkOff(tour, node);
}

async function comeBack(tour, node, kind) {
  if (kind === 'poweroff') await tour.verb('boot', node);
  await tour.expectWhole(`node${node} is back, everything runs`);
}

async function isRecovered(tour, policy, kind) {
  const { node, names } = await prepare(tour, policy, kind);
  const sinceMs = tour.witness.nowMs();
  await goDown(tour, node, kind);
  const run = () => successors(tour, names, sinceMs);
  await tour.expect('its services run elsewhere', () =>
    run().every((instance) => instance !== undefined && instance.node !== `node${node}`),
  );
  const tookMs = Math.max(...run().map((instance) => instance?.fromMs ?? Number.POSITIVE_INFINITY)) - sinceMs;
  // The node let go by itself. Had it been waited for as for a lost one, it would have taken the bound and more.
  tour.check(tookMs < tour.boundMs, `${Math.round(tookMs)} ms after the order, less than the fence bound`);
  await comeBack(tour, node, kind);
}

async function movesFirst(tour, policy, kind) {
  const { node, names } = await prepare(tour, policy, kind);
  const sinceMs = tour.witness.nowMs();
  await goDown(tour, node, kind);
  const moved = successors(tour, names, sinceMs);
  tour.check(
    moved.every((instance) => instance !== undefined && instance.node !== `node${node}`),
    'everything runs elsewhere by the time that it is down',
    JSON.stringify(moved),
  );
  await comeBack(tour, node, kind);
  await tour.expect(
    'what had left it has returned',
    async () => (await tour.settled()) && names.every((name) => tour.numberOf(name) === node),
  );
}

/** What cannot be stopped is not handed on: the watchdog stays armed, and its reset is the proof. */
export async function stuckShutdown(tour) {
  await setPolicy(tour, 'failover');
  await tour.expectWhole();
  const { node: name, pid } = tour.witness.running('mirror');
  const node = Number(name.slice('node'.length));
  await tour.verb('in', node, 'kill', '-STOP', pid);
  const sinceMs = tour.witness.nowMs();
  tour.say(`$ scripts/lab shutdown ${node}`);
  const { code, err } = await tour.lab.try('shutdown', node);
  tour.say(`  ${err.replaceAll('\n', '\n  ')}`);
  tour.check(code !== 0 && /could not be stopped/.test(err), 'the order fails, and says why');
  await tour.expectSettled('mirror runs elsewhere', { nodes: others(node) }, 3 * tour.boundMs);
  const again = tour.witness.running('mirror');
  const resetMs = tour.witness.resetMs(node, sinceMs);
  tour.check(again !== null && resetMs !== null && again.fromMs > resetMs, 'only after the reset of its node');
  tour.resetsDue.push(node);
  await tour.verb('boot', node);
  await tour.expectWhole(`${name} is back, everything runs where its rules want it`);
}

/** A node that does not come back strands nothing for ever. */
export async function freezeLimit(tour) {
  await tour.holdfast(1, 'options', 'freeze-limit=5');
  const { node, names } = await prepare(tour, 'freeze', 'poweroff');
  const sinceMs = tour.witness.nowMs();
  await tour.verb('shutdown', node);
  await tour.holdfast(observerOf(node), 'status');
  await tour.expectSettled('its services run elsewhere', { nodes: others(node) });
  const early = successors(tour, names, sinceMs).filter((instance) => instance.fromMs - sinceMs < 5_000);
  tour.checkEqual(early, [], 'but not before the limit of 5 s');
  await tour.holdfast(observerOf(node), 'options', 'freeze-limit=600');
  await comeBack(tour, node, 'poweroff');
}

/** What becomes of the services of a node that goes down; by policy, then by kind. */
export const outcomes = [
  ['conditional', 'reboot', staysFrozen],
  ['conditional', 'poweroff', isRecovered],
  ['freeze', 'reboot', staysFrozen],
  ['freeze', 'poweroff', staysFrozen],
  ['failover', 'reboot', isRecovered],
  ['failover', 'poweroff', isRecovered],
  ['migrate', 'reboot', movesFirst],
  ['migrate', 'poweroff', movesFirst],
];

/** A move is a stop and a start; where it took longer than the bound, somebody waited for a fencing. */
export async function rollingReboot(tour) {
  await setPolicy(tour, 'migrate');
  await tour.expectWhole();
  const before = tour.witness.places();
  const sinceMs = tour.witness.nowMs();
  for (const node of machines) {
    await tour.verb('reboot', node);
    await tour.expect(`node${node} is back, everything runs where it was`, async () => {
      return (await tour.settled()) && JSON.stringify(tour.witness.places()) === JSON.stringify(before);
    });
  }
  const nowMs = tour.witness.nowMs();
  const gaps = tour.witness.gaps(sinceMs, nowMs);
  const { asked, failed } = tour.witness.requests(sinceMs, nowMs);
  tour.say(
    `longest time without each, in ms: ${Object.entries(gaps)
      .map(([name, ms]) => `${name} ${ms}`)
      .join(', ')}`,
  );
  tour.say(`the client lost ${failed} of ${asked} requests, one every 100 ms`);
  tour.check(
    Object.values(gaps).every((ms) => ms < tour.boundMs),
    'nothing was away for as long as the fence bound',
  );
}

/** Longer than a lease lasts: whoever is done first must not take the quorum away from a node that still stops something. */
const slowStopMs = 9_000;

async function shutdownWithSlowStop(tour) {
  const { node, pid } = tour.witness.running('mirror');
  const signal = (name) => tour.verb('in', node.slice('node'.length), 'kill', `-${name}`, pid);
  await signal('STOP');
  const goesOn = sleep(slowStopMs).then(() => signal('CONT'));
  await Promise.all([tour.verb('shutdown', ...machines), goesOn]);
}

export async function wholeCluster(tour) {
  await setPolicy(tour, 'migrate');
  await tour.expectWhole();
  await shutdownWithSlowStop(tour);
  for (const node of machines) tour.check(tour.witness.isLetGo(node), `node${node}: released before the power went`);
  tour.checkEqual(
    tour.resources.filter((name) => tour.place(name) !== null),
    [],
    'nothing runs',
  );
  await tour.verb('boot', ...machines);
  await tour.expectWhole('all are back, everything runs where its rules want it', soonMs);
}
