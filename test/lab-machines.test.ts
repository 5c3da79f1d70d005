import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { needsRoot } from './fixtures/needs-root.js';
import { Lab, namespaces, until } from './lab-cluster.js';

const bootId = ['cat', '/proc/sys/kernel/random/boot_id'];

/** Pids of processes that carry the lab's mark, or are in one of its pid namespaces. */
function processesOf(lab: Lab, pidNamespaces: ReadonlySet<string>): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      if (readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`HOLDFAST_LAB_OF=${lab.dir}\0`)) return true;
      return pidNamespaces.has(readlinkSync(`/proc/${pid}/ns/pid`));
    } catch {
      return false; // no process, or gone meanwhile
    }
  });
}

async function isolation(t: Test, lab: Lab): Promise<void> {
  t.equal(lab.run('in', '2', 'hostname'), 'node2');
  t.equal(lab.run('in', '1', 'cat', '/proc/1/comm'), 'bash', 'a pid namespace of its own');
  for (const kind of ['net', 'mnt', 'pid', 'uts'] as const) {
    const own = [1, 2, 3].map((node) => readlinkSync(`/proc/${lab.machinePid(node)}/ns/${kind}`));
    t.equal(new Set([...own, readlinkSync(`/proc/self/ns/${kind}`)]).size, 4, `${kind} namespaces differ`);
  }
  lab.run('in', '1', 'sh', '-c', 'echo 1 > /tmp/mark; echo 1 > /run/mark; echo 1 > /dev/shm/mark');
  for (const mark of ['/tmp/mark', '/run/mark', '/dev/shm/mark']) {
    t.not(lab.try('in', '2', 'test', '-e', mark).code, 0, `${mark} is private`);
    t.notOk(existsSync(mark), `${mark} is not ours`);
  }
}

/** A write to any of these would reach, even reset, the computer that the tests run on. */
async function masks(t: Test, lab: Lab): Promise<void> {
  const real = ['/proc/sysrq-trigger', '/proc/kcore', '/proc/kmsg'].filter((path) => existsSync(path));
  t.ok(real.length > 0, 'there is something to mask');
  for (const path of real) {
    t.equal(lab.run('in', '1', 'stat', '-L', '-c', '%t:%T', path), '1:3', `${path} is /dev/null`);
  }
  t.match(lab.try('in', '1', 'sh', '-c', 'echo 1 > /proc/sys/kernel/panic').err, /Read-only file system/);
  const devices = lab.run('in', '1', 'ls', '/dev').split('\n');
  t.strictSame(
    devices.filter((name) => /watchdog|mem$|kmsg|^[sv]d[a-z]|^nvme|^loop/.test(name)),
    [],
    'no real device',
  );
}

async function cuts(t: Test, lab: Lab): Promise<void> {
  // ICMP needs both directions, so one-way is seen in the neighbour's counter of received packets.
  const received = (node: number) =>
    Number(lab.run('in', String(node), 'cat', '/sys/class/net/eth0/statistics/rx_packets'));
  const send = (node: number, address: string) =>
    lab.run(
      'in',
      String(node),
      'bash',
      '-c',
      `for i in {1..200}; do echo x >/dev/udp/${address}/9; done 2>/dev/null || :`,
    );
  const arrive = (from: number, to: number) => {
    const before = received(to);
    send(from, `10.77.0.${to}`);
    return received(to) - before >= 200;
  };
  t.ok(lab.answers(1, 'node2') && lab.answers('client', '10.77.0.1'), 'all is well before');
  // Keep ARP out of it: only the bridge may drop.
  for (const [a, b] of [
    [1, 2],
    [2, 1],
  ] as const) {
    const mac = `02:00:0a:4d:00:0${b}`;
    lab.run(
      'in',
      String(a),
      'ip',
      'neigh',
      'replace',
      `10.77.0.${b}`,
      'lladdr',
      mac,
      'dev',
      'eth0',
      'nud',
      'permanent',
    );
  }
  t.ok(arrive(1, 2) && arrive(2, 1), 'packets arrive both ways');
  lab.run('cut', '1', 'in');
  t.notOk(arrive(2, 1), 'cut in: nothing comes to 1');
  t.ok(arrive(1, 2), 'cut in: what 1 sends arrives');
  lab.run('uncut', '1');
  lab.run('cut', '1', 'out');
  lab.run('cut', '1', 'out');
  t.ok(arrive(2, 1), 'cut out: what comes to 1 arrives');
  t.notOk(arrive(1, 2), 'cut out: nothing of 1 arrives');
  t.match(lab.run('status'), /^node1 .* cut out$/m);
  lab.run('uncut', '1');
  lab.run('uncut', '1');
  t.ok(lab.answers(1, 'node2'), 'uncut');
  lab.run('cut', '1');
  t.notOk(arrive(1, 2) || arrive(2, 1), 'cut: neither way');
  lab.run('heal');
  t.ok(lab.answers(1, 'node2'), 'healed');
  lab.run('partition', '1 c', '2 3');
  t.ok(lab.answers('client', '10.77.0.1') && lab.answers(2, 'node3'), 'a group speaks within itself');
  t.notOk(lab.answers(1, 'node3') || lab.answers('client', '10.77.0.2'), 'groups do not speak');
  lab.run('heal');
  lab.run('wait', '3');
}

