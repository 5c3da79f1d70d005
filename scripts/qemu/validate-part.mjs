import { setTimeout as sleep } from 'node:timers/promises';
import { isChosen } from './arguments.mjs';
import { Bench, boundMs, isPet, isReset, patienceMs } from './bench.mjs';
import { drivers, expectedTimes, neverResets } from './drivers.mjs';
import { monotonicMs } from './host-clock.mjs';
import { seconds, toleranceMs } from './verdict.mjs';

/** The commands that tell an operator of his watchdog: `watchdog validate` on every driver, and `why` after each end. */

/** The validation waits four timeouts of 10 s for a reset, and first measures what it can without one. */
const validationMs = 240_000;
/** An agent that may start nothing would have done so by then. */
const watchedMs = 30_000;
const crash = 'umount -l /proc/sysrq-trigger; echo c >/proc/sysrq-trigger';
const endCorosync = 'touch /run/lab/corosync.hold; kill -KILL $(cat /run/lab/corosync.pid)';
const endAgent = 'touch /run/lab/agent.hold; kill -KILL $(cat /run/lab/agent.pid)';

/** In the order in which they are done; each is given { bench, driver, times } and returns { told, failures }. */
const trusted = [
  { name: 'validate', run: validateAndMeasure },
  { name: 'arms after validate', run: armsByTheRecord },
  { name: 'why: quorum lost', run: (context) => why(context, endCorosync, ['self-fenced']) },
  {
    name: 'why: agent killed',
    run: (context) => why(context, endAgent, ['watchdog-fired', 'self-fenced', 'power-loss']),
  },
  { name: 'why: kernel panic', run: (context) => why(context, crash, ['kernel-panic']) },
];
const refused = [
  { name: 'validate', run: validateInVain },
  { name: 'refused though allowed', run: armsNothing },
];

export async function runValidation({ only, guests }, workshop, tell) {
  const chosen = [...drivers, neverResets].filter(({ name }) => isChosen(only, name, 'validate'));
  const results = [];
  const work = async () => {
    for (let driver = chosen.shift(); driver !== undefined; driver = chosen.shift()) {
      for (const result of await runDriver(driver, workshop, tell)) results.push(result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(guests, chosen.length) }, work));
  return results;
}

async function runDriver(driver, workshop, tell) {
  const results = [];
  const steps = driver === neverResets ? refused : trusted;
  const take = (name, result) => {
    results.push({ driver: driver.name, step: name, ...result });
    tell(results.at(-1));
  };
  let guest = null;
  try {
    const node = { driver, node: 1, nodes: 1, boundMs, kappa: null, allowUnvalidated: false };
    guest = await workshop.start(`validate-${driver.name}`, node);
    const times = expectedTimes(boundMs, driver.kappa ?? 1);
    const context = { driver, times, bench: new Bench(guest, driver, times) };
    for (const { name, run } of steps) take(name, await run(context));
  } catch (error) {
    for (const { name } of steps.slice(results.length)) take(name, { told: '-', failures: [error.message] });
  } finally {
    if (guest !== null) await workshop.stop(guest);
  }
  return results;
}

/** The reset that it brings about is seen from outside as well; the two have to agree. */
async function validateAndMeasure({ bench, driver }) {
  const { outsideMs, record } = await validateUntilTold(bench);
  const failures = [];
  const dueMs = driver.resetMs(record.timeoutS);
  if (!(Math.abs(outsideMs - dueMs) <= toleranceMs))
    failures.push(`reset ${seconds(outsideMs)} after the last pet, due ${seconds(dueMs)}`);
  if (record.verdict !== 'resets') failures.push(`the verdict is '${record.verdict}': ${record.sentence}`);
  if (record.kappa !== driver.kappa) failures.push(`it says kappa ${record.kappa}, but it is ${driver.kappa}`);
  const wrongMs = Math.abs(record.measuredMs - outsideMs);
  if (!(wrongMs <= record.uncertaintyMs + toleranceMs)) {
    failures.push(
      `it says ${seconds(record.measuredMs)} ± ${seconds(record.uncertaintyMs)}, seen were ${seconds(outsideMs)}`,
    );
  }
  const told = `${record.verdict}, kappa ${record.kappa}, ${seconds(record.measuredMs)} ± ${seconds(record.uncertaintyMs)} (seen ${seconds(outsideMs)})`;
  return { told, measuredMs: record.measuredMs, uncertaintyMs: record.uncertaintyMs, outsideMs, failures };
}

