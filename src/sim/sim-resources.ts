import type {
  OperationResult,
  ResourceDefinition,
  ResourceDriver,
  ResourceOperation,
} from '../ports/resource-driver.js';
import type { Random, Range } from './sim-random.js';
import type { Timeline } from './sim-timeline.js';

/** How long things take, milliseconds, and how often to look. */
export interface ResourceBehaviour {
  /** 1 000 to 3 000. */
  readonly startMs: Range;
  /** 1 000 to 2 000. */
  readonly stopMs: Range;
  /** 50 to 50. */
  readonly monitorMs: Range;
  /** 2 000 to 6 000. */
  readonly migrateMs: Range;
  /** 10 000. */
  readonly monitorIntervalMs: number;
  /** Asked at the end of each operation what goes wrong with it; null: nothing. */
  readonly fault: (call: OperationCall) => ResourceFault | null;
}

export type SimOperation = ResourceOperation | 'migrate';

export interface OperationCall {
  readonly sid: string;
  readonly operation: SimOperation;
  readonly nodeId: number;
  readonly node: string;
  readonly atMs: number;
  /** The target of a move. */
  readonly target: string | null;
  readonly targetId: number | null;
}

export type ResourceFault =
  /** It does not work. `half`: a start has started it, a stop stopped it, or a move moved it, all the same. */
  | { readonly kind: 'fail'; readonly permanent?: boolean; readonly half?: boolean; readonly detail?: string }
  /** Never answers, until its machine dies; nothing else can be done with it there meanwhile. */
  | { readonly kind: 'hang' }
  /** Takes so much longer, and works. */
  | { readonly kind: 'slow'; readonly byMs: number }
  /** Says what is not so; what is so stays as it is. */
  | { readonly kind: 'lie'; readonly outcome: OperationResult['outcome'] };

const defaults: ResourceBehaviour = {
  startMs: [1_000, 3_000],
  stopMs: [1_000, 2_000],
  monitorMs: [50, 50],
  migrateMs: [2_000, 6_000],
  monitorIntervalMs: 10_000,
  fault: () => null,
};

/** All resources of a world: how they behave, and what the cluster-wide counts of `fa` have come to. */
export class SimResources {
  readonly #configured: (sid: string) => Partial<ResourceBehaviour>;
  readonly #overrides = new Map<string, Partial<ResourceBehaviour>>();
  readonly #cache = new Map<string, ResourceBehaviour>();
  readonly #failures = new Map<string, { start: number; move: number }>();

  constructor(configured: (sid: string) => Partial<ResourceBehaviour> = () => ({})) {
    this.#configured = configured;
  }

