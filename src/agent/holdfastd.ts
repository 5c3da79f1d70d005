#!/usr/bin/env node
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { createStatusServer, type StatusServer } from '../api/status-server.js';
import { HoldfastError } from '../core/errors.js';
import { explain } from '../core/explanation.js';
import { blankRecord, type DurableRecord } from '../core/log.js';
import type { ManagerInput } from '../core/manager-round.js';
import { managerInput } from '../core/manager-turn.js';
import type { NodeOptions, WatchdogFacts } from '../core/node-state.js';
import { previewCommand } from '../core/preview.js';
import { readBootId } from '../host/boot-id.js';
import { defaultConfigFile, loadConfig } from '../host/config-file.js';
import { createCorosyncCluster } from '../host/corosync-cluster.js';
import { FileStore } from '../host/file-store.js';
import { groupIdOf } from '../host/group-id.js';
import { startHangWitness } from '../host/hang-witness.js';
import { createHostClock } from '../host/host-clock.js';
import { createWatchdog, type KeeperWatchdog } from '../host/keeper-watchdog.js';
import { HostLoadMeter } from '../host/load-meter.js';
import { createLogger } from '../host/logger.js';
import { shutdownUnderWay } from '../host/machine-shutdown.js';
import { loadNative, type Native } from '../host/native.js';
import { OcfDriver } from '../host/ocf-driver.js';
import { runProcess } from '../host/ocf-process.js';
import { ResetFiles } from '../host/reset-files.js';
import { ResetHistoryKeeper, type ThisBoot } from '../host/reset-history.js';
import { ResetWatch } from '../host/reset-watch.js';
import { validatedResets, wordOf } from '../host/reset-watchdog.js';
import { ValidationChanges } from '../host/validation-changes.js';
import { completeValidation } from '../host/validation-completion.js';
import { ValidationFiles } from '../host/validation-record.js';
import { isVolatile } from '../host/volatile-directory.js';
import { findConfiguredWatchdog } from '../host/watchdog-choice.js';
import { trustIn } from '../host/watchdog-trust.js';
import type { Clock } from '../ports/clock.js';
import type { ResourceDriver } from '../ports/resource-driver.js';
import type { Store } from '../ports/store.js';
import type { WatchdogInfo } from '../ports/watchdog.js';
import { Agent } from './agent.js';
import type { Config, WatchdogConfig } from './config.js';
import { LocalControl, type Reports } from './local-control.js';
import { protectionWarning, statusReport, timingReport } from './report.js';
import { resetWarnings } from './reset-sentences.js';
import type { Protection } from './status.js';

/** The daemon: reads its configuration, joins the ports to the agent, and ends cleanly. */

/** sysexits(3): a configuration that cannot be used; systemd need not try again. */
const exitConfig = 78;
const exitFailed = 70;
/** How long an ending agent waits for the watchdog and for corosync. */
const stopMs = 4_000;

const usage = `usage: holdfastd [--config FILE]

Runs the Holdfast agent of this node. FILE is ${defaultConfigFile} unless named.`;

interface WatchdogFindings {
  readonly watchdog: KeeperWatchdog | null;
  readonly info: WatchdogInfo | null;
  readonly problem: string | null;
  readonly protection: Protection;
}

