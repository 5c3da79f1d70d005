import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

const script = fileURLToPath(new URL('../../scripts/setup', import.meta.url));
const tools = [
  'bash',
  'dirname',
  'readlink',
  'grep',
  'sed',
  'paste',
  'mktemp',
  'tail',
  'rm',
  'chmod',
  'find',
  'mkdir',
  'mv',
];

/** A machine that has just these programs: real ones by name, pretended ones by what they do. */
function runSetup(t: Test, pretended: Readonly<Record<string, string>>, args: readonly string[] = []) {
  const bin = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  t.teardown(() => rmSync(bin, { recursive: true, force: true }));
  for (const tool of tools) {
    symlinkSync(spawnSync('which', [tool], { encoding: 'utf8' }).stdout.trim(), join(bin, tool));
  }
  for (const [name, commands] of Object.entries(pretended)) {
    writeFileSync(join(bin, name), `#!/bin/bash\n${commands}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const { status, stdout, stderr } = spawnSync(script, args, { env: { PATH: bin }, encoding: 'utf8', timeout: 20_000 });
  return { status, stdout, err: stderr.trim() };
}

const root = { id: 'echo 0' };
const node = { ...root, node: 'echo 24.1.0', npm: ':' };

const lacking: Readonly<Record<string, readonly [Record<string, string>, RegExp]>> = {
  root: [{ ...node, id: 'echo 1000' }, /^setup: this needs root/],
  Node: [root, /^setup: Node 20 or newer with npm is missing/],
  npm: [{ ...root, node: 'echo 24.1.0' }, /^setup: Node 20 or newer with npm is missing/],
  'a recent Node': [{ ...node, node: 'echo 18.20.4' }, /^setup: Node is 18\.20\.4, but 20 or newer is needed/],
  dpkg: [node, /^setup: this is no Debian/],
  apt: [
    { ...node, 'dpkg-query': 'echo "ii  make"' },
    /^setup: apt-get is missing: install corosync nftables .* in another way$/,
  ],
  'a package': [
    { ...node, 'dpkg-query': 'exit 1', 'apt-get': 'echo "E: Unable to locate package corosync"; exit 100' },
    /^setup: apt cannot install .*: E: Unable to locate package corosync \(all of it is in \S+\)$/,
  ],
};

t.test('an argument means something else', async (t) => {
  const { status, err } = runSetup(t, root, ['bogus']);
  t.equal(err, "setup: this takes no arguments, not 'bogus'");
  t.equal(status, 1);
});

for (const [what, [pretended, sentence]] of Object.entries(lacking)) {
  t.test(`without ${what}`, async (t) => {
    const { status, err } = runSetup(t, pretended);
    t.equal(status, 1);
    t.match(err, sentence);
    t.notMatch(err, /\n/, 'one sentence');
    const log = /is in (\S+)\)$/.exec(err)?.[1];
    if (log) rmSync(log);
  });
}

t.test('installs only what is missing, without asking', async (t) => {
  const { stdout, err } = runSetup(t, {
    ...node,
    // Ends there: what comes after apt is not pretended.
    node: '[ "$1" = -p ] && echo 24.1.0',
    npm: 'exit 1',
    'dpkg-query': 'shift 3; for p; do [ "$p" = curl ] || echo "ii  $p"; done',
    'apt-get':
      '[ "$DEBIAN_FRONTEND" = noninteractive ] && { [ "$*" = "update -q" ] || [ "$*" = "install -qy --no-install-recommends curl" ]; }',
  });
  t.match(stdout, /^setup: installing with apt: curl$/m);
  t.match(err, /^setup: npm ci failed/);
});
