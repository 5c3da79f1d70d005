import { monotonicMs } from './host-clock.mjs';

/** The command `holdfast watchdog validate` in a guest. */

const begunFile = '/var/lib/holdfast/watchdog/run';

/** In the background, since it is not expected to come back; also in a boot that another validation has led to. */
export async function beginValidation(bench) {
  await bench.answering();
  await bench.setMaintenance(true);
  const startMs = monotonicMs();
  await bench.guest.sh(
    `setsid holdfast watchdog validate --yes --again --json >/var/lib/lab/validation.json 2>/var/lib/lab/validation.err & sleep 1`,
  );
  return startMs;
}

/** A moment that is known less exactly tells nothing: src/host/validation-verdict.ts gives no verdict on it. */
const maxUncertaintyMs = 1_500;

/** Whether the record says when the reset came, as exactly as one has to that is to be believed. */
export function isExact({ measuredMs, uncertaintyMs }) {
  return Number.isFinite(measuredMs) && uncertaintyMs !== null && uncertaintyMs <= maxUncertaintyMs;
}

/** The record with the last verdict; null: there is none. The agent or this very command gives it after the boot. */
export async function lastRecord(bench) {
  await bench.answering();
  // 1: it was no success, and the record, if there is one, says why.
  const text = await bench.untilDone('{ holdfast watchdog validate --result --json 2>/dev/null || [ $? = 1 ]; }');
  return text === '' ? null : JSON.parse(text);
}

/** The first line of the run that was begun: { run, pid, ... }. */
export async function begunRun(bench) {
  return JSON.parse(await bench.guest.sh(`${untilStep('begin')}; head -n 1 ${begunFile}`));
}

/** A shell command that ends when the run has come to that step. */
export function untilStep(name) {
  return `until grep -qs '"step":"${name}"' ${begunFile}; do sleep 0.1; done`;
}
