import type { ResourceConfig } from '../agent/control.js';
import type { AgentEvent, StatusReport, TimingReport } from '../agent/status.js';
import { AgentClient } from './agent-client.js';
import { type ExitCode, exitCodes } from './exit-codes.js';
import { interruption, paintFor, print, printJson, startProgress } from './output.js';
import { renderEvent, renderResource, renderStatus, renderTiming } from './render.js';

/** What every command knows. */
export interface CommonOptions {
  readonly socket: string;
  readonly json: boolean;
}

export interface ChangeOptions extends CommonOptions {
  readonly timeoutMs: number;
}

function lines(all: readonly string[]): Promise<void> {
  return all.length === 0 ? Promise.resolve() : print(all.join('\n'));
}

export async function status({ socket, json }: CommonOptions): Promise<ExitCode> {
  const report = (await new AgentClient(socket).get('/v1/status')) as StatusReport;
  await (json ? printJson(report) : lines(renderStatus(report, paintFor(process.stdout))));
  return exitCodes.done;
}

export async function timing({ socket, json }: CommonOptions): Promise<ExitCode> {
  const report = (await new AgentClient(socket).get('/v1/timing')) as TimingReport;
  await (json ? printJson(report) : lines(renderTiming(report, paintFor(process.stdout))));
  return report.fits ? exitCodes.done : exitCodes.failed;
}

export async function config(sid: string | undefined, { socket, json }: CommonOptions): Promise<ExitCode> {
  const client = new AgentClient(socket);
  const path = sid === undefined ? '/v1/resources' : resourcePath(sid);
  const answer = (await client.get(path)) as ResourceConfig & { readonly resources: readonly ResourceConfig[] };
  if (json) await printJson(answer);
  else await lines((sid === undefined ? answer.resources : [answer]).flatMap(renderResource));
  return exitCodes.done;
}

export async function watch({ socket, json }: CommonOptions): Promise<ExitCode> {
  const ending = new AbortController();
  process.once('SIGINT', () => ending.abort()).once('SIGTERM', () => ending.abort());
  const paint = paintFor(process.stdout);
  for await (const data of new AgentClient(socket).events('/v1/events', ending.signal)) {
    const event = JSON.parse(data) as AgentEvent;
    await print(json ? JSON.stringify(event) : renderEvent(event, paint));
  }
  return exitCodes.done;
}

/** The path of a resource. The agent judges the id, so that there is one rule. */
export function resourcePath(sid: string, action?: 'remove' | 'enable' | 'disable'): string {
  const path = `/v1/resources/${encodeURIComponent(sid)}`;
  return action === undefined ? path : `${path}/${action}`;
}

export interface Change {
  readonly path: string;
  readonly body: unknown;
  /** As in "added ocf:web". */
  readonly done: string;
}

/** Asks for a change, and returns once it is committed. */
export async function change({ path, body, done }: Change, options: ChangeOptions): Promise<ExitCode> {
  const client = new AgentClient(options.socket);
  const stopProgress = startProgress('the commit');
  const interrupted = interruption('interrupted: the change may or may not have happened; look before trying again');
  try {
    const answer = client.change(path, body, options.timeoutMs);
    const committed = await Promise.race([answer, interrupted.passed]);
    if (options.json) await printJson(committed);
    else {
      stopProgress();
      await print(done);
    }
    return exitCodes.done;
  } finally {
    interrupted.stop();
    stopProgress();
  }
}
