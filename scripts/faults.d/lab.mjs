import { execFile, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../lab', import.meta.url));
const hook = fileURLToPath(new URL('block-javascript.mjs', import.meta.url));
const verbMs = 90_000;
const pollMs = 50;
/** The store holds three copies of the log, which corosync-queue-full fills with 10 MB of late changes. */
const faultSettings = { DISK_KB: '65536', AGENT_ENV: `NODE_OPTIONS=--import=${hook}` };

export const machines = [1, 2, 3];
/** The resource whose runs the probe records. */
export const probeSid = 'ocf:exclusive';
export const probeLog = (lab) => join(lab.dir, 'shared/exclusive.log');

/** A lab of three machines in a directory of its own, driven through scripts/lab and the agents' sockets. */
export class Lab {
  #name;
  #parent;
  #env;
  dir;

  /** `name` begins the names of its directories; `settings` as scripts/lab has them. */
  constructor(boundMs, name = 'holdfast-faults', settings = faultSettings) {
    this.#name = name;
    this.#parent = mkdtempSync(join(tmpdir(), `${name}-`));
    this.dir = join(this.#parent, 'lab');
    const { PATH, HOME } = process.env;
    this.#env = { PATH, HOME, LAB: this.dir, BOUND: String(boundMs), ...settings };
  }

  async up() {
    await this.verb('up', String(machines.length));
    await this.until('all nodes online', () => this.isWhole());
    await this.prepare();
  }

  /** What is there before the first fault. */
  async prepare() {
    const options = { agent: 'ocf:holdfast:exclusive', parameters: { record: join(this.dir, 'shared') } };
    await this.change(1, '/v1/resources', { sid: probeSid, ...options });
  }

  /** Also while other verbs are under way: it ends whatever belongs to the lab. */
  down() {
    spawnSync(script, ['down'], { env: this.#env, stdio: 'ignore', timeout: verbMs });
    rmSync(this.#parent, { recursive: true, force: true });
  }

  /** Copies all logs; where to. */
  saveLogs() {
    const to = mkdtempSync(join(tmpdir(), `${this.#name}-logs-`));
    for (const path of readdirSync(this.dir, { recursive: true })) {
      if (!/^(n\d+|shared)\/\w+\.(log|err)$/.test(path)) continue;
      cpSync(join(this.dir, path), join(to, path));
    }
    return to;
  }

  /** A verb of scripts/lab; its output. Rejects with what it says when it fails. */
  async verb(...args) {
    const { code, out, err } = await this.try(...args);
    if (code === 0) return out;
    throw new Error(`scripts/lab ${args.join(' ')}: ${err || `ended with ${code}`}`);
  }

  /** A verb of scripts/lab, whatever comes of it: { code, out, err }; code as Node's execFile tells it. */
  try(...args) {
    return new Promise((resolve) => {
      execFile(script, args.map(String), { env: this.#env, timeout: verbMs }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : (error.code ?? error.signal), out: stdout.trim(), err: stderr.trim() }),
      );
    });
  }

  /** A process on the client's network; it ends when its standard input does. */
  client(...args) {
    const stdio = ['pipe', 'ignore', 'inherit'];
    return spawn(script, ['client', process.execPath, ...args], { env: this.#env, stdio });
  }

  path(node, name) {
    return join(this.dir, `n${node}`, name);
  }

  /** Asks a node's agent: { code, body, tookMs }; code 0: it did not answer. */
  ask(node, method, path, body, limitMs = 25_000) {
    const started = performance.now();
    const socketPath = this.path(node, 'run/holdfast.sock');
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers =
      text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    return new Promise((resolve) => {
      const none = (error) => resolve({ code: 0, body: { error: error.message }, tookMs: performance.now() - started });
      const asked = request({ socketPath, method, path, headers, agent: false, timeout: limitMs }, (response) => {
        const parts = [];
        response.on('data', (part) => parts.push(part));
        response.on('error', none);
        response.on('end', () => {
          const tookMs = performance.now() - started;
          resolve({ code: response.statusCode, body: parsed(Buffer.concat(parts).toString()), tookMs });
        });
      });
      asked.on('error', none);
      asked.on('timeout', () => asked.destroy(new Error(`no answer in ${limitMs} ms`)));
      asked.end(text);
    });
  }

  /** A change that must be committed; tried again while the cluster says that nothing was done. */
  async change(node, path, body, limitMs = 20_000) {
    const deadline = performance.now() + limitMs;
    for (;;) {
      const { code, body: said } = await this.ask(node, 'POST', path, body);
      if (code === 200) return said;
      if (performance.now() > deadline) throw new Error(`POST ${path} on node${node}: ${JSON.stringify(said)}`);
      await sleep(200);
    }
  }

  /** The status that a node tells; null if it tells none. */
  async status(node) {
    const { code, body } = await this.ask(node, 'GET', '/v1/status', undefined, 2_000);
    return code === 200 ? body : null;
  }

  /** Polls until it holds, and answers what it gave; rejects with what was waited for. */
  async until(what, condition, limitMs = 60_000) {
    const deadline = performance.now() + limitMs;
    for (;;) {
      const found = await condition();
      if (found) return found;
      if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms for ${what}`);
      await sleep(pollMs);
    }
  }

  /** All agents are in one view with all nodes online. */
  async isWhole() {
    const all = await Promise.all(machines.map((node) => this.status(node)));
    return all.every(
      (status) =>
        status !== null &&
        status.leader !== null &&
        status.epoch === all[0]?.epoch &&
        status.cluster.votes === machines.length &&
        status.store.ok &&
        status.nodes.every(({ state }) => state === 'online'),
    );
  }

  /** Where the committed state says that it runs: a machine's number; null: nowhere. */
  async runsOn(sid) {
    const all = await Promise.all(machines.map((node) => this.status(node)));
    const services = all.map((status) => status?.services.find((service) => service.sid === sid));
    const [first] = services;
    const agreed = services.every(
      (service) => service?.state === 'started' && service.node === first?.node && service.detail === null,
    );
    return agreed && first?.node ? Number(first.node.slice('node'.length)) : null;
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { error: text.slice(0, 200) };
  }
}
