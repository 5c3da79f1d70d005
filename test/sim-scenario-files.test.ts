import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { findScenarios, readScenario } from '../src/sim/scenario-directory.js';
import { createScenario } from '../src/sim/scenario-example.js';
import { runScenarios } from '../src/sim/scenario-suite.js';
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
    [{ cmdlist: '' }, /cmdlist: it is empty: write one/],
    [{ hardware_status: ' \n' }, /hardware_status: it is empty: write one/],
    [{ cmdlist: '[[7]]' }, /cmdlist: element 1.element 1: it must be a text, not 7$/],
    [{ cmdlist: '{}' }, /cmdlist: it must be a list, not an object$/],
    [{ cmdlist: `[["${'x'.repeat(2_000)}"]]` }, /it must have at most 1024 characters, not a text of 2000 characters$/],
    [{ cmdlist: '[\n["power node1 on"\n' }, /cmdlist(:\d+)?: it is not JSON/],
    [{ hardware_status: '{}' }, /hardware_status: it must have 1 to 64 nodes, not 0/],
    [
      { hardware_status: '{"node1":{"power":"maybe"}}' },
      /hardware_status: node1.power: it must be on or off, not "maybe"$/,
    ],
    [{ hardware_status: '[]' }, /hardware_status: it must be an object, not a list of 0$/],
    [{ hardware_status: '{"-":{}}' }, /hardware_status: -: it must be the name of a node$/],
    [{ hardware_status: '{"node1":{"maxcpu":-1}}' }, /node1.maxcpu: it must be a number of 0 or more, not -1$/],
    [{ service_config: '{"vm:1":{"node":"node7"}}' }, /service_config: vm:1: hardware_status has no node "node7"/],
    [
      { service_config: '{"vm:1":{"node":"node1","state":"asleep"}}' },
      /service_config: vm:1.state: it must be one of started, .*, not "asleep"$/,
    ],
    [{ service_config: '{"vm:1":{}}' }, /service_config: vm:1.node: it is missing, and must be the name of a node$/],
    [
      { service_config: '{"vm:1":{"node":"node1","max_restart":500}}' },
      /must be an integer from -100 to 100, not 500$/,
    ],
    [{ service_config: '{"vm:1":{"node":"node1","failback":7}}' }, /it must be 0, 1, true or false, not 7$/],
    [
      { service_config: '{"vm:1":{"node":"node1","after":["x"]}}' },
      /after.element 1: it must be written vm:NAME, .*"x"$/,
    ],
    [
      { service_config: '{"vm:1":{"node":"node1","requires":["vm:2"]},"vm:2":{"node":"node1","after":["vm:1"]}}' },
      /vm:1 would wait for itself \(vm:1 -> vm:2 -> vm:1\)/,
    ],
    [{ service_config: '{"vm:1":{"node":"node1","requires":["vm:2"]}}' }, /there is no service "vm:2" to depend on/],
    [
      { service_config: '{"lxc:1":{"node":"node1"}}' },
      /service_config: lxc:1: it must be written vm:NAME, ct:NAME or fa:NAME$/,
    ],
    [{ rules_config: 'node-affinity: r\n\tresources vm:1\n' }, /rules_config:1: .*nodes/],
    [{ 'datacenter.cfg': '{"ha":{"shutdown_policy":"flee"}}' }, /datacenter.cfg: ha: shutdown_policy must be/],
  ];
  for (const [files, message] of cases) {
    await t.rejects(readScenario(write(files)), { code: 'HF_ARGUMENT', message }, String(message));
  }
  await t.rejects(readScenario(join(directory, 'nowhere')), { message: /hardware_status: it is missing/ });
});

