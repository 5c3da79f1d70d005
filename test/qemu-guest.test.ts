import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';

/** What the QEMU lab's guest makes of what QEMU and its ports say: here this test is QEMU. */

const load = (name: string) => import(new URL(`../../scripts/qemu/${name}`, import.meta.url).href);

interface Seen {
  readonly kind: string;
  readonly line?: string;
}
interface Guest {
  start(machine: object): Promise<void>;
  stop(): Promise<void>;
  reset(): void;
  until(what: string, sinceMs: number, fits: (each: Seen) => boolean, limitMs: number): Promise<Seen>;
}
interface Qmp {
  open(path: string, options: object): Promise<void>;
  send(command: string): Promise<unknown>;
  close(): void;
}
const { Guest, isReady }: { Guest: new (name: string, directory: string) => Guest; isReady(each: Seen): boolean } =
  await load('guest.mjs');
const { Qmp }: { Qmp: new (onEvent: () => void, limitMs?: number) => Qmp } = await load('qmp.mjs');
const { drivers } = await load('drivers.mjs');

/** One of QEMU's sockets: what was written to it, a line each, and `say` to whoever is connected. */
async function openPort(path: string, answer: (line: string) => string | null = () => null) {
  const lines: string[] = [];
  const peers: Socket[] = [];
  const server = createServer((socket) => {
    peers.push(socket);
    socket.on('data', (bytes) => {
      for (const line of bytes.toString().split('\n').filter(Boolean)) {
        lines.push(line);
        const text = answer(line);
        if (text !== null) socket.write(`${text}\n`);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const say = (line: string) => peers.forEach((peer) => void peer.write(`${line}\n`));
  const close = () => {
    for (const peer of peers) peer.destroy();
    server.close();
  };
  return { lines, say, close };
}

const obeys = (line: string) => JSON.stringify({ return: {}, id: JSON.parse(line).id });

/** A guest whose QEMU does nothing at all, with its ports. */
async function guestOf(t: Test, answer: (line: string) => string | null = obeys) {
  const dir = mkdtempSync(join(tmpdir(), 'qemu-ports-'));
  writeFileSync(join(dir, 'qemu-system-x86_64'), '#!/bin/sh\nexec sleep 600\n', { mode: 0o755 });
  process.env.PATH = `${dir}:${process.env.PATH}`;
  const [consolePort, control, observer, witness] = await Promise.all(
    ['console', 'control', 'observer', 'witness'].map((name) => openPort(join(dir, name))),
  );
  const qmp = await openPort(join(dir, 'qmp'), answer);
  const guest = new Guest('node1', dir);
  t.teardown(async () => {
    await guest.stop();
    for (const port of [consolePort, control, observer, witness, qmp]) port?.close();
    rmSync(dir, { recursive: true });
  });
  await guest.start({ driver: drivers[0], accel: 'tcg', images: {}, disk: 'disk' });
  if (consolePort === undefined || control === undefined || observer === undefined) throw new Error('no ports');
  return { guest, console: consolePort, control, observer, qmp };
}

async function comesTrue(holds: () => boolean): Promise<boolean> {
  for (let attempt = 0; attempt < 250 && !holds(); attempt++) await sleep(20);
  return holds();
}

t.test('resets are caught only of a boot that has answered itself', async (t) => {
  const { guest, observer, qmp } = await guestOf(t);
  const catches = () => qmp.lines.filter((line) => line.includes('"shutdown"')).length;
  const asked = async (from: number) => {
    t.ok(await comesTrue(() => observer.lines.length > from), 'the lab asks');
    return observer.lines.at(-1);
  };
  const first = await asked(0);
  observer.say(`clock ${first} 1000000000`);
  t.ok(await comesTrue(() => catches() === 1), 'it is up');
  const former = await asked(observer.lines.length);
  guest.reset();
  t.ok(await comesTrue(() => qmp.lines.some((line) => line.includes('"cont"'))));
  observer.say(`clock ${former} 2000000000`);
  await sleep(300);
  t.equal(catches(), 1, 'the firmware that runs now is left alone');
  observer.say(`clock ${await asked(observer.lines.length)} 500000000`);
  t.ok(await comesTrue(() => catches() === 2), 'this boot is up');
});

t.test('the boot that a reset ends may answer until QEMU has stopped it', async (t) => {
  const held: string[] = [];
  const { guest, observer, qmp } = await guestOf(t, (line) => {
    if (!line.includes('"stop"')) return obeys(line);
    held.push(obeys(line));
    return null;
  });
  const catches = () => qmp.lines.filter((line) => line.includes('"shutdown"')).length;
  guest.reset();
  t.ok(await comesTrue(() => held.length === 1));
  const asked = observer.lines.length;
  t.ok(await comesTrue(() => observer.lines.length > asked + 1), 'the lab goes on asking');
  for (const question of observer.lines.slice(asked)) observer.say(`clock ${question} 1000000000`);
  await sleep(300);
  qmp.say(held.join('\n'));
  t.ok(await comesTrue(() => qmp.lines.some((line) => line.includes('"cont"'))));
  await sleep(300);
  t.equal(catches(), 0, 'the firmware that runs now is left alone');
});

t.test('a guest that cannot do its part says so at once', async (t) => {
  const { guest, console, control } = await guestOf(t);
  const boot = () => guest.until('boot', 0, isReady, 5_000);
  const waiting = boot();
  console.say('LAB FAILED: no probe on softdog_ping');
  await t.rejects(waiting, /^node1: LAB FAILED: no probe on softdog_ping, before boot/);
  control.say('0 = 0');
  await t.rejects(boot(), /LAB FAILED: no probe/, 'even if it goes on');
});

t.test('a command that is answered late, or never, leaves the others their answers', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'qemu-qmp-'));
  const done = ({ execute, id }: { execute: string; id: number }) => JSON.stringify({ return: `${execute} done`, id });
  const late: string[] = [];
  const answer = (line: string) => {
    const command = JSON.parse(line);
    if (command.execute === 'stop') late.push(done(command));
    return command.execute === 'stop' ? null : [...late, done(command)].join('\n');
  };
  const port = await openPort(join(dir, 'qmp'), answer);
  const qmp = new Qmp(() => undefined, 200);
  t.teardown(() => {
    qmp.close();
    port.close();
    rmSync(dir, { recursive: true });
  });
  await qmp.open(join(dir, 'qmp'), { limitMs: 5_000, alive: () => true });
  await t.rejects(qmp.send('stop'), /does not answer stop/);
  t.equal(await qmp.send('cont'), 'cont done');
});
