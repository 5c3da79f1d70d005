/** A process that arms an emulated watchdog and then behaves as its job says. */
import { readdirSync, readFileSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { createWatchdog } from '../src/host/keeper-watchdog.js';
import { loadNative } from '../src/host/native.js';

interface Job {
  readonly emulator: string;
  readonly timeoutS: number;
  readonly petIntervalMs: number;
  readonly leaseMs: number;
  /** `wait`: do nothing; `block`: never leave JavaScript; `exit`: process.exit; the rest in worker threads or with GC. */
  readonly behave: 'wait' | 'block' | 'exit' | 'worker' | 'idle-worker' | 'collect' | 'forget' | 'end';
}

async function arm(job: Job): Promise<void> {
  const watchdog = createWatchdog({ emulator: job.emulator });
  const leaseDeadlineMs = loadNative().boottimeMs() + job.leaseMs;
  await watchdog.arm({
    timeoutS: job.timeoutS,
    petIntervalMs: job.petIntervalMs,
    leaseMs: job.leaseMs,
    leaseDeadlineMs,
  });
}

function keeperThreads(): number {
  const tasks = readdirSync('/proc/self/task');
  return tasks.filter((task) => readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim() === 'hf-keeper').length;
}

async function inWorker(job: Job): Promise<void> {
  const worker = new Worker(new URL(import.meta.url), { workerData: job });
  await new Promise((resolve) => worker.once('message', resolve));
  await worker.terminate();
}

async function collect(job: Job, make: () => Promise<unknown> | unknown, left: number): Promise<void> {
  await make();
  for (let attempt = 0; attempt < 20; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    globalThis.gc?.();
  }
  if (keeperThreads() !== left) throw new Error(`${job.behave}: ${keeperThreads()} keepers are left, not ${left}`);
}

/** Ends by itself, with a notice of the keeper that has not been taken yet. */
function endRinging(job: Job): void {
  const watchdog = createWatchdog({ emulator: job.emulator });
  process.on('exit', () => {
    watchdog.reset('ending');
    const end = performance.now() + 100;
    while (performance.now() < end);
  });
  process.send?.('ready', () => process.disconnect());
}

async function main(job: Job): Promise<void> {
  if (job.behave === 'end') return endRinging(job);
  if (job.behave === 'worker' || job.behave === 'idle-worker') await inWorker(job);
  else if (job.behave === 'collect') {
    await collect(job, () => void Array.from({ length: 20 }, () => createWatchdog({ emulator: job.emulator })), 0);
  } else if (job.behave === 'forget') await collect(job, () => arm(job), 1);
  else await arm(job);
  process.send?.('ready', () => {
    if (job.behave === 'exit') process.exit(0);
    if (job.behave === 'block') for (;;);
  });
  setInterval(() => {}, 1_000);
}

if (isMainThread) await main(JSON.parse(process.argv[2] ?? '{}') as Job);
else {
  const job = workerData as Job;
  if (job.behave === 'worker') await arm(job);
  else createWatchdog({ emulator: job.emulator });
  parentPort?.postMessage('done');
  setInterval(() => {}, 1_000);
}