async function main(argv: readonly string[]): Promise<void> {
  const file = parseArguments(argv);
  const config = loadConfig(file);
  const log = createLogger(config.logLevel, process.env.JOURNAL_STREAM !== undefined);
  ignoreHangup(log);
  const native = loadNative();
  const clock = createHostClock(native);
  const unsettled = await completeLastValidation(config.stateDir, clock, log);
  const changes = await ValidationChanges.open(config.stateDir);
  const findings = unsettled === null ? await findWatchdog(config, native, changes) : unprotected(unsettled);
  if (await isVolatile(config.stateDir))
    log.warn(
      {},
      `${config.stateDir} lies in memory: with each reset this node forgets the cluster; set stateDir to a directory on a disk`,
    );
  const store = new FileStore(config.stateDir);
  const record = await loadRecord(store, log);
  const driver = new OcfDriver({ ocfRoot: config.ocfRoot });
  const drivers = new Map<string, ResourceDriver>([[driver.type, driver]]);
  const options = nodeOptions(config, findings, drivers, clock.bootMs());
  const files = new ResetFiles(config.stateDir);
  const validations = await validatedResets(config.stateDir, (text) => log.error({}, text));
  const found = { watchdog: wordOf(findings.info), validations };
  const history = await openHistory(files, options.bootId, clock, found, log);
  const agent = new Agent(
    options,
    record,
    {
      clock,
      cluster: createCorosyncCluster({ native }),
      store,
      watchdog: findings.watchdog,
      drivers,
      loads: new HostLoadMeter(),
      log,
      lastWords: async (): Promise<void> => watch.look(),
    },
    () => onAgentFailure(findings, watch),
  );
  const watch: ResetWatch = new ResetWatch({
    agent,
    keeper: () => findings.watchdog?.stats() ?? null,
    history,
    saveNotes: (notes) => files.saveNotes(notes),
    witness: startHangWitness(
      files.notesPath,
      () => watch.rewrite(),
      (text) => log.warn({}, text),
    ),
    clock,
    log,
  });
  findings.watchdog?.onEvent((event) => onKeeperEvent(agent, event, log));
  const control = new LocalControl(agent, drivers, reports(agent, findings, history, [...drivers.keys()], clock));
  const server = createStatusServer({
    socketPath: config.socket,
    control,
    peerCredentials: (fd) => peerCredentials(native, fd),
    ...(config.adminGroup === null ? {} : { adminGid: groupIdOf(config.adminGroup) }),
    log,
  });
  await server.listen();
  const end = ender(agent, server, watch, log);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end(0, `${signal}: ending`));
  // What is armed over what runs here was armed by what was known then.
  changes.watch(
    () => (findings.watchdog?.stats().state ?? 'idle') === 'idle',
    (problem) => end(exitFailed, `${problem}: ending, for a supervisor to start it with what is known now`),
  );
  log.info(
    { version, incarnation: options.incarnation, bootId: options.bootId, config: file ?? defaultConfigFile },
    `holdfastd ${version} starts: fence bound ${config.fenceBoundMs} ms, watchdog ${findings.info?.device ?? 'none'}`,
  );
  const warning = protectionWarning(findings.protection, findings.info?.device ?? null, findings.problem);
  if (warning !== null) log.warn({}, warning);
  agent.start();
  watch.start();
  tellLastReset(history, log).catch((error: Error) => log.error({ err: error }, error.message));
}

/** The configuration file, if one is named. */
function parseArguments(argv: readonly string[]): string | undefined {
  const [option, value, ...rest] = argv;
  if (option === undefined) return undefined;
  if (option === '--help' || option === '-h') {
    process.stdout.write(`${usage}\n`);
    process.exit(0);
  }
  if (option === '--version') {
    process.stdout.write(`${version}\n`);
    process.exit(0);
  }
  if (option === '--config' && value === undefined) {
    throw new HoldfastError('HF_ARGUMENT', `--config needs a file, as in --config ${defaultConfigFile}`);
  }
  if (option !== '--config' || rest.length > 0) {
    throw new HoldfastError('HF_ARGUMENT', `holdfastd takes only --config FILE, not '${argv.join(' ')}'`);
  }
  return value;
}

