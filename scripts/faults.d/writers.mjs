import { setTimeout as sleep } from 'node:timers/promises';
import { machines } from './lab.mjs';

/** Clients that change the configuration all the time, and remember what they were told. */

/** Commits pause while a view forms, at most for so long. */
const commitPauseMs = 8_000;
const retryMs = 50;
/** What is under way when the leader hangs is answered only after 20 s; clients that measure pauses do not wait for that. */
const impatientMs = 2_000;

/** Makes one change after the other; a subclass says which. */
class Client {
  /** How many changes were answered with what; `HF_NO_ANSWER` is a socket that does not answer. */
  answers = new Map();
  #stopped = false;
  #done = Promise.resolve();

  constructor(lab, node, gapMs, limitMs) {
    this.lab = lab;
    this.node = node;
    this.gapMs = gapMs;
    this.limitMs = limitMs;
  }

  start() {
    this.#done = this.#work();
  }

  /** Stops after the change that is under way. */
  async stop() {
    this.#stopped = true;
    await this.#done;
  }

  async #work() {
    while (!this.#stopped) {
      const { path, body } = this.next();
      const { code, body: said } = await this.lab.ask(this.node, 'POST', path, body, this.limitMs);
      const answer = code === 200 ? 'committed' : (said.error?.code ?? 'HF_NO_ANSWER');
      this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
      if (code === 200) this.onCommitted();
      await sleep(code === 200 ? this.gapMs : Math.max(retryMs, this.gapMs));
    }
  }
}

/** Changes one resource of its own, each time with the next number as the comment. */
export class Writer extends Client {
  /** Highest number that was answered "committed", and highest that was asked for; 0: none. */
  committed = 0;
  attempted = 0;
  /** Longest time from one committed change to the next, milliseconds. */
  longestGapMs = 0;
  #lastMs = performance.now();
  #change;

  /** `change()` is what goes into the body beside the comment; `limitMs`: how long an answer is waited for. */
  constructor(lab, node, sid, { gapMs = 0, limitMs, change = () => ({}) } = {}) {
    super(lab, node, gapMs, limitMs);
    this.sid = sid;
    this.#change = change;
  }

  start() {
    this.#lastMs = performance.now();
    super.start();
  }

  next() {
    this.attempted += 1;
    return { path: `/v1/resources/${this.sid}`, body: { comment: String(this.attempted), ...this.#change() } };
  }

  onCommitted() {
    const nowMs = performance.now();
    this.longestGapMs = Math.max(this.longestGapMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    this.committed = this.attempted;
  }
}

/** Adds one resource after the other. */
export class Adder extends Client {
  /** The sids whose addition was answered "committed". */
  added = [];
  #prefix;
  #number = 0;

  constructor(lab, node, prefix) {
    super(lab, node, 100);
    this.#prefix = prefix;
  }

  next() {
    this.#number += 1;
    return { path: '/v1/resources', body: { sid: this.#sid(), agent: 'ocf:heartbeat:Dummy', state: 'disabled' } };
  }

  onCommitted() {
    this.added.push(this.#sid());
  }

  /** So that the state does not grow from run to run. */
  async clear() {
    for (const sid of this.added) await this.lab.change(this.node, `/v1/resources/${sid}/remove`, {});
  }

  #sid() {
    return `${this.#prefix}-${this.#number}`;
  }
}

/** Adds a disabled resource for each writer that has none yet, through its own node, so that it is known there. */
export async function addResources(lab, writers, agent = 'ocf:heartbeat:Dummy') {
  for (const { node, sid } of writers) {
    const known = (await lab.ask(node, 'GET', `/v1/resources/${sid}`)).code === 200;
    if (!known) await lab.change(node, '/v1/resources', { sid, agent, state: 'disabled', comment: '0' });
  }
}

/** One on each node but that one. */
export function otherWriters(lab, node) {
  const others = machines.filter((each) => each !== node);
  return others.map((each) => new Writer(lab, each, `ocf:writer${each}`, { gapMs: 200, limitMs: impatientMs }));
}

/** They got their changes committed all the time, but for the forming of a view. */
export function expectCommits(run, writers) {
  const pauseMs = Math.max(...writers.map(({ longestGapMs }) => longestGapMs));
  run.figures.commitPauseMs = pauseMs;
  const all = writers.every(({ committed }) => committed > 0);
  run.expect(all, 'one of the other nodes committed nothing');
  run.expect(pauseMs < commitPauseMs, `another node committed nothing for ${Math.round(pauseMs)} ms`);
}

/** All answers to all of them, by code. */
export function answersOf(clients) {
  const sums = new Map();
  for (const { answers } of clients) for (const [code, n] of answers) sums.set(code, (sums.get(code) ?? 0) + n);
  return [...sums].map(([code, n]) => `${n} ${code}`).join(', ');
}
