import { setTimeout as sleep } from 'node:timers/promises';
import { machines, probeLog } from './lab.mjs';
import { LogTail } from './log-tail.mjs';
import { resetAfter } from './measure.mjs';
import { doubleRuns, instancesOf } from './probe.mjs';

/** One fault, once: what is injected, what is seen from outside, and what should have been seen. */
export class Run {
  /** Sentences: the expectations that did not hold. */
  failures = [];
  notes = [];
  /** In milliseconds; what does not apply is missing. */
  figures = {};
  injectedMs = 0;
  #clock;
  #emulators;
  #probe;
  #agents;
  #writers = [];

  constructor(lab, { boundMs, number, clock }) {
    this.lab = lab;
    this.boundMs = boundMs;
    this.number = number;
    this.#clock = clock;
    this.#emulators = new Map(machines.map((node) => [node, new LogTail(lab.path(node, 'emulator.log'))]));
    this.#agents = new Map(machines.map((node) => [node, new LogTail(lab.path(node, 'agent.log'))]));
    this.#probe = new LogTail(probeLog(lab));
  }

  nowMs() {
    return this.#clock();
  }

  /** Waits long enough for a pet and a sign of life to be in the logs; at random, so that faults meet every phase. */
  async settle() {
    await sleep(1_200 + Math.random() * 1_000);
    const [running, ...others] = this.instances();
    if (running === undefined || others.length > 0) throw new Error('the resource does not run once before the fault');
    this.before = running;
    this.node = Number(running.node.slice('node'.length));
  }

  /** The instant is taken before the deed, so that no delay of the deed shortens a measured time. */
  async inject(deed) {
    this.injectedMs = this.nowMs();
    await deed();
  }

  /** Clients that write until stopWriters, which is called at the end of every run whatever has happened. */
  start(writers) {
    this.#writers.push(...writers);
    for (const writer of writers) writer.start();
  }

  async stopWriters() {
    await Promise.all(this.#writers.map((writer) => writer.stop()));
  }

  expect(holds, sentence) {
    if (!holds) this.failures.push(sentence);
    return holds;
  }

  until(what, condition, limitMs) {
    return this.lab.until(what, condition, limitMs);
  }

  emulator(node) {
    return this.#emulators.get(node).records();
  }

  /** Log lines of a node's agents since the run began. */
  agentSaid(node, words) {
    return this.#agents
      .get(node)
      .records()
      .find(({ msg }) => msg?.includes(words));
  }

  instances() {
    return instancesOf(this.#probe.records());
  }

  /** The instance that runs in place of the first one, if any. */
  successor() {
    return this.instances().find(({ instance }) => instance !== this.before.instance);
  }

  async awaitReset(node, sinceMs = this.injectedMs) {
    const reset = await this.until(
      `the reset of node${node}`,
      () => resetAfter(this.emulator(node), sinceMs),
      this.boundMs + 5_000,
    );
    this.record(reset, sinceMs);
    return reset;
  }

  /** Figures of a reset, against the bound. */
  record({ atMs, lastPetMs }, sinceMs = this.injectedMs) {
    const toResetMs = atMs - sinceMs;
    this.figures.cutToResetMs = Math.max(toResetMs, this.figures.cutToResetMs ?? 0);
    if (lastPetMs !== null) {
      this.figures.petToResetMs = Math.max(atMs - lastPetMs, this.figures.petToResetMs ?? 0);
    }
    this.expect(toResetMs <= this.boundMs, `reset ${Math.round(toResetMs)} ms after the fault, more than the bound`);
  }

  async awaitTakeover() {
    const found = await this.until('the resource to run elsewhere', () => this.successor(), this.boundMs + 30_000);
    const limitMs = this.boundMs + 5_000;
    this.figures.cutToRunningMs = found.fromMs - this.injectedMs;
    this.expect(
      this.figures.cutToRunningMs <= limitMs,
      `runs again only ${Math.round(this.figures.cutToRunningMs)} ms after the fault`,
    );
    this.expect(found.node !== this.before.node, `was started again on ${found.node} itself`);
    return found;
  }

  /** It runs on as if nothing had happened: the same process, seen just now. */
  expectUndisturbed() {
    const running = this.instances();
    this.expect(running.length === 1, `the resource was started again: ${running.map(({ node }) => node).join(', ')}`);
    this.expect(this.nowMs() - (running.at(-1)?.toMs ?? 0) < 1_000, 'the resource runs no more');
  }

  expectResets(...nodes) {
    for (const node of machines) {
      const resets = this.emulator(node).filter(
        ({ event, bootMs }) => event === 'killed' && bootMs > this.injectedMs,
      ).length;
      const wanted = nodes.filter((each) => each === node).length;
      this.expect(resets === wanted, `node${node} was reset ${resets} times, not ${wanted}`);
    }
  }

  judgeProbe() {
    const doubles = doubleRuns(this.#probe.records());
    this.figures.doubleRuns = doubles.length;
    this.failures.push(...doubles);
  }
}