const version: string = (
  JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

/**
 * A watchdog that was being validated may have reset this machine: then it can be trusted from now on. Why nothing may
 * run here before its verdict is known, one sentence; null: it is, or there is none.
 */
async function completeLastValidation(stateDir: string, clock: Clock, log: Logger): Promise<string | null> {
  try {
    const completion = await completeValidation(new ValidationFiles(stateDir), clock.wallMs());
    if (completion.outcome === 'verdict') {
      const { device, verdict, kappa, sentence } = completion.validation;
      log[verdict === 'resets' ? 'info' : 'warn']({ device, verdict, kappa }, `${device}: ${sentence}`);
    } else if (completion.outcome === 'untried') log.warn({}, completion.sentence);
    else if (completion.outcome === 'under-way') {
      return `${completion.device} is being validated (pid ${completion.pid}), and resets this machine: should it end without a reset, start this agent again`;
    }
    return null;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return error.message;
  }
}

async function findWatchdog(config: Config, native: Native, changes: ValidationChanges): Promise<WatchdogFindings> {
  try {
    return config.watchdog.kind === 'emulated'
      ? await findEmulator(config.watchdog, native)
      : await findDevice(config.watchdog, config.stateDir, native, changes);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return unprotected(error.message);
  }
}

function unprotected(problem: string): WatchdogFindings {
  return { watchdog: null, info: null, problem, protection: 'UNPROTECTED (no watchdog)' };
}

type EmulatorConfig = Extract<WatchdogConfig, { kind: 'emulated' }>;
type DeviceConfig = Extract<WatchdogConfig, { kind: 'kernel' }>;

async function findEmulator({ emulator, kappa }: EmulatorConfig, native: Native): Promise<WatchdogFindings> {
  const watchdog = createWatchdog({ emulator, ...(kappa === null ? {} : { kappa }) }, native);
  return {
    watchdog,
    info: await watchdog.inspect(),
    problem: null,
    protection: 'UNPROTECTED (emulated)',
  };
}

async function findDevice(
  config: DeviceConfig,
  stateDir: string,
  native: Native,
  changes: ValidationChanges,
): Promise<WatchdogFindings> {
  const { device, known, insteadOf } = await findConfiguredWatchdog(config.device, stateDir);
  const { kappa, validated, problem, protection } = trustIn(device, known, config, insteadOf);
  const options = { device, validated, ...(kappa === null ? {} : { kappa }) };
  const watchdog = createWatchdog(options, native, () => changes.problem());
  return { watchdog, info: await watchdog.inspect(), problem, protection };
}

async function loadRecord(store: Store, log: Logger): Promise<DurableRecord> {
  const loaded = await store.load();
  if (loaded.outcome === 'loaded') return loaded.record;
  const lost = loaded.outcome === 'damaged';
  if (!lost) log.info({}, 'the store is empty: this node knows nothing of the cluster yet');
  if (lost) log.error({}, `the store is damaged (${loaded.detail}): this node joins as one that knows nothing`);
  return blankRecord(lost);
}

function openHistory(
  files: ResetFiles,
  bootId: string,
  clock: Clock,
  found: Pick<ThisBoot, 'watchdog' | 'validations'>,
  log: Logger,
): Promise<ResetHistoryKeeper> {
  const nowMs = clock.wallMs();
  const boot = { bootId, nowMs, bootedMs: Math.max(0, nowMs - clock.bootMs()), ...found };
  return ResetHistoryKeeper.open(files, { root: '/', run: runProcess }, boot, (text) => log.warn({}, text));
}

/** In the background: logs and dumps may take seconds to read. */
async function tellLastReset(history: ResetHistoryKeeper, log: Logger): Promise<void> {
  await history.gather();
  const [newest] = history.unacknowledged();
  if (newest !== undefined) log.warn({ reset: newest }, `the last end of this machine: ${newest.summary}`);
}

function nodeOptions(
  config: Config,
  findings: WatchdogFindings,
  drivers: ReadonlyMap<string, ResourceDriver>,
  startedMs: number,
): NodeOptions {
  return {
    incarnation: randomBytes(8).toString('hex'),
    bootId: readBootId(),
    startedMs,
    fenceBoundMs: config.fenceBoundMs,
    watchdog: findings.info && watchdogFacts(findings.info),
    protectionLabel: findings.protection,
    refusal: findings.problem,
    migratesLive: [...drivers.values()].filter(({ migrate }) => migrate !== undefined).map(({ type }) => type),
  };
}

function watchdogFacts({ kappa, minTimeoutS, maxTimeoutS, active }: WatchdogInfo): WatchdogFacts {
  return { kappa, minTimeoutS, maxTimeoutS, active };
}

/** The agent has stopped itself. If something is armed, the watchdog ends this node; if not, a new agent may try. */
function onAgentFailure(findings: WatchdogFindings, watch: ResetWatch): void {
  const state = findings.watchdog?.stats().state ?? 'idle';
  if (state === 'idle') process.exit(exitFailed);
  // The core has failed in the middle of an event: it is looked at once that is over.
  setImmediate(() => watch.look());
}

function onKeeperEvent(agent: Agent, event: { readonly type: string; readonly error?: string }, log: Logger): void {
  if (event.type === 'expired') agent.dispatch({ type: 'watchdog', event: { type: 'expired' } });
  else if (event.type === 'pet-works') log.info({}, 'the watchdog takes pets again');
  else log.error({ error: event.error }, `${event.type}: the watchdog answers ${event.error}`);
}

function reports(
  agent: Agent,
  findings: WatchdogFindings,
  history: ResetHistoryKeeper,
  resourceTypes: readonly string[],
  clock: Clock,
): Reports {
  const { info } = findings;
  const known = (): ManagerInput => {
    const { cluster } = agent.node;
    if (cluster === null) throw new HoldfastError('HF_NO_QUORUM', 'corosync does not answer yet: nothing is known');
    return managerInput(agent.node, cluster, clock.bootMs());
  };
  const kappaSource = info?.kind === 'emulated' ? 'the emulator' : info?.validated ? 'measured' : 'assumed';
  return {
    status: () => {
      const report = statusReport({
        node: agent.node,
        nowMs: clock.bootMs(),
        version,
        connected: agent.connected,
        failed: agent.failed,
        protection: findings.protection,
        watchdog: info,
        watchdogProblem: findings.problem,
        keeper: findings.watchdog?.stats() ?? null,
        storeProblem: agent.storeProblem,
        resourceTypes,
      });
      return { ...report, warnings: [...report.warnings, ...resetWarnings(history.unacknowledged())] };
    },
    timing: () => timingReport(agent.node, kappaSource),
    explain: (sid) => {
      const explanation = explain(known(), sid);
      if (explanation === null) throw new HoldfastError('HF_NOT_FOUND', `there is no resource ${sid}`);
      return explanation;
    },
    preview: (command) => previewCommand(known(), command),
    resets: () => history.report(),
    acknowledgeResets: () => history.acknowledge(clock.wallMs()),
  };
}

function peerCredentials(native: Native, fd: number): { pid: number; uid: number; gid: number } {
  const credentials = native.peerCredentials(fd);
  if (typeof credentials === 'number') throw new Error(`SO_PEERCRED: errno ${credentials}`);
  return credentials;
}

/** By default it ends a process: closing a terminal would reset a node that runs something. */
function ignoreHangup(log: Logger): void {
  process.on('SIGHUP', () => {
    log.warn({}, 'SIGHUP is ignored: the configuration is read only at the start, and SIGTERM ends the agent');
  });
}

/** Ends the agent in order, once. */
function ender(
  agent: Agent,
  server: StatusServer,
  watch: ResetWatch,
  log: Logger,
): (code: number, why: string) => void {
  let ending = false;
  return (code, why) => {
    if (ending) return;
    ending = true;
    log[code === 0 ? 'info' : 'error']({}, why);
    endInOrder(agent, server, watch, log, code).then(
      () => process.exit(code),
      (error: Error) => {
        log.error({ err: error }, `ending failed: ${error.message}`);
        process.exit(exitFailed);
      },
    );
  };
}

/** Before the machine goes down, by the shutdown policy: that takes as long as the resources take to stop or move. */
async function endInOrder(
  agent: Agent,
  server: StatusServer,
  watch: ResetWatch,
  log: Logger,
  code: number,
): Promise<void> {
  const kind = await shutdownUnderWay((why) => log.error({}, `${why}: what runs here is left as it is`));
  if (kind !== null) {
    await agent.prepareShutdown(kind).catch((error: Error) => log.error({ err: error }, error.message));
  }
  setTimeout(() => process.exit(code), stopMs).unref();
  await Promise.all([agent.stop(), server.close()]);
  await watch.ended(kind);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof HoldfastError)) throw error;
  process.stderr.write(`holdfastd: ${error.message} [${error.code}]\n`);
  process.exit(error.code === 'HF_CONFIG' || error.code === 'HF_ARGUMENT' ? exitConfig : 1);
});
