/** Whether what was measured is what was predicted. Pure; instants in milliseconds of the host's monotonic clock. */

/** How far the measured reset may be from the predicted one, with what the measurement itself may be wrong by. */
export const toleranceMs = 500;
/** A pet whose instant is known less exactly measures nothing: what hung on it is done again. */
const accuracyMs = 100;

const noPet = 'no pet was seen before the reset';

/** The pet from which a watchdog that fired at `firedMs` counted; undefined: none was seen. */
function lastPet(pets, firedMs) {
  return pets.filter(({ atMs }) => atMs < firedMs).at(-1);
}

/** Why that pet measures nothing, as a list of one sentence; empty: it does. */
function unmeasured({ errorMs }) {
  if (errorMs <= accuracyMs) return [];
  return [`not measured: the last pet is known to ${seconds(errorMs)} only, the host is too busy`];
}

/** What an error adds to a difference: where nothing is measured only what is wrong for certain is a failure. */
function doubtOf({ errorMs }) {
  return errorMs <= accuracyMs ? errorMs : -errorMs;
}

/**
 * A reset that was due. `seen`: { firedMs, announced, pets, closes: [{ atMs, errorMs }], actFromMs, actToMs }, the act
 * having happened between the latter two, and `announced`: the hardware's own word that it has fired; `predicted` as
 * predict() has it; `effectiveMs`: within which the agent's budget has the watchdog fire. `again`: nothing was measured,
 * as the first of the failures says; the others are certain nevertheless.
 */
export function judgeReset({ firedMs, announced, pets, closes = [], actFromMs, actToMs }, predicted, effectiveMs) {
  const last = lastPet(pets, firedMs);
  const said = [...judgeWord(announced, predicted.announced), ...judgeCloses(closes, actFromMs, predicted.closes)];
  if (last === undefined) return { failures: [noPet, ...said] };
  const { atMs, errorMs } = last;
  const doubtMs = doubtOf(last);
  const nothing = unmeasured(last);
  const failures = [...nothing, ...said];
  const { measuredMs, differenceMs, wrongMs } = compare({ firedMs, actFromMs, actToMs }, last, predicted);
  if (wrongMs > toleranceMs) {
    failures.push(`reset ${seconds(measuredMs)} after the ${predicted.after}, predicted was ${rangeText(predicted)}`);
  }
  if (firedMs - atMs + doubtMs > effectiveMs + toleranceMs) {
    failures.push(`reset ${seconds(firedMs - atMs)} after the last pet: the agent counts on ${seconds(effectiveMs)}`);
  }
  const [fromMs, toMs] = predicted.lastPet;
  // Too early only if for certain, too late if it may be: a pet after the end of the lease is what must not be.
  if (atMs + errorMs < actFromMs + fromMs || atMs + doubtMs > actToMs + toMs) {
    const range = rangeText({ fromMs, toMs });
    failures.push(`last pet ${seconds(atMs - actToMs)} after the act, but it had to be in ${range}`);
  }
  const figures = { measuredMs, differenceMs, lastPetMs: atMs - actToMs, errorMs };
  return { ...figures, again: nothing.length > 0, failures };
}

/** The reset and what was predicted of it; an act is known to have happened between two instants, a pet at one. */
function compare({ firedMs, actFromMs, actToMs }, last, { after, fromMs, toMs }) {
  if (after === 'act') {
    const differenceMs = outside(firedMs, actFromMs + fromMs, actToMs + toMs);
    return { measuredMs: firedMs - actToMs, differenceMs, wrongMs: Math.abs(differenceMs) };
  }
  const measuredMs = firedMs - last.atMs;
  const differenceMs = outside(measuredMs, fromMs, toMs);
  return { measuredMs, differenceMs, wrongMs: Math.abs(differenceMs) + doubtOf(last) };
}

/**
 * A reset by nothing but the watchdog: so long after the last pet as its hardware takes. `seen` and `again` as for
 * judgeReset.
 */
export function judgeFiring({ firedMs, announced, pets }, driver, timeoutS) {
  const last = lastPet(pets, firedMs);
  const said = judgeWord(announced, driver.announced);
  if (last === undefined) return { failures: [noPet, ...said] };
  const measuredMs = firedMs - last.atMs;
  const dueMs = driver.resetMs(timeoutS);
  const nothing = unmeasured(last);
  const failures = [...nothing, ...said];
  if (Math.abs(measuredMs - dueMs) + doubtOf(last) > toleranceMs) {
    failures.push(`reset ${seconds(measuredMs)} after the last pet, due was ${seconds(dueMs)}`);
  }
  return { measuredMs, errorMs: last.errorMs, again: nothing.length > 0, failures };
}

/** Whether the device was closed after the act. `due`: it had to be; false: it must not be; undefined: it may be. */
function judgeCloses(closes, actFromMs, due) {
  const isClosed = closes.some(({ atMs, errorMs }) => atMs + errorMs >= actFromMs);
  if (due === undefined || isClosed === due) return [];
  return [due ? 'no close of the device was seen after the act' : 'the device was closed after the act'];
}

/** Whether it was the watchdog that reset the machine, by QEMU's word, for those devices of which it gives it. */
export function judgeWord(announced, expected) {
  if (announced === expected) return [];
  return [expected ? 'QEMU does not say that the watchdog has fired' : 'the watchdog has fired, says QEMU'];
}

/** How far a value is from a range; negative: below it; 0: within. */
export function outside(value, from, to) {
  if (value < from) return value - from;
  return value > to ? value - to : 0;
}

export function rangeText({ fromMs, toMs }) {
  return fromMs === toMs ? seconds(fromMs) : `${(fromMs / 1_000).toFixed(3)} to ${seconds(toMs)}`;
}

export function seconds(ms) {
  return `${(ms / 1_000).toFixed(3)} s`;
}
