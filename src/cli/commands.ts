import type { Decision, ResourceConfig, RuleReport } from '../agent/control.js';
import type { AgentEvent, StatusReport, TimingReport } from '../agent/status.js';
import type { ClusterOptions } from '../core/cluster-options.js';
import { HoldfastError } from '../core/errors.js';
import type { Explanation } from '../core/explanation.js';
import { nearestName } from '../core/nearest-name.js';
import type { Preview } from '../core/preview.js';
import type { Group } from '../core/rules.js';
import { parsePeerOption, peerOptions } from '../peer/option-names.js';
import { AgentClient } from './agent-client.js';
import { segment } from './changing.js';
import { type ExitCode, exitCodes } from './exit-codes.js';
import { interruption, paintFor, patiently, print, printJson, warn } from './output.js';
import { renderEvent, renderResource, renderTiming } from './render.js';
import { renderGroup, renderOptions, renderRule, ruleLine } from './render-policy.js';
import { renderDecision, renderExplanation, renderPreview } from './render-reasons.js';
import { renderStatus } from './render-status.js';
import { resourcePath } from './resource-commands.js';

/** What every command knows. */
export interface CommonOptions {
  readonly socket: string;
  readonly json: boolean;
}

export interface ChangeOptions extends CommonOptions {
  readonly timeoutMs: number;
  readonly dryRun: boolean;
}

async function lines(all: readonly string[]): Promise<void> {
  if (all.length > 0) await print(all.join('\n'));
}

async function printed(value: unknown, json: boolean, render: () => readonly string[]): Promise<void> {
  if (json) await printJson(value);
  else await lines(render());
}

function ask(socket: string, path: string): Promise<unknown> {
  return patiently('holdfastd', new AgentClient(socket, warn).get(path));
}

/** Prints an answer as JSON, or as lines. */
async function show<Answer>(
  { socket, json }: CommonOptions,
  path: string,
  render: (answer: Answer) => readonly string[],
): Promise<Answer> {
  const answer = (await ask(socket, path)) as Answer;
  await printed(answer, json, () => render(answer));
  return answer;
}

export async function status(verbose: boolean, options: CommonOptions): Promise<ExitCode> {
  const paint = paintFor(process.stdout);
  await show<StatusReport>(options, '/v1/status', (report) => renderStatus(report, paint, verbose));
  return exitCodes.done;
}

export async function timing(options: CommonOptions): Promise<ExitCode> {
  const paint = paintFor(process.stdout);
  const { fits } = await show<TimingReport>(options, '/v1/timing', (report) => renderTiming(report, paint));
  return fits ? exitCodes.done : exitCodes.failed;
}

export async function explain(sid: string, options: CommonOptions): Promise<ExitCode> {
  const path = resourcePath(sid, 'explanation');
  await show<Explanation>(options, path, (explanation) => renderExplanation(explanation, paintFor(process.stdout)));
  return exitCodes.done;
}

export async function decisions(limit: number, options: CommonOptions): Promise<ExitCode> {
  const paint = paintFor(process.stdout);
  await show<{ readonly decisions: readonly Decision[] }>(options, `/v1/decisions?limit=${limit}`, (answer) =>
    answer.decisions.toReversed().map((decision) => renderDecision(decision, paint)),
  );
  return exitCodes.done;
}

export async function config(
  sid: string | undefined,
  type: string | undefined,
  { socket, json }: CommonOptions,
): Promise<ExitCode> {
  if (sid !== undefined) {
    const resource = (await ask(socket, resourcePath(sid))) as ResourceConfig;
    await printed(resource, json, () => renderResource(resource));
    return exitCodes.done;
  }
  const all = (await ask(socket, '/v1/resources')) as { readonly resources: readonly ResourceConfig[] };
  const resources = all.resources.filter((each) => type === undefined || each.sid.startsWith(`${type}:`));
  await printed({ resources }, json, () => resources.flatMap(renderResource));
  return exitCodes.done;
}

export async function groups(options: CommonOptions): Promise<ExitCode> {
  await show<{ readonly groups: readonly Group[] }>(options, '/v1/groups', (answer) =>
    answer.groups.flatMap(renderGroup),
  );
  return exitCodes.done;
}

export interface RuleFilter {
  readonly id?: string | undefined;
  readonly type?: string;
  readonly resource?: string;
}

/** @param brief a line for each */
export async function rules(filter: RuleFilter, brief: boolean, { socket, json }: CommonOptions): Promise<ExitCode> {
  const reports =
    filter.id === undefined
      ? ((await ask(socket, '/v1/rules')) as { readonly rules: readonly RuleReport[] }).rules
      : [(await ask(socket, `/v1/rules/${segment(filter.id)}`)) as RuleReport];
  const { type, resource } = filter;
  const wanted = reports
    .filter(({ rule }) => type === undefined || rule.type === type)
    .filter(({ rule }) => resource === undefined || rule.resources.some((sid) => isNamed(sid, resource)));
  const paint = paintFor(process.stdout);
  const render = (each: RuleReport) => (brief ? [ruleLine(each, paint)] : renderRule(each, paint));
  await printed({ rules: wanted }, json, () => wanted.flatMap(render));
  return exitCodes.done;
}

