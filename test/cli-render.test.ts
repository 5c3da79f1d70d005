import t from 'tap';
import type { NodeStatus, ServiceStatus, StatusReport } from '../src/agent/status.js';
import { coloured, plain, printable, renderEvent, renderResource, renderTiming } from '../src/cli/render.js';
import { renderGroup, renderOptions, renderRule, ruleLine } from '../src/cli/render-policy.js';
import { renderDecision, renderExplanation, renderPreview } from '../src/cli/render-reasons.js';
import { renderStatus } from '../src/cli/render-status.js';
import { defaultOptions } from '../src/core/cluster-options.js';
import { fittingTiming, healthyReport, plainResource, someExplanation, somePreview } from './fake-agent-control.js';

const service: ServiceStatus = {
  sid: 'ocf:web',
  state: 'started',
  requested: 'started',
  node: 'node1',
  target: null,
  order: null,
  failedNodes: [],
  origin: null,
  restarts: null,
  detail: null,
};

t.test('status', async (t) => {
  t.same(renderStatus(healthyReport, plain, false), [
    'quorum OK (3 of 3 votes, 2 needed)',
    'leader node1 (active, epoch 4, commit 17)',
    'fencing armed',
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
        maintenance: false,
        mode: null,
        unprotected: false,
        services: 0,
        load: null,
      },
    ],
    services: [{ ...service, state: 'request_stop', requested: 'stopped', node: null, detail: 'stopping' }],
  };
  t.same(renderStatus(report, plain, false), [
    'WARNING: waiting for nodes',
    'WARNING: no watchdog',
    'quorum NONE (1 of 3 votes, 2 needed)',
    'leader none (this node is in no view)',
    'fencing armed',
    'lrm node2 (unknown, not heard by this agent)',
    'service ocf:web (---, request_stop, requested stopped, stopping)',
    'lease not held',
    'watchdog none (refused, UNPROTECTED (no watchdog), held by another process)',
    'store FAILED (ENOSPC)',
  ]);
  const lost = { ...report, cluster: { ...report.cluster, connected: false } };
  t.match(renderStatus(lost, plain, false), { 2: 'quorum UNKNOWN (corosync is not connected)' });
});

t.test('what is known of a service only from before its node was lost says so', async (t) => {
  const shown = (node: string, state: string) =>
    renderStatus({ ...healthyReport, services: [{ ...service, node, state }] }, plain, false).find((line) =>
      line.startsWith('service'),
    );
  t.equal(shown('node3', 'started'), 'service ocf:web (node3, started, node3 is out of reach)');
  t.equal(shown('node3', 'fence'), 'service ocf:web (node3, fence, requested started)', 'which says so itself');
  t.equal(shown('node1', 'started'), 'service ocf:web (node1, started)');
  const cutOff = healthyReport.nodes.map((node) => ({ ...node, lrm: 'unknown' as const }));
  const report = { ...healthyReport, nodes: cutOff, services: [service] };
  t.ok(renderStatus(report, plain, false).includes('service ocf:web (node1, started, node1 is out of reach)'));
});

