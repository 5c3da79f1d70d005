import { HoldfastError } from '../core/errors.js';
import { nearestName } from '../core/nearest-name.js';
import type { ResourceDefinition } from '../ports/resource-driver.js';
import type { AgentMetaData, AgentParameter } from './ocf-metadata.js';

/** `ocf:heartbeat:IPaddr2` in parts that are safe as path components. */
export interface AgentName {
  readonly full: string;
  readonly provider: string;
  readonly agent: string;
}

const sidRule = /^ocf:[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
/** No slash, and no dot in front: neither can lead out of the directory. */
const componentRule = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;
/** What a shell, and so an agent, can read from its environment. */
const parameterRule = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const maxParameters = 256;
const maxValueBytes = 4096;

/** Checks all that can be told without the agent; throws a HoldfastError (HF_ARGUMENT). */
export function checkDefinition(definition: ResourceDefinition): AgentName {
  if (!sidRule.test(definition.sid)) {
    throw malformed(
      `${quote(definition.sid)} is not the name of an OCF resource: write ocf: and 1 to 64 letters, digits, ` +
        `'_', '.' or '-', for instance ocf:web`,
    );
  }
  const name = parseAgentName(definition.agent);
  const parameters = Object.entries(definition.parameters);
  if (parameters.length > maxParameters) {
    throw malformed(`${definition.sid} has ${parameters.length} parameters; at most ${maxParameters} are possible`);
  }
  for (const [parameter, value] of parameters) {
    if (!parameterRule.test(parameter)) {
      throw malformed(`${quote(parameter)} cannot be a parameter's name: use letters, digits and '_', at most 64`);
    }
    if (value.includes('\0')) throw malformed(`the value of ${parameter} holds a NUL character: remove it`);
    const bytes = Buffer.byteLength(value);
    if (bytes > maxValueBytes) {
      throw malformed(`the value of ${parameter} has ${bytes} bytes; at most ${maxValueBytes} are possible`);
    }
  }
  return name;
}

function parseAgentName(full: string): AgentName {
  const [standard, provider = '', agent = '', ...rest] = full.split(':');
  if (standard === 'ocf' && rest.length === 0 && componentRule.test(provider) && componentRule.test(agent)) {
    return { full, provider, agent };
  }
  const hint = standard === 'ocf' && agent === '' && componentRule.test(provider) ? `ocf:heartbeat:${provider}` : '';
  throw malformed(
    `${quote(full)} is not the name of an OCF agent: write ocf:PROVIDER:AGENT, for instance ${hint || 'ocf:heartbeat:IPaddr2'}`,
  );
}

/** Checks parameters against what the agent says of itself; throws a HoldfastError (HF_AGENT). */
export function checkParameters(definition: ResourceDefinition, metaData: AgentMetaData): void {
  const given = definition.parameters;
  const known = metaData.parameters;
  for (const [name, value] of Object.entries(given)) {
    const parameter = known.get(name);
    if (parameter === undefined) throw refused(definition, describeUnknown(name, [...known.keys()]));
    checkType(definition, name, value, parameter);
  }
  for (const [name, parameter] of known) {
    if (parameter.required && !Object.hasOwn(given, name)) {
      throw refused(definition, `needs the parameter ${name}: give ${name}=VALUE`);
    }
  }
}

function describeUnknown(name: string, known: readonly string[]): string {
  const near = nearestName(name, known);
  const remedy = near === undefined ? `it knows ${known.join(', ') || 'none'}` : `did you mean ${near}?`;
  return `has no parameter ${name}: ${remedy}`;
}

interface ContentType {
  readonly pattern: RegExp;
  readonly rule: string;
}

/** What ocf_is_true and ocf_is_decimal take, and so most agents; `Yes`, say, silently counts as false there. */
const contentTypes: ReadonlyMap<string, ContentType> = new Map([
  ['integer', { pattern: /^[+-]?\d{1,19}$/, rule: 'an integer' }],
  [
    'boolean',
    {
      pattern: /^(?:yes|true|1|YES|TRUE|True|ja|on|ON|no|false|0|NO|FALSE|False|nein|off|OFF)$/,
      rule: 'true or false (also yes, no, on, off, 1, 0)',
    },
  ],
]);

/** Some agents declare types that their own defaults break (a path as `boolean`): those claims are not used. */
function checkType(definition: ResourceDefinition, name: string, value: string, parameter: AgentParameter): void {
  const type = contentTypes.get(parameter.type);
  if (type === undefined || value === '' || type.pattern.test(value)) return;
  if (parameter.default !== undefined && parameter.default !== '' && !type.pattern.test(parameter.default)) return;
  throw refused(definition, `takes ${type.rule} as ${name}, not ${quote(value)}`);
}

function malformed(sentence: string): HoldfastError {
  return new HoldfastError('HF_ARGUMENT', sentence);
}

function refused(definition: ResourceDefinition, sentence: string): HoldfastError {
  return new HoldfastError('HF_AGENT', `${definition.sid}: ${definition.agent} ${sentence}`);
}

/** For a sentence on a terminal: bounded, nothing that could steer it. */
function quote(text: string): string {
  const clean = text.replace(/\p{C}/gu, '?');
  return `'${clean.length <= 80 ? clean : `${clean.slice(0, 77)}...`}'`;
}
