import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { createStatusServer } from '../src/api/status-server.js';
import { HoldfastError } from '../src/core/errors.js';
import { FakeAgentControl } from './fake-agent-control.js';
import { type Ended, startProgram } from './fixtures/node-program.js';
import { plainEvidence, quorumLost, reportOf, shortLog, wellNotes, withNotes } from './reset-samples.js';

/** `holdfast why` and the routes behind it. */

const binary = fileURLToPath(new URL('../bundle/bin/holdfast.js', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'holdfast-why-'));
const socketPath = join(directory, 'holdfast.sock');
const control = new FakeAgentControl();
let uid = 0;
const log = { warn: () => undefined, error: () => undefined };
const server = createStatusServer({
  socketPath,
  control,
  peerCredentials: () => ({ pid: process.pid, uid, gid: uid }),
  log,
});
await server.listen();
t.teardown(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});

function why(args: readonly string[], socket = socketPath): Promise<Ended> {
  return startProgram(binary, ['why', ...args], { env: { PATH: process.env.PATH, HOLDFAST_SOCKET: socket } }).ended;
}

const fenced = { ...reportOf(withNotes({ trouble: quorumLost })), lastLines: shortLog.lines };
const lost = reportOf(plainEvidence);

t.test('nothing known', async (t) => {
  control.knownResets = [];
  t.match(await why([]), { exitCode: 0, stdout: 'no reset of this node is known\n', stderr: '' });
  t.match(await why(['--all']), { exitCode: 0, stdout: 'no reset of this node is known\n' });
  t.strictSame(JSON.parse((await why(['--json'])).stdout), { resets: [], problem: null });
  t.match(await why(['--ack']), { exitCode: 0, stdout: 'there was nothing to acknowledge\n' });
});

t.test('the last one with its evidence; all of them, a line each; as JSON', async (t) => {
  control.knownResets = [fenced, lost];
  const { stdout } = await why([]);
  t.match(stdout, /^self-fenced, most likely: no quorum since .*\nevidence:\n.*what fits as well:\n/s);
  t.notMatch(stdout, /power loss, or a reset from outside/);
  t.match((await why(['--all'])).stdout, /^2026.* self-fenced.*\n2026.*power loss.*\n$/);
  t.strictSame(JSON.parse((await why(['--json'])).stdout), { resets: [fenced], problem: null });
  t.strictSame(JSON.parse((await why(['--all', '--json'])).stdout), { resets: [fenced, lost], problem: null });
});

t.test('to acknowledge needs the right to change', async (t) => {
  control.knownResets = [fenced, lost];
  uid = 4_711;
  t.match(await why(['--ack']), { exitCode: 6, stderr: /only root and members of the admin group/ });
  t.match(await why([]), { exitCode: 0 }, 'to look does not');
  t.strictSame(JSON.parse((await why(['--json'])).stdout).resets[0].lastLines, [], 'but at lines of the log');
  uid = 0;
  t.match(JSON.parse((await why(['--json'])).stdout).resets[0].lastLines, [{ text: 'cron: a line' }]);
  control.refusal = new HoldfastError('HF_STORE', 'the disk is full');
  t.match(await why(['--ack', '--json']), { exitCode: 1, stdout: /HF_STORE/ });
  control.refusal = null;
  t.match(await why(['--ack']), { exitCode: 0, stdout: 'acknowledged: 2 resets\n' });
  t.match(await why([]), { stdout: /; acknowledged\n/ });
});

t.test(
  'without the agent, from its files',
  { skip: process.getuid?.() !== 0 && 'only root stores what is found' },
  async (t) => {
    const stateDir = join(directory, 'state');
    mkdirSync(join(stateDir, 'resets'), { recursive: true });
    const notes = { ...wellNotes, trouble: { ...quorumLost, dueMs: Date.now() - 5_000 }, aliveMs: Date.now() - 6_000 };
    writeFileSync(join(stateDir, 'resets', 'boot.json'), JSON.stringify(notes));
    const config = join(directory, 'holdfast.toml');
    writeFileSync(config, `stateDir = "${stateDir}"\n`);
    const nobody = join(directory, 'nobody.sock');
    const { exitCode, stdout, stderr } = await why(['--config', config, '--json'], nobody);
    t.equal(exitCode, 0);
    t.match(stderr, /no answer from holdfastd.*this is what its files and this machine say/s);
    t.match(JSON.parse(stdout), { resets: [{ endedBootId: 'old', verdict: 'self-fenced', cause: 'quorum-lost' }] });
    t.match(JSON.parse((await why(['--config', config, '--json'], nobody)).stdout).resets.length, 1);
    t.strictSame(readdirSync(join(stateDir, 'resets')), ['boot.json'], 'the history is for the agent to write');
    t.match(await why(['--config', config, '--ack'], nobody), { exitCode: 5 }, 'only the agent writes that down');

    mkdirSync(join(stateDir, 'watchdog'));
    const run = join(stateDir, 'watchdog', 'run');
    writeFileSync(run, '');
    t.match(await why(['--config', config], nobody), { exitCode: 0, stderr: /validation ended before/ });
    t.notOk(existsSync(run), 'a validation that was under way gets its verdict, as at the start of an agent');
    rmSync(join(stateDir, 'watchdog'), { recursive: true });

    writeFileSync(join(stateDir, 'resets', 'history.json'), '{');
    const damaged = await why(['--config', config, '--json'], nobody);
    t.match(damaged, { exitCode: 0, stderr: /history.json is not JSON; it is kept there as history.json/ });
    t.strictSame(readdirSync(join(stateDir, 'resets')).sort(), ['boot.json', 'history.json']);
    rmSync(join(stateDir, 'resets', 'history.json'));

    symlinkSync('watchdog', join(stateDir, 'watchdog'));
    const without = await why(['--config', config, '--json'], nobody);
    t.match(without, { exitCode: 0, stderr: /not told from others: cannot read .*watchdog: ELOOP: / });
    t.match(JSON.parse(without.stdout), { resets: [{ verdict: 'self-fenced' }] }, 'it goes on without validations');
  },
);
