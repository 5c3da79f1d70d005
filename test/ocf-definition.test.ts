import t from 'tap';
import { HoldfastError } from '../src/core/errors.js';
import { checkDefinition } from '../src/host/ocf-definition.js';
import { OcfDriver } from '../src/host/ocf-driver.js';
import { definition, FakeOcfRoot } from './fake-ocf-agents.js';
import fc from './seeded-fast-check.js';

const fake = new FakeOcfRoot();
t.teardown(() => fake.remove());
const driver = new OcfDriver({ ocfRoot: fake.root, runtimeDirectory: fake.runtimeDirectory });
fake.agent('web', 'exit 0');

t.test('good definitions', async (t) => {
  const parameters = { address: '::1', port: '8080', verbose: 'yes', mistyped: '/srv/x' };
  await t.resolves(driver.validate(definition('web', parameters)));
  await t.resolves(driver.validate(definition('web', { address: 'x'.repeat(4096), port: '' })));
  await t.resolves(driver.validate({ ...definition('web', { address: 'a' }), sid: `ocf:${'a'.repeat(64)}` }));
});

t.test('each mistake has its sentence', async (t) => {
  const web = (parameters: Record<string, string>) => ({ ...definition('web'), parameters });
  const agent = (name: string) => ({ ...definition('web', { address: 'a' }), agent: name });
  const sid = (name: string) => ({ ...definition('web', { address: 'a' }), sid: name });
  fake.script('plain', 'no program', 0o644);
  fake.agent('halfway', 'exit 0', '<resource-agent><actions><action name="start"/></actions></resource-agent>');
  const cases: [Parameters<typeof driver.validate>[0], string, RegExp][] = [
    [web({}), 'HF_AGENT', /^ocf:web: ocf:test:web needs the parameter address: give address=VALUE$/],
    [web({ adress: 'a' }), 'HF_AGENT', /^ocf:web: ocf:test:web has no parameter adress: did you mean address\?$/],
    [web({ zzz: 'a' }), 'HF_AGENT', /has no parameter zzz: it knows address, port, verbose, mistyped$/],
    [web({ address: 'a', port: 'http' }), 'HF_AGENT', /takes an integer as port, not 'http'$/],
    [web({ address: 'a', verbose: 'Yes' }), 'HF_AGENT', /takes true or false .* as verbose, not 'Yes'$/],
    [web({ address: 'x'.repeat(4097) }), 'HF_ARGUMENT', /value of address has 4097 bytes; at most 4096/],
    [web({ address: 'é'.repeat(2049) }), 'HF_ARGUMENT', /value of address has 4098 bytes/],
    [web({ address: 'a\0b' }), 'HF_ARGUMENT', /value of address holds a NUL/],
    [web({ 'a=b': 'c' }), 'HF_ARGUMENT', /'a=b' cannot be a parameter's name/],
    [web({ '\u001b[2J': 'c' }), 'HF_ARGUMENT', /^'\?\[2J' cannot be/],
    [
      web(Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`p${i}`, '']))),
      'HF_ARGUMENT',
      /has 257 parameters; at most 256/,
    ],
    [
      agent('ocf:test:wev'),
      'HF_AGENT',
      /is not installed on this node: .*\/wev does not exist; did you mean ocf:test:web\?$/,
    ],
    [agent('ocf:tset:web'), 'HF_AGENT', /did you mean ocf:test:web\?$/],
    [agent('ocf:other:thing'), 'HF_AGENT', /does not exist; install the package that brings it$/],
    [agent('ocf:test:plain'), 'HF_AGENT', /cannot be run: .* is not executable \(EACCES\)$/],
    [agent('ocf:test:halfway'), 'HF_AGENT', /offers no stop action/],
    [agent('ocf:web'), 'HF_ARGUMENT', /write ocf:PROVIDER:AGENT, for instance ocf:heartbeat:web$/],
    [agent('ocf:..:web'), 'HF_ARGUMENT', /^'ocf:..:web' is not the name/],
    [agent('ocf:test:../test/web'), 'HF_ARGUMENT', /is not the name of an OCF agent/],
    [agent('ocf:test:.web'), 'HF_ARGUMENT', /is not the name of an OCF agent/],
    [agent('ocf:test:web:x'), 'HF_ARGUMENT', /is not the name of an OCF agent/],
    [agent(`ocf:test:${'x'.repeat(65)}`), 'HF_ARGUMENT', /is not the name of an OCF agent/],
    [agent('ocf:test:'), 'HF_ARGUMENT', /is not the name of an OCF agent/],
    [sid('vm:100'), 'HF_ARGUMENT', /^'vm:100' is not the name of an OCF resource/],
    [sid('ocf:'), 'HF_ARGUMENT', /is not the name of an OCF resource/],
    [sid('ocf:-a'), 'HF_ARGUMENT', /is not the name of an OCF resource/],
    [sid('ocf:a/b'), 'HF_ARGUMENT', /is not the name of an OCF resource/],
    [sid(`ocf:${'a'.repeat(65)}`), 'HF_ARGUMENT', /is not the name of an OCF resource/],
    [sid('ocf:a\n'), 'HF_ARGUMENT', /is not the name of an OCF resource/],
  ];
  for (const [given, code, message] of cases) {
    await t.rejects(driver.validate(given), { name: 'HoldfastError', code, message }, String(message));
  }
});

t.test('a directory is no agent', async (t) => {
  const inDirectory = { ...definition('web', { address: 'a' }), agent: 'ocf:test:web' };
  const other = new OcfDriver({ ocfRoot: `${fake.root}/resource.d/test/web` });
  await t.rejects(other.validate(inDirectory), { code: 'HF_AGENT', message: /is not installed/ });
  const above = new OcfDriver({ ocfRoot: '/' });
  await t.rejects(above.validate(inDirectory), { code: 'HF_AGENT' });
});

t.test('whatever the definition says, no path leads out of the provider’s directory', async (t) => {
  const part = fc.oneof(fc.constantFrom('ocf', '..', '.', '/', ':', '', 'web', '\0', 'a/b'), fc.string());
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), fc.string(), (parts, value) => {
      try {
        const name = checkDefinition({ sid: 'ocf:a', agent: parts.join(':'), parameters: { value } });
        return [name.provider, name.agent].every((component) => /^\w[\w.-]*$/.test(component));
      } catch (error) {
        return error instanceof HoldfastError && error.code === 'HF_ARGUMENT';
      }
    }),
    { numRuns: 3000 },
  );
  t.pass();
});
