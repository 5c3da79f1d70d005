import type { Command } from '../core/cluster-state.js';
import type { Fault } from './fault.js';
import type { Random } from './sim-random.js';

/** What a schedule is drawn from. */
export interface Draft {
  readonly random: Random;
  readonly nodes: readonly number[];
  readonly fenceBoundMs: number;
  readonly sids: readonly string[];
  /** The one node whose store may be lost: with two of three gone, a cluster has to wait for ever. */
  readonly fragileNode: number;
}

export interface Step {
  readonly afterMs: number;
  readonly fault: Fault;
}

export interface Misfortune {
  readonly weight: number;
  /** Who loses a store and votes besides may have lost more than a cluster can bear; a run has one of the two. */
  readonly touches?: 'stores' | 'voters';
  readonly draw: (draft: Draft) => readonly Step[];
}

/** Single faults, and whole courses of events that are known to be dangerous. */
export const misfortunes: readonly Misfortune[] = [
  { weight: 3, draw: (d) => now(isolate(node(d), d)) },
  { weight: 3, draw: (d) => now({ kind: 'partition', groups: split(d) }) },
  { weight: 3, draw: () => now({ kind: 'heal' }) },
  { weight: 2, draw: oneCut },
  { weight: 2, draw: flapping },
  { weight: 5, draw: isolatedForLong },
  { weight: 2, draw: shiftingSplit },
  { weight: 2, draw: stalledWhileLost },
  { weight: 3, draw: lastPets },
  { weight: 3, draw: powerCut },
  { weight: 2, draw: (d) => now({ kind: 'power-on', nodes: [node(d)] }) },
  { weight: 2, draw: (d) => now({ kind: 'kill-agent', node: node(d), restartMs: restart(d) }) },
  { weight: 1, draw: (d) => now({ kind: 'kill-agent', node: node(d), restartMs: null }) },
  { weight: 1, draw: (d) => now({ kind: 'end-agent', node: node(d), restartMs: d.random.int(100, 6_000) }) },
  { weight: 1, draw: (d) => now({ kind: 'start-agent', node: node(d) }) },
  { weight: 2, draw: agentsDieAlone },
  { weight: 2, draw: allAgentsRestart },
  { weight: 2, draw: stoppedAgent },
  { weight: 2, draw: (d) => now({ kind: 'stall-agent', node: node(d), whileMs: d.random.int(100, 14_000) }) },
  { weight: 2, draw: stalledKeeper },
  { weight: 2, draw: stoppedCorosync },
  { weight: 2, draw: (d) => now({ kind: 'restart-corosync', node: node(d), downMs: d.random.int(100, 8_000) }) },
  { weight: 1, draw: (d) => now({ kind: 'disk-hangs', node: node(d), whileMs: d.random.int(100, 20_000) }) },
  { weight: 1, draw: slowDisk },
  { weight: 1, draw: fullDisk },
  {
    weight: 1,
    touches: 'stores',
    draw: (d) => now({ kind: 'disk-lost', node: d.fragileNode, restartMs: d.random.int(100, 5_000) }),
  },
  { weight: 1, touches: 'stores', draw: (d) => now({ kind: 'disk-torn', node: d.fragileNode, rate: 0.5 }) },
  { weight: 1, draw: wallClocks },
  { weight: 1, draw: newBound },
  { weight: 1, draw: unsafeOption },
  { weight: 1, draw: badNetwork },
  { weight: 2, draw: (d) => now({ kind: 'resource-dies', sid: d.random.pick(d.sids) ?? '' }) },
  { weight: 2, draw: badResource },
  { weight: 4, draw: moveMeetsTrouble },
  { weight: 2, draw: moveToWhoLeaves },
  { weight: 2, draw: disarmMeetsTrouble },
  { weight: 2, draw: shutdownMeetsTrouble },
  { weight: 1, draw: rollingReboot },
  { weight: 1, touches: 'voters', draw: otherNodes },
  { weight: 1, touches: 'voters', draw: otherVotes },
];

/** Where there is a quorum device. */
export const deviceMisfortunes: readonly Misfortune[] = [
  { weight: 5, draw: (d) => now({ kind: 'device', up: d.random.chance(0.5) }) },
  { weight: 5, draw: (d) => now({ kind: 'device-reach', node: node(d), works: d.random.chance(0.5) }) },
  { weight: 5, draw: deviceGoesOver },
];

function now(...faults: readonly Fault[]): Step[] {
  return faults.map((fault) => ({ afterMs: 0, fault }));
}

