import { join } from 'node:path';
import { loadNative } from '../../dist/src/host/native.js';
import { JsonLog } from './json-log.mjs';
import { pause } from './waiting.mjs';

export const nodes = ['node1', 'node2', 'node3'];
const readEveryMs = 40;
const pollEveryMs = 250;

/**
 * What is known at the moment: the records, the agents' statuses, and the cut, once there is one:
 * `{ node, atMs, bootId, quorumLostMs, resetMs, healed }`.
 */
export class Scene {
  lab;
  client;
  web;
  emulator = null;
  cut = null;
  /** Newest status of each node; null: its agent does not answer. */
  statuses = new Map(nodes.map((name) => [name, null]));
  /** CLOCK_BOOTTIME, in which all records are. */
  nowMs = loadNative().boottimeMs;
  #trouble = null;
  #watching = new AbortController();
  #signal;

  /** `signal` ends all watching and waiting. */
  constructor(lab, signal) {
    this.lab = lab;
    this.client = new JsonLog(this.shared('client.log'));
    this.web = new JsonLog(this.shared('web.log'));
    this.#signal = AbortSignal.any([signal, this.#watching.signal]);
  }

  shared(name = '') {
    return join(this.lab.dir, 'shared', name);
  }

  /** A node that was not cut off. */
  survivor() {
    return nodes.find((name) => name !== this.cut.node);
  }

  lostRequests() {
    return this.client.records.filter(({ node }) => node === undefined);
  }

  /** What another node says of the one that was cut off; undefined: nothing. */
  cutNodeAsSeen() {
    return this.statuses.get(this.survivor())?.nodes.find(({ name }) => name === this.cut.node);
  }

  /** The lease of the boot that was cut off, while it lives; else null. */
  cutLease() {
    if (this.cut === null || this.cut.resetMs !== null) return null;
    return this.statuses.get(this.cut.node)?.lease ?? null;
  }

  // --- watching

  /** Begins to watch: `onEvent` for each event of an agent, `onLook` after each look at the statuses. */
  watch(onEvent, onLook) {
    for (const name of nodes) this.#go(() => this.lab.follow(name, onEvent, this.#signal));
    this.#go(async () => {
      for (;;) {
        this.readRecords();
        await pause(readEveryMs, this.#signal);
      }
    });
    this.#go(async () => {
      for (;;) {
        await this.#look();
        onLook();
        await pause(pollEveryMs, this.#signal);
      }
    });
  }

  /** Ends it. */
  unwatch() {
    this.#watching.abort();
  }

  /** @throws what has gone wrong with watching, if anything */
  check() {
    if (this.#trouble !== null) throw this.#trouble;
  }

  fail(error) {
    if (!this.#signal.aborted) this.#trouble ??= error;
  }

  readRecords() {
    for (const log of [this.client, this.web, this.emulator]) log?.read();
  }

  #go(work) {
    work().catch((error) => this.fail(error));
  }

  async #look() {
    await Promise.all(nodes.map(async (name) => this.statuses.set(name, await this.lab.status(name))));
    this.#signal.throwIfAborted();
  }
}
