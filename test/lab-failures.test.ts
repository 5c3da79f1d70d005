import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { needsRoot } from './fixtures/needs-root.js';
import { Lab } from './lab-cluster.js';

const script = fileURLToPath(new URL('../../scripts/lab', import.meta.url));

function marked(lab: Lab): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`HOLDFAST_LAB_OF=${lab.dir}\0`);
    } catch {
      return false;
    }
  });
}

t.test('up that is interrupted leaves nothing', needsRoot, async (t) => {
  const lab = new Lab(t);
  for (const delayMs of [20, 60, 120, 200, 300]) {
    const child = spawn(script, ['up', '2'], { env: lab.env, stdio: 'ignore' });
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    child.kill('SIGINT');
    t.not(await ended, 0, `interrupted after ${delayMs} ms`);
    t.strictSame(marked(lab), [], 'no process');
    t.notOk(existsSync(lab.dir), 'no directory');
  }
});

t.test('up that fails half way cleans up after itself', needsRoot, async (t) => {
  const lab = new Lab(t, { EXTRA_TOTEM: 'nonsense', TIMEOUT: '1' });
  const { code, err } = lab.try('up', '1');
  t.equal(code, 1);
  t.match(err, /^lab: machine 1 is not quorate with 1 votes after 1 s$/);
  t.strictSame(marked(lab), []);
  t.notOk(existsSync(lab.dir));
});

t.test('down finds everything, though the directory is gone', needsRoot, async (t) => {
  const lab = new Lab(t);
  lab.run('up', '1');
  t.not(marked(lab).length, 0);
  rmSync(lab.dir, { recursive: true });
  lab.run('down');
  t.strictSame(marked(lab), []);
});

t.test('a directory that is no lab is left alone', needsRoot, async (t) => {
  const lab = new Lab(t);
  mkdirSync(lab.dir);
  writeFileSync(join(lab.dir, 'thesis'), 'years of work');
  t.match(lab.try('up', '1').err, /exists and is not a lab/);
  t.match(lab.try('down').err, /is not a lab: nothing was removed/);
  t.equal(readFileSync(join(lab.dir, 'thesis'), 'utf8'), 'years of work');
  for (const [dir, why] of [
    ['/tmp', /cannot be/],
    ['/dev/shm/x', /cannot be/],
    [`/${'x'.repeat(70)}`, /too long/],
  ] as const) {
    const env = { ...lab.env, LAB: dir };
    const child = spawn(script, ['up', '1'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let err = '';
    child.stderr.on('data', (data) => {
      err += data;
    });
    await new Promise((resolve) => child.on('close', resolve));
    t.match(err, why);
  }
});

t.test('two labs at once do not meet', needsRoot, async (t) => {
  const [one, other] = [new Lab(t), new Lab(t)];
  one.run('up', '1');
  other.run('up', '2');
  one.run('down');
  other.run('wait', '2');
  t.ok(other.answers(1, 'node2'));
});

t.test('settings are checked', needsRoot, async (t) => {
  const wrong = { TOKEN: '1s', BOUND: '-1', BOOT_DELAY_MS: '5', KAPPA: '3', DISK_KB: 'x' };
  for (const [name, value] of Object.entries(wrong)) {
    const lab = new Lab(t, { [name]: value });
    const { code, err } = lab.try('up', '1');
    t.ok(code === 1 && err.startsWith(`lab: ${name} is `), err);
    t.notOk(existsSync(lab.dir));
  }
});
