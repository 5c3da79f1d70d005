import type { NodeStatus, ServiceStatus, StatusReport } from '../agent/status.js';
import { type Paint, printable, seconds, type Tone } from './render.js';
import { renderOptions } from './render-policy.js';

function quorumLine({ cluster }: StatusReport, paint: Paint): string {
  const votes = `${cluster.votes} of ${cluster.expectedVotes} votes, ${cluster.quorumVotes} needed`;
  if (!cluster.connected) return `quorum ${paint('bad', 'UNKNOWN')} (corosync is not connected)`;
  return cluster.quorate ? `quorum ${paint('good', 'OK')} (${votes})` : `quorum ${paint('bad', 'NONE')} (${votes})`;
}

function leaderLine(report: StatusReport, paint: Paint): string {
  const { scheduler } = report.options;
  const scheduling = scheduler === 'basic' ? '' : ` - ${scheduler} load CRS`;
  if (report.leader === null) return `leader ${paint('notable', 'none')} (this node is in no view)${scheduling}`;
  const facts = `active, epoch ${report.epoch}, commit ${report.commitIndex}`;
  return `leader ${printable(report.leader)} (${facts})${scheduling}`;
}

function fencingLine({ disarm }: StatusReport, paint: Paint): string {
  if (disarm === null) return `fencing ${paint('good', 'armed')}`;
  const what = disarm.phase === 'disarmed' ? 'nothing is fenced or recovered' : 'services are being let go';
  return `fencing ${paint('bad', disarm.phase)} (resource mode ${disarm.mode}; ${what}; 'holdfast arm' ends it)`;
}

function protectionOf(node: NodeStatus, paint: Paint): readonly string[] {
  if (node.protection === 'protected' || node.protection === null) return [];
  return [paint('notable', node.protection)];
}

/** What only this node's agent knows of it, or when it was heard last. */
function nearness(node: NodeStatus, { local, watchdog, lease }: StatusReport): readonly string[] {
  if (node.nodeId !== local.nodeId) {
    return [node.lastHeardAgoMs === null ? 'not heard by this agent' : `heard ${seconds(node.lastHeardAgoMs)} ago`];
  }
  const left = lease.held ? [`lease ${seconds(lease.remainingMs)}`] : [];
  return [`watchdog ${watchdog.state === 'idle' ? 'not armed' : watchdog.state}`, ...left, 'this node'];
}

const modes: Readonly<Record<NonNullable<NodeStatus['mode']>, string>> = {
  active: '',
  maintenance: 'maintenance mode',
  shutdown: 'shutting down',
  restart: 'about to restart',
  disarm: 'disarmed',
};

const nodeTones: Readonly<Record<NodeStatus['state'], Tone>> = {
  online: 'good',
  maintenance: 'notable',
  unknown: 'notable',
  released: 'faint',
  fence: 'bad',
  fenced: 'notable',
  gone: 'faint',
};

function lrmLine(node: NodeStatus, report: StatusReport, paint: Paint, verbose: boolean): string {
  const up = node.state === 'online' || node.state === 'maintenance';
  const facts = [up ? node.lrm : paint(nodeTones[node.state], node.state)];
  const mode = up && node.mode !== null ? modes[node.mode] : '';
  if (mode !== '') facts.push(paint('notable', mode));
  else if (node.maintenance) facts.push(paint('notable', 'maintenance asked for'));
  facts.push(...protectionOf(node, paint));
  if (node.takeoverInMs !== null) facts.push(`takeover in ${seconds(node.takeoverInMs)} at the earliest`);
  if (node.unprotected && (node.state === 'unknown' || node.state === 'fence')) {
    facts.push(
      paint('bad', `was disarmed when it was lost: 'holdfast confirm-off ${printable(node.name)}' if it is off`),
    );
  }
  if (node.storeOk === false) facts.push(paint('bad', 'its store does not work'));
  if (verbose) facts.push(...loadOf(node));
  facts.push(...nearness(node, report));
  return `lrm ${printable(node.name)} (${facts.join(', ')})`;
}

const gib = 1024 ** 3;

function loadOf({ services, load }: NodeStatus): readonly string[] {
  const held = services === 1 ? 'one service' : `${services} services`;
  if (load === null) return [held];
  const cpu = `cpu ${load.usedCpus.toFixed(1)} of ${load.cpus}`;
  return [held, cpu, `memory ${(load.usedMemoryBytes / gib).toFixed(1)} of ${(load.memoryBytes / gib).toFixed(1)} GiB`];
}

