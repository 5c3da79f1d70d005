/** A host that is too busy for so many measurements of one thing is not one to measure on. */
export const maxAttempts = 4;

/**
 * Does something again where nothing was measured and nothing else is wrong: what has failed is never run again for a
 * better result. `once` resolves to { failures, again, ...figures }; `again`: one of the failures says that nothing was
 * measured, or that it was too late. Resolves to what the last attempt has resolved to, and the number of `attempts`.
 */
export async function untilMeasured(once) {
  for (let attempts = 1; ; attempts++) {
    const { again = false, ...result } = await once();
    const isNothingElseWrong = again && result.failures.length === 1;
    if (!isNothingElseWrong || attempts === maxAttempts) return { ...result, attempts };
  }
}
