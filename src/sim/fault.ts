import type { Command } from '../core/cluster-state.js';
import type { WatchdogTrouble } from './sim-watchdog.js';
import type { NetworkOptions } from './world-options.js';

/** One thing that befalls a cluster, or that its operator does; plain data, so that a schedule can be printed and shortened. */
export type Fault =
  | { readonly kind: 'partition'; readonly groups: readonly (readonly number[])[] }
  | { readonly kind: 'cut'; readonly from: number; readonly to: number; readonly oneWay: boolean }
  | { readonly kind: 'heal' }
  | { readonly kind: 'network'; readonly options: Partial<NetworkOptions> }
  | { readonly kind: 'power-off'; readonly nodes: readonly number[] }
  | { readonly kind: 'power-on'; readonly nodes: readonly number[] }
  | { readonly kind: 'reset-broken'; readonly node: number; readonly broken: boolean }
  | { readonly kind: 'wall-clock'; readonly node: number; readonly byMs: number }
  /** SIGKILL; null: nobody starts it again. */
  | { readonly kind: 'kill-agent'; readonly node: number; readonly restartMs: number | null }
  /** SIGTERM. */
  | { readonly kind: 'end-agent'; readonly node: number; readonly restartMs: number }
  | { readonly kind: 'start-agent'; readonly node: number }
  /** SIGSTOP, which stops the keeper too. */
  | { readonly kind: 'stop-agent'; readonly node: number }
  | { readonly kind: 'continue-agent'; readonly node: number }
  /** JavaScript stands still; the keeper goes on. */
  | { readonly kind: 'stall-agent'; readonly node: number; readonly whileMs: number }
  /** Between check and pet. */
  | { readonly kind: 'stall-keeper'; readonly node: number; readonly whileMs: number }
  /** Null: it works again. */
  | { readonly kind: 'watchdog-fails'; readonly node: number; readonly how: WatchdogTrouble | null }
  /** Its next agent has another bound. */
  | { readonly kind: 'bound'; readonly node: number; readonly fenceBoundMs: number; readonly restartMs: number }
  | { readonly kind: 'stop-corosync'; readonly node: number }
  | { readonly kind: 'continue-corosync'; readonly node: number }
  | { readonly kind: 'restart-corosync'; readonly node: number; readonly downMs: number }
  | { readonly kind: 'quorum-options'; readonly node: number; readonly options: readonly string[] }
  /** Its corosync.conf stays as it is while those of the others change; false: it has the newest again. */
  | { readonly kind: 'old-configuration'; readonly node: number; readonly kept: boolean }
  | { readonly kind: 'disk-hangs'; readonly node: number; readonly whileMs: number }
  | { readonly kind: 'disk-slow'; readonly node: number; readonly delayMs: number }
  | { readonly kind: 'disk-full'; readonly node: number; readonly full: boolean }
  /** Writes that a power loss cuts short damage the store, so often. */
  | { readonly kind: 'disk-torn'; readonly node: number; readonly rate: number }
  /** The store cannot be read any more; its agent is killed. */
  | { readonly kind: 'disk-lost'; readonly node: number; readonly restartMs: number }
  | { readonly kind: 'resource-dies'; readonly sid: string }
  /** Started there by hand, or moved there; done only while nobody looks after it. */
  | { readonly kind: 'by-hand'; readonly node: number; readonly sid: string }
  | {
      readonly kind: 'resource-behaves';
      readonly sid: string;
      readonly how: ResourceTrouble;
      /** Of the calls that it befalls, by a chance of its own. */
      readonly rate: number;
      readonly seed: number;
    }
  | { readonly kind: 'device'; readonly up: boolean }
  | { readonly kind: 'device-reach'; readonly node: number; readonly works: boolean }
  /** In everybody's corosync.conf from now on; those that are not there yet are left out. */
  | { readonly kind: 'node-list'; readonly nodes: readonly number[] }
  /** A machine more, in everybody's corosync.conf. */
  | { readonly kind: 'add-node'; readonly node: number }
  | { readonly kind: 'votes'; readonly node: number; readonly votes: number }
  /** What the operator asks the agent of a node for. */
  | { readonly kind: 'ask'; readonly node: number; readonly command: Command }
  /** Says that a node is off; done only if it truly is. */
  | { readonly kind: 'confirm-off'; readonly node: number; readonly by: number }
  /**
   * Machines go down by the shutdown policy, all at once, and come back after so long; null: they stay, and only their
   * agents start anew.
   */
  | {
      readonly kind: 'shutdown';
      readonly nodes: readonly number[];
      readonly how: 'reboot' | 'poweroff';
      readonly offMs: number | null;
    };

/**
 * `fails`, `half`: it does not work, or has worked all the same; `slow`; `hangs`: never answers until its machine is
 * reset; `lies`: says what is not so.
 */
export type ResourceTrouble = 'well' | 'fails' | 'half' | 'slow' | 'hangs' | 'lies';

export interface TimedFault {
  readonly atMs: number;
  readonly fault: Fault;
}

/** One line for people: `   12.345 s  power off node1 node2`. */
export function scheduleLine({ atMs, fault }: TimedFault): string {
  return `${(atMs / 1_000).toFixed(3).padStart(9)} s  ${describeFault(fault)}`;
}

export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case 'partition':
      return `partition ${fault.groups.map((group) => names(group) || 'nobody').join(' | ')}`;
    case 'cut':
      return `cut node${fault.from} ${fault.oneWay ? '->' : '<->'} node${fault.to}`;
    case 'heal':
      return 'heal all links';
    case 'network':
      return `network ${JSON.stringify(fault.options)}`;
    case 'power-off':
      return `power off ${names(fault.nodes)}`;
    case 'power-on':
      return `power on ${names(fault.nodes)}`;
    case 'node-list':
      return `corosync.conf lists ${names(fault.nodes)}`;
    case 'resource-dies':
      return `${fault.sid} dies`;
    case 'by-hand':
      return `${fault.sid} is put on node${fault.node} by hand`;
    case 'resource-behaves':
      return `${fault.sid} ${fault.how}, ${Math.round(fault.rate * 100)} % of its calls (seed ${fault.seed})`;
    case 'device':
      return `quorum device ${fault.up ? 'up' : 'down'}`;
    case 'device-reach':
      return `node${fault.node} ${fault.works ? 'reaches' : 'does not reach'} the quorum device`;
    case 'ask':
      return `ask node${fault.node}: ${JSON.stringify(fault.command)}`;
    case 'confirm-off':
      return `node${fault.by} is told that node${fault.node} is off, if it is`;
    case 'shutdown':
      return `${fault.how} of ${names(fault.nodes)} by policy, ${fault.offMs === null ? 'called off' : `off for ${fault.offMs} ms`}`;
    default:
      return describeOfNode(fault);
  }
}

/** `stall-agent` of node 2 for 300 ms reads `stall-agent node2 whileMs 300`. */
function describeOfNode({ kind, node, ...rest }: Extract<Fault, { node: number }>): string {
  const details = Object.entries(rest).map(([name, value]) => ` ${name} ${JSON.stringify(value)}`);
  return `${kind} node${node}${details.join('')}`;
}

function names(nodes: readonly number[]): string {
  return nodes.map((node) => `node${node}`).join(' ');
}
