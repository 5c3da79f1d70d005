import { type Command, Option } from 'commander';
import { HoldfastError } from '../core/errors.js';
import { splitList } from '../peer/section-reader.js';
import { parseNodes, parsePairs, parseUnset, type UnsetArguments } from './arguments.js';
import { changing, common, type Finish, flag, load, run, segment, withUnset } from './changing.js';
import type { Change } from './commands.js';
import type { ExitCode } from './exit-codes.js';

/** The commands for groups, rules and options of the cluster. */

interface GroupArguments extends UnsetArguments {
  readonly nodes?: unknown;
  readonly restricted?: boolean;
  readonly nofailback?: boolean;
  readonly comment?: string;
}

const nodesOption = (required: boolean): Option =>
  new Option('--nodes <node[:priority],...>', 'its nodes; a higher priority wins')
    .argParser(parseNodes)
    .makeOptionMandatory(required);

function withGroupOptions(command: Command, adds: boolean): Command {
  return command
    .addOption(nodesOption(adds))
    .addOption(flag('restricted', 'never on other nodes'))
    .addOption(flag('nofailback', 'stays where it is when a better node comes back'))
    .option('--comment <text>', 'a note for people');
}

function groupBody({ nodes, restricted, nofailback, comment }: GroupArguments): Readonly<Record<string, unknown>> {
  return { nodes, restricted, nofailback, comment };
}

export function addGroupCommands(program: Command, finish: Finish): void {
  program
    .command('groupconfig')
    .description('the groups')
    .action(async (_options, command) => finish(await (await load()).groups(common(command))));
  withGroupOptions(changing(program, 'groupadd <group>', 'add a group of nodes'), true).action(
    async (name: string, given: GroupArguments, command: Command) => {
      const body = { name, ...groupBody(given) };
      finish(await run(command, { path: '/v1/groups', body, done: (group) => `added group ${group}` }));
    },
  );
  withUnset(withGroupOptions(changing(program, 'groupset <group>', 'change a group'), false), 'an option').action(
    async (name: string, given: GroupArguments, command: Command) => {
      const body = { ...groupBody(given), unset: parseUnset(given) };
      const path = `/v1/groups/${segment(name)}`;
      finish(await run(command, { path, body, done: (group) => `changed group ${group}` }));
    },
  );
  changing(program, 'groupremove <group>', 'remove a group').action(
    async (name: string, _options, command: Command) => {
      const path = `/v1/groups/${segment(name)}/remove`;
      finish(await run(command, { path, body: {}, done: (group) => `removed group ${group}` }));
    },
  );
}

interface RuleArguments extends UnsetArguments {
  readonly resources?: readonly string[];
  readonly nodes?: unknown;
  readonly strict?: boolean;
  readonly affinity?: string;
  readonly disable?: boolean;
  readonly comment?: string;
  readonly force?: boolean;
}

function withRuleOptions(command: Command): Command {
  return command
    .addOption(new Option('--resources <sids>', 'whom it is about, with commas').argParser(splitList))
    .addOption(nodesOption(false))
    .addOption(flag('strict', 'node-affinity: never on other nodes'))
    .addOption(
      new Option(
        '--affinity <affinity>',
        'positive: together, or on these nodes; negative: apart, or not there',
      ).choices(['positive', 'negative']),
    )
    .addOption(flag('disable', 'keep the rule, but do not apply it'))
    .option('--comment <text>', 'a note for people')
    .option('--force', 'also if it would not be in force, for it contradicts another or cannot be kept');
}

function ruleBody(given: RuleArguments): Readonly<Record<string, unknown>> {
  const { resources, nodes, strict, affinity, disable, comment, force } = given;
  return { resources, nodes, strict, affinity, disabled: disable, comment, force };
}

/** @throws what the agent refuses, with the way to have it all the same if that is what the rules come to */
async function runRule(command: Command, change: Change, { force }: RuleArguments): Promise<ExitCode> {
  try {
    return await run(command, change);
  } catch (error) {
    // A refusal of what would not be in force is a sentence on each rule.
    const mayBeForced =
      error instanceof HoldfastError && error.code === 'HF_CONFLICT' && /^rules? /.test(error.message);
    if (force === true || !mayBeForced) throw error;
    throw new HoldfastError(error.code, `${error.message} (--force does it all the same)`);
  }
}

export function addRuleCommands(program: Command, finish: Finish): void {
  const rules = program.command('rules').description('the rules about where resources run');
  for (const [name, description] of [
    ['list', 'the rules, a line for each'],
    ['config', 'the rules with all their options'],
  ] as const) {
    rules
      .command(`${name} [id]`)
      .description(description)
      .addOption(new Option('--type <type>', 'only these').choices(['node-affinity', 'resource-affinity']))
      .option('--resource <sid>', 'only those about this resource')
      .action(async (id: string | undefined, filter, command: Command) => {
        finish(await (await load()).rules({ id, ...filter }, name === 'list', common(command)));
      });
  }
  withRuleOptions(changing(rules, 'add <type> <id>', 'add a rule: node-affinity or resource-affinity')).action(
    async (type: string, id: string, given: RuleArguments, command: Command) => {
      const body = { type, id, ...ruleBody(given) };
      const change: Change = { path: '/v1/rules', body, done: (rule) => `added rule ${rule}` };
      finish(await runRule(command, change, given));
    },
  );
  withUnset(withRuleOptions(changing(rules, 'set <type> <id>', 'change a rule')), 'an option').action(
    async (type: string, id: string, given: RuleArguments, command: Command) => {
      const body = { type, ...ruleBody(given), unset: parseUnset(given) };
      const change: Change = { path: `/v1/rules/${segment(id)}`, body, done: (rule) => `changed rule ${rule}` };
      finish(await runRule(command, change, given));
    },
  );
  changing(rules, 'remove <id>', 'remove a rule').action(async (id: string, _options, command: Command) => {
    const path = `/v1/rules/${segment(id)}/remove`;
    finish(await run(command, { path, body: {}, done: (rule) => `removed rule ${rule}` }));
  });
}

export function addOptionsCommand(program: Command, finish: Finish): void {
  changing(
    program,
    'options [name=value...]',
    'the options of the cluster, named as in datacenter.cfg; sets those given',
  ).action(async (pairs: readonly string[], _options, command: Command) => {
    const commands = await load();
    if (pairs.length === 0) finish(await commands.options(common(command)));
    else {
      const body = commands.optionChanges(parsePairs('option', pairs));
      finish(await run(command, { path: '/v1/options', body, done: () => 'changed the options' }));
    }
  });
}