async function power(t: Test, lab: Lab): Promise<void> {
  const before = lab.run('in', '3', ...bootId);
  lab.run('in', '3', 'ip', 'addr', 'add', '10.77.0.100/24', 'dev', 'eth0');
  lab.run(
    'in',
    '3',
    'sh',
    '-c',
    'setsid sleep 1000 >/dev/null 2>&1 & echo kept > "$0"',
    join(lab.dir, 'n3/disk/holdfast/kept'),
  );
  lab.run('in', '3', 'touch', '/run/volatile');
  t.ok(lab.answers('client', '10.77.0.100'), 'the floating address answers');
  const inside = readlinkSync(`/proc/${lab.machinePid(3)}/ns/pid`);

  lab.run('cut', '2', 'in');
  lab.run('power-off', '3', '2');
  t.notOk(namespaces('pid').has(inside), 'no process of the machine is left');
  t.notOk(lab.answers('client', '10.77.0.100'), 'its address no longer answers');
  t.match(lab.try('in', '3', 'true').err, /^lab: machine 3 is off/);
  t.equal(lab.try('power-off', '3').code, 0, 'twice is once');

  const startMs = performance.now();
  lab.run('boot', '3', '2');
  // A boot takes 0.1 s; a loaded two-core machine may need ten times that.
  t.ok(performance.now() - startMs < 1_500, 'boots in 1.5 s');
  t.match(lab.run('status'), /^node2 .* cut in$/m, 'a cut outlives its machine');
  lab.run('uncut', '2');
  lab.run('wait', '3');
  const after = lab.run('in', '3', ...bootId);
  t.match(after, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  t.not(after, before, 'a new boot id');
  t.not(after, lab.run('in', '2', ...bootId));
  t.equal(lab.run('in', '3', 'cat', join(lab.dir, 'n3/disk/holdfast/kept')), 'kept', 'the disk survives');
  t.not(lab.try('in', '3', 'test', '-e', '/run/volatile').code, 0, '/run does not');
  t.notOk(lab.answers('client', '10.77.0.100'), 'the address is not back by itself');

  lab.run('power-off', '3');
  lab.run('boot', '3', '--same-boot-id');
  t.equal(lab.run('in', '3', ...bootId), after, '--same-boot-id keeps it');
}

async function resets(t: Test, lab: Lab): Promise<void> {
  const generation = () => readFileSync(join(lab.dir, 'n2/boots'), 'utf8');
  process.kill(lab.machinePid(2), 'SIGKILL'); // as the watchdog emulator does
  t.ok(await until(() => /^node2 {2}off/m.test(lab.run('status')), 2_000), 'a reset machine is off');
  // Twice BOOT_DELAY_MS, which a chassis that ignores that autoboot is off would not outlast.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  t.match(lab.run('status'), /^node2 {2}off/m, 'and stays off');
  lab.run('boot', '2');
  lab.run('autoboot', '2', 'on');
  const before = generation();
  process.kill(lab.machinePid(2), 'SIGKILL');
  // 0.5 s of delay and 0.1 s of boot, times ten for a loaded machine.
  t.ok(await until(() => generation() !== before, 6_000), 'with autoboot it comes back');
  lab.run('boot', '2');
  lab.run('wait', '3');
  lab.run('power-off', '2');
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  t.match(lab.run('status'), /^node2 {2}off/m, 'no autoboot without power');
  lab.run('autoboot', '2', 'off');
  lab.run('boot', '2');
}

async function disks(t: Test, lab: Lab): Promise<void> {
  const file = join(lab.run('disk', '1', 'path'), 'holdfast', 'file');
  const page = Buffer.alloc(4096, 'x');
  writeFileSync(file, page);
  lab.run('disk', '1', 'full');
  t.throws(() => writeFileSync(`${file}.new`, page), { code: 'ENOSPC' });
  t.match(lab.try('in', '1', 'dd', 'if=/dev/zero', `of=${lab.dir}/n1/disk/holdfast/x`).err, /No space left on device/);
  lab.run('disk', '1', 'full');
  lab.run('disk', '1', 'free');
  lab.run('disk', '1', 'free');
  writeFileSync(`${file}.new`, page);
  t.strictSame(readFileSync(file), page, 'what was there is unharmed');
}

async function signals(t: Test, lab: Lab): Promise<void> {
  const state = (pid: string) => /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  lab.run('wait', '3');
  const pid = lab.run('pid', '1');
  t.equal(readFileSync(`/proc/${pid}/comm`, 'utf8').trim(), 'corosync');
  lab.run('pause', '1');
  t.equal(state(pid), 'T');
  lab.run('resume', '1');
  t.not(state(pid), 'T');
  for (const verb of ['kill', 'stop']) {
    lab.run(verb, '1');
    t.not(lab.try('pid', '1').code, 0, `${verb}: it has ended`);
    t.match(lab.try('kill', '1').err, /^lab: no corosync runs on machine 1$/);
    lab.run('start', '1');
    lab.run('start', '1');
    t.not(lab.run('pid', '1'), pid, 'a new one');
    lab.run('wait', '3');
  }
}

async function mistakes(t: Test, lab: Lab): Promise<void> {
  const wrong: readonly (readonly string[])[] = [
    ['up', '3'], ['cut', '4'], ['cut', '0'], ['cut', ''], ['cut', '1', 'sideways'], ['cut', '-1'], ['boot'], ['boot', 'x'],
    ['power-off', '1', '9'], ['partition', '1'], ['partition', '1', '7'], ['disk', '1'], ['disk', '1', 'broken'],
    ['autoboot', '1'], ['in', '1'], ['client'], ['dance'], ['dance', '1'], ['agent-dance', '1'], ['pause', '1', '2'],
    ['status', 'x'], ['emulator', '1', 'explode'], ['log', '1', 'x'], ['wait', 'x'], ['agent-kill', '1'], ['agent-start', '1'],
  ]; // biome-ignore format: a table
  for (const args of wrong) {
    const { code, err } = lab.try(...args);
    t.ok(code === 1 && /^lab: [^\n]{10,}$/.test(err), `${args.join(' ')}: ${err}`);
  }
  t.equal(lab.try('up', '33').code, 1);
  lab.run('wait', '3');
}

t.test('a lab of three', needsRoot, async (t) => {
  const lab = new Lab(t, { BOOT_DELAY_MS: '500', DISK_KB: '1024' });
  const startMs = performance.now();
  lab.run('up', '3');
  // Measured: 1.5 to 2.2 s; 4 s is what a demo's viewer is promised, doubled for a loaded machine.
  t.ok(performance.now() - startMs < 8_000, 'up and quorate in 8 s');
  t.match(lab.run('status'), /^(node[123] {2}on {2}corosync quorate, votes 3 {2}agent none\n?){3}$/);
  const ours = new Set([1, 2, 3].map((node) => readlinkSync(`/proc/${lab.machinePid(node)}/ns/pid`)));
  for (const [name, part] of Object.entries({ isolation, masks, cuts, power, resets, disks, signals, mistakes })) {
    await t.test(name, (t) => part(t, lab));
  }
  await t.test('down', async (t) => {
    for (const node of [1, 2, 3]) ours.add(readlinkSync(`/proc/${lab.machinePid(node)}/ns/pid`));
    t.ok(processesOf(lab, ours).length > 10, 'the search finds what is there');
    lab.run('down');
    t.strictSame(processesOf(lab, ours), [], 'no process is left');
    t.notOk(existsSync(lab.dir), 'the directory is gone');
    t.notMatch(readFileSync('/proc/self/mountinfo', 'utf8'), lab.dir, 'no mount is left');
    t.equal(lab.try('down').code, 0, 'twice is once');
  });
});