t.test('a watchdog that is let go has no last pet', async (t) => {
  const watchdog = { ...healthyReport.watchdog, state: 'idle' } as const;
  const lines = renderStatus({ ...healthyReport, watchdog }, plain, false);
  t.match(
    lines.find((line) => line.startsWith('watchdog')),
    /^watchdog \S+ \(not armed, (?!.*last pet 0.9 s)/,
  );
});

t.test('every node that is not protected says so', async (t) => {
  for (const protection of [
    'UNPROTECTED (emulated)',
    'UNPROTECTED (unvalidated)',
    'UNPROTECTED (no watchdog)',
  ] as const) {
    const nodes = healthyReport.nodes.map((node) => ({ ...node, protection }));
    const lines = renderStatus({ ...healthyReport, protection, nodes }, plain, false);
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
    services: [
      {
        ...service,
        sid: evil,
        state: evil,
        node: evil,
        target: evil,
        order: { kind: 'migrate', node: evil },
        failedNodes: [evil],
        origin: evil,
        detail: evil,
      },
    ],
    rulesDropped: [{ ruleId: evil, reason: evil }],
  };
  const place = { node: evil, state: evil };
  const preview = {
    refused: null,
    before: { [evil]: place },
    after: { [evil]: place },
    moves: [{ sid: evil, from: evil, to: evil, how: 'migrate', reason: evil }],
    unplaced: [{ sid: evil, reason: evil }],
    warnings: [evil],
  } as const;
  const explanation = {
    sid: evil,
    state: evil,
    node: evil,
    sentences: [evil],
    nodes: [{ name: evil, verdict: 'here', sentences: [evil] }],
  } as const;
  const nodes = [{ name: evil, priority: 1 }];
  const rule = {
    id: evil,
    type: 'node-affinity',
    resources: [evil],
    nodes,
    strict: true,
    affinity: 'positive',
  } as const;
  const reported = { rule: { ...rule, disabled: false, comment: evil }, dropped: evil, warnings: [evil] };
  const decision = { index: 1, wallMs: 1, text: evil, sid: null, node: null };
  const timing = { lines: [{ name: evil, valueMs: 1, source: evil }], fits: false, problems: [evil] };
  const resource = {
    ...plainResource,
    sid: evil,
    agent: evil,
    parameters: { [evil]: evil },
    comment: evil,
    group: evil,
    requires: [evil],
    after: [evil],
  };
  const event = { type: 'node', bootMs: 1, wallMs: 1, text: evil, detail: {} } as const;
  const lines = [
    ...renderStatus(report, plain, true),
    ...renderTiming(timing, plain),
    ...[
      ...renderResource(resource),
      ...renderGroup({ name: evil, nodes, restricted: false, nofailback: false, comment: evil }),
      ...renderRule(reported, plain),
    ].map((line) => line.replace(/^\t/, '')),
    ruleLine(reported, plain),
    ...renderPreview(preview, plain),
    ...renderExplanation(explanation, plain),
    renderDecision(decision, plain),
    renderEvent(event, plain),
  ];
  for (const line of lines) t.notMatch(line, /\p{Cc}/u, line);
});

t.test('colour changes nothing but the colour', async (t) => {
  const bare = renderStatus(healthyReport, coloured, false).map((line) => line.replaceAll(/\p{Cc}\[[\d;]*m/gu, ''));
  t.same(bare, renderStatus(healthyReport, plain, false));
  t.ok(renderStatus(healthyReport, coloured, false)[0]?.includes('\u001b[32mOK'));
});

t.test('timing', async (t) => {
  t.same(renderTiming(fittingTiming, plain), [
    'NAME             VALUE  SOURCE',
    'fenceBoundMs  60000 ms  configuration',
    'leaseMs       40000 ms  fenceBoundMs − 3·T_eff − 2 000',
    '',
    'The times fit.',
  ]);
  const unfit = { ...fittingTiming, fits: false, problems: ['lower totem.token'] };
  t.same(renderTiming(unfit, plain).slice(-2), ['The times DO NOT FIT:', '  lower totem.token']);
});

t.test('a resource', async (t) => {
  const resource = {
    ...plainResource,
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
    '\tmax-relocate 1',
    '\tcomment "two words"',
  ]);
});

t.test('a resource with everything', async (t) => {
  const resource = {
    ...plainResource,
    sid: 'vm:100',
    failback: false,
    autoRebalance: false,
    group: 'g',
    priority: -2,
    requires: ['vm:1', 'ct:2'],
    after: ['vm:3'],
    cpus: 0.5,
    memoryMiB: 512,
  };
  t.same(renderResource(resource), [
    'vm:100',
    '\tstate started',
    '\tmax-restart 1',
    '\tmax-relocate 1',
    '\tfailback 0',
    '\tauto-rebalance 0',
    '\tgroup g',
    '\tpriority -2',
    '\trequires vm:1,ct:2',
    '\tafter vm:3',
    '\tcpus 0.5',
    '\tmemory 512',
  ]);
});

t.test('services on the move, waiting, or in trouble', async (t) => {
  const cases: readonly (readonly [Partial<ServiceStatus>, string])[] = [
    [{ state: 'migrate', target: 'node2' }, 'node1, migrate, to node2, requested started'],
    [{ order: { kind: 'relocate', node: 'node3' } }, 'node1, started, relocate to node3 asked for'],
    [{ state: 'freeze', detail: 'x; for 3 s' }, 'node1, freeze, requested started, x; for 3 s'],
    [{ restarts: 1 }, 'node1, started, restarted once'],
    [{ restarts: 2, failedNodes: ['node1', 'node3'] }, 'node1, started, restarted 2 times, failed on node1, node3'],
    [{ origin: 'node3' }, 'node1, started'],
  ];
  for (const [changes, line] of cases) {
    const report = { ...healthyReport, services: [{ ...service, ...changes }] };
    t.ok(renderStatus(report, plain, false).includes(`service ocf:web (${line})`), line);
  }
  const verbose = renderStatus({ ...healthyReport, services: [{ ...service, origin: 'node3' }] }, plain, true);
  t.ok(verbose.includes('service ocf:web (node1, started, goes back to node3)'));
  t.ok(
    verbose.some((line) => line.startsWith('lrm node1 (active, one service, cpu 1.3 of 8, memory 3.0 of 16.0 GiB,')),
  );
  t.ok(verbose.includes('option shutdown_policy=conditional'));
});

t.test('nodes on their way down, under maintenance, and gone', async (t) => {
  const [, node2] = healthyReport.nodes;
  const cases: readonly (readonly [Partial<NodeStatus>, RegExp])[] = [
    [{ state: 'maintenance', maintenance: true, mode: 'maintenance' }, /^lrm node2 \(idle, maintenance mode, /],
    [{ state: 'maintenance', maintenance: true }, /^lrm node2 \(idle, maintenance asked for, /],
    [{ mode: 'shutdown' }, /^lrm node2 \(idle, shutting down, /],
    [{ mode: 'restart' }, /^lrm node2 \(idle, about to restart, /],
    [{ state: 'released', mode: 'shutdown' }, /^lrm node2 \(released, UNPROT/],
    [{ state: 'gone' }, /^lrm node2 \(gone, /],
    [{ state: 'unknown', unprotected: true }, /'holdfast confirm-off node2' if it is off/],
    [{ state: 'fence', unprotected: true }, /'holdfast confirm-off node2' if it is off/],
    [{ state: 'fenced', unprotected: true }, /^lrm node2 \(fenced, UNPROT(?!.*confirm-off)/],
  ];
  for (const [changes, pattern] of cases) {
    const nodes = node2 === undefined ? [] : [{ ...node2, ...changes }];
    const line = renderStatus({ ...healthyReport, nodes }, plain, false).find((each) => each.startsWith('lrm'));
    t.match(line, pattern);
  }
});

t.test('disarmed, and with other scheduling', async (t) => {
  const report: StatusReport = {
    ...healthyReport,
    disarm: { mode: 'ignore', phase: 'disarmed' },
    options: { ...defaultOptions, scheduler: 'static' },
    rulesDropped: [{ ruleId: 'r', reason: 'too few nodes' }],
  };
  const lines = renderStatus(report, plain, false);
  t.match(lines, {
    1: /^leader node1 .* - static load CRS$/,
    2: "fencing disarmed (resource mode ignore; nothing is fenced or recovered; 'holdfast arm' ends it)",
  });
  t.ok(lines.includes('rule r (NOT IN FORCE, too few nodes)'));
});

t.test('groups, rules and options', async (t) => {
  const nodes = [
    { name: 'n1', priority: 2 },
    { name: 'n2', priority: 0 },
  ];
  t.same(renderGroup({ name: 'g', nodes, restricted: true, nofailback: true, comment: 'c d' }), [
    'group: g',
    '\tnodes n1:2,n2',
    '\trestricted 1',
    '\tnofailback 1',
    '\tcomment "c d"',
  ]);
  const pin = {
    id: 'pin',
    type: 'node-affinity',
    resources: ['vm:1', 'vm:2'],
    nodes,
    strict: true,
    affinity: 'positive',
    disabled: false,
    comment: '',
  } as const;
  t.same(renderRule({ rule: pin, dropped: null, warnings: [] }, plain), [
    'node-affinity: pin',
    '\tresources vm:1,vm:2',
    '\tnodes n1:2,n2',
    '\tstrict 1',
  ]);
  t.equal(ruleLine({ rule: pin, dropped: null, warnings: [] }, plain), 'pin: vm:1, vm:2 must be on n1:2,n2');
  const apart = { ...pin, id: 'apart', type: 'resource-affinity', affinity: 'negative' } as const;
  const dropped = { rule: apart, dropped: 'too few nodes', warnings: ['w'] };
  t.equal(ruleLine(dropped, plain), 'apart: vm:1, vm:2 on different nodes - NOT IN FORCE: too few nodes; w');
  t.match(renderRule(dropped, plain), [
    'resource-affinity: apart',
    /resources/,
    '\taffinity negative',
    /# NOT IN FORCE/,
    '\t# w',
  ]);
  const off = {
    rule: { ...pin, strict: false, affinity: 'negative', disabled: true } as const,
    dropped: null,
    warnings: [],
  };
  t.equal(ruleLine(off, plain), 'pin: vm:1, vm:2 should not be on n1:2,n2 - disabled');
  t.same(renderOptions(defaultOptions), [
    'ha=basic',
    'ha-rebalance-on-start=0',
    'ha-auto-rebalance=0',
    'ha-auto-rebalance-threshold=0.3',
    'ha-auto-rebalance-method=bruteforce',
    'ha-auto-rebalance-hold-duration=3',
    'ha-auto-rebalance-margin=0.1',
    'shutdown_policy=conditional',
    'freeze-limit=600',
  ]);
});

t.test('reasons and what would be', async (t) => {
  t.same(renderExplanation(someExplanation, plain), [
    'ocf:web: started on node1',
    '  it runs on node1 since 17',
    'node1: here',
    '  rule r prefers it',
    'node2: excluded',
    '  it is in maintenance',
  ]);
  t.same(renderPreview(somePreview, plain), [
    'this would happen:',
    '  relocate ocf:web node1 -> node2 (node1 goes into maintenance)',
    'before and after:',
    '  ocf:web: node1 started -> node2 started',
    'UNPLACED ocf:db: no node has room',
    'WARNING: node3 was not heard',
    'nothing was changed (dry run)',
  ]);
  const nothing = { ...somePreview, before: {}, after: {}, moves: [], unplaced: [], warnings: [] };
  t.same(renderPreview(nothing, plain), ['nothing would move', 'nothing was changed (dry run)']);
});