/** On a machine that is too busy for a measurement it says just that, and is asked again. */
async function validateUntilTold(bench) {
  for (let attempt = 1; ; attempt++) {
    const startMs = await beginValidation(bench);
    const { resetMs, pets } = await bench.awaitReset(startMs, validationMs);
    await bench.answering();
    // 1: it was no success, and the record says why.
    const text = await bench.untilDone('{ holdfast watchdog validate --result --json 2>/dev/null || [ $? = 1 ]; }');
    const record = JSON.parse(text);
    const outsideMs = resetMs - (pets.at(-1)?.atMs ?? Number.NaN);
    if (record.verdict !== 'unfinished' || attempt === maxAttempts) return { outsideMs, record };
  }
}

const maxAttempts = 4;

async function validateInVain({ bench }) {
  const startMs = await beginValidation(bench);
  // The file is there as soon as the command has begun; it is whole when it has ended.
  await bench.untilDone('grep -q verdict /var/lib/lab/validation.json');
  const record = JSON.parse(await bench.guest.sh('cat /var/lib/lab/validation.json'));
  const failures = bench.guest.find(startMs, isReset).map(() => 'the machine was reset');
  if (record.verdict !== 'did-not-reset') failures.push(`the verdict is '${record.verdict}': ${record.sentence}`);
  return { told: `${record.verdict}: ${record.sentence}`, failures };
}

/** In the background: it is not expected to come back. */
async function beginValidation(bench) {
  await bench.answering();
  await bench.untilDone('holdfast status --json 2>/dev/null');
  const startMs = monotonicMs();
  await bench.guest.sh(
    'setsid holdfast watchdog validate --yes --json >/var/lib/lab/validation.json 2>/var/lib/lab/validation.err & sleep 1',
  );
  return startMs;
}

/** Its kappa comes from the record, and nobody had to allow anything. */
async function armsByTheRecord({ bench, driver, times }) {
  await bench.furnish();
  await bench.ready();
  const { protection, watchdog } = JSON.parse(await bench.guest.sh('holdfast status --json 2>/dev/null'));
  const failures = [];
  const expected = driver.name === 'softdog' ? 'protected (not by hardware)' : 'protected';
  if (protection !== expected) failures.push(`the agent says '${protection}'`);
  if (watchdog.timeoutS !== times.timeoutS)
    failures.push(`the timeout is ${watchdog.timeoutS} s, not ${times.timeoutS} s`);
  if (watchdog.effectiveMs !== times.timeoutS * driver.kappa * 1_000)
    failures.push(`T_eff is ${watchdog.effectiveMs} ms`);
  return { told: `${protection}, timeout ${watchdog.timeoutS} s, T_eff ${seconds(watchdog.effectiveMs)}`, failures };
}

/** Not even where unvalidated devices are allowed: of this one it is known that it does not reset. */
async function armsNothing({ bench }) {
  const config = '/etc/holdfast/holdfast.toml';
  // Named, since an agent that may choose loads softdog and takes that.
  await bench.guest.sh(
    `sed -i s/allowUnvalidated.*/allowUnvalidated=true/ ${config}; echo 'device = "/dev/watchdog0"' >>${config}`,
  );
  await bench.guest.sh(
    'agent=$(cat /run/lab/agent.pid); kill -TERM $agent; while kill -0 $agent 2>/dev/null; do sleep 0.2; done',
  );
  await bench.furnish();
  const sinceMs = monotonicMs();
  await sleep(watchedMs);
  const used = bench.guest.find(
    sinceMs,
    (each) => each.kind === 'runs' || (isPet(each) && each.program === 'hf-keeper'),
  );
  const { protection, watchdog } = JSON.parse(await bench.guest.sh('holdfast status --json 2>/dev/null'));
  const failures = used.length > 0 ? [`the agent used it: ${used[0].kind}`] : [];
  if (protection !== 'UNPROTECTED (no watchdog)') failures.push(`the agent says '${protection}'`);
  return { told: `${protection}: ${watchdog.detail}`, failures };
}

/** The machine ends; what the command says of it after the boot. */
async function why({ bench, driver, times }, act, expected) {
  await bench.ready();
  const startMs = monotonicMs();
  bench.guest.sh(act).catch(() => undefined);
  await bench.awaitReset(startMs, times.leaseMs + driver.resetMs(times.timeoutS) + patienceMs);
  await bench.answering();
  await bench.untilDone('holdfast status --json 2>/dev/null');
  const { resets } = JSON.parse(await bench.untilDone('holdfast why --json 2>/dev/null'));
  const [last] = resets;
  if (last === undefined) return { told: 'nothing', failures: ['it knows of no reset'] };
  const told = `${last.verdict}${last.cause === null ? '' : ` (${last.cause})`}, ${last.certainty}`;
  return { told, summary: last.summary, failures: expected.includes(last.verdict) ? [] : [`${told}: ${last.summary}`] };
}
