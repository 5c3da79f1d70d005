/**
 * TOPSIS: how close each alternative is to the best value of every criterion, and how far from the worst. All criteria
 * are costs: less is better. Returns one figure per alternative from 0 (worst in everything) to 1 (best in everything);
 * equal alternatives get equal figures.
 */
export function closeness(alternatives: readonly (readonly number[])[], weights: readonly number[]): number[] {
  const columns = weights.map((weight, criterion) => scaling(alternatives, criterion, weight));
  return alternatives.map((row) => {
    let toBest = 0;
    let toWorst = 0;
    for (const { criterion, factor, best, worst } of columns) {
      const value = (row[criterion] ?? 0) * factor;
      toBest += (value - best) ** 2;
      toWorst += (value - worst) ** 2;
    }
    const span = Math.sqrt(toBest) + Math.sqrt(toWorst);
    return span === 0 ? 1 : withoutNoise(Math.sqrt(toWorst) / span);
  });
}

interface Scaling {
  readonly criterion: number;
  /** From a raw value to its share of the column's length, weighted. */
  readonly factor: number;
  readonly best: number;
  readonly worst: number;
}

function scaling(alternatives: readonly (readonly number[])[], criterion: number, weight: number): Scaling {
  let squares = 0;
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const row of alternatives) {
    const value = row[criterion] ?? 0;
    squares += value * value;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  const factor = squares === 0 ? 0 : weight / Math.sqrt(squares);
  return { criterion, factor, best: least * factor, worst: most * factor };
}

/** Alternatives that differ only by rounding have to tie, so that their order does not depend on it. */
export function withoutNoise(value: number): number {
  return Math.round(value * 1e9) / 1e9;
}
