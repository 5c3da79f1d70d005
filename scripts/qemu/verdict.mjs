/** Whether what was measured is what was predicted. Pure; instants in milliseconds of the host's monotonic clock. */

/** How far the measured reset may be from the predicted one. */
export const toleranceMs = 500;

/**
 * A reset that was due. `seen`: { resetMs, pets: [{ atMs, errorMs }], actFromMs, actToMs }, the act having happened
 * between the latter two; `predicted` as predict() has it; `effectiveMs`: within which the agent's budget has the
 * watchdog fire.
 */
export function judgeReset({ resetMs, pets, actFromMs, actToMs }, predicted, effectiveMs) {
  const last = pets.filter(({ atMs }) => atMs < resetMs).at(-1);
  if (last === undefined) return { failures: ['no pet was seen before the reset'] };
  const measuredMs = resetMs - (predicted.after === 'pet' ? last.atMs : actToMs);
  const differenceMs = outside(measuredMs, predicted.fromMs, predicted.toMs);
  const failures = [];
  if (Math.abs(differenceMs) > toleranceMs) {
    failures.push(`reset ${seconds(measuredMs)} after the ${predicted.after}, predicted was ${rangeText(predicted)}`);
  }
  if (resetMs - last.atMs > effectiveMs + toleranceMs) {
    failures.push(
      `reset ${seconds(resetMs - last.atMs)} after the last pet: the agent counts on ${seconds(effectiveMs)}`,
    );
  }
  const [fromMs, toMs] = predicted.lastPet;
  if (last.atMs < actFromMs + fromMs || last.atMs > actToMs + toMs) {
    const range = rangeText({ fromMs, toMs });
    failures.push(`last pet ${seconds(last.atMs - actToMs)} after the act, but it had to be in ${range}`);
  }
  return { measuredMs, differenceMs, lastPetMs: last.atMs - actToMs, errorMs: last.errorMs, failures };
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
