import { machines, probeLog, probeSid } from './lab.mjs';
import { LogTail } from './log-tail.mjs';

/** Puts a lab back into the state in which the next run begins: everything on and whole, the resource running. */
export async function heal(lab) {
  await lab.verb('heal');
  const off = (await lab.verb('status'))
    .split('\n')
    .filter((line) => /^node\d+ {2}off/.test(line))
    .map((line) => line.match(/\d+/)[0]);
  if (off.length > 0) await lab.verb('boot', ...off);
  await lab.until('all nodes online', () => lab.isWhole());
  const probe = new LogTail(probeLog(lab));
  // The committed state may be that of before the last boot: the resource has to say so itself.
  await lab.until(`${probeSid} to run`, async () => {
    const node = `node${await lab.runsOn(probeSid)}`;
    return probe.records().some((record) => record.event === 'alive' && record.node === node);
  });
}

/** Has the resource run on that machine: placement takes the node with the fewest services, the lowest name first. */
export async function placeOn(lab, node) {
  if ((await lab.runsOn(probeSid)) === node) return;
  const fillers = machines.filter((each) => each < node).map((each) => `ocf:filler${each}`);
  await settle(lab, probeSid, 'disabled');
  for (const sid of fillers) {
    const known = (await lab.ask(1, 'GET', `/v1/resources/${sid}`)).code === 200;
    if (!known) await lab.change(1, '/v1/resources', { sid, agent: 'ocf:heartbeat:Dummy', state: 'disabled' });
    await settle(lab, sid, 'started');
  }
  await settle(lab, probeSid, 'started');
  for (const sid of fillers) await settle(lab, sid, 'disabled');
  if ((await lab.runsOn(probeSid)) !== node) throw new Error(`the resource could not be placed on node${node}`);
}

/** Asks for it, and waits until it is so. */
async function settle(lab, sid, state) {
  await lab.change(1, `/v1/resources/${sid}`, { state });
  const isSo = async () => {
    if (state === 'started') return lab.runsOn(sid);
    const service = (await lab.status(1))?.services.find((each) => each.sid === sid);
    return service?.state === 'stopped';
  };
  await lab.until(`${sid} to be ${state}`, isSo, 30_000);
}
