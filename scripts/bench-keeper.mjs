#!/usr/bin/env node
// How late the keeper pets under load, what it costs and whether it allocates: npm run bench:keeper -- [--minutes M]
// [--only LOAD,...] [--json]. Ten minutes a load unless told. The watchdog is emulated; the keeper's thread is the real one.
import { fork, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { cpus, freemem, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = (name) => fileURLToPath(new URL(`./bench-keeper.d/${name}`, import.meta.url));
const emulatorProgram = fileURLToPath(new URL('../build/Release/watchdog-emulator', import.meta.url));
/** The shortest that the keeper takes: the more pets, the more a quantile of them says. */
const petIntervalMs = 50;
const askingClients = 1_000;
const countClientsMs = 500;
/** The aims of the design, where the kernel grants SCHED_FIFO. */
const aims = { p999Ms: 1, maxMs: 10 };
const pageBytes = 4_096;
/** Seldom enough to let an idle machine idle. */
const witnessPeriodMs = 25;

const loads = {
  idle: () => [],
  cpu: () => Array.from({ length: 3 * cpus().length }, () => fork(here('busy.mjs'))),
  memory: () => [fork(here('memory.mjs'), [String(Math.floor((freemem() / 2 ** 20) * 0.8))])],
  javascript: () => [],
  clients: () => [],
};

/** One run: a machine for the emulator to reset (a sleep), the emulator, the petter, and the load. */
class Run {
  #folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  #processes = [];
  #sockets = [];

  async measure(load, minutes) {
    const machine = this.#spawn('sleep', ['infinity']);
    writeFileSync(join(this.#folder, 'machine.pid'), `${machine.pid}\n`);
    writeFileSync(join(this.#folder, 'allocations'), Buffer.alloc(pageBytes));
    const emulator = join(this.#folder, 'watchdog');
    const emulating = [emulatorProgram, '--socket', emulator, '--machine-pid-file', join(this.#folder, 'machine.pid')];
    // It stands for hardware, which no load makes slower.
    this.#spawn(
      ...(realtimeIsGranted() ? ['chrt', ['--fifo', '30', ...emulating]] : [emulating[0], emulating.slice(1)]),
    );
    const socket = join(this.#folder, 'socket');
    const petter = await this.#petter(emulator, socket, load === 'javascript');
    this.#processes.push(...loads[load]());
    if (load === 'clients') await this.#stick(socket);
    await sleep(1_000);
    const before = { ...(await ask(petter)), ...this.#costs(petter.pid) };
    const kept = load === 'clients' ? countConnections(socket) : null;
    const machineLate = this.#witness();
    await sleep(minutes * 60_000);
    const after = { ...(await ask(petter)), ...this.#costs(petter.pid) };
    return { load, clients: kept?.(), ...figures(before, after), machineMaxMs: await machineLate() };
  }

  #spawn(command, args) {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    this.#processes.push(child);
    return child;
  }

  async #petter(emulator, socket, blocked) {
    const environment = { LD_PRELOAD: this.#counter(), ALLOCATIONS: join(this.#folder, 'allocations') };
    const args = [emulator, socket, String(petIntervalMs), ...(blocked ? ['--block'] : [])];
    await until(() => readdirSync(this.#folder).includes('watchdog'), 'the emulator to listen');
    const petter = fork(here('petter.mjs'), args, { env: { ...process.env, ...environment } });
    this.#processes.push(petter);
    await said(petter, 'armed');
    return petter;
  }

  #counter() {
    return this.#build('allocations.cc', 'allocations.so', ['-shared', '-fPIC']);
  }

  /** A thread on each processor that only wakes up; the function returned ends them, and tells how late one was at most. */
  #witness() {
    const program = this.#build('witness.cc', 'witness');
    const witnesses = cpus().map((_, cpu) =>
      spawn(program, [String(cpu), String(witnessPeriodMs)], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    this.#processes.push(...witnesses);
    const told = witnesses.map((witness) => text(witness.stdout));
    return async () => {
      for (const { stdin } of witnesses) stdin.end();
      const lateMs = (await Promise.all(told)).map(Number);
      return lateMs.includes(0) ? null : Math.max(...lateMs);
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
      const client = createConnection(path, () => client.write('GET /v1/status HTT'));
      client.on('error', () => undefined);
      this.#sockets.push(client);
      if (number % 50 === 49) await sleep(20);
    }
    // Who is turned away comes again: the crowd that asks stays as large as it is.
    const again = setInterval(() => {
      for (const [index, client] of this.#sockets.entries()) {
        if (!client.destroyed) continue;
        const next = createConnection(path, () => next.write('GET /v1/status HTT'));
        next.on('error', () => undefined);
        this.#sockets[index] = next;
      }
    }, 200);
    again.unref();
    this.#sockets.push({ destroy: () => clearInterval(again), destroyed: false });
  }

  #costs(pid) {
    const task = readdirSync(`/proc/${pid}/task`).find(
      (id) => readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim() === 'hf-keeper',
    );
    const [cpuNs = '0'] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ');
    const count = Buffer.alloc(8);
    const file = openSync(join(this.#folder, 'allocations'), 'r');
    readSync(file, count, 0, 8, 0);
    closeSync(file);
    return { cpuMs: Number(cpuNs) / 1e6, allocations: Number(count.readBigUInt64LE()) };
  }

  end() {
    for (const socket of this.#sockets) socket.destroy();
    for (const child of this.#processes) child.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Looks again and again how many connections of the socket are accepted; the function returned ends that and tells. */
function countConnections(path) {
  const counts = [];
  const count = () => counts.push(acceptedOn(path));
  const timer = setInterval(count, countClientsMs);
  count();
  return () => {
    clearInterval(timer);
    return { asking: askingClients, keptLeast: Math.min(...counts), keptMost: Math.max(...counts) };
  };
}

/** Of /proc/net/unix: state 03 is connected, and has a file in the server; who waits to be accepted has 02. */
function acceptedOn(path) {
  const lines = readFileSync('/proc/net/unix', 'utf8').split('\n');
  return lines.filter((line) => line.endsWith(` ${path}`) && line.split(/\s+/)[5] === '03').length;
}

function realtimeIsGranted() {
  return spawnSync('chrt', ['--fifo', '30', 'true'], { stdio: 'ignore' }).status === 0;
}

async function until(holds, what) {
  for (let attempt = 0; attempt < 500; attempt++) {
    if (holds()) return;
    await sleep(20);
  }
  throw new Error(`waited 10 s for ${what}`);
}

async function said(child, wanted) {
  for (;;) {
    const message = await new Promise((resolve, reject) => {
      child.once('message', resolve);
      child.once('exit', (code) => reject(new Error(`the petter has ended with code ${code}`)));
    });
    if (wanted === null || message === wanted) return message;
  }
}

function ask(petter) {
  petter.send('figures');
  return said(petter, null);
}

function figures(before, after) {
  const overMs = after.bootMs - before.bootMs;
  const { begun, done, realtime, memoryLocked, failedPets } = after;
  return {
    pets: after.pets - before.pets,
    ...{ begun, done, failedPets, realtime, memoryLocked },
    wakeupsPerS: ((after.wakeups - before.wakeups) * 1_000) / overMs,
    cpuPercent: ((after.cpuMs - before.cpuMs) * 100) / overMs,
    allocations: after.allocations - before.allocations,
    // What comes after the beginning is the emulator's: a driver of the kernel takes a pet in microseconds.
    held: !realtime ? null : begun.p999Ms <= aims.p999Ms && begun.maxMs <= aims.maxMs,
  };
}

function print(run) {
  const ms = (value) => `${value.toFixed(3)} ms`.padStart(12);
  const verdict = run.held === null ? 'no SCHED_FIFO' : run.held ? 'held' : 'MISSED';
  const late = ({ p50Ms, p999Ms, maxMs }) => `${ms(p50Ms)}${ms(p999Ms)}${ms(maxMs)}`;
  process.stdout.write(
    `${run.load.padEnd(12)}${late(run.begun)}${late(run.done)}${String(run.pets).padStart(9)}` +
      `${run.wakeupsPerS.toFixed(1).padStart(10)}${run.cpuPercent.toFixed(2).padStart(8)}${String(run.allocations).padStart(13)}${run.machineMaxMs === null ? ''.padStart(12) : ms(run.machineMaxMs)}  ${verdict}\n`,
  );
  if (run.clients !== undefined) {
    const { asking, keptLeast, keptMost } = run.clients;
    process.stdout.write(
      `${''.padEnd(12)}${asking} clients asked, the socket kept ${keptLeast} to ${keptMost} of them at a time\n`,
    );
  }
}

function parseArguments() {
  const options = { minutes: { type: 'string', default: '10' }, only: { type: 'string' }, json: { type: 'boolean' } };
  const { values } = parseArgs({ options });
  const minutes = Number(values.minutes);
  if (!(minutes > 0 && minutes <= 600)) throw new Error(`--minutes is '${values.minutes}', not from 0.01 to 600`);
  const names = values.only?.split(',') ?? Object.keys(loads);
  const unknown = names.find((name) => !Object.hasOwn(loads, name));
  if (unknown !== undefined) {
    throw new Error(`--only names '${unknown}', which is no load: they are ${Object.keys(loads).join(', ')}`);
  }
  return { minutes, names, json: values.json === true };
}

async function main() {
  const { minutes, names, json } = parseArguments();
  const machine = `${cpus()[0]?.model} x ${cpus().length}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`;
  const late = `${'p50'.padStart(12)}${'p99.9'.padStart(12)}${'max'.padStart(12)}`;
  const above = `${''.padEnd(12)}${'late to begin'.padStart(36)}${'late to end (emulator)'.padStart(36)}\n`;
  const heads = `${above}${'load'.padEnd(12)}${late}${late}${'pets'.padStart(9)}${'wakeups/s'.padStart(10)}${'CPU %'.padStart(8)}${'allocations'.padStart(13)}${'machine max'.padStart(12)}\n`;
  if (!json) process.stdout.write(`${machine}; a pet each ${petIntervalMs} ms, ${minutes} min a load\n${heads}`);
  const runs = [];
  for (const name of names) {
    if (!json && process.stderr.isTTY) process.stderr.write(`${name} ...\r`);
    const run = new Run();
    const stop = () => {
      run.end();
      process.exit(130);
    };
    process.once('SIGINT', stop).once('SIGTERM', stop);
    try {
      runs.push(await run.measure(name, minutes));
      if (!json) print(runs.at(-1));
    } finally {
      process.off('SIGINT', stop).off('SIGTERM', stop);
      run.end();
    }
  }
  if (json) process.stdout.write(`${JSON.stringify({ machine, minutes, petIntervalMs, runs }, null, 2)}\n`);
  return runs.some(({ held, failedPets, allocations }) => held === false || failedPets + allocations > 0) ? 1 : 0;
}

main().then(
  (code) => process.exit(code),
  (error) => {
    process.stderr.write(`bench:keeper: ${error.message}\n`);
    process.exit(2);
  },
);
