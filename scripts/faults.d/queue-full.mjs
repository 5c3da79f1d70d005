import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { machines } from './lab.mjs';
import { addResources, answersOf, expectCommits, otherWriters, Writer } from './writers.mjs';

/** How long corosync is stopped. Of the changes sent to its agent 32 are under way at a time, for 20 s each. */
const stoppedMs = 110_000;
const clients = 40;
/** 15 parameters of 4 096 bytes: some twenty changes fill corosync's queue of 1 MiB, the sixth wave the agent's of 8 MiB. */
const parameterBytes = 4_096;
const statusLimitMs = 500;
const cpuLimit = 0.5;
const expectedAnswers = ['HF_BUSY', 'HF_OUTCOME_UNKNOWN', 'HF_NO_QUORUM', 'committed'];

/** On a node that runs nothing: its agent has to answer all the time, and nobody else may notice. */
export async function queueFull(run) {
  const { lab } = run;
  const node = await idleNode(run);
  const bulky = Array.from({ length: clients }, (_, i) => {
    return new Writer(lab, node, `ocf:bulky${i}`, { gapMs: 1_000, change: bulk });
  });
  const others = otherWriters(lab, node);
  await addResources(lab, bulky, 'ocf:holdfast:bulky');
  await addResources(lab, others);
  const pid = await lab.verb('agent-pid', node);
  const cpuBefore = cpuSeconds(pid);
  await run.inject(() => lab.verb('pause', node));
  run.start([...bulky, ...others]);
  run.figures.statusMs = await slowestStatusMs(lab, node);
  run.figures.cpu = ((cpuSeconds(pid) - cpuBefore) * 1_000) / stoppedMs;
  const none = bulky.every(({ committed }) => committed === 0);
  run.expect(none, 'a change was committed through a stopped corosync');
  const stopped = run.stopWriters();
  await lab.verb('resume', node);
  const continuedMs = run.nowMs();
  await stopped;
  await run.until('all nodes online', () => lab.isWhole(), 40_000);
  await lab.change(node, `/v1/resources/${bulky[0].sid}`, { comment: 'works again' });
  run.figures.workedAgainMs = run.nowMs() - continuedMs;
  run.expect((await lab.verb('agent-pid', node)) === pid, 'the agent was restarted');
  expectUnharmed(run, node, bulky);
  expectCommits(run, others);
}

/** One of the two on which the resource does not run, in turn. */
async function idleNode(run) {
  const idle = machines.filter((each) => each !== run.node);
  const node = idle[run.number % idle.length];
  run.notes.push(`stopped on node${node}, which runs nothing`);
  const released = async () => (await run.lab.status(node))?.watchdog.state === 'idle';
  await run.until('its watchdog to be released', released, 30_000);
  return node;
}

function bulk() {
  const word = Math.random().toString(36).slice(2).padEnd(8, 'x');
  const text = word.repeat(parameterBytes / 8).slice(0, parameterBytes);
  return { parameters: Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`p${i + 1}`, text])) };
}

function expectUnharmed(run, node, bulky) {
  const { statusMs, cpu } = run.figures;
  run.expect(statusMs < statusLimitMs, `the status took ${Math.round(statusMs)} ms`);
  run.expect(cpu < cpuLimit, `the agent used ${Math.round(cpu * 100)} % of a core`);
  run.expect(run.agentSaid(node, 'corosync takes no more messages'), 'the queue was not filled');
  for (const code of new Set(bulky.flatMap(({ answers }) => [...answers.keys()]))) {
    run.expect(expectedAnswers.includes(code), `a change was answered with ${code}`);
  }
  run.notes.push(answersOf(bulky));
  run.expectUndisturbed();
  run.expectResets();
}

/** Asks for the status again and again while corosync is stopped. */
async function slowestStatusMs(lab, node) {
  let slowest = 0;
  for (const endMs = performance.now() + stoppedMs; performance.now() < endMs; ) {
    const { code, tookMs } = await lab.ask(node, 'GET', '/v1/status', undefined, 5_000);
    slowest = Math.max(slowest, code === 200 ? tookMs : Number.POSITIVE_INFINITY);
    await sleep(200);
  }
  return slowest;
}

function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // utime and stime, in USER_HZ, which is 100 wherever Node runs.
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
