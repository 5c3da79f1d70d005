import { parseArgs } from 'node:util';

/** Pure: what is typed after `npm run tour --`. */
export const usage = `usage: npm run tour -- [--json] [--bound MS] [--only STEP[,STEP...]] [--keep-logs]

A cluster of three machines in namespaces, driven by the CLI through rules, moves, maintenance, disarm, shutdowns under
every policy, a rolling reboot, a node's death and an end of the whole cluster; after each, what runs where is looked at
without asking an agent. Needs root; scripts/setup installs what else is missing.
  --json        narrates on standard error, and prints one object on standard output at the end
  --bound MS    fenceBoundMs, 18000 to 60000 (18000)
  --only STEP   setup and these steps only
  --keep-logs   copies the logs also when all has held
Exits with 0 only if everything held.`;

/** Throws an Error with one sentence; null: help was asked for. */
export function parseArguments(argv, names) {
  const options = {
    json: { type: 'boolean' },
    bound: { type: 'string' },
    only: { type: 'string', multiple: true },
    'keep-logs': { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  };
  const { values } = parseArgs({ args: [...argv], options });
  if (values.help) return null;
  const only = (values.only ?? []).flatMap((list) => list.split(','));
  for (const name of only) {
    if (!names.includes(name)) throw new Error(`there is no step '${name}': use ${names.join(', ')}`);
  }
  const bound = values.bound ?? '18000';
  if (!/^\d{5}$/.test(bound) || Number(bound) < 18_000 || Number(bound) > 60_000) {
    throw new Error(`--bound is '${bound}', not a whole number from 18000 to 60000`);
  }
  return {
    json: values.json === true,
    boundMs: Number(bound),
    only: only.length === 0 ? names : names.filter((name) => only.includes(name)),
    keepLogs: values['keep-logs'] === true,
  };
}
