import { existsSync, readdirSync } from 'node:fs';
import t from 'tap';
import { agentWords } from '../src/host/ocf-agent-words.js';
import { OcfDriver } from '../src/host/ocf-driver.js';
import { findAction, parseMetaData, parseTimeMs } from '../src/host/ocf-metadata.js';
import { parseXml, XmlError } from '../src/host/ocf-xml.js';
import { plainMetaData } from './fake-ocf-agents.js';
import fc from './seeded-fast-check.js';

t.test('meta-data are understood', async (t) => {
  const metaData = parseMetaData(plainMetaData);
  t.strictSame([...metaData.parameters.keys()], ['address', 'port', 'verbose', 'mistyped']);
  t.strictSame(metaData.parameters.get('address'), { required: true, type: 'string', default: undefined });
  t.strictSame(metaData.parameters.get('port'), { required: false, type: 'integer', default: '80' });
  t.equal(findAction(metaData, 'start')?.timeoutMs, 7000);
  t.equal(findAction(metaData, 'stop')?.timeoutMs, 8000);
  t.equal(findAction(metaData, 'promote'), undefined);
  const monitor = findAction(metaData, 'monitor');
  t.same([monitor?.timeoutMs, monitor?.intervalMs, monitor?.depth], [9000, 13_000, 0], 'the plain one, not depth 10');
});

t.test('of monitors for several roles the one for plain resources is taken', async (t) => {
  const monitors = (...attributes: string[]) =>
    parseMetaData(
      `<resource-agent><actions>${attributes.map((a) => `<action name="monitor" ${a}/>`).join('')}</actions></resource-agent>`,
    );
  const interval = (...attributes: string[]) => findAction(monitors(...attributes), 'monitor')?.intervalMs;
  t.equal(interval('role="Promoted" interval="5s"', 'interval="20s"'), 20_000);
  t.equal(interval('role="Promoted" interval="5s"', 'role="Started" interval="20s"'), 20_000);
  t.equal(interval('depth="10" interval="5s"', 'role="Unpromoted" interval="20s"'), 20_000);
  t.equal(interval('interval="0"'), undefined, 'zero: none');
});

t.test('times', async (t) => {
  const cases: [string | undefined, number | undefined][] = [
    ['20s', 20_000],
    ['20', 20_000],
    [' 20 s ', 20_000],
    ['2m', 120_000],
    ['1500ms', 1500],
    ['5ms', 1000],
    ['99h', 3_600_000],
    ['0', undefined],
    ['', undefined],
    ['-5s', undefined],
    ['1.5s', undefined],
    ['PT20S', undefined],
    [undefined, undefined],
  ];
  for (const [text, expected] of cases) t.equal(parseTimeMs(text), expected, text ?? 'undefined');
});

t.test('XML: what is read', async (t) => {
  const root = parseXml(
    `<?xml version='1.0'?>\n<!DOCTYPE a SYSTEM "x.dtd">\n<!-- <b> -->\n<a x = 'it&apos;s' y="&lt;&#65;&#x42;>">t & t<![CDATA[<c>]]><b.1/><b-2 ></b-2 ></a>\n`,
  );
  t.equal(root.name, 'a');
  t.strictSame(
    [...root.attributes],
    [
      ['x', "it's"],
      ['y', '<AB>'],
    ],
  );
  t.strictSame(
    root.children.map((child) => child.name),
    ['b.1', 'b-2'],
  );
});

