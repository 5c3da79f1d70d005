import type { Command, RequestedState } from '../core/cluster-state.js';
import { sidPattern } from '../core/names.js';
import type { ServiceLoad } from '../ports/load-meter.js';

/** The commands of the peer's simulator. */
export type ScenarioCommand = { readonly text: string } & ScenarioAction;

export type ScenarioAction =
  /** The next list comes so much later, seconds. */
  | { readonly type: 'delay'; readonly seconds: number }
  | { readonly type: 'power' | 'network'; readonly node: string; readonly on: boolean }
  | { readonly type: 'shutdown'; readonly node: string; readonly kind: 'reboot' | 'poweroff' }
  /** The agent of a node ends and is started again. */
  | { readonly type: 'restart-agent'; readonly node: string }
  /** The store of a node can, or cannot, be written. */
  | { readonly type: 'store'; readonly node: string; readonly works: boolean }
  | { readonly type: 'request'; readonly command: Command }
  | {
      readonly type: 'add';
      readonly sid: string;
      readonly node: string;
      readonly command: Command;
      readonly runs: boolean;
    }
  /** Null: unlocked. */
  | { readonly type: 'lock'; readonly sid: string; readonly lock: string | null }
  /** Moved by hand, behind everybody's back. */
  | { readonly type: 'move-by-hand'; readonly sid: string; readonly node: string }
  | { readonly type: 'use'; readonly sid: string; readonly load: Partial<ServiceLoad> }
  /** It has no counterpart here: nothing is done, for the reason given. */
  | { readonly type: 'nothing'; readonly why: string };

/** What commands may name. */
export interface CommandContext {
  readonly nodeIds: ReadonlyMap<string, number>;
  /** The command that adds a resource with the defaults of the scenario. */
  readonly addition: (sid: string, nodeId: number, requested: RequestedState) => Command;
}

/** What is wrong with a command, one sentence. */
export class CommandProblem extends Error {}

/** @throws CommandProblem */
export function parseCommand(text: string, context: CommandContext): ScenarioCommand {
  const words = new Words(text, context);
  const word = words.next('a command');
  const parse = Object.hasOwn(parsers, word) ? parsers[word] : undefined;
  if (parse === undefined) {
    throw new CommandProblem(`there is no command "${word}": there are ${Object.keys(parsers).join(', ')}`);
  }
  const action = parse(words);
  words.end();
  return { text, ...action };
}

const bytesPerMiB = 1024 * 1024;
const longestDelayS = 10_000;

const parsers: Readonly<Record<string, (words: Words) => ScenarioAction>> = {
  power: (words) => ({ type: 'power', node: words.node(), on: words.choice(['on', 'off']) === 'on' }),
  network: (words) => ({ type: 'network', node: words.node(), on: words.choice(['on', 'off']) === 'on' }),
  reboot: (words) => ({ type: 'shutdown', node: words.node(), kind: 'reboot' }),
  shutdown: (words) => ({ type: 'shutdown', node: words.node(), kind: 'poweroff' }),
  'restart-lrm': (words) => ({ type: 'restart-agent', node: words.node() }),
  cfs: parseStore,
  crm: parseManager,
  service: parseService,
  delay: (words) => ({ type: 'delay', seconds: words.integer('seconds', longestDelayS) }),
  'skip-round': (words) => {
    words.choice(['crm', 'lrm']);
    if (words.more) words.integer('rounds', 1_000);
    return { type: 'nothing', why: 'there are no rounds to skip: an agent acts when something happens' };
  },
  'pve-manager-version': (words) => {
    words.node();
    words.choice(['set']);
    words.next('a version');
    return { type: 'nothing', why: 'groups work with every version, so none is asked for' };
  },
};

function parseStore(words: Words): ScenarioAction {
  const node = words.node();
  const what = words.choice(['rw', 'update']);
  const works = words.choice(['work', 'fail']) === 'work';
  if (what === 'rw') return { type: 'store', node, works };
  return {
    type: 'nothing',
    why: 'there is no cluster file system that could be out of date: what is not committed does not count',
  };
}

function parseManager(words: Words): ScenarioAction {
  const node = words.node();
  const nodeId = words.context.nodeIds.get(node) ?? 0;
  const action = words.choice([
    'start',
    'stop',
    'enable-node-maintenance',
    'disable-node-maintenance',
    'disarm-ha',
    'arm-ha',
  ]);
  switch (action) {
    case 'start':
      return { type: 'nothing', why: 'a node has one agent, which is started again by itself' };
    case 'stop':
      return { type: 'restart-agent', node };
    case 'enable-node-maintenance':
      return { type: 'request', command: { type: 'node-maintenance', nodeId, enabled: true } };
    case 'disable-node-maintenance':
      return { type: 'request', command: { type: 'node-maintenance', nodeId, enabled: false } };
    case 'disarm-ha':
      return { type: 'request', command: { type: 'disarm', mode: words.choice(['freeze', 'ignore']) } };
    case 'arm-ha':
      return { type: 'request', command: { type: 'arm' } };
  }
}

