import { type Command, Option } from 'commander';
import { splitList } from '../peer/section-reader.js';
import {
  bodyOf,
  parseInteger,
  parseNumber,
  parseUnset,
  type ResourceArguments,
  type UnsetArguments,
} from './arguments.js';
import { changing, collect, type Finish, flag, run, segment, withUnset } from './changing.js';
import type { Change } from './commands.js';

/** The commands that change resources. */

const states = ['started', 'stopped', 'disabled', 'ignored', 'enabled'];

function attempts(name: string, description: string): Option {
  const peer = name.replace('-', '_');
  return new Option(`--${peer}, --${name} <count>`, `${description}: 0 to 100 (default 1)`).argParser((text) =>
    parseInteger(`--${name}`, text, 0, 100),
  );
}

function withResourceOptions(command: Command): Command {
  return command
    .option('--agent <agent>', 'the resource agent, such as ocf:heartbeat:IPaddr2')
    .option('--param <name=value>', 'a parameter; may be repeated', collect)
    .addOption(new Option('--state <state>', 'what is asked for').choices(states))
    .option('--comment <text>', 'a note for people')
    .addOption(attempts('max-restart', 'further attempts to start it on its node before it counts as failed there'))
    .addOption(attempts('max-relocate', 'further nodes to try when it has failed on one'))
    .addOption(flag('failback', 'goes back to a node that its rules prefer (default 1)'))
    .addOption(flag('auto-rebalance', 'may be moved to even out the load (default 1)'))
    .option('--group <name>', 'the group of nodes that it belongs on')
    .addOption(
      new Option('--priority <number>', 'recovered before those of lower priority: -1000 to 1000').argParser((text) =>
        parseInteger('--priority', text, -1_000, 1_000),
      ),
    )
    .addOption(new Option('--requires <sids>', 'started only while all of these run').argParser(splitList))
    .addOption(new Option('--after <sids>', 'started after these, if they are being started').argParser(splitList))
    .addOption(
      new Option('--cpus <number>', 'cores that it needs at most').argParser((text) =>
        parseNumber('--cpus', text, 0, 4_096),
      ),
    )
    .addOption(
      new Option('--memory <MiB>', 'memory that it needs at most').argParser((text) =>
        parseInteger('--memory', text, 0, 67_108_864),
      ),
    );
}

export function resourcePath(sid: string, action?: string): string {
  const path = `/v1/resources/${segment(sid)}`;
  return action === undefined ? path : `${path}/${action}`;
}

export function addResourceCommands(program: Command, finish: Finish): void {
  withResourceOptions(changing(program, 'add <sid> [name=value...]', 'add a resource, and start it'))
    .option('--node <node>', 'where to start it, if rules allow')
    .action(async (sid: string, pairs: readonly string[], given: ResourceArguments, command: Command) => {
      const body = { sid, ...bodyOf(pairs, given) };
      finish(await run(command, { path: '/v1/resources', body, done: (name) => `added ${name}` }));
    });
  const set = changing(program, 'set <sid> [name=value...]', 'change options or parameters of a resource');
  withUnset(withResourceOptions(set), 'a parameter or an option').action(
    async (sid: string, pairs: readonly string[], given: ResourceArguments & UnsetArguments, command: Command) => {
      const body = { ...bodyOf(pairs, given), unset: parseUnset(given) };
      finish(await run(command, { path: resourcePath(sid), body, done: (name) => `changed ${name}` }));
    },
  );
  changing(program, 'remove <sid>', 'stop a resource, then forget it')
    .addOption(flag('purge', 'also take it out of rules, and out of what others require'))
    .action(async (sid: string, { purge }: { readonly purge?: boolean }, command: Command) => {
      const path = resourcePath(sid, 'remove');
      finish(await run(command, { path, body: { purge }, done: (name) => `stopping and removing ${name}` }));
    });
  addStateCommands(program, finish);
  addMoveCommands(program, finish);
}

function addStateCommands(program: Command, finish: Finish): void {
  changing(program, 'enable <sid>', 'ask for a resource to be started')
    .alias('start')
    .action(async (sid: string, _options, command: Command) => {
      finish(await run(command, { path: resourcePath(sid, 'enable'), body: {}, done: (name) => `enabled ${name}` }));
    });
  changing(program, 'disable <sid>', 'ask for a resource to be stopped and left alone').action(
    async (sid: string, _options, command: Command) => {
      finish(await run(command, { path: resourcePath(sid, 'disable'), body: {}, done: (name) => `disabled ${name}` }));
    },
  );
  changing(program, 'stop <sid> [seconds]', 'ask for a resource to be stopped; 0 seconds: at once, by force').action(
    async (sid: string, seconds: string | undefined, _options, command: Command) => {
      finish(await run(command, stopChange(sid, seconds)));
    },
  );
}

/** @throws HF_ARGUMENT */
export function stopChange(sid: string, seconds: string | undefined): Change {
  const timeoutS = seconds === undefined ? undefined : parseInteger('the time to stop', seconds, 0, 86_400);
  return { path: resourcePath(sid, 'stop'), body: { timeoutS }, done: (name) => `stopping ${name}` };
}

const moves = [
  ['migrate', 'move a resource to another node, without a stop if it can be'],
  ['relocate', 'stop a resource, and start it on another node'],
] as const;

export function addMoveCommands(parent: Command, finish: Finish): void {
  for (const [kind, description] of moves) {
    changing(parent, `${kind} <sid> <node>`, description).action(
      async (sid: string, node: string, _options, command: Command) => {
        const change: Change = {
          path: resourcePath(sid, kind),
          body: { node },
          done: (name) => `${name} is to be moved to ${node}`,
        };
        finish(await run(command, change));
      },
    );
  }
}
