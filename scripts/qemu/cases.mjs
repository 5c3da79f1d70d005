/**
 * What is done to the agent of a guest that pets its watchdog, and what has to follow.
 *
 * `prepare` and `act`: shell commands in the guest; $agent is the agent's pid. `lastPet(times)`: between which two
 * instants the last pet has to be, milliseconds from the act on; null: there must be no reset. The pet is seen in the
 * kernel's trace, so what a closed device does is seen as well. `closes`: whether the device has to be closed between the
 * act and the reset, or must not be; undefined: either.
 *
 * `ownTime`: in a guest whose time is its own, see qemuArguments; only where there must be no reset.
 * Everywhere but in own-reset the way by which the agent resets the machine itself is masked: the watchdog has to do it.
 */

/** An act takes effect within so long, on a busy host with an emulated processor. */
const actMs = 1_500;
/** How old the newest grant may be: a heartbeat a second, its way, and one that was just missed. */
const grantAgeMs = 2_500;

/** Not merely stopped: a node that is alone is a quorum, and needs nobody to echo its heartbeats. */
export const endCorosync = 'touch /run/lab/corosync.hold; kill -KILL $(cat /run/lab/corosync.pid)';

/** A shell command that fails if the condition does not come true; less than the lab waits for a command. */
function untilTrue(condition) {
  return `for i in $(seq 300); do ${condition} && break; sleep 0.2; done; ${condition}`;
}

const untilLeaseEnds = ({ leaseMs, petIntervalMs }) => [leaseMs - grantAgeMs - petIntervalMs, leaseMs];
const atOnce = () => [0, actMs];
const before = ({ petIntervalMs }) => [-petIntervalMs - actMs, actMs];

export const cases = [
  {
    name: 'stop-petting',
    note: 'corosync is gone: the lease runs out, and the keeper pets no more',
    act: endCorosync,
    lastPet: untilLeaseEnds,
  },
  {
    name: 'agent-killed',
    note: 'SIGKILL, not restarted: the kernel closes the device, which is a pet',
    prepare: 'touch /run/lab/agent.hold',
    act: 'kill -KILL $agent',
    lastPet: atOnce,
    closes: true,
  },
  {
    name: 'agent-stopped',
    note: 'SIGSTOP, the keeper with it',
    act: 'kill -STOP $agent',
    lastPet: before,
  },
  {
    name: 'javascript-blocked',
    note: 'an endless loop; the keeper pets until the lease has run out',
    act: 'kill -USR2 $agent',
    lastPet: untilLeaseEnds,
  },
  {
    name: 'keeper-stalled',
    note: 'its thread alone is stopped',
    act: `stall-thread $agent hf-keeper >/run/lab/stall.log 2>&1 & ${untilTrue('grep -q stalled /run/lab/stall.log')}`,
    lastPet: before,
  },
  {
    name: 'agent-restarted',
    note: 'SIGKILL, restarted by its supervisor',
    // On a busy host the restart of an emulated agent takes longer than a watchdog gives.
    ownTime: true,
    act: 'kill -KILL $agent',
    lastPet: null,
    afterwards: 'pets-go-on',
  },
  {
    name: 'duplicate-held',
    note: 'SIGKILL, not restarted, while another process has the device open too: no close, no pet',
    prepare: `touch /run/lab/agent.hold; hold-device $agent >/run/lab/hold.log 2>&1 & ${untilTrue('grep -q held /run/lab/hold.log')}`,
    act: 'kill -KILL $agent',
    lastPet: before,
    closes: false,
  },
  {
    name: 'own-reset',
    note: 'as stop-petting, but the agent may reset the machine itself when the lease has run out',
    ownReset: true,
    act: endCorosync,
    lastPet: untilLeaseEnds,
  },
  {
    name: 'clean-stop',
    note: 'SIGTERM, when nothing runs there any more',
    prepare: `holdfast disable ocf:witness; touch /run/lab/agent.hold; ${untilTrue('holdfast status --json | grep -q \'"lrm": "idle"\'')}`,
    act: `kill -TERM $agent; ${untilTrue('! kill -0 $agent 2>/dev/null')}`,
    lastPet: null,
    afterwards: 'disarmed',
  },
];

/**
 * When the reset has to come: { after: 'pet' or 'act', fromMs, toMs } from that, whether QEMU says that the watchdog
 * did it, the last pet's range, and the case's `closes`; null: never.
 */
export function predict(driver, { lastPet, ownReset, closes }, times) {
  if (lastPet === null) return null;
  const range = lastPet(times);
  if (ownReset) {
    const [fromMs, toMs] = [times.leaseMs - grantAgeMs, times.leaseMs];
    return { after: 'act', fromMs, toMs, announced: false, lastPet: range, closes };
  }
  const resetMs = driver.resetMs(times.timeoutS);
  return { after: 'pet', fromMs: resetMs, toMs: resetMs, announced: driver.announced, lastPet: range, closes };
}
