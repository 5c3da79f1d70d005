import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { figuresOf } from './figures.mjs';
import { JsonLog } from './json-log.mjs';
import { Scene } from './scene.mjs';
import { seconds } from './screen.mjs';
import { Teller } from './teller.mjs';
import { Failure, pause, until } from './waiting.mjs';

const sid = 'ocf:web';
const address = '10.77.0.100';
const clientProgram = fileURLToPath(new URL('client.mjs', import.meta.url));
const steadyMs = 3000;
const settleMs = 3000;
/** Longer than the client waits for an answer. */
const lastAnswersMs = 700;

/** One failover, told as it happens. */
export class Story {
  #lab;
  #screen;
  #boundMs;
  #signal;
  #scene;
  #teller;
  #client;

  constructor(lab, screen, boundMs, signal) {
    this.#lab = lab;
    this.#screen = screen;
    this.#boundMs = boundMs;
    this.#signal = signal;
    this.#scene = new Scene(lab, signal);
    this.#teller = new Teller(this.#scene, screen, boundMs);
  }

  /** @returns {{ figures, cutNode }} */
  async tell() {
    try {
      await this.#setUp();
      const node = await this.#start();
      await this.#serve(node);
      await this.#cutOff(node);
      await this.#waitForReset();
      if (await this.#waitForTakeover()) await this.#letComeBack();
      this.#client.stdin.end();
      await pause(lastAnswersMs, this.#signal);
      this.#scene.check();
    } finally {
      this.#scene.unwatch();
      this.#screen.status('');
    }
    return { cutNode: this.#scene.cut.node, figures: this.#figures() };
  }

  // --- the acts

  async #setUp() {
    await this.#lab.run('up', '3');
    for (const number of ['1', '2', '3']) await this.#lab.run('autoboot', number, 'on');
    this.#say('demo', 'plain', 'three machines are up, each with its own corosync, watchdog (emulated) and holdfastd');
    await this.#until(async () => (await this.#lab.status('node1'))?.leader, 20_000, 'the first view of the cluster');
  }

  /** @returns the name of the node on which it was placed */
  async #start() {
    const parameters = [`ip=${address}`, 'cidr_netmask=24', 'nic=eth0', `record=${this.#scene.shared()}`];
    await this.#lab.run('cli', '1', 'add', sid, '--agent', 'ocf:holdfast:web', ...parameters);
    const what = `the floating IP ${address} (set by ocf:heartbeat:IPaddr2) and a web server on it`;
    this.#say('demo', 'plain', `added ${sid}: ${what}`);
    const placed = async () => {
      const service = (await this.#lab.status('node1'))?.services.find((each) => each.sid === sid);
      if (service?.state === 'error') throw new Failure(`${sid} cannot be started: ${service.detail}`);
      return service?.state === 'started' && service.detail === null ? service.node : null;
    };
    return this.#until(placed, 20_000, `the start of ${sid}`);
  }

  async #serve(node) {
    this.#client = this.#lab.client(clientProgram, `http://${address}/`, this.#scene.shared('client.log'));
    this.#client.on('exit', (code) => {
      if (code !== 0) this.#scene.fail(new Failure('the client has ended'));
    });
    this.#scene.watch(this.#teller.onEvent, this.#teller.onLook);
    await this.#until(() => this.#answer((answer) => answer.node === node), 10_000, `an answer by ${node}`);
    const { lease } = await this.#statusOf(node);
    const terms = `a lease of ${seconds(lease.leaseMs)} s, which a quorum renews every second; its watchdog is armed`;
    this.#say(node, 'good', `serves under ${terms}`);
    this.#say('client', 'good', `asks http://${address}/ every 100 ms: answered by ${node}`);
    await pause(steadyMs, this.#signal);
  }

  async #cutOff(node) {
    const { bootId } = (await this.#statusOf(node)).local;
    this.#scene.emulator = new JsonLog(join(this.#lab.directoryOf(node), 'emulator.log'));
    const atMs = this.#scene.nowMs(); // before it takes effect: no figure comes out too short
    this.#scene.cut = { node, atMs, bootId, quorumLostMs: null, resetMs: null, healed: false };
    this.#say('demo', 'bad', `cuts ${node} off the network: nothing gets in, nothing gets out`, atMs);
    await this.#lab.run('cut', node.replace('node', ''));
    const lost = () => this.#scene.lostRequests().find(({ sentMs }) => sentMs > atMs);
    const first = await this.#until(lost, 5000, `the loss of a request to ${node}`);
    this.#say('client', 'bad', 'is not answered any more', first.doneMs);
  }

  async #waitForReset() {
    const { cut, emulator } = this.#scene;
    const reset = () => emulator.records.find(({ event, bootMs }) => event === 'killed' && bootMs > cut.atMs);
    const { bootMs } = await this.#until(reset, this.#boundMs + 10_000, `the reset of ${cut.node}`);
    cut.resetMs = bootMs;
    this.#say(cut.node, 'bad', 'RESET by its watchdog: it runs nothing any more', bootMs);
    const waitMs = this.#scene.cutNodeAsSeen()?.takeoverInMs;
    if (!waitMs) return;
    this.#say(
      this.#scene.survivor(),
      'plain',
      `cannot see that: the others wait until it is certain, ${seconds(waitMs)} s more`,
    );
  }

  /** @returns false when the service was started while it still ran: the verdict says the rest */
  async #waitForTakeover() {
    const { cut, web } = this.#scene;
    const isBack = (answer) => answer.node !== cut.node && answer.sentMs > cut.atMs;
    const clash = () => web.records.some(({ event }) => event === 'clash');
    await this.#until(() => this.#answer(isBack) ?? clash(), this.#boundMs + 30_000, 'the takeover');
    if (clash()) return false;
    const answer = this.#answer(isBack);
    const silence = seconds(answer.doneMs - cut.atMs);
    this.#say('client', 'good', `is answered again, by ${answer.node}, ${silence} s after the cut`, answer.doneMs);
    return true;
  }

  async #letComeBack() {
    const { cut } = this.#scene;
    cut.healed = true;
    await this.#lab.run('heal');
    this.#say('demo', 'plain', `takes the cut back: ${cut.node} may join again`);
    const back = () => {
      const own = this.#scene.statuses.get(cut.node);
      return own?.leader && own.local.bootId !== cut.bootId && this.#scene.cutNodeAsSeen()?.state === 'online';
    };
    await this.#until(back, 30_000, `the return of ${cut.node}`);
    this.#say(cut.node, 'good', 'is back in the cluster; it runs nothing, and can be the next to take over');
    await pause(settleMs, this.#signal);
  }

  // --- small help

  #figures() {
    const { cut, client, web, emulator } = this.#scene;
    this.#scene.readRecords();
    return figuresOf({
      boundMs: this.#boundMs,
      cutMs: cut.atMs,
      cutNode: cut.node,
      quorumLostMs: cut.quorumLostMs,
      emulator: emulator.records,
      web: web.records,
      client: client.records,
    });
  }

  #answer(fits) {
    return this.#scene.client.records.find((request) => request.node !== undefined && fits(request));
  }

  #statusOf(node) {
    return this.#until(() => this.#lab.status(node), 5000, `an answer by holdfastd on ${node}`);
  }

  #until(look, limitMs, what) {
    const watched = () => {
      this.#scene.check();
      return look();
    };
    return until(watched, limitMs, what, this.#signal);
  }

  #say(who, tone, text, atMs) {
    this.#teller.say(who, tone, text, atMs);
  }
}
