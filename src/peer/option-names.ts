import type { ClusterOptions } from '../core/cluster-options.js';
import { quoted } from './notes.js';
import { parseBoolean } from './section-reader.js';

/** The options of the whole cluster under the names that the peer's datacenter.cfg gives them, and one that it lacks. */

/** The peer's manager decides in rounds. */
const roundS = 10;

interface Value {
  readonly changes: Partial<ClusterOptions>;
  /** How it was read, if that is not plain; a sentence or null. */
  readonly note: string | null;
}

export type ParsedOption = Value | { readonly problem: string };

interface Option {
  /** What may be given, to follow "must be". */
  readonly rule: string;
  /** Null: not allowed. */
  readonly parse: (text: string) => Value | null;
  readonly show: (options: ClusterOptions) => string;
}

export const peerOptions: Readonly<Record<string, Option>> = {
  ha: choice(['basic', 'static', 'dynamic'], 'scheduler'),
  'ha-rebalance-on-start': flag('rebalanceOnStart'),
  'ha-auto-rebalance': flag('autoRebalance'),
  'ha-auto-rebalance-threshold': part('autoRebalanceThreshold'),
  'ha-auto-rebalance-method': choice(['bruteforce', 'topsis'], 'autoRebalanceMethod'),
  'ha-auto-rebalance-hold-duration': {
    rule: `a number of rounds of ${roundS} s from 0 to 360`,
    parse: (text) => {
      const rounds = integerIn(text, 0, 360);
      return rounds === null ? null : plain({ autoRebalanceHoldS: rounds * roundS });
    },
    show: (options) => String(options.autoRebalanceHoldS / roundS),
  },
  'ha-auto-rebalance-margin': part('autoRebalanceMargin'),
  shutdown_policy: choice(['conditional', 'freeze', 'failover', 'migrate'], 'shutdownPolicy'),
  'freeze-limit': {
    rule: 'a number of seconds from 0 (for ever) to 86400',
    parse: (text) => {
      const seconds = integerIn(text, 0, 86_400);
      return seconds === null ? null : plain({ freezeLimitS: seconds });
    },
    show: (options) => String(options.freezeLimitS),
  },
};

/** Null: there is no option of that name. */
export function parsePeerOption(name: string, text: string): ParsedOption | null {
  const option = Object.hasOwn(peerOptions, name) ? peerOptions[name] : undefined;
  if (option === undefined) return null;
  return option.parse(text) ?? { problem: `${name} must be ${option.rule}, not ${quoted(text)}` };
}

function plain(changes: Partial<ClusterOptions>): Value {
  return { changes, note: null };
}

function choice<Key extends keyof ClusterOptions>(words: readonly (ClusterOptions[Key] & string)[], key: Key): Option {
  return {
    rule: `one of ${words.join(', ')}`,
    parse: (text) => {
      const word = words.find((each) => each === text);
      return word === undefined ? null : plain({ [key]: word });
    },
    show: (options) => String(options[key]),
  };
}

function flag(key: 'rebalanceOnStart' | 'autoRebalance'): Option {
  return {
    rule: '0 or 1',
    parse: (text) => {
      const value = parseBoolean(text);
      return value === null ? null : plain({ [key]: value });
    },
    show: (options) => (options[key] ? '1' : '0'),
  };
}

/** A fraction, as the peer had it first, or percent, as it has it since May 2026: whatever is more than 1 is percent. */
function part(key: 'autoRebalanceThreshold' | 'autoRebalanceMargin'): Option {
  return {
    rule: 'a fraction from 0 to 1, or percent up to 100',
    parse: (text) => {
      const value = /^\d{1,3}(\.\d{1,6})?$|^\.\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
      if (!(value >= 0 && value <= 100)) return null;
      if (value <= 1) return plain({ [key]: value });
      return {
        changes: { [key]: value / 100 },
        note: `${text} is more than 1, so it is taken as percent: ${value / 100}`,
      };
    },
    show: (options) => String(options[key]),
  };
}

function integerIn(text: string, lowest: number, highest: number): number | null {
  const value = Number(text);
  return /^\d{1,6}$/.test(text) && value >= lowest && value <= highest ? value : null;
}
