import t from 'tap';
import { statusReport } from '../src/agent/report.js';
import type { AgentEvent } from '../src/agent/status.js';
import type { Command } from '../src/core/cluster-state.js';
import { HoldfastError } from '../src/core/errors.js';
import { lastIndex } from '../src/core/log.js';
import { codeOf, configuration, type World, world } from './fake-ports.js';
import { add as addWith } from './fixtures/add-resource.js';

/** The one loop of an agent, over ports that fail and hang on demand. */

function add(sid: string, comment = ''): Command {
  return addWith(sid, { comment });
}

/** Alone in its cluster, and leading it. */
async function leading(): Promise<World> {
  const all = world();
  await all.settle();
  return all;
}

/** A request that waits for an answer, and its answer. */
function ask({ agent }: World, command: Command): Promise<string | null> {
  return codeOf(agent.request(command));
}

/** A watchdog that cannot be used, as the keeper says it. */
const broken = new HoldfastError('HF_WATCHDOG', 'the device answers EIO');

t.test('a change is stored, committed, and answered with its place in the log', async (t) => {
  const all = await leading();
  const asked = all.agent.request(add('ocf:web'));
  await all.settle();
  const index = await asked;
  t.equal(all.agent.node.log.committed.services['ocf:web']?.addedIndex, index);
  t.ok(all.store.saved.some((record) => lastIndex(record) >= index));
  t.ok(all.driver.running.has('ocf:web'), 'and carried out');
  const again = ask(all, add('ocf:web'));
  await all.settle();
  t.equal(await again, 'HF_EXISTS');
  t.strictSame([all.failures, all.agent.nested], [[], []]);
});

t.test('what was decided before a restart is told with the names of nodes', async (t) => {
  const first = await leading();
  const added = first.agent.request(add('ocf:web'));
  await first.settle();
  await added;
  const { agent } = world(first.agent.node.log.record);
  const told = agent.decisions(100).map(({ text }) => text);
  t.ok(
    told.some((text) => text.startsWith('ocf:web: started on node1')),
    told.join('; '),
  );
});

t.test('what is to be saved while a save is under way is saved together, as its newest state', async (t) => {
  const all = await leading();
  const before = all.store.saved.length;
  all.store.held = true;
  const answers = Promise.all(['ocf:a', 'ocf:b', 'ocf:c', 'ocf:d'].map((sid) => ask(all, add(sid))));
  await all.settle(1_000);
  t.equal(all.store.underWay, 1);
  const newest = all.agent.node.log.record;
  t.equal(newest.entries.length, lastIndex(all.store.saved.at(-1) ?? newest) + 4, 'all four are ordered');
  all.store.release();
  await all.settle(500);
  t.strictSame(await answers, [null, null, null, null]);
  const [, second] = all.store.saved.slice(before);
  t.equal(second, newest, 'the second save has all that came during the first');
});

t.test('a save that fails is told, and one that fails otherwise ends the agent', async (t) => {
  const all = await leading();
  all.store.failure = new HoldfastError('HF_STORE', 'the disk is full (ENOSPC)');
  const asked = ask(all, add('ocf:web'));
  await all.settle(1_000);
  t.match(all.agent.storeProblem, /ENOSPC/);
  t.strictSame(all.failures, []);
  all.store.failure = null;
  await all.settle(10_000);
  t.equal(all.agent.storeProblem, null);
  t.equal(await asked, null, 'it is committed when the disk has room again');
  all.store.failure = new TypeError('a defect');
  all.agent.request(add('ocf:b')).catch(() => undefined);
  await all.settle(1_000);
  t.match(all.agent.failed, { message: 'a defect' });
});

t.test('of what is under way when corosync goes nobody knows the outcome', async (t) => {
  const all = await leading();
  const asked = [ask(all, add('ocf:a')), ask(all, add('ocf:b'))];
  all.cluster.emit({ type: 'disconnected', reason: 'CS_ERR_LIBRARY' });
  t.strictSame(await Promise.all(asked), ['HF_OUTCOME_UNKNOWN', 'HF_OUTCOME_UNKNOWN']);
  t.notOk(all.agent.connected);
  t.equal(await ask(all, add('ocf:c')), 'HF_NO_QUORUM', 'and what is asked for then is not done');
});

t.test('a full queue refuses a change, of which nothing comes', async (t) => {
  const all = await leading();
  all.cluster.answers = ['full'];
  t.equal(await ask(all, add('ocf:web')), 'HF_BUSY');
  t.strictSame(all.cluster.queue, []);
  all.cluster.answers = ['sent', 'full'];
  t.equal(await ask(all, add('ocf:web', 'x'.repeat(20_000))), 'HF_BUSY', 'one in parts, half of it sent');
  all.cluster.answers = ['disconnected'];
  t.equal(await ask(all, add('ocf:web')), 'HF_NO_QUORUM');
  await all.settle();
  t.strictSame(all.agent.node.log.committed.services, {}, 'nothing was changed, as they said');
});

