import type { ClusterState } from '../core/cluster-state.js';
import type { LoadReport } from '../core/messages.js';
import type { LoadMeter } from '../ports/load-meter.js';

/** What this node tells of its load: of the machine, and of each service that it has. Null: nothing is measured yet. */
export function loadReport(meter: LoadMeter, state: ClusterState, selfId: number | null): LoadReport | null {
  const node = meter.node();
  if (node === null || selfId === null) return null;
  const services = Object.values(state.services).flatMap(({ sid, nodeId }) => {
    const load = nodeId === selfId ? meter.service(sid) : null;
    return load === null ? [] : [{ sid, ...load }];
  });
  return { node, otherGuests: meter.otherGuests(), services };
}
