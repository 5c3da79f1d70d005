import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { machines, probeSid } from './lab.mjs';
import { addResources, answersOf, Writer } from './writers.mjs';

/** Faults under writes: a store whose disk is full, a corosync whose queue is full, power that fails everywhere. */

/** Commits pause while a view forms, at most for so long. */
const commitPauseMs = 8_000;

/** A node with a full disk runs on; it promises and acknowledges nothing, and everybody can see that. */
export async function diskFull(run) {
  const { lab, node } = run;
  const led = (await lab.status(node))?.leader === `node${node}`;
  run.notes.push(led ? 'on the leader' : 'on a member');
  const writers = machines
    .filter((each) => each !== node)
    .map((each) => new Writer(lab, each, `ocf:writer${each}`, { gapMs: 200 }));
  await addResources(lab, writers);
  for (const writer of writers) writer.start();
  await run.inject(() => lab.verb('disk', node, 'full'));
  await run.until(
    'the status to say that the store is full',
    async () => (await lab.status(node))?.store.ok === false,
    10_000,
  );
  run.figures.toldMs = run.nowMs() - run.injectedMs;
  await sleep(run.boundMs);
  await expectStoreFailed(run);
  await lab.verb('disk', node, 'free');
  const freedMs = run.nowMs();
  await run.until('the store to work again', async () => (await lab.status(node))?.store.ok === true, 15_000);
  await run.until('all nodes online', () => lab.isWhole(), 15_000);
  run.figures.workedAgainMs = run.nowMs() - freedMs;
  for (const writer of writers) await writer.stop();
  run.expectUndisturbed();
  run.expectResets();
  run.figures.commitPauseMs = Math.max(...writers.map(({ longestGapMs }) => longestGapMs));
  run.expect(run.figures.commitPauseMs < commitPauseMs, `no commit for ${Math.round(run.figures.commitPauseMs)} ms`);
  run.notes.push(answersOf(writers));
}

async function expectStoreFailed(run) {
  const name = `node${run.node}`;
  const own = await run.lab.status(run.node);
  run.expect(
    own?.store.ok === false && own.store.detail !== null,
    `the status of ${name} does not say why it stores nothing`,
  );
  run.expect(own?.lease.held, `${name} has lost its lease`);
  for (const other of machines.filter((each) => each !== run.node)) {
    const seen = await run.lab.status(other);
    run.expect(
      seen?.nodes.find((node) => node.name === name)?.storeOk === false,
      `node${other} does not show that the store of ${name} fails`,
    );
    run.expect(
      seen?.leader !== null && seen?.leader !== name,
      `${seen?.leader} leads although the store of ${name} fails`,
    );
    run.expect(
      seen?.nodes.every(({ state }) => state === 'online'),
      `node${other} does not see all nodes online`,
    );
  }
}

/** How long corosync is stopped while changes are sent to its agent; 32 of these are under way at once, for 20 s each. */
const queueStoppedMs = 110_000;
const queueWriters = 40;
/** 15 parameters of 4 096 bytes: corosync's queue of 1 MiB is full after some twenty, the agent's of 8 MiB in the sixth wave. */
const bulk = () => ({
  parameters: Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`p${i + 1}`, randomText(4_096)])),
});
const statusLimitMs = 500;
const cpuLimit = 0.5;

function randomText(length) {
  return Math.random().toString(36).slice(2).padEnd(8, 'x').repeat(length).slice(0, length);
}

/** On a node that runs nothing: its agent has to answer, and nobody else may notice. */
export async function queueFull(run) {
  const { lab } = run;
  const idle = machines.filter((each) => each !== run.node);
  const node = idle[run.number % idle.length];
  run.notes.push(`stopped on node${node}, which runs nothing`);
  await run.until(
    'its watchdog to be released',
    async () => (await lab.status(node))?.watchdog.state === 'idle',
    30_000,
  );
  const bulky = Array.from(
    { length: queueWriters },
    (_, i) => new Writer(lab, node, `ocf:bulky${i}`, { gapMs: 1_000, change: bulk }),
  );
  const others = machines
    .filter((each) => each !== node)
    .map((each) => new Writer(lab, each, `ocf:writer${each}`, { gapMs: 200 }));
  await addResources(lab, bulky, 'ocf:holdfast:bulky');
  await addResources(lab, others);
  const pid = await lab.verb('agent-pid', node);
  const cpuBefore = cpuSeconds(pid);
  await run.inject(() => lab.verb('pause', node));
  for (const writer of [...bulky, ...others]) writer.start();
  const latencies = await askFor(lab, node, queueStoppedMs);
  run.figures.statusMs = Math.max(...latencies);
  run.figures.cpu = ((cpuSeconds(pid) - cpuBefore) * 1_000) / queueStoppedMs;
  const before = bulky.map(({ committed }) => committed);
  const stopping = Promise.all([...bulky, ...others].map((writer) => writer.stop()));
  run.expect(
    before.every((number) => number === 0),
    'a change was committed through a stopped corosync',
  );
  await lab.verb('resume', node);
  const continuedMs = run.nowMs();
  await stopping;
  await run.until('all nodes online', () => lab.isWhole(), 40_000);
  await lab.change(node, `/v1/resources/${bulky[0].sid}`, { comment: 'works again' });
  run.figures.workedAgainMs = run.nowMs() - continuedMs;
  run.expect((await lab.verb('agent-pid', node)) === pid, 'the agent was restarted');
  run.expect(run.figures.statusMs < statusLimitMs, `the status took ${Math.round(run.figures.statusMs)} ms`);
  run.expect(run.figures.cpu < cpuLimit, `the agent used ${Math.round(run.figures.cpu * 100)} % of a core`);
  run.figures.commitPauseMs = Math.max(...others.map(({ longestGapMs }) => longestGapMs));
  run.expect(
    run.figures.commitPauseMs < commitPauseMs,
    `elsewhere no commit for ${Math.round(run.figures.commitPauseMs)} ms`,
  );
  const codes = new Set(bulky.flatMap(({ answers }) => [...answers.keys()]));
  for (const code of codes)
    run.expect(
      ['HF_BUSY', 'HF_OUTCOME_UNKNOWN', 'HF_NO_QUORUM', 'committed'].includes(code),
      `a change was answered with ${code}`,
    );
  run.notes.push(answersOf(bulky));
  run.expect(run.agentSaid(node, 'corosync takes no more messages'), 'the queue was not filled');
  run.expectUndisturbed();
  run.expectResets();
}