t.test('a change that is not heard of for 20 s may or may not have happened', async (t) => {
  const all = await leading();
  let answer: string | null = 'none yet';
  const asked = ask(all, add('ocf:web')).then((code) => (answer = code));
  all.clock.advance(19_999);
  await new Promise(setImmediate);
  t.equal(answer, 'none yet');
  all.clock.advance(1);
  await asked;
  t.equal(answer, 'HF_OUTCOME_UNKNOWN');
  await all.settle();
  t.strictSame(all.failures, [], 'an answer that comes later goes nowhere');
});

t.test('there is a limit to the changes under way', async (t) => {
  const all = await leading();
  const asked = Array.from({ length: 256 }, (_, i) => ask(all, add(`ocf:r${i}`)));
  t.equal(await ask(all, add('ocf:last')), 'HF_BUSY');
  await all.settle();
  t.strictSame(new Set(await Promise.all(asked)), new Set([null]));
});

t.test('a watchdog that cannot be armed is let go where nothing runs', async (t) => {
  const all = await leading();
  all.watchdog.armFailure = broken;
  const asked = ask(all, add('ocf:web'));
  await all.settle();
  t.equal(await asked, null);
  t.strictSame(all.watchdog.calls, ['arm', 'release']);
  t.equal(all.agent.node.cluster?.protection.state, 'failed');
  t.notOk(all.driver.running.has('ocf:web'));
  t.strictSame(all.failures, []);
});

t.test('a watchdog that cannot be armed is kept over what runs already', async (t) => {
  const all = await leading();
  all.driver.running.add('ocf:web');
  all.watchdog.armFailure = broken;
  const asked = ask(all, add('ocf:web'));
  await all.settle();
  t.equal(await asked, null);
  t.strictSame(all.watchdog.calls, ['arm'], 'opened, it may be counting: then it resets this node');
  t.equal(all.agent.node.cluster?.protection.state, 'failed');
});

t.test('a lease that cannot be extended is told after the step that asked for it', async (t) => {
  const all = await leading();
  all.agent.request(add('ocf:web')).catch(() => undefined);
  await all.settle();
  t.equal(all.agent.node.cluster?.protection.state, 'armed');
  all.watchdog.extendFailure = broken;
  await all.settle();
  t.equal(all.agent.node.cluster?.protection.state, 'failed');
  t.strictSame(all.agent.nested, []);
});

t.test('a failed assertion stops everything, and answers everybody', async (t) => {
  const all = await leading();
  const asked = [ask(all, add('ocf:a')), ask(all, add('ocf:b'))];
  if (configuration.type !== 'configuration') throw new Error('no configuration');
  all.cluster.emit({ ...configuration, configuration: { ...configuration.configuration, localNodeId: 2 } });
  t.strictSame(await Promise.all(asked), ['HF_OUTCOME_UNKNOWN', 'HF_OUTCOME_UNKNOWN']);
  t.match(all.failures, [{ name: 'AssertionError' }]);
  t.equal(all.failures.length, 1);
  t.match(all.logged.at(-1), { level: 'fatal' });
  t.equal(await ask(all, add('ocf:c')), 'HF_INTERNAL');
  const before = [all.cluster.sends, all.store.saved.length];
  await all.settle(10_000);
  t.strictSame([all.cluster.sends, all.store.saved.length], before, 'it sends and saves nothing any more');
  t.match(warnings(all), [/has failed and does nothing any more/]);
});

t.test('a driver that rejects, which none may, is a failed assertion', async (t) => {
  const all = await leading();
  all.driver.defect = new TypeError('a defect');
  all.agent.request(add('ocf:web')).catch(() => undefined);
  await all.settle();
  t.match(all.failures, [{ message: 'a defect' }]);
});

t.test('one who follows the events and throws is dropped, and harms nobody', async (t) => {
  const all = await leading();
  const heard: AgentEvent[] = [];
  let thrown = 0;
  all.agent.subscribe(() => {
    thrown++;
    throw new Error('a broken client');
  });
  const unsubscribe = all.agent.subscribe((event) => heard.push(event));
  const asked = ask(all, add('ocf:web'));
  await all.settle();
  t.equal(await asked, null);
  t.ok(heard.length > 2);
  t.equal(thrown, 1);
  t.strictSame(all.failures, []);
  unsubscribe();
  const before = heard.length;
  all.agent.request({ type: 'resource-remove', sid: 'ocf:web', purge: false }).catch(() => undefined);
  await all.settle();
  t.equal(heard.length, before, 'who has left hears nothing');
});

t.test('there is a limit to those who follow the events', async (t) => {
  const { agent } = world();
  const leave = Array.from({ length: 64 }, () => agent.subscribe(() => undefined));
  t.throws(() => agent.subscribe(() => undefined), { code: 'HF_BUSY' });
  leave[0]?.();
  t.doesNotThrow(() => agent.subscribe(() => undefined));
});

