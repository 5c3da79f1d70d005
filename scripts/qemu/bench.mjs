import { setTimeout as sleep } from 'node:timers/promises';
import { predict } from './cases.mjs';
import { agentIsThere } from './guest.mjs';
import { monotonicMs } from './host-clock.mjs';
import { judgeReset, seconds } from './verdict.mjs';

/** Bound of a guest that is alone: the shortest that leaves iTCO, which expires twice, a timeout that it can have. */
export const boundMs = 36_000;
/** A guest boots, forms its cluster and pets again, on a busy host without KVM. */
const readyMs = 240_000;
/** What a reset that is due may be late before it is said never to come. */
export const patienceMs = 45_000;
const flag = '/var/lib/lab/own-reset';

/** One guest with one watchdog, and an agent that pets it because a resource runs there. */
export class Bench {
  #guest;
  #driver;
  #times;
  #bootedMs = 0;

  constructor(guest, driver, times) {
    this.#guest = guest;
    this.#driver = driver;
    this.#times = times;
  }

  get guest() {
    return this.#guest;
  }

  /** When the present boot began. */
  get bootedMs() {
    return this.#bootedMs;
  }

  /** Adds the resource, once. */
  async furnish() {
    await this.answering();
    await this.untilDone('holdfast add ocf:witness --agent ocf:holdfast:witness');
  }

  /** Waits until the agent pets; resolves to nothing, or rejects with what the agent says. */
  async ready() {
    const armedMs = this.#bootedMs;
    await this.answering();
    try {
      await this.#guest.until('running resource', armedMs, ({ kind }) => kind === 'runs', readyMs);
      await this.#pets(3);
    } catch (error) {
      const says = await this.#guest.sh('holdfast status; tail -n 3 /run/lab/agent.log').catch(() => 'no answer');
      throw new Error(`${error.message}; the agent says: ${says}`);
    }
  }

  /** Carries out a case; the figures and what did not hold. */
  async run(kase) {
    await this.#allowOwnReset(kase.ownReset ?? false);
    await this.ready();
    const agent = await this.#guest.sh('cat /run/lab/agent.pid');
    const shell = (command) => this.#guest.sh(`agent=${agent}; ${command}`);
    if (kase.prepare !== undefined) await shell(kase.prepare);
    const actFromMs = monotonicMs();
    await shell(kase.act);
    const actToMs = monotonicMs();
    const act = { actFromMs, actToMs, agent: Number(agent) };
    const predicted = predict(this.#driver, kase, this.#times);
    return predicted === null ? this.#expectNoReset(kase, act) : this.#expectReset(predicted, act);
  }

  /** The reset that comes next is the end of the present boot. */
  async awaitReset(sinceMs, limitMs) {
    const reset = await this.#guest.until('reset', sinceMs, isReset, limitMs);
    const [fired] = this.#guest.find(sinceMs, isFiring);
    const pets = this.#guest.find(this.#bootedMs, isPet).filter(({ atMs }) => atMs < fired.atMs);
    this.#bootedMs = reset.atMs;
    return { resetMs: fired.atMs, pets };
  }

  async #expectReset(predicted, { actFromMs, actToMs }) {
    const limitMs = this.#times.leaseMs + this.#driver.resetMs(this.#times.timeoutS) + patienceMs;
    try {
      const measured = { ...(await this.awaitReset(actFromMs, limitMs)), actFromMs, actToMs };
      return { predicted, ...judgeReset(measured, predicted, this.#times.effectiveMs) };
    } catch (error) {
      this.#forceReset();
      return { predicted, failures: [error.message] };
    }
  }

  async #expectNoReset({ afterwards }, { actFromMs, agent }) {
    const watchMs = 3 * this.#times.effectiveMs + this.#times.petIntervalMs;
    // By the guest's own clock; a reset ends it.
    const slept = this.#guest.sh(`sleep ${watchMs / 1_000}`, readyMs);
    const problem = await slept.then(
      () => [],
      (error) => [error.message],
    );
    const watchedMs = monotonicMs() - actFromMs;
    const [reset] = this.#guest.find(actFromMs, isReset);
    if (reset === undefined) {
      return { predicted: null, watchedMs, failures: [...problem, ...(await this[afterwards](actFromMs, agent))] };
    }
    const pets = this.#guest.find(this.#bootedMs, isPet).filter(({ atMs }) => atMs < reset.atMs);
    this.#bootedMs = reset.atMs;
    const sinceMs = reset.atMs - (pets.at(-1)?.atMs ?? 0);
    const failures = [`reset ${seconds(reset.atMs - actFromMs)} after the act, ${seconds(sinceMs)} after the last pet`];
    return { predicted: null, watchedMs, failures };
  }

  /** Afterwards: another process pets, and did so in time. */
  async 'pets-go-on'(actFromMs, formerAgent) {
    const pets = this.#guest.find(this.#bootedMs, isPet);
    const others = pets.filter(({ atMs, pid }) => atMs > actFromMs && pid !== formerAgent);
    return others.length < 2 ? ['the restarted agent does not pet'] : [];
  }

  /** Afterwards: nobody pets, and the kernel says that it does not count. */
  async disarmed(actFromMs) {
    const endMs = monotonicMs();
    const late = this.#guest.find(actFromMs, isPet).filter(({ atMs }) => atMs > endMs - this.#times.effectiveMs);
    const failures = late.length > 0 ? ['something pets the watchdog after the clean stop'] : [];
    if (!this.#driver.sysfs) return failures;
    const state = await this.#guest.sh('cat /sys/class/watchdog/watchdog0/state');
    return state === 'inactive' ? failures : [...failures, `the watchdog is ${state} after the clean stop`];
  }

  /** The next agent may ask for the reset itself; it opens what it needs for that when it arms. */
  async #allowOwnReset(allowed) {
    await this.answering();
    const is = (await this.#guest.sh(`[ -e ${flag} ] && echo yes || echo no`)) === 'yes';
    if (is === allowed) return;
    await this.#guest.sh(allowed ? `mkdir -p ${flag} && sync` : `rmdir ${flag} && sync`);
    this.#forceReset();
    await this.answering();
  }

  #forceReset() {
    this.#bootedMs = monotonicMs();
    this.#guest.reset();
  }

  /** Resolves when this boot's guest takes commands. */
  answering() {
    return this.#guest.until(
      'boot',
      this.#bootedMs,
      ({ kind, line }) => kind === 'control' && line === '0 = 0',
      readyMs,
    );
  }

  async #pets(count) {
    const sinceMs = monotonicMs();
    for (let i = 0; i < count; i++) {
      const last = this.#guest.find(sinceMs, isPet).at(-1)?.atMs ?? sinceMs;
      await this.#guest.until('pet', last + 1, isPet, readyMs);
    }
  }

  /** Runs a command of the CLI until the agent takes it: it may not be there yet, or not know its cluster. */
  async untilDone(command) {
    const endMs = monotonicMs() + readyMs;
    for (;;) {
      try {
        return await this.#guest.sh(`${agentIsThere} && ${command}`);
      } catch (error) {
        if (monotonicMs() > endMs) throw error;
        await sleep(1_000);
      }
    }
  }
}

export const isPet = ({ kind }) => kind === 'pet';
export const isReset = ({ kind }) => kind === 'reset';
/** Where the hardware tells, it tells first. */
const isFiring = ({ kind }) => kind === 'watchdog' || kind === 'reset';
