import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { z } from 'zod';
import type { ClusterOptions } from '../core/cluster-options.js';
import { type ClusterState, emptyState } from '../core/cluster-state.js';
import { cycleThrough } from '../core/dependencies.js';
import { HoldfastError } from '../core/errors.js';
import { parseDatacenter } from '../peer/datacenter-file.js';
import { parseGroups } from '../peer/groups-file.js';
import type { Note } from '../peer/notes.js';
import { parseRules } from '../peer/rules-file.js';
import type { ServiceLoad } from '../ports/load-meter.js';
import type { Scenario, ScenarioNode } from './scenario.js';
import { CommandProblem, parseCommand, type ScenarioCommand } from './scenario-commands.js';
import { causeOf, fileProblem, parseScenarioJson, readScenarioText } from './scenario-file.js';
import {
  commandLists,
  dynamicStats,
  hardware,
  limits,
  managerStatus,
  running,
  services,
  staticStats,
} from './scenario-formats.js';
import { additionOf, initialState, type PeerService, roundOf } from './scenario-initial.js';
import { ruleNotes, unknownSettings, unknownTables } from './scenario-notes.js';

/** Reads a working directory in the format of the peer's simulator. */

/** What a node has, and what a service may use and uses, if nobody says. */
const nodeDefaults = { cpus: 24, memoryBytes: 128 * 1024 ** 3 };
const serviceDefaults: ServiceLoad = {
  maxCpus: 4,
  maxMemoryBytes: 4 * 1024 ** 3,
  cpus: 2,
  memoryBytes: 2 * 1024 ** 3,
};

/** A round of the peer's manager. */
const realRoundS = 10;

type Configured = z.infer<typeof services>;

/** @throws HoldfastError HF_ARGUMENT, with file and place, if a file is missing or malformed */
export async function readScenario(directory: string): Promise<Scenario> {
  return new Reader(directory).read();
}

class Reader {
  readonly #directory: string;
  readonly #notes: string[] = [];

  constructor(directory: string) {
    this.#directory = directory;
  }

  async read(): Promise<Scenario> {
    const machines = await this.#json('hardware_status', hardware, null);
    const nodeIds = nodeIdsOf(Object.keys(machines));
    if (nodeIds.size === 0 || nodeIds.size > limits.nodes) {
      throw this.#problem('hardware_status', `it must have 1 to ${limits.nodes} nodes, not ${nodeIds.size}`);
    }
    this.#notes.push(...unknownSettings('hardware_status', hardware, machines));
    const configured = await this.#json('service_config', services, {});
    this.#notes.push(...unknownSettings('service_config', services, configured));
    const status = await this.#json('manager_status', managerStatus, { service_status: {}, node_request: {} });
    const loads = await this.#loads();
    const initial = await this.#state(nodeIds, configured, status, loads);
    const commands = await this.#commands(nodeIds, loads, initial.options.scheduler !== 'basic');
    const nodes = await Promise.all([...nodeIds].map(([name, nodeId]) => this.#node(name, nodeId, machines[name])));
    return {
      name: basename(resolve(this.#directory)),
      nodes,
      initial,
      noted: notedIn(status),
      commands,
      loads: new Map(allSids(configured, commands).map((each) => [each, loads.get(each) ?? serviceDefaults])),
      locks: new Map(Object.entries(configured).flatMap(([each, { lock }]) => (lock === null ? [] : [[each, lock]]))),
      notes: this.#notes,
    };
  }

  async #node(
    name: string,
    nodeId: number,
    machine: z.infer<typeof hardware>[string] | undefined,
  ): Promise<ScenarioNode> {
    const there = await this.#json(`service_status_${name}`, running, {});
    return {
      nodeId,
      name,
      load: { cpus: machine?.maxcpu ?? nodeDefaults.cpus, memoryBytes: machine?.maxmem ?? nodeDefaults.memoryBytes },
      on: machine?.power === 'on',
      running: Object.keys(there).filter((each) => isTrue(there[each])),
    };
  }

  async #loads(): Promise<Map<string, ServiceLoad>> {
    const fixed = await this.#json('static_service_stats', staticStats, {});
    const used = await this.#json('dynamic_service_stats', dynamicStats, {});
    this.#notes.push(
      ...unknownSettings('static_service_stats', staticStats, fixed),
      ...unknownSettings('dynamic_service_stats', dynamicStats, used),
    );
    const loads = new Map<string, ServiceLoad>();
    for (const each of new Set([...Object.keys(fixed), ...Object.keys(used)])) {
      loads.set(each, {
        maxCpus: fixed[each]?.maxcpu ?? serviceDefaults.maxCpus,
        maxMemoryBytes: fixed[each]?.maxmem ?? serviceDefaults.maxMemoryBytes,
        cpus: used[each]?.cpu ?? serviceDefaults.cpus,
        memoryBytes: used[each]?.mem ?? serviceDefaults.memoryBytes,
      });
    }
    return loads;
  }

  async #state(
    nodeIds: ReadonlyMap<string, number>,
    configured: Configured,
    status: z.infer<typeof managerStatus>,
    loads: ReadonlyMap<string, ServiceLoad>,
  ): Promise<ClusterState> {
    const datacenter = (await this.#text('datacenter.cfg')) ?? '';
    const options = parseDatacenter(datacenter, 'datacenter.cfg');
    const rules = parseRules((await this.#text('rules_config')) ?? '', 'rules_config');
    const groups = parseGroups((await this.#text('groups')) ?? '', 'groups');
    for (const note of [...options.notes, ...rules.notes, ...groups.notes]) this.#take(note);
    this.#notes.push(...unknownTables(datacenter));
    const state = emptyState();
    for (const { rule } of rules.rules) state.rules[rule.id] = rule;
    for (const { group } of groups.groups) state.groups[group.name] = group;
    state.options = inRounds({ ...state.options, ...options.options }, nodeIds.size);
    initialState(state, {
      nodeIds,
      services: this.#services(configured, nodeIds, state, loads),
      status: status.service_status,
      requests: status.node_request,
      note: (text) => this.#notes.push(text),
    });
    this.#checkDependencies(state);
    this.#notes.push(...ruleNotes(state, [...nodeIds.keys()]));
    return state;
  }

  #services(
    configured: Configured,
    nodeIds: ReadonlyMap<string, number>,
    { groups, options }: ClusterState,
    loads: ReadonlyMap<string, ServiceLoad>,
  ): PeerService[] {
    const given = Object.entries(configured);
    if (given.length > limits.services) {
      throw this.#problem('service_config', `it has more than ${limits.services} services`);
    }
    return given.map(([each, settings]) => {
      const { node, group } = settings;
      if (!nodeIds.has(node)) throw this.#problem('service_config', `${each}: hardware_status has no node "${node}"`);
      const known = group === null || groups[group] !== undefined;
      if (!known) this.#notes.push(`service_config: ${each} is in no group, for there is no "${group}"`);
      const load = options.scheduler === 'basic' ? null : (loads.get(each) ?? serviceDefaults);
      return { ...settings, group: known ? group : null, sid: each, load };
    });
  }

  #checkDependencies(state: ClusterState): void {
    for (const { sid: each, requires, after } of Object.values(state.services)) {
      const missing = [...requires, ...after].find((other) => state.services[other] === undefined);
      if (missing !== undefined) {
        throw this.#problem('service_config', `${each}: there is no service "${missing}" to depend on`);
      }
      const cycle = cycleThrough(state, each, [...requires, ...after]);
      if (cycle !== null)
        throw this.#problem('service_config', `${each} would wait for itself (${cycle.join(' -> ')})`);
    }
  }

  async #commands(
    nodeIds: ReadonlyMap<string, number>,
    loads: ReadonlyMap<string, ServiceLoad>,
    weighed: boolean,
  ): Promise<ScenarioCommand[][]> {
    const lists = await this.#json('cmdlist', commandLists, null);
    const load = (each: string): ServiceLoad | null => (weighed ? (loads.get(each) ?? serviceDefaults) : null);
    const context = { nodeIds, addition: additionOf(load) };
    return lists.map((list, listAt) =>
      list.map((text, at) => {
        try {
          return parseCommand(text, context);
        } catch (error) {
          if (!(error instanceof CommandProblem)) throw error;
          throw this.#problem(
            'cmdlist',
            `list ${listAt + 1}, command ${at + 1} (${JSON.stringify(text)}): ${error.message}`,
          );
        }
      }),
    );
  }

  // ---- files ----

  #take({ file, line, kind, text }: Note): void {
    if (kind === 'refused') throw this.#problem(line > 0 ? `${file}:${line}` : file, text);
    this.#notes.push(`${file}${line > 0 ? `:${line}` : ''}: ${text}`);
  }

