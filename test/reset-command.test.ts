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

function why(args: readonly string[], socket: string | null = socketPath): Promise<Ended> {
  const named = socket === null ? {} : { HOLDFAST_SOCKET: socket };
  return startProgram(binary, ['why', ...args], { env: { PATH: process.env.PATH, ...named } }).ended;
}

const fenced = { ...reportOf(withNotes({ trouble: quorumLost })), lastLines: shortLog.lines };
const lost = reportOf(plainEvidence);
const whole = { source: 'agent', problem: null, incomplete: false };

t.test('nothing known', async (t) => {
  control.knownResets = [];
  t.match(await why([]), { exitCode: 0, stdout: 'no reset of this node is known\n', stderr: '' });
  t.match(await why(['--all']), { exitCode: 0, stdout: 'no reset of this node is known\n' });
  t.strictSame(JSON.parse((await why(['--json'])).stdout), { ...whole, resets: [] });
  t.match(await why(['--ack']), { exitCode: 0, stdout: 'there was nothing to acknowledge\n' });
});

t.test('the last one with its evidence; all of them, a line each; as JSON', async (t) => {
  control.knownResets = [fenced, lost];
  const { stdout } = await why([]);
  t.match(stdout, /^self-fenced, most likely: no quorum since .*\nevidence:\n.*what fits as well:\n/s);
  t.notMatch(stdout, /power loss, or a reset from outside/);
  t.match((await why(['--all'])).stdout, /^2026.* self-fenced.*\n2026.*power loss.*\n$/);
  t.strictSame(JSON.parse((await why(['--json'])).stdout), { ...whole, resets: [fenced] });
  t.strictSame(JSON.parse((await why(['--all', '--json'])).stdout), { ...whole, resets: [fenced, lost] });
});

t.test('a history that could not be read is not one without resets', async (t) => {
  control.knownResets = [];
  control.resetsProblem = 'earlier resets are not known: nobody can read them';
  const unread = {
    exitCode: 1,
    stdout: /^whether this node was reset is not known, for its history could not be read\n$/,
  };
  t.match(await why([]), unread);
  t.match(await why(['--all']), unread);
  t.match(await why(['--json']), { exitCode: 1, stdout: /"incomplete": true/ });
  control.knownResets = [fenced];
  t.match(await why([]), { exitCode: 0, stdout: /^self-fenced/ }, 'the last one is known');
  const all = await why(['--all']);
  t.match(all, { exitCode: 1, stdout: /self-fenced/ }, 'but not all of them');
  t.match(all.stderr, /^warning: earlier resets are not known: nobody can read them\n$/, 'said once');
  control.resetsProblem = null;
});

