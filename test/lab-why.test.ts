import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ResetReport, ResetsReport } from '../src/agent/reset-record.js';
import type { StatusReport } from '../src/agent/status.js';
import { needsRoot } from './fixtures/needs-root.js';
import { Lab, until } from './lab-cluster.js';

/** Why a machine of the laboratory was reset, by its own agent after it is back. */

const nodes = [1, 2, 3] as const;

function status(lab: Lab, node: number): StatusReport | null {
  const { code, out } = lab.try('cli', String(node), 'status', '--json');
  return code === 0 ? JSON.parse(out) : null;
}

function resets(lab: Lab, node: number): readonly ResetReport[] {
  const { code, out } = lab.try('cli', String(node), 'why', '--all', '--json');
  return code === 0 ? (JSON.parse(out) as ResetsReport).resets : [];
}

function isOff(lab: Lab, node: number): boolean {
  return lab.run('status').split('\n').includes(`node${node}  off`);
}

/** Each node runs something, so each has its watchdog armed. */
async function busyLab(t: Test): Promise<Lab> {
  const lab = new Lab(t, { NOAGENT: '' });
  lab.run('up', '3');
  for (const node of nodes) {
    const record = join(lab.dir, 'shared', String(node));
    mkdirSync(record);
    lab.run('cli', '1', 'add', `ocf:r${node}`, '--agent', 'ocf:holdfast:exclusive', `record=${record}`);
  }
  const armed = () => nodes.every((node) => status(lab, node)?.watchdog.state === 'armed');
  t.ok(await until(armed, 30_000), 'a service on each, under an armed watchdog');
  return lab;
}

/** Switches it on; the newest reset that its agent then knows, with the view of the others. */
async function whyAfterBoot(lab: Lab, node: number, known: number): Promise<ResetReport | undefined> {
  lab.run('boot', String(node));
  const isComplete = () => {
    const all = resets(lab, node);
    return all.length > known && all[0]?.evidence.some(({ text }) => /^they saw it back/.test(text)) === true;
  };
  await until(isComplete, 30_000);
  return resets(lab, node)[0];
}

function shown(lab: Lab, node: number): boolean {
  return status(lab, node)?.warnings.some((warning) => warning.startsWith('this node was reset')) ?? false;
}

t.test('cut off, stopped, switched off and rebooted', { ...needsRoot, timeout: 240_000 }, async (t) => {
  const lab = await busyLab(t);

  lab.run('cut', '3');
  t.ok(await until(() => lab.run('status').includes('node3  off'), 25_000));
  lab.run('uncut', '3');
  const cut = await whyAfterBoot(lab, 3, 0);
  t.match(cut, { verdict: 'self-fenced', cause: 'quorum-lost', certainty: 'likely', expected: false });
  t.strictSame(
    cut?.alternatives.map(({ verdict }) => verdict),
    ['power-loss'],
  );
  t.ok(cut?.evidence.some(({ source, text }) => source === 'peers' && /^they saw it go at/.test(text)));
  t.ok(shown(lab, 3));
  t.match(lab.run('cli', '3', 'why', '--ack'), 'acknowledged: 1 reset');
  t.notOk(shown(lab, 3));

  lab.run('agent-pause', '2');
  t.ok(await until(() => isOff(lab, 2), 15_000));
  t.match(await whyAfterBoot(lab, 2, 0), { verdict: 'watchdog-fired', cause: 'standstill' });

  lab.run('power-off', '1');
  t.match(await whyAfterBoot(lab, 1, 0), { verdict: 'power-loss', certainty: 'open', expected: false });

  lab.run('shutdown', '3');
  t.match(await whyAfterBoot(lab, 3, 1), { verdict: 'orderly-poweroff', certainty: 'likely', expected: true });
  t.notOk(shown(lab, 3), 'nobody has to acknowledge that');
  t.match(resets(lab, 3), [{ verdict: 'orderly-poweroff' }, { verdict: 'self-fenced', acknowledgedMs: Number }]);
});
