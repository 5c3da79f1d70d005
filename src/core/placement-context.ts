import type { CompiledRules, NodeChoice, Separation, Unit } from './compiled-rules.js';
import { compareText } from './rule-transforms.js';
import { type NodeLoad, type Scheduling, type ServiceLoad, Usage } from './usage.js';

export interface PlacementNode {
  readonly nodeId: number;
  readonly name: string;
  /** Null: it may be given services now. Otherwise why not, to follow its name: `is in maintenance`. */
  readonly unavailable: string | null;
  /** Null: not known. */
  readonly load: NodeLoad | null;
  /** Guests that run there and are not managed. */
  readonly otherGuests: number;
}

/** A service that occupies a node, or is to. Those that are stopped and stay so are left out. */
export interface PlacedService {
  readonly sid: string;
  /** Where it is or was last. Null: nowhere yet. */
  readonly nodeId: number | null;
  /** False: it takes up nothing on that node, it waits for a place (request_start, recovery). */
  readonly occupies: boolean;
  /** Where it is to be started: its load counts there already, and others keep away from it if they can. */
  readonly expectedNodeId?: number | null;
  /** Where it is moving to. */
  readonly targetNodeId: number | null;
  /** Reported running, so that its node's measured load includes it. */
  readonly running: boolean;
  /** The node that it left for maintenance and returns to. */
  readonly originNodeId: number | null;
  readonly load: ServiceLoad | null;
  /** Balancing may move it: it runs, moves live, and was not excluded by `autoRebalance`. */
  readonly balanced: boolean;
}

export interface PlacementInput {
  readonly rules: CompiledRules;
  readonly nodes: readonly PlacementNode[];
  readonly services: readonly PlacedService[];
  readonly scheduling: Scheduling;
}

/** Services of a unit or a separation per node. */
type Counts = Map<number, number>;

const nothing: ReadonlyMap<number, number> = new Map();

/**
 * What placing has to know, for one round of the manager: which nodes can be given services, who is where and on the way
 * to where, and what that uses. Each decision of the round is told to it, so that the next one sees it.
 */
export class PlacementContext {
  /** All nodes of the cluster, by name. */
  readonly nodes: readonly PlacementNode[];
  /** Those that may be given services now, by name. */
  readonly available: readonly PlacementNode[];
  readonly usage: Usage;
  readonly scheduling: Scheduling;
  private readonly rules: CompiledRules;
  private readonly byId: ReadonlyMap<number, PlacementNode>;
  private readonly services = new Map<string, PlacedService>();
  private readonly classesOf = new Map<NodeChoice | null, readonly (readonly PlacementNode[])[]>();
  /** Where members of a unit or separation are or are going: each member once. */
  private readonly heading = new Map<Unit, Counts>();
  /** Where they are and where they are going: one that moves counts on both nodes. */
  private readonly present = new Map<Unit | Separation, Counts>();
  /** Where they are expected: they come there unless something speaks against it. */
  private readonly expected = new Map<Unit | Separation, Counts>();

  constructor({ rules, nodes, services, scheduling }: PlacementInput) {
    this.rules = rules;
    this.scheduling = scheduling;
    this.nodes = [...nodes].sort((a, b) => compareText(a.name, b.name));
    this.available = this.nodes.filter((node) => node.unavailable === null);
    this.byId = new Map(nodes.map((node) => [node.nodeId, node]));
    this.usage = new Usage(this.available, scheduling);
    for (const service of services) this.put(service);
  }

  node(nodeId: number): PlacementNode | null {
    return this.byId.get(nodeId) ?? null;
  }

  service(sid: string): PlacedService | null {
    return this.services.get(sid) ?? null;
  }

  /** In the order in which they were given. */
  allServices(): Iterable<PlacedService> {
    return this.services.values();
  }

  unit(sid: string): Unit {
    return this.rules.units.get(sid) ?? { sids: [sid], ruleIds: [], choice: null, separations: [], failback: true };
  }

  /** The nodes of each class that may be given services now, by name; classes without any are left out. */
  classes(choice: NodeChoice | null): readonly (readonly PlacementNode[])[] {
    const known = this.classesOf.get(choice);
    if (known !== undefined) return known;
    const named = choice?.classes.map((names) => this.available.filter((node) => names.includes(node.name)));
    const classes = (named ?? [this.available]).filter((nodes) => nodes.length > 0);
    this.classesOf.set(choice, classes);
    return classes;
  }

