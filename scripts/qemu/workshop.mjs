import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './command.mjs';
import { Guest } from './guest.mjs';
import { ownTemporaryDirectory } from './lock.mjs';
import { commonFiles, nodeFiles, writeInitrd } from './payload.mjs';

const diskSize = '96M';

/** Makes guests, and leaves nothing behind: neither processes nor files. */
export class Workshop {
  #directory = ownTemporaryDirectory('holdfast-guests-');
  #guests = new Set();
  #images;
  #accel;
  #common;

  constructor(images, accel) {
    this.#images = images;
    this.#accel = accel;
    this.#common = commonFiles(images.programs);
  }

  /** Starts a guest with a disk of its own; `node` as nodeFiles takes it, `hardware` as qemuArguments does. */
  async start(name, node, hardware = {}) {
    const directory = join(this.#directory, name);
    mkdirSync(directory, { recursive: true });
    const initrd = join(directory, 'initrd');
    const disk = join(directory, 'disk');
    writeInitrd(initrd, this.#images.loader, [...this.#common, ...nodeFiles(node)]);
    await run('truncate', ['-s', diskSize, disk]);
    await run('mke2fs', ['-q', '-F', '-t', 'ext4', disk]);
    const guest = new Guest(name, directory);
    this.#guests.add(guest);
    await guest.start({
      driver: node.driver,
      accel: this.#accel,
      images: { ...this.#images, initrd },
      disk,
      ...hardware,
    });
    return guest;
  }

  async stop(guest) {
    await guest.stop();
    this.#guests.delete(guest);
  }

  /** A path for something that guests share, a socket for instance. */
  path(name) {
    return join(this.#directory, name);
  }

  /** Copies the guests' logs to where they stay; the directory; null: there was no guest. */
  saveLogs() {
    const logs = readdirSync(this.#directory).map((name) => [name, join(this.#directory, name, 'guest.log')]);
    const written = logs.filter(([, log]) => existsSync(log));
    if (written.length === 0) return null;
    const to = mkdtempSync(join(tmpdir(), 'holdfast-qemu-logs-'));
    for (const [name, log] of written) cpSync(log, join(to, `${name}.log`));
    return to;
  }

  /** At once. */
  close() {
    for (const guest of this.#guests) guest.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
