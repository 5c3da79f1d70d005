/** What the resource of scripts/lab.d/ocf/exclusive has recorded about itself. Pure. */

/** One entry for each time that it ran, in order of their starts: from when to when it is known to have run. */
export function instancesOf(lines) {
  const instances = new Map();
  for (const { bootMs, event, node, pid, instance } of lines) {
    if (event === 'refused') continue;
    const known = instances.get(instance);
    if (known === undefined) instances.set(instance, { instance, node, pid, fromMs: bootMs, toMs: bootMs });
    else known.toMs = Math.max(known.toMs, bootMs);
  }
  return [...instances.values()].sort((a, b) => a.fromMs - b.fromMs);
}

/** Sentences, one for each time that it ran twice, or was to: the kernel refused the lock, or two overlap. */
export function doubleRuns(lines) {
  const refused = lines
    .filter(({ event }) => event === 'refused')
    .map(({ node, bootMs }) => `started on ${node} at ${bootMs} while it ran elsewhere`);
  const instances = instancesOf(lines);
  const overlaps = instances.flatMap((later, i) =>
    instances
      .slice(0, i)
      .filter((earlier) => later.fromMs <= earlier.toMs)
      .map((earlier) => `ran on ${earlier.node} until ${earlier.toMs} and on ${later.node} from ${later.fromMs}`),
  );
  return [...refused, ...overlaps];
}
