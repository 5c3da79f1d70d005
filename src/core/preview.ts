import { apply, type ClusterState, type Command, type ServiceRecord } from './cluster-state.js';
import { compileRules } from './compiled-rules.js';
import { decide } from './manager.js';
import { newManagerMemory } from './manager-memory.js';
import { compareSids, inOrder, isWanted, type ManagerInput, newRound } from './manager-round.js';
import type { Heartbeat, LrmResult } from './messages.js';
import { seeksNode } from './service-states.js';
import { whyWaiting } from './waiting.js';

/** What would become of a change: the manager itself decides, on a copy, while every node does at once what it is asked. */

export interface Place {
  readonly node: string | null;
  readonly state: string;
}

export interface PreviewedMove {
  readonly sid: string;
  readonly from: string | null;
  readonly to: string | null;
  /** `start`, `stop`, `migrate` (without a stop), `relocate` (stopped, then started). */
  readonly how: 'start' | 'stop' | 'migrate' | 'relocate';
  readonly reason: string;
}

export interface Preview {
  /** Why the change would be refused; null: it would be made. */
  readonly refused: string | null;
  /** Services whose place or state would change, before and after, by sid. */
  readonly before: Readonly<Record<string, Place>>;
  readonly after: Readonly<Record<string, Place>>;
  /** In the order in which they would happen. */
  readonly moves: readonly PreviewedMove[];
  /** What would be requested to run and find no node. */
  readonly unplaced: readonly { readonly sid: string; readonly reason: string }[];
  /** What the operator should know besides: rules that would be dropped, nodes that were not heard. */
  readonly warnings: readonly string[];
}

/** Rounds of the manager in one preview; a change that needs more has not come to rest. */
const roundsLimit = 500;

/** `input`: what the leader knows at this moment. Waiting (for a freeze or a failed move) is not previewed. */
export function previewCommand(input: ManagerInput, command: Command): Preview {
  const state = structuredClone(input.state);
  const moves: PreviewedMove[] = [];
  const nextIndex = counter(state);
  const result = apply(state, command, nextIndex());
  if (!result.ok) return { ...nothing, refused: result.message };
  const rested = playOut(input, state, nextIndex, moves);
  const final = inputFor(input, state);
  const restless = rested ? [] : ['the cluster would not come to rest: the same resources would go on moving'];
  return {
    refused: null,
    ...changesOf(input.state, state),
    moves,
    unplaced: unplacedOf(final),
    warnings: [...warningsOf(input, final), ...restless],
  };
}

const nothing: Preview = { refused: null, before: {}, after: {}, moves: [], unplaced: [], warnings: [] };

/** Log indexes that no command has had yet. */
function counter(state: ClusterState): () => number {
  const indexes = Object.values(state.services).flatMap(({ uid, addedIndex }) => [uid, addedIndex]);
  let last = Math.max(state.configurationIndex, state.armedIndex, state.disarm?.index ?? 0, ...indexes);
  return () => ++last;
}

/** False: it has not come to rest. */
function playOut(input: ManagerInput, state: ClusterState, nextIndex: () => number, moves: PreviewedMove[]): boolean {
  for (let round = 0; round < roundsLimit; round++) {
    const commands = decide(inputFor(input, state));
    if (commands.length === 0) return true;
    for (const command of commands) {
      const move = moveOf(state, command);
      if (apply(state, command, nextIndex()).ok && move !== null) moves.push(move);
    }
  }
  return false;
}

/** As the leader would see it once every node has done what it was asked. */
function inputFor(input: ManagerInput, state: ClusterState): ManagerInput {
  const answers = answersOf(state);
  const heartbeatOf = (nodeId: number, heartbeat: Heartbeat): Heartbeat => ({
    ...heartbeat,
    commitIndex: Number.MAX_SAFE_INTEGER,
    lrm: {
      ...heartbeat.lrm,
      results: answers.get(nodeId) ?? [],
      strays: heartbeat.lrm.strays.filter((sid) => mayStillBeStray(input.state, state, sid)),
      probedThrough: Number.MAX_SAFE_INTEGER,
      active: true,
      mode:
        state.disarm?.phase === 'disarmed' ? 'disarm' : heartbeat.lrm.mode === 'disarm' ? 'active' : heartbeat.lrm.mode,
    },
  });
  return {
    ...input,
    state,
    rules: compileRules({
      rules: Object.values(state.rules),
      groups: Object.values(state.groups),
      services: Object.values(state.services),
      nodeNames: Object.values(state.nodes).map((node) => node.name),
    }),
    members: new Map([...input.members].map(([nodeId, heartbeat]) => [nodeId, heartbeatOf(nodeId, heartbeat)])),
    order: inOrder(state),
    memory: newManagerMemory(),
  };
}

