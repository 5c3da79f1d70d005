import t from 'tap';
import { type Config, parseConfig } from '../src/agent/config.js';
import { HoldfastError } from '../src/core/errors.js';
import fc from './seeded-fast-check.js';

const defaults: Config = {
  fenceBoundMs: 60_000,
  stateDir: '/var/lib/holdfast',
  socket: '/run/holdfast/holdfast.sock',
  adminGroup: null,
  logLevel: 'info',
  ocfRoot: '/usr/lib/ocf',
  watchdog: { kind: 'kernel', device: 'auto', kappa: null, allowUnvalidated: false },
};

t.test('an empty file means defaults, and the result is frozen', async (t) => {
  const config = parseConfig('', 'F');
  t.strictSame(config, defaults);
  t.ok(Object.isFrozen(config) && Object.isFrozen(config.watchdog));
  t.strictSame(parseConfig('[watchdog]', 'F'), defaults);
});

t.test('every key is taken over', async (t) => {
  const plain = `fenceBoundMs = 15_000
    stateDir = "/srv/state"
    socket = "/run/h.sock"
    adminGroup = "ha-admins"
    logLevel = "debug"
    ocfRoot = "/opt/ocf"
    [watchdog]
    kappa = 2
    allowUnvalidated = true\n`;
  const expected = {
    fenceBoundMs: 15_000,
    stateDir: '/srv/state',
    socket: '/run/h.sock',
    adminGroup: 'ha-admins',
    logLevel: 'debug',
    ocfRoot: '/opt/ocf',
  };
  const common = { kappa: 2, allowUnvalidated: true };
  t.strictSame(parseConfig(`${plain} device = "/dev/watchdog1"`, 'F'), {
    ...expected,
    watchdog: { kind: 'kernel', device: '/dev/watchdog1', ...common },
  });
  t.strictSame(parseConfig(`${plain} emulator = "/run/dog.sock"`, 'F'), {
    ...expected,
    watchdog: { kind: 'emulated', emulator: '/run/dog.sock', ...common },
  });
});

t.test('the edges of the range are inside, what lies beyond is not', async (t) => {
  for (const value of [10_000, 600_000]) t.equal(parseConfig(`fenceBoundMs = ${value}`, 'F').fenceBoundMs, value);
  for (const value of [9_999, 600_001]) t.throws(() => parseConfig(`fenceBoundMs = ${value}`, 'F'));
  t.ok(parseConfig(`socket = "/${'x'.repeat(106)}"`, 'F'));
  t.throws(() => parseConfig(`socket = "/${'é'.repeat(54)}"`, 'F'), { message: /at most 107 bytes/ });
});