  behaviour(sid: string): ResourceBehaviour {
    let known = this.#cache.get(sid);
    if (known === undefined) {
      known = { ...defaults, ...this.#configured(sid), ...this.#overrides.get(sid) };
      this.#cache.set(sid, known);
    }
    return known;
  }

  /** From now on; null: as configured again. */
  setBehaviour(sid: string, behaviour: Partial<ResourceBehaviour> | null): void {
    this.#cache.delete(sid);
    if (behaviour === null) this.#overrides.delete(sid);
    else this.#overrides.set(sid, { ...this.#overrides.get(sid), ...behaviour });
  }

  /** What goes wrong with this call, by the digits of `fa` or by what the test wants. */
  fault(call: OperationCall): ResourceFault | null {
    return this.behaviour(call.sid).fault(call) ?? (call.sid.startsWith('fa:') ? this.#faulty(call) : null);
  }

  /** Says that the start or the move has come to a good end: their counts begin anew. */
  worked(sid: string, operation: SimOperation): void {
    const counts = this.#failures.get(sid);
    if (operation === 'start' && counts !== undefined) counts.start = 0;
    if (operation === 'migrate' && counts !== undefined) counts.move = 0;
  }

  /** `fa:abcdef`: b starts fail, c moves fail, d: it cannot be stopped, e: it does not exist, f: runs on node f only. */
  #faulty({ sid, operation, nodeId, targetId }: OperationCall): ResourceFault | null {
    const [startFailures, moveFailures, unstoppable, , onlyNode] = faultyDigits(sid);
    const counts = this.#failures.get(sid) ?? { start: 0, move: 0 };
    this.#failures.set(sid, counts);
    if (!exists(sid)) {
      return operation === 'monitor'
        ? { kind: 'lie', outcome: 'stopped' }
        : { kind: 'fail', permanent: true, detail: `${sid} does not exist` };
    }
    if (operation === 'stop' && unstoppable === 1) return { kind: 'fail', detail: `${sid} never stops` };
    const elsewhere = (operation === 'migrate' ? targetId : nodeId) !== onlyNode;
    if (onlyNode > 0 && (operation === 'start' || operation === 'migrate') && elsewhere) {
      return { kind: 'fail', permanent: operation === 'start', detail: `${sid} runs on node ${onlyNode} only` };
    }
    if (operation === 'start' && counts.start++ < startFailures)
      return { kind: 'fail', detail: `${sid} does not start` };
    if (operation === 'migrate' && counts.move++ < moveFailures)
      return { kind: 'fail', detail: `${sid} does not move` };
    return null;
  }
}

/** What does not exist runs nowhere, whoever would start it. */
export function exists(sid: string): boolean {
  return !sid.startsWith('fa:') || faultyDigits(sid)[3] !== 1;
}

function faultyDigits(sid: string): readonly [number, number, number, number, number] {
  const digit = (at: number): number => Number.parseInt(sid.charAt(sid.indexOf(':') + 1 + at), 10) || 0;
  return [digit(1), digit(2), digit(3), digit(4), digit(5)];
}

/** What a machine must let its drivers do. */
export interface DriverSurroundings {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly resources: SimResources;
  readonly nodeId: number;
  readonly node: string;
  readonly nodeIdOf: (name: string) => number | null;
  /** Until when operations go on, whoever began them, true time: the driver of the next agent waits for them. */
  readonly busyUntilMs: Map<string, number>;
  readonly isRunning: (sid: string) => boolean;
  /** Null: that machine is off. */
  readonly bootIdOf: (node: string) => string | null;
  /** Null once this boot has ended: the operation has died with it. */
  readonly truth: () => Truth | null;
  readonly onOperation: (operation: 'start' | 'stop' | 'migrate', sid: string) => void;
  readonly isAlive: () => boolean;
  /** Brings a result to the agent's event loop, if it still lives. */
  readonly deliver: (run: () => void) => void;
}

export interface Truth {
  setRunning(sid: string, runs: boolean): void;
  /** Flips from here to there, if that is still the boot in which the move began; a sentence if it is not possible. */
  migrate(sid: string, targetNode: string, targetBootId: string | null): string | null;
}

type Answer = (result: OperationResult) => void;

/** Where a move goes to; a machine that has booted since is another one. */
interface Target {
  readonly node: string;
  readonly bootId: string | null;
}

export function simDrivers(types: readonly string[], world: DriverSurroundings): Map<string, ResourceDriver> {
  const driver = (type: string): ResourceDriver =>
    migratesLive(type) ? new MovingDriver(type, world) : new SimDriver(type, world);
  return new Map(types.map((type) => [type, driver(type)]));
}

/** As the peer has it: containers are stopped and started instead. */
export function migratesLive(type: string): boolean {
  return type === 'vm' || type === 'fa';
}

class SimDriver implements ResourceDriver {
  readonly type: string;
  readonly #world: DriverSurroundings;

  constructor(type: string, world: DriverSurroundings) {
    this.type = type;
    this.#world = world;
  }

  async validate(): Promise<void> {}

  async monitorIntervalMs({ sid }: ResourceDefinition): Promise<number> {
    return this.#world.resources.behaviour(sid).monitorIntervalMs;
  }

  run(operation: ResourceOperation, { sid }: ResourceDefinition, timeoutMs?: number): Promise<OperationResult> {
    // Timeout 0 of a stop: by force, which always works at once.
    const hard = operation === 'stop' && timeoutMs === 0;
    return this.operate(operation, sid, null, hard);
  }