t.test('what is no file of a sensible size is not read', async (t) => {
  const path = (make: (cmdlist: string) => void): string => {
    const scenario = write({});
    rmSync(join(scenario, 'cmdlist'));
    make(join(scenario, 'cmdlist'));
    return scenario;
  };
  const cases: readonly (readonly [string, RegExp])[] = [
    [path(mkdirSync), /cmdlist: it is a directory: put a file there$/],
    [path((file) => symlinkSync('/dev/zero', file)), /cmdlist: it is no regular file: put one there$/],
    [path((file) => execFileSync('mkfifo', [file])), /cmdlist: it is no regular file: put one there$/],
    [path((file) => symlinkSync(file, file)), /cmdlist: its links lead in a circle: correct them$/],
    [path((file) => writeFileSync(file, ' '.repeat(8 * 1024 * 1024 + 1))), /it has more than 8388608 bytes: make it/],
    [path((file) => writeFileSync(file, Buffer.of(0x5b, 0xff, 0x5d))), /it is not UTF-8 text: save it as UTF-8$/],
  ];
  for (const [scenario, message] of cases) {
    await t.rejects(readScenario(scenario), { code: 'HF_ARGUMENT', message }, String(message));
  }
});

t.test('what is wrong with an expect.json is said in a sentence', async (t) => {
  const problems = async (files: Readonly<Record<string, string>>): Promise<readonly string[]> => {
    for await (const { verdict, problems } of runScenarios([write(files)], [])) {
      t.equal(verdict, 'failed');
      return problems;
    }
    return [];
  };
  t.match(await problems({}), [/expect.json: it is missing: write there what the scenario is to end with$/]);
  t.match(await problems({ 'expect.json': '' }), [/expect.json: it is empty: write there/]);
  t.match(await problems({ 'expect.json': '{}' }), [/expect.json: services: it is missing, and must be an object$/]);
  t.match(await problems({ 'expect.json': '{' }), [/expect.json(:\d+)?: it is not JSON \(.*\): correct it$/]);
  const node = '{"services":{"vm:1":{"node":3}},"fenced":[],"reset":[]}';
  t.match(await problems({ 'expect.json': node }), [/services.vm:1.node: it must be a text or null, not 3$/]);
});

t.test('no scenario is run if one of the directories has none', async (t) => {
  const good = write({ 'expect.json': '{"services":{},"fenced":[],"reset":[]}' });
  const first = (directories: readonly string[]): Promise<unknown> => runScenarios(directories, []).next();
  t.match(await first([good]), { value: { verdict: 'as expected' } });
  const nowhere = join(directory, 'nowhere');
  await t.rejects(first([good, nowhere]), {
    code: 'HF_ARGUMENT',
    message: /nowhere: it is not there: check the name$/,
  });
  const empty = mkdtempSync(join(directory, 'empty-'));
  await t.rejects(first([good, empty]), { code: 'HF_ARGUMENT', message: /there is no scenario in / });
});

t.test('what is not known is noted, with what it may have been meant to be, and does not hinder', async (t) => {
  const { notes } = await readScenario(
    write({
      hardware_status: '{"node1":{"maxcpus":4},"node2":{"cfs":{},"pve-manager-version":"9"}}',
      service_config: '{"vm:1":{"node":"node1","colour":"red","max-restart":1,"uid":"x"}}',
      'datacenter.cfg': '{"crs":{"hax":1},"ha":{"shutdown-policy":"migrate"},"foo":1,"keyboard":"de"}',
      rules_config: 'node-affinity: r\n\tresources vm:1\n\tnodes node1\n\tfoo bar\n\tstric 1\n',
      static_service_stats: '{"vm:1":{"cpu":3}}',
      dynamic_service_stats: '{"vm:1":{"cpu":3,"maxcpu":3,"memory":3}}',
    }),
  );
  t.strictSame([...notes].sort(), [
    'datacenter.cfg: "foo" has no counterpart',
    'datacenter.cfg: crs: "hax" has no counterpart: did you mean ha?',
    'datacenter.cfg: ha: "shutdown-policy" has no counterpart: did you mean shutdown_policy?',
    'dynamic_service_stats: vm:1: "memory" has no counterpart',
    'hardware_status: node1: "maxcpus" has no counterpart: did you mean maxcpu?',
    'rules_config:4: node-affinity: r: "foo" has no counterpart',
    'rules_config:5: node-affinity: r: "stric" has no counterpart: did you mean strict?',
    'service_config: vm:1: "colour" has no counterpart',
    'service_config: vm:1: "max-restart" has no counterpart: did you mean max_restart?',
    'static_service_stats: vm:1: "cpu" has no counterpart',
  ]);
});

