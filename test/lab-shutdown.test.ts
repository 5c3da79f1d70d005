import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { needsRoot } from './fixtures/needs-root.js';
import { Lab, until } from './lab-cluster.js';

const bootId = (lab: Lab, node: number) => readFileSync(join(lab.dir, `n${node}/boot_id`), 'utf8');
/** Twice the fence bound: whatever a cluster of three has to do here is done by then. */
const limitMs = 30_000;

interface Status {
  readonly nodes: readonly { readonly name: string; readonly state: string }[];
  readonly services: readonly { readonly sid: string; readonly node: string; readonly state: string }[];
}

function statusOf(lab: Lab, node: number): Status | null {
  const { code, out } = lab.try('cli', String(node), 'status', '--json');
  return code === 0 ? (JSON.parse(out) as Status) : null;
}

/** Events of the emulated watchdog: all but the pets. */
function watchdogOf(lab: Lab, node: number): string[] {
  const lines = readFileSync(join(lab.dir, `n${node}/emulator.log`), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => JSON.parse(line).event).filter((event) => event !== 'pet');
}

const areOnline = (lab: Lab, observer: number) => {
  const nodes = statusOf(lab, observer)?.nodes ?? [];
  return nodes.length === 3 && nodes.every(({ state }) => state === 'online');
};

t.test('orderly ends of machines', needsRoot, async (t) => {
  const lab = new Lab(t, { NOAGENT: '' });
  lab.run('up', '3');
  t.ok(await until(() => areOnline(lab, 1), limitMs), 'all nodes online');
  lab.run('cli', '1', 'options', 'shutdown_policy=failover');
  lab.run('cli', '1', 'add', 'ocf:bulky', '--agent', 'ocf:holdfast:bulky', '--node', 'node3');
  const service = () => statusOf(lab, 1)?.services[0];
  t.ok(await until(() => service()?.state === 'started' && watchdogOf(lab, 3).includes('open'), limitMs));
  t.equal(service()?.node, 'node3');
  const before = bootId(lab, 3);

  t.match(lab.run('reboot', '3'), /shut down now \(reboot\)/);
  t.not(bootId(lab, 3), before, 'a new boot');
  t.strictSame(
    watchdogOf(lab, 3).filter((event) => event === 'magic-close' || event === 'killed'),
    ['magic-close'],
    'the watchdog was let go, and has reset nobody',
  );
  t.ok(await until(() => areOnline(lab, 1), limitMs), 'it is back');
  t.not(service()?.node, 'node3', 'what ran there was moved by the policy');

  t.match(lab.run('shutdown', '2', '3'), /shut down now \(poweroff\)/);
  t.match(lab.run('status'), /^node1 {2}on .*\nnode2 {2}off\nnode3 {2}off$/);
  t.match(lab.try('shutdown', '2').err, /^lab: machine 2 is off/);
  t.match(lab.try('reboot').err, /^lab: reboot which machine/);
  lab.run('boot', '2', '3');
  t.ok(await until(() => areOnline(lab, 2), limitMs), 'all are back');
});
