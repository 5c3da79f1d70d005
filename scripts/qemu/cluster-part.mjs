import { boundMs, Cluster, isPet, isReset, wholeMs } from './cluster.mjs';
import { expectedTimes } from './drivers.mjs';
import { monotonicMs } from './host-clock.mjs';
import { outside, seconds, toleranceMs } from './verdict.mjs';

/** Only to know when to give up: the survivors wait 61 s, and then start the resource. */
const takeoverMs = 240_000;
const resetMs = boundMs + 60_000;

/**
 * What is done to the guest that the resource runs on. `within`: the latest lawful reset, milliseconds after the fault
 * ('bound') or exactly when its watchdog fires after its last pet ('watchdog').
 */
const crash = (panic) => `umount -l /proc/sysrq-trigger; sysctl -qw kernel.panic=${panic}; echo c >/proc/sysrq-trigger`;
export const faults = {
  cut: { note: 'its network is cut, from outside', inject: (cluster, guest) => cluster.cut(guest), within: 'bound' },
  panic: { note: 'kernel panic; the kernel reboots', inject: (_, guest) => die(guest, crash(-1)), within: 'bound' },
  hang: {
    note: 'kernel panic with panic=0: nothing runs',
    inject: (_, guest) => die(guest, crash(0)),
    within: 'watchdog',
  },
};

/** `times` cuts, and unless it is the short form a panic and a hang; `tell` is called with each result. */
export async function runCluster({ times, short }, workshop, tell) {
  const names = [...Array.from({ length: times }, () => 'cut'), ...(short ? [] : ['panic', 'hang'])];
  const results = [];
  const cluster = new Cluster(workshop);
  try {
    await cluster.start();
    for (const [i, name] of names.entries()) {
      const result = { fault: name, number: i + 1, ...(await runRound(cluster, faults[name])) };
      results.push(result);
      tell(result);
    }
  } catch (error) {
    const result = { fault: names[results.length], number: results.length + 1, failures: [error.message] };
    results.push(result);
    tell(result);
  } finally {
    await cluster.stop();
  }
  return results;
}

async function runRound(cluster, { inject, within }) {
  const guest = cluster.whereRuns();
  if (guest === null) throw new Error('the resource runs nowhere');
  const others = cluster.guests.filter((each) => each !== guest);
  const startMs = monotonicMs();
  inject(cluster, guest);
  const reset = await guest.until('reset', startMs, isReset, resetMs);
  const figures = { node: guest.name, driver: guest.driver.name, faultToResetMs: reset.atMs - startMs };
  // One that crashed may be back before anybody takes over, and then run it itself.
  const takers = within === 'bound' && inject === faults.cut.inject ? others : cluster.guests;
  const { atMs, guest: taker } = await cluster.untilRuns(takers, takeoverMs);
  Object.assign(figures, { faultToRunsMs: atMs - startMs, taker: taker.name });
  cluster.heal(guest);
  const healedMs = monotonicMs();
  await cluster.untilWhole(wholeMs);
  figures.backMs = monotonicMs() - healedMs;
  return { ...figures, failures: judge(cluster, guest, { startMs, resetMs: reset.atMs, within }) };
}

function judge(cluster, guest, { startMs, resetMs: atMs, within }) {
  const failures = cluster.doubleRuns(startMs);
  if (atMs - startMs > boundMs) failures.push(`reset ${seconds(atMs - startMs)} after the fault, the bound is 60 s`);
  if (within === 'watchdog') failures.push(...judgeHang(guest, atMs));
  for (const each of cluster.guests) {
    const resets = each.find(startMs, isReset).length;
    const due = each === guest ? 1 : 0;
    if (resets !== due) failures.push(`${each.name} was reset ${resets} times, ${due} were due`);
  }
  return failures;
}

/** Nothing pets any more: the watchdog fires so long after the last pet as its hardware says. */
function judgeHang(guest, atMs) {
  const last = guest.find(0, (each) => isPet(each) && each.atMs < atMs).at(-1);
  const dueMs = guest.driver.resetMs(expectedTimes(boundMs, guest.driver.kappa).timeoutS);
  if (last !== undefined && Math.abs(outside(atMs - last.atMs, dueMs, dueMs)) <= toleranceMs) return [];
  return [`reset ${last && seconds(atMs - last.atMs)} after the last pet, predicted was ${seconds(dueMs)}`];
}

/** The command never answers. */
function die(guest, command) {
  guest.sh(command).catch(() => undefined);
}
