import { mkdir } from 'node:fs/promises';
import { HoldfastError } from '../core/errors.js';
import type {
  OperationResult,
  ResourceDefinition,
  ResourceDriver,
  ResourceOperation,
} from '../ports/resource-driver.js';
import { type AgentFile, findAgent } from './ocf-agent-file.js';
import { agentWords } from './ocf-agent-words.js';
import { type AgentName, checkDefinition, checkParameters } from './ocf-definition.js';
import { type AgentSurroundings, baseEnvironment, operationEnvironment } from './ocf-environment.js';
import { exitMeaning, judgeExit } from './ocf-exit-codes.js';
import { EarlierOperations, operationMark } from './ocf-leftovers.js';
import { type AgentMetaData, findAction, maxMetaDataBytes, parseMetaData } from './ocf-metadata.js';
import { type ProcessEnd, type ProcessOutput, runProcess } from './ocf-process.js';
import type { GroupMember } from './ocf-process-group.js';
import { XmlError } from './ocf-xml.js';

export interface OcfDriverOptions {
  /** Default `/usr/lib/ocf`. */
  readonly ocfRoot?: string;
  /** Agents' own state until the next boot; created if need be. Default `/run/resource-agents`. */
  readonly runtimeDirectory?: string;
  /** For `meta-data`, milliseconds. Default 10 000. */
  readonly metaDataTimeoutMs?: number;
  /** Between SIGTERM and SIGKILL after a timeout, milliseconds. Default 5 000. */
  readonly killGraceMs?: number;
}

const defaultTimeoutMs = 20_000;
const defaultIntervalMs = 10_000;
const maxTimeoutMs = 24 * 3_600_000;
const keepBytes = 16 * 1024;
/** More agents than that are not cached, only asked again. */
const maxCachedAgents = 1000;

type Verdict = Omit<OperationResult, 'durationMs'>;

/** errno's names that no retry on this node cures; the others are passing shortages. */
const permanentErrors: ReadonlySet<string> = new Set([
  'ENOENT',
  'EACCES',
  'ENOEXEC',
  'EPERM',
  'ENOTDIR',
  'ELOOP',
  'E2BIG',
]);

/** Runs OCF resource agents (Resource Agent API 1.1): `ocf:web` with the agent `ocf:heartbeat:IPaddr2`. */
export class OcfDriver implements ResourceDriver {
  readonly type = 'ocf';
  readonly #surroundings: AgentSurroundings;
  readonly #metaDataTimeoutMs: number;
  readonly #killGraceMs: number;
  readonly #earlier: EarlierOperations;
  readonly #metaData = new Map<string, { readonly version: string; readonly content: Promise<AgentMetaData> }>();
  /** Resources last seen running here: a monitor of any other is a probe. At most one entry a resource. */
  readonly #running = new Set<string>();

