import { isChosen } from './arguments.mjs';
import { Bench, boundMs } from './bench.mjs';
import { cases } from './cases.mjs';
import { drivers, expectedTimes } from './drivers.mjs';

/** In the short form: the driver that every machine has, and what differs most. */
const shortDriver = 'i6300esb';
const shortCases = ['agent-killed', 'keeper-stalled', 'agent-restarted'];

/** Every chosen driver through every chosen case, `guests` of them at a time; `tell` is called with each result. */
export async function runDrivers({ only, short, guests }, workshop, tell) {
  const queue = drivers.flatMap((driver) => {
    const own = cases.filter(({ name }) =>
      short && only.length === 0
        ? driver.name === shortDriver && shortCases.includes(name)
        : isChosen(only, driver.name, name),
    );
    return [
      { driver, own: own.filter(({ ownTime }) => !ownTime), hardware: {} },
      { driver, own: own.filter(({ ownTime }) => ownTime), hardware: { ownTime: true } },
    ].filter((job) => job.own.length > 0);
  });
  const results = [];
  const take = (result) => {
    results.push(result);
    tell(result);
  };
  const work = async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) await runDriver(job, workshop, take);
  };
  await Promise.all(Array.from({ length: Math.min(guests, queue.length) }, work));
  return results.sort((a, b) => rank(a) - rank(b));
}

async function runDriver({ driver, own, hardware }, workshop, take) {
  let guest = null;
  let bench = null;
  const remaining = [...own];
  try {
    const name = hardware.ownTime ? `${driver.name}-own-time` : driver.name;
    guest = await workshop.start(name, { driver, node: 1, nodes: 1, boundMs }, hardware);
    bench = new Bench(guest, driver, expectedTimes(boundMs, driver.kappa));
    await bench.furnish();
    while (remaining.length > 0) {
      const [kase] = remaining;
      const result = await bench.run(kase);
      take({ driver: driver.name, case: kase.name, ...result });
      remaining.shift();
    }
  } catch (error) {
    const failures = [error.message, ...(bench?.undueResets() ?? [])];
    // What this guest was still to go through is not shown to hold.
    for (const { name } of remaining) take({ driver: driver.name, case: name, failures });
  } finally {
    if (guest !== null) await workshop.stop(guest);
  }
}

/** The order of the table. */
function rank(result) {
  const driver = drivers.findIndex(({ name }) => name === result.driver);
  const kase = cases.findIndex(({ name }) => name === result.case);
  return driver * cases.length + kase;
}
