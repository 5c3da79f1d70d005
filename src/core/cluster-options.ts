/** Options of the whole cluster; what the peer keeps in datacenter.cfg. */

export type Scheduler = 'basic' | 'static' | 'dynamic';
export type BalanceMethod = 'bruteforce' | 'topsis';
export type ShutdownPolicy = 'conditional' | 'freeze' | 'failover' | 'migrate';

export interface ClusterOptions {
  readonly scheduler: Scheduler;
  /** A service that is started may be placed anew instead of where it was. */
  readonly rebalanceOnStart: boolean;
  readonly autoRebalance: boolean;
  readonly autoRebalanceMethod: BalanceMethod;
  /** Imbalance (coefficient of variation of the nodes' load) above which balancing begins; 0 to 10. */
  readonly autoRebalanceThreshold: number;
  /** For how long the imbalance must last, seconds. */
  readonly autoRebalanceHoldS: number;
  /** A move must lessen the imbalance by this part of it; 0 to 1. */
  readonly autoRebalanceMargin: number;
  readonly shutdownPolicy: ShutdownPolicy;
  /** How long a frozen service waits for its node before it is started elsewhere, seconds; 0: for ever. */
  readonly freezeLimitS: number;
}

/** As the peer's, except the limit, which it has not. */
export const defaultOptions: ClusterOptions = {
  scheduler: 'basic',
  rebalanceOnStart: false,
  autoRebalance: false,
  autoRebalanceMethod: 'bruteforce',
  autoRebalanceThreshold: 0.3,
  autoRebalanceHoldS: 30,
  autoRebalanceMargin: 0.1,
  shutdownPolicy: 'conditional',
  freezeLimitS: 600,
};
