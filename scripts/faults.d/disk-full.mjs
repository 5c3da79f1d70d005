import { setTimeout as sleep } from 'node:timers/promises';
import { machines } from './lab.mjs';
import { addResources, answersOf, expectCommits, otherWriters } from './writers.mjs';

/** A node with a full disk runs on; it promises and acknowledges nothing, and everybody can see that. */
export async function diskFull(run) {
  const { lab, node } = run;
  const storeWorks = async (works) => (await lab.status(node))?.store.ok === works;
  const led = (await lab.status(node))?.leader === `node${node}`;
  run.notes.push(led ? 'on the leader' : 'on a member');
  const writers = otherWriters(lab, node);
  await addResources(lab, writers);
  run.start(writers);
  await run.inject(() => lab.verb('disk', node, 'full'));
  await run.until('the status to say that the store is full', () => storeWorks(false), 10_000);
  run.figures.toldMs = run.nowMs() - run.injectedMs;
  await sleep(run.boundMs);
  await expectStoreFailed(run);
  await lab.verb('disk', node, 'free');
  const freedMs = run.nowMs();
  await run.until('the store to work again', () => storeWorks(true), 15_000);
  await run.until('all nodes online', () => lab.isWhole(), 15_000);
  run.figures.workedAgainMs = run.nowMs() - freedMs;
  await run.stopWriters();
  expectCommits(run, writers);
  run.expectUndisturbed();
  run.expectResets();
  run.notes.push(answersOf(writers));
}

/** What its own status and those of the others must say meanwhile. */
async function expectStoreFailed(run) {
  const name = `node${run.node}`;
  const own = await run.lab.status(run.node);
  const told = own?.store.ok === false && own.store.detail !== null;
  run.expect(told, `the status of ${name} does not say why it stores nothing`);
  run.expect(own?.lease.held, `${name} has lost its lease`);
  for (const other of machines.filter((each) => each !== run.node)) {
    const { nodes = [], leader = null } = (await run.lab.status(other)) ?? {};
    const seen = nodes.find((node) => node.name === name);
    run.expect(seen?.storeOk === false, `node${other} does not show that the store of ${name} fails`);
    run.expect(leader !== null && leader !== name, `${leader} leads although the store of ${name} fails`);
    const online = nodes.every(({ state }) => state === 'online');
    run.expect(online, `node${other} does not see all nodes online`);
  }
}
