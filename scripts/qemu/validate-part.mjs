import { setTimeout as sleep } from 'node:timers/promises';
import { isChosen } from './arguments.mjs';
import { Bench, boundMs, patienceMs } from './bench.mjs';
import { endCorosync } from './cases.mjs';
import { drivers, expectedTimes, neverResets } from './drivers.mjs';
import { isPet, isRun } from './guest.mjs';
import { rateError } from './guest-clock.mjs';
import { monotonicMs } from './host-clock.mjs';
import { interruptionsOf } from './interruptions.mjs';
import { beginValidation, begunRun, isExact, lastRecord } from './validation.mjs';
import { judgeFiring, judgeWord, seconds } from './verdict.mjs';

/** The commands that tell an operator of his watchdog: `watchdog validate` on every driver, and `why` after each end. */

/** The validation waits four timeouts of 10 s for a reset, and first measures what it can without one. */
const validationMs = 240_000;
/** An agent that may start nothing would have done so by then. */
const watchedMs = 30_000;
const crash = 'umount -l /proc/sysrq-trigger; echo c >/proc/sysrq-trigger';
const endAgent = 'touch /run/lab/agent.hold; kill -KILL $(cat /run/lab/agent.pid)';

/**
 * The ends of a machine, and what `why` has to say of each: by a driver that tells that it has caused the reset, and by
 * one that tells nothing. `also`: what the latter's must not rule out. A dead agent's last note may be older than a lease,
 * so that it cannot always be told that it was still alive when its lease would have ended. After a validation the
 * driver says that it has fired for the second time in a row, which is not certain any more.
 */
export const machineEnds = {
  'quorum lost': {
    act: endCorosync,
    byWatchdog: true,
    told: { verdict: 'self-fenced', cause: 'corosync-stopped', certainty: ['certain', 'likely'] },
    untold: { verdict: 'self-fenced', cause: 'corosync-stopped', certainty: ['likely'], also: 'power-loss' },
  },
  'agent killed': {
    act: endAgent,
    byWatchdog: true,
    told: { verdict: 'watchdog-fired', cause: 'standstill', certainty: ['certain', 'likely'] },
    untold: { verdict: 'power-loss', cause: null, certainty: ['open'], also: 'watchdog-fired' },
  },
  'kernel panic': {
    act: crash,
    byWatchdog: false,
    told: { verdict: 'kernel-panic', cause: null, certainty: ['certain'] },
    untold: { verdict: 'kernel-panic', cause: null, certainty: ['certain'] },
  },
};

/** In the order in which they are done; each is given { bench, driver, times } and returns { told, failures }, see
 * Bench.attempt. */
const trusted = [
  { name: 'validate', run: validateAndMeasure },
  { name: 'arms after validate', run: armsByTheRecord },
  ...Object.entries(machineEnds).map(([name, end]) => ({ name: `why: ${name}`, run: (context) => why(context, end) })),
];
const refused = [
  { name: 'validate', run: validateInVain },
  { name: 'refused though allowed', run: armsNothing },
];

/** One that expires once, and one that expires twice. */
const interrupted = ['i6300esb', 'itco'];

export async function runValidation({ only, guests }, workshop, tell) {
  const chosen = [...drivers, neverResets].filter(({ name }) => isChosen(only, name, 'validate'));
  const jobs = [
    ...chosen
      .filter(({ name }) => interrupted.includes(name))
      .map((driver) => ({ driver, guestName: `interrupted-${driver.name}`, steps: interruptionsOf(driver) })),
    ...chosen.map((driver) => {
      return { driver, guestName: `validate-${driver.name}`, steps: driver === neverResets ? refused : trusted };
    }),
  ];
  const results = [];
  const work = async () => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      for (const result of await runSteps(job, workshop, tell)) results.push(result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(guests, jobs.length) }, work));
  return results;
}

async function runSteps({ driver, guestName, steps }, workshop, tell) {
  const results = [];
  const take = (name, result) => {
    results.push({ driver: driver.name, step: name, ...result });
    tell(results.at(-1));
  };
  let guest = null;
  let bench = null;
  try {
    const node = { driver, node: 1, nodes: 1, boundMs, kappa: null, allowUnvalidated: false };
    guest = await workshop.start(guestName, node);
    const times = expectedTimes(boundMs, driver.kappa ?? 1);
    bench = new Bench(guest, driver, times);
    const context = { driver, times, bench };
    for (const { name, run } of steps) take(name, await bench.attempt(() => run(context)));
  } catch (error) {
    const failures = [error.message, ...(bench?.undueResets() ?? [])];
    for (const { name } of steps.slice(results.length)) take(name, { told: '-', failures });
  } finally {
    if (guest !== null) await workshop.stop(guest);
  }
  return results;
}

/** The reset that it brings about is seen from outside as well. */
async function validateAndMeasure({ bench, driver }) {
  const startMs = await beginValidation(bench);
  const seen = await bench.awaitReset(startMs, validationMs);
  const record = await lastRecord(bench);
  if (record === null) throw new Error('the machine was reset, and there is no record of the validation');
  return judgeRecord(record, seen, driver);
}

