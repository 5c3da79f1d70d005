import type { LoadMeter, NodeLoad, ServiceLoad } from '../ports/load-meter.js';

/** What a node has, besides what is used of it. */
export type Capacity = Pick<NodeLoad, 'cpus' | 'memoryBytes'>;

/** What services use, the same wherever they run; set by whoever plays with the world. */
export class ServiceLoads {
  readonly #loads = new Map<string, ServiceLoad>();

  set(sid: string, load: Partial<ServiceLoad>): void {
    const none: ServiceLoad = { maxCpus: 0, maxMemoryBytes: 0, cpus: 0, memoryBytes: 0 };
    this.#loads.set(sid, { ...none, ...this.#loads.get(sid), ...load });
  }

  get(sid: string): ServiceLoad | null {
    return this.#loads.get(sid) ?? null;
  }
}

/** The meter of one node: its capacity, and the sum of what truly runs there. */
export class SimLoadMeter implements LoadMeter {
  readonly #services: ServiceLoads;
  readonly #running: ReadonlySet<string>;
  capacity: Capacity;
  /** Guests that nobody manages; set by whoever plays with the world. */
  unmanagedGuests = 0;

  constructor(services: ServiceLoads, running: ReadonlySet<string>, capacity: Capacity) {
    this.#services = services;
    this.#running = running;
    this.capacity = capacity;
  }

  node(): NodeLoad | null {
    let usedCpus = 0;
    let usedMemoryBytes = 0;
    for (const sid of this.#running) {
      const load = this.#services.get(sid);
      usedCpus += load?.cpus ?? 0;
      usedMemoryBytes += load?.memoryBytes ?? 0;
    }
    return { ...this.capacity, usedCpus, usedMemoryBytes };
  }

  otherGuests(): number {
    return this.unmanagedGuests;
  }

  service(sid: string): ServiceLoad | null {
    return this.#services.get(sid);
  }
}
