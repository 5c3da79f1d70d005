import t from 'tap';
import { ReviewModel } from './core-review-model.js';

const runs = Number(process.env.REVIEW_RUNS ?? 300);
const first = Number(process.env.REVIEW_SEED ?? 1);

t.test('nothing runs twice and nothing is refused, in whatever order things happen', async (t) => {
  for (let seed = first; seed < first + runs; seed++) {
    const model = new ReviewModel(seed);
    for (let step = 0; step < 1_500 && model.violation === null; step++) model.step();
    if (model.violation === null) continue;
    for (const line of model.trace.slice(-150)) t.comment(line);
    t.fail(`seed ${seed}: ${model.violation}`);
    return;
  }
});
