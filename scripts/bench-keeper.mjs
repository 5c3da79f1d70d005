#!/usr/bin/env node
// How late the keeper pets under load, what it costs and whether it allocates: npm run bench:keeper -- --help.
import { fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createConnection } from 'node:net';
import { cpus, freemem, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { serverLimits } from '../dist/src/api/limits.js';
import { heads, legend, lines } from './bench-keeper.d/table.mjs';

const here = (name) => fileURLToPath(new URL(`./bench-keeper.d/${name}`, import.meta.url));
const emulatorProgram = fileURLToPath(new URL('../build/Release/watchdog-emulator', import.meta.url));
const keeperThread = 'hf-keeper';
/** The shortest that the keeper takes: the more pets, the more a quantile of them says. */
const petIntervalMs = 50;
const askingClients = 1_000;
const countClientsMs = 500;
/** The aims of the design, where the kernel grants SCHED_FIFO. */
const aims = { p999Ms: 1, maxMs: 10 };
const pageBytes = 4_096;
/** Seldom enough to let an idle machine idle. */
const witnessPeriodMs = 25;
/** How long the load is there before anything is measured. */
const settleMs = 1_000;
const answerLimitMs = 30_000;
const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const realtimeIsGranted = spawnSync('chrt', ['--fifo', '30', 'true'], { stdio: 'ignore' }).status === 0;
/** Of the kernel, sched(7). */
const schedFifo = 1;
/** Where a pid means something. */
const pidNamespace = readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
/** Who is killed stops nothing: let its processes die with it. */
const withMe = ['--pdeathsig', 'KILL'];

/** The programs that each is made of. */
const loads = {
  idle: () => [],
  cpu: () => Array.from({ length: 3 * cpus().length }, () => ['busy.mjs']),
  memory: () => [['memory.mjs', String(Math.floor((freemem() / 2 ** 20) * 0.8))]],
  javascript: () => [],
  clients: () => [],
};

/** One run: a machine for the emulator to reset (a sleep), the emulator, the petter, and the load. */
class Run {
  #folder = mkdtempSync(join(tmpdir(), `holdfast-bench-${pidNamespace}-${process.pid}-`));
  #processes = [];
  #sockets = [];
  #break;
  /** Rejected when a process has ended that has to be there to the end. */
  #broken = new Promise((_, reject) => {
    this.#break = reject;
  });

  measure(load, minutes) {
    return Promise.race([this.#measure(load, minutes), this.#broken]);
  }

  async #measure(load, minutes) {
    const counter = this.#build('allocations.cc', 'allocations.so', ['-shared', '-fPIC', `-DTHREAD="${keeperThread}"`]);
    const beginWitness = this.#witness(this.#build('witness.cc', 'witness'));
    const socket = join(this.#folder, 'socket');
    const petter = await this.#petter(counter, [await this.#emulator(), socket, String(petIntervalMs), load]);
    for (const [program, ...args] of loads[load]()) this.#spawn(process.execPath, [here(program), ...args]);
    if (load === 'clients') await this.#stick(socket);
    await sleep(settleMs);
    // All figures are of the time from here to the last answer: the keeper counts from arming on.
    const kept = load === 'clients' ? countConnections(socket) : null;
    const machineLate = beginWitness();
    const before = { ...this.#costs(petter.pid), ...(await ask(petter, 'arm')) };
    await sleep(minutes * 60_000);
    const after = { ...(await ask(petter, 'figures')), ...this.#costs(petter.pid) };
    return { load, clients: kept?.(), ...figures(before, after), machineMaxMs: await machineLate() };
  }

  #spawn(command, args) {
    const child = spawn('setpriv', [...withMe, command, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
    this.#needs(child, [command, ...args].join(' '));
    return child;
  }

  #needs(child, name) {
    this.#processes.push(child);
    child.once('error', this.#break);
    child.once('exit', (code, signal) =>
      this.#break(new Error(`the run is void, '${name}' has ended before its end (${signal ?? `code ${code}`})`)),
    );
  }

  async #emulator() {
    const socket = join(this.#folder, 'watchdog');
    const pidFile = join(this.#folder, 'machine.pid');
    writeFileSync(pidFile, `${this.#spawn('sleep', ['infinity']).pid}\n`);
    // It stands for hardware, which no load makes slower.
    const [command, ...args] = [
      ...(realtimeIsGranted ? ['chrt', '--fifo', '30'] : []),
      ...[emulatorProgram, '--socket', socket, '--machine-pid-file', pidFile],
    ];
    this.#spawn(command, args);
    await until(() => existsSync(socket), 'the emulator to listen');
    return socket;
  }

  async #petter(counter, args) {
    const allocations = join(this.#folder, 'allocations');
    writeFileSync(allocations, Buffer.alloc(pageBytes));
    const env = { ...process.env, LD_PRELOAD: counter, ALLOCATIONS: allocations };
    const petter = fork(here('petter.mjs'), args, {
      env,
      execPath: 'setpriv',
      execArgv: [...withMe, process.execPath],
    });
    this.#needs(petter, 'petter.mjs');
    await told(petter);
    return petter;
  }

  /**
   * A thread on each processor that only wakes up. The function returned begins to measure; the one that it returns ends
   * that, and tells how late one was at most, null where there can be none.
   */
  #witness(program) {
    const witnesses = cpus().map((_, cpu) =>
      spawn(program, [String(cpu), String(witnessPeriodMs)], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    this.#processes.push(...witnesses);
    const told = witnesses.map((witness) => text(witness.stdout));
    for (const { stdin } of witnesses) stdin.on('error', () => undefined);
    return () => {
      for (const { stdin } of witnesses) stdin.write('\n');
      return async () => {
        for (const { stdin } of witnesses) stdin.end();
        const lateMs = (await Promise.all(told)).map(Number);
        return lateMs.includes(0) ? null : Math.max(...lateMs);
      };
    };
  }

  #build(source, name, options = []) {
    const file = join(this.#folder, name);
    const built = spawnSync('g++', ['-std=c++17', '-O2', ...options, '-o', file, here(source)]);
    if (built.status !== 0) throw new Error(`g++ cannot build ${source}: ${built.stderr}`);
    return file;
  }

  /** Clients that send half a request and then nothing. */
  async #stick(path) {
    for (let number = 0; number < askingClients; number++) {
      this.#sockets.push(stuckClient(path));
      if (number % 50 === 49) await sleep(20);
    }
    // Who is turned away comes again: the crowd that asks stays as large as it is.
    const again = setInterval(() => {
      for (const [index, client] of this.#sockets.entries()) {
        if (client.destroyed) this.#sockets[index] = stuckClient(path);
      }
    }, 200);
    again.unref();
    this.#sockets.push({ destroy: () => clearInterval(again), destroyed: false });
  }

  #costs(pid) {
    const tasks = `/proc/${pid}/task`;
    const read = (id, file) => readFileSync(join(tasks, id, file), 'utf8').trim();
    const keeper = readdirSync(tasks).find((id) => read(id, 'comm') === keeperThread);
    if (keeper === undefined) throw new Error(`the petter has no thread '${keeperThread}'`);
    const [cpuNs] = read(keeper, 'schedstat').split(' ');
    // Its fields count from 1, and from 3 behind the name.
    const policy = read(keeper, 'stat').split(') ').at(-1).split(' ')[41 - 3];
    const counts = readFileSync(join(this.#folder, 'allocations'));
    return {
      stolenMs: stolenMs(),
      cpuMs: Number(cpuNs) / 1e6,
      realtime: Number(policy) === schedFifo,
      allocations: Number(counts.readBigUInt64LE(0)),
      allocationsElsewhere: Number(counts.readBigUInt64LE(8)),
    };
  }

  end() {
    for (const socket of this.#sockets) socket.destroy();
    for (const child of this.#processes) child.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** It reads, or it would never learn that it was turned away. */
function stuckClient(path) {
  const client = createConnection(path, () => client.write('GET /v1/status HTT'));
  return client.on('error', () => undefined).resume();
}

/** What a hypervisor has taken from this machine's processors, all together: of /proc/stat, proc(5), in ticks of 10 ms. */
function stolenMs() {
  const [, , , , , , , , steal] = readFileSync('/proc/stat', 'utf8').split(/\s+/);
  return Number(steal) * 10;
}

/**
 * Looks again and again how many connections of the socket are accepted; the function returned ends that and tells how
 * many there were most of the time. Stuck clients are turned out together when they have had their time, and come again.
 */
function countConnections(path) {
  const counts = [];
  const count = () => counts.push(acceptedOn(path));
  const timer = setInterval(count, countClientsMs);
  count();
  return () => {
    clearInterval(timer);
    const kept = counts.sort((one, other) => one - other)[Math.floor(counts.length / 2)];
    if (kept >= serverLimits.served) return { asking: askingClients, kept };
    throw new Error(
      `the run is void, the socket kept ${kept} clients most of the time, not ${serverLimits.served}: they were not there`,
    );
  };
}

/** Of /proc/net/unix: state 03 is connected, and has a file in the server; who waits to be accepted has 02. */
function acceptedOn(path) {
  const lines = readFileSync('/proc/net/unix', 'utf8').split('\n');
  return lines.filter((line) => line.endsWith(` ${path}`) && line.split(/\s+/)[5] === '03').length;
}

/** Of benches that were killed, and could remove nothing. */
function dropAbandoned() {
  for (const { name } of readdirSync(tmpdir(), { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
    const [, space, pid] = /^holdfast-bench-(\d+)-(\d+)-\w{6}$/.exec(name) ?? [];
    if (space !== pidNamespace || existsSync(`/proc/${pid}`)) continue;
    const folder = join(tmpdir(), name);
    const isMine = lstatSync(folder, { throwIfNoEntry: false })?.uid === process.getuid();
    if (isMine) rmSync(folder, { recursive: true, force: true });
  }
}

async function until(holds, what) {
  for (let attempt = 0; attempt < 500; attempt++) {
    if (holds()) return;
    await sleep(20);
  }
  throw new Error(`waited 10 s for ${what}`);
}

async function told(petter) {
  const [message] = await once(petter, 'message', { signal: AbortSignal.timeout(answerLimitMs) }).catch(() => {
    throw new Error(`waited ${answerLimitMs / 1_000} s for the petter to answer`);
  });
  return message;
}

function ask(petter, what) {
  petter.send(what);
  return told(petter);
}

function figures(before, after) {
  const overMs = after.bootMs - before.bootMs;
  const { begun, done, pets, failedPets, realtime, memoryLocked } = after;
  const allocationsElsewhere = after.allocationsElsewhere - before.allocationsElsewhere;
  if (allocationsElsewhere === 0) {
    throw new Error(
      "the run is void, no allocation was seen in the petter's other threads: what counts them does not work",
    );
  }
  return {
    ...{ pets, failedPets, begun, done, realtime, memoryLocked },
    // The pet that arms was not planned.
    missed: begun.planned - (pets - 1) - failedPets,
    wakeupsPerS: ((after.wakeups - before.wakeups) * 1_000) / overMs,
    cpuPercent: ((after.cpuMs - before.cpuMs) * 100) / overMs,
    allocations: after.allocations - before.allocations,
    allocationsElsewhere,
    stolenMs: after.stolenMs - before.stolenMs,
    // What comes after the beginning is the emulator's: a driver of the kernel takes a pet in microseconds.
    held: realtimeIsGranted ? realtime && begun.p999Ms <= aims.p999Ms && begun.maxMs <= aims.maxMs : null,
  };
}

const usage = `usage: npm run bench:keeper -- [--minutes M] [--only LOAD,...] [--json]

How late the keeper pets under load, what that costs and whether it allocates. The watchdog is emulated; the keeper's
thread is the real one. Exits with 1 when a run missed an aim, a pet failed or the keeper allocated, with 2 when a run
says nothing.
  --minutes M   of each load, 0.01 to 50 (10)
  --only LOAD   only these: ${Object.keys(loads).join(', ')}
  --json        every figure, at the end`;

/** Node's own sentences go on for three lines. */
function readOptions(options) {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    throw new Error(`${error.message.split(/\.?\n|\. /)[0]}: see --help`);
  }
}

function parseArguments() {
  const type = { string: { type: 'string' }, boolean: { type: 'boolean' } };
  const options = { minutes: type.string, only: type.string, json: type.boolean, help: type.boolean };
  const values = readOptions(options);
  const minutes = Number(values.minutes ?? 10);
  // The petter's lease lasts an hour.
  if (!(minutes >= 0.01 && minutes <= 50)) throw new Error(`--minutes is '${values.minutes}', not from 0.01 to 50`);
  const names = values.only?.split(',') ?? Object.keys(loads);
  const unknown = names.find((name) => !Object.hasOwn(loads, name));
  if (unknown !== undefined) {
    throw new Error(`--only names '${unknown}', which is no load: they are ${Object.keys(loads).join(', ')}`);
  }
  return { minutes, names, json: values.json === true, help: values.help === true };
}

/** On a terminal, in the line where the figures are going to be; the function returned ends that. */
function showProgress(load, minutes, isWanted) {
  if (!isWanted || !process.stderr.isTTY) return () => undefined;
  const startMs = performance.now();
  const show = () => {
    const leftS = Math.max(0, Math.ceil(minutes * 60 - (performance.now() - startMs) / 1_000));
    process.stderr.write(`\r${load} ... ${leftS} s \x1b[K`);
  };
  show();
  const timer = setInterval(show, 1_000);
  return () => {
    clearInterval(timer);
    process.stderr.write('\r\x1b[K');
  };
}

async function main() {
  const { minutes, names, json, help } = parseArguments();
  const print = (text) => process.stdout.write(`${text}\n`);
  if (help) {
    print(usage);
    return 0;
  }
  const machine = `${cpus()[0]?.model} x ${cpus().length}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`;
  if (!json) print(`${machine}; a pet each ${petIntervalMs} ms, ${minutes} min a load\n${legend(aims)}\n\n${heads()}`);
  dropAbandoned();
  const runs = [];
  for (const name of names) {
    const endProgress = showProgress(name, minutes, !json);
    const run = new Run();
    const stop = () => {
      run.end();
      process.exit(130);
    };
    for (const signal of endingSignals) process.once(signal, stop);
    try {
      runs.push(await run.measure(name, minutes));
    } finally {
      for (const signal of endingSignals) process.off(signal, stop);
      run.end();
      endProgress();
    }
    if (!json) print(lines(runs.at(-1)));
  }
  if (json) print(JSON.stringify({ machine, minutes, petIntervalMs, runs }, null, 2));
  return runs.some(({ held, failedPets, allocations }) => held === false || failedPets + allocations > 0) ? 1 : 0;
}

main().then(
  (code) => process.exit(code),
  (error) => {
    process.stderr.write(`bench:keeper: ${error.message}\n`);
    process.exit(2);
  },
);
