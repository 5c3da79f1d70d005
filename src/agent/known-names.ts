import type { ClusterState, NodeRecord, ServiceRecord } from '../core/cluster-state.js';
import { HoldfastError } from '../core/errors.js';
import { nearestName } from '../core/nearest-name.js';
import type { Group, Rule } from '../core/rules.js';

/** What people call by a name, found; or an error with the nearest name that there is. */

/** A bare number means the one resource that has it as its own name: `100` is `vm:100`. */
export function serviceNamed(state: ClusterState, sid: string): ServiceRecord {
  const found = Object.hasOwn(state.services, sid) ? state.services[sid] : undefined;
  if (found !== undefined) return found;
  const known = Object.keys(state.services);
  if (!sid.includes(':')) {
    const sameName = known.filter((each) => each.slice(each.indexOf(':') + 1) === sid).sort();
    const only = state.services[sameName[0] ?? ''];
    if (only !== undefined && sameName.length === 1) return only;
    if (sameName.length > 1) {
      throw new HoldfastError('HF_ARGUMENT', `${sid} may be ${sameName.join(' or ')}: say which`);
    }
    if (/^\d+$/.test(sid)) {
      throw new HoldfastError(
        'HF_NOT_FOUND',
        `there is no resource vm:${sid}, nor ct:${sid}: 'holdfast config' lists them`,
      );
    }
  }
  throw notFound('resource', sid, known, "'holdfast config' lists them");
}

export function nodeNamed(state: ClusterState, name: string): NodeRecord {
  const nodes = Object.values(state.nodes);
  const found = nodes.find((node) => node.name === name);
  if (found !== undefined) return found;
  throw notFound(
    'node',
    name,
    nodes.map((node) => node.name),
    "'holdfast status' lists them",
  );
}

export function groupNamed(state: ClusterState, name: string): Group {
  const found = Object.hasOwn(state.groups, name) ? state.groups[name] : undefined;
  if (found !== undefined) return found;
  throw notFound('group', name, Object.keys(state.groups), "'holdfast groupconfig' lists them");
}

export function ruleNamed(state: ClusterState, id: string): Rule {
  const found = Object.hasOwn(state.rules, id) ? state.rules[id] : undefined;
  if (found !== undefined) return found;
  throw notFound('rule', id, Object.keys(state.rules), "'holdfast rules list' shows them");
}

function notFound(kind: string, name: string, known: readonly string[], otherwise: string): HoldfastError {
  const near = nearestName(name, known);
  const hint = near === undefined ? otherwise : `did you mean ${near}?`;
  return new HoldfastError('HF_NOT_FOUND', `there is no ${kind} ${name}: ${hint}`);
}
