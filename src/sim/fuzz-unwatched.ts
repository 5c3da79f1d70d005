import type { Command } from '../core/cluster-state.js';
import type { Fault } from './fault.js';
import { aboutTheBound, type Draft, isolate, type Misfortune, node, others, type Step } from './fuzz-misfortunes.js';
import { addition } from './fuzz-operator.js';

/** What no watchdog is over: devices that fail, resources put somewhere by hand, machines with an older configuration. */
export const unwatchedMisfortunes: readonly Misfortune[] = [
  { weight: 1, draw: watchdogFails },
  { weight: 4, draw: putByHand },
  { weight: 1, touches: 'voters', draw: olderConfiguration },
];

/** For a while, and the agent dies meanwhile or not: the next one finds it as it was left. */
function watchdogFails(draft: Draft): Step[] {
  const { random } = draft;
  const hit = node(draft);
  const steps: Step[] = [{ afterMs: 0, fault: trouble(hit, draft) }];
  if (random.chance(0.5)) {
    const kill: Fault = { kind: 'kill-agent', node: hit, restartMs: random.int(100, 3_000) };
    steps.push({ afterMs: random.int(0, 3_000), fault: kill });
  }
  if (random.chance(0.7)) {
    const works: Fault = { kind: 'watchdog-fails', node: hit, how: null };
    steps.push({ afterMs: aboutTheBound(draft), fault: works });
  }
  return steps;
}

function trouble(hit: number, { random }: Draft): Fault {
  const how = random.pick(['open', 'open', 'timeout', 'pets'] as const) ?? 'open';
  return { kind: 'watchdog-fails', node: hit, how };
}

/** Left alone for a while, put somewhere by hand, and looked after again; where it is found may be lost then. */
function putByHand(draft: Draft): Step[] {
  const { random } = draft;
  const sid = random.pick(draft.sids) ?? '';
  const on = node(draft);
  const asked = random.pick(others(on, draft)) ?? on;
  const ask = (command: Command): Fault => ({ kind: 'ask', node: asked, command });
  const set = (requested: 'started' | 'stopped' | 'ignored'): Fault =>
    ask({ type: 'resource-set', sid, changes: { requested }, unset: [] });
  const isRemoved = random.chance(0.3);
  const handMs = random.int(1_000, 6_000);
  const backMs = handMs + random.int(0, 3_000);
  const steps: Step[] = [
    { afterMs: 0, fault: isRemoved ? ask({ type: 'resource-remove', sid, purge: false }) : set('ignored') },
    { afterMs: handMs, fault: { kind: 'by-hand', node: on, sid } },
    {
      afterMs: backMs,
      fault: isRemoved ? ask(addition(sid, draft)) : set(random.chance(0.7) ? 'started' : 'stopped'),
    },
  ];
  if (random.chance(0.5)) steps.push({ afterMs: random.int(0, backMs), fault: trouble(on, draft) });
  const lostMs = backMs + random.int(100, 8_000);
  if (random.chance(0.6)) steps.push({ afterMs: lostMs, fault: isolate(on, draft) });
  if (random.chance(0.3)) steps.push({ afterMs: lostMs + aboutTheBound(draft), fault: { kind: 'heal' } });
  return steps;
}

/** One machine is forgotten when corosync.conf is copied to all; what changes meanwhile is drawn by others. */
function olderConfiguration(draft: Draft): Step[] {
  const { random, nodes } = draft;
  const hit = node(draft);
  const changed = random.pick(others(hit, draft)) ?? hit;
  const change: Fault = random.chance(0.5)
    ? { kind: 'votes', node: changed, votes: random.int(1, 2) }
    : { kind: 'add-node', node: nodes.length + 1 };
  const steps: Step[] = [
    { afterMs: 0, fault: { kind: 'old-configuration', node: hit, kept: true } },
    { afterMs: random.int(0, 2_000), fault: change },
  ];
  const copied: Fault = { kind: 'old-configuration', node: hit, kept: false };
  return random.chance(0.7) ? [...steps, { afterMs: random.int(2_000, 40_000), fault: copied }] : steps;
}
