import { spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Control } from './control.mjs';
import { GuestClock } from './guest-clock.mjs';
import { monotonicMs } from './host-clock.mjs';
import { openLineSocket } from './line-socket.mjs';
import { qemuArguments } from './machine.mjs';
import { parseTraceLine } from './pet-trace.mjs';
import { Qmp } from './qmp.mjs';

/** A condition for shell commands: an emulated processor is not to be kept busy by a CLI that nobody can answer. */
export const agentIsThere = '[ -S /run/holdfast/holdfast.sock ]';

/** What is seen of a guest, see Guest. `isReady`: it takes commands. */
export const isReady = ({ kind, line }) => kind === 'control' && line === '0 = 0';
export const isPet = ({ kind }) => kind === 'pet';
export const isRun = ({ kind }) => kind === 'runs';
export const isClose = ({ kind }) => kind === 'close';
export const isReset = ({ kind }) => kind === 'reset';
/** A kernel has booted so far that its loader runs. */
export const isBoot = ({ kind, line }) => kind === 'console' && line.includes('LAB loader runs');
/** What the guest's own scripts say when they cannot do their part. */
const isLabFailure = ({ kind, line }) => kind === 'console' && line.includes('LAB FAILED');

const startMs = 120_000;
const commandMs = 90_000;
const askMs = 100;
const endMs = 3_000;

/**
 * One QEMU guest. Keeps what was seen of it, each with the host's instant; emits 'seen' with each:
 * { kind: 'watchdog' }: the hardware says that it has fired; 'reset': the machine stands still, to be reset, `by` whom,
 * and `wordMs`, when the hardware had said that it has fired; null: it had not;
 * 'pet' and 'close' with the driver's function and the error of the clock; 'runs': the witness runs here, and says so for
 * the `count`th time since it was started; 'console', 'control': a line of that port; 'event': any other of QEMU's.
 */
export class Guest extends EventEmitter {
  name;
  clock = new GuestClock();
  seen = [];
  #process = null;
  #ended = null;
  #log;
  #sockets = {};
  #asking = null;
  #catchResets = false;
  /** Whoever answers is the boot that ends, which a reset by the lab lets run on for a moment. */
  #isBeingReset = false;
  #wordMs = null;
  #startedMs = monotonicMs();
  #qmp = new Qmp((event) => this.#onEvent(event));
  #control = new Control((text) => this.#sockets.control.write(text));

  /** `directory` is the guest's own, for sockets and logs. */
  constructor(name, directory) {
    super();
    this.setMaxListeners(0);
    this.name = name;
    this.directory = directory;
    this.#log = createWriteStream(join(directory, 'guest.log'));
  }

