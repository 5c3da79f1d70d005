import { Random } from '../src/sim/sim-random.js';
import { World } from '../src/sim/world.js';
import type { SimNodeOptions, WorldOptions } from '../src/sim/world-options.js';
import { add } from './fixtures/add-resource.js';

/** Every fault that the world knows, at random; for the tests of the world itself. */
export interface Chaos {
  readonly seed: number;
  readonly nodes: number;
  readonly faults: number;
  readonly options?: Partial<WorldOptions>;
  readonly nodeOptions?: Partial<SimNodeOptions>;
}

const fenceBoundMs = 15_000;
const sids = ['vm:1', 'vm:2', 'ct:3'];

export function newWorld({ seed, nodes, options, nodeOptions }: Omit<Chaos, 'faults'>): World {
  return new World({
    seed,
    fenceBoundMs,
    offAfterResetMs: [2_000, 20_000],
    nodes: Array.from({ length: nodes }, (_, i) => ({ nodeId: i + 1, name: `node${i + 1}`, ...nodeOptions })),
    ...options,
  });
}

/** Resources that run, then faults, then a cluster that is left alone. */
export async function chaos(run: Chaos): Promise<World> {
  const world = newWorld(run);
  // Not the world's: what is done to it must not depend on what it does.
  const random = new Random(run.seed + 1_000_003);
  await world.run(4_000);
  for (const sid of sids) world.request('node1', add(sid)).catch(() => undefined);
  await world.runFor(random.int(0, 6_000));
  for (let i = 0; i < run.faults; i++) {
    inject(world, random);
    if (random.chance(0.3)) ask(world, random);
    await world.runFor(random.chance(0.25) ? random.int(8_000, 25_000) : random.int(10, 4_000));
  }
  await recover(world);
  return world;
}

function ask(world: World, random: Random): void {
  const requested = random.chance(0.3) ? 'stopped' : 'started';
  const sid = random.pick(sids) ?? 'vm:1';
  const node = random.pick(world.nodes) ?? world.node(1);
  world.request(node.name, { type: 'resource-set', sid, changes: { requested }, unset: [] }).catch(() => undefined);
}

function inject(world: World, random: Random): void {
  const node = random.pick(world.nodes) ?? world.node(1);
  const names = world.nodes.map(({ name }) => name);
  const others = names.filter((name) => name !== node.name);
  const left = names.filter(() => random.chance(0.5));
  const faults: (() => void)[] = [
    () => world.partition([[node.name], others]),
    () => world.partition([left, names.filter((name) => !left.includes(name))]),
    () => world.setLinks([[node.name, random.pick(others) ?? '']], false, random.chance(0.5)),
    () => world.heal(),
    () => world.heal(),
    () => node.powerOff(),
    () => node.powerOn(),
    () => node.powerOn(),
    () => node.killAgent(random.int(100, 6_000)),
    () => node.startAgent(),
    () => node.endAgent(random.int(100, 6_000)),
    () => node.stopAgent(),
    () => node.continueAgent(),
    () => node.continueAgent(),
    () => node.stallAgent(random.int(100, 14_000)),
    () => node.stallKeeper(random.int(100, 5_000)),
    () => node.corosync.stop(),
    () => node.corosync.goOn(),
    () => node.corosync.goOn(),
    () => restartCorosync(world, node.name, random.int(100, 8_000)),
    () => {
      node.disk.hangsUntilMs = world.nowMs + random.int(100, 20_000);
    },
    () => {
      node.disk.full = random.chance(0.5);
    },
    () => {
      node.resetWorks = random.chance(0.5);
    },
    () => {
      node.clock.wallSkewMs += random.int(-3_600_000, 3_600_000);
    },
    () => {
      node.fenceBoundMs = random.chance(0.5) ? fenceBoundMs : 2 * fenceBoundMs;
      node.killAgent(random.int(100, 2_000));
    },
    () => {
      node.quorumOptions = random.chance(0.3) ? ['two_node'] : [];
      node.corosync.reload();
    },
    () =>
      world.setNetworkOptions({
        lossRate: random.chance(0.5) ? 0.05 : 0,
        skewMs: random.chance(0.5) ? [0, 200] : [0, 0],
      }),
    () => world.setBehaviour(random.pick(sids) ?? '', { fault: () => (random.chance(0.5) ? { kind: 'fail' } : null) }),
  ];
  random.pick(faults)?.();
}

function restartCorosync(world: World, name: string, downMs: number): void {
  const node = world.node(name);
  node.corosync.kill('killed');
  const { boots } = node;
  world.after(downMs, () => {
    if (node.up && node.boots === boots) node.corosync.start();
  });
}

async function recover(world: World): Promise<void> {
  world.setNetworkOptions({ lossRate: 0, skewMs: [0, 0] });
  for (const sid of sids) world.setBehaviour(sid, null);
  for (const node of world.nodes) {
    node.disk.full = false;
    node.resetWorks = true;
    node.quorumOptions = [];
    node.continueAgent();
    node.corosync.goOn();
    node.powerOn();
    node.corosync.start();
    node.corosync.reload();
    node.startAgent();
  }
  world.heal();
  await world.runFor(120_000);
}
