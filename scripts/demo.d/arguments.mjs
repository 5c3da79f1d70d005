import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

/** Below 18 s the lease is too short for corosync to regroup in it, or the watchdog's time for an agent to be restarted in; above 600 s holdfastd refuses. */
export const boundLimitsMs = { min: 18_000, max: 600_000 };
export const defaultBoundMs = 18_000;

export const usage = `usage: scripts/demo [--bound TIME] [--keep]

Three nodes on this machine, a floating IP with a web server on it, a client that keeps asking. The node that serves is
cut off the network; watch how it resets itself and how another node takes over. Nothing of this machine is at risk:
the nodes live in namespaces, and their watchdogs are emulated.

  --bound TIME  a node without quorum is reset within it: 18s (default, all is over in about 45 s) to 600s; 60s is the
                real thing
  --keep        leaves the cluster up at the end, and says how to talk to it
  --help        this

Exit codes: 0 the bound and the safety rule held, 1 they did not or something failed, 2 wrong arguments, 130 Ctrl-C.`;

export class UsageError extends Error {}

/** @returns {{ boundMs: number, keep: boolean, help: boolean }} @throws {UsageError} one sentence */
export function parseArguments(argv) {
  let values;
  try {
    ({ values } = parseArgs({
      args: argv,
      options: {
        bound: { type: 'string', default: `${defaultBoundMs}ms` },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(`${error.message.split('\n')[0].split('. ')[0]}: see scripts/demo --help`);
  }
  return { boundMs: boundOf(values.bound), keep: values.keep, help: values.help };
}

const unitsMs = { ms: 1, s: 1000, m: 60_000, min: 60_000 };

function boundOf(text) {
  const [, digits, unit] = /^(\d{1,6})(ms|s|m|min)$/.exec(text) ?? [];
  if (digits === undefined) throw new UsageError(`--bound is '${text}', not a time: write 60s`);
  const boundMs = Number(digits) * unitsMs[unit];
  if (boundMs < boundLimitsMs.min) {
    throw new UsageError(
      `--bound is ${text}, but below 18s the lease is too short for corosync to regroup in it: write 18s`,
    );
  }
  if (boundMs > boundLimitsMs.max)
    throw new UsageError(`--bound is ${text}, more than the longest there is: write 600s`);
  return boundMs;
}

/** For scripts/demo: wrong arguments and --help need no set-up. */
function check() {
  try {
    if (parseArguments(process.argv.slice(2)).help) console.log(usage);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`demo: ${error.message}`);
    process.exitCode = 2;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) check();
