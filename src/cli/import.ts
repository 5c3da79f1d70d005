import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Rehearsal, ResourceConfig, RuleReport } from '../agent/control.js';
import type { StatusReport } from '../agent/status.js';
import type { ClusterOptions } from '../core/cluster-options.js';
import { HoldfastError } from '../core/errors.js';
import type { Group } from '../core/rules.js';
import { parseDatacenter } from '../peer/datacenter-file.js';
import { parseGroups } from '../peer/groups-file.js';
import type { Note } from '../peer/notes.js';
import { parseResources } from '../peer/resources-file.js';
import { parseRules } from '../peer/rules-file.js';
import { AgentClient } from './agent-client.js';
import type { ChangeOptions } from './commands.js';
import { type ExitCode, exitCodeOf, exitCodes } from './exit-codes.js';
import {
  type ImportPlan,
  type ImportStep,
  type PeerFiles,
  type PresentConfiguration,
  planImport,
} from './import-plan.js';
import { interruption, paintFor, patiently, print, printJson, startProgress, warn } from './output.js';
import { printable } from './render.js';

/** Takes over the configuration of the peer. Nothing is changed before everything was read and judged. */

export interface ImportOptions extends ChangeOptions {
  /** What cannot be taken over is left out instead of refusing all. */
  readonly partial: boolean;
}

const maxFileBytes = 8 * 1024 * 1024;

export async function importDirectory(directory: string, options: ImportOptions): Promise<ExitCode> {
  const files = readPeerFiles(directory);
  const client = new AgentClient(options.socket, warn);
  const plan = planImport(files, await patiently('holdfastd', presentConfiguration(client)), options.partial);
  const refused = plan.notes.filter((note) => note.kind === 'refused').length;
  if (!options.json) await tellPlan(plan, options);
  const error = refused > 0 && !options.partial ? refusalOf(refused) : await whyRefused(client, plan.steps, options);
  if (error !== null) return refuse(plan, error, options);
  const outcome = options.dryRun ? nothingDone : await carryOut(client, plan.steps, options);
  if (options.json) await printJson(jsonOf(plan, outcome));
  else await tellOutcome(plan, outcome, options.dryRun);
  return outcome.error === null ? exitCodes.done : exitCodeOf(outcome.error.code);
}

function readPeerFiles(directory: string): PeerFiles {
  const resources = readOne(directory, 'resources.cfg');
  const groups = readOne(directory, 'groups.cfg');
  const rules = readOne(directory, 'rules.cfg');
  const datacenter = readOne(directory, 'datacenter.cfg');
  if ([resources, groups, rules, datacenter].every((file) => !file.found)) {
    throw new HoldfastError(
      'HF_ARGUMENT',
      `${directory} has none of resources.cfg, groups.cfg, rules.cfg and datacenter.cfg, nor has its directory ha: name the directory with the peer's files, such as /etc/pve`,
    );
  }
  return {
    groups: parseGroups(groups.text, groups.name),
    resources: parseResources(resources.text, resources.name),
    rules: parseRules(rules.text, rules.name),
    datacenter: parseDatacenter(datacenter.text, datacenter.name),
    names: { groups: groups.name, resources: resources.name, rules: rules.name, datacenter: datacenter.name },
  };
}

interface ReadFile {
  readonly name: string;
  readonly text: string;
  readonly found: boolean;
}

/** As in /etc/pve, where most of them are in `ha`. A file that is not there is empty. */
function readOne(directory: string, file: string): ReadFile {
  for (const name of [file, join('ha', file)]) {
    const text = readIfThere(join(directory, name));
    if (text !== null) return { name, text, found: true };
  }
  return { name: file, text: '', found: false };
}

function readIfThere(path: string): string | null {
  let descriptor: number | null = null;
  try {
    descriptor = openSync(path, 'r');
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) throw new HoldfastError('HF_ARGUMENT', `${path} is not a file`);
    if (stat.size > maxFileBytes)
      throw new HoldfastError('HF_ARGUMENT', `${path} is larger than ${maxFileBytes} bytes`);
    return readFileSync(descriptor, 'utf8');
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new HoldfastError('HF_ARGUMENT', `${path} cannot be read (${code})`);
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}

async function presentConfiguration(client: AgentClient): Promise<PresentConfiguration> {
  const groups = (await client.get('/v1/groups')) as { readonly groups: readonly Group[] };
  const resources = (await client.get('/v1/resources')) as { readonly resources: readonly ResourceConfig[] };
  const rules = (await client.get('/v1/rules')) as { readonly rules: readonly RuleReport[] };
  const options = (await client.get('/v1/options')) as ClusterOptions;
  const { resourceTypes } = (await client.get('/v1/status')) as StatusReport;
  return { ...groups, ...resources, ...rules, options, resourceTypes };
}

