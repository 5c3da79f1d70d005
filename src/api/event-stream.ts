import type { ServerResponse } from 'node:http';
import type { AgentControl } from '../agent/control.js';
import type { AgentEvent } from '../agent/status.js';
import { HoldfastError } from '../core/errors.js';

export const eventLimits = { clients: 64, backlogBytes: 262_144, keepAliveMs: 15_000 } as const;

export interface EventStream {
  /** Answers `response` with the events from now on. @throws HF_BUSY when there are too many listeners */
  attach(response: ServerResponse): void;
  close(): void;
}

function frameOf(event: AgentEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

/**
 * Server-sent events (WHATWG HTML, 9.2) to any number of listeners up to the limit, over one subscription. A
 * listener that does not read is dropped once its backlog is full; it can connect again and ask for the status.
 */
export function createEventStream(control: AgentControl, limits: typeof eventLimits = eventLimits): EventStream {
  const clients = new Set<ServerResponse>();
  let stop: (() => void) | null = null;

  function send(frame: string): void {
    for (const client of clients) {
      if (client.writableLength + frame.length > limits.backlogBytes) client.destroy();
      else client.write(frame);
    }
  }

  function start(): void {
    const unsubscribe = control.subscribe((event) => send(frameOf(event)));
    const keepAlive = setInterval(() => send(': keep-alive\n\n'), limits.keepAliveMs);
    stop = () => {
      clearInterval(keepAlive);
      unsubscribe();
      stop = null;
    };
  }

  function detach(client: ServerResponse): void {
    if (clients.delete(client) && clients.size === 0) stop?.();
  }

  return {
    attach(response) {
      if (clients.size >= limits.clients) {
        throw new HoldfastError('HF_BUSY', `${limits.clients} listeners follow the events already; end one of them`);
      }
      if (stop === null) start();
      clients.add(response);
      response.once('close', () => detach(response));
      // The client has gone, or says no more and does not listen either: the two look the same.
      response.socket?.once('end', () => response.end());
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write(': events of holdfastd from now on\n\n');
    },
    close() {
      for (const client of clients) {
        client.end();
        detach(client);
      }
    },
  };
}
