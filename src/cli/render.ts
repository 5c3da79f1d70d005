import type { ResourceConfig } from '../agent/control.js';
import type { AgentEvent, TimingReport } from '../agent/status.js';

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

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
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
export function word(text: string): string {
  return /^[\w.,:;/@%+=-]+$/.test(text) ? text : printable(JSON.stringify(text));
}

export function renderResource(resource: ResourceConfig): readonly string[] {
  const { parameters } = resource;
  const properties = [
    ...(resource.agent === '' ? [] : [`agent ${word(resource.agent)}`]),
    ...Object.entries(parameters).map(([name, value]) => `param ${printable(name)}=${word(value)}`),
    `state ${resource.state}`,
    `max-restart ${resource.maxRestart}`,
    `max-relocate ${resource.maxRelocate}`,
    ...(resource.failback ? [] : ['failback 0']),
    ...(resource.autoRebalance ? [] : ['auto-rebalance 0']),
    ...(resource.group === null ? [] : [`group ${word(resource.group)}`]),
    ...(resource.priority === 0 ? [] : [`priority ${resource.priority}`]),
    ...(resource.requires.length === 0 ? [] : [`requires ${word(resource.requires.join(','))}`]),
    ...(resource.after.length === 0 ? [] : [`after ${word(resource.after.join(','))}`]),
    ...(resource.cpus === 0 ? [] : [`cpus ${resource.cpus}`]),
    ...(resource.memoryMiB === 0 ? [] : [`memory ${resource.memoryMiB}`]),
    ...comment(resource.comment),
  ];
  return section(resource.sid, properties);
}

/** A heading, and its settings below it, as in a section file. */
export function section(heading: string, properties: readonly string[]): readonly string[] {
  return [printable(heading), ...properties.map((property) => `\t${property}`)];
}

export function comment(text: string): readonly string[] {
  return text === '' ? [] : [`comment ${word(text)}`];
}

/** Local time with milliseconds, as the lines of a journal. */
export function timeOf(wallMs: number): string {
  const at = new Date(wallMs);
  const two = (value: number) => String(value).padStart(2, '0');
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return `${time}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}

export function renderEvent(event: AgentEvent, paint: Paint): string {
  return `${paint('faint', timeOf(event.wallMs))} ${printable(event.type).padEnd(8)} ${printable(event.text)}`;
}