export function node({ random, nodes }: Draft): number {
  return random.pick(nodes) ?? 1;
}

export function others(nodeId: number, { nodes }: Draft): number[] {
  return nodes.filter((other) => other !== nodeId);
}

function split({ random, nodes }: Draft): number[][] {
  const left = nodes.filter(() => random.chance(0.5));
  return [left, nodes.filter((nodeId) => !left.includes(nodeId))];
}

export function isolate(nodeId: number, draft: Draft): Fault {
  return { kind: 'partition', groups: [[nodeId], others(nodeId, draft)] };
}

/** Within a supervisor's second or two, or much later. */
function restart({ random }: Draft): number {
  return random.chance(0.6) ? random.int(100, 2_500) : random.int(2_500, 8_000);
}

/** From well before to well after everybody gives the lost node up. */
export function aboutTheBound({ random, fenceBoundMs }: Draft): number {
  return random.int(fenceBoundMs / 3, fenceBoundMs * 1.6);
}

// ---- network ----

function oneCut(draft: Draft): Step[] {
  const from = node(draft);
  const to = draft.random.pick(others(from, draft)) ?? from;
  const cut: Fault = { kind: 'cut', from, to, oneWay: draft.random.chance(0.5) };
  return draft.random.chance(0.5)
    ? now(cut)
    : [...now(cut), { afterMs: aboutTheBound(draft), fault: { kind: 'heal' } }];
}

function flapping(draft: Draft): Step[] {
  const steps: Step[] = [];
  let afterMs = 0;
  for (let i = draft.random.int(2, 6); i > 0; i--) {
    steps.push({ afterMs, fault: { kind: 'partition', groups: split(draft) } });
    afterMs += draft.random.int(50, 5_000);
    if (draft.random.chance(0.6)) steps.push({ afterMs, fault: { kind: 'heal' } });
    afterMs += draft.random.int(50, 3_000);
  }
  return steps;
}

/** Cut off for so long that its services are taken over, with something that keeps it alive. */
function isolatedForLong(draft: Draft): Step[] {
  const { random, fenceBoundMs } = draft;
  const lost = node(draft);
  const steps = now(isolate(lost, draft));
  if (random.chance(0.7)) steps.push({ afterMs: 0, fault: { kind: 'reset-broken', node: lost, broken: true } });
  if (random.chance(0.5)) steps.push(...repeatedStalls(lost, draft));
  if (random.chance(0.2)) steps.push(...later(random.int(0, fenceBoundMs), agentsDie(lost, draft)));
  if (random.chance(0.7)) steps.push({ afterMs: fenceBoundMs + random.int(0, 6_000), fault: { kind: 'heal' } });
  return steps;
}

/** First one, then another out of reach: the members of the last partition have been silent for different times. */
function shiftingSplit(draft: Draft): Step[] {
  const first = node(draft);
  const second = draft.random.pick(others(first, draft)) ?? first;
  const shiftMs = aboutTheBound(draft);
  const steps = [...now(isolate(first, draft)), { afterMs: shiftMs, fault: isolate(second, draft) }];
  if (draft.random.chance(0.5)) steps.push({ afterMs: shiftMs + aboutTheBound(draft), fault: { kind: 'heal' } });
  return steps;
}

/** What its event loop finds when it turns again is old: heartbeats, echoes, a quorum. */
function stalledWhileLost(draft: Draft): Step[] {
  const { random, fenceBoundMs } = draft;
  const lost = node(draft);
  const whileMs = random.int(fenceBoundMs / 8, fenceBoundMs * 0.8);
  const stall: Step = { afterMs: 0, fault: { kind: 'stall-agent', node: lost, whileMs } };
  const steps = [stall, { afterMs: random.int(100, 4_000), fault: isolate(lost, draft) }];
  if (random.chance(0.6)) steps.push(...repeatedStalls(lost, draft));
  return steps;
}

/** T_eff and the lease as core/budget.ts derives them, with the device of kappa 1. */
function expectedBudget({ fenceBoundMs }: Draft): { readonly effectiveMs: number; readonly leaseMs: number } {
  const effectiveMs = Math.floor(Math.min(6_000, fenceBoundMs / 6) / 1_000) * 1_000;
  return { effectiveMs, leaseMs: fenceBoundMs - 3 * effectiveMs - 2_000 };
}