t.test('XML: what is refused', async (t) => {
  const cases: [string, RegExp][] = [
    ['', /no element/],
    ['hello', /text outside of the root element on line 1/],
    ['<a>', /<a> is never closed/],
    ['<a></b>', /<\/b> closes nothing on line 1/],
    ['</a>', /closes nothing/],
    ['<a/>\n<b/>', /a second root element/],
    ['<a/>x', /text outside/],
    ['<a>\n\n<b x=1/></a>', /malformed markup on line 3/],
    ['<a x="1" x="2"/>', /attribute x is given twice/],
    ['<a x="&evil;"/>', /unknown entity &evil;/],
    ['<a x="a & b"/>', /unknown entity/],
    ['<a x="&#0;"/>', /unknown entity/],
    ['<a x="&#x110000;"/>', /unknown entity/],
    ['<!DOCTYPE a [<!ENTITY b "c">]><a/>', /malformed markup/],
    ['<a><!-- </a>', /malformed markup/],
    ['<a x="<"/>', /malformed markup/],
    [`${'<a>'.repeat(17)}${'</a>'.repeat(17)}`, /too deeply nested/],
    [`<a>${'<b/>'.repeat(10_000)}</a>`, /too many/],
  ];
  for (const [source, message] of cases) {
    t.throws(() => parseXml(source), message, source.slice(0, 40));
    t.throws(() => parseMetaData(source), { name: 'XmlError' });
  }
  t.throws(() => parseMetaData('<a/>'), /root element is <a>/);
  t.throws(
    () => parseMetaData('<resource-agent><parameters><parameter/></parameters></resource-agent>'),
    /<parameter> without the attribute name/,
  );
});

t.test('XML: anything gives an element or an XmlError, and in time', async (t) => {
  const piece = fc.oneof(
    fc.constantFrom('<a', '<a>', '</a>', '/>', '>', ' x="1"', " y='", '<!--', '-->', '<![CDATA[', '&', ' ', '"'),
    fc.string({ unit: 'binary', maxLength: 5 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      try {
        return parseXml(pieces.join('')).name !== '';
      } catch (error) {
        return error instanceof XmlError;
      }
    }),
    { numRuns: 3000 },
  );
  const hostile = ['<a x="1"', '<a   ', '<!--', '<a x', 'x="1" ', ' ', '<?', '<![CDATA[', '"', "<a x='"];
  const startMs = performance.now();
  for (const text of hostile) {
    for (const prefix of ['', '<a', '<a x']) {
      t.throws(() => parseXml(prefix + text.repeat(Math.ceil((256 * 1024) / text.length))), { name: 'XmlError' });
    }
  }
  // Linear takes some ms each; anything quadratic takes minutes.
  t.ok(performance.now() - startMs < 5000);
});

t.test('the agent’s words: its reason, else its last error, warning, line', async (t) => {
  const log = 'Nov 22 16:51:17 INFO: hello\nNov 22 16:51:18 ERROR: no such device\nNov  2 16:51:19 INFO: bye\n';
  t.equal(agentWords(log, 'out'), 'no such device');
  t.equal(agentWords(`ocf-exit-reason:first\nocf-exit-reason:because\n${log}`, ''), 'because');
  t.equal(agentWords('a\nWARNING: careful\nb\n', ''), 'careful');
  t.equal(agentWords('a\nb\n\n', 'out'), 'b');
  t.equal(agentWords(' \n', 'x\nout\n'), 'out');
  t.equal(agentWords('ocf-exit-reason:\n', ''), '');
  t.equal(agentWords('', ''), '');
  t.equal(agentWords('ERROR: \u001b[2Jgotcha\u202e', ''), '[2Jgotcha');
  t.equal(agentWords('x'.repeat(1000), '').length, 300);
});

const installed = '/usr/lib/ocf/resource.d/heartbeat';
t.test('all installed agents of resource-agents', { skip: !existsSync(installed) && 'none installed' }, async (t) => {
  const driver = new OcfDriver();
  const agents = readdirSync(installed).filter((name) => !name.startsWith('.'));
  t.ok(agents.length > 100, `${agents.length} agents`);
  for (const agent of agents) {
    const metaData = await driver.metaData({ full: `ocf:heartbeat:${agent}`, provider: 'heartbeat', agent });
    const timeouts = ['start', 'stop', 'monitor'].map((name) => findAction(metaData, name)?.timeoutMs ?? 0);
    t.ok(Math.min(...timeouts) >= 1000, `${agent}: ${timeouts.join(', ')} ms, ${metaData.parameters.size} parameters`);
  }
});