  /** How many services of its keep-together set are or are going to be on each node, without itself. */
  mates(sid: string, unit: Unit): ReadonlyMap<number, number> {
    if (unit.sids.length === 1) return nothing;
    const own = this.services.get(sid);
    const mates = new Map(this.heading.get(unit));
    const at = own === undefined ? null : headingFor(own);
    if (at !== null) add(mates, at, -1);
    // What runs is not drawn to where others only may come to run.
    if (own?.occupies) return mates;
    for (const [nodeId, count] of this.expected.get(unit) ?? []) add(mates, nodeId, count);
    const awaited = own === undefined ? null : expectedAt(own);
    if (awaited !== null) add(mates, awaited, -1);
    return mates;
  }

  /** Is there, or is on the way there or away, a service that has to be on another node? */
  isKeptApart(unit: Unit, nodeId: number): boolean {
    return isMoreThanUnit(this.present, unit, nodeId);
  }

  /** Is such a service expected there? Not a reason to wait: it might be waiting for this one. */
  isExpectedApart(unit: Unit, nodeId: number): boolean {
    return isMoreThanUnit(this.expected, unit, nodeId);
  }

  /** What more memory the whole unit would need on a node to run there, bytes; what is not known counts as none. */
  memoryNeededBytes(unit: Unit, nodeId: number, sid: string): number {
    let bytes = 0;
    for (const member of unit.sids) {
      const service = this.services.get(member);
      const waits = service !== undefined && headingFor(service) !== nodeId;
      if (waits || (member === sid && service === undefined)) bytes += service?.load?.maxMemoryBytes ?? 0;
    }
    return bytes;
  }

  /** It will run there, and nothing of it is left where it was. */
  assign(sid: string, nodeId: number): void {
    this.change(sid, { nodeId, occupies: true, expectedNodeId: null, targetNodeId: null, running: false });
  }

  /** It leaves its node for this one, and counts on both until it has. */
  move(sid: string, targetNodeId: number): void {
    this.change(sid, { targetNodeId });
  }

  /** It takes up nothing any more. */
  release(sid: string): void {
    this.change(sid, { occupies: false, expectedNodeId: null, targetNodeId: null, running: false });
  }

  private change(sid: string, changes: Partial<PlacedService>): void {
    const service = this.services.get(sid) ?? unplaced(sid);
    this.count(service, -1);
    this.put({ ...service, ...changes });
  }

  private put(service: PlacedService): void {
    this.services.set(service.sid, service);
    this.count(service, 1);
  }

  private count(service: PlacedService, sign: 1 | -1): void {
    const { nodeId, targetNodeId, occupies, running, load } = service;
    const change = sign === 1 ? this.usage.add.bind(this.usage) : this.usage.remove.bind(this.usage);
    const awaited = expectedAt(service);
    const countsAt = occupies ? nodeId : awaited;
    if (countsAt !== null) change(countsAt, load, running ? 'measured' : 'starting');
    if (targetNodeId !== null) change(targetNodeId, load, running ? 'arriving' : 'starting');
    const unit = this.rules.units.get(service.sid);
    if (unit === undefined || (unit.sids.length === 1 && unit.separations.length === 0)) return;
    const heading = headingFor(service);
    if (heading !== null) add(countsOf(this.heading, unit), heading, sign);
    const groups = [unit, ...unit.separations];
    for (const place of placesOf(service)) for (const group of groups) add(countsOf(this.present, group), place, sign);
    if (awaited !== null) for (const group of groups) add(countsOf(this.expected, group), awaited, sign);
  }
}

function isMoreThanUnit(counts: ReadonlyMap<Unit | Separation, Counts>, unit: Unit, nodeId: number): boolean {
  return unit.separations.some((separation) => {
    const all = counts.get(separation)?.get(nodeId) ?? 0;
    return all > (counts.get(unit)?.get(nodeId) ?? 0);
  });
}

function expectedAt({ expectedNodeId }: PlacedService): number | null {
  return expectedNodeId ?? null;
}

/** Where it will be, as far as it is decided. */
export function headingFor(service: PlacedService): number | null {
  return service.targetNodeId ?? (service.occupies ? service.nodeId : null);
}

function placesOf({ nodeId, targetNodeId, occupies }: PlacedService): number[] {
  const places = new Set([occupies ? nodeId : null, targetNodeId]);
  return [...places].filter((place) => place !== null);
}

function unplaced(sid: string): PlacedService {
  return {
    sid,
    nodeId: null,
    occupies: false,
    targetNodeId: null,
    running: false,
    originNodeId: null,
    load: null,
    balanced: false,
  };
}

function countsOf<K>(counts: Map<K, Counts>, key: K): Counts {
  const known = counts.get(key);
  if (known !== undefined) return known;
  const fresh: Counts = new Map();
  counts.set(key, fresh);
  return fresh;
}

function add(counts: Counts, nodeId: number, difference: number): void {
  const count = (counts.get(nodeId) ?? 0) + difference;
  if (count > 0) counts.set(nodeId, count);
  else counts.delete(nodeId);
}
