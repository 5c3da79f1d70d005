import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createStatusServer } from '../src/api/status-server.js';
import { loadNative } from '../src/host/native.js';
import { FakeAgentControl } from './fake-agent-control.js';

const adminGid = 54_321;
const native = loadNative();
const directory = mkdtempSync(join(tmpdir(), 'holdfast-peer-'));
chmodSync(directory, 0o755);
const socketPath = join(directory, 's');
const server = createStatusServer({
  socketPath,
  control: new FakeAgentControl(),
  peerCredentials: (fd) => {
    const credentials = native.peerCredentials(fd);
    if (typeof credentials === 'number') throw new Error(`errno ${credentials}`);
    return credentials;
  },
  adminGid,
  log: { warn: () => undefined, error: () => undefined },
});
await server.listen();
t.teardown(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});

const request = `
  const { request } = require('node:http');
  const [socketPath, method, path] = process.argv.slice(1);
  request({ socketPath, method, path, agent: false }, (response) => console.log(response.statusCode)).end();`;

/** The status that a process of that user and those groups is answered with. */
function ask(who: readonly string[], method: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const args = [...who, process.execPath, '-e', request, socketPath, method, path];
    execFile('setpriv', args, { cwd: '/' }, (error, stdout) =>
      error === null ? resolve(stdout.trim()) : reject(error),
    );
  });
}

const remove = ['POST', '/v1/resources/ocf:none/remove'] as const;
const asUser = (groups: readonly string[]) => ['--reuid=65534', '--regid=65534', ...groups, '--'];

t.test(
  'the kernel says who asks',
  { skip: process.getuid?.() === 0 ? false : 'becoming another user takes root' },
  async (t) => {
    t.equal(await ask(['--'], ...remove), '404', 'root may change');
    const stranger = asUser(['--clear-groups']);
    t.equal(await ask(stranger, 'GET', '/v1/status'), '200', 'a stranger may look');
    t.equal(await ask(stranger, ...remove), '403', 'but not change');
    t.equal(await ask(asUser(['--groups=54320,54322']), ...remove), '403', 'nor with other groups');
    t.equal(await ask(asUser([`--groups=54320,${adminGid}`]), ...remove), '404', 'the admin group, supplementary');
    t.equal(
      await ask(['--reuid=65534', `--regid=${adminGid}`, '--clear-groups', '--'], ...remove),
      '404',
      'and effective',
    );
  },
);