t.test('a resource of a type without a driver fails here, after the step that asked for it', async (t) => {
  const all = await leading();
  const asked = ask(all, add('vm:100'));
  await all.settle();
  t.equal(await asked, null);
  t.match(all.agent.node.log.committed.services['vm:100'], { state: 'error', reason: /no driver for .* type 'vm'/ });
  t.strictSame([all.agent.nested, all.failures], [[], []]);
});

t.test('an agent that ends releases a watchdog that nothing needs, answers all, and has not failed', async (t) => {
  const all = await leading();
  all.agent.request(add('ocf:web')).catch(() => undefined);
  await all.settle();
  all.agent.request({ type: 'resource-remove', sid: 'ocf:web', purge: false }).catch(() => undefined);
  await all.settle();
  t.equal(all.agent.node.cluster?.protection.state, 'armed');
  const asked = ask(all, add('ocf:b'));
  await all.agent.stop();
  t.equal(all.watchdog.calls.at(-1), 'release');
  t.ok(all.cluster.closed);
  t.equal(await asked, 'HF_OUTCOME_UNKNOWN');
  t.equal(await ask(all, add('ocf:c')), 'HF_NO_QUORUM');
  t.equal(all.agent.failed, null);
  t.strictSame(warnings(all), []);
  t.equal(all.agent.node.cluster?.protection.state, 'idle');
  const before = all.cluster.sends;
  await all.settle(10_000);
  all.agent.dispatch({ type: 'tick' });
  t.equal(all.cluster.sends, before, 'it says nothing any more');
});

t.test('an agent that ends with something running leaves the watchdog armed', async (t) => {
  const all = await leading();
  all.agent.request(add('ocf:web')).catch(() => undefined);
  await all.settle();
  await all.agent.stop();
  t.ok(all.driver.running.has('ocf:web'));
  t.notOk(all.watchdog.calls.includes('release'));
});

t.test('a shutdown that was prepared is told to whoever asks, also later', async (t) => {
  const all = await leading();
  all.agent.request(add('ocf:web')).catch(() => undefined);
  await all.settle();
  const asked = codeOf(all.agent.prepareShutdown('poweroff'));
  await all.settle();
  t.equal(await asked, null);
  t.strictSame([...all.driver.running], []);
  t.equal(all.watchdog.calls.at(-1), 'release');
  t.equal(await codeOf(all.agent.prepareShutdown('poweroff')), null);
});

t.test('of a shutdown with something that cannot be stopped nobody is told that it is prepared', async (t) => {
  const all = await leading();
  all.agent.request(add('ocf:web')).catch(() => undefined);
  await all.settle();
  all.driver.stopFailure = 'it hangs';
  const asked = codeOf(all.agent.prepareShutdown('poweroff'));
  await all.settle(10_000);
  t.equal(await asked, 'HF_AGENT');
  t.equal(await codeOf(all.agent.prepareShutdown('poweroff')), 'HF_AGENT', 'whoever asks later hears the same');
  t.notOk(all.watchdog.calls.includes('release'));
});

t.test('an agent that fails, or knows of nothing, lets nobody wait for a shutdown', async (t) => {
  const all = await leading();
  all.agent.request(add('ocf:web')).catch(() => undefined);
  await all.settle();
  all.driver.hangs = true;
  const asked = codeOf(all.agent.prepareShutdown('reboot'));
  all.store.failure = new TypeError('a defect');
  await all.settle(5_000);
  t.match(all.failures, [{ message: 'a defect' }]);
  t.equal(await Promise.race([asked, new Promise(setImmediate)]), 'HF_BUSY');
  const alone = world(undefined, { connects: false });
  const unknown = codeOf(alone.agent.prepareShutdown('reboot'));
  await alone.settle(10_000);
  t.equal(await Promise.race([unknown, new Promise(setImmediate)]), 'HF_NO_QUORUM', 'without corosync so far');
});

t.test('loads are told every ten seconds, and what cannot be measured harms nobody', async (t) => {
  let measured = 0;
  const node = () => {
    if (++measured === 2) throw new Error('too many open files');
    return { cpus: 4, memoryBytes: 8, usedCpus: measured, usedMemoryBytes: 1 };
  };
  const all = world(undefined, { loads: { node, otherGuests: () => 0, service: () => null } });
  const told = () => all.agent.node.cluster?.peers.get(1)?.load?.node.usedCpus ?? null;
  await all.settle();
  t.strictSame([measured, told()], [1, 1]);
  await all.settle(10_000);
  t.strictSame([measured, told()], [2, 1]);
  t.match(all.logged.at(-1), { level: 'warn', text: /loads of this node cannot be measured/ });
  await all.settle(10_000);
  t.strictSame([measured, told(), all.failures], [3, 3, []]);
});

/** As the status shows them. */
function warnings({ agent, clock }: World): readonly string[] {
  return statusReport({
    node: agent.node,
    nowMs: clock.nowMs,
    version: '0',
    connected: agent.connected,
    failed: agent.failed,
    protection: 'protected',
    watchdog: null,
    watchdogProblem: null,
    resourceTypes: ['ocf'],
    keeper: null,
    storeProblem: agent.storeProblem,
  }).warnings;
}
