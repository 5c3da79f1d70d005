/** Properties over the same values everywhere. `SEED=NUMBER` tries others. */
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env.SEED ?? 1) });

export { default } from 'fast-check';
