import type { AgentEvent, StatusReport, TimingReport } from './status.js';

/** Options of a resource as users give them; absent: the default, or unchanged. */
export interface ResourceOptions {
  readonly agent?: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly state?: 'started' | 'stopped' | 'disabled';
  readonly comment?: string;
  readonly maxRestart?: number;
}

export type Mutation =
  | { readonly type: 'add'; readonly sid: string; readonly options: ResourceOptions }
  /** `unset` names parameters or options to put back to their defaults. */
  | { readonly type: 'set'; readonly sid: string; readonly options: ResourceOptions; readonly unset: readonly string[] }
  /** Stops it, then forgets it. */
  | { readonly type: 'remove'; readonly sid: string };

/** A resource as configured. */
export interface ResourceConfig {
  readonly sid: string;
  readonly agent: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly state: 'started' | 'stopped' | 'disabled';
  readonly comment: string;
  readonly maxRestart: number;
}

/** What the status socket asks of the agent. Rejections are HoldfastErrors. */
export interface AgentControl {
  status(): StatusReport;
  timing(): TimingReport;
  resources(): readonly ResourceConfig[];
  /** Resolves when committed; `HF_OUTCOME_UNKNOWN` when that cannot be told. */
  mutate(mutation: Mutation): Promise<{ readonly index: number }>;
  /** Called for each event until the returned function is called. Must not block. */
  subscribe(listener: (event: AgentEvent) => void): () => void;
}
