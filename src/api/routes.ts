import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AgentControl, Mutation } from '../agent/control.js';
import { HoldfastError } from '../core/errors.js';
import { nearestName } from '../core/nearest-name.js';
import { HttpRefusal, sendJson } from './answers.js';
import type { Commit } from './commit.js';
import type { EventStream } from './event-stream.js';
import { readJson } from './request-body.js';
import { parseAdd, parseNothing, parseSet, parseSid } from './request-schema.js';

/** What the routes are served with. */
export interface RouteContext {
  readonly control: AgentControl;
  readonly events: EventStream;
  readonly commit: Commit;
}

type Handler = (context: RouteContext, sid: string, body: unknown) => unknown;

interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly description: string;
  /** The body of the answer; a POST is a change, and needs the right to it. */
  readonly answer: Handler | 'events';
}

async function change(context: RouteContext, mutation: Mutation): Promise<unknown> {
  const { index } = await context.commit(mutation);
  return { sid: mutation.sid, index };
}

function changeState(state: 'started' | 'disabled'): Handler {
  return (context, sid, body) => {
    parseNothing(body);
    return change(context, { type: 'set', sid, options: { state }, unset: [] });
  };
}

function resource(context: RouteContext, sid: string): unknown {
  const found = context.control.resources().find((each) => each.sid === sid);
  if (found === undefined) throw new HoldfastError('HF_NOT_FOUND', `there is no resource ${sid}`);
  return found;
}

function remove(context: RouteContext, sid: string, body: unknown): Promise<unknown> {
  parseNothing(body);
  return change(context, { type: 'remove', sid });
}

const routes: readonly Route[] = [
  { method: 'GET', path: '/v1', description: 'this list', answer: () => ({ routes: listed() }) },
  { method: 'GET', path: '/v1/status', description: 'the cluster and this node', answer: (c) => c.control.status() },
  { method: 'GET', path: '/v1/timing', description: 'the budget of times', answer: (c) => c.control.timing() },
  { method: 'GET', path: '/v1/events', description: 'server-sent events', answer: 'events' },
  {
    method: 'GET',
    path: '/v1/resources',
    description: 'the resources as configured',
    answer: (c) => ({ resources: c.control.resources() }),
  },
  { method: 'GET', path: '/v1/resources/{sid}', description: 'one resource as configured', answer: resource },
  {
    method: 'POST',
    path: '/v1/resources',
    description: 'adds {sid, agent, parameters, state, comment, maxRestart}',
    answer: (context, _sid, body) => change(context, parseAdd(body)),
  },
  {
    method: 'POST',
    path: '/v1/resources/{sid}',
    description: 'sets {agent, parameters, state, comment, maxRestart, unset}',
    answer: (context, sid, body) => change(context, parseSet(sid, body)),
  },
  { method: 'POST', path: '/v1/resources/{sid}/remove', description: 'stops it, then forgets it', answer: remove },
  {
    method: 'POST',
    path: '/v1/resources/{sid}/enable',
    description: 'asks for it to be started',
    answer: changeState('started'),
  },
  {
    method: 'POST',
    path: '/v1/resources/{sid}/disable',
    description: 'asks for it to be stopped and left alone',
    answer: changeState('disabled'),
  },
];

function listed(): unknown {
  return routes.map(({ method, path, description }) => ({ method, path, description }));
}

/** Whether `path` is of the pattern, and what it has in the place of `{sid}`. */
function matchPath(pattern: string, path: string): { readonly encodedSid: string | undefined } | null {
  const wanted = pattern.split('/');
  const given = path.split('/');
  const fits = wanted.length === given.length && wanted.every((part, at) => part === '{sid}' || part === given[at]);
  return fits ? { encodedSid: given[wanted.indexOf('{sid}')] } : null;
}

function decodeSid(encoded: string): string {
  try {
    return parseSid(decodeURIComponent(encoded));
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
  readonly sid: string;
}

/** @throws HF_NOT_FOUND, HF_ARGUMENT (400, and 405 with the methods that there are) */
function findRoute(method: string, path: string): Match {
  const matches = routes.flatMap((route) => {
    const match = matchPath(route.path, path);
    return match === null ? [] : [{ route, encodedSid: match.encodedSid }];
  });
  if (matches.length === 0) throw noSuchPath(path);
  const wanted = method === 'HEAD' ? 'GET' : method;
  const match = matches.find((each) => each.route.method === wanted);
  if (match === undefined) {
    const methods = matches.flatMap(({ route }) => (route.method === 'GET' ? ['GET', 'HEAD'] : [route.method]));
    const allow = methods.join(', ');
    throw new HttpRefusal(405, `${path} takes ${allow}, not ${method}`, { allow });
  }
  return { route: match.route, sid: match.encodedSid === undefined ? '' : decodeSid(match.encodedSid) };
}

/**
 * Answers one request.
 * @param mayChange asked once, and only for a change
 * @throws what the answer should be instead
 */
export async function serve(
  context: RouteContext,
  request: IncomingMessage,
  response: ServerResponse,
  mayChange: () => boolean,
): Promise<void> {
  const method = request.method ?? '';
  const [path = '', query] = (request.url ?? '').split('?', 2);
  const { route, sid } = findRoute(method, path);
  if (query !== undefined && query !== '') throw new HoldfastError('HF_ARGUMENT', `${route.path} takes no query`);
  if (route.method === 'POST' && !mayChange()) {
    throw new HoldfastError('HF_FORBIDDEN', 'only root and members of the admin group may change anything');
  }
  if (route.answer === 'events') {
    if (method === 'HEAD') response.writeHead(200, { 'content-type': 'text/event-stream' }).end();
    else context.events.attach(response);
    return;
  }
  const body = route.method === 'POST' ? await readJson(request) : {};
  sendJson(response, 200, await route.answer(context, sid, body));
}
