import type { ClusterState, Command, ServiceRecord } from '../core/cluster-state.js';
import { compileRules } from '../core/compiled-rules.js';
import type { Entry } from '../core/messages.js';
import type { NodeAffinityRule, Rule } from '../core/rules.js';
import { mayRun, seeksNode } from '../core/service-states.js';

/**
 * What strict rules mean, judged from the rules as the operator wrote them. Which of them are not in force, for they
 * contradict each other, is Holdfast's own word, which it also shows to its users.
 */
export interface RulesInForce {
  /** Strict node affinity: per service, the nodes that each rule allows. */
  readonly allowed: ReadonlyMap<string, readonly ReadonlySet<string>[]>;
  readonly apart: readonly Rule[];
  readonly together: readonly Rule[];
  readonly nodeRules: readonly NodeAffinityRule[];
}

export function rulesInForce(state: ClusterState): RulesInForce {
  const services = Object.values(state.services);
  const nodeNames = Object.values(state.nodes).map(({ name }) => name);
  const rules = Object.values(state.rules);
  const input = { rules, groups: Object.values(state.groups), services, nodeNames };
  const dropped = new Set(compileRules(input).dropped.map(({ ruleId }) => ruleId));
  const inForce = [...rules, ...groupRules(state)].filter(({ id, disabled }) => !disabled && !dropped.has(id));
  const nodeRules = inForce.filter((rule) => rule.type === 'node-affinity');
  const allowed = new Map<string, ReadonlySet<string>[]>();
  for (const rule of nodeRules) {
    if (!rule.strict) continue;
    const names = allowedBy(rule, nodeNames);
    for (const sid of rule.resources) allowed.set(sid, [...(allowed.get(sid) ?? []), names]);
  }
  return {
    allowed,
    nodeRules,
    apart: inForce.filter((rule) => rule.type === 'resource-affinity' && rule.affinity === 'negative'),
    together: inForce.filter((rule) => rule.type === 'resource-affinity' && rule.affinity === 'positive'),
  };
}

function allowedBy(rule: NodeAffinityRule, nodeNames: readonly string[]): ReadonlySet<string> {
  const listed = new Set(rule.nodes.map(({ name }) => name));
  return rule.affinity === 'positive' ? listed : new Set(nodeNames.filter((name) => !listed.has(name)));
}

/** A group speaks for those members that no rule of that kind names. */
function groupRules(state: ClusterState): NodeAffinityRule[] {
  const named = Object.values(state.rules).filter((rule) => rule.type === 'node-affinity' && !rule.disabled);
  const explicit = new Set(named.flatMap(({ resources }) => resources));
  return Object.values(state.groups).map((group) => ({
    id: `ha-group-${group.name}`,
    type: 'node-affinity',
    resources: Object.values(state.services).flatMap((service) =>
      service.group === group.name && !explicit.has(service.sid) ? [service.sid] : [],
    ),
    nodes: group.nodes,
    strict: group.restricted,
    affinity: 'positive',
    disabled: false,
    comment: '',
  }));
}

/** Which strict rule forbids the service that node, for who else is or is coming there; a sentence; null: none. */
export function breachAt(state: ClusterState, rules: RulesInForce, sid: string, nodeId: number): string | null {
  const name = state.nodes[nodeId]?.name ?? '';
  if (rules.allowed.get(sid)?.some((names) => !names.has(name)) === true) {
    return `a strict rule does not allow ${sid} on ${name}`;
  }
  for (const rule of rules.apart) {
    if (!rule.resources.includes(sid)) continue;
    const other = rule.resources.find((each) => each !== sid && isAt(state.services[each], nodeId));
    if (other !== undefined) return `rule ${rule.id} keeps ${sid} apart from ${other}, which is on ${name}`;
  }
  return null;
}

/** It may run there, or is on its way there. */
export function isAt(service: ServiceRecord | undefined, nodeId: number): boolean {
  if (service === undefined) return false;
  const comes = service.state === 'migrate' || service.state === 'relocate';
  return (mayRun(service.state) && service.nodeId === nodeId) || (comes && service.targetId === nodeId);
}

/**
 * Judges the manager's new placements at their commit. When rules change, only what is placed afterwards counts; what
 * stays, comes back or is found running is not placed.
 */
export class PlacementJudge {
  readonly #violate: (text: string) => void;
  readonly #wasFoundOn: (sid: string, nodeId: number) => boolean;
  readonly #before = new Map<string, ServiceRecord>();
  #rules: RulesInForce | null = null;
  #rulesOf = '';

  /** @param wasFoundOn it truly runs on that node, or did a moment ago */
  constructor(violate: (text: string) => void, wasFoundOn: (sid: string, nodeId: number) => boolean) {
    this.#violate = violate;
    this.#wasFoundOn = wasFoundOn;
  }

  /** `state` is what the log adds up to with this entry. */
  committed({ command, index }: Entry, state: ClusterState): void {
    if (command.type === 'service-state') this.#judge(command, index, state);
    if (!('sid' in command)) return;
    const service = state.services[command.sid];
    if (service === undefined) this.#before.delete(command.sid);
    else this.#before.set(command.sid, service);
  }

  #judge(command: Command & { type: 'service-state' }, index: number, state: ClusterState): void {
    const service = state.services[command.sid];
    const before = this.#before.get(command.sid);
    if (service?.uid !== index || before === undefined) return;
    const nodeId = newPlace(before, service);
    if (nodeId === null || this.#wasFoundOn(service.sid, nodeId)) return;
    const breach = breachAt(state, this.#current(state), service.sid, nodeId);
    if (breach !== null) this.#violate(`entry ${index} places against a rule: ${breach}`);
  }

  /** Compiled anew when rules or nodes have changed. */
  #current(state: ClusterState): RulesInForce {
    const key = `${state.configurationIndex} ${Object.keys(state.nodes).join(' ')}`;
    if (this.#rules === null || this.#rulesOf !== key) this.#rules = rulesInForce(state);
    this.#rulesOf = key;
    return this.#rules;
  }
}

function newPlace(before: ServiceRecord, { state, nodeId, targetId }: ServiceRecord): number | null {
  if (state === 'migrate' || state === 'relocate') return targetId;
  return state === 'started' && (seeksNode(before.state) || before.state === 'stopped') ? nodeId : null;
}