  /** @param otherwise what a file that is not there, or empty, amounts to; null: it has to be there, and say something */
  async #json<Schema extends z.ZodType>(
    file: string,
    schema: Schema,
    otherwise: z.infer<Schema> | null,
  ): Promise<z.infer<Schema>> {
    const text = await this.#text(file);
    if (text !== null && text.trim() !== '') return parseScenarioJson(this.#directory, file, text, schema);
    if (otherwise !== null) return otherwise;
    const what = text === null ? 'is missing' : 'is empty';
    throw this.#problem(file, `it ${what}: write one, or let 'holdfast simulate --init' make a new directory`);
  }

  #text(file: string): Promise<string | null> {
    return readScenarioText(this.#directory, file);
  }

  #problem(place: string, text: string): HoldfastError {
    return fileProblem(this.#directory, place, text);
  }
}

function notedIn({ service_status }: z.infer<typeof managerStatus>): Scenario['noted'] {
  return new Map(
    Object.entries(service_status).map(([each, { node = null, state }]) => [each, { node, state }] as const),
  );
}

/** The peer holds an imbalance out for a number of rounds, and those of its simulator are longer than real ones. */
function inRounds(options: ClusterOptions, nodes: number): ClusterOptions {
  const rounds = options.autoRebalanceHoldS / realRoundS;
  return { ...options, autoRebalanceHoldS: Math.round(rounds * roundOf(nodes)) };
}

function isTrue(value: unknown): boolean {
  return value === true || value === 1 || value === '1';
}

function allSids(configured: object, commands: readonly (readonly ScenarioCommand[])[]): string[] {
  const added = commands.flat().flatMap((command) => (command.type === 'add' ? [command.sid] : []));
  return [...new Set([...Object.keys(configured), ...added])];
}

/** Names by letter. `node7` has the id 7, if all are named so: nodes of that name are what `fa` services mean. */
function nodeIdsOf(names: readonly string[]): Map<string, number> {
  const sorted = [...names].sort();
  const numbered = sorted.every((name) => /^node[1-9]\d{0,5}$/.test(name));
  return new Map(sorted.map((name, at) => [name, numbered ? Number(name.slice(4)) : at + 1]));
}

/** Directories at or below this one that hold a scenario, sorted. */
export async function findScenarios(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
    throw new HoldfastError('HF_ARGUMENT', `cannot look for scenarios in ${directory}: ${causeOf(error)}`);
  });
  if (entries.some((entry) => entry.name === 'cmdlist')) return [directory];
  const below = entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => entry.name);
  const found: string[] = [];
  for (const name of below.sort()) found.push(...(await findScenarios(join(directory, name))));
  return found;
}
