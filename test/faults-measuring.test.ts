import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

/** The scripts are plain modules, two levels above dist/test. */
const load = (name: string) => import(new URL(`../../scripts/faults.d/${name}`, import.meta.url).href);

interface Reset {
  readonly atMs: number;
  readonly cause: string;
  readonly lastPetMs: number | null;
}
interface EmulatorEvent {
  readonly bootMs: number;
  readonly event: string;
  readonly [field: string]: string | number | boolean;
}
const measure: {
  resetAfter(events: readonly EmulatorEvent[], sinceMs: number): Reset | null;
  resetWithheldAfter(events: readonly EmulatorEvent[], sinceMs: number): Reset | null;
  petsBetween(events: readonly EmulatorEvent[], fromMs: number, toMs: number): EmulatorEvent[];
  longestPetGapMs(events: readonly EmulatorEvent[]): number;
} = await load('measure.mjs');

interface Sign {
  readonly bootMs: number;
  readonly event: string;
  readonly node: string;
  readonly pid: number;
  readonly instance: string;
}
const probe: {
  instancesOf(lines: readonly Sign[]): { instance: string; node: string; fromMs: number; toMs: number }[];
  doubleRuns(lines: readonly Sign[]): string[];
} = await load('probe.mjs');

const { LogTail }: { LogTail: new (path: string) => { records(): unknown[] } } = await load('log-tail.mjs');

const at = (bootMs: number, event: string, more: Readonly<Record<string, string | number | boolean>> = {}) => ({
  bootMs,
  event,
  ...more,
});

t.test('a reset is measured from the last thing that petted', async (t) => {
  const before = [at(10, 'open', { active: true, wasActive: false }), at(20, 'pet', { active: true })];
  const killed = at(100, 'killed', { cause: 'expired' });
  const lastPet = (...events: EmulatorEvent[]) => measure.resetAfter([...before, ...events, killed], 0)?.lastPetMs;
  t.equal(lastPet(), 20);
  t.equal(lastPet(at(30, 'release-pet')), 30, 'a close without magic pets');
  t.equal(lastPet(at(30, 'settimeout', { error: 0 })), 30, 'a timeout that is set pets');
  t.equal(lastPet(at(30, 'settimeout', { error: 22 })), 20, 'one that is refused does not');
  t.equal(lastPet(at(30, 'open', { active: true, wasActive: true })), 20, 'nor the opening of a running watchdog');
  t.equal(lastPet(at(30, 'pet', { active: false })), 20, 'nor a keepalive of an idle one');
  t.equal(measure.resetAfter([killed, at(110, 'pet', { active: true })], 0)?.lastPetMs, null, 'nor one afterwards');
});

t.test('only the first reset after the fault counts, and only one that took place', async (t) => {
  const events = [
    at(5, 'killed', { cause: 'a' }),
    at(50, 'no-reboot', { cause: 'b' }),
    at(60, 'killed', { cause: 'c' }),
  ];
  t.match(measure.resetAfter(events, 10), { atMs: 60, cause: 'c' });
  t.match(measure.resetWithheldAfter(events, 10), { atMs: 50, cause: 'b' });
  t.equal(measure.resetAfter(events, 60), null);
  t.equal(measure.resetWithheldAfter(events, 50), null);
});

t.test('gaps between pets', async (t) => {
  const pets = [10, 20, 95, 100].map((bootMs) => at(bootMs, 'pet', { active: true }));
  t.equal(measure.longestPetGapMs(pets), 75);
  t.equal(measure.longestPetGapMs(pets.slice(0, 1)), 0);
  t.equal(measure.petsBetween(pets, 10, 100).length, 2, 'the limits are not between');
});

const sign = (bootMs: number, event: string, instance: string, node = 'node1') => ({
  bootMs,
  event,
  node,
  pid: 1,
  instance,
});

t.test('one instance after the other is no double run', async (t) => {
  const lines = [
    sign(1, 'start', 'a'),
    sign(9, 'alive', 'a'),
    sign(10, 'start', 'b', 'node2'),
    sign(11, 'alive', 'b', 'node2'),
  ];
  t.same(probe.doubleRuns(lines), []);
  t.match(probe.instancesOf(lines), [
    { instance: 'a', node: 'node1', fromMs: 1, toMs: 9 },
    { instance: 'b', node: 'node2', fromMs: 10, toMs: 11 },
  ]);
});

t.test('an overlap is one, in whatever order the lines come, and so is a refused lock', async (t) => {
  const lines = [sign(10, 'start', 'b', 'node2'), sign(1, 'start', 'a'), sign(10, 'alive', 'a')];
  t.same(probe.doubleRuns(lines), ['ran on node1 until 10 and on node2 from 10']);
  const refused = [sign(1, 'start', 'a'), sign(5, 'refused', 'b', 'node3'), sign(9, 'alive', 'a')];
  t.same(probe.doubleRuns(refused), ['started on node3 at 5 while it ran elsewhere']);
  t.equal(probe.instancesOf(refused).length, 1, 'what was refused never ran');
  const within = [sign(1, 'start', 'a'), sign(2, 'start', 'b'), sign(3, 'start', 'c'), sign(9, 'alive', 'a')];
  t.equal(probe.doubleRuns(within).length, 2, 'not only neighbours are compared');
});

t.test('a tail begins where it is made, and waits for the ends of lines', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const path = join(dir, 'log');
  const early = new LogTail(path);
  t.same(early.records(), [], 'of no file');
  writeFileSync(path, '{"n":1}\n');
  const tail = new LogTail(path);
  appendFileSync(path, '{"n":2}\nno JSON\n{"n"');
  t.same(tail.records(), [{ n: 2 }]);
  appendFileSync(path, ':3}\n');
  t.same(tail.records(), [{ n: 2 }, { n: 3 }]);
  t.same(early.records(), [{ n: 1 }, { n: 2 }, { n: 3 }]);
});
