import { join } from 'node:path';
import { LogTail } from '../faults.d/log-tail.mjs';
import { resetAfter } from '../faults.d/measure.mjs';
import { doubleRuns, instancesOf } from '../faults.d/probe.mjs';
import { isLetGo, longestGapMs, Runs, requestsBetween, resetsBetween } from './records.mjs';

/** A resource whose last sign of life is older than this does not run; signs come every 20 or 100 ms. */
const aliveMs = 1_500;

/** Sees what happens in the lab without asking an agent. */
export class Witness {
  #clock;
  #resources;
  #emulators;
  #requests;

  /** `resources`: names of those that record their runs; `nodes`: numbers. */
  constructor(lab, { clock, resources, nodes, requestLog }) {
    this.#clock = clock;
    const source = (name) => ({ tail: new LogTail(join(lab.dir, `shared/${name}.log`)), read: 0, runs: new Runs() });
    this.#resources = new Map(resources.map((name) => [name, source(name)]));
    this.#emulators = new Map(nodes.map((node) => [node, new LogTail(lab.path(node, 'emulator.log'))]));
    this.#requests = new LogTail(requestLog);
  }

  nowMs() {
    return this.#clock();
  }

  #lines(name) {
    const source = this.#resources.get(name);
    const records = source.tail.records();
    for (; source.read < records.length; source.read++) source.runs.add(records[source.read]);
    return source.runs.lines();
  }

  /** Each time that it ran: { instance, node, pid, fromMs, toMs }, in order. */
  instances(name) {
    return instancesOf(this.#lines(name));
  }

  /** The instance that runs now; null: none. */
  running(name) {
    const nowMs = this.nowMs();
    const lines = this.#lines(name);
    const ended = new Set(lines.filter(({ event }) => event === 'stop').map(({ instance }) => instance));
    const last = instancesOf(lines).at(-1);
    return last === undefined || ended.has(last.instance) || nowMs - last.toMs > aliveMs ? null : last;
  }

  /** By name, the node that each runs on, as it says itself; null: none. */
  places() {
    return Object.fromEntries([...this.#resources.keys()].map((name) => [name, this.running(name)?.node ?? null]));
  }

  /** Sentences: the times that something ran twice, from the beginning on. */
  doubleRuns() {
    return [...this.#resources.keys()].flatMap((name) =>
      doubleRuns(this.#lines(name)).map((sentence) => `${name} ${sentence}`),
    );
  }

  /** By name, in milliseconds. */
  gaps(fromMs, toMs) {
    const names = [...this.#resources.keys()];
    return Object.fromEntries(
      names.map((name) => [name, Math.round(longestGapMs(this.instances(name), fromMs, toMs))]),
    );
  }

  requests(fromMs, toMs) {
    return requestsBetween(this.#requests.records(), fromMs, toMs);
  }

  /** By node's number: how often its watchdog has reset it. */
  resets(fromMs, toMs) {
    const all = [...this.#emulators].map(([node, tail]) => [node, resetsBetween(tail.records(), fromMs, toMs)]);
    return Object.fromEntries(all);
  }

  /** When its watchdog reset it first; null: it has not. */
  resetMs(node, sinceMs) {
    return resetAfter(this.#emulators.get(node).records(), sinceMs)?.atMs ?? null;
  }

  isLetGo(node) {
    return isLetGo(this.#emulators.get(node).records());
  }
}
