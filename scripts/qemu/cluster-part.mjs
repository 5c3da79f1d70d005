import { untilMeasured } from './attempts.mjs';
import { cases, predict } from './cases.mjs';
import { boundMs, Cluster } from './cluster.mjs';
import { expectedTimes } from './drivers.mjs';
import { isPet, isReset } from './guest.mjs';
import { monotonicMs } from './host-clock.mjs';
import { judgeFiring, judgeReset, judgeWord, seconds } from './verdict.mjs';

/** Only to know when to give up: the survivors wait 61 s, and then start the resource. */
const takeoverMs = 240_000;
const resetMs = boundMs + 60_000;

/**
 * What is done to the guest that the resource runs on, and by what it has to be reset: 'lease': as if its corosync were
 * gone; 'kernel'; 'watchdog': nothing runs there any more.
 */
const crash = (panic) => `umount -l /proc/sysrq-trigger; sysctl -qw kernel.panic=${panic}; echo c >/proc/sysrq-trigger`;
export const faults = {
  cut: {
    note: 'its network is cut, from outside',
    inject: (cluster, guest) => cluster.cut(guest),
    by: 'lease',
  },
  panic: { note: 'kernel panic; the kernel reboots', inject: (_, guest) => die(guest, crash(-1)), by: 'kernel' },
  hang: {
    note: 'kernel panic with panic=0: nothing runs',
    inject: (_, guest) => die(guest, crash(0)),
    by: 'watchdog',
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
      const victim = cluster.guests[i % cluster.guests.length];
      const round = await untilMeasured(() => runRound(cluster, victim, faults[name]));
      const result = { fault: name, number: i + 1, ...round };
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

/** Judged from the end of the round before, so that nothing happens unseen between two of them. */
async function runRound(cluster, guest, { inject, by }) {
  const sinceMs = cluster.judgedMs;
  await cluster.bring(guest);
  const startMs = monotonicMs();
  inject(cluster, guest);
  const reset = await guest.until('reset', startMs, isReset, resetMs);
  const figures = { node: guest.name, driver: guest.driver.name, faultToResetMs: reset.atMs - startMs };
  // One that crashed may be back before anybody takes over, and then run it itself.
  const takers = by === 'lease' ? cluster.othersThan(guest) : cluster.guests;
  const { atMs, guest: taker } = await cluster.untilRuns(takers, takeoverMs);
  Object.assign(figures, { faultToRunsMs: atMs - startMs, taker: taker.name });
  cluster.heal(guest);
  const healedMs = monotonicMs();
  await cluster.untilWhole();
  const wholeMs = monotonicMs();
  figures.backMs = wholeMs - healedMs;
  cluster.judgedMs = wholeMs;
  const failures = judge(cluster, guest, { sinceMs, faultToResetMs: figures.faultToResetMs });
  const { again, differenceMs, errorMs, failures: others } = judgeEnd(guest, reset, by, startMs);
  return { ...figures, differenceMs, errorMs, again, failures: [...others, ...failures] };
}

function judge(cluster, guest, { sinceMs, faultToResetMs }) {
  const failures = cluster.doubleRuns(sinceMs);
  if (faultToResetMs > boundMs) failures.push(`reset ${seconds(faultToResetMs)} after the fault, the bound is 60 s`);
  for (const each of cluster.guests) {
    const resets = each.find(sinceMs, isReset).length;
    const due = each === guest ? 1 : 0;
    if (resets !== due) failures.push(`${each.name} was reset ${resets} times, ${due} were due`);
  }
  return failures;
}

/** Whether it was reset by what had to do it, and when it had to. */
function judgeEnd(guest, { atMs, wordMs }, by, startMs) {
  const { driver, ownReset } = guest;
  const times = expectedTimes(boundMs, driver.kappa);
  const announced = wordMs !== null;
  const seen = { firedMs: wordMs ?? atMs, announced, pets: guest.find(0, isPet) };
  if (by === 'kernel') return { failures: judgeWord(announced, false) };
  if (by === 'watchdog') return judgeFiring(seen, driver, times.timeoutS);
  const predicted = predict(driver, leaseEnds(ownReset), times);
  return judgeReset({ ...seen, actFromMs: startMs, actToMs: startMs }, predicted, times.effectiveMs);
}

/** A node that is cut off is to its agent as one without corosync. */
function leaseEnds(ownReset) {
  return cases.find(({ name }) => name === (ownReset ? 'own-reset' : 'stop-petting'));
}

/** The command never answers. */
function die(guest, command) {
  guest.sh(command).catch(() => undefined);
}
