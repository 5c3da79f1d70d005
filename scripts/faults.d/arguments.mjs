import { parseArgs } from 'node:util';

export const usage = `usage: npm run faults -- [--only NAME[,NAME...]] [--times N] [--bound MS] [--labs N] [--json FILE]

Injects faults into clusters of three machines in namespaces on this one (scripts/lab), with real corosync and an
emulated watchdog each, and measures from outside. Needs root; scripts/setup installs what else is missing.
  --only NAME   only these faults
  --times N     runs of each fault, 1 to 1000 (5); power-loss runs four times as often
  --bound MS    fenceBoundMs, 18000 to 600000 (18000)
  --labs N      clusters at a time, 1 to 8 (2)
  --json FILE   writes every run's figures there
Exits with 0 only if every expectation held.`;

/** Throws an Error with one sentence; null: help was asked for. */
export function parseArguments(argv, names) {
  const text = { type: 'string' };
  const options = {
    only: { ...text, multiple: true },
    times: text,
    bound: text,
    labs: text,
    json: text,
    help: { type: 'boolean', short: 'h' },
  };
  const { values } = parseArgs({ args: [...argv], options });
  if (values.help) return null;
  const only = (values.only ?? []).flatMap((list) => list.split(','));
  for (const name of only) {
    if (!names.includes(name)) throw new Error(`there is no fault '${name}': use ${names.join(', ')}`);
  }
  return {
    only: only.length === 0 ? names : names.filter((name) => only.includes(name)),
    times: whole('--times', values.times ?? '5', 1, 1_000),
    boundMs: whole('--bound', values.bound ?? '18000', 18_000, 600_000),
    labs: whole('--labs', values.labs ?? '2', 1, 8),
    json: values.json ?? null,
  };
}

function whole(option, value, least, most) {
  if (/^\d{1,9}$/.test(value) && Number(value) >= least && Number(value) <= most) return Number(value);
  throw new Error(`${option} is '${value}', not a whole number from ${least} to ${most}`);
}
