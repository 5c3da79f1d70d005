import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { AgentControl, Mutation } from '../agent/control.js';
import { AssertionError } from '../core/assert.js';
import { HoldfastError } from '../core/errors.js';
import { HttpRefusal, rawAnswer, sendError } from './answers.js';
import { createEventStream } from './event-stream.js';
import { mayChange, type PeerCredentials, readProcessStatus } from './peer-authority.js';
import { type RouteContext, serve } from './routes.js';
import { listenOnSocket } from './socket-file.js';

export const serverLimits = {
  connections: 128,
  /** Of them, how many may be of others than root, so that they cannot lock root out. */
  connectionsOfOthers: 112,
  mutations: 32,
  /** After that the caller is told that the outcome is unknown. */
  mutationMs: 120_000,
  headerBytes: 8_192,
  headersMs: 5_000,
  requestMs: 10_000,
  keepAliveMs: 5_000,
  /** How long `close` waits for answers that are on their way. */
  closeMs: 1_000,
} as const;

/** What the server logs with; pino's own. */
export interface StatusLog {
  warn(detail: object, message: string): void;
  error(detail: object, message: string): void;
}

export interface StatusServerOptions {
  readonly socketPath: string;
  readonly control: AgentControl;
  /** SO_PEERCRED of a connected socket. */
  readonly peerCredentials: (fd: number) => PeerCredentials;
  /** Members of this group may change what root may; absent: root only. */
  readonly adminGid?: number;
  readonly log: StatusLog;
}

export interface StatusServer {
  /** @throws HF_EXISTS when another agent answers there; HF_CONFIG when the path cannot be used */
  listen(): Promise<void>;
  close(): Promise<void>;
}

/** One connection. */
interface Peer {
  /** null: nobody could tell, so it may look only. */
  readonly credentials: PeerCredentials | null;
  /** The answer under way. */
  response: ServerResponse | null;
}

function createCommit(control: AgentControl, reportDefect: (error: unknown) => void): RouteContext['commit'] {
  let pending = 0;
  return async (mutation: Mutation) => {
    if (pending >= serverLimits.mutations) {
      throw new HoldfastError('HF_BUSY', `${pending} changes are under way; nothing was done, try again`);
    }
    pending += 1;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      const message = `the change of ${mutation.sid} was not committed within ${serverLimits.mutationMs / 1000} s and may or may not happen; look before trying again`;
      timer = setTimeout(() => reject(new HoldfastError('HF_OUTCOME_UNKNOWN', message)), serverLimits.mutationMs);
    });
    try {
      return await Promise.race([control.mutate(mutation), late]);
    } catch (error) {
      if (error instanceof HoldfastError) throw error;
      reportDefect(error);
      const message = `holdfastd failed on the change of ${mutation.sid}, which may or may not have happened; look before trying again`;
      throw new HoldfastError('HF_OUTCOME_UNKNOWN', message, { cause: error });
    } finally {
      clearTimeout(timer);
      pending -= 1;
    }
  };
}

/** The file descriptor of an accepted socket; Node keeps it on the handle. */
function fdOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  return typeof fd === 'number' ? fd : -1;
}

/** Ends a connection with one last answer. */
function endWith(socket: Duplex, answer: string): void {
  if (socket.writable) socket.end(answer, () => socket.destroy());
  else socket.destroy();
}

function configure(server: Server): void {
  server.keepAliveTimeout = serverLimits.keepAliveMs;
  server.maxHeadersCount = 64;
  // No traffic for so long: neither a change under way nor a follower of events, which are kept alive.
  server.timeout = serverLimits.mutationMs + serverLimits.requestMs;
}

/** Errors below HTTP: what could not be parsed, or did not come in time. */
function answerClientError(error: NodeJS.ErrnoException, socket: Duplex, peer: Peer | undefined): void {
  if (peer?.response?.headersSent) socket.destroy();
  else if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    endWith(socket, rawAnswer(408, 'HF_ARGUMENT', 'the request did not come in time'));
  } else if (error.code === 'HPE_HEADER_OVERFLOW') {
    const message = `the request's header is longer than ${serverLimits.headerBytes} bytes`;
    endWith(socket, rawAnswer(431, 'HF_ARGUMENT', message));
  } else {
    endWith(socket, rawAnswer(400, 'HF_ARGUMENT', `this is not a request in HTTP/1.1 (${error.code ?? 'unknown'})`));
  }
}

/** HTTP over a Unix socket: who may look, looks; who may change, changes; nobody harms the agent. */
export function createStatusServer(options: StatusServerOptions): StatusServer {
  const { control, log } = options;
  const peers = new Map<Duplex, Peer>();
  const events = createEventStream(control);
  const context: RouteContext = { control, events, commit: createCommit(control, reportDefect) };
  const server = createServer({
    maxHeaderSize: serverLimits.headerBytes,
    headersTimeout: serverLimits.headersMs,
    requestTimeout: serverLimits.requestMs,
    connectionsCheckingInterval: 1_000,
    requireHostHeader: false,
  });
  configure(server);

  function credentialsOf(socket: Socket): PeerCredentials | null {
    try {
      return options.peerCredentials(fdOf(socket));
    } catch (error) {
      log.warn({ err: error }, 'cannot tell who opened a connection to the status socket; it may look only');
      return null;
    }
  }

  function accept(socket: Socket): void {
    const credentials = credentialsOf(socket);
    const limit = credentials?.uid === 0 ? serverLimits.connections : serverLimits.connectionsOfOthers;
    if (peers.size >= limit) {
      endWith(socket, rawAnswer(503, 'HF_BUSY', `${limit} connections are open already; nothing was done, try again`));
      return;
    }
    peers.set(socket, { credentials, response: null });
    socket.once('close', () => peers.delete(socket));
  }

  /** Logs it; a broken assertion goes on to whoever stops the agent for it. */
  function reportDefect(error: unknown): void {
    log.error({ err: error }, 'a request on the status socket failed');
    if (error instanceof AssertionError) {
      setImmediate(() => {
        throw error;
      });
    }
  }

  function handle(request: IncomingMessage, response: ServerResponse): void {
    const peer = peers.get(request.socket);
    if (peer === undefined) return;
    if (peer.response !== null) {
      // A request before the answer to the last: thousands of them fit into one read, and would all be served
      // before anything else runs. The answer under way is sent, then the connection ends.
      peer.response.once('finish', () => request.socket.destroySoon());
      return;
    }
    peer.response = response;
    response.once('close', () => {
      peer.response = null;
    });
    const allowed = () => peer.credentials !== null && mayChange(peer.credentials, options.adminGid, readProcessStatus);
    serve(context, request, response, allowed).catch((error: unknown) => {
      sendError(response, error);
      if (!(error instanceof HoldfastError)) reportDefect(error);
    });
  }

  server.on('connection', accept);
  server.on('request', handle);
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) =>
    sendError(response, new HttpRefusal(417, 'the only expectation that is met is 100-continue')),
  );
  server.on('connect', (_request: IncomingMessage, socket: Duplex) =>
    endWith(socket, rawAnswer(405, 'HF_ARGUMENT', 'CONNECT is not served here; GET /v1 lists what there is')),
  );
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) =>
    answerClientError(error, socket, peers.get(socket)),
  );

  return {
    listen: async () => {
      await listenOnSocket(server, options.socketPath);
      server.on('error', (error) => log.error({ err: error }, 'the status socket failed'));
    },
    close: () =>
      new Promise((resolve) => {
        events.close();
        const force = setTimeout(() => server.closeAllConnections(), serverLimits.closeMs);
        server.close(() => {
          clearTimeout(force);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}
