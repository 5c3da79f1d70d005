import { HoldfastError } from '../core/errors.js';
import { type ExitCode, exitCodes } from './exit-codes.js';
import { FuzzCampaign } from './fuzz-campaign.js';
import type { FuzzFinding, FuzzSum } from './fuzz-worker.js';
import { print, printJson } from './output.js';

/** `holdfast simulate --fuzz`: random faults by the seed, on the agent of this version. No real agent is asked. */

export interface FuzzOptions {
  readonly json: boolean;
  /** `A-B`, or one seed. */
  readonly seeds: string;
  /** Absent: as each seed decides, mostly three. */
  readonly nodes?: number;
  /** Threads. */
  readonly jobs: number;
}

const progressMs = 2_000;
const shrunkFindings = 3;
const findingsLimit = 50;
const msPerHour = 3_600_000;
const highestSeed = 2 ** 48;

/** Fails if a rule was broken; Ctrl-C ends it early, and what was done is told: that is no success either. */
export async function fuzz({ json, seeds, nodes, jobs }: FuzzOptions): Promise<ExitCode> {
  const { from, to } = parseSeeds(seeds);
  const progress = new Progress(to - from + 1);
  const campaign = new FuzzCampaign({
    from,
    to,
    ...(nodes === undefined ? {} : { nodes }),
    jobs,
    shrunkFindings,
    findingsLimit,
    onFinding: (finding) => {
      if (!json) process.stdout.write(`${findingLines(finding).join('\n')}\n`);
    },
    onProgress: (sum) => progress.tell(sum),
  });
  const stop = (): void => campaign.stop();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    const sum = await campaign.run();
    const { interrupted } = campaign;
    await (json ? printJson(report(sum, { from, to, interrupted })) : print(summary(sum, to - from + 1, interrupted)));
    if (sum.findings.length > 0) return exitCodes.failed;
    return interrupted ? exitCodes.interrupted : exitCodes.done;
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

export function parseSeeds(text: string): { readonly from: number; readonly to: number } {
  const [, first = '', last = first] = /^(\d{1,15})(?:-(\d{1,15}))?$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (first === '' || to < from || to > highestSeed) {
    throw new HoldfastError('HF_ARGUMENT', `--seeds is one seed or a range such as 1-1000, not "${text}"`);
  }
  return { from, to };
}

/** Every two seconds, on standard error. */
class Progress {
  readonly #total: number;
  readonly #startedMs = performance.now();
  #toldMs = this.#startedMs;

  constructor(total: number) {
    this.#total = total;
  }

  tell({ seeds, simulatedMs, findings }: FuzzSum): void {
    const nowMs = performance.now();
    if (nowMs - this.#toldMs < progressMs) return;
    this.#toldMs = nowMs;
    const perS = (seeds * 1_000) / (nowMs - this.#startedMs);
    const found = findings.length === 0 ? '' : `, ${counted(findings.length, 'violation')}`;
    const hours = (simulatedMs / msPerHour).toFixed(1);
    process.stderr.write(
      `${seeds} of ${counted(this.#total, 'seed')}, ${perS.toFixed(0)} a second, ${hours} cluster hours${found}\n`,
    );
  }
}

function replayCommand({ seed, nodes }: FuzzFinding): string {
  return `holdfast simulate --fuzz --seeds ${seed} --nodes ${nodes}`;
}

function findingLines(finding: FuzzFinding): string[] {
  const { seed, violation, schedule, steps } = finding;
  const head = `violation in seed ${seed} at ${(violation.atMs / 1_000).toFixed(3)} s: ${violation.rule}: ${violation.text}`;
  const shown = schedule.length === 0 ? [] : [`  shortened to ${schedule.length} of ${counted(steps, 'step')}:`];
  return [head, `  replay: ${replayCommand(finding)}`, ...shown, ...schedule.map((line) => `  ${line}`)];
}

export function summary(sum: FuzzSum, total: number, interrupted: boolean): string {
  const { seeds, findings, simulatedMs, declarations, resets, commits, cpuMs } = sum;
  const violations = findings.length === 0 ? 'no violation' : `${counted(findings.length, 'seed')} with a violation`;
  const done = seeds < total ? `${seeds} of ${counted(total, 'seed')}` : counted(seeds, 'seed');
  const fenced = `${counted(declarations, 'node')} declared fenced`;
  return [
    `${interrupted ? 'interrupted after ' : ''}${done}, ${violations}`,
    `${(simulatedMs / msPerHour).toFixed(1)} cluster hours, ${counted(commits, 'commit')}, ${fenced}, ${counted(resets, 'reset')}`,
    `${(cpuMs / Math.max(1, seeds)).toFixed(1)} ms a seed`,
  ].join('\n');
}

function counted(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? '' : 's'}`;
}

interface Course {
  readonly from: number;
  readonly to: number;
  readonly interrupted: boolean;
}

function report({ findings, ...figures }: FuzzSum, course: Course): object {
  return {
    ...course,
    ...figures,
    violations: findings.map((finding) => ({
      seed: finding.seed,
      nodes: finding.nodes,
      ...finding.violation,
      replay: replayCommand(finding),
      schedule: finding.schedule.map((line) => line.trim()),
    })),
  };
}