  /** `machine` as qemuArguments takes it, without sockets. Leaves nothing running if it rejects. */
  async start(machine) {
    try {
      await this.#start(machine);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async #start(machine) {
    const names = ['console', 'control', 'observer', 'witness', 'qmp'];
    const sockets = Object.fromEntries(names.map((name) => [name, join(this.directory, name)]));
    const stdio = ['ignore', 'ignore', 'pipe'];
    // Before what else this machine does: a guest that waits for a processor cannot restart its agent in time.
    const qemu = ['nice', '-n', '-5', 'qemu-system-x86_64', ...qemuArguments({ ...machine, sockets })];
    // A lab that is killed stops nothing: let its guests die with it.
    this.#process = spawn('setpriv', ['--pdeathsig', 'KILL', ...qemu], { stdio });
    this.#process.stderr.on('data', (text) => this.#note('qemu', String(text).trim()));
    this.#ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.once('error', (error) => this.#note('qemu', error.message));
    const options = { limitMs: startMs, alive: () => this.isRunning() };
    for (const name of names.slice(0, 4)) {
      this.#sockets[name] = await openLineSocket(sockets[name], (line) => this.#take(name, line), options);
    }
    await this.#qmp.open(sockets.qmp, options);
    this.#asking = setInterval(() => this.#sockets.observer.write(`${this.clock.ask(monotonicMs())}\n`), askMs);
  }

  isRunning() {
    const { pid, exitCode, signalCode } = this.#process ?? {};
    return pid !== undefined && exitCode === null && signalCode === null;
  }

  /** Runs a shell command in the guest; its output. */
  sh(command, limitMs = commandMs) {
    return this.#control.run(command, limitMs);
  }

  /** As its reset button would. */
  reset() {
    this.#onReset('lab', monotonicMs());
  }

  /** What was seen from `sinceMs` on, and whether `fits` says yes. */
  find(sinceMs, fits) {
    return this.seen.filter((each) => each.atMs >= sinceMs && fits(each));
  }

  /**
   * The first thing from `sinceMs` on that fits, whether it was seen already or will be within `limitMs`. Rejects at once
   * where the guest says that it cannot do its part.
   */
  until(what, sinceMs, fits, limitMs) {
    const failed = ({ line }) => new Error(`${this.name}: ${line}, before ${what}`);
    const [known] = this.find(sinceMs, (each) => isLabFailure(each) || fits(each));
    if (known !== undefined) return isLabFailure(known) ? Promise.reject(failed(known)) : Promise.resolve(known);
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(late);
        this.off('seen', look);
        this.off('over', over);
      };
      const look = (each) => {
        if (each.atMs < sinceMs || !(isLabFailure(each) || fits(each))) return;
        end();
        if (isLabFailure(each)) reject(failed(each));
        else resolve(each);
      };
      const over = () => {
        end();
        reject(new Error(`${this.name}: QEMU ended before ${what}`));
      };
      const late = setTimeout(() => {
        end();
        reject(new Error(`${this.name}: no ${what} within ${limitMs} ms`));
      }, limitMs);
      this.on('seen', look);
      this.once('over', over);
    });
  }

  async stop() {
    clearInterval(this.#asking);
    this.#control.abandon('the guest is being stopped');
    if (this.isRunning()) {
      this.#process.kill('SIGTERM');
      const late = setTimeout(() => this.#process.kill('SIGKILL'), endMs);
      await this.#ended;
      clearTimeout(late);
    }
    this.#qmp.close();
    for (const socket of Object.values(this.#sockets)) socket.destroy();
    this.emit('over');
    await new Promise((resolve) => this.#log.end(resolve));
  }

  /** At once, without waiting: the lab itself is being ended. */
  kill() {
    if (this.isRunning()) this.#process.kill('SIGKILL');
  }

  #onEvent({ name, atMs, data }) {
    if (name === 'WATCHDOG') this.#onWord(atMs);
    else if (name === 'SHUTDOWN' && data.reason === 'guest-reset') this.#onReset('guest', atMs);
    else this.#see({ kind: 'event', name, atMs, data });
  }

  #onWord(atMs) {
    this.#wordMs = atMs;
    this.#see({ kind: 'watchdog', atMs });
  }

  /**
   * QEMU was told to stop the machine where it would be reset: the event then has the instant of the reset, and not the
   * one a second later when its memory has been loaded anew.
   */
  #onReset(by, atMs) {
    this.#see({ kind: 'reset', by, atMs, wordMs: this.#wordMs });
    this.#wordMs = null;
    this.#catchResets = false;
    this.#isBeingReset = true;
    this.#control.abandon(`${this.name} was reset`);
    this.#goOn().catch((error) => this.#note('qemu', error.message));
  }

  async #goOn() {
    await this.#qmp.send('stop');
    // Whoever was asked before is gone.
    this.clock.restart();
    this.#isBeingReset = false;
    await this.#qmp.send('set-action', { reboot: 'reset' });
    await this.#qmp.send('system_reset');
    await this.#qmp.send('cont');
  }

  /** Only of a guest that is up: the firmware resets the machine some ten times more before it boots. */
  #onAlive() {
    if (this.#catchResets) return;
    this.#catchResets = true;
    this.#qmp.send('set-action', { reboot: 'shutdown' }).catch((error) => this.#note('qemu', error.message));
  }

  #take(port, line) {
    if (port === 'control') this.#control.take(line);
    if (port === 'observer') this.#observe(line);
    else if (port === 'witness') this.#heard(line);
    else this.#see({ kind: port, line, atMs: monotonicMs() });
  }

  /** A line that a reset has cut off says nothing. */
  #heard(line) {
    const [, count] = /^runs (\d+)$/.exec(line) ?? [];
    if (count !== undefined) this.#see({ kind: 'runs', count: Number(count), atMs: monotonicMs() });
  }

  #observe(line) {
    if (this.#isBeingReset) return;
    const [, question, bootNs] = /^clock (\d+) (\d+)$/.exec(line) ?? [];
    if (bootNs !== undefined) {
      // A late answer of a boot that is over does not tell that this one is past its firmware.
      if (this.clock.answered(question, Number(bootNs) / 1e6, monotonicMs())) this.#onAlive();
      return;
    }
    const call = line.startsWith('trace ') ? parseTraceLine(line.slice('trace '.length)) : null;
    if (call === null) return this.#note('observer', line);
    const at = this.clock.toHost(call.bootMs);
    if (at !== null) this.#see({ ...call, atMs: at.ms, errorMs: at.errorMs });
  }

  #see(each) {
    this.seen.push(each);
    if (this.seen.length > maxSeen) this.seen.splice(0, maxSeen / 10);
    if (each.kind !== 'runs') this.#note(each.kind, describe(each), each.atMs);
    this.emit('seen', each);
  }

  #note(kind, text, atMs = monotonicMs()) {
    this.#log.write(`${((atMs - this.#startedMs) / 1_000).toFixed(3)} ${kind} ${text}\n`);
  }
}

/** What a lab of an hour can see of one guest. */
const maxSeen = 200_000;

function describe({ kind, name, line, program, by, data }) {
  if (kind === 'event') return `${name} ${JSON.stringify(data)}`;
  if (kind === 'reset') return `by ${by}`;
  return line ?? [name, program && `by ${program}`].filter(Boolean).join(' ');
}
