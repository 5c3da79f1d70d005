import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { groupIdOf } from '../src/host/group-id.js';

const groups = [
  'root:x:0:',
  'adm:x:4:syslog,ops',
  'ops2:x:1002:',
  'ops:x:1001:alice',
  'empty:x::',
  'odd:x:1e3:',
  'cut',
];

t.test('a group is found by its whole name', async (t) => {
  const file = join(t.testdir({ group: `${groups.join('\n')}\n` }), 'group');
  t.equal(groupIdOf('root', file), 0);
  t.equal(groupIdOf('ops', file), 1_001);
  t.equal(groupIdOf('ops2', file), 1_002);
  for (const name of ['op', 'syslog', 'alice', 'nobody']) {
    t.throws(() => groupIdOf(name, file), { code: 'HF_CONFIG', message: new RegExp(`'${name}'.*groupadd ${name}`) });
  }
});

t.test('a broken line names no group, least of all that of root', async (t) => {
  const file = join(t.testdir({ group: groups.join('\n') }), 'group');
  for (const name of ['empty', 'odd', 'cut']) t.throws(() => groupIdOf(name, file), { code: 'HF_CONFIG' });
  writeFileSync(file, '');
  t.throws(() => groupIdOf('root', file), { code: 'HF_CONFIG' });
});

t.test('groups that cannot be read are said to be', async (t) => {
  const file = join(t.testdir({}), 'group');
  t.throws(() => groupIdOf('ops', file), { code: 'HF_CONFIG', message: /cannot be read \(ENOENT\)/ });
});
