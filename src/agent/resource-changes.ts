import type { ResourceSettings } from '../core/cluster-state.js';
import { HoldfastError } from '../core/errors.js';
import { nearestName } from '../core/nearest-name.js';
import { settingDefaults } from '../core/setting-defaults.js';
import type { ResourceDriver } from '../ports/resource-driver.js';
import type { Mutation, ResourceOptions } from './control.js';
import { nodeNamed, serviceNamed } from './known-names.js';
import { type ChangeContext, type PlannedChange, planned, ruleWarnings } from './planned-change.js';
import { settingOf, typedName } from './typed-names.js';

/** Changes to resources as people ask for them, checked as far as this node can, as commands. */

type Of<Type extends Mutation['type']> = Extract<Mutation, { readonly type: Type }>;

/** What can be put back to its default, by the name that users give it. */
const unsettable: Readonly<Record<string, Partial<ResourceSettings>>> = {
  ...Object.fromEntries(Object.entries(settingDefaults).map(([name, value]) => [name, { [name]: value }])),
  state: { requested: 'started' },
};

export async function planAdd(context: ChangeContext, mutation: Of<'add'>): Promise<PlannedChange> {
  const { sid, options } = mutation;
  const { agent = '', parameters = {}, state: requested = 'started', ...rest } = options;
  if (agent === '' && typeOf(sid) === 'ocf') {
    throw new HoldfastError('HF_ARGUMENT', `${sid} needs an agent: give one, as in --agent ocf:heartbeat:IPaddr2`);
  }
  if ([...(options.requires ?? []), ...(options.after ?? [])].includes(sid)) {
    throw new HoldfastError('HF_ARGUMENT', `${sid} would wait for itself: name other resources in requires and after`);
  }
  await driverOf(context, sid).validate({ sid, agent, parameters });
  const nodeId = mutation.node === undefined ? null : nodeNamed(context.state, mutation.node).nodeId;
  const settings = { ...settingDefaults, ...rest, ...dependenciesOf(context, options) };
  const command = { type: 'resource-add', sid, nodeId, agent, parameters, requested, ...settings } as const;
  return planned(sid, command, ruleWarnings(context, command));
}

export async function planSet(context: ChangeContext, mutation: Of<'set'>): Promise<PlannedChange> {
  const { options } = mutation;
  const known = serviceNamed(context.state, mutation.sid);
  const { sid } = known;
  if (known.removing) {
    throw new HoldfastError('HF_CONFLICT', `${sid} is being removed: wait until it is gone, then add it anew`);
  }
  if (known.state === 'error' && options.state === 'started') {
    const first = `'holdfast disable ${sid}' stops it and clears the error, then enable it`;
    throw new HoldfastError('HF_CONFLICT', `${sid} is in error (${known.reason}): ${first}`);
  }
  const merged = { ...known.parameters, ...options.parameters };
  const { parametersToUnset, defaults } = split(mutation.unset, merged);
  const kept = Object.entries(merged).filter(([name]) => !parametersToUnset.includes(name));
  if (options.agent !== undefined || options.parameters !== undefined || parametersToUnset.length > 0) {
    const agent = options.agent ?? known.agent;
    await driverOf(context, sid).validate({ sid, agent, parameters: Object.fromEntries(kept) });
  }
  const { state, ...rest } = options;
  const requested = state === undefined ? {} : { requested: state };
  const changes = { ...defaults, ...rest, ...requested, ...dependenciesOf(context, options) };
  const command = { type: 'resource-set', sid, changes, unset: parametersToUnset } as const;
  const moves = changes.group !== undefined || changes.failback !== undefined;
  return planned(sid, command, moves ? ruleWarnings(context, command) : []);
}

export function planRemove(context: ChangeContext, mutation: Of<'remove'>): PlannedChange {
  const { sid } = serviceNamed(context.state, mutation.sid);
  const ruled = Object.values(context.state.rules).filter((rule) => rule.resources.includes(sid));
  const named = ruled.map((rule) => rule.id).join(', ');
  const left = mutation.purge || ruled.length === 0 ? [] : [`${sid} stays in the rules ${named}: --purge takes it out`];
  return planned(sid, { type: 'resource-remove', sid, purge: mutation.purge }, left);
}

export function planStop(context: ChangeContext, mutation: Of<'stop'>): PlannedChange {
  const { sid, state, reason } = serviceNamed(context.state, mutation.sid);
  if (state === 'error') {
    throw new HoldfastError(
      'HF_CONFLICT',
      `${sid} is in error (${reason}): 'holdfast disable ${sid}' stops it and clears the error`,
    );
  }
  return planned(sid, { type: 'resource-stop', sid, timeoutS: mutation.timeoutS });
}

export function typeOf(sid: string): string {
  return sid.slice(0, Math.max(0, sid.indexOf(':')));
}

function driverOf({ drivers }: ChangeContext, sid: string): ResourceDriver {
  const driver = drivers.get(typeOf(sid));
  if (driver !== undefined) return driver;
  const types = [...drivers.keys()].join(', ');
  throw new HoldfastError(
    'HF_ARGUMENT',
    `${sid}: there are no resources of type '${typeOf(sid)}': use one of ${types}`,
  );
}

/** Others may be named by a bare number, too. */
function dependenciesOf(
  { state }: ChangeContext,
  { requires, after }: ResourceOptions,
): Pick<ResourceOptions, 'requires' | 'after'> {
  const full = (sids: readonly string[]): string[] => [...new Set(sids.map((sid) => serviceNamed(state, sid).sid))];
  return {
    ...(requires === undefined ? {} : { requires: full(requires) }),
    ...(after === undefined ? {} : { after: full(after) }),
  };
}

/** Names to unset are parameters of the resource, or options that go back to their defaults. */
function split(
  unset: readonly string[],
  parameters: Readonly<Record<string, string>>,
): { parametersToUnset: string[]; defaults: Partial<ResourceSettings> } {
  const parametersToUnset: string[] = [];
  let defaults: Partial<ResourceSettings> = {};
  for (const name of unset) {
    const setting = settingOf(name);
    if (Object.hasOwn(parameters, name)) parametersToUnset.push(name);
    else if (Object.hasOwn(unsettable, setting)) defaults = { ...defaults, ...unsettable[setting] };
    else
      throw new HoldfastError(
        'HF_ARGUMENT',
        unknownName(name, [...Object.keys(parameters), ...Object.keys(unsettable)]),
      );
  }
  return { parametersToUnset, defaults };
}

/** @param known parameters and settings */
export function unknownName(name: string, known: readonly string[]): string {
  const typed = known.map(typedName);
  const near = nearestName(name, typed);
  return `cannot unset '${name}': ${near === undefined ? `only ${typed.join(', ')} can be unset` : `did you mean '${near}'?`}`;
}
