/**
 * What the run has shown, from records that are independent of the agents: the watchdog emulator's, the client's, and
 * the web server's own, which was written under the kernel's lock. All instants are CLOCK_BOOTTIME milliseconds; only
 * the loss of quorum is told by an agent.
 */

/** Where a service may be back later than the bound: takeover time, start, the client's interval. */
export const backAfterBoundMs = 5000;

/**
 * @param evidence {{ boundMs, cutMs, cutNode, quorumLostMs, emulator, web, client }} `emulator` of the cut node; `web` and
 *   `client` the records of the whole run
 * @returns durations since the cut (null: it did not happen) and verdicts `{ held, why }`
 */
export function figuresOf(evidence) {
  const { boundMs, cutMs, quorumLostMs, client } = evidence;
  const since = (atMs) => (atMs === null || atMs === undefined ? null : atMs - cutMs);
  const killedMs = resetOf(evidence);
  const back = firstAnswerOfAnother(evidence);
  const times = {
    quorumLostMs: since(quorumLostMs),
    lastPetMs: since(lastPetBefore(evidence, killedMs)),
    resetMs: since(killedMs),
    backMs: since(back?.doneMs),
  };
  return {
    ...times,
    requests: client.length,
    lost: client.filter((request) => request.node === undefined).length,
    bound: within(times.resetMs, boundMs, 'reset'),
    service: within(times.backMs, boundMs + backAfterBoundMs, 'answered'),
    safety: safety(evidence, killedMs),
  };
}

function resetOf({ emulator, cutMs }) {
  return emulator.find(({ event, bootMs }) => event === 'killed' && bootMs >= cutMs)?.bootMs ?? null;
}

function lastPetBefore({ emulator }, killedMs) {
  if (killedMs === null) return null;
  return emulator.findLast(({ event, bootMs }) => event === 'pet' && bootMs <= killedMs)?.bootMs ?? null;
}

function firstAnswerOfAnother({ client, cutNode, cutMs }) {
  const answers = client.filter(({ node, sentMs }) => node !== undefined && node !== cutNode && sentMs >= cutMs);
  return answers.reduce((first, answer) => (first && first.doneMs <= answer.doneMs ? first : answer), undefined);
}

function within(ms, limitMs, what) {
  if (ms === null) return { held: false, why: `it was never ${what}` };
  return {
    held: ms <= limitMs,
    why: `${what} ${tenths(Math.abs(limitMs - ms))} s ${ms <= limitMs ? 'before' : 'after'} the limit`,
  };
}

function safety({ web, client, cutMs, cutNode }, killedMs) {
  const clash = web.find(({ event }) => event === 'clash');
  if (clash) return { held: false, why: `${clash.node} wanted to run it while another node held the lock` };
  const lives = livesOf(web);
  for (const [index, life] of lives.entries()) {
    const overlapping = lives.slice(0, index).find(({ toMs }) => toMs >= life.fromMs);
    if (overlapping) return { held: false, why: `it ran on ${overlapping.node} and on ${life.node} at once` };
  }
  const stretches = stretchesOf(client);
  if (new Set(stretches).size !== stretches.length) {
    return { held: false, why: `the client was answered by turns: ${stretches.join(', ')}` };
  }
  const next = lives.find(({ fromMs, node }) => fromMs >= cutMs && node !== cutNode);
  if (killedMs === null || next === undefined) return { held: false, why: 'there was no takeover that could show it' };
  if (next.fromMs <= killedMs) return { held: false, why: `${next.node} started it before ${cutNode} was reset` };
  return { held: true, why: `${next.node} started it ${tenths(next.fromMs - killedMs)} s after the reset` };
}

/** Of each server process: from its start to the last sign of life, ascending. */
export function livesOf(web) {
  const lives = [];
  const current = new Map();
  for (const { event, node, bootMs } of [...web].sort((a, b) => a.bootMs - b.bootMs)) {
    if (event === 'start') {
      const life = { node, fromMs: bootMs, toMs: bootMs };
      lives.push(life);
      current.set(node, life);
    } else if (current.has(node)) current.get(node).toMs = bootMs;
  }
  return lives;
}

/** The nodes in the order in which they answered, each as often as it took turns. */
function stretchesOf(client) {
  const answers = client.filter(({ node }) => node !== undefined).sort((a, b) => a.doneMs - b.doneMs);
  return answers.map(({ node }) => node).filter((node, index, all) => node !== all[index - 1]);
}

function tenths(ms) {
  return (ms / 1000).toFixed(1);
}
