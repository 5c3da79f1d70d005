/** Gives a validation its verdict: after the reset by the agent or the command, whoever comes first. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../core/errors.js';
import { readBootId } from './boot-id.js';
import { type Begin, damagedRun, mismatch, type Validation, type ValidationFiles } from './validation-record.js';
import { type BootFacts, judgeRun } from './validation-verdict.js';
import { readKernelWatchdog } from './watchdog-sysfs.js';

export type Completion =
  | { readonly outcome: 'none' }
  /** Its process lives in this boot: nothing is to be completed yet. */
  | { readonly outcome: 'under-way'; readonly pid: number; readonly device: string }
  | { readonly outcome: 'untried'; readonly sentence: string }
  | { readonly outcome: 'verdict'; readonly validation: Validation };

/**
 * Completes the validation that was begun last, if it has no verdict yet.
 * @param wallMs the wall clock now
 * @param root prefix of /dev, /proc and /sys; only tests set it
 * @throws HF_STORE
 */
export async function completeValidation(files: ValidationFiles, wallMs: number, root = '/'): Promise<Completion> {
  const steps = await files.run();
  if (steps === null) return { outcome: 'none' };
  const [begin] = steps;
  const first = begin?.step === 'begin' ? begin : null;
  const facts = await bootFacts(first?.device ?? null, wallMs, root);
  if (first !== null && (await isUnderWay(first, facts.bootId, root))) {
    return { outcome: 'under-way', pid: first.pid, device: first.device };
  }
  return conclude(files, steps, facts);
}

/** Also by the process of the run itself, when the machine has outlived it. */
export async function conclude(
  files: ValidationFiles,
  steps: Parameters<typeof judgeRun>[0],
  facts: BootFacts,
): Promise<Completion> {
  const judgement = judgeRun(steps, facts);
  if (judgement.tried === null) throw damagedRun(files.runPath);
  if (!judgement.tried) {
    await files.removeRun();
    return { outcome: 'untried', sentence: judgement.sentence };
  }
  const { run } = judgement.validation;
  const given = async () => (await files.results()).find((result) => result.run === run);
  // Should this process die in between, the verdict that was written first stands.
  const first = await given();
  const validation = first ?? (await unforgetting(files, judgement.validation));
  if (first === undefined) {
    await files.writeResult(validation).catch(async (error: unknown) => {
      // The agent and the command may do this at once: whoever is second finds it done.
      if ((await given()) === undefined) throw error;
    });
  }
  await files.removeRun();
  return { outcome: 'verdict', validation };
}

/** A run without a verdict clears no watchdog that did not reset this machine, nor one whose record may have said so. */
async function unforgetting(files: ValidationFiles, validation: Validation): Promise<Validation> {
  if (validation.verdict !== 'unfinished') return validation;
  const { device, when, sentence, machine = null, firmware = null } = validation;
  const since = `the validation of ${when} is ${sentence}`;
  const { results, damaged } = await files.records();
  if (damaged.has(device)) {
    const doubt = `the record before was damaged, and may be that it did not reset this machine; ${since}`;
    return { ...validation, verdict: 'did-not-reset', sentence: doubt };
  }
  const before = results.find((result) => result.device === device);
  if (before?.verdict !== 'did-not-reset') return validation;
  if (mismatch(before, { ...validation, machine, firmware }) !== null) return validation;
  const { run, bootBefore, bootAfter, evidence } = validation;
  return { ...before, run, bootBefore, bootAfter, evidence: [`this stands, for ${since}`, ...evidence] };
}

async function bootFacts(device: string | null, wallMs: number, root: string): Promise<BootFacts> {
  const [uptimeS] = (await readText('/proc/uptime', root)).split(' ');
  const bootStatus = device === null ? null : await bootStatusOf(device, root);
  return { bootId: readBootId(root), bootWallMs: wallMs - Number(uptimeS) * 1_000, bootStatus };
}

async function bootStatusOf(device: string, root: string): Promise<number | null> {
  try {
    const { inSysfs, bootStatus } = await readKernelWatchdog(device, root);
    return inSysfs ? bootStatus : null;
  } catch (error) {
    if (error instanceof HoldfastError) return null;
    throw error;
  }
}

/** Does the process of a run live, in the boot with this id? @param root prefix of /proc; only tests set it */
export async function isUnderWay({ bootId, pid, pidStarted }: Begin, now: string, root: string): Promise<boolean> {
  return bootId === now && (await processStart(pid, root)) === pidStarted;
}

/** When a process started, in ticks since the boot; with its pid it is one process and no other. Null: there is none. */
export async function processStart(pid: number, root = '/'): Promise<string | null> {
  const text = await readText(`/proc/${pid}/stat`, root).catch(() => null);
  // The name, in brackets, may hold blanks and brackets; the 22nd field is the 20th after it.
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

async function readText(path: string, root: string): Promise<string> {
  return (await readFile(join(root, path), 'utf8')).trim();
}
