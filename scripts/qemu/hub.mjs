import { rmSync } from 'node:fs';
import { createServer } from 'node:net';

/**
 * The guests' network: a hub for QEMU's `-netdev stream`, which sends each Ethernet frame after its length (four bytes,
 * the highest first). Needs no privilege, and a port can be cut off without the guest being told.
 */
export class Hub {
  #path;
  #ports = new Map();
  #servers = [];
  #cut = new Set();

  /** `path` begins the names of its sockets. */
  constructor(path) {
    this.#path = path;
  }

  /** Opens the port that belongs to `name`; QEMU's arguments for it. `number` 1 to 255 makes the hardware's address. */
  async open(name, number) {
    const path = `${this.#path}.${name}`;
    rmSync(path, { force: true });
    const server = createServer((socket) => this.#connected(name, socket));
    await new Promise((resolve) => server.listen(path, resolve));
    this.#servers.push(server);
    const address = `52:54:00:77:00:${number.toString(16).padStart(2, '0')}`;
    return [
      ...['-netdev', `stream,id=network,server=off,addr.type=unix,addr.path=${path}`],
      ...['-device', `virtio-net-pci,netdev=network,mac=${address},romfile=`],
    ];
  }

  /** From now on nothing of it comes through, in neither direction. */
  cut(name) {
    this.#cut.add(name);
  }

  heal(name) {
    this.#cut.delete(name);
  }

  close() {
    for (const server of this.#servers) server.close();
    for (const socket of this.#ports.values()) socket.destroy();
  }

  #connected(name, socket) {
    this.#ports.set(name, socket);
    let rest = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      const { frames, left } = splitFrames(rest.length === 0 ? bytes : Buffer.concat([rest, bytes]));
      rest = left;
      for (const frame of frames) this.#forward(name, frame);
    });
  }

  #forward(from, frame) {
    if (this.#cut.has(from)) return;
    for (const [name, socket] of this.#ports) {
      if (name === from || this.#cut.has(name)) continue;
      // A guest that does not read loses frames, as it would on a wire.
      if (socket.writableLength < maxQueuedBytes) socket.write(frame);
    }
  }
}

const maxQueuedBytes = 4 * 1024 * 1024;
const lengthBytes = 4;

/** The whole frames, each with its length before it, and what is left of one that has not come as a whole. */
export function splitFrames(bytes) {
  const frames = [];
  let start = 0;
  while (bytes.length - start >= lengthBytes) {
    const end = start + lengthBytes + bytes.readUInt32BE(start);
    if (end > bytes.length) break;
    frames.push(bytes.subarray(start, end));
    start = end;
  }
  return { frames, left: bytes.subarray(start) };
}
