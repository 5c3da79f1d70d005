/** What the resources, the watchdogs and the client have written themselves, whatever the agents say. Pure. */

/** The client's requests that were not answered; `records` as demo.d/client.mjs writes them. */
export function requestsBetween(records, fromMs, toMs) {
  const asked = records.filter(({ sentMs }) => sentMs >= fromMs && sentMs < toMs);
  return { asked: asked.length, failed: asked.filter(({ node }) => node === undefined).length };
}

/** Milliseconds: the longest time in which it ran nowhere, of instances in order of their starts; 0: it never stopped. */
export function longestGapMs(instances, fromMs, toMs) {
  const there = instances.filter((each) => each.toMs >= fromMs && each.fromMs <= toMs);
  if (there.length === 0) return toMs - fromMs;
  const gaps = there.slice(1).map((later, i) => later.fromMs - there[i].toMs);
  return Math.max(0, there[0].fromMs - fromMs, ...gaps);
}

export function resetsBetween(events, fromMs, toMs) {
  return events.filter(({ event, bootMs }) => event === 'killed' && bootMs >= fromMs && bootMs < toMs).length;
}

/** Has whoever opened the watchdog last let it go, so that it counts no more? */
export function isLetGo(events) {
  const last = events.findLast(({ event }) => ['open', 'release-pet', 'magic-close', 'killed'].includes(event));
  return last === undefined || last.event === 'magic-close';
}

/** The lines that tell when it ran: all but the signs of life, of which the last of each instance is kept. */
export class Runs {
  #lines = [];
  #alive = new Map();

  add({ event, ...rest }) {
    if (event === 'alive') this.#alive.set(rest.instance, { event, ...rest });
    // The web server's word for a lock that is held elsewhere.
    else this.#lines.push({ event: event === 'clash' ? 'refused' : event, ...rest });
  }

  lines() {
    return [...this.#lines, ...this.#alive.values()];
  }
}