/** How long each status took, asked for again and again. */
async function askFor(lab, node, timeMs) {
  const latencies = [];
  for (const endMs = performance.now() + timeMs; performance.now() < endMs; ) {
    const { code, tookMs } = await lab.ask(node, 'GET', '/v1/status', undefined, 5_000);
    latencies.push(code === 200 ? tookMs : Number.POSITIVE_INFINITY);
    await sleep(200);
  }
  return latencies;
}

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
  const added = machines.map((node) => new Adder(lab, node, `${run.number}-${Date.now()}`));
  const all = [...writers, ...added];
  const offset = await numbers(lab, 1);
  for (const writer of writers) writer.attempted = offset.get(writer.sid) ?? 0;
  for (const writer of all) writer.start();
  await sleep(writeMs.least + Math.random() * (writeMs.most - writeMs.least));
  const stopping = () => Promise.all(all.map((writer) => writer.stop()));
  await run.inject(() => lab.verb('power-off', ...machines));
  await stopping();
  await lab.verb('boot', ...machines);
  await run.until('a view of all', () => lab.isWhole(), 60_000);
  run.figures.workedAgainMs = run.nowMs() - run.injectedMs;
  for (const node of machines) {
    // A node knows all earlier changes once it has seen one of its own committed.
    await lab.change(node, `/v1/resources/${probeSid}`, { comment: `seen by node${node}` });
    await compare(run, node, writers, added);
  }
  run.figures.committed = writers.reduce((sum, { answers }) => sum + (answers.get('committed') ?? 0), 0);
  run.figures.committed += added.reduce((sum, { committed }) => sum + committed.length, 0);
  run.expect(run.figures.committed > 0, 'nothing was committed before the power failed');
  for (const adder of added) await adder.clear();
}

async function compare(run, node, writers, added) {
  const found = await numbers(run.lab, node);
  for (const { sid, committed, attempted } of writers) {
    const number = found.get(sid);
    run.expect(
      number !== undefined && number >= committed,
      `${sid} has ${number} on node${node}, but ${committed} was committed`,
    );
    run.expect(number <= attempted, `${sid} has ${number} on node${node}, which nobody asked for`);
  }
  for (const sid of added.flatMap(({ committed }) => committed))
    run.expect(found.has(sid), `${sid} was committed and is not on node${node}`);
}

/** The number in each resource's comment. */
async function numbers(lab, node) {
  const { body } = await lab.ask(node, 'GET', '/v1/resources');
  return new Map(body.resources.map(({ sid, comment }) => [sid, Number(comment)]));
}

/** Adds one resource after the other. */
class Adder {
  /** The sids whose addition was answered "committed". */
  committed = [];
  #lab;
  #node;
  #prefix;
  #stopped = false;
  #done = Promise.resolve();

  constructor(lab, node, prefix) {
    this.#lab = lab;
    this.#node = node;
    this.#prefix = `ocf:added${node}-${prefix}`;
  }

  start() {
    this.#done = this.#add();
  }

  async stop() {
    this.#stopped = true;
    await this.#done;
  }

  async #add() {
    for (let i = 0; !this.#stopped; i++) {
      const sid = `${this.#prefix}-${i}`;
      const { code } = await this.#lab.ask(this.#node, 'POST', '/v1/resources', {
        sid,
        agent: 'ocf:heartbeat:Dummy',
        state: 'disabled',
      });
      if (code === 200) this.committed.push(sid);
      await sleep(100);
    }
  }

  /** So that the state does not grow from run to run. */
  async clear() {
    for (const sid of this.committed) await this.#lab.change(this.#node, `/v1/resources/${sid}/remove`, {});
  }
}

function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // utime and stime, in USER_HZ, which is 100 wherever Node runs.
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
