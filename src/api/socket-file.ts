import { chmodSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import { createConnection, type Server } from 'node:net';
import { dirname } from 'node:path';
import { HoldfastError } from '../core/errors.js';

/** `sun_path` has 108 bytes, the last for NUL (unix(7)). libuv cuts a longer path off without a word. */
const maxPathBytes = 107;

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

/** Whether somebody listens on `path`. A stopped process does, and so does one whose backlog is full (EAGAIN). */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createConnection(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error) => resolve(!['ECONNREFUSED', 'ENOENT'].includes(codeOf(error))));
  });
}

async function removeStale(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === false) {
    throw new HoldfastError('HF_CONFIG', `${path} is in the way: it is not a socket; move it or name another path`);
  }
  if (await isAnswered(path)) {
    throw new HoldfastError('HF_EXISTS', `another holdfastd answers on ${path}; stop it or name another socket`);
  }
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/**
 * Makes `server` listen on `path`, open to all: what they may do is decided by who they are. Replaces the socket
 * that a dead agent has left.
 * @throws HF_EXISTS when another agent answers there; HF_CONFIG when the path cannot be used
 */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > maxPathBytes) {
    throw new HoldfastError('HF_CONFIG', `the socket path ${path} is longer than ${maxPathBytes} bytes; shorten it`);
  }
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    try {
      await listen(server, path);
    } catch (error) {
      if (codeOf(error) !== 'EADDRINUSE') throw error;
      await removeStale(path);
      await listen(server, path);
    }
    chmodSync(path, 0o666);
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw new HoldfastError('HF_CONFIG', `cannot listen on ${path} (${codeOf(error)}); check its directory`, {
      cause: error,
    });
  }
}
