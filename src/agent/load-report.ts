import type { ClusterState } from '../core/cluster-state.js';
import type { LoadReport } from '../core/messages.js';
import type { NodeState } from '../core/node-state.js';
import type { LoadMeter } from '../ports/load-meter.js';

/** How often nodes tell what they carry. */
const intervalMs = 10_000;

/** When loads are to be told, and which. */
export class LoadReporter {
  readonly #meter: LoadMeter;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(meter: LoadMeter) {
    this.#meter = meter;
  }

  /** Null: none is due, or nothing is measured yet. Throws what the meter throws, and not again before the next is due. */
  due(node: NodeState, nowMs: number): LoadReport | null {
    if (nowMs - this.#lastMs < intervalMs || node.cluster === null) return null;
    const beforeMs = this.#lastMs;
    this.#lastMs = nowMs;
    const report = loadReport(this.#meter, node.log.committed, node.cluster.selfId);
    if (report === null) this.#lastMs = beforeMs;
    return report;
  }
}

/** What this node tells of its load: of the machine, and of each service that it has. Null: nothing is measured yet. */
function loadReport(meter: LoadMeter, state: ClusterState, selfId: number): LoadReport | null {
  const node = meter.node();
  if (node === null) return null;
  const services = Object.values(state.services).flatMap(({ sid, nodeId }) => {
    const load = nodeId === selfId ? meter.service(sid) : null;
    return load === null ? [] : [{ sid, ...load }];
  });
  return { node, otherGuests: meter.otherGuests(), services };
}
