import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import type { LoadMeter, NodeLoad } from '../ports/load-meter.js';

/** The kernel's figures of this machine. What a service uses is not known: no driver measures it yet. */
export class HostLoadMeter implements LoadMeter {
  #earlier = ticks();

  /** CPU use is that since the last call. */
  node(): NodeLoad {
    const now = ticks();
    const total = now.total - this.#earlier.total;
    const idle = now.idle - this.#earlier.idle;
    this.#earlier = now;
    const cpuCount = availableParallelism();
    const memoryBytes = totalmem();
    return {
      cpus: cpuCount,
      memoryBytes,
      usedCpus: total > 0 ? Math.max(0, cpuCount * (1 - idle / total)) : 0,
      usedMemoryBytes: Math.max(0, memoryBytes - freemem()),
    };
  }

  otherGuests(): number {
    return 0;
  }

  service(): null {
    return null;
  }
}

/** Milliseconds of all CPUs together since the boot. */
function ticks(): { readonly total: number; readonly idle: number } {
  let total = 0;
  let idle = 0;
  for (const { times } of cpus()) {
    total += times.user + times.nice + times.sys + times.idle + times.irq;
    idle += times.idle;
  }
  return { total, idle };
}
