import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { AgentControl } from '../agent/control.js';
import { AssertionError } from '../core/assert.js';
import { HoldfastError } from '../core/errors.js';
import { rawAnswer, sendError } from './answers.js';
import { createChanges } from './commit.js';
import { createEventStream } from './event-stream.js';
import { createParser, endWith } from './http-parser.js';
import { serverLimits } from './limits.js';
import { mayChange, type PeerCredentials, readProcessStatus } from './peer-authority.js';
import { type RouteContext, serve } from './routes.js';
import { SlicedConnection } from './sliced-connection.js';
import { listenOnSocket } from './socket-file.js';

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
  /** Waits for the answers under way, at most serverLimits.closeMs. */
  close(): Promise<void>;
}

/** One connection. */
interface Peer {
  /** null: nobody could tell, so it may look only. */
  readonly credentials: PeerCredentials | null;
  /** The answer under way. */
  response: ServerResponse | null;
  /** Its connection ends with the answer under way. */
  ending: boolean;
}

/** The file descriptor of an accepted socket; Node keeps it on the handle. */
function fdOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  return typeof fd === 'number' ? fd : -1;
}

class HttpStatusServer implements StatusServer {
  readonly #options: StatusServerOptions;
  readonly #peers = new Map<Duplex, Peer>();
  readonly #context: RouteContext;
  readonly #parser = createParser(
    (request, response) => this.#handle(request, response),
    (connection) => this.#peers.get(connection)?.response?.headersSent ?? false,
  );
  readonly #listener = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));

  constructor(options: StatusServerOptions) {
    this.#options = options;
    const { control } = options;
    const changes = createChanges(control, (error) => this.#reportDefect(error));
    this.#context = { control, events: createEventStream(control), changes };
    this.#listener.maxConnections = serverLimits.connections;
  }

  async listen(): Promise<void> {
    await listenOnSocket(this.#listener, this.#options.socketPath);
    this.#listener.on('error', (error) => this.#options.log.error({ err: error }, 'the status socket failed'));
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      const force = setTimeout(() => this.#endAll(() => true), serverLimits.closeMs);
      this.#listener.close(() => {
        clearTimeout(force);
        resolve();
      });
      this.#context.events.close();
      this.#parser.close();
      this.#endAll((peer) => peer.response === null);
    });
  }

  #endAll(atOnce: (peer: Peer) => boolean): void {
    for (const [connection, peer] of this.#peers) {
      peer.ending = true;
      if (atOnce(peer)) connection.destroy();
    }
  }

  #credentialsOf(socket: Socket): PeerCredentials | null {
    try {
      return this.#options.peerCredentials(fdOf(socket));
    } catch (error) {
      this.#options.log.warn({ err: error }, 'cannot tell who opened a connection to the status socket');
      return null;
    }
  }

  #accept(socket: Socket): void {
    const credentials = this.#credentialsOf(socket);
    const connection = new SlicedConnection(socket);
    const limit = credentials?.uid === 0 ? serverLimits.served : serverLimits.servedOfOthers;
    if (this.#peers.size >= limit) {
      const message = `${limit} connections are open already; nothing was done, try again`;
      endWith(connection, rawAnswer(503, 'HF_BUSY', message));
      return;
    }
    this.#peers.set(connection, { credentials, response: null, ending: false });
    connection.once('close', () => this.#peers.delete(connection));
    this.#parser.emit('connection', connection);
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const peer = this.#peers.get(request.socket);
    if (peer === undefined) return;
    if (peer.response !== null) {
      // A request before the answer to the last: clients do not do that, floods do. The answer is sent, then it ends.
      peer.ending = true;
      return;
    }
    peer.response = response;
    response.once('close', () => {
      peer.response = null;
      if (peer.ending) request.socket.destroySoon();
    });
    serve(this.#context, request, response, () => this.#mayChange(peer)).catch((error: unknown) => {
      sendError(response, error);
      if (!(error instanceof HoldfastError)) this.#reportDefect(error);
    });
  }

  #mayChange({ credentials }: Peer): boolean {
    return credentials !== null && mayChange(credentials, this.#options.adminGid, readProcessStatus);
  }

  /** Logs it; a broken assertion goes on to whoever stops the agent for it. */
  #reportDefect(error: unknown): void {
    this.#options.log.error({ err: error }, 'a request on the status socket failed');
    if (!(error instanceof AssertionError)) return;
    setImmediate(() => {
      throw error;
    });
  }
}

/** HTTP over a Unix socket: who may look, looks; who may change, changes; nobody harms the agent. */
export function createStatusServer(options: StatusServerOptions): StatusServer {
  return new HttpStatusServer(options);
}