  constructor(options: OcfDriverOptions = {}) {
    this.#surroundings = {
      ocfRoot: options.ocfRoot ?? '/usr/lib/ocf',
      runtimeDirectory: options.runtimeDirectory ?? '/run/resource-agents',
    };
    this.#metaDataTimeoutMs = options.metaDataTimeoutMs ?? 10_000;
    this.#killGraceMs = options.killGraceMs ?? 5000;
    this.#earlier = new EarlierOperations(this.#surroundings.ocfRoot, this.#killGraceMs);
  }

  /**
   * Checks names, and parameters against the agent's meta-data. Not the agent's own `validate-all`: that looks
   * at programs and devices which may exist only on the nodes that are to run it.
   */
  async validate(definition: ResourceDefinition): Promise<void> {
    const name = checkDefinition(definition);
    const metaData = await this.metaData(name);
    for (const action of ['start', 'stop', 'monitor']) {
      if (findAction(metaData, action) === undefined) {
        throw new HoldfastError(
          'HF_AGENT',
          `${name.full} offers no ${action} action: it cannot be managed, use another`,
        );
      }
    }
    checkParameters(definition, metaData);
  }

  async run(
    operation: ResourceOperation,
    definition: ResourceDefinition,
    timeoutMs?: number,
  ): Promise<OperationResult> {
    const startMs = performance.now();
    const verdict = await this.#run(operation, definition, timeoutMs).catch((error: unknown) => failure(error));
    if (verdict.outcome === 'running') this.#running.add(definition.sid);
    else if (verdict.outcome === 'stopped') this.#running.delete(definition.sid);
    return { ...verdict, durationMs: Math.round(performance.now() - startMs) };
  }

  async monitorIntervalMs(definition: ResourceDefinition): Promise<number> {
    const action = await this.#action('monitor', checkDefinition(definition));
    return action?.intervalMs ?? defaultIntervalMs;
  }

  /** Meta-data of an agent, cached as long as its file does not change. Rejects with a HoldfastError (HF_AGENT). */
  async metaData(name: AgentName): Promise<AgentMetaData> {
    const file = await findAgent(this.#surroundings.ocfRoot, name);
    const cached = this.#metaData.get(file.path);
    if (cached?.version === file.version) return cached.content;
    const entry = { version: file.version, content: this.#askMetaData(name, file) };
    if (cached !== undefined || this.#metaData.size < maxCachedAgents) this.#metaData.set(file.path, entry);
    // What failed may have failed for want of memory or time: ask again next time.
    entry.content.catch(() => {
      if (this.#metaData.get(file.path) === entry) this.#metaData.delete(file.path);
    });
    return entry.content;
  }

  async #askMetaData(name: AgentName, file: AgentFile): Promise<AgentMetaData> {
    const refuse = (what: string) =>
      new HoldfastError(
        'HF_AGENT',
        `the meta-data of ${name.full} cannot be used: ${what}; repair or replace ${file.path}`,
      );
    const end = await runProcess({
      file: file.path,
      args: ['meta-data'],
      environment: { ...baseEnvironment(name, this.#surroundings), OCF_RESOURCE_INSTANCE: name.agent },
      timeoutMs: this.#metaDataTimeoutMs,
      killGraceMs: this.#killGraceMs,
      keepBytes: maxMetaDataBytes,
    });
    if (end.kind !== 'exit' || end.status !== 0) throw refuse(describeEnd(end, this.#metaDataTimeoutMs));
    if (end.truncated) throw refuse(`they are longer than ${maxMetaDataBytes} bytes`);
    try {
      return parseMetaData(end.stdout);
    } catch (error) {
      if (error instanceof XmlError) throw refuse(error.message);
      throw error;
    }
  }

  /** Its recommendations for one action; undefined when the meta-data give none or cannot be had. */
  #action(operation: ResourceOperation, name: AgentName) {
    return this.metaData(name)
      .then((metaData) => findAction(metaData, operation))
      .catch(() => undefined);
  }

  async #run(operation: ResourceOperation, definition: ResourceDefinition, givenMs?: number): Promise<Verdict> {
    const name = checkDefinition(definition);
    const survivors = await this.#earlier.end(definition.sid);
    if (survivors.length > 0) {
      const what = `even SIGKILL did not end ${survivors.join(', ')}, left by an earlier operation`;
      const detail = `${operation} of ${name.full}: not run, for ${what}; it may take a restart of the node`;
      return { outcome: 'error', permanent: false, detail };
    }
    const file = await findAgent(this.#surroundings.ocfRoot, name);
    const action = await this.#action(operation, name);
    // 0 means by force, which OCF agents do not know: killed at once they would have stopped nothing.
    const limitMs = givenMs === 0 ? undefined : givenMs;
    const timeoutMs = Math.min(maxTimeoutMs, limitMs ?? action?.timeoutMs ?? defaultTimeoutMs);
    const recurring = operation === 'monitor' && this.#running.has(definition.sid);
    // tmpfiles.d makes it at boot where systemd runs; an agent without it fails obscurely.
    await mkdir(this.#surroundings.runtimeDirectory, { recursive: true, mode: 0o1755 }).catch(() => undefined);
    const end = await runProcess({
      file: file.path,
      args: [operation],
      environment: {
        ...operationMark(definition.sid, timeoutMs),
        ...operationEnvironment({
          operation,
          instance: definition.sid.slice(this.type.length + 1),
          timeoutMs,
          intervalMs: recurring ? (action?.intervalMs ?? defaultIntervalMs) : 0,
          parameters: definition.parameters,
        }),
        ...baseEnvironment(name, this.#surroundings),
      },
      timeoutMs,
      killGraceMs: this.#killGraceMs,
      keepBytes,
    });
    // What hangs in the kernel may still do there what it was about to: then nobody may take the resource for stopped.
    if ('survivors' in end && end.survivors.length > 0) await this.#earlier.keep(definition.sid, end.survivors);
    return judge(operation, name, end, timeoutMs);
  }
}

function judge(
  operation: ResourceOperation,
  name: AgentName,
  end: ProcessEnd & ProcessOutput,
  timeoutMs: number,
): Verdict {
  const detail = `${operation} of ${name.full}: ${describeEnd(end, timeoutMs)}`;
  switch (end.kind) {
    case 'exit':
      return { ...judgeExit(operation, end.status), detail };
    case 'unstartable':
      return { outcome: 'error', permanent: permanentErrors.has(end.code), detail };
    case 'signal':
    case 'timeout':
      return { outcome: 'error', permanent: false, detail };
  }
}

function describeEnd(end: ProcessEnd & ProcessOutput, timeoutMs: number): string {
  const said = agentWords(end.stderr, end.stdout);
  const quoted = said === '' ? '' : `: ${said}`;
  switch (end.kind) {
    case 'exit':
      return `${exitMeaning(end.status)}${end.status === 0 ? '' : quoted}`;
    case 'signal':
      return `the agent was killed by ${end.signal}${describeLeft(end.survivors)}${quoted}`;
    case 'timeout':
      return `timed out after ${timeoutMs / 1000} s and was killed${describeLeft(end.survivors)}${quoted}`;
    case 'unstartable':
      return `the agent cannot be run (${end.code})`;
  }
}

function describeLeft(survivors: readonly GroupMember[]): string {
  return survivors.length === 0 ? '' : `; even SIGKILL did not end ${survivors.map(({ text }) => text).join(', ')}`;
}

/** A HoldfastError means that the definition or the agent is at fault; whatever else is ours, and may pass. */
function failure(error: unknown): Verdict {
  const detail = error instanceof Error ? error.message : String(error);
  return { outcome: 'error', permanent: error instanceof HoldfastError, detail };
}
