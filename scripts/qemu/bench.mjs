import { setTimeout as sleep } from 'node:timers/promises';
import { untilMeasured } from './attempts.mjs';
import { predict } from './cases.mjs';
import { agentIsThere, isBoot, isClose, isPet, isReady, isReset, isRun } from './guest.mjs';
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
  /** Resets that were awaited, or told. */
  #known = new Set();

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

  /** Whether services are kept away from this node; it stays so over boots. */
  async setMaintenance(enabled) {
    // Refused if it is so already; after an outcome that is not known it may be.
    const isSo = `holdfast status --json 2>/dev/null | grep -q '"maintenance": ${enabled}'`;
    await this.untilDone(`{ holdfast maintenance ${enabled ? 'enable' : 'disable'} node1 || ${isSo}; }`);
  }

  /** Waits until the agent pets; resolves to nothing, or rejects with what the agent says. */
  async ready() {
    const armedMs = this.#bootedMs;
    await this.answering();
    try {
      await this.#guest.until('running resource', armedMs, isRun, readyMs);
      await this.#pets(3);
    } catch (error) {
      const says = await this.#guest.sh('holdfast status; tail -n 3 /run/lab/agent.log').catch(() => 'no answer');
      throw new Error(`${error.message}; the agent says: ${says}`);
    }
  }

  /** Carries out a case; the figures and what did not hold. */
  run(kase) {
    return this.attempt(() => this.#run(kase));
  }

  /**
   * Does something with the guest, again where nothing was measured, see untilMeasured. It fails by every reset since the
   * one before that nobody awaited.
   */
  attempt(once) {
    return untilMeasured(async () => {
      const result = await once();
      return { ...result, failures: [...result.failures, ...this.undueResets()] };
    });
  }

  /** A sentence for each reset that the lab has neither awaited nor caused; each is told once. */
  undueResets() {
    const undue = findUndue(
      this.#guest.find(0, (each) => isReset(each) || isBoot(each)),
      this.#known,
    );
    return undue.map((each) => {
      this.#known.add(each);
      const agoText = `${seconds(monotonicMs() - each.atMs)} ago`;
      return isBoot(each)
        ? `booted twice, the second time ${agoText}, and only one reset was seen`
        : `reset ${agoText}, and nothing was to reset it`;
    });
  }

  async #run(kase) {
    await this.#allowOwnReset(kase.ownReset ?? false);
    await this.ready();
    const agent = await this.#guest.sh('cat /run/lab/agent.pid');
    const shell = (command) => this.#guest.sh(`agent=${agent}; ${command}`);
    if (kase.prepare !== undefined) await shell(kase.prepare);
    const threads = (await shell('ls /proc/$agent/task')).split('\n').map(Number);
    const actFromMs = monotonicMs();
    await shell(kase.act);
    const actToMs = monotonicMs();
    const act = { actFromMs, actToMs, threads };
    const predicted = predict(this.#driver, kase, this.#times);
    return predicted === null ? this.#expectNoReset(kase, act) : this.#expectReset(predicted, act);
  }

  /**
   * The reset that comes next is the end of the present boot: { firedMs, resetMs, announced, pets, closes }. Where the
   * hardware tells that it has fired, it does so a moment before the machine stands still.
   */
  async awaitReset(sinceMs, limitMs) {
    const reset = await this.#guest.until('reset', sinceMs, isReset, limitMs);
    this.#known.add(reset);
    const firedMs = reset.wordMs ?? reset.atMs;
    const [pets, closes] = [isPet, isClose].map((fits) =>
      this.#guest.find(this.#bootedMs, fits).filter(({ atMs }) => atMs < firedMs),
    );
    this.#bootedMs = reset.atMs;
    return { firedMs, resetMs: reset.atMs, announced: reset.wordMs !== null, pets, closes };
  }

  async #expectReset(predicted, { actFromMs, actToMs }) {
    const limitMs = this.#times.leaseMs + this.#driver.resetMs(this.#times.timeoutS) + patienceMs;
    try {
      const measured = { ...(await this.awaitReset(actFromMs, limitMs)), actFromMs, actToMs };
      return { predicted, ...judgeReset(measured, predicted, this.#times.effectiveMs) };
    } catch (error) {
      this.cutPower();
      return { predicted, failures: [error.message] };
    }
  }

  async #expectNoReset({ afterwards }, { actFromMs, threads }) {
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
      return { predicted: null, watchedMs, failures: [...problem, ...(await this[afterwards](actFromMs, threads))] };
    }
    this.#known.add(reset);
    const pets = this.#guest.find(this.#bootedMs, isPet).filter(({ atMs }) => atMs < reset.atMs);
    this.#bootedMs = reset.atMs;
    const sinceMs = reset.atMs - (pets.at(-1)?.atMs ?? 0);
    const failures = [`reset ${seconds(reset.atMs - actFromMs)} after the act, ${seconds(sinceMs)} after the last pet`];
    return { predicted: null, watchedMs, failures };
  }

  /** Afterwards: the keeper of another agent pets. The former one's last pet, and the one of its close, are none. */
  async 'pets-go-on'(actFromMs, formerThreads) {
    const isOther = (each) => isPet(each) && each.program === 'hf-keeper' && !formerThreads.includes(each.thread);
    return this.#guest.find(actFromMs, isOther).length < 2 ? ['the restarted agent does not pet'] : [];
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
    this.cutPower();
    await this.answering();
  }

  /** What the guest has not written to its disk is lost. Nothing of the present boot counts any more. */
  cutPower() {
    this.#bootedMs = monotonicMs();
    this.#guest.reset();
  }

  /** Resolves when this boot's guest takes commands. */
  answering() {
    return this.#guest.until('boot', this.#bootedMs, isReady, readyMs);
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

/**
 * Of all resets and boots of a guest, in their order: resets that the lab has not caused, and boots that no reset has led
 * to, since those of a guest that is not up yet are not seen. `known`: those that are none of them.
 */
export function findUndue(seen, known) {
  let isBooted = false;
  return seen.filter((each) => {
    const isUndue = isReset(each) ? each.by !== 'lab' : isBooted;
    isBooted = isBoot(each);
    return isUndue && !known.has(each);
  });
}
