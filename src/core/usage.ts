import { closeness } from './topsis.js';

/** What a node has and what is used of it; the fields of the load meter's answer. */
export interface NodeLoad {
  readonly cpus: number;
  readonly memoryBytes: number;
  /** By anything at all, as measured. */
  readonly usedCpus: number;
  readonly usedMemoryBytes: number;
}

/** What a service may use at most (0: not known) and uses now. */
export interface ServiceLoad {
  readonly maxCpus: number;
  readonly maxMemoryBytes: number;
  readonly cpus: number;
  readonly memoryBytes: number;
}

/** By what nodes are compared: number of services; what services may use at most; what is used now. */
export type Scheduling = 'basic' | 'static' | 'dynamic';

export interface UsageNode {
  readonly nodeId: number;
  readonly load: NodeLoad | null;
  readonly otherGuests: number;
}

/** How a service is on a node: `measured`, in the node's measured load already; to be started; arriving from another. */
export type Presence = 'measured' | 'starting' | 'arriving';

/** One node's account. The figures of a node whose load is not known are not used. */
export interface NodeUsage {
  readonly nodeId: number;
  readonly maxCpus: number;
  readonly maxMemoryBytes: number;
  services: number;
  cpus: number;
  memoryBytes: number;
}

export interface Scores {
  /** What was compared in the end: `basic` if figures were missing. */
  readonly by: Scheduling;
  /** Per node id, less is better. */
  readonly byNode: ReadonlyMap<number, number>;
}

/** Weights of the criteria in the order of `criteria`: memory cannot be shared like CPU time, peaks hurt more. */
export const criteriaWeights = [1, 2, 5, 10] as const;

/**
 * What runs or is about to run on the nodes that can be given services, kept up to date while a round places one after
 * the other. With `static` it adds up what services may use at most, else it starts from what was measured.
 */
export class Usage {
  readonly nodes: readonly NodeUsage[];
  /** Are the figures of all nodes known? */
  readonly known: boolean;
  private readonly scheduling: Scheduling;
  private readonly byId: ReadonlyMap<number, NodeUsage>;

  constructor(nodes: readonly UsageNode[], scheduling: Scheduling) {
    const fromZero = scheduling === 'static';
    this.scheduling = scheduling;
    this.known = nodes.every(({ load }) => load !== null && load.cpus > 0 && load.memoryBytes > 0);
    this.nodes = nodes.map(({ nodeId, load, otherGuests }) => ({
      nodeId,
      maxCpus: load?.cpus ?? 0,
      maxMemoryBytes: load?.memoryBytes ?? 0,
      services: otherGuests,
      cpus: fromZero ? 0 : (load?.usedCpus ?? 0),
      memoryBytes: fromZero ? 0 : (load?.usedMemoryBytes ?? 0),
    }));
    this.byId = new Map(this.nodes.map((node) => [node.nodeId, node]));
  }

  add(nodeId: number, load: ServiceLoad | null, presence: Presence): void {
    this.change(nodeId, load, presence, 1);
  }

  remove(nodeId: number, load: ServiceLoad | null, presence: Presence): void {
    this.change(nodeId, load, presence, -1);
  }

  /** Bytes; null: not known. Below zero when more is promised than there is. */
  freeMemoryBytes(nodeId: number): number | null {
    const node = this.byId.get(nodeId);
    return node === undefined || node.maxMemoryBytes === 0 ? null : node.maxMemoryBytes - node.memoryBytes;
  }

  services(nodeId: number): number {
    return this.byId.get(nodeId)?.services ?? 0;
  }

  /** How good each node is for a service that would be started there. */
  scores(service: ServiceLoad | null): Scores {
    if (this.scheduling === 'basic' || !this.known || !isKnown(service)) {
      return { by: 'basic', byNode: new Map(this.nodes.map((node) => [node.nodeId, node.services])) };
    }
    const rows = this.criteriaIfStarted(service);
    const near = closeness(rows, criteriaWeights);
    const byNode = new Map(this.nodes.map((node, index) => [node.nodeId, 1 - (near[index] ?? 0)]));
    return { by: this.scheduling, byNode };
  }

  private change(nodeId: number, load: ServiceLoad | null, presence: Presence, sign: 1 | -1): void {
    const node = this.byId.get(nodeId);
    if (node === undefined) return;
    node.services += sign;
    if (load === null || (presence === 'measured' && this.scheduling !== 'static')) return;
    const asMeasured = presence === 'arriving' && this.scheduling !== 'static';
    node.cpus += sign * (asMeasured ? load.cpus : maxCpusOn(node, load));
    node.memoryBytes += sign * (asMeasured ? load.memoryBytes : load.maxMemoryBytes);
  }

  /** For each node, the criteria of the whole cluster as it would be if the service were started there. */
  private criteriaIfStarted(service: ServiceLoad): number[][] {
    const cpu = new Ratios(this.nodes.map((node) => node.cpus / node.maxCpus));
    const memory = new Ratios(this.nodes.map((node) => node.memoryBytes / node.maxMemoryBytes));
    return this.nodes.map((node, index) => {
      const cpus = (node.cpus + maxCpusOn(node, service)) / node.maxCpus;
      const bytes = (node.memoryBytes + service.maxMemoryBytes) / node.maxMemoryBytes;
      return [...cpu.meanAndMost(index, cpus), ...memory.meanAndMost(index, bytes)];
    });
  }
}

/** No figure means no limit: it may use all of the node's. */
function maxCpusOn(node: NodeUsage, load: ServiceLoad): number {
  return load.maxCpus === 0 ? node.maxCpus : load.maxCpus;
}

function isKnown(load: ServiceLoad | null): load is ServiceLoad {
  return load !== null && load.maxMemoryBytes > 0;
}

/** The used share of one kind of capacity, on every node. */
export class Ratios {
  private readonly squares: number;
  private readonly fullestFirst: readonly number[];

  constructor(private readonly values: readonly number[]) {
    this.squares = values.reduce((sum, value) => sum + value * value, 0);
    this.fullestFirst = values.map((_, index) => index).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0));
  }

  /**
   * Root of the mean square and maximum, if one node or two (by index) had other ratios. Each plus one: twice as much of
   * next to nothing is no great difference.
   */
  meanAndMost(index: number, value: number, otherIndex = index, otherValue = value): [number, number] {
    let squares = this.squares + value * value - (this.values[index] ?? 0) ** 2;
    if (otherIndex !== index) squares += otherValue * otherValue - (this.values[otherIndex] ?? 0) ** 2;
    let most = Math.max(value, otherValue);
    for (const unchanged of this.fullestFirst) {
      if (unchanged === index || unchanged === otherIndex) continue;
      most = Math.max(most, this.values[unchanged] ?? 0);
      break;
    }
    return [1 + Math.sqrt(Math.max(0, squares) / this.values.length), 1 + most];
  }
}
