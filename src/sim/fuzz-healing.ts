import type { Command } from '../core/cluster-state.js';
import { differing, type Excuses, unsettled } from './liveness.js';
import type { SimNode } from './sim-node.js';
import type { World } from './world.js';

/** After the last fault: the operator clears up, and everything comes to rest. */
const lookMs = 2_000;
/** Nothing may change for so many looks in a row. */
const quietLooks = 3;
/** An error is cleared so often. */
const chancesPerService = 4;

export class Healing {
  problems: readonly string[] = ['not looked at yet'];
  readonly nextLookMs = lookMs;
  readonly #world: World;
  readonly #excuses: Excuses;
  readonly #ask: (node: SimNode, command: Command) => Promise<boolean>;
  /** How often what was in error had its chance: `disabled` first, then as it was. */
  readonly #chances = new Map<string, number>();
  readonly #toStart = new Set<string>();
  #quiet = 0;
  #before = '';

  constructor(world: World, excuses: Excuses, ask: (node: SimNode, command: Command) => Promise<boolean>) {
    this.#world = world;
    this.#excuses = excuses;
    this.#ask = ask;
  }

  get isDone(): boolean {
    return this.#quiet >= quietLooks;
  }

  look(): void {
    const asked = this.#operate();
    this.problems = unsettled(this.#world, this.#excuses);
    const now = this.#signature();
    const isQuiet = !asked && this.problems.length === 0 && (now === this.#before || this.#isRestless());
    this.#quiet = isQuiet ? this.#quiet + 1 : 0;
    this.#before = now;
    if (this.problems.length === 0 && !isQuiet) this.problems = ['the log grows or views follow each other'];
  }

  differences(): string[] {
    return this.isDone ? differing(this.#world) : [];
  }

  /** Balancing goes on for ever, and so does what fails by its digits. */
  #isRestless(): boolean {
    return this.#world.state.options.autoRebalance || Object.keys(this.#world.state.services).some(isFaulty);
  }

  #signature(): string {
    const epochs = this.#world.nodes.map(({ agent }) => agent?.node.cluster?.views.view?.epoch ?? 0);
    return `${this.#world.invariants.committedIndex} ${epochs.join(' ')}`;
  }

  /** One round of an operator who wants it all to work; false: he had nothing to do. */
  #operate(): boolean {
    const { state } = this.#world;
    const commands: Command[] = [];
    if (state.disarm !== null) commands.push({ type: 'arm' });
    for (const { nodeId, maintenance } of Object.values(state.nodes)) {
      if (maintenance) commands.push({ type: 'node-maintenance', nodeId, enabled: false });
    }
    for (const { sid, state: now, requested } of Object.values(state.services)) {
      const set = (to: 'started' | 'disabled'): Command => {
        return { type: 'resource-set', sid, changes: { requested: to }, unset: [] };
      };
      const chances = this.#chances.get(sid) ?? 0;
      if (now === 'error' && chances < chancesPerService) {
        if (requested === 'started') this.#toStart.add(sid);
        commands.push(set('disabled'));
      } else if (this.#toStart.has(sid) && requested === 'disabled' && now === 'stopped') {
        commands.push(set('started'));
      }
    }
    const node = this.#world.nodes.find(({ agent }) => agent?.node.cluster?.views.view != null);
    if (node !== undefined) for (const command of commands) this.#askFor(node, command);
    return commands.length > 0;
  }

  #askFor(node: SimNode, command: Command): void {
    this.#ask(node, command).then((committed) => {
      if (!committed || command.type !== 'resource-set' || command.changes.requested !== 'disabled') return;
      this.#chances.set(command.sid, (this.#chances.get(command.sid) ?? 0) + 1);
    });
  }
}

function isFaulty(sid: string): boolean {
  return sid.startsWith('fa:');
}
