import { setTimeout as sleep } from 'node:timers/promises';

/** Clients that change the configuration all the time, and remember what they were told. */

/**
 * One client: it changes one resource of its own, one change after the other, each with the next number as the
 * comment. What a change was answered with goes by code; `HF_NO_ANSWER` is a socket that does not answer.
 */
export class Writer {
  sid;
  /** Highest number that was answered "committed", and highest that was asked for; 0: none. */
  committed = 0;
  attempted = 0;
  answers = new Map();
  /** Longest time from one committed change to the next, milliseconds. */
  longestGapMs = 0;
  #lab;
  #change;
  #gapMs;
  #stopped = false;
  #done = Promise.resolve();

  /** `change(number)` is what goes into the body beside the comment. */
  constructor(lab, node, sid, { gapMs = 0, change = () => ({}) } = {}) {
    this.#lab = lab;
    this.node = node;
    this.sid = sid;
    this.#gapMs = gapMs;
    this.#change = change;
  }

  start() {
    this.#stopped = false;
    this.#done = this.#write();
  }

  /** Stops after the change that is under way. */
  async stop() {
    this.#stopped = true;
    await this.#done;
  }

  async #write() {
    let lastMs = performance.now();
    while (!this.#stopped) {
      this.attempted += 1;
      const body = { comment: String(this.attempted), ...this.#change(this.attempted) };
      const { code, body: said } = await this.#lab.ask(this.node, 'POST', `/v1/resources/${this.sid}`, body);
      const answer = code === 200 ? 'committed' : (said.error?.code ?? said.code ?? 'HF_NO_ANSWER');
      this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
      if (code === 200) {
        this.longestGapMs = Math.max(this.longestGapMs, performance.now() - lastMs);
        lastMs = performance.now();
        this.committed = this.attempted;
      }
      await sleep(code === 200 ? this.#gapMs : Math.max(50, this.#gapMs));
    }
  }
}

/** Adds a disabled resource for each writer that has none yet, through its own node, so that it is known there. */
export async function addResources(lab, writers, agent = 'ocf:heartbeat:Dummy') {
  for (const { node, sid } of writers) {
    const known = (await lab.ask(node, 'GET', `/v1/resources/${sid}`)).code === 200;
    if (!known) await lab.change(node, '/v1/resources', { sid, agent, state: 'disabled', comment: '0' });
  }
}

/** All answers of all writers, by code, as a sentence. */
export function answersOf(writers) {
  const sums = new Map();
  for (const { answers } of writers) for (const [code, n] of answers) sums.set(code, (sums.get(code) ?? 0) + n);
  return [...sums].map(([code, n]) => `${n} ${code}`).join(', ');
}
