import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { HoldfastError } from '../src/core/errors.js';
import { defaultConfigFile, loadConfig } from '../src/host/config-file.js';
import fc from './seeded-fast-check.js';

const dir = mkdtempSync(join(tmpdir(), 'holdfast-config-'));
t.teardown(() => rmSync(dir, { recursive: true }));
const file = join(dir, 'holdfast.toml');

t.test('a file is read; without one that was named, a missing one means defaults', async (t) => {
  writeFileSync(file, '\uFEFFfenceBoundMs = 20000 # short\n');
  t.equal(loadConfig(file).fenceBoundMs, 20_000);
  if (!existsSync(defaultConfigFile)) t.equal(loadConfig(undefined).fenceBoundMs, 60_000);
});

t.test('what cannot be read has its sentence', async (t) => {
  const refused = (path: string, message: RegExp) =>
    t.throws(() => loadConfig(path), { name: 'HoldfastError', code: 'HF_CONFIG', message });
  refused(join(dir, 'missing.toml'), /missing\.toml is not there: correct its path, or do not name one/);
  refused(join(dir, 'missing', 'holdfast.toml'), /is not there/);
  mkdirSync(join(dir, 'directory'));
  refused(join(dir, 'directory'), /is a directory: give the path of a file$/);
  refused(join(file, 'below'), /cannot be read \(ENOTDIR\): correct its path or its permissions$/);
  symlinkSync('loop', join(dir, 'loop'));
  refused(join(dir, 'loop'), /cannot be read \(ELOOP\)/);
  execFileSync('mkfifo', [join(dir, 'fifo')]);
  refused(join(dir, 'fifo'), /is not a regular file/);
  refused('/dev/zero', /is not a regular file/);
  refused('bad\0path', /cannot be read/);
  writeFileSync(file, '#'.repeat(64 * 1024));
  t.ok(loadConfig(file), 'as large as allowed');
  writeFileSync(file, '#'.repeat(64 * 1024 + 1));
  refused(file, /is larger than 65536 bytes/);
  writeFileSync(file, Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1]));
  refused(file, /holds binary data, not TOML text/);
  writeFileSync(file, Buffer.from([0x61, 0xff, 0xfe]));
  refused(file, /is not UTF-8 text/);
});

t.test(
  'a file without permission is refused',
  { skip: process.getuid?.() === 0 && 'root may read everything' },
  async (t) => {
    writeFileSync(file, '', { mode: 0o000 });
    t.throws(() => loadConfig(file), { code: 'HF_CONFIG', message: /EACCES/ });
  },
);

t.test('random bytes give a HoldfastError or a configuration', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      writeFileSync(file, bytes);
      try {
        return Object.isFrozen(loadConfig(file));
      } catch (error) {
        return error instanceof HoldfastError && error.code === 'HF_CONFIG' && error.message.includes(file);
      }
    }),
    { numRuns: 1000 },
  );
  t.pass();
});
