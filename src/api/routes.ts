import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AgentControl } from '../agent/control.js';
import { HoldfastError } from '../core/errors.js';
import { nearestName } from '../core/nearest-name.js';
import { HttpRefusal, sendJson } from './answers.js';
import type { Changes } from './commit.js';
import type { EventStream } from './event-stream.js';
import { readJson } from './request-body.js';
import { type NameKind, parseName, shown } from './request-schema.js';
import { type ChangeRoute, type Route, routes } from './route-table.js';

/** What the routes are served with. */
export interface RouteContext {
  readonly control: AgentControl;
  readonly events: EventStream;
  readonly changes: Changes;
}

const pathVariable = /^\{(sid|group|rule|node)\}$/;

interface NameInPath {
  readonly kind: NameKind;
  readonly encoded: string;
}

/** Whether `path` is of the pattern, and the name that it has in the place of the braces. */
function matchPath(pattern: string, path: string): { readonly name: NameInPath | null } | null {
  const wanted = pattern.split('/');
  const given = path.split('/');
  const fits =
    wanted.length === given.length && wanted.every((part, at) => pathVariable.test(part) || part === given[at]);
  if (!fits) return null;
  const at = wanted.findIndex((part) => pathVariable.test(part));
  const kind = pathVariable.exec(wanted[at] ?? '')?.[1] as NameKind | undefined;
  return { name: kind === undefined ? null : { kind, encoded: given[at] ?? '' } };
}

function decodeName({ kind, encoded }: NameInPath): string {
  try {
    return parseName(kind, decodeURIComponent(encoded));
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw new HoldfastError('HF_ARGUMENT', 'the path has a % that is not followed by two hexadecimal digits');
  }
}

function noSuchPath(path: string): HoldfastError {
  const near = nearestName(
    path,
    routes.map((each) => each.path),
  );
  const hint = near === undefined ? 'GET /v1 lists what there is' : `did you mean ${near}?`;
  return new HoldfastError('HF_NOT_FOUND', `there is no path ${JSON.stringify(path.slice(0, 80))}; ${hint}`);
}

interface Match {
  readonly route: Route;
  readonly name: string;
}

/** @throws HF_NOT_FOUND, HF_ARGUMENT (400, and 405 with the methods that there are) */
function findRoute(method: string, path: string): Match {
  const matches = routes.flatMap((route) => {
    const match = matchPath(route.path, path);
    return match === null ? [] : [{ route, name: match.name }];
  });
  if (matches.length === 0) throw noSuchPath(path);
  const wanted = method === 'HEAD' ? 'GET' : method;
  const match = matches.find((each) => each.route.method === wanted);
  if (match === undefined) {
    const methods = matches.flatMap(({ route }) => (route.method === 'GET' ? ['GET', 'HEAD'] : [route.method]));
    const allow = methods.join(', ');
    throw new HttpRefusal(405, `${path} takes ${allow}, not ${method}`, { allow });
  }
  return { route: match.route, name: match.name === null ? '' : decodeName(match.name) };
}

function allowedQuery(route: Route): readonly string[] {
  if ('change' in route) return ['dry-run'];
  return 'read' in route ? route.query : [];
}

/** What stands behind the `?`, each name once. @throws HF_ARGUMENT */
function parseQuery(route: Route, text: string): URLSearchParams {
  const query = new URLSearchParams(text);
  const allowed = allowedQuery(route);
  for (const name of query.keys()) {
    if (!allowed.includes(name)) {
      const known = allowed.length === 0 ? 'no query' : `only ${allowed.join(', ')} in its query`;
      throw new HoldfastError('HF_ARGUMENT', `${route.path} takes ${known}, not ${shown(name)}`);
    }
    if (query.getAll(name).length > 1) throw new HoldfastError('HF_ARGUMENT', `${name} is given twice`);
  }
  return query;
}

function isDryRun(query: URLSearchParams): boolean {
  const value = query.get('dry-run') ?? '0';
  if (value !== '0' && value !== '1')
    throw new HoldfastError('HF_ARGUMENT', `dry-run must be 0 or 1, not ${shown(value)}`);
  return value === '1';
}

async function change(
  { changes }: RouteContext,
  { change, subject }: ChangeRoute,
  request: ChangeRequest,
): Promise<unknown> {
  const mutation = change(request.name, request.body);
  if (isDryRun(request.query)) return changes.preview(mutation);
  const { subject: changed, ...committed } = await changes.commit(mutation);
  return { ...(subject === null ? {} : { [subject]: changed }), ...committed };
}

interface ChangeRequest {
  readonly name: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
}

/** A node outside of the quorate view may have missed what was decided. */
function staleness(control: AgentControl): string | null {
  const { cluster, leader } = control.status();
  if (cluster.connected && cluster.quorate && leader !== null) return null;
  return 'this node is not in a quorate view: what it shows may be stale';
}

/**
 * Answers one request.
 * @param mayChange asked at most once: for a change, and for what not everybody may read
 * @throws what the answer should be instead
 */
export async function serve(
  context: RouteContext,
  request: IncomingMessage,
  response: ServerResponse,
  mayChange: () => boolean,
): Promise<void> {
  const method = request.method ?? '';
  const [path = '', queryText = ''] = (request.url ?? '').split('?', 2);
  const { route, name } = findRoute(method, path);
  const query = parseQuery(route, queryText);
  if (route.method === 'POST' && !mayChange()) {
    throw new HoldfastError(
      'HF_FORBIDDEN',
      'only root and members of the admin group may change anything: run this as root',
    );
  }
  if ('events' in route) {
    if (method === 'HEAD') response.writeHead(200, { 'content-type': 'text/event-stream' }).end();
    else context.events.attach(response);
  } else if ('read' in route) {
    // Also of the answer that there is no such thing.
    const stale = route.replicated ? staleness(context.control) : null;
    if (stale !== null) response.setHeader('holdfast-stale', stale);
    sendJson(response, 200, await route.read(context.control, name, query, mayChange));
  } else if ('act' in route) {
    const body = await readJson(request, route.maxBodyBytes);
    sendJson(response, 200, await route.act(body, context.control, context.changes));
  } else {
    sendJson(response, 200, await change(context, route, { name, query, body: await readJson(request) }));
  }
}