/** What was found running is one until the manager does something about it. */
function mayStillBeStray(before: ClusterState, now: ClusterState, sid: string): boolean {
  const [old, present] = [before.services[sid], now.services[sid]];
  return present !== undefined && (old === undefined || old.nodeId === present.nodeId || seeksNode(present.state));
}

function answersOf(state: ClusterState): Map<number, LrmResult[]> {
  const answers = new Map<number, LrmResult[]>();
  for (const { sid, uid, nodeId, state: at, running } of Object.values(state.services)) {
    const outcome = at === 'started' && running ? undefined : answerTo[at];
    if (outcome === undefined || nodeId === null) continue;
    answers.set(nodeId, [...(answers.get(nodeId) ?? []), { sid, uid, outcome, detail: '' }]);
  }
  return answers;
}

const answerTo: { readonly [state in ServiceRecord['state']]?: LrmResult['outcome'] } = {
  started: 'running',
  request_stop: 'stopped',
  relocate: 'stopped',
  migrate: 'left',
};

function moveOf(state: ClusterState, command: Command): PreviewedMove | null {
  if (command.type !== 'service-state') return null;
  const service = state.services[command.sid];
  if (service === undefined) return null;
  const { sid, reason } = command;
  const [at, to] = [nameIn(state, service.nodeId), nameIn(state, command.targetId)];
  if (command.state === 'request_stop') return { sid, from: at, to: null, how: 'stop', reason };
  if (command.state === 'migrate' || command.state === 'relocate')
    return { sid, from: at, to, how: command.state, reason };
  const starts = command.state === 'started' && (seeksNode(service.state) || service.state === 'freeze');
  return starts ? { sid, from: null, to: nameIn(state, command.nodeId), how: 'start', reason } : null;
}

function nameIn(state: ClusterState, nodeId: number | null): string | null {
  return nodeId === null ? null : (state.nodes[nodeId]?.name ?? `node ${nodeId}`);
}

function changesOf(old: ClusterState, now: ClusterState): Pick<Preview, 'before' | 'after'> {
  const before: Record<string, Place> = {};
  const after: Record<string, Place> = {};
  const sids = new Set([...Object.keys(old.services), ...Object.keys(now.services)]);
  for (const sid of [...sids].sort(compareSids)) {
    const [was, is] = [old.services[sid], now.services[sid]];
    if (was?.state === is?.state && was?.nodeId === is?.nodeId) continue;
    if (was !== undefined) before[sid] = { node: nameIn(old, was.nodeId), state: was.state };
    if (is !== undefined) after[sid] = { node: nameIn(now, is.nodeId), state: is.state };
  }
  return { before, after };
}

function unplacedOf(input: ManagerInput): Preview['unplaced'] {
  const round = newRound(input);
  return Object.values(input.state.services)
    .filter((service) => isWanted(service) && (seeksNode(service.state) || service.state === 'stopped'))
    .sort((a, b) => compareSids(a.sid, b.sid))
    .map((service) => ({ sid: service.sid, reason: whyWaiting(service, round) ?? 'it is started next' }));
}

function warningsOf(before: ManagerInput, after: ManagerInput): string[] {
  const known = new Set(
    [...before.rules.dropped, ...before.rules.warnings].map(({ ruleId, reason }) => `${ruleId} ${reason}`),
  );
  const fresh = [...after.rules.dropped, ...after.rules.warnings].filter(
    ({ ruleId, reason }) => !known.has(`${ruleId} ${reason}`),
  );
  const unheard = before.unheard.size === 0 ? [] : ['not every node was heard yet: what they run is not known'];
  return [...fresh.map(({ ruleId, reason }) => `rule ${ruleId}: ${reason}`), ...unheard];
}
