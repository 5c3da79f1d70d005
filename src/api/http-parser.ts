import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { HttpRefusal, rawAnswer, sendError } from './answers.js';
import { serverLimits } from './limits.js';
import { SlicedConnection } from './sliced-connection.js';

/** Ends a connection with one last answer. */
export function endWith(connection: Duplex, answer: string): void {
  if (connection.writable) connection.write(answer);
  if (connection instanceof SlicedConnection) connection.destroySoon();
  else connection.destroy();
}

/** The answer to what could not be parsed, or did not come in time. */
function answerTo(error: NodeJS.ErrnoException): string {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return rawAnswer(408, 'HF_ARGUMENT', 'the request did not come in time');
  }
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    const message = `the request's header is longer than ${serverLimits.headerBytes} bytes`;
    return rawAnswer(431, 'HF_ARGUMENT', message);
  }
  return rawAnswer(400, 'HF_ARGUMENT', `this is not a request in HTTP/1.1 (${error.code ?? 'unknown'})`);
}

/**
 * node:http for connections that it is handed with `emit('connection', …)`; it never listens itself.
 * @param answering whether an answer on this connection has begun, so that another one would garble it
 */
export function createParser(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  answering: (connection: Duplex) => boolean,
): Server {
  const parser = createServer({
    maxHeaderSize: serverLimits.headerBytes,
    headersTimeout: serverLimits.headersMs,
    requestTimeout: serverLimits.requestMs,
    connectionsCheckingInterval: 1_000,
    requireHostHeader: false,
  });
  parser.keepAliveTimeout = serverLimits.keepAliveMs;
  parser.maxHeadersCount = 64;
  // No traffic for so long: neither a change under way nor a follower of events, which are kept alive.
  parser.timeout = serverLimits.mutationMs + serverLimits.requestMs;
  // A client that has said all it wants to say still gets its answer (Node's own switch, though not in its manual).
  Object.assign(parser, { httpAllowHalfOpen: true });
  parser.on('request', handle);
  parser.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) =>
    sendError(response, new HttpRefusal(417, 'the only expectation that is met is 100-continue')),
  );
  parser.on('connect', (_request: IncomingMessage, connection: Duplex) =>
    endWith(connection, rawAnswer(405, 'HF_ARGUMENT', 'CONNECT is not served here; GET /v1 lists what there is')),
  );
  parser.on('clientError', (error: NodeJS.ErrnoException, connection: Duplex) => {
    if (answering(connection)) connection.destroy();
    else endWith(connection, answerTo(error));
  });
  // It watches over its time limits only from this event on.
  parser.emit('listening');
  return parser;
}
