import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { findScenarios, readScenario } from '../src/sim/scenario-directory.js';
import { createScenario } from '../src/sim/scenario-example.js';
import { type SimulationLine, simulate } from '../src/sim/simulate.js';

const directory = mkdtempSync(join(tmpdir(), 'scenario-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

let count = 0;
function write(files: Readonly<Record<string, string>>): string {
  const path = mkdtempSync(join(directory, `s${++count}-`));
  const all = { cmdlist: '[["power node1 on"]]', hardware_status: '{"node1":{},"node2":{}}', ...files };
  for (const [name, text] of Object.entries(all)) writeFileSync(join(path, name), text);
  return path;
}

t.test('what is wrong is named with file and place', async (t) => {
  const cases: readonly (readonly [Readonly<Record<string, string>>, RegExp])[] = [
    [
      { cmdlist: '[["power node9 on"]]' },
      /cmdlist: list 1, command 1 \("power node9 on"\): hardware_status has no node "node9"/,
    ],
    [{ cmdlist: '[[],["fly node1"]]' }, /cmdlist: list 2, command 1 \("fly node1"\): there is no command "fly"/],
    [{ cmdlist: '[["power node1 up"]]' }, /"up" is none of on, off/],
    [{ cmdlist: '[["power node1 on now"]]' }, /"now" is too much/],
    [{ cmdlist: '[["power node1"]]' }, /one of on, off is missing/],
    [{ cmdlist: '[["delay soon"]]' }, /seconds must be an integer from 0 to 10000, not "soon"/],
    [{ cmdlist: '[["service vm:1 lend node1"]]' }, /"lend" is none of/],
    [{ cmdlist: '[[7]]' }, /cmdlist: element 1.element 1: /],
    [{ cmdlist: '[\n["power node1 on"\n' }, /cmdlist(:\d+)?: it is not JSON/],
    [{ hardware_status: '{}' }, /hardware_status: it must have 1 to 64 nodes, not 0/],
    [{ hardware_status: '{"node1":{"power":"maybe"}}' }, /hardware_status: node1.power: /],
    [{ service_config: '{"vm:1":{"node":"node7"}}' }, /service_config: vm:1: hardware_status has no node "node7"/],
    [{ service_config: '{"vm:1":{"node":"node1","state":"asleep"}}' }, /service_config: vm:1.state: /],
    [
      { service_config: '{"vm:1":{"node":"node1","requires":["vm:2"]},"vm:2":{"node":"node1","after":["vm:1"]}}' },
      /vm:1 would wait for itself \(vm:1 -> vm:2 -> vm:1\)/,
    ],
    [{ service_config: '{"vm:1":{"node":"node1","requires":["vm:2"]}}' }, /there is no service "vm:2" to depend on/],
    [{ service_config: '{"lxc:1":{"node":"node1"}}' }, /service_config: lxc:1: /],
    [{ rules_config: 'node-affinity: r\n\tresources vm:1\n' }, /rules_config:1: .*nodes/],
    [{ 'datacenter.cfg': '{"ha":{"shutdown_policy":"flee"}}' }, /datacenter.cfg: ha: shutdown_policy must be/],
  ];
  for (const [files, message] of cases) {
    await t.rejects(readScenario(write(files)), { code: 'HF_ARGUMENT', message }, String(message));
  }
  await t.rejects(readScenario(join(directory, 'nowhere')), { message: /hardware_status: it is missing/ });
});

t.test('what a later version of the peer may say is noted, and does not hinder', async (t) => {
  const { notes } = await readScenario(write({ service_config: '{"vm:1":{"node":"node1","colour":"red"}}' }));
  t.match(notes, ['service_config: vm:1.colour has no counterpart']);
});

t.test('the example runs, and is never written over anything', async (t) => {
  const path = join(directory, 'example');
  await createScenario(path);
  await t.rejects(createScenario(path), { code: 'HF_EXISTS', message: /is not empty/ });
  t.strictSame(await findScenarios(path), [path]);
  const lines: SimulationLine[] = [];
  const outcome = await simulate(await readScenario(path), { log: (line) => lines.push(line) });
  t.match(outcome, { end: 920, fenced: ['node3'], reset: ['node3'], violations: [] });
  t.match(outcome.services['vm:105'], { node: 'node3', state: 'started', running: ['node3'] });
  t.ok(lines.some(({ second, source, text }) => second === 120 && source === 'commands' && /migrate node1/.test(text)));
});

t.test('times of commands, as the peer has them', async (t) => {
  const end = async (lists: string): Promise<{ end: number; at: number[] }> => {
    const at: number[] = [];
    const log = ({ source, second }: SimulationLine): void => void (source === 'commands' && at.push(second));
    const outcome = await simulate(await readScenario(write({ cmdlist: lists })), { log });
    return { end: outcome.end, at };
  };
  t.strictSame(await end('[]'), { end: 520, at: [] });
  t.strictSame(await end('[["power node1 on"],[],["power node2 on"]]'), { end: 820, at: [20, 220] });
  t.strictSame(await end('[["delay 0"],["power node1 on"]]'), { end: 720, at: [20, 120] });
  t.strictSame(await end('[["delay 110"],["power node1 on"]]'), { end: 820, at: [20, 220] });
});

t.test('the same seed gives the same course of events', async (t) => {
  const scenario = await readScenario(join(directory, 'example'));
  const course = async (seed: number): Promise<string> => {
    const lines: string[] = [];
    await simulate(scenario, { seed, log: (line) => lines.push(JSON.stringify(line)) });
    return lines.join('\n');
  };
  const first = await course(7);
  t.equal(await course(7), first);
  t.not(await course(8), first);
});