const states = ['started', 'stopped', 'disabled', 'ignored', 'enabled'] as const;

export function requestedState(word: (typeof states)[number]): RequestedState {
  return word === 'enabled' ? 'started' : word;
}

function parseService(words: Words): ScenarioAction {
  const sid = words.sid();
  const action = words.choice([
    ...states,
    'migrate',
    'relocate',
    'stop',
    'add',
    'delete',
    'lock',
    'unlock',
    'manual-migrate',
    'set-static-stats',
    'set-dynamic-stats',
  ]);
  switch (action) {
    case 'migrate':
    case 'relocate':
      return { type: 'request', command: { type: 'resource-move', sid, kind: action, nodeId: words.nodeId() } };
    case 'stop':
      return { type: 'request', command: { type: 'resource-stop', sid, timeoutS: words.integer('seconds', 86_400) } };
    case 'add':
      return parseAddition(words, sid);
    case 'delete':
      return { type: 'request', command: { type: 'resource-remove', sid, purge: false } };
    case 'lock':
      return { type: 'lock', sid, lock: words.more ? words.next('a lock') : 'backup' };
    case 'unlock':
      if (words.more) words.next('a lock');
      return { type: 'lock', sid, lock: null };
    case 'manual-migrate':
      return { type: 'move-by-hand', sid, node: words.node() };
    case 'set-static-stats':
      return parseNeed(words, sid);
    case 'set-dynamic-stats':
      return parseUse(words, sid);
    default:
      return setting(sid, { requested: requestedState(action) });
  }
}

function setting(sid: string, changes: (Command & { type: 'resource-set' })['changes']): ScenarioAction {
  return { type: 'request', command: { type: 'resource-set', sid, changes, unset: [] } };
}

function parseAddition(words: Words, sid: string): ScenarioAction {
  const node = words.node();
  const requested = words.more ? requestedState(words.choice(states)) : 'started';
  const runs = words.more && words.integer('whether it runs already', 1) === 1;
  const nodeId = words.context.nodeIds.get(node) ?? 0;
  return { type: 'add', sid, node, command: words.context.addition(sid, nodeId, requested), runs };
}

function parseNeed(words: Words, sid: string): ScenarioAction {
  const changes: { cpus?: number; memoryMiB?: number } = {};
  while (words.more) {
    if (words.choice(['maxcpu', 'maxmem']) === 'maxcpu') changes.cpus = words.amount('maxcpu');
    else changes.memoryMiB = Math.round(words.amount('maxmem'));
  }
  return setting(sid, changes);
}

function parseUse(words: Words, sid: string): ScenarioAction {
  const load: { cpus?: number; memoryBytes?: number } = {};
  while (words.more) {
    if (words.choice(['cpu', 'mem']) === 'cpu') load.cpus = words.amount('cpu');
    else load.memoryBytes = words.amount('mem') * bytesPerMiB;
  }
  return { type: 'use', sid, load };
}

/** The words of one command, taken one after the other. */
class Words {
  readonly context: CommandContext;
  readonly #words: string[];

  constructor(text: string, context: CommandContext) {
    this.#words = text.split(/\s+/).filter((word) => word !== '');
    this.context = context;
  }

  get more(): boolean {
    return this.#words.length > 0;
  }

  next(what: string): string {
    const word = this.#words.shift();
    if (word === undefined) throw new CommandProblem(`${what} is missing`);
    return word;
  }

  end(): void {
    if (this.more) throw new CommandProblem(`"${this.#words.join(' ')}" is too much`);
  }

  choice<Word extends string>(words: readonly Word[]): Word {
    const given = this.next(`one of ${words.join(', ')}`);
    const word = words.find((each) => each === given);
    if (word === undefined) throw new CommandProblem(`"${given}" is none of ${words.join(', ')}`);
    return word;
  }

  node(): string {
    const name = this.next('a node');
    if (!this.context.nodeIds.has(name)) throw new CommandProblem(`hardware_status has no node "${name}"`);
    return name;
  }

  nodeId(): number {
    return this.context.nodeIds.get(this.node()) ?? 0;
  }

  sid(): string {
    const sid = this.next('a service');
    if (!sidPattern.test(sid)) throw new CommandProblem(`"${sid}" is not written TYPE:NAME`);
    return sid;
  }

  integer(what: string, most: number): number {
    const word = this.next(what);
    if (!/^\d{1,9}$/.test(word) || Number(word) > most) {
      throw new CommandProblem(`${what} must be an integer from 0 to ${most}, not "${word}"`);
    }
    return Number(word);
  }

  amount(what: string): number {
    const word = this.next(`a number for ${what}`);
    if (!/^\d{1,9}(\.\d{1,9})?$/.test(word)) throw new CommandProblem(`${what} must be a number, not "${word}"`);
    return Number(word);
  }
}
