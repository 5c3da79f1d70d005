import { sidOf } from './tour.mjs';

/** Steps: resources and their rules; moves by the operator. */

export const webAddress = '10.77.0.100';

export async function addWithRules(tour) {
  const record = `record=${tour.lab.dir}/shared`;
  const web = ['ocf:web', '--agent', 'ocf:holdfast:web', `ip=${webAddress}`, 'cidr_netmask=24', 'nic=eth0', record];
  const dry = await tour.holdfast(1, 'add', ...web, '--dry-run');
  tour.check(/start ocf:web node\d/.test(dry), 'the dry run says where it would start');
  tour.checkEqual(Object.keys(await tour.services(1)), [], 'and has added nothing');
  await tour.holdfast(1, 'add', ...web, '--comment', 'the front door');
  const probes = [
    ['db', '--priority', '100'],
    ['app', '--requires', 'ocf:db'],
    ['mirror'],
    ['batch'],
    ['report', '--after', 'ocf:app', '--priority', '-10'],
  ];
  for (const [name, ...options] of probes) {
    await tour.holdfast(1, 'add', sidOf(name), '--agent', 'ocf:holdfast:exclusive', record, ...options);
  }
  await tour.holdfast(
    2,
    'rules',
    'add',
    'node-affinity',
    'front',
    '--resources',
    'ocf:web',
    '--nodes',
    'node1:2,node2',
  );
  await tour.holdfast(
    2,
    'rules',
    'add',
    'node-affinity',
    'strong',
    ...'--resources ocf:batch --nodes node2,node3 --strict 1'.split(' '),
  );
  await tour.holdfast(
    2,
    'rules',
    'add',
    'resource-affinity',
    'stack',
    ...'--resources ocf:db,ocf:app --affinity positive'.split(' '),
  );
  await tour.holdfast(
    2,
    'rules',
    'add',
    'resource-affinity',
    'copies',
    ...'--resources ocf:db,ocf:mirror --affinity negative'.split(' '),
  );
  await tour.expectWhole();
  await tour.refused(
    3,
    /strong|batch/,
    'rules',
    'add',
    'node-affinity',
    'second',
    ...'--resources ocf:batch --nodes node1'.split(' '),
  );
  const why = await tour.holdfast(3, 'explain', 'ocf:batch');
  tour.check(/node1: excluded/.test(why) && /strong/.test(why), 'explain names the node that the rule excludes');
  const before = tour.instances();
  const dryMaintenance = await tour.holdfast(3, 'maintenance', 'enable', 'node1', '--dry-run');
  tour.check(/ocf:web node1 -> node2/.test(dryMaintenance), 'the dry run tells what would move');
  tour.checkUndisturbed(before, 'and nothing has moved');
}

export async function moves(tour) {
  const from = tour.numberOf('db');
  const mirrorOn = tour.numberOf('mirror');
  const free = [1, 2, 3].find((node) => node !== from && node !== mirrorOn);
  await tour.refused(1, /ocf:mirror is there, and rule copies/, 'migrate', 'ocf:db', `node${mirrorOn}`);
  await tour.refused(1, /rule strong allows only/, 'migrate', 'ocf:batch', 'node1');
  await tour.refused(1, /already/, 'relocate', 'ocf:db', `node${from}`);
  const said = await tour.ask(2, 'migrate', 'ocf:db', `node${free}`);
  tour.check(/stopped and started/.test(said.err), 'the CLI says that it cannot move while it runs');
  await tour.expect(
    `db and app run on node${free}`,
    async () => (await tour.settled()) && tour.numberOf('db') === free,
  );
  const startedMs = (name) => tour.witness.running(name)?.fromMs ?? Number.NaN;
  tour.check(startedMs('db') < startedMs('app'), 'app was started after db, which it requires');
  await tour.holdfast(3, 'relocate', 'ocf:mirror', `node${from}`);
  await tour.expect(
    `mirror runs on node${from}`,
    async () => (await tour.settled()) && tour.numberOf('mirror') === from,
  );
  const stoppedOn = tour.place('report');
  await tour.holdfast(1, 'stop', 'ocf:report');
  await tour.expectSettled('report is stopped, all else runs', { stopped: ['report'] });
  await tour.holdfast(1, 'start', 'ocf:report');
  await tour.expectSettled('report runs again');
  tour.checkEqual(tour.place('report'), stoppedOn, 'where it was');
  await tour.expectWhole();
}
