import { setTimeout as sleep } from 'node:timers/promises';
import { drivers } from './drivers.mjs';
import { agentIsThere, isReady, isRun } from './guest.mjs';
import { monotonicMs } from './host-clock.mjs';
import { Hub } from './hub.mjs';
import { doubleRuns, spansOf } from './spans.mjs';

export const boundMs = 60_000;
/** Three kinds of hardware; none stops when the kernel does. */
const members = ['i6300esb', 'ib700', 'itco'];
/** Three guests at once boot, form a cluster and agree on it, on a busy host without KVM. */
const wholeMs = 420_000;
const pollMs = 4_000;
const witness = 'ocf:witness';

/** Three guests with corosync between them, and the witness on one of them. */
export class Cluster {
  guests = [];
  /** From here on nothing has been judged yet: resets that are not due, two runs at once. */
  judgedMs = 0;
  #hub;
  #workshop;

  constructor(workshop) {
    this.#workshop = workshop;
    this.#hub = new Hub(workshop.path('hub'));
  }

  async start() {
    const started = await Promise.allSettled(members.map((name, i) => this.#startGuest(name, i + 1)));
    this.guests = started.flatMap(({ value }) => value ?? []);
    for (const { reason } of started) if (reason !== undefined) throw reason;
    for (const guest of this.guests) await guest.until('boot', 0, isReady, wholeMs);
    await this.untilWhole();
    await this.guests[0].sh(`holdfast add ${witness} --agent ocf:holdfast:witness`);
    await this.untilRuns(this.guests);
  }

  async stop() {
    await Promise.all(this.guests.map((guest) => this.#workshop.stop(guest)));
    this.#hub.close();
  }

  cut(guest) {
    this.#hub.cut(guest.name);
  }

  heal(guest) {
    this.#hub.heal(guest.name);
  }

  /** Has the witness moved to `guest`, unless it runs there. */
  async bring(guest) {
    if (this.#lastHeard() === guest) return;
    await guest.sh(`holdfast relocate ${witness} ${guest.name}`);
    await this.untilRuns([guest]);
    await this.untilWhole();
  }

  othersThan(guest) {
    return this.guests.filter((each) => each !== guest);
  }

  /** When the witness is first heard from one of `guests`, from now on: { guest, atMs }. */
  untilRuns(guests, limitMs = wholeMs) {
    const sinceMs = monotonicMs();
    const heard = (guest) => guest.until('witness', sinceMs, isRun, limitMs).then(({ atMs }) => ({ guest, atMs }));
    return Promise.any(guests.map(heard)).catch(({ errors }) => {
      throw errors[0];
    });
  }

  /** Every agent says that all of them are online and the witness is started. */
  async untilWhole(limitMs = wholeMs) {
    const endMs = monotonicMs() + limitMs;
    for (;;) {
      const problem = await this.#problem();
      if (problem === null) return;
      if (monotonicMs() > endMs) throw new Error(`the cluster is not whole: ${problem}`);
      await sleep(pollMs);
    }
  }

  /** The first that is found: an emulated processor needs seconds to start a program that asks. */
  async #problem() {
    for (const guest of this.guests) {
      const [problem] = wholeProblems(await statusOf(guest), guest.name);
      if (problem !== undefined) return problem;
    }
    return null;
  }

  /** Pairs of runs at the same time, since `sinceMs`, as sentences. */
  doubleRuns(sinceMs) {
    const heard = Object.fromEntries(this.guests.map((guest) => [guest.name, guest.find(sinceMs, isRun)]));
    const pairs = doubleRuns(spansOf(heard));
    return pairs.map(([one, other]) => `the resource ran on ${one.node} and ${other.node} at once`);
  }

  /** The guest that the witness was last heard from; undefined: none. */
  #lastHeard() {
    const lastMs = (guest) => guest.seen.findLast(isRun)?.atMs ?? 0;
    return this.guests.filter((guest) => lastMs(guest) > 0).sort((a, b) => lastMs(b) - lastMs(a))[0];
  }

  async #startGuest(driverName, node) {
    const driver = drivers.find(({ name }) => name === driverName);
    const name = `node${node}`;
    const network = await this.#hub.open(name, node);
    // One of them may reset itself, as in production; of the others the watchdog has to do it.
    const settings = { driver, node, nodes: members.length, boundMs, ownReset: node === 1 };
    return Object.assign(await this.#workshop.start(name, settings, { network }), settings);
  }
}

async function statusOf(guest) {
  try {
    return JSON.parse(await guest.sh(`${agentIsThere} && holdfast status --json 2>/dev/null`));
  } catch {
    return null;
  }
}

function wholeProblems(report, name) {
  if (report === null) return [`${name} does not answer`];
  const away = report.nodes.filter(({ state }) => state !== 'online').map((node) => `${node.name} is ${node.state}`);
  const waiting = report.services
    .filter(({ state }) => state !== 'started')
    .map(({ sid, state }) => `${sid} is ${state}`);
  const told = [...away, ...waiting, ...(report.nodes.length === members.length ? [] : ['nodes are missing'])];
  return told.map((problem) => `${name} says: ${problem}`);
}