  /** A process of the machine, not of the agent: it goes on when the agent dies, and ends with the machine. */
  protected operate(
    operation: SimOperation,
    sid: string,
    targetNode: string | null,
    hard: boolean,
  ): Promise<OperationResult> {
    const { timeline, random, resources, busyUntilMs, bootIdOf, onOperation, isAlive, deliver } = this.#world;
    if (!isAlive()) return new Promise(() => undefined);
    if (operation !== 'monitor') onOperation(operation, sid);
    const target = targetNode === null ? null : { node: targetNode, bootId: bootIdOf(targetNode) };
    const behaviour = resources.behaviour(sid);
    const startMs = timeline.nowMs;
    const beginsMs = Math.max(startMs, busyUntilMs.get(sid) ?? 0);
    if (beginsMs === Number.POSITIVE_INFINITY) return new Promise(() => undefined);
    const endsMs = beginsMs + (hard ? 0 : random.within(behaviour[`${operation}Ms`]));
    if (operation !== 'monitor') busyUntilMs.set(sid, endsMs);
    return new Promise((resolve) => {
      const answer: Answer = (result) =>
        deliver(() => resolve({ ...result, durationMs: Math.round(timeline.nowMs - startMs) }));
      timeline.at(endsMs, () => this.#end(operation, sid, target, answer));
    });
  }

  #end(operation: SimOperation, sid: string, target: Target | null, answer: Answer): void {
    const { timeline, resources, nodeId, node, busyUntilMs, truth, nodeIdOf } = this.#world;
    const machine = truth();
    if (machine === null) return;
    const call = { sid, operation, nodeId, node, atMs: timeline.nowMs, target: target?.node ?? null };
    const fault = resources.fault({ ...call, targetId: target === null ? null : nodeIdOf(target.node) });
    if (fault === null) answer(this.#carryOut(machine, operation, sid, target));
    else if (fault.kind === 'hang') busyUntilMs.set(sid, Number.POSITIVE_INFINITY);
    else if (fault.kind === 'lie') answer(said(fault.outcome, 'simulated: a lie'));
    else if (fault.kind === 'slow') this.#endLater(fault.byMs, operation, sid, target, answer);
    else answer(this.#fail(machine, operation, sid, target, fault));
  }

  #endLater(byMs: number, operation: SimOperation, sid: string, target: Target | null, answer: Answer): void {
    const { timeline, busyUntilMs, truth } = this.#world;
    if (operation !== 'monitor') busyUntilMs.set(sid, timeline.nowMs + byMs);
    timeline.after(byMs, () => {
      const machine = truth();
      if (machine !== null) answer(this.#carryOut(machine, operation, sid, target));
    });
  }

  #carryOut(machine: Truth, operation: SimOperation, sid: string, target: Target | null): OperationResult {
    const { resources, isRunning } = this.#world;
    if (target !== null) {
      const problem = isRunning(sid) ? machine.migrate(sid, target.node, target.bootId) : `${sid} does not run here`;
      if (problem !== null) return said(isRunning(sid) ? 'running' : 'failed', problem);
    }
    if (operation === 'start') machine.setRunning(sid, true);
    if (operation === 'stop') machine.setRunning(sid, false);
    resources.worked(sid, operation);
    return said(isRunning(sid) ? 'running' : 'stopped', '');
  }

  #fail(
    machine: Truth,
    operation: SimOperation,
    sid: string,
    target: Target | null,
    fault: ResourceFault & { kind: 'fail' },
  ): OperationResult {
    const { isRunning } = this.#world;
    const permanent = fault.permanent ?? false;
    const detail = fault.detail ?? `simulated: ${operation} fails`;
    if (fault.half && operation === 'start') machine.setRunning(sid, true);
    if (fault.half && operation === 'stop') machine.setRunning(sid, false);
    if (fault.half && target !== null && isRunning(sid)) machine.migrate(sid, target.node, target.bootId);
    if (operation === 'migrate') return { ...said(isRunning(sid) ? 'running' : 'failed', detail), permanent };
    const broken = operation === 'start' && !permanent;
    return { ...said(broken ? 'failed' : 'error', detail), permanent };
  }
}

class MovingDriver extends SimDriver {
  migrate({ sid }: ResourceDefinition, targetNode: string): Promise<OperationResult> {
    return this.operate('migrate', sid, targetNode, false);
  }
}

function said(outcome: OperationResult['outcome'], detail: string): OperationResult {
  return { outcome, permanent: false, detail, durationMs: 0 };
}