function isNamed(sid: string, name: string): boolean {
  return sid === name || sid.slice(sid.indexOf(':') + 1) === name;
}

export async function options(common: CommonOptions): Promise<ExitCode> {
  await show<ClusterOptions>(common, '/v1/options', renderOptions);
  return exitCodes.done;
}

/** What `options NAME=VALUE…` asks for. @throws HF_ARGUMENT */
export function optionChanges(pairs: Readonly<Record<string, string>>): Partial<ClusterOptions> {
  let changes: Partial<ClusterOptions> = {};
  for (const [name, text] of Object.entries(pairs)) {
    const parsed = parsePeerOption(name, text);
    if (parsed === null) {
      const known = Object.keys(peerOptions);
      const near = nearestName(name, known);
      const hint = near === undefined ? `the options are ${known.join(', ')}` : `did you mean ${near}?`;
      throw new HoldfastError('HF_ARGUMENT', `there is no option "${name}": ${hint}`);
    }
    if ('problem' in parsed) throw new HoldfastError('HF_ARGUMENT', parsed.problem);
    if (parsed.note !== null) warn(`${name}: ${parsed.note}`);
    changes = { ...changes, ...parsed.changes };
  }
  return changes;
}

export async function watch({ socket, json }: CommonOptions): Promise<ExitCode> {
  const ending = new AbortController();
  process.once('SIGINT', () => ending.abort()).once('SIGTERM', () => ending.abort());
  const paint = paintFor(process.stdout);
  for await (const data of new AgentClient(socket).events('/v1/events', ending.signal)) {
    const event = JSON.parse(data) as AgentEvent;
    if (!(await print(json ? JSON.stringify(event) : renderEvent(event, paint)))) break;
  }
  return exitCodes.done;
}

export interface Change {
  readonly path: string;
  readonly body: unknown;
  /** As in "added ocf:web"; told the full name of what was changed. */
  readonly done: (name: string) => string;
}

interface ChangeAnswer {
  readonly sid?: string;
  readonly group?: string;
  readonly rule?: string;
  readonly node?: string;
  readonly warnings: readonly string[];
  readonly comigrated: readonly string[];
}

/** Asks for a change, and returns once it is committed; for a dry run, says what would become of it. */
export async function change({ path, body, done }: Change, options: ChangeOptions): Promise<ExitCode> {
  const client = new AgentClient(options.socket);
  const { json, timeoutMs } = options;
  if (options.dryRun) {
    const answer = client.post(`${path}?dry-run=1`, body, timeoutMs);
    const preview = (await patiently('what would become of it', answer)) as Preview;
    await printed(preview, json, () => renderPreview(preview, paintFor(process.stdout)));
    return exitCodes.done;
  }
  const message = 'interrupted: the change may or may not have happened; look before trying again';
  const answer = await waiting('the commit', message, client.change(path, body, timeoutMs));
  if (json) await printJson(answer);
  else await tell(answer as ChangeAnswer, done);
  return exitCodes.done;
}

async function tell(answer: ChangeAnswer, done: Change['done']): Promise<void> {
  const name = answer.sid ?? answer.group ?? answer.rule ?? answer.node ?? '';
  const along = answer.comigrated.map((sid) => `${sid} moves too, for a rule keeps them together`);
  await lines([done(name), ...along]);
  for (const warning of answer.warnings) warn(warning);
}

/** Shows progress, and ends with the message when the user does not want to wait any more. */
async function waiting<Answer>(what: string, message: string, answer: Promise<Answer>): Promise<Answer> {
  const interrupted = interruption(message);
  try {
    return await patiently(what, Promise.race([answer, interrupted.passed]));
  } finally {
    interrupted.stop();
  }
}

/** The agent answers within a minute, prepared or not. */
const shutdownAnswerMs = 90_000;

/** Has this node prepared for its end, and returns when it is. */
export async function shutdown(kind: string, { socket, json }: CommonOptions): Promise<ExitCode> {
  const message = 'interrupted: the node goes on preparing its shutdown; run the same command to wait again';
  await waiting('what runs here to be gone', message, prepared(new AgentClient(socket), kind));
  if (json) await printJson({ prepared: true });
  else await print(`nothing of the cluster runs on this node any more: it can be shut down now (${kind})`);
  return exitCodes.done;
}

async function prepared(client: AgentClient, kind: string): Promise<void> {
  let answer: { readonly prepared: boolean };
  do {
    answer = (await client.post('/v1/node/shutdown', { kind }, shutdownAnswerMs)) as typeof answer;
  } while (!answer.prepared);
}