t.test('each mistake has its sentence', async (t) => {
  const range = 'an integer from 10000 to 600000 (milliseconds)';
  const path = 'an absolute path of at most 4095 bytes';
  const cases: [string, string][] = [
    ['fenceBound = 1', "unknown key 'fenceBound' in F: did you mean 'fenceBoundMs'?"],
    ['[watchdog]\ndevcie = "x"', "unknown key 'watchdog.devcie' in F: did you mean 'watchdog.device'?"],
    ['watchdog.kapa = 1', "unknown key 'watchdog.kapa' in F: did you mean 'watchdog.kappa'?"],
    ['[wachdog]\nkappa = 1', "unknown key 'wachdog' in F: did you mean 'watchdog'?"],
    [
      '[watchdog]\nfenceBoundMs = 60000',
      "unknown key 'watchdog.fenceBoundMs' in F: did you mean 'fenceBoundMs', which belongs above the first [table]?",
    ],
    ['kappa = 1', "unknown key 'kappa' in F: did you mean 'watchdog.kappa', which belongs below [watchdog]?"],
    [
      '"__proto__" = 1',
      "unknown key '__proto__' in F: the keys there are fenceBoundMs, stateDir, socket, adminGroup, logLevel, ocfRoot, watchdog",
    ],
    [
      '[watchdog]\n"constructor" = 1',
      "unknown key 'watchdog.constructor' in F: the keys there are device, emulator, kappa, allowUnvalidated",
    ],
    ['fenceBoundMs = 5', `F: fenceBoundMs is 5, but must be ${range}`],
    ['fenceBoundMs = 15000.5', `F: fenceBoundMs is 15000.5, but must be ${range}`],
    ['fenceBoundMs = nan', `F: fenceBoundMs is NaN, but must be ${range}`],
    [
      'fenceBoundMs = "60s"',
      `F: fenceBoundMs is "60s", but must be ${range}: write fenceBoundMs = 60000, without quotes or a unit`,
    ],
    [
      'fenceBoundMs = "1 min"',
      `F: fenceBoundMs is "1 min", but must be ${range}: write fenceBoundMs = 60000, without quotes or a unit`,
    ],
    [
      'fenceBoundMs = "15000"',
      `F: fenceBoundMs is "15000", but must be ${range}: write fenceBoundMs = 15000, without quotes or a unit`,
    ],
    ['fenceBoundMs = "soon"', `F: fenceBoundMs is "soon", but must be ${range}`],
    ['stateDir = "state"', `F: stateDir is "state", but must be ${path}`],
    ['stateDir = 1979-05-27', `F: stateDir is a date, but must be ${path}`],
    ['stateDir = "/a\\u0000b"', `F: stateDir is "/a\\u0000b", but must be ${path}`],
    ['ocfRoot = true', `F: ocfRoot is true, but must be ${path}`],
    [
      'socket = ["/a"]',
      "F: socket is an array, but must be an absolute path of at most 107 bytes (the kernel's limit for a socket)",
    ],
    ['adminGroup = ""', 'F: adminGroup is "", but must be the name of a group, at most 64 characters'],
    [
      'logLevel = "loud"',
      'F: logLevel is "loud", but must be one of "trace", "debug", "info", "warn", "error", "fatal"',
    ],
    ['watchdog = 3', 'F: watchdog is 3, but must be a table: [watchdog]'],
    ['[[watchdog]]', 'F: watchdog is an array, but must be a table: [watchdog]'],
    ['[watchdog]\ndevice = "dog"', `F: watchdog.device is "dog", but must be "auto" or ${path}`],
    ['[watchdog]\nkappa = 3', 'F: watchdog.kappa is 3, but must be 1 or 2'],
    ['[watchdog]\nallowUnvalidated = 1', 'F: watchdog.allowUnvalidated is 1, but must be true or false'],
    [
      '[watchdog]\ndevice = "auto"\nemulator = "/e"',
      'F: watchdog.device and watchdog.emulator are both given; a node has one watchdog, so remove one of them',
    ],
    ['fenceBoundMs = 15000\nstateDir =', 'F:2:11: not valid TOML: '],
    ['socket = "/a"\nsocket = "/b"', 'F:2:1: not valid TOML: '],
    [`socket = ${'['.repeat(20)}${']'.repeat(20)}`, 'F:1:26: not valid TOML: '],
  ];
  for (const [text, message] of cases) {
    t.throws(() => parseConfig(text, 'F'), { code: 'HF_CONFIG', name: 'HoldfastError' }, text.slice(0, 60));
    const said = sentence(text);
    t.equal(message.endsWith(': ') || message.endsWith(':1:') ? said.slice(0, message.length) : said, message);
    t.notMatch(said, /\n|\bat .*:\d+:\d+\)/);
  }
});

function sentence(text: string): string {
  try {
    parseConfig(text, 'F');
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'accepted';
}

t.test('whatever the text is: a configuration within its ranges, or a HoldfastError of one line', async (t) => {
  const value = fc.oneof(
    fc.integer().map(String),
    fc.double().map(String),
    fc.string().map((text) => JSON.stringify(text)),
    fc.constantFrom('true', '[1]', '{}', '{ device = "auto" }', '1979-05-27T07:32:00Z', '"""', "'/x'", '0x4000', 'inf'),
    fc.string({ unit: 'binary' }),
  );
  const key = fc.oneof(
    fc.constantFrom(...Object.keys(defaults), 'watchdog.device', 'watchdog.kappa', '__proto__', 'a.b.c', '"toString"'),
    fc.string(),
  );
  const line = fc.oneof(
    fc.tuple(key, value).map(([name, given]) => `${name} = ${given}`),
    key.map((name) => `[${name}]`),
    fc.string({ unit: 'binary' }),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), fc.constantFrom('\n', '\r\n', ' '), (lines, separator) => {
      try {
        const config = parseConfig(lines.join(separator), 'F');
        return config.fenceBoundMs >= 10_000 && config.fenceBoundMs <= 600_000 && config.stateDir.startsWith('/');
      } catch (error) {
        return error instanceof HoldfastError && error.code === 'HF_CONFIG' && !error.message.includes('\n');
      }
    }),
    { numRuns: 5000 },
  );
  t.pass();
});
