import t from 'tap';
import { defaultOptions } from '../src/core/cluster-options.js';
import { parseDatacenter } from '../src/peer/datacenter-file.js';
import { parseGroups } from '../src/peer/groups-file.js';
import type { Note } from '../src/peer/notes.js';
import { parsePeerOption, peerOptions } from '../src/peer/option-names.js';
import { parseResources } from '../src/peer/resources-file.js';
import { parseRules } from '../src/peer/rules-file.js';

function brief(notes: readonly Note[]): string[] {
  return notes.map(({ line, kind, text }) => `${line} ${kind}: ${text}`);
}

t.test('resources', async (t) => {
  const text = [
    '# made by hand',
    'vm: 100',
    '\tcomment caf%C3%A9, the 100%25 one',
    '\tgroup web',
    '\tmax_relocate 3',
    '\tmax_restart 0',
    '\tfailback 0',
    '\tauto-rebalance 0',
    '\tstate enabled',
    '\tcolour red',
    '',
    'ct:101',
    '        state   ignored  ',
    '',
  ].join('\r\n');
  const { resources, notes } = parseResources(text, 'resources.cfg');
  t.same(resources, [
    {
      sid: 'vm:100',
      line: 2,
      state: 'started',
      comment: 'café, the 100% one',
      maxRestart: 0,
      maxRelocate: 3,
      failback: false,
      autoRebalance: false,
      group: 'web',
    },
    {
      sid: 'ct:101',
      line: 12,
      state: 'ignored',
      comment: '',
      maxRestart: 1,
      maxRelocate: 1,
      failback: true,
      autoRebalance: true,
      group: null,
    },
  ]);
  t.same(brief(notes), [
    '9 changed: vm: 100: state "enabled" becomes "started", which is the same',
    '10 ignored: vm: 100: "colour" has no counterpart',
  ]);
});

t.test('what cannot be read is named by its line, and nothing of its section is taken', async (t) => {
  const text = [
    '\tstate started',
    'vm 100',
    '\tstate started',
    'vm: 101',
    '\tstate running',
    'vm: 102',
    '\tmax_restart -1',
    '\tfailback maybe',
    'vm: 103',
    '\tstate stopped',
    '\tstate started',
    'vm: 103',
    '\tstate started',
  ].join('\n');
  const { resources, notes } = parseResources(text, 'f');
  t.same(
    resources.map(({ sid, state }) => [sid, state]),
    [['vm:103', 'stopped']],
  );
  t.same(brief(notes), [
    '1 refused: "state started" belongs to no section',
    '2 refused: "vm 100" is neither a heading "type: name" nor an indented setting',
    '3 refused: "state started" belongs to no section',
    '11 refused: state is given twice in vm: 103; the first one counts',
    '12 refused: vm: 103 stands in line 9 already',
    '5 refused: vm: 101: state must be one of started, stopped, disabled, ignored, enabled, not "running"',
    '7 refused: vm: 102: max_restart must be an integer from 0 to 100, not "-1"',
    '8 refused: vm: 102: failback must be 0 or 1, not "maybe"',
  ]);
});

t.test('a node that is there twice has its last priority, and that is said', async (t) => {
  const { groups, notes } = parseGroups('group: a\n\tnodes n1:2,n2,n1:3\n', 'f');
  t.match(groups, [{ group: { nodes: [{ name: 'n1', priority: 3 }, { name: 'n2' }] } }]);
  t.same(brief(notes), ['2 changed: group: a names n1 twice; the last one counts']);
});

t.test('groups', async (t) => {
  const { groups, notes } = parseGroups(
    'group: a\n\tnodes n1:2,n2\n\trestricted\n\tnofailback 1\n\ngroup: b\n\tnodes n1;n3\n\ngroup: c\n\tnodes n1:x\n\ngroup: d\n\npool: e\n\tnodes n1\n',
    'groups.cfg',
  );
  t.same(
    groups.map(({ group }) => group),
    [
      {
        name: 'a',
        nodes: [
          { name: 'n1', priority: 2 },
          { name: 'n2', priority: 0 },
        ],
        restricted: true,
        nofailback: true,
        comment: '',
      },
      {
        name: 'b',
        nodes: [
          { name: 'n1', priority: 0 },
          { name: 'n3', priority: 0 },
        ],
        restricted: false,
        nofailback: false,
        comment: '',
      },
    ],
  );
  t.same(brief(notes), [
    '10 refused: "n1:x" is not a node, nor NODE:PRIORITY',
    '12 refused: group: d has no nodes',
    '14 refused: a section of type pool does not belong in a file of groups',
  ]);
});

