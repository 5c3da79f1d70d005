import t from 'tap';
import type { StatusReport } from '../src/agent/status.js';
import {
  coloured,
  plain,
  printable,
  renderEvent,
  renderResource,
  renderStatus,
  renderTiming,
} from '../src/cli/render.js';
import { fittingTiming, healthyReport } from './fake-agent-control.js';

t.test('status', async (t) => {
  t.same(renderStatus(healthyReport, plain), [
    'quorum OK (3 of 3 votes, 2 needed)',
    'leader node1 (active, epoch 4, commit 17)',
    'lrm node1 (active, watchdog armed, lease 41.2 s, this node)',
    'lrm node2 (idle, UNPROTECTED (emulated), its store does not work, heard 0.4 s ago)',
    'lrm node3 (fence, takeover in 49.1 s at the earliest, heard 12.0 s ago)',
    'service ocf:web (node1, started)',
    'lease held (41.2 s of 46.0 s left)',
    'watchdog /dev/watchdog0 (armed, iTCO_wdt, timeout 6 s, would reset 6.0 s after its last pet, last pet 0.9 s ago, worst lateness 3.00 ms, realtime)',
    'store OK',
  ]);
});

t.test('status of a node in trouble', async (t) => {
  const report: StatusReport = {
    ...healthyReport,
    cluster: { ...healthyReport.cluster, quorate: false, votes: 1 },
    local: { nodeId: null, name: null, bootId: 'x' },
    leader: null,
    protection: 'UNPROTECTED (no watchdog)',
    lease: { held: false, remainingMs: 0, leaseMs: 46_000 },
    watchdog: {
      ...healthyReport.watchdog,
      device: null,
      identity: null,
      state: 'refused',
      timeoutS: null,
      effectiveMs: null,
      lastPetAgoMs: null,
      detail: 'held by another process',
    },
    store: { ok: false, detail: 'ENOSPC' },
    warnings: ['waiting for nodes', 'no watchdog'],
    nodes: [
      {
        nodeId: 2,
        name: 'node2',
        state: 'unknown',
        lastHeardAgoMs: null,
        protection: null,
        lrm: 'unknown',
        storeOk: null,
        takeoverInMs: null,
      },
    ],
    services: [{ sid: 'ocf:web', state: 'request_stop', requested: 'stopped', node: null, detail: 'stopping' }],
  };
  t.same(renderStatus(report, plain), [
    'WARNING: waiting for nodes',
    'WARNING: no watchdog',
    'quorum NONE (1 of 3 votes, 2 needed)',
    'leader none (this node is in no view)',
    'lrm node2 (unknown, not heard by this agent)',
    'service ocf:web (---, request_stop, requested stopped, stopping)',
    'lease not held',
    'watchdog none (refused, UNPROTECTED (no watchdog), held by another process)',
    'store FAILED (ENOSPC)',
  ]);
  const lost = { ...report, cluster: { ...report.cluster, connected: false } };
  t.match(renderStatus(lost, plain), { 2: 'quorum UNKNOWN (corosync is not connected)' });
});

t.test('every node that is not protected says so', async (t) => {
  for (const protection of [
    'UNPROTECTED (emulated)',
    'UNPROTECTED (unvalidated)',
    'UNPROTECTED (no watchdog)',
  ] as const) {
    const nodes = healthyReport.nodes.map((node) => ({ ...node, protection }));
    const lines = renderStatus({ ...healthyReport, protection, nodes }, plain);
    t.equal(lines.filter((line) => /^(lrm|watchdog) /.test(line) && line.includes(protection)).length, 4, protection);
  }
});

t.test('nothing that comes from elsewhere reaches the terminal as a command', async (t) => {
  const evil = 'a\u001b[2J\u0007\n\u009bb\u007f';
  t.equal(printable(evil), 'a\\x1b[2J\\x07\\n\\x9bb\\x7f');
  const report: StatusReport = {
    ...healthyReport,
    leader: evil,
    warnings: [evil],
    watchdog: { ...healthyReport.watchdog, identity: evil, detail: evil, device: evil },
    store: { ok: false, detail: evil },
    nodes: healthyReport.nodes.map((node) => ({ ...node, name: evil })),
    services: [{ sid: evil, state: evil, requested: 'started', node: evil, detail: evil }],
  };
  const timing = { lines: [{ name: evil, valueMs: 1, source: evil }], fits: false, problems: [evil] };
  const resource = {
    sid: evil,
    agent: evil,
    parameters: { [evil]: evil },
    state: 'started',
    comment: evil,
    maxRestart: 1,
  } as const;
  const event = { type: 'node', bootMs: 1, wallMs: 1, text: evil, detail: {} } as const;
  const lines = [
    ...renderStatus(report, plain),
    ...renderTiming(timing, plain),
    ...renderResource(resource).map((line) => line.replace(/^\t/, '')),
    renderEvent(event, plain),
  ];
  for (const line of lines) t.notMatch(line, /\p{Cc}/u, line);
});

t.test('colour changes nothing but the colour', async (t) => {
  const bare = renderStatus(healthyReport, coloured).map((line) => line.replaceAll(/\p{Cc}\[[\d;]*m/gu, ''));
  t.same(bare, renderStatus(healthyReport, plain));
  t.ok(renderStatus(healthyReport, coloured)[0]?.includes('\u001b[32mOK'));
});

t.test('timing', async (t) => {
  t.same(renderTiming(fittingTiming, plain), [
    'NAME             VALUE  SOURCE',
    'fenceBoundMs  60000 ms  configuration',
    'leaseMs       46000 ms  fenceBoundMs − 2·T_eff − 2 000',
    '',
    'The times fit.',
  ]);
  const unfit = { ...fittingTiming, fits: false, problems: ['lower totem.token'] };
  t.same(renderTiming(unfit, plain).slice(-2), ['The times DO NOT FIT:', '  lower totem.token']);
});

t.test('a resource', async (t) => {
  const resource = {
    sid: 'ocf:web',
    agent: 'ocf:heartbeat:IPaddr2',
    parameters: { ip: '10.0.0.9', note: 'a "b"' },
    state: 'stopped',
    comment: 'two words',
    maxRestart: 2,
  } as const;
  t.same(renderResource(resource), [
    'ocf:web',
    '\tagent ocf:heartbeat:IPaddr2',
    '\tparam ip=10.0.0.9',
    '\tparam note="a \\"b\\""',
    '\tstate stopped',
    '\tmax-restart 2',
    '\tcomment "two words"',
  ]);
});
