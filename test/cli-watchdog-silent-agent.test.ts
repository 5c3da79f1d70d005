/** An agent that does not answer is none only if nobody listens on its socket: a busy one may run resources. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { refuseIfInUse } from '../src/cli/validation-refusals.js';

async function listening(t: Test, answer: (socket: Socket) => void): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-'));
  const server = createServer(answer);
  t.teardown(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });
  server.listen(join(directory, 'socket'));
  await once(server, 'listening');
  return directory;
}

const answers: Readonly<Record<string, (socket: Socket) => void>> = {
  'is silent': (socket) => setTimeout(() => socket.destroy(), 12_000).unref(),
  'hangs up': (socket) => socket.destroy(),
  'speaks another language': (socket) => socket.end('HTTP/1.0 200 OK\r\n\r\nhello'),
};

t.test('whoever listens and does not answer may run resources', { jobs: 3 }, async (t) => {
  for (const [name, answer] of Object.entries(answers))
    t.test(name, async (t) => {
      const directory = await listening(t, answer);
      await t.rejects(refuseIfInUse(join(directory, 'socket'), directory, 'now'), {
        code: 'HF_CONFLICT',
        message:
          /no answer from holdfastd on .*; validating a watchdog resets what it may run: have it answer, or end it$/,
      });
    });
});

t.test('nobody listens, or nobody ever did', async (t) => {
  const directory = await listening(t, () => undefined);
  await t.resolves(refuseIfInUse(join(directory, 'none'), directory, 'now'));
  const dead = join(directory, 'dead');
  const killed = 'require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))';
  t.equal(spawnSync(process.execPath, ['-e', killed, dead]).signal, 'SIGKILL');
  t.ok(existsSync(dead));
  await t.resolves(refuseIfInUse(dead, directory, 'now'));
});