/** Just before its lease ends, for nearly as long as the watchdog lets it live: a third has passed since the last pet. */
function repeatedStalls(lost: number, draft: Draft): Step[] {
  const { random } = draft;
  const { effectiveMs, leaseMs } = expectedBudget(draft);
  const atMs = Math.max(0, leaseMs - random.int(100, 2_500));
  const longestMs = (effectiveMs * 2) / 3;
  const whileMs = random.chance(0.7) ? longestMs - random.int(10, 400) : random.int(100, longestMs);
  return [0, 600].map((afterMs) => ({
    afterMs: atMs + afterMs,
    fault: { kind: 'stall-keeper', node: lost, whileMs: Math.round(whileMs) },
  }));
}

/** All that keeps a node alive after its lease, one after the other: a late pet, and that of its agent's death. */
function lastPets(draft: Draft): Step[] {
  const { random } = draft;
  const { effectiveMs, leaseMs } = expectedBudget(draft);
  const lost = node(draft);
  const whileMs = Math.round((effectiveMs * 2) / 3) - random.int(10, 300);
  const stallMs = Math.max(0, leaseMs - random.int(0, 2_500));
  const killMs = stallMs + whileMs + effectiveMs + random.int(-800, 2_000);
  const kill: Fault = { kind: 'kill-agent', node: lost, restartMs: random.int(100, 2_000) };
  return [
    ...now(isolate(lost, draft), { kind: 'reset-broken', node: lost, broken: true }),
    { afterMs: stallMs, fault: { kind: 'stall-keeper', node: lost, whileMs } },
    { afterMs: killMs, fault: kill },
  ];
}

function badNetwork({ random }: Draft): Step[] {
  const skewMs = [0, random.chance(0.5) ? random.int(1, 400) : 0] as const;
  const options = { lossRate: random.chance(0.5) ? 0.05 : 0, skewMs, orderMs: [0.2, random.int(3, 150)] as const };
  return now({ kind: 'network', options });
}

// ---- power, clocks ----

function powerCut(draft: Draft): Step[] {
  const { random, nodes } = draft;
  const chance = random.next();
  const hit = chance < 0.6 ? [node(draft)] : chance < 0.8 ? nodes.filter(() => random.chance(0.5)) : [...nodes];
  const off: Step = { afterMs: 0, fault: { kind: 'power-off', nodes: hit } };
  const [first, ...rest] = hit;
  if (first === undefined || random.chance(0.2)) return [off];
  const on = (atNodes: number[]): Step => ({
    afterMs: random.chance(0.5) ? random.int(100, 8_000) : aboutTheBound(draft),
    fault: { kind: 'power-on', nodes: atNodes },
  });
  return rest.length === 0 ? [off, on([first])] : [off, on([first]), on(rest)];
}

function wallClocks(draft: Draft): Step[] {
  return draft.nodes.map((nodeId) => {
    const byMs = draft.random.int(-3_600_000, 3_600_000);
    return { afterMs: draft.random.int(0, 10_000), fault: { kind: 'wall-clock', node: nodeId, byMs } };
  });
}

// ---- agents, keepers ----

function agentsDie(nodeId: number, { random }: Draft): Step[] {
  const steps: Step[] = [];
  let afterMs = 0;
  for (let i = random.int(2, 8); i > 0; i--) {
    steps.push({ afterMs, fault: { kind: 'kill-agent', node: nodeId, restartMs: random.int(100, 1_500) } });
    afterMs += random.int(1_000, 3_000);
  }
  return steps;
}

function later(byMs: number, steps: readonly Step[]): Step[] {
  return steps.map(({ afterMs, fault }) => ({ afterMs: afterMs + byMs, fault }));
}

/** One after the other, out of reach of everybody: each death may pet the watchdog once more. */
function agentsDieAlone(draft: Draft): Step[] {
  const lost = node(draft);
  return [...now(isolate(lost, draft)), ...later(draft.random.int(500, 6_000), agentsDie(lost, draft))];
}

/** Nobody remembers any more whom he has granted anything, while somebody is out of reach. */
function allAgentsRestart(draft: Draft): Step[] {
  const { random, fenceBoundMs } = draft;
  const lost = node(draft);
  const steps = now(isolate(lost, draft));
  const atMs = random.int(0, fenceBoundMs);
  for (const other of others(lost, draft)) {
    const afterMs = atMs + random.int(0, 3_000);
    steps.push({ afterMs, fault: { kind: 'kill-agent', node: other, restartMs: random.int(100, 1_500) } });
  }
  return steps;
}

function stoppedAgent(draft: Draft): Step[] {
  const nodeId = node(draft);
  const stop: Step = { afterMs: 0, fault: { kind: 'stop-agent', node: nodeId } };
  const afterMs = draft.random.chance(0.5) ? draft.random.int(100, 3_000) : aboutTheBound(draft);
  return [stop, { afterMs, fault: { kind: 'continue-agent', node: nodeId } }];
}

