import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { needsRoot } from './fixtures/needs-root.js';
import { Lab, until } from './lab-cluster.js';

const agent = fileURLToPath(new URL('lab-agent.js', import.meta.url));

const running = (lab: Lab) => lab.try('agent-pid', '1').code === 0;
const starts = (lab: Lab) => lab.run('log', '1').split('\n').length;
const state = (pid: string) => /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];

/** Ten times RESTART_MS and a start of Node, for a loaded machine. */
const restartLimitMs = 5_000;

async function restarts(t: Test, lab: Lab): Promise<void> {
  for (const verb of ['agent-kill', 'agent-term']) {
    const before = lab.run('agent-pid', '1');
    const count = starts(lab);
    lab.run(verb, '1');
    t.ok(await until(() => running(lab) && starts(lab) > count, restartLimitMs), `${verb}: restarted`);
    t.not(lab.run('agent-pid', '1'), before, 'as a new process');
  }
}

async function holds(t: Test, lab: Lab): Promise<void> {
  lab.run('agent-hold', '1');
  t.ok(running(lab), 'holding ends nothing');
  lab.run('agent-kill', '1');
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  t.notOk(running(lab), 'not restarted after three times RESTART_MS');
  t.match(lab.try('agent-kill', '1').err, /^lab: no agent runs on machine 1$/);
  lab.run('agent-unhold', '1');
  t.ok(await until(() => running(lab), restartLimitMs), 'unheld: restarted');
  lab.run('agent-stop', '1');
  lab.run('agent-stop', '1');
  t.ok(await until(() => !running(lab), restartLimitMs), 'stopped');
  lab.run('agent-start', '1');
  lab.run('agent-start', '1');
  t.ok(running(lab), 'started');
}

async function pauses(t: Test, lab: Lab): Promise<void> {
  const pid = lab.run('agent-pid', '1');
  lab.run('agent-pause', '1');
  t.equal(state(pid), 'T');
  lab.run('agent-resume', '1');
  t.not(state(pid), 'T');
}

async function boots(t: Test, lab: Lab): Promise<void> {
  lab.run('agent-stop', '1');
  lab.run('power-off', '1');
  t.match(lab.try('emulator', '1', 'status').err, /no power/);
  lab.run('boot', '1');
  t.ok(await until(() => running(lab), restartLimitMs), 'a boot forgets that the agent was held');
  const emulatorOf = () => readFileSync(join(lab.dir, 'n1/emulator.log'), 'utf8').split('\n').length;
  const before = emulatorOf();
  process.kill(lab.machinePid(1), 'SIGKILL');
  t.ok(await until(() => lab.try('agent-pid', '1').code !== 0, 2_000), 'the agent died with its machine');
  t.doesNotThrow(() => JSON.parse(lab.run('emulator', '1', 'status')), 'the watchdog outlives a reset');
  lab.run('boot', '1');
  t.equal(emulatorOf(), before, 'and is not started anew by a boot');
}

t.test('the agent of a machine', needsRoot, async (t) => {
  const lab = new Lab(t, { NOAGENT: '', AGENT: agent, AGENT_ENV: 'GREETING=hello' });
  lab.run('up', '1');
  t.ok(await until(() => lab.try('log', '1').out !== '', restartLimitMs), 'it starts');
  t.match(JSON.parse(lab.run('log', '1')), {
    greeting: 'hello',
    arguments: ['--config', join(lab.dir, 'n1/holdfast.toml')],
  });
  lab.run('in', '1', 'test', '-S', join(lab.dir, 'n1/watchdog.sock'));
  lab.run('emulator', '1', 'no-reboot', 'on');
  t.doesNotThrow(() => JSON.parse(lab.run('emulator', '1', 'status')), 'the emulator answers');
  for (const [name, part] of Object.entries({ restarts, holds, pauses, boots })) {
    await t.test(name, (t) => part(t, lab));
  }
});