/** The record and what was seen from outside have to agree. `again`: one of the two says that nothing was measured. */
export function judgeRecord(record, seen, driver) {
  const { verdict, kappa, measuredMs, uncertaintyMs, sentence } = record;
  const fired = judgeFiring(seen, driver, record.timeoutS ?? record.timeoutAskedS);
  const unlike = `the verdict is '${verdict}': ${sentence}`;
  // A machine that is too busy for a measurement says just that; one such sentence is enough.
  if (verdict === 'unfinished') {
    return { told: sentence, again: true, failures: [unlike, ...fired.failures.slice(fired.again ? 1 : 0)] };
  }
  const failures = [...fired.failures];
  if (verdict !== 'resets') failures.push(unlike);
  if (kappa !== driver.kappa) failures.push(`it says kappa ${kappa}, but it is ${driver.kappa}`);
  // The record is of the machine's silence: until it stood still.
  const outsideMs = seen.resetMs - seen.firedMs + (fired.measuredMs ?? Number.NaN);
  const told = `${verdict}, kappa ${kappa}, ${seconds(measuredMs)} ± ${seconds(uncertaintyMs)} (seen ${seconds(outsideMs)})`;
  if (!agree({ measuredMs, uncertaintyMs }, { outsideMs, errorMs: fired.errorMs })) failures.push(`it says ${told}`);
  return { told, measuredMs, uncertaintyMs, outsideMs, again: fired.again, failures };
}

/** To the record's own uncertainty, and that of what was seen; the record is in whole milliseconds. */
export function agree(record, { outsideMs, errorMs }) {
  const differenceMs = Math.abs(record.measuredMs - outsideMs);
  return isExact(record) && differenceMs <= record.uncertaintyMs + errorMs + outsideMs * rateError + 1;
}

async function validateInVain({ bench }) {
  await beginValidation(bench);
  const { pid } = await begunRun(bench);
  await bench.guest.sh(`while kill -0 ${pid} 2>/dev/null; do sleep 1; done`, validationMs);
  const record = await lastRecord(bench);
  if (record === null) throw new Error('the validation has ended without a record');
  const { verdict, sentence } = record;
  const failures = verdict === 'did-not-reset' ? [] : [`the verdict is '${verdict}': ${sentence}`];
  return { told: `${verdict}: ${sentence}`, again: verdict === 'unfinished', failures };
}

/** Its kappa comes from the record, and nobody had to allow anything. */
async function armsByTheRecord({ bench, driver, times }) {
  await bench.setMaintenance(false);
  await bench.furnish();
  await bench.ready();
  const { protection, watchdog } = JSON.parse(await bench.guest.sh('holdfast status --json 2>/dev/null'));
  const failures = [];
  const expected = driver.name === 'softdog' ? 'protected (not by hardware)' : 'protected';
  if (protection !== expected) failures.push(`the agent says '${protection}'`);
  if (watchdog.timeoutS !== times.timeoutS)
    failures.push(`the timeout is ${watchdog.timeoutS} s, not ${times.timeoutS} s`);
  if (watchdog.effectiveMs !== times.timeoutS * driver.kappa * 1_000)
    failures.push(`T_eff is ${watchdog.effectiveMs} ms`);
  return { told: `${protection}, timeout ${watchdog.timeoutS} s, T_eff ${seconds(watchdog.effectiveMs)}`, failures };
}

/** Not even where unvalidated devices are allowed: of this one it is known that it does not reset. */
async function armsNothing({ bench }) {
  const config = '/etc/holdfast/holdfast.toml';
  // Named, since an agent that may choose loads softdog and takes that.
  await bench.guest.sh(
    `sed -i s/allowUnvalidated.*/allowUnvalidated=true/ ${config}; echo 'device = "/dev/watchdog0"' >>${config}`,
  );
  await bench.guest.sh(
    'agent=$(cat /run/lab/agent.pid); kill -TERM $agent; while kill -0 $agent 2>/dev/null; do sleep 0.2; done',
  );
  await bench.setMaintenance(false);
  await bench.furnish();
  const sinceMs = monotonicMs();
  await sleep(watchedMs);
  const used = bench.guest.find(sinceMs, (each) => isRun(each) || (isPet(each) && each.program === 'hf-keeper'));
  const { protection, watchdog } = JSON.parse(await bench.guest.sh('holdfast status --json 2>/dev/null'));
  const failures = used.length > 0 ? [`the agent used it: ${used[0].kind}`] : [];
  if (protection !== 'UNPROTECTED (no watchdog)') failures.push(`the agent says '${protection}'`);
  return { told: `${protection}: ${watchdog.detail}`, failures };
}

/** The machine ends; what the command says of it after the boot. */
async function why({ bench, driver, times }, { act, byWatchdog, told, untold }) {
  await bench.ready();
  const startMs = monotonicMs();
  bench.guest.sh(act).catch(() => undefined);
  const { announced } = await bench.awaitReset(startMs, times.leaseMs + driver.resetMs(times.timeoutS) + patienceMs);
  await bench.answering();
  await bench.untilDone('holdfast status --json 2>/dev/null');
  const { resets } = JSON.parse(await bench.untilDone('holdfast why --json 2>/dev/null'));
  const [last] = resets;
  if (last === undefined) return { told: 'nothing', failures: ['it knows of no reset'] };
  const { verdict, cause, certainty, summary } = last;
  const failures = [
    ...judgeWord(announced, byWatchdog && driver.announced),
    ...judgeWhy(last, driver.tells ? told : untold),
  ];
  return { told: `${verdict}${cause === null ? '' : ` (${cause})`}, ${certainty}`, summary, failures };
}

/** `expected` as in machineEnds. */
export function judgeWhy({ verdict, cause, certainty, alternatives, summary }, expected) {
  const failures = [];
  if (verdict !== expected.verdict || cause !== expected.cause)
    failures.push(`it says ${verdict} (${cause}), not ${expected.verdict} (${expected.cause}): ${summary}`);
  if (!expected.certainty.includes(certainty))
    failures.push(`it says so as ${certainty}, not ${expected.certainty.join(' or ')}: ${summary}`);
  if (expected.also !== undefined && !alternatives.some((other) => other.verdict === expected.also))
    failures.push(`it rules out ${expected.also}: ${summary}`);
  return failures;
}