function stalledKeeper(draft: Draft): Step[] {
  const nodeId = node(draft);
  const whileMs = draft.random.int(100, 6_000);
  return now({ kind: 'stall-keeper', node: nodeId, whileMs });
}

function newBound(draft: Draft): Step[] {
  const fenceBoundMs = draft.random.chance(0.5) ? draft.fenceBoundMs : 2 * draft.fenceBoundMs;
  return now({ kind: 'bound', node: node(draft), fenceBoundMs, restartMs: draft.random.int(100, 2_000) });
}

// ---- corosync ----

/** What it has taken and not sent is delivered when it goes on, in another ring. */
function stoppedCorosync(draft: Draft): Step[] {
  const nodeId = node(draft);
  const stop: Step = { afterMs: 0, fault: { kind: 'stop-corosync', node: nodeId } };
  const afterMs = draft.random.chance(0.5) ? draft.random.int(500, 6_000) : aboutTheBound(draft);
  return [stop, { afterMs, fault: { kind: 'continue-corosync', node: nodeId } }];
}

function unsafeOption(draft: Draft): Step[] {
  const nodeId = node(draft);
  const off: Step = {
    afterMs: draft.random.int(500, 8_000),
    fault: { kind: 'quorum-options', node: nodeId, options: [] },
  };
  return [...now({ kind: 'quorum-options', node: nodeId, options: ['two_node'] }), off];
}

/** A node less, or one more; or the one that was added before. */
function otherNodes(draft: Draft): Step[] {
  const { random, nodes } = draft;
  if (random.chance(0.5)) return now({ kind: 'add-node', node: nodes.length + 1 });
  const listed = others(node(draft), draft);
  const steps = now({ kind: 'node-list', nodes: listed });
  const again: Fault = { kind: 'node-list', nodes };
  return random.chance(0.5) ? [...steps, { afterMs: random.int(1_000, 40_000), fault: again }] : steps;
}

/** Only one node is ever without a vote: who takes them from all has no cluster any more. */
function otherVotes(draft: Draft): Step[] {
  const nodeId = node(draft);
  return now({ kind: 'votes', node: nodeId, votes: draft.random.int(nodeId === draft.fragileNode ? 0 : 1, 2) });
}

/** Its vote leaves one node for the other while they do not see each other. */
function deviceGoesOver(draft: Draft): Step[] {
  const { random } = draft;
  const first = node(draft);
  const off: Fault = { kind: 'device-reach', node: first, works: false };
  const on: Fault = { kind: 'device-reach', node: first, works: true };
  return [
    ...now(isolate(first, draft)),
    { afterMs: random.int(0, 10_000), fault: off },
    { afterMs: random.int(1_000, 30_000), fault: random.chance(0.5) ? on : { kind: 'heal' } },
  ];
}

// ---- disks ----

function slowDisk(draft: Draft): Step[] {
  const nodeId = node(draft);
  const delayMs = draft.random.int(50, 3_000);
  const again: Fault = { kind: 'disk-slow', node: nodeId, delayMs: 0 };
  return [
    ...now({ kind: 'disk-slow', node: nodeId, delayMs }),
    { afterMs: draft.random.int(1_000, 20_000), fault: again },
  ];
}

function fullDisk(draft: Draft): Step[] {
  const nodeId = node(draft);
  const again: Fault = { kind: 'disk-full', node: nodeId, full: false };
  return [
    ...now({ kind: 'disk-full', node: nodeId, full: true }),
    { afterMs: draft.random.int(1_000, 20_000), fault: again },
  ];
}

// ---- resources, and commands in the middle of trouble ----

function badResource({ random, sids }: Draft): Step[] {
  const how = random.pick(['fails', 'fails', 'half', 'slow', 'slow', 'hangs', 'lies'] as const) ?? 'fails';
  const rate = how === 'hangs' ? 0.05 : (random.pick([0.1, 0.3, 1]) ?? 0.3);
  const sid = random.pick(sids) ?? '';
  const steps = now({ kind: 'resource-behaves', sid, how, rate, seed: random.int(1, 1_000_000) });
  const well: Fault = { kind: 'resource-behaves', sid, how: 'well', rate: 0, seed: 0 };
  return random.chance(0.6) ? [...steps, { afterMs: random.int(500, 20_000), fault: well }] : steps;
}

