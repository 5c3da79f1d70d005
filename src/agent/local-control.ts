import type { Command, ResourceSettings } from '../core/cluster-state.js';
import { HoldfastError } from '../core/errors.js';
import { nearestName } from '../core/nearest-name.js';
import type { ResourceDriver } from '../ports/resource-driver.js';
import type { Agent } from './agent.js';
import type { AgentControl, Mutation, ResourceConfig, ResourceOptions } from './control.js';
import type { AgentEvent, StatusReport, TimingReport } from './status.js';

/** The status socket's view of this agent: checks a change as far as this node can, then asks for it. */
export class LocalControl implements AgentControl {
  readonly #agent: Agent;
  readonly #drivers: ReadonlyMap<string, ResourceDriver>;
  readonly #reports: { readonly status: () => StatusReport; readonly timing: () => TimingReport };

  constructor(
    agent: Agent,
    drivers: ReadonlyMap<string, ResourceDriver>,
    reports: { status: () => StatusReport; timing: () => TimingReport },
  ) {
    this.#agent = agent;
    this.#drivers = drivers;
    this.#reports = reports;
  }

  status(): StatusReport {
    return this.#reports.status();
  }

  timing(): TimingReport {
    return this.#reports.timing();
  }

  resources(): readonly ResourceConfig[] {
    return Object.values(this.#agent.node.log.committed.services)
      .sort((a, b) => (a.sid < b.sid ? -1 : 1))
      .map(({ sid, agent, parameters, requested, comment, maxRestart }) => ({
        sid,
        agent,
        parameters,
        state: requested,
        comment,
        maxRestart,
      }));
  }

  subscribe(listener: (event: AgentEvent) => void): () => void {
    return this.#agent.subscribe(listener);
  }

  async mutate(mutation: Mutation): Promise<{ readonly index: number }> {
    const command = await this.#command(mutation);
    return { index: await this.#agent.request(command) };
  }

  async #command(mutation: Mutation): Promise<Command> {
    switch (mutation.type) {
      case 'add':
        return this.#add(mutation.sid, mutation.options);
      case 'set':
        return this.#set(mutation.sid, mutation.options, mutation.unset);
      case 'remove':
        this.#known(mutation.sid);
        return { type: 'resource-remove', sid: mutation.sid };
    }
  }

  async #add(sid: string, options: ResourceOptions): Promise<Command> {
    if (options.agent === undefined) {
      throw new HoldfastError('HF_ARGUMENT', `${sid} needs an agent: give one, as in --agent ocf:heartbeat:IPaddr2`);
    }
    const { agent, parameters = {} } = options;
    await this.#driver(sid).validate({ sid, agent, parameters });
    const { state: requested, comment, maxRestart } = { ...optionDefaults, ...options };
    return { type: 'resource-add', sid, agent, parameters, requested, comment, maxRestart };
  }

  async #set(sid: string, options: ResourceOptions, unset: readonly string[]): Promise<Command> {
    const known = this.#known(sid);
    this.#refuseInVain(sid, options);
    const agent = options.agent ?? known.agent;
    const merged = { ...known.parameters, ...options.parameters };
    const { parametersToUnset, defaults } = split(unset, merged);
    const kept = Object.entries(merged).filter(([name]) => !parametersToUnset.includes(name));
    const changesIdentity =
      options.agent !== undefined || options.parameters !== undefined || parametersToUnset.length > 0;
    if (changesIdentity) await this.#driver(sid).validate({ sid, agent, parameters: Object.fromEntries(kept) });
    const { state, ...rest } = options;
    const changes: Partial<ResourceSettings> = {
      ...defaults,
      ...rest,
      ...(state === undefined ? {} : { requested: state }),
    };
    return { type: 'resource-set', sid, changes, unset: parametersToUnset };
  }

  /** What would be accepted and have no effect. */
  #refuseInVain(sid: string, options: ResourceOptions): void {
    const service = this.#agent.node.log.committed.services[sid];
    if (service?.removing) {
      throw new HoldfastError('HF_BUSY', `${sid} is being removed: wait until it is gone, then add it anew`);
    }
    if (service?.state === 'error' && options.state === 'started') {
      const first = `'holdfast disable ${sid}' stops it and clears the error, then enable it`;
      throw new HoldfastError('HF_BUSY', `${sid} is in error (${service.reason}): ${first}`);
    }
  }

  #known(sid: string): ResourceConfig {
    const all = this.resources();
    const found = all.find((resource) => resource.sid === sid);
    if (found !== undefined) return found;
    const near = nearestName(
      sid,
      all.map((resource) => resource.sid),
    );
    const hint = near === undefined ? `'holdfast config' lists them` : `did you mean ${near}?`;
    throw new HoldfastError('HF_NOT_FOUND', `there is no resource ${sid}: ${hint}`);
  }

  #driver(sid: string): ResourceDriver {
    const type = sid.slice(0, Math.max(0, sid.indexOf(':')));
    const driver = this.#drivers.get(type);
    if (driver !== undefined) return driver;
    const types = [...this.#drivers.keys()].join(', ');
    throw new HoldfastError('HF_ARGUMENT', `${sid}: there are no resources of type '${type}': use one of ${types}`);
  }
}

const optionDefaults = { comment: '', maxRestart: 1, state: 'started' } as const;

/** Names to unset are parameters of the resource, or options that go back to their defaults. */
function split(
  unset: readonly string[],
  parameters: Readonly<Record<string, string>>,
): { parametersToUnset: string[]; defaults: Partial<ResourceSettings> } {
  const parametersToUnset: string[] = [];
  const defaults: { -readonly [K in keyof ResourceSettings]?: ResourceSettings[K] } = {};
  for (const name of unset) {
    if (Object.hasOwn(parameters, name)) parametersToUnset.push(name);
    else if (name === 'comment') defaults.comment = optionDefaults.comment;
    else if (name === 'maxRestart') defaults.maxRestart = optionDefaults.maxRestart;
    else if (name === 'state') defaults.requested = optionDefaults.state;
    else throw new HoldfastError('HF_ARGUMENT', unknownName(name, parameters));
  }
  return { parametersToUnset, defaults };
}

function unknownName(name: string, parameters: Readonly<Record<string, string>>): string {
  const known = [...Object.keys(parameters), ...Object.keys(optionDefaults)];
  const near = nearestName(name, known);
  return `cannot unset '${name}': ${near === undefined ? `only ${known.join(', ')} can be unset` : `did you mean '${near}'?`}`;
}
