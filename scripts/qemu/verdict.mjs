/** Whether what was measured is what was predicted. Pure; instants in milliseconds of the host's monotonic clock. */

/** How far the measured reset may be from the predicted one, with what the measurement itself may be wrong by. */
export const toleranceMs = 500;
/** A pet whose instant is known less exactly measures nothing: what hung on it is done again. */
const accuracyMs = 100;
/** A host that is too busy for so many measurements of one thing is not one to measure on. */
export const maxAttempts = 4;

/** The pet from which a watchdog that fired at `firedMs` counted; undefined: none was seen. */
function lastPet(pets, firedMs) {
  return pets.filter(({ atMs }) => atMs < firedMs).at(-1);
}

/** Why that pet measures nothing, as a list of one sentence; empty: it does. */
function unmeasured(pet) {
  if (pet === undefined) return ['no pet was seen before the reset'];
  if (pet.errorMs <= accuracyMs) return [];
  return [`not measured: the last pet is known to ${seconds(pet.errorMs)} only, the host is too busy`];
}

/**
 * A reset that was due. `seen`: { firedMs, announced, pets: [{ atMs, errorMs }], actFromMs, actToMs }, the act having
 * happened between the latter two, and `announced`: the hardware's own word that it has fired; `predicted` as predict()
 * has it; `effectiveMs`: within which the agent's budget has the watchdog fire. `again`: nothing was measured.
 */
export function judgeReset({ firedMs, announced, pets, actFromMs, actToMs }, predicted, effectiveMs) {
  const last = lastPet(pets, firedMs);
  const nothing = unmeasured(last);
  if (nothing.length > 0) return { again: true, failures: nothing };
  const { atMs, errorMs } = last;
  const measuredMs = firedMs - (predicted.after === 'pet' ? atMs : actToMs);
  const differenceMs = outside(measuredMs, predicted.fromMs, predicted.toMs);
  const failures = judgeWord(announced, predicted.announced);
  if (Math.abs(differenceMs) + errorMs > toleranceMs) {
    failures.push(`reset ${seconds(measuredMs)} after the ${predicted.after}, predicted was ${rangeText(predicted)}`);
  }
  if (firedMs - atMs + errorMs > effectiveMs + toleranceMs) {
    failures.push(`reset ${seconds(firedMs - atMs)} after the last pet: the agent counts on ${seconds(effectiveMs)}`);
  }
  const [fromMs, toMs] = predicted.lastPet;
  // Too early only if for certain, too late if it may be: a pet after the end of the lease is what must not be.
  if (atMs + errorMs < actFromMs + fromMs || atMs + errorMs > actToMs + toMs) {
    const range = rangeText({ fromMs, toMs });
    failures.push(`last pet ${seconds(atMs - actToMs)} after the act, but it had to be in ${range}`);
  }
  return { measuredMs, differenceMs, lastPetMs: atMs - actToMs, errorMs, failures };
}

/** A reset by nothing but the watchdog: so long after the last pet as its hardware takes. `seen` as for judgeReset. */
export function judgeFiring({ firedMs, announced, pets }, driver, timeoutS) {
  const last = lastPet(pets, firedMs);
  const nothing = unmeasured(last);
  if (nothing.length > 0) return { again: true, failures: nothing };
  const measuredMs = firedMs - last.atMs;
  const dueMs = driver.resetMs(timeoutS);
  const failures = judgeWord(announced, driver.announced);
  if (Math.abs(measuredMs - dueMs) + last.errorMs > toleranceMs) {
    failures.push(`reset ${seconds(measuredMs)} after the last pet, due was ${seconds(dueMs)}`);
  }
  return { measuredMs, errorMs: last.errorMs, failures };
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
