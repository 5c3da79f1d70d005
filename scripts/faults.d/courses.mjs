import { setTimeout as sleep } from 'node:timers/promises';
import { longestPetGapMs, petsBetween, resetAfter, resetWithheldAfter } from './measure.mjs';

/** The courses that faults take: what follows the injection, and what has to be seen. Each is given a Run. */

/** Cut off, and its agent dies every two seconds and is restarted: each death may pet the watchdog, none may save the node. */
export async function resetThoughCrashing(run) {
  await run.inject(() => run.lab.verb('cut', run.node));
  const crashes = crashUntil(run, run.injectedMs + run.boundMs + 1_000);
  await run.awaitReset(run.node);
  run.notes.push(`${await crashes} deaths`);
  await run.awaitTakeover();
  run.expectResets(run.node);
}

/** Ends early when the machine is off, and there is nobody to kill. */
async function crashUntil(run, endMs) {
  for (let deaths = 0; ; deaths++) {
    await sleep(2_000);
    if (run.nowMs() > endMs) return deaths;
    try {
      await run.lab.verb('agent-kill', run.node);
    } catch {
      return deaths;
    }
  }
}

/** The node is reset in the bound, and its resource runs elsewhere; after a new boot the node is welcome. */
export async function resetAndTakeover(run, injection) {
  await run.inject(() => injection(run.lab, run.node));
  await run.awaitReset(run.node);
  await run.awaitTakeover();
  run.expectResets(run.node);
}

/** Corosync may bear it. Then the service goes on where it is; else it is as after any other cut. */
export async function resetOrRideThrough(run, injection) {
  await run.inject(() => injection(run.lab, run.node));
  const rodeMs = run.boundMs + 5_000;
  const done = () =>
    resetAfter(run.emulator(run.node), run.injectedMs) !== null || run.nowMs() - run.injectedMs > rodeMs;
  await run.until('a reset, or none in the bound', done, rodeMs + 5_000);
  if (resetAfter(run.emulator(run.node), run.injectedMs) === null) {
    run.expectUndisturbed();
    run.expectResets();
    run.notes.push('kept its quorum');
    return;
  }
  await run.awaitReset(run.node);
  await run.awaitTakeover();
  run.expectResets(run.node);
}

/** No reset, no restart: for longer than any lease lasts. */
export async function undisturbed(run, injection) {
  await run.inject(() => injection(run.lab, run.node));
  const armed = async () => {
    const status = await run.lab.status(run.node);
    return status?.watchdog.state === 'armed' && status.watchdog.pets > 0;
  };
  await run.until('the agent to pet the watchdog again', armed, run.boundMs);
  run.figures.armedAgainMs = run.nowMs() - run.injectedMs;
  await sleep(Math.max(0, run.injectedMs + 0.7 * run.boundMs - run.nowMs()));
  run.expectUndisturbed();
  run.expectResets();
  run.figures.petGapMs = longestPetGapMs(run.emulator(run.node));
}

/**
 * A watchdog that fails to reset: the node lives on, its corosync stopped. What the reset would have done to the
 * resource is done by the lab. The others take over, corosync goes on, and the node has to find itself fenced.
 */
export async function continuedAfterTakeover(run) {
  const { lab, node } = run;
  await lab.verb('emulator', node, 'no-reboot', 'on');
  await run.inject(() => lab.verb('pause', node));
  const withheld = () => resetWithheldAfter(run.emulator(node), run.injectedMs);
  const { atMs, lastPetMs } = await run.until('the watchdog to fire', withheld, run.boundMs + 5_000);
  await lab.verb('in', node, 'kill', '-KILL', run.before.pid);
  run.record({ atMs, lastPetMs });
  await run.awaitTakeover();
  const continuedMs = run.nowMs();
  await lab.verb('resume', node);
  await run.until('the node to find itself fenced', () => run.agentSaid(node, 'this boot was declared fenced'), 15_000);
  const asks = () =>
    run.emulator(node).some(({ event, bootMs }) => event === 'reset-requested' && bootMs > continuedMs);
  await run.until('the node to ask for its reset', asks, 10_000);
  await sleep(2_000);
  const pets = petsBetween(run.emulator(node), atMs, Number.POSITIVE_INFINITY);
  run.expect(pets.length === 0, `the node petted ${pets.length} times after its lease had ended`);
  await lab.verb('emulator', node, 'no-reboot', 'off');
  await run.until('the reset', () => resetAfter(run.emulator(node), continuedMs), run.boundMs);
  run.expect(run.instances().length === 2, 'the resource was started again after the takeover');
  run.expectResets(node);
}

/** Cut, reset and fenced; then the same boot comes back, as one does that was never really reset. */
export async function sameBootId(run) {
  const { lab, node } = run;
  await run.inject(() => lab.verb('cut', node));
  await run.awaitReset(node);
  await run.awaitTakeover();
  await lab.verb('heal');
  const backMs = run.nowMs();
  await lab.verb('boot', node, '--same-boot-id');
  await run.awaitReset(node, backMs);
  run.expect(run.agentSaid(node, 'this boot was declared fenced'), 'the node did not say that it was declared fenced');
  run.expect(run.instances().length === 2, 'the resource was started again after the takeover');
  run.expectResets(node, node);
}