t.test('rules', async (t) => {
  const text = [
    'node-affinity: keep',
    '\tnodes n1:5,n2',
    '\tresources vm:100, ct:101',
    '\tstrict 1',
    '',
    'node-affinity: avoid',
    '\tnodes n1',
    '\tresources vm:100',
    '\taffinity negative',
    '\tdisable',
    '',
    'resource-affinity: apart',
    '\tresources vm:100,vm:102',
    '\taffinity negative',
    '\tcomment why%20not',
    '',
    'resource-affinity: half',
    '\tresources vm:100',
    '',
    'location: what',
    '\tresources vm:100',
  ].join('\n');
  const { rules, notes } = parseRules(text, 'rules.cfg');
  t.same(
    rules.map(({ rule }) => rule),
    [
      {
        id: 'keep',
        type: 'node-affinity',
        resources: ['vm:100', 'ct:101'],
        nodes: [
          { name: 'n1', priority: 5 },
          { name: 'n2', priority: 0 },
        ],
        strict: true,
        affinity: 'positive',
        disabled: false,
        comment: '',
      },
      {
        id: 'avoid',
        type: 'node-affinity',
        resources: ['vm:100'],
        nodes: [{ name: 'n1', priority: 0 }],
        strict: false,
        affinity: 'negative',
        disabled: true,
        comment: '',
      },
      {
        id: 'apart',
        type: 'resource-affinity',
        resources: ['vm:100', 'vm:102'],
        affinity: 'negative',
        disabled: false,
        comment: 'why not',
      },
    ],
  );
  t.same(brief(notes), [
    '17 refused: resource-affinity: half has no affinity',
    '20 refused: there are no rules of type location: only node-affinity and resource-affinity',
  ]);
});

t.test('datacenter.cfg, as lines', async (t) => {
  const text = [
    'keyboard: de',
    '# crs: ha=static',
    'crs: ha=dynamic,ha-rebalance-on-start=1,ha-auto-rebalance=1,ha-auto-rebalance-threshold=30,ha-auto-rebalance-margin=0.1,ha-auto-rebalance-hold-duration=5',
    'ha: shutdown_policy=migrate',
    '',
  ].join('\n');
  const { options, notes } = parseDatacenter(text, 'datacenter.cfg');
  t.same(options, {
    scheduler: 'dynamic',
    rebalanceOnStart: true,
    autoRebalance: true,
    autoRebalanceThreshold: 0.3,
    autoRebalanceMargin: 0.1,
    autoRebalanceHoldS: 50,
    shutdownPolicy: 'migrate',
  });
  t.same(brief(notes), ['3 changed: crs: 30 is more than 1, so it is taken as percent: 0.3']);
});

t.test('datacenter.cfg, as the simulator has it', async (t) => {
  const text = '{ "crs": { "ha": "static", "ha-auto-rebalance": 1 }, "ha": { "shutdown_policy": "freeze" }, "x": 1 }';
  t.same(parseDatacenter(text, 'f'), {
    options: { scheduler: 'static', autoRebalance: true, shutdownPolicy: 'freeze' },
    notes: [],
  });
  t.same(parseDatacenter('{ "crs": "static" }', 'f').options, { scheduler: 'static' });
  t.same(parseDatacenter('', 'f'), { options: {}, notes: [] });
});

t.test('datacenter.cfg with mistakes', async (t) => {
  const text = 'crs: ha=best,ha-magic=1,shutdown_policy=freeze,x\nha: shutdown_policy=never,fencing=hardware\n';
  const { options, notes } = parseDatacenter(text, 'f');
  t.same(options, {});
  t.same(brief(notes), [
    '1 refused: crs: "x" is not written NAME=VALUE',
    '1 refused: crs: ha must be one of basic, static, dynamic, not "best"',
    '1 ignored: crs: "ha-magic" has no counterpart',
    '1 ignored: crs: "shutdown_policy" has no counterpart',
    '2 refused: ha: shutdown_policy must be one of conditional, freeze, failover, migrate, not "never"',
    '2 ignored: ha: "fencing" has no counterpart',
  ]);
  const twice = parseDatacenter(
    'crs: ha=static,ha=basic\nkeyboard: de\ncrs: ha=dynamic,ha-auto-rebalance-margin=30',
    'f',
  );
  t.same(twice.options, { scheduler: 'static' });
  t.same(brief(twice.notes), [
    '1 refused: crs: "ha" is given twice; the first one counts',
    '3 refused: crs stands in line 1 already; the first one counts',
  ]);
  const garbage = parseDatacenter('  # note\n\n mac_prefix: BC:24:11\n\u0000\ufffd\u0001x\nno colon here', 'f');
  t.same(brief(garbage.notes), [
    '4 refused: "\\u0000\ufffd\\u0001x" is not written NAME: VALUE',
    '5 refused: "no colon here" is not written NAME: VALUE',
  ]);
  for (const broken of ['{', '{]', '{"crs": 3}', '{"ha": [1]}']) {
    t.match(parseDatacenter(broken, 'f').notes, [{ line: 0, kind: 'refused' }], broken);
  }
});

t.test('every option is shown as it can be given', async (t) => {
  for (const [name, option] of Object.entries(peerOptions)) {
    const parsed = parsePeerOption(name, option.show(defaultOptions));
    t.ok(parsed !== null && 'changes' in parsed, name);
    if (parsed === null || !('changes' in parsed)) continue;
    t.same({ ...defaultOptions, ...parsed.changes }, defaultOptions, name);
    t.match(parsePeerOption(name, 'nonsense'), { problem: new RegExp(`^${name} must be `) });
  }
  t.equal(parsePeerOption('toString', '1'), null);
});
