/** An operator, or the system, who wants an end of `holdfast watchdog validate`. */
import { hostname } from 'node:os';
import t, { type Test } from 'tap';
import type { Step } from '../src/host/validation-record.js';
import { needsRoot } from './fixtures/needs-root.js';
import { type Command, ValidatedNode } from './fixtures/validated-node.js';

t.setTimeout(120_000);

/** As a terminal turns them into signals, or readline reads them. */
const keys = { 'Ctrl-C': '\u0003', 'Ctrl-D': '\u0004', 'Ctrl-Z': '\u001a', 'Ctrl-\\': '\u001c' } as const;
/** Longer than any of these runs: nothing is to be reset here. */
const patient = ['--timeout', '60'] as const;

/** At a terminal, with the question answered. */
async function confirmed(node: ValidatedNode): Promise<Command> {
  const command = node.atTerminal('watchdog', 'validate', ...patient);
  await command.says(/Type the name of this machine to go on: /);
  command.type(`${hostname()}\n`);
  return command;
}

async function isDisarmed(t: Test, { machine }: ValidatedNode): Promise<void> {
  t.match(await machine.control('status'), { state: 'inactive' });
  t.ok(machine.alive);
}

t.test('at the question', needsRoot, async (t) => {
  for (const [name, typed] of [
    ['Ctrl-C', keys['Ctrl-C']],
    ['Ctrl-D', keys['Ctrl-D']],
    ['another name', `${hostname()}x\n`],
  ] as const) {
    t.test(name, async (t) => {
      const node = await ValidatedNode.start(t);
      const command = node.atTerminal('watchdog', 'validate');
      await command.says(/Type the name of this machine to go on: /);
      command.type(typed);
      t.equal(await command.ended, 2);
      t.match(command.text, /not confirmed: nothing was done/);
      t.ok(node.untouched);
    });
  }
});

const signalKeys = [
  ['Ctrl-C', 'SIGINT'],
  ['Ctrl-Z', 'SIGTSTP'],
  ['Ctrl-\\', 'SIGQUIT'],
] as const;

t.test('before it is opened', needsRoot, async (t) => {
  for (const [key, signal] of signalKeys) {
    t.test(key, async (t) => {
      const node = await ValidatedNode.start(t);
      node.holdFlush();
      const command = await confirmed(node);
      await command.says(/validating \/dev\/watchdog1/);
      command.type(keys[key]);
      t.equal(await command.ended, 1);
      t.match(command.text, new RegExp(`ended before the watchdog was opened: ended by .*${signal}`));
      t.equal(node.machine.events('open').length, 0);
      t.equal(await node.files.run(), null);
      t.same(await node.files.results(), []);
    });
  }
});

t.test('after the last pet it is disarmed at once, and the run proves nothing', needsRoot, async (t) => {
  for (const [key, signal] of signalKeys) {
    t.test(key, async (t) => {
      const node = await ValidatedNode.start(t);
      const command = await confirmed(node);
      await node.alive(2);
      command.type(keys[key]);
      t.equal(await command.ended, 1, 'ended, not stopped');
      t.match(command.text, new RegExp(`interrupted: ended by .*${signal}`));
      await isDisarmed(t, node);
      t.equal(await node.files.run(), null);
      t.match(await node.files.results(), [{ verdict: 'unfinished', sentence: new RegExp(signal) }]);
    });
  }
});

function pidOf([begin]: readonly Step[]): number {
  if (begin?.step !== 'begin' || !(begin.pid > 1)) throw new Error('a run begins with the pid of its command');
  return begin.pid;
}

t.test('a terminal that goes ends nothing', needsRoot, async (t) => {
  const node = await ValidatedNode.start(t);
  const command = await confirmed(node);
  const pid = pidOf(await node.alive(1));
  command.child.kill('SIGKILL');
  await command.ended;
  await node.stillAlive();
  process.kill(pid, 'SIGHUP');
  await node.stillAlive();
  t.match(await node.machine.control('status'), { state: 'active' });
  process.kill(pid, 'SIGTERM');
  t.match(await node.verdict(), { verdict: 'unfinished', sentence: /SIGTERM/ });
  await isDisarmed(t, node);
});

t.test('with nowayout the operator is too late, the system is not', needsRoot, async (t) => {
  const node = await ValidatedNode.start(t, '--nowayout');
  node.root.watchdog('watchdog1', { nowayout: '1' });
  const command = node.holdfast('watchdog', 'validate', '--yes', ...patient);
  await node.alive(1);
  t.match(command.text, /its driver has nowayout set: from now on nothing but a reset stops it/);
  command.child.kill('SIGTSTP');
  await command.says(/too late: the driver has nowayout set, and only a reset ends this/);
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    command.child.kill(signal);
    await node.stillAlive();
  }
  command.child.kill('SIGTERM');
  // Whoever is impatient does not take that back.
  command.child.kill('SIGINT');
  t.equal(await command.ended, 1);
  t.match(command.text, /interrupted: ended by SIGTERM.*\n.*nowayout set: the watchdog is going to reset this machine/);
  t.match(await node.machine.control('status'), { state: 'active' });
  t.match(await node.files.results(), [{ verdict: 'unfinished', sentence: /SIGTERM/ }]);
});

t.test('killed after the last pet it leaves a watchdog that counts, and that is said', needsRoot, async (t) => {
  const node = await ValidatedNode.start(t);
  node.root.watchdog('watchdog1', { state: 'active' });
  const command = node.holdfast('watchdog', 'validate', '--yes', ...patient);
  await node.alive(2);
  const during = node.holdfast('watchdog', 'list');
  t.equal(await during.ended, 0);
  t.match(during.text, /watchdog1 is being validated/);
  t.notMatch(during.text, /at any moment/);
  command.child.kill('SIGKILL');
  await command.ended;
  const counts = /\/dev\/watchdog1 is counting since .*may reset this machine at any moment until 20.*Z: start nothing/;
  for (const [args, exitCode] of [
    [['list'], 0],
    [['validate', '--result'], 1],
    [['list'], 0],
    [['validate', '--result'], 1],
    // It goes on to its question, which nobody is there to answer.
    [['validate'], 2],
  ] as const) {
    const told = node.holdfast('watchdog', ...args);
    t.equal(await told.ended, exitCode);
    t.match(told.text, counts, args.join(' '));
    t.notMatch(told.text, /nothing was begun/, 'nobody has asked for that');
  }
  node.root.watchdog('watchdog1', { state: 'inactive' });
  const stopped = node.holdfast('watchdog', 'list');
  await stopped.ended;
  t.notMatch(stopped.text, counts);
});