function serviceTone(state: string): Tone {
  if (state === 'started') return 'good';
  return ['error', 'fence', 'recovery', 'freeze'].includes(state) ? 'bad' : 'faint';
}

/** Its state is what it was when its node was lost; or when this node was. */
function isOutdated({ node, state }: ServiceStatus, { nodes }: StatusReport): boolean {
  const at = nodes.find(({ name }) => name === node);
  if (at === undefined || !['started', 'request_stop', 'migrate', 'relocate'].includes(state)) return false;
  return at.state === 'unknown' || at.state === 'fence' || at.lrm === 'unknown';
}

function serviceLine(service: ServiceStatus, report: StatusReport, paint: Paint, verbose: boolean): string {
  const { target, order, failedNodes, origin, restarts, detail } = service;
  const facts = [printable(service.node ?? '---')];
  facts.push(paint(serviceTone(service.state), printable(service.state)));
  if (isOutdated(service, report)) facts.push(paint('bad', `${facts[0]} is out of reach`));
  if (target !== null) facts.push(`to ${printable(target)}`);
  if (service.state !== service.requested) facts.push(`requested ${service.requested}`);
  if (order !== null) facts.push(`${order.kind} to ${printable(order.node)} asked for`);
  if (detail !== null) facts.push(printable(detail));
  if (restarts !== null && restarts > 0) facts.push(`restarted ${restarts === 1 ? 'once' : `${restarts} times`}`);
  if (failedNodes.length > 0) facts.push(paint('notable', `failed on ${printable(failedNodes.join(', '))}`));
  if (verbose && origin !== null) facts.push(`goes back to ${printable(origin)}`);
  return `service ${printable(service.sid)} (${facts.join(', ')})`;
}

function watchdogLine({ watchdog, protection }: StatusReport, paint: Paint): string {
  const healthy = watchdog.state === 'armed' || watchdog.state === 'idle' || watchdog.state === 'open';
  const state = watchdog.state === 'idle' ? 'not armed' : watchdog.state;
  const facts = [paint(watchdog.state === 'armed' ? 'good' : healthy ? 'faint' : 'bad', state)];
  if (protection !== 'protected') facts.push(paint('notable', protection));
  if (watchdog.identity !== null) facts.push(printable(watchdog.identity));
  if (watchdog.timeoutS !== null) facts.push(`timeout ${watchdog.timeoutS} s`);
  if (watchdog.effectiveMs !== null) facts.push(`would reset ${seconds(watchdog.effectiveMs)} after its last pet`);
  if (watchdog.lastPetAgoMs !== null && watchdog.state !== 'idle')
    facts.push(`last pet ${seconds(watchdog.lastPetAgoMs)} ago`);
  if (watchdog.state === 'armed') {
    facts.push(
      `worst lateness ${watchdog.worstLatenessMs.toFixed(2)} ms`,
      watchdog.realtime ? 'realtime' : paint('notable', 'not realtime'),
    );
  }
  if (watchdog.detail !== null) facts.push(printable(watchdog.detail));
  return `watchdog ${printable(watchdog.device ?? 'none')} (${facts.join(', ')})`;
}

function leaseLine({ lease }: StatusReport, paint: Paint): string {
  if (!lease.held) return `lease ${paint('faint', 'not held')}`;
  return `lease ${paint('good', 'held')} (${seconds(lease.remainingMs)} of ${seconds(lease.leaseMs)} left)`;
}

function storeLine({ store }: StatusReport, paint: Paint): string {
  if (store.ok) return `store ${paint('good', 'OK')}`;
  return `store ${paint('bad', 'FAILED')}${store.detail === null ? '' : ` (${printable(store.detail)})`}`;
}

/** In the manner of `ha-manager status`: what has to be seen first, then one line for each thing. */
export function renderStatus(report: StatusReport, paint: Paint, verbose: boolean): readonly string[] {
  return [
    ...report.warnings.map((warning) => `${paint('notable', 'WARNING:')} ${printable(warning)}`),
    quorumLine(report, paint),
    leaderLine(report, paint),
    fencingLine(report, paint),
    ...report.nodes.map((node) => lrmLine(node, report, paint, verbose)),
    ...report.services.map((service) => serviceLine(service, report, paint, verbose)),
    ...report.rulesDropped.map(
      ({ ruleId, reason }) => `rule ${printable(ruleId)} (${paint('bad', 'NOT IN FORCE')}, ${printable(reason)})`,
    ),
    leaseLine(report, paint),
    watchdogLine(report, paint),
    storeLine(report, paint),
    ...(verbose ? renderOptions(report.options).map((option) => `option ${option}`) : []),
  ];
}
