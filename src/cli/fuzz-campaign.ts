import { Worker } from 'node:worker_threads';
import type { FuzzFinding, FuzzOrder, FuzzSum } from './fuzz-worker.js';

export interface Campaign {
  readonly from: number;
  readonly to: number;
  /** Absent: as each seed decides. */
  readonly nodes?: number;
  readonly jobs: number;
  /** Findings with a shortened schedule; the others are only named. */
  readonly shrunkFindings: number;
  /** Ends as soon as there are so many findings. */
  readonly findingsLimit: number;
  readonly onFinding: (finding: FuzzFinding) => void;
  readonly onProgress: (sum: FuzzSum) => void;
}

/** Seeds that a worker is given at a time: some tenths of a second. */
const chunk = 16;

/** All seeds, in order, by `jobs` threads; ends early when `stop` is called. */
export class FuzzCampaign {
  readonly #campaign: Campaign;
  #next: number;
  #stopped = false;
  #sum: FuzzSum = {
    seeds: 0,
    cpuMs: 0,
    simulatedMs: 0,
    commits: 0,
    declarations: 0,
    resets: 0,
    findings: [],
  };

  constructor(campaign: Campaign) {
    this.#campaign = campaign;
    this.#next = campaign.from;
  }

  get sum(): FuzzSum {
    return this.#sum;
  }

  /** It was stopped before all seeds had been run. */
  get interrupted(): boolean {
    const { from, to } = this.#campaign;
    return this.#stopped && this.#sum.seeds <= to - from;
  }

  /** What is under way comes to its end; nothing more is begun. */
  stop(): void {
    this.#stopped = true;
  }

  async run(): Promise<FuzzSum> {
    await Promise.all(Array.from({ length: this.#campaign.jobs }, () => this.#work()));
    return this.#sum;
  }

  async #work(): Promise<void> {
    const worker = new Worker(new URL('./fuzz-worker.js', import.meta.url));
    try {
      for (let order = this.#order(); order !== null; order = this.#order()) {
        this.#add(await answerOf(worker, order));
      }
    } finally {
      await worker.terminate();
    }
  }

  #order(): FuzzOrder | null {
    const { to, nodes, shrunkFindings, findingsLimit } = this.#campaign;
    const { findings } = this.#sum;
    if (this.#stopped || this.#next > to || findings.length >= findingsLimit) return null;
    const from = this.#next;
    this.#next += chunk;
    const order = { from, to: Math.min(to, from + chunk - 1), shrinks: findings.length < shrunkFindings };
    return nodes === undefined ? order : { ...order, nodes };
  }

  #add(reply: FuzzSum): void {
    const sum = this.#sum;
    this.#sum = {
      seeds: sum.seeds + reply.seeds,
      cpuMs: sum.cpuMs + reply.cpuMs,
      simulatedMs: sum.simulatedMs + reply.simulatedMs,
      commits: sum.commits + reply.commits,
      declarations: sum.declarations + reply.declarations,
      resets: sum.resets + reply.resets,
      findings: [...sum.findings, ...reply.findings],
    };
    for (const finding of reply.findings) this.#campaign.onFinding(finding);
    this.#campaign.onProgress(this.#sum);
  }
}

function answerOf(worker: Worker, order: FuzzOrder): Promise<FuzzSum> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (reply: FuzzSum) => {
      worker.off('error', reject);
      resolve(reply);
    });
    worker.postMessage(order);
  });
}
