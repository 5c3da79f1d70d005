import { patienceMs } from './bench.mjs';
import { isBoot, isPet } from './guest.mjs';
import { beginValidation, begunRun, isExact, lastRecord, untilStep } from './validation.mjs';
import { judgeFiring, judgeWord, seconds } from './verdict.mjs';

/**
 * A validation that is interrupted: by a loss of power and by signals, before its last pet, after it, and after the first
 * expiry. Whatever the verdict is after the next boot, it must not be better than the truth.
 */

/** What validate gives to the device unless told otherwise. */
const timeoutS = 10;
/** As the kernel's trace sees it, its attempts at timeouts take less than this, and its pets before the last one more. */
const petsOnTheWay = 40;
const commandMs = 60_000;

/** `reached` resolves when the run has come that far; `verdict`: what there has to be of it in the end. */
const points = [
  {
    name: 'before the last pet',
    reached: ({ guest }, sinceMs) => {
      const isEnough = (each) => isPet(each) && guest.find(sinceMs, isPet).length >= petsOnTheWay;
      return guest.until('pet of the validation', sinceMs, isEnough, commandMs);
    },
    verdict: 'none',
  },
  {
    name: 'after the last pet',
    reached: ({ guest }) => guest.sh(`${untilStep('last-pet')}; sleep 3`),
    verdict: 'unfinished',
  },
  {
    name: 'after the first expiry',
    reached: ({ guest }) => guest.sh(`${untilStep('last-pet')}; sleep ${1.3 * timeoutS}`),
    verdict: 'unfinished',
    leastKappa: 2,
  },
];

/** `becomes`: what becomes of the machine. */
const ends = [
  { name: 'power loss', act: (bench) => bench.cutPower(), becomes: 'is down' },
  // The close of the device is a pet, and the watchdog goes on.
  { name: 'SIGKILL', act: ({ guest }, pid) => guest.sh(`kill -KILL ${pid}`), becomes: 'is reset' },
  { name: 'SIGTERM', act: ({ guest }, pid) => guest.sh(`kill -TERM ${pid}`), becomes: 'lives on' },
  { name: 'SIGINT', act: ({ guest }, pid) => guest.sh(`kill -INT ${pid}`), becomes: 'lives on' },
];

/** As steps of the part `validate`. One that expires once is past its reset after the first expiry. */
export function interruptionsOf({ kappa }) {
  const reached = points.filter(({ leastKappa = 1 }) => kappa >= leastKappa);
  const steps = reached.flatMap((point) =>
    ends.map((end) => ({ name: `${end.name} ${point.name}`, run: (context) => interrupt(context, point, end) })),
  );
  return [...steps, { name: 'power loss after the reset', run: losePowerAfterwards }];
}

async function interrupt({ bench, driver }, { reached, verdict: expected }, { act, becomes }) {
  const sinceMs = await beginValidation(bench);
  const { run, pid } = await begunRun(bench);
  await reached(bench, sinceMs);
  await act(bench, pid);
  const failures = await outcome(bench, driver, becomes, sinceMs);
  const record = await lastRecord(bench);
  // That of an earlier run says nothing of this one.
  const { verdict, sentence } = record?.run === run ? record : { verdict: 'none', sentence: 'no verdict' };
  if (verdict !== expected) failures.push(`the verdict is '${verdict}', not '${expected}'`);
  const isTooLate = expected === 'none' && verdict === 'unfinished';
  return { told: `the machine ${becomes}; ${sentence}`, again: isTooLate, failures };
}

/** Ends with the machine booting; what did not become of it as it had to. */
async function outcome(bench, driver, becomes, sinceMs) {
  const resetMs = driver.resetMs(timeoutS);
  if (becomes === 'is down') return [];
  if (becomes === 'is reset') {
    const { announced } = await bench.awaitReset(sinceMs, resetMs + patienceMs);
    return judgeWord(announced, driver.announced);
  }
  return livesOn(bench, 1.3 * resetMs);
}

/** For so long by the guest's own clock; what kept it from that. Ends with the machine booting. */
export async function livesOn(bench, durationMs) {
  const problem = await bench.guest.sh(`sleep ${durationMs / 1_000}`, commandMs + 2 * durationMs).then(
    () => [],
    ({ message }) => [message],
  );
  // A reset ends the command as well, and says more.
  const resets = bench.undueResets();
  bench.cutPower();
  return resets.length > 0 ? resets : problem;
}

/** The first boot after the reset does not come so far as to give the verdict. */
async function losePowerAfterwards({ bench, driver }) {
  const sinceMs = await beginValidation(bench);
  const { run } = await begunRun(bench);
  const seen = await bench.awaitReset(sinceMs, 2 * driver.resetMs(timeoutS) + patienceMs);
  await bench.guest.until('loader', seen.resetMs, isBoot, commandMs);
  bench.cutPower();
  const record = await lastRecord(bench);
  const { again, measuredMs, errorMs, failures } = judgeFiring(seen, driver, timeoutS);
  const lastedMs = seen.resetMs - seen.firedMs + measuredMs - errorMs;
  const further = judgeAfterwards(record, run, { driver, lastedMs });
  return { told: record?.sentence ?? 'nothing', again, failures: [...failures, ...further] };
}

/** It may say less than what happened, but neither that it was quicker nor that it takes fewer expiries. */
export function judgeAfterwards(record, run, { driver, lastedMs }) {
  if (record?.run !== run) return ['there is no verdict'];
  const { verdict, kappa, measuredMs, uncertaintyMs, sentence } = record;
  if (verdict === 'unfinished') return [];
  if (verdict === 'resets' && !isExact(record)) return [`it says that it resets, but not when: ${sentence}`];
  if (verdict !== 'resets') return [`the verdict is '${verdict}': ${sentence}`];
  const failures = kappa === driver.kappa ? [] : [`it says kappa ${kappa}, but it is ${driver.kappa}`];
  if (measuredMs + uncertaintyMs < lastedMs) failures.push(`${sentence}, but it took ${seconds(lastedMs)}`);
  return failures;
}
