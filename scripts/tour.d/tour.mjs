import { setTimeout as sleep } from 'node:timers/promises';
import { machines } from '../faults.d/lab.mjs';

const sidOf = (name) => `ocf:${name}`;
const nameOf = (sid) => sid.slice(sid.indexOf(':') + 1);
/** A change that the cluster did not take, for a leader was just changing, is asked for again for so long. */
const retryMs = 15_000;
/** What a healthy cluster does within a second or two, on a machine that is shared. */
export const soonMs = 20_000;

/** One walk through the steps: what is typed, what is then looked at, and what did not hold. */
export class Tour {
  /** Of the step under way. */
  checks = 0;
  failures = [];
  /** Nodes that have to be reset by their watchdog in this step; any other reset is a failure. */
  resetsDue = [];
  #startedMs = performance.now();
  #print;

  constructor(lab, witness, { boundMs, resources, print }) {
    this.lab = lab;
    this.witness = witness;
    this.boundMs = boundMs;
    this.resources = resources;
    this.#print = print;
  }

  say(text) {
    const at = ((performance.now() - this.#startedMs) / 1_000).toFixed(1).padStart(6);
    const [first, ...more] = text.split('\n');
    this.#print([`${at}  ${first}`, ...more.map((line) => `        ${line}`)].join('\n'));
  }

  check(holds, sentence, otherwise = '') {
    this.checks++;
    this.say(`  ${holds ? 'ok    ' : 'FAILED'} ${sentence}${holds || otherwise === '' ? '' : `: ${otherwise}`}`);
    if (!holds) this.failures.push(otherwise === '' ? sentence : `${sentence}: ${otherwise}`);
  }

  checkEqual(seen, expected, sentence) {
    const [a, b] = [JSON.stringify(seen), JSON.stringify(expected)];
    this.check(a === b, sentence, `${a}, not ${b}`);
  }

  /** The CLI on a node; what it answered: { code, out, err }. */
  async ask(node, ...args) {
    this.#typed(node, args);
    const deadline = performance.now() + retryMs;
    for (;;) {
      const answer = await this.lab.try('cli', node, ...args);
      const said = [answer.out, answer.err].filter((text) => text !== '').join('\n');
      if (said !== '') this.say(`  ${said.replaceAll('\n', '\n  ')}`);
      if (answer.code !== 3 || !/try again/.test(answer.err) || performance.now() > deadline) return answer;
      await sleep(500);
    }
  }

  /** As `ask`, and it has to be done. */
  async holdfast(node, ...args) {
    const answer = await this.ask(node, ...args);
    if (answer.code !== 0) throw new Error(`holdfast ${args.join(' ')} ended with ${answer.code}: ${answer.err}`);
    return answer.out;
  }

  /** What the CLI prints, where only a part of it is worth showing. */
  async read(node, ...args) {
    this.#typed(node, args);
    return this.lab.verb('cli', node, ...args);
  }

  #typed(node, args) {
    const words = args.map((word) => (/\s/.test(word) ? `'${word}'` : word)).join(' ');
    this.say(`$ holdfast ${words.replaceAll(this.lab.dir, 'LAB')}   # on node${node}`);
  }

  /** As `ask`, and it has to be refused with words that say why. */
  async refused(node, words, ...args) {
    const { code, err } = await this.ask(node, ...args);
    this.check(code !== 0 && words.test(err), `refused, and told why (exit ${code})`, err);
  }

  async verb(...args) {
    this.say(`$ scripts/lab ${args.join(' ').replaceAll(this.lab.dir, 'LAB')}`);
    return this.lab.verb(...args);
  }

  /** Milliseconds that it took; a failed check when it did not come about. */
  async expect(sentence, condition, limitMs = soonMs) {
    const started = performance.now();
    const deadline = started + limitMs;
    let seen = await condition();
    while (!seen && performance.now() < deadline) {
      await sleep(50);
      seen = await condition();
    }
    const tookMs = performance.now() - started;
    const waited = seen ? ` (after ${(tookMs / 1_000).toFixed(1)} s)` : '';
    this.check(Boolean(seen), `${sentence}${waited}`, `not within ${limitMs / 1_000} s; ${await this.glance()}`);
    return tookMs;
  }

  async glance() {
    const status = (await Promise.all(machines.map((node) => this.lab.status(node)))).find((each) => each !== null);
    const services = status?.services.map(({ sid, state, node, detail }) => `${sid} ${state} ${node} ${detail ?? ''}`);
    return `status: ${services?.join('; ') ?? 'none'}; truth: ${JSON.stringify(this.witness.places())}`;
  }

  /** By name: what a node's agent says of each resource. */
  async services(node) {
    const status = await this.lab.status(node);
    return Object.fromEntries((status?.services ?? []).map((service) => [nameOf(service.sid), service]));
  }

  place(name) {
    return this.witness.running(name)?.node ?? null;
  }

  numberOf(name) {
    return Number(this.place(name)?.slice('node'.length));
  }

  /** Names of what runs on a node in truth. */
  on(node) {
    return this.resources.filter((name) => this.place(name) === `node${node}`);
  }

  /** Everything but `stopped` runs, status and truth agree about where, and no more moves are under way. */
  async settled({ nodes = machines, stopped = [] } = {}) {
    const all = await Promise.all(nodes.map((node) => this.lab.status(node)));
    if (all.some((status) => status === null || status.leader === null || status.epoch !== all[0].epoch)) return false;
    if (!nodes.every((node) => ['online', 'maintenance'].includes(stateOf(all[0], node)))) return false;
    const places = this.witness.places();
    return all.every(({ services }) =>
      services.every(({ sid, state, node, target, order, detail }) => {
        if (stopped.includes(nameOf(sid))) return state === 'stopped' && places[nameOf(sid)] === null;
        return (
          state === 'started' && target === null && order === null && detail === null && places[nameOf(sid)] === node
        );
      }),
    );
  }

  expectSettled(sentence, options, limitMs) {
    return this.expect(sentence, () => this.settled(options), limitMs);
  }

  /** All three are there, everything runs where the rules want it. */
  async expectWhole(sentence = 'all nodes are online, everything runs where its rules want it') {
    await this.expect(sentence, async () => (await this.settled()) && this.brokenRule() === null);
    const broken = this.brokenRule();
    if (broken !== null) this.check(false, 'the rules hold', broken);
  }

  /** Of the rules that the first step gives; while all nodes are there. */
  brokenRule() {
    const { web, db, app, mirror, batch } = this.witness.places();
    if (db !== app) return `db runs on ${db} and app on ${app}`;
    if (db === mirror) return `db and mirror both run on ${db}`;
    if (batch === 'node1') return 'batch runs on node1';
    return web === 'node1' ? null : `web runs on ${web}, though node1 is there`;
  }

  /** By name, which instance of it runs. */
  instances(names = this.resources) {
    return Object.fromEntries(names.map((name) => [name, this.witness.running(name)?.instance ?? null]));
  }

  checkUndisturbed(before, sentence) {
    this.checkEqual(this.instances(Object.keys(before)), before, sentence);
  }
}

function stateOf({ nodes }, number) {
  return nodes.find(({ name }) => name === `node${number}`)?.state;
}

export { nameOf, sidOf };
