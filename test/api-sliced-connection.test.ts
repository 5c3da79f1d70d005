import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { SlicedConnection } from '../src/api/sliced-connection.js';

interface Pair {
  readonly client: Socket;
  readonly connection: SlicedConnection;
}

interface Owner {
  teardown(end: () => void): unknown;
}

function connect(test: Owner): Promise<Pair> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-slices-'));
  return new Promise((resolve) => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      resolve({ client, connection: new SlicedConnection(socket) });
    });
    server.listen(join(directory, 's'));
    const client = createConnection({ path: join(directory, 's'), allowHalfOpen: true });
    client.on('error', () => undefined);
    test.teardown(() => {
      client.destroy();
      server.close();
      rmSync(directory, { recursive: true });
    });
  });
}

t.test('bytes come whole, in order, and one slice in a turn of the event loop', async (t) => {
  const { client, connection } = await connect(t);
  const sent = Buffer.from(Array.from({ length: 100_000 }, (_, at) => at % 251));
  client.end(sent);
  const slices: Buffer[] = [];
  let turn = 0;
  const turns: number[] = [];
  const count = () => {
    turn += 1;
    if (!connection.readableEnded) setImmediate(count);
  };
  setImmediate(count);
  connection.on('data', (slice: Buffer) => {
    slices.push(slice);
    turns.push(turn);
  });
  await new Promise((resolve) => connection.once('end', resolve));
  t.ok(Buffer.concat(slices).equals(sent));
  t.ok(Math.max(...slices.map((slice) => slice.length)) <= 512);
  // Two: a slice may come before or after the turn is counted.
  const most = Math.max(...turns.map((each) => turns.filter((other) => other === each).length));
  t.ok(most <= 2, `${most} slices in one turn`);
  connection.destroy();
});

t.test('the last answer reaches a client that still sends', async (t) => {
  const { client, connection } = await connect(t);
  client.write(Buffer.alloc(150_000));
  await new Promise((resolve) => connection.once('readable', resolve));
  connection.write('the answer');
  connection.destroySoon();
  const answer = await new Promise((resolve) => client.once('data', (bytes) => resolve(bytes.toString())));
  t.equal(answer, 'the answer');
  client.end();
  await new Promise((resolve) => connection.once('close', resolve));
  t.pass('and once it is through, the connection ends');
});

t.test('a client that never stops sending is cut off', async (t) => {
  const { client, connection } = await connect(t);
  let sent = 0;
  const send = () => {
    sent += 65_536;
    client.write(Buffer.alloc(65_536), (error) => error ?? send());
  };
  send();
  connection.destroySoon();
  const before = performance.now();
  await new Promise((resolve) => connection.once('close', resolve));
  t.ok(performance.now() - before < 5_000, 'the limit is 1 s, or a MiB');
  t.ok(sent < 4_194_304, 'the limit is 1 MiB, and what the kernel holds');
});