t.test('the socket of the configuration, unless another one is named', async (t) => {
  control.knownResets = [];
  const config = join(directory, 'socket.toml');
  writeFileSync(config, `socket = "${socketPath}"\n`);
  const none = { exitCode: 0, stdout: 'no reset of this node is known\n', stderr: '' };
  t.match(await why(['--config', config], null), none);
  t.match(await why(['--config', config, '--ack'], null), {
    exitCode: 0,
    stdout: 'there was nothing to acknowledge\n',
  });
  writeFileSync(config, `socket = "${join(directory, 'nobody.sock')}"\n`);
  t.match(await why(['--config', config]), none, 'in the environment');
  t.match(await why(['--config', config, '--socket', socketPath], null), none, 'or typed');
  t.match(await why(['--config', join(directory, 'none.toml')], null), { exitCode: 1, stderr: /HF_CONFIG/ });
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

const onlyRoot = { skip: process.getuid?.() !== 0 && 'only root stores what is found' };
const nobody = join(directory, 'nobody.sock');

/** Of an agent that is gone. */
function filesOf(name: string, notes: unknown): { readonly stateDir: string; readonly config: string } {
  const stateDir = join(directory, name);
  mkdirSync(join(stateDir, 'resets'), { recursive: true });
  writeFileSync(join(stateDir, 'resets', 'boot.json'), JSON.stringify(notes));
  const config = join(directory, `${name}.toml`);
  writeFileSync(config, `stateDir = "${stateDir}"\n`);
  return { stateDir, config };
}

t.test('without the agent, from its files', onlyRoot, async (t) => {
  const dueMs = Date.now() - 5_000;
  const notes = { ...wellNotes, trouble: { ...quorumLost, dueMs }, aliveMs: dueMs - 1_000 };
  const { stateDir, config } = filesOf('state', notes);
  const { exitCode, stdout, stderr } = await why(['--config', config, '--json'], nobody);
  t.equal(exitCode, 0);
  t.match(stderr, /no answer from holdfastd.*this is what its files and this machine say/s);
  const fencedByNotes = { endedBootId: 'old', verdict: 'self-fenced', cause: 'quorum-lost', foundMs: null };
  t.match(JSON.parse(stdout), { source: 'files', incomplete: false, resets: [fencedByNotes] });
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
  t.equal(damaged.stderr.match(/is not JSON/g)?.length, 1, 'said once');
  t.strictSame(readdirSync(join(stateDir, 'resets')).sort(), ['boot.json', 'history.json']);
  rmSync(join(stateDir, 'resets', 'history.json'));

  symlinkSync('watchdog', join(stateDir, 'watchdog'));
  const without = await why(['--config', config, '--json'], nobody);
  t.match(without, { exitCode: 0, stderr: /not told from others: cannot read .*watchdog: ELOOP: / });
  t.match(JSON.parse(without.stdout), { resets: [{ verdict: 'self-fenced' }] }, 'it goes on without validations');
});

t.test('without the agent, and without notes that can be read: no agent was back', onlyRoot, async (t) => {
  const { stateDir, config } = filesOf('unnoted', 'no notes');
  for (const args of [[], ['--all'], ['--json']]) {
    const { exitCode, stdout } = await why(['--config', config, ...args], nobody);
    t.equal(exitCode, 0);
    t.match(stdout, /unknown/);
    t.notMatch(stdout, /the agent was back/);
  }
  t.match((await why(['--config', config], nobody)).stdout, /^unknown\n {2}.*not acknowledged/);

  rmSync(join(stateDir, 'resets', 'boot.json'));
  symlinkSync('history.json', join(stateDir, 'resets', 'history.json'));
  const unread = await why(['--config', config], nobody);
  t.match(unread, { exitCode: 1, stdout: /^whether this node was reset is not known/ });
  t.equal(unread.stderr.match(/cannot read .*history.json: ELOOP/g)?.length, 1, 'said once');
});

t.test('without the agent, after a validation that was killed after its last pet', onlyRoot, async (t) => {
  const atMs = Date.now() - 20_000;
  const { stateDir, config } = filesOf('killed', { ...wellNotes, armed: false, aliveMs: atMs + 1_000 });
  const steps = [
    {
      ...{ step: 'begin', run: '0123456789abcdef', device: '/dev/watchdog0', driver: 'i6300esb', kind: 'hardware' },
      ...{ identity: 'i6300ESB timer', board: 'a board', machine: null, firmware: null, bootId: 'old', pid: 1 },
      ...{ pidStarted: 'never', bootMs: 1_000, wallMs: atMs, timeoutAskedS: 10 },
    },
    { step: 'last-pet-due', bootMs: 2_000 },
    { step: 'interrupted', reason: 'its command was killed after the last pet' },
  ];
  mkdirSync(join(stateDir, 'watchdog'));
  writeFileSync(join(stateDir, 'watchdog', 'run'), steps.map((step) => `${JSON.stringify(step)}\n`).join(''));
  for (const when of ['as it gets its verdict', 'with its verdict']) {
    const [reset] = JSON.parse((await why(['--config', config, '--json'], nobody)).stdout).resets;
    const texts = reset.evidence.map(({ text }: { readonly text: string }) => text);
    t.match(texts.join('\n'), /validation of \/dev\/watchdog0 that began at .* had armed it, and is unfinished/, when);
    t.match(reset, { endedBootId: 'old', certainty: 'open', alternatives: [{ verdict: 'watchdog-fired' }] }, when);
  }
});