interface Outcome {
  readonly done: readonly string[];
  /** Of the step after those; null: all were done. */
  readonly error: HoldfastError | null;
}

/** How long the agent may take to judge the rules of a whole cluster one after the other. */
const rehearsalMs = 120_000;

/** What the agent would refuse of it, before anything is changed; a dry run also tells what would be told. */
async function whyRefused(
  client: AgentClient,
  steps: readonly ImportStep[],
  { dryRun }: ImportOptions,
): Promise<HoldfastError | null> {
  if (steps.length === 0) return null;
  const changes = steps.map(({ path, body }) => ({ path, body }));
  try {
    const answer = client.post('/v1/rehearsal', { changes }, rehearsalMs);
    const { warnings, refusal } = (await patiently('what would become of it', answer)) as Rehearsal;
    if (dryRun) for (const warning of warnings.flat()) warn(warning);
    if (refusal === null) return null;
    const failed = steps[warnings.length]?.what ?? '';
    return new HoldfastError(refusal.code, `nothing was imported, for ${failed} is refused: ${refusal.message}`);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return error;
  }
}

const nothingDone: Outcome = { done: [], error: null };

/** Stops at the first refusal. */
async function carryOut(client: AgentClient, steps: readonly ImportStep[], options: ImportOptions): Promise<Outcome> {
  const done: string[] = [];
  const stopProgress = startProgress('the commits');
  const interrupted = interruption('interrupted: the last change may or may not have happened');
  try {
    for (const { what, path, body } of steps) {
      const answer = await Promise.race([client.change(path, body, options.timeoutMs), interrupted.passed]);
      done.push(what);
      for (const warning of (answer as { readonly warnings: readonly string[] }).warnings) warn(warning);
    }
    return { done, error: null };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    const failed = steps[done.length]?.what ?? '';
    const next = 'what was imported stays, and is skipped when you run this again';
    return { done, error: new HoldfastError(error.code, `stopped at ${failed}: ${error.message}; ${next}`) };
  } finally {
    interrupted.stop();
    stopProgress();
  }
}

async function tellPlan({ notes, present }: ImportPlan, { partial }: ImportOptions): Promise<void> {
  const paint = paintFor(process.stdout);
  const tones = { changed: 'notable', ignored: 'faint', refused: 'bad' } as const;
  const word = (kind: Note['kind']): string => (kind === 'refused' && partial ? 'left out' : kind);
  const line = ({ file, line: at, kind, text }: Note): string =>
    `${paint(tones[kind], word(kind))} ${printable(file)}${at === 0 ? '' : `:${at}`}: ${printable(text)}`;
  const lines = [...notes.map(line), ...present.map((what) => `there already: ${printable(what)}`)];
  if (lines.length > 0) await print(lines.join('\n'));
}

function refusalOf(refused: number): HoldfastError {
  const things = refused === 1 ? 'one thing' : `${refused} things`;
  const message = `nothing was imported, for ${things} cannot be taken over: mend the files, or leave that out with --partial`;
  return new HoldfastError('HF_CONFLICT', message);
}

async function refuse(plan: ImportPlan, error: HoldfastError, { json }: ImportOptions): Promise<ExitCode> {
  if (!json) throw error;
  await printJson(jsonOf(plan, { done: [], error }));
  return exitCodeOf(error.code);
}

/** @throws the error of the step that failed */
async function tellOutcome({ steps, present }: ImportPlan, { done, error }: Outcome, dryRun: boolean): Promise<void> {
  if (dryRun) {
    const taken = steps.map(({ what }) => `would take over ${printable(what)}`);
    const sum = `nothing was changed (dry run): ${steps.length} to take over, ${present.length} there already`;
    await print([...taken, sum].join('\n'));
    return;
  }
  const sum = `${done.length} imported, ${present.length} there already`;
  await print([...done.map((what) => `imported ${printable(what)}`), sum].join('\n'));
  if (error !== null) throw error;
}

function jsonOf(plan: ImportPlan, { done, error }: Outcome): unknown {
  const { notes, present, steps } = plan;
  return {
    ...(error === null ? {} : { error: { code: error.code, message: error.message } }),
    notes,
    present,
    planned: steps.map(({ what }) => what),
    done,
  };
}