const strictRule = 'node-affinity: far\n\tresources vm:1,vm:7\n\tnodes node9\n\tstrict 1\n';
const oneService = '{"vm:1":{"node":"node1","state":"started"}}';

t.test('rules that name what is not there are noted', async (t) => {
  const scenario = write({ service_config: oneService, rules_config: strictRule, groups: 'group: g\n\tnodes node8\n' });
  t.match((await readScenario(scenario)).notes, [
    'groups: group g: hardware_status has no node "node8": check the name',
    'rules_config: rule far: hardware_status has no node "node9": check the name',
    'rules_config: rule far: service_config has no service "vm:7", so the rule leaves it out until there is one',
    /^rules_config: rule far: it is strict and no node of the cluster fulfils it/,
  ]);
});

t.test('why a service does not run that is to', async (t) => {
  const end = async (files: Readonly<Record<string, string>>) => simulate(await readScenario(write(files)));
  const on = '[["power node1 on","power node2 on"]]';
  const far = await end({ cmdlist: on, service_config: oneService, rules_config: strictRule });
  t.match(far.services['vm:1'], { running: [], reason: /^rule far allows only node9, and no such node can be given/ });
  t.strictSame(far.unmanaged, {});
  t.equal(far.notes.length, 3);
  const locked = await end({ cmdlist: on, service_config: oneService.replace('}}', ',"lock":"backup"}}') });
  t.match(locked.services['vm:1'], { running: [], reason: /vm:1 is locked \(backup\)/ });
  const again = await end({
    cmdlist: on,
    service_config: oneService.replace('}}', ',"lock":"backup","max_restart":100}}'),
  });
  t.match(again.services['vm:1'], { state: 'started', running: [], reason: /vm:1 is locked \(backup\)/ });
  const runs = await end({ cmdlist: on, service_config: oneService });
  t.strictSame(runs.services['vm:1'], { node: 'node1', state: 'started', running: ['node1'] });
});

t.test('services stand there though no manager has ever led, as they were noted or configured', async (t) => {
  const states =
    '{"vm:1":{"node":"node1","state":"started"},"vm:2":{"node":"node2","state":"ignored"},"vm:3":{"node":"node2"}}';
  const noted = '{"service_status":{"vm:3":{"node":"node1","state":"started"}}}';
  const outcome = await simulate(await readScenario(write({ service_config: states, manager_status: noted })));
  t.match(outcome.services, { 'vm:3': { node: 'node1', state: 'started', running: [] } });
  t.strictSame(Object.keys(outcome.services), ['vm:3'], 'as the peer, which knows only what its manager has noted');
  t.match(outcome.unmanaged, {
    'vm:1': { node: 'node1', state: 'request_start', running: [], reason: /^no node leads, so nothing is started/ },
  });
  t.strictSame(Object.keys(outcome.unmanaged), ['vm:1']);
});

t.test('where nothing can be made, that is said, and soon', async (t) => {
  const file = join(directory, 'a-file');
  writeFileSync(file, '');
  const cases = ['/proc/holdfast-scenario', '/proc/holdfast-scenario/below', file, join(file, 'below', 'it')];
  for (const path of cases) {
    const made = createScenario(path).then(
      () => 'made',
      (error: { readonly code: string }) => error.code,
    );
    t.equal(await Promise.race([made, sleep(5_000, 'hangs')]), 'HF_OUTPUT', path);
  }
  const deep = join(directory, 'several', 'levels', 'deep');
  await createScenario(deep);
  t.strictSame(await findScenarios(join(directory, 'several')), [deep]);
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
