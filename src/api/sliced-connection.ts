import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/**
 * Most bytes that the HTTP parser is given at once. Node reads 64 KiB and parses it in one go: 3 600 of the shortest
 * requests, at 60 µs each even when they are thrown away. From 112 connections at once that held up the agent for
 * 7 s; with slices, for less than the second in which a heartbeat is due.
 */
const sliceBytes = 512;

/** How long, and how much, a client may go on sending after its last answer. */
const linger = { ms: 1_000, bytes: 1_048_576 } as const;

/** A connection whose bytes come a slice at a time, one in each turn of the event loop. */
export class SlicedConnection extends Duplex {
  readonly #socket: Socket;
  #wanted = false;
  #scheduled = false;
  /** Bytes that may still be thrown away; null: they are not thrown away. */
  #discard: number | null = null;

  constructor(socket: Socket) {
    super({ readableHighWaterMark: sliceBytes });
    this.#socket = socket;
    socket.on('readable', () => this.#schedule());
    socket.on('timeout', () => this.emit('timeout'));
    socket.once('end', () => (this.#discard === null ? this.push(null) : this.#destroyIfDone()));
    socket.once('error', (error) => this.destroy(error));
    socket.once('close', () => this.destroy());
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#take();
    });
  }

  #take(): void {
    if (this.destroyed) return;
    if (this.#discard !== null) {
      const thrownAway: unknown = this.#socket.read();
      if (Buffer.isBuffer(thrownAway)) this.#discard -= thrownAway.length;
      if (this.#discard < 0) this.destroy();
    } else if (this.#wanted) this.#slice();
  }

  #slice(): void {
    const slice: unknown = this.#socket.read(Math.min(sliceBytes, this.#socket.readableLength));
    if (slice === null) return;
    this.#wanted = false;
    this.push(slice);
  }

  override _read(): void {
    this.#wanted = true;
    this.#schedule();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  /** As a net.Socket's: node:http ends idle connections with it. */
  setTimeout(timeoutMs: number, listener?: () => void): this {
    if (listener !== undefined) this.once('timeout', listener);
    this.#socket.setTimeout(timeoutMs);
    return this;
  }

  /**
   * As a net.Socket's: node:http ends a connection with it after the last answer. A Unix socket that is closed with
   * something unread takes the answer from a client that still sends (ECONNRESET), so that is read first.
   */
  destroySoon(): void {
    if (this.destroyed || this.#discard !== null) return;
    this.#discard = linger.bytes;
    const timer = setTimeout(() => this.destroy(), linger.ms);
    this.once('close', () => clearTimeout(timer));
    this.end(() => this.#destroyIfDone());
    this.#schedule();
  }

  /** The answer is out, and the client is through. */
  #destroyIfDone(): void {
    if (this.writableFinished && this.#socket.readableEnded) this.destroy();
  }
}