/** A move, and one of the nodes that take part is lost in the middle of it. */
function moveMeetsTrouble(draft: Draft): Step[] {
  const { random } = draft;
  const target = node(draft);
  const kind = random.chance(0.7) ? 'migrate' : 'relocate';
  const sid = random.pick(draft.sids) ?? '';
  const ask: Fault = { kind: 'ask', node: node(draft), command: { type: 'resource-move', sid, kind, nodeId: target } };
  const hit = random.chance(0.3) ? target : (random.pick(others(target, draft)) ?? target);
  const trouble: Fault =
    random.pick<Fault>([
      { kind: 'power-off', nodes: [hit] },
      isolate(hit, draft),
      { kind: 'kill-agent', node: hit, restartMs: random.int(100, 3_000) },
      { kind: 'stop-corosync', node: hit },
      shutdown([hit], draft),
      { kind: 'resource-behaves', sid, how: 'half', rate: 1, seed: random.int(1, 1_000_000) },
    ]) ?? ask;
  const atMs = random.int(50, 7_000);
  const steps = [...now(ask), { afterMs: atMs, fault: trouble }];
  // Back before anybody has had to wait for the proof, or after.
  const back: Fault = trouble.kind === 'partition' ? { kind: 'heal' } : { kind: 'power-on', nodes: [hit] };
  const backMs = random.chance(0.6) ? random.int(100, 6_000) : aboutTheBound(draft);
  return random.chance(0.8) ? [...steps, { afterMs: atMs + backMs, fault: back }] : steps;
}

/** The node that something is moved to goes down in good order at that moment, or tries to. */
function moveToWhoLeaves(draft: Draft): Step[] {
  const { random } = draft;
  const target = node(draft);
  const sid = random.pick(draft.sids) ?? '';
  const move: Command = { type: 'resource-move', sid, kind: 'migrate', nodeId: target };
  const steps: Step[] = now({ kind: 'ask', node: random.pick(others(target, draft)) ?? target, command: move });
  const slow: Fault = { kind: 'resource-behaves', sid, how: 'slow', rate: 1, seed: random.int(1, 1_000_000) };
  if (random.chance(0.4)) steps.push({ afterMs: 0, fault: slow });
  return [...steps, { afterMs: random.int(50, 3_000), fault: shutdown([target], draft) }];
}

/** Disarmed, and a node is lost before it is armed again; its agent may restart meanwhile, or come back unaware. */
function disarmMeetsTrouble(draft: Draft): Step[] {
  const { random } = draft;
  const mode = random.chance(0.6) ? 'freeze' : 'ignore';
  const hit = node(draft);
  const steps = now({ kind: 'ask', node: node(draft), command: { type: 'disarm', mode } });
  const lostMs = random.int(0, 9_000);
  if (random.chance(0.6)) steps.push({ afterMs: lostMs, fault: isolate(hit, draft) });
  if (random.chance(0.4)) {
    const kill: Fault = { kind: 'kill-agent', node: hit, restartMs: random.int(100, 4_000) };
    steps.push({ afterMs: random.int(0, 15_000), fault: kill });
  }
  const arm: Fault = { kind: 'ask', node: random.pick(others(hit, draft)) ?? hit, command: { type: 'arm' } };
  if (random.chance(0.8)) steps.push({ afterMs: lostMs + random.int(500, 15_000), fault: arm });
  if (random.chance(0.3)) steps.push({ afterMs: lostMs + aboutTheBound(draft), fault: { kind: 'heal' } });
  return steps;
}

function shutdownMeetsTrouble(draft: Draft): Step[] {
  const { random, nodes } = draft;
  const all = random.chance(0.2);
  const going = all ? [...nodes] : [node(draft)];
  const steps = now(shutdown(going, draft));
  const hit = node(draft);
  if (random.chance(0.4)) steps.push({ afterMs: random.int(0, 8_000), fault: isolate(hit, draft) });
  if (random.chance(0.2)) {
    const kill: Fault = { kind: 'kill-agent', node: hit, restartMs: random.int(100, 3_000) };
    steps.push({ afterMs: random.int(0, 8_000), fault: kill });
  }
  return steps;
}

function shutdown(going: readonly number[], { random }: Draft): Fault {
  const how = random.chance(0.6) ? 'reboot' : 'poweroff';
  return { kind: 'shutdown', nodes: going, how, offMs: random.chance(0.25) ? null : random.int(1_000, 20_000) };
}

function rollingReboot(draft: Draft): Step[] {
  const gapMs = draft.random.int(8_000, 25_000);
  return draft.nodes.map((nodeId, i) => ({ afterMs: i * gapMs, fault: shutdown([nodeId], draft) }));
}
