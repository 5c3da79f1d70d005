import { compileRules } from '../src/core/compiled-rules.js';
import { type PlacedService, PlacementContext, type PlacementNode } from '../src/core/placement-context.js';
import type { Group, NodeAffinityRule, ResourceAffinityRule, Rule } from '../src/core/rules.js';
import type { Scheduling } from '../src/core/usage.js';

/** Clusters for the tests of rules and placement: nodes n1, n2, … with the ids 1, 2, … */

const gib = 2 ** 30;

export function together(id: string, ...resources: string[]): ResourceAffinityRule {
  return { id, type: 'resource-affinity', resources, affinity: 'positive', disabled: false, comment: '' };
}

export function apart(id: string, ...resources: string[]): ResourceAffinityRule {
  return { ...together(id, ...resources), affinity: 'negative' };
}

/** Nodes as `n1` or `n1:5`. */
export function prefer(id: string, resources: string[], ...nodes: string[]): NodeAffinityRule {
  const priorities = nodes.map((node) => {
    const [name = '', priority = '0'] = node.split(':');
    return { name, priority: Number(priority) };
  });
  return {
    id,
    type: 'node-affinity',
    resources,
    nodes: priorities,
    strict: false,
    affinity: 'positive',
    disabled: false,
    comment: '',
  };
}

export function restrict(id: string, resources: string[], ...nodes: string[]): NodeAffinityRule {
  return { ...prefer(id, resources, ...nodes), strict: true };
}

export function names(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `n${index + 1}`);
}

export interface ServiceSketch extends Partial<Omit<PlacedService, 'load'>> {
  readonly failback?: boolean;
  readonly group?: string;
  /** Most it may use, and what it uses, if not the same. */
  readonly cpus?: number;
  readonly gib?: number;
  readonly usedCpus?: number;
  readonly usedGib?: number;
}

export interface Sketch {
  readonly nodes: number;
  /** By node id: why it cannot be given services. */
  readonly unavailable?: Record<number, string>;
  readonly nodeCpus?: number;
  /** Per node, GiB; one figure for all. */
  readonly nodeGib?: number | Record<number, number>;
  readonly measured?: Record<number, { readonly cpus: number; readonly gib: number }>;
  readonly scheduling?: Scheduling;
  readonly rules?: Rule[];
  readonly groups?: Group[];
  /** In `a: 1`, `a` runs on node 1. */
  readonly services: Record<string, number | ServiceSketch>;
}

export function world(sketch: Sketch): PlacementContext {
  const sketches = Object.entries(sketch.services).map(([sid, value]): [string, ServiceSketch] => [
    sid,
    typeof value === 'number' ? { nodeId: value } : value,
  ]);
  const rules = compileRules({
    rules: sketch.rules ?? [],
    groups: sketch.groups ?? [],
    services: sketches.map(([sid, { failback, group }]) => ({
      sid,
      group: group ?? null,
      failback: failback ?? true,
    })),
    nodeNames: names(sketch.nodes),
  });
  const nodes = names(sketch.nodes).map((name, index) => nodeOf(sketch, index + 1, name));
  const services = sketches.map(([sid, service]) => serviceOf(sid, service));
  return new PlacementContext({ rules, nodes, services, scheduling: sketch.scheduling ?? 'basic' });
}

function nodeOf(sketch: Sketch, nodeId: number, name: string): PlacementNode {
  const size = typeof sketch.nodeGib === 'object' ? sketch.nodeGib[nodeId] : sketch.nodeGib;
  const measured = sketch.measured?.[nodeId] ?? { cpus: 0, gib: 0 };
  const load =
    size === undefined
      ? null
      : {
          cpus: sketch.nodeCpus ?? 32,
          memoryBytes: size * gib,
          usedCpus: measured.cpus,
          usedMemoryBytes: measured.gib * gib,
        };
  return { nodeId, name, unavailable: sketch.unavailable?.[nodeId] ?? null, load, otherGuests: 0 };
}

function serviceOf(sid: string, sketch: ServiceSketch): PlacedService {
  const { cpus = 0, gib: memory = 0, usedCpus = cpus, usedGib = memory } = sketch;
  const known = sketch.cpus !== undefined || sketch.gib !== undefined;
  const load = known
    ? { maxCpus: cpus, maxMemoryBytes: memory * gib, cpus: usedCpus, memoryBytes: usedGib * gib }
    : null;
  return {
    sid,
    nodeId: sketch.nodeId ?? null,
    occupies: sketch.occupies ?? sketch.nodeId !== undefined,
    targetNodeId: sketch.targetNodeId ?? null,
    running: sketch.running ?? sketch.occupies ?? sketch.nodeId !== undefined,
    originNodeId: sketch.originNodeId ?? null,
    load,
    balanced: sketch.balanced ?? true,
  };
}
