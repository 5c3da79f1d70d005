import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { OcfDriver } from '../src/host/ocf-driver.js';
import type { ResourceDefinition } from '../src/ports/resource-driver.js';
import { isAlive } from './live-process.js';

/**
 * Agents of Debian's resource-agents, really started and stopped. They configure addresses, mounts and
 * files below /run, so the test runs itself again in namespaces of its own.
 */
const marker = 'HOLDFAST_TEST_NAMESPACES';

function whyNot(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  if (!existsSync('/usr/lib/ocf/resource.d/heartbeat/IPaddr2')) return 'needs the package resource-agents';
  const tried = spawnSync('unshare', ['--mount', '--net', 'true']);
  return tried.status !== 0 && 'needs mount and network namespaces';
}

const own = process.env[marker];
const skip = whyNot();
if (skip !== false) {
  t.pass('skipped', { skip });
} else if (own === undefined) {
  const namespace = readlinkSync('/proc/self/ns/net');
  const file = fileURLToPath(import.meta.url);
  t.spawn('unshare', ['--mount', '--net', '--propagation', 'private', process.execPath, file], {
    env: { ...process.env, [marker]: namespace },
  });
} else {
  if (readlinkSync('/proc/self/ns/net') === own) throw new Error('not in a network namespace of its own');
  execFileSync('mount', ['-t', 'tmpfs', 'holdfast-test', '/run']);
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  if (!existsSync('/sbin/modprobe')) {
    // Filesystem insists on it; tmpfs needs no module. The mount is in this namespace only.
    execFileSync('mount', ['-t', 'tmpfs', 'holdfast-test', '/usr/local/sbin']);
    symlinkSync('/bin/true', '/usr/local/sbin/modprobe');
  }
  cycles();
}

function cycles(): void {
  const driver = new OcfDriver();
  const addresses = () => execFileSync('ip', ['-o', 'addr', 'show', 'lo'], { encoding: 'utf8' });
  const mounts = () => readFileSync('/proc/self/mounts', 'utf8');
  const heartbeat = (agent: string, parameters: Record<string, string> = {}): ResourceDefinition => ({
    sid: `ocf:real-${agent}`,
    agent: `ocf:heartbeat:${agent}`,
    parameters,
  });

  /** Probe, start (twice: it is idempotent), monitor, stop (twice), probe; `visible` looks at the system itself. */
  function cycle(definition: ResourceDefinition, visible: () => boolean): void {
    t.test(definition.agent, async (t) => {
      await driver.validate(definition);
      const steps = [
        ['monitor', 'stopped'],
        ['start', 'running'],
        ['start', 'running'],
        ['monitor', 'running'],
        ['stop', 'stopped'],
        ['stop', 'stopped'],
        ['monitor', 'stopped'],
      ] as const;
      for (const [operation, outcome] of steps) {
        const result = await driver.run(operation, definition);
        t.equal(result.outcome, outcome, `${operation}: ${result.detail} (${result.durationMs} ms)`);
        t.equal(visible(), outcome === 'running', 'and so it is');
      }
    });
  }

  cycle(heartbeat('Dummy'), () => existsSync('/run/resource-agents/Dummy-real-Dummy.state'));
  cycle(heartbeat('dummypy', { state: '/run/dummypy.state' }), () => existsSync('/run/dummypy.state'));
  cycle(heartbeat('IPaddr2', { ip: '192.0.2.10', cidr_netmask: '32', nic: 'lo' }), () =>
    addresses().includes('192.0.2.10/32'),
  );
  const mountPoint = '/run/mount-point';
  mkdirSync(mountPoint);
  cycle(heartbeat('Filesystem', { device: 'holdfast-test', directory: mountPoint, fstype: 'tmpfs' }), () =>
    mounts().includes(` ${mountPoint} tmpfs`),
  );
  cycle(heartbeat('symlink', { link: '/run/link', target: tmpdir() }), () => existsSync('/run/link'));
  cycle(heartbeat('anything', { binfile: '/bin/sleep', cmdline_options: '300' }), () =>
    processRuns('/run/anything_real-anything.pid'),
  );
  cycle(heartbeat('Route', { destination: '198.51.100.0/24', device: 'lo' }), () =>
    execFileSync('ip', ['route'], { encoding: 'utf8' }).includes('198.51.100.0/24'),
  );

  t.test('what is not installed is told in the agent’s words, and is permanent', async (t) => {
    const result = await driver.run('start', heartbeat('conntrackd'));
    t.match(result, { outcome: 'failed', permanent: true, detail: /is not installed \(5\): .*conntrackd/ });
  });

  t.test('an agent slower than its timeout', async (t) => {
    const result = await driver.run('start', heartbeat('Delay', { startdelay: '30' }), 700);
    t.match(result, { outcome: 'error', permanent: false, detail: /timed out after 0.7 s/ });
    t.ok(result.durationMs < 4000, `${result.durationMs} ms`);
  });
}

function processRuns(pidFile: string): boolean {
  try {
    return isAlive(Number(readFileSync(pidFile, 'utf8')));
  } catch {
    return false;
  }
}
