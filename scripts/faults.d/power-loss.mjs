import { setTimeout as sleep } from 'node:timers/promises';
import { machines, probeSid } from './lab.mjs';
import { Adder, addResources, Writer } from './writers.mjs';

/** How long the clients write before the power fails: at random in these limits, milliseconds. */
const writeMs = { least: 500, most: 2_000 };
const writersPerNode = 4;

/** Every change that was answered "committed" is there on every node after all have lost power at once. */
export async function powerLoss(run) {
  const { lab } = run;
  const writers = machines.flatMap((node) =>
    Array.from({ length: writersPerNode }, (_, i) => new Writer(lab, node, `ocf:power${node}-${i}`)),
  );
  await addResources(lab, writers);
  const before = await numbers(lab, 1);
  for (const writer of writers) writer.attempted = before.get(writer.sid) ?? 0;
  const adders = machines.map((node) => new Adder(lab, node, `ocf:added${node}-${Math.floor(run.nowMs())}`));
  run.start([...writers, ...adders]);
  await sleep(writeMs.least + Math.random() * (writeMs.most - writeMs.least));
  await run.inject(() => lab.verb('power-off', ...machines));
  await run.stopWriters();
  await lab.verb('boot', ...machines);
  await run.until('a view of all', () => lab.isWhole(), 60_000);
  run.figures.workedAgainMs = run.nowMs() - run.injectedMs;
  for (const node of machines) await compare(run, node, writers, adders);
  run.figures.committed = [...writers, ...adders].reduce(
    (sum, { answers }) => sum + (answers.get('committed') ?? 0),
    0,
  );
  run.expect(run.figures.committed > 0, 'nothing was committed before the power failed');
  for (const adder of adders) await adder.clear();
}

async function compare(run, node, writers, adders) {
  // A node knows all earlier changes once it has seen one of its own committed.
  await run.lab.change(node, `/v1/resources/${probeSid}`, { comment: `seen by node${node}` });
  const found = await numbers(run.lab, node);
  for (const { sid, committed, attempted } of writers) {
    const number = found.get(sid);
    run.expect(number >= committed, `${sid} has ${number} on node${node}, but ${committed} was committed`);
    run.expect(number <= attempted, `${sid} has ${number} on node${node}, which nobody asked for`);
  }
  for (const sid of adders.flatMap(({ added }) => added)) {
    run.expect(found.has(sid), `${sid} was committed and is not on node${node}`);
  }
}

/** The number in each resource's comment. */
async function numbers(lab, node) {
  const { body } = await lab.ask(node, 'GET', '/v1/resources');
  return new Map(body.resources.map(({ sid, comment }) => [sid, Number(comment)]));
}
