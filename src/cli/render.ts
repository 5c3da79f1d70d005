import type { ResourceConfig } from '../agent/control.js';
import type { AgentEvent, NodeStatus, StatusReport, TimingReport } from '../agent/status.js';

export type Tone = 'good' | 'notable' | 'bad' | 'faint';

/** Colours a text, or not. */
export type Paint = (tone: Tone, text: string) => string;

export const plain: Paint = (_tone, text) => text;

const sgr: Readonly<Record<Tone, string>> = { good: '32', notable: '33;1', bad: '31;1', faint: '2' };

export const coloured: Paint = (tone, text) => `\u001b[${sgr[tone]}m${text}\u001b[0m`;

/** One line that a terminal shows as it is: control characters (C0, DEL, C1) are written out. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => {
    const code = character.charCodeAt(0);
    return character === '\n' ? '\\n' : `\\x${code.toString(16).padStart(2, '0')}`;
  });
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function quorumLine({ cluster }: StatusReport, paint: Paint): string {
  const votes = `${cluster.votes} of ${cluster.expectedVotes} votes, ${cluster.quorumVotes} needed`;
  if (!cluster.connected) return `quorum ${paint('bad', 'UNKNOWN')} (corosync is not connected)`;
  return cluster.quorate ? `quorum ${paint('good', 'OK')} (${votes})` : `quorum ${paint('bad', 'NONE')} (${votes})`;
}

function leaderLine(report: StatusReport, paint: Paint): string {
  if (report.leader === null) return `leader ${paint('notable', 'none')} (this node is in no view)`;
  return `leader ${printable(report.leader)} (active, epoch ${report.epoch}, commit ${report.commitIndex})`;
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

function lrmLine(node: NodeStatus, report: StatusReport, paint: Paint): string {
  const facts = [node.state === 'online' ? node.lrm : paint(node.state === 'fence' ? 'bad' : 'notable', node.state)];
  facts.push(...protectionOf(node, paint));
  if (node.takeoverInMs !== null) facts.push(`takeover in ${seconds(node.takeoverInMs)} at the earliest`);
  if (node.storeOk === false) facts.push(paint('bad', 'its store does not work'));
  facts.push(...nearness(node, report));
  return `lrm ${printable(node.name)} (${facts.join(', ')})`;
}

function serviceTone(state: string): Tone {
  if (state === 'started') return 'good';
  return state === 'error' || state === 'fence' || state === 'recovery' ? 'bad' : 'faint';
}

function serviceLine(service: StatusReport['services'][number], paint: Paint): string {
  const state = paint(serviceTone(service.state), printable(service.state));
  const wanted = service.state === service.requested ? [] : [`requested ${service.requested}`];
  const detail = service.detail === null ? [] : [printable(service.detail)];
  return `service ${printable(service.sid)} (${[printable(service.node ?? '---'), state, ...wanted, ...detail].join(', ')})`;
}

function watchdogLine({ watchdog, protection }: StatusReport, paint: Paint): string {
  const healthy = watchdog.state === 'armed' || watchdog.state === 'idle' || watchdog.state === 'open';
  const state = watchdog.state === 'idle' ? 'not armed' : watchdog.state;
  const facts = [paint(watchdog.state === 'armed' ? 'good' : healthy ? 'faint' : 'bad', state)];
  if (protection !== 'protected') facts.push(paint('notable', protection));
  if (watchdog.identity !== null) facts.push(printable(watchdog.identity));
  if (watchdog.timeoutS !== null) facts.push(`timeout ${watchdog.timeoutS} s`);
  if (watchdog.effectiveMs !== null) facts.push(`would reset ${seconds(watchdog.effectiveMs)} after its last pet`);
  if (watchdog.lastPetAgoMs !== null) facts.push(`last pet ${seconds(watchdog.lastPetAgoMs)} ago`);
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
export function renderStatus(report: StatusReport, paint: Paint): readonly string[] {
  return [
    ...report.warnings.map((warning) => `${paint('notable', 'WARNING:')} ${printable(warning)}`),
    quorumLine(report, paint),
    leaderLine(report, paint),
    ...report.nodes.map((node) => lrmLine(node, report, paint)),
    ...report.services.map((service) => serviceLine(service, paint)),
    leaseLine(report, paint),
    watchdogLine(report, paint),
    storeLine(report, paint),
  ];
}

export function renderTiming(report: TimingReport, paint: Paint): readonly string[] {
  const rows = [
    ['NAME', 'VALUE', 'SOURCE'] as const,
    ...report.lines.map((line) => [printable(line.name), `${line.valueMs} ms`, printable(line.source)] as const),
  ];
  const nameWidth = Math.max(...rows.map(([name]) => name.length));
  const valueWidth = Math.max(...rows.map(([, value]) => value.length));
  const table = rows.map(
    ([name, value, source]) => `${name.padEnd(nameWidth)}  ${value.padStart(valueWidth)}  ${source}`,
  );
  if (report.lines.length === 0) return report.problems.map(printable);
  const verdict = report.fits ? paint('good', 'The times fit.') : paint('bad', 'The times DO NOT FIT:');
  return [...table, '', verdict, ...report.problems.map((problem) => `  ${printable(problem)}`)];
}

/** As a word of a configuration: quoted where it would not be one word. */
function word(text: string): string {
  return /^[\w.,:;/@%+=-]+$/.test(text) ? text : printable(JSON.stringify(text));
}

export function renderResource(resource: ResourceConfig): readonly string[] {
  const { sid, agent, parameters, state, maxRestart, comment } = resource;
  const properties = [
    `agent ${word(agent)}`,
    ...Object.entries(parameters).map(([name, value]) => `param ${printable(name)}=${word(value)}`),
    `state ${state}`,
    `max-restart ${maxRestart}`,
    ...(comment === '' ? [] : [`comment ${word(comment)}`]),
  ];
  return [printable(sid), ...properties.map((property) => `\t${property}`)];
}

/** Local time with milliseconds, as the lines of a journal. */
function timeOf(wallMs: number): string {
  const at = new Date(wallMs);
  const two = (value: number) => String(value).padStart(2, '0');
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return `${time}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}

export function renderEvent(event: AgentEvent, paint: Paint): string {
  return `${paint('faint', timeOf(event.wallMs))} ${printable(event.type).padEnd(8)} ${printable(event.text)}`;
}
