import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const retryMs = 20;
const maxLineBytes = 1024 * 1024;

/** Connects to a Unix socket that a program just started is about to open; calls `onLine` for each line. */
export async function openLineSocket(path, onLine, { limitMs, alive }) {
  const endMs = Date.now() + limitMs;
  while (alive() && Date.now() < endMs) {
    const socket = await tryConnect(path);
    if (socket === null) {
      await sleep(retryMs);
      continue;
    }
    readLines(socket, onLine);
    return socket;
  }
  throw new Error(`nobody opened ${path}`);
}

function tryConnect(path) {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(null));
  });
}

function readLines(socket, onLine) {
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('error', () => undefined);
  socket.on('data', (text) => {
    const lines = (rest + text).split('\n');
    // A line without an end is noise: a guest that was reset in the middle of one.
    rest = (lines.pop() ?? '').slice(-maxLineBytes);
    for (const line of lines) onLine(line.replace(/\r$/, ''));
  });
}
