import type { DurableRecord } from '../core/log.js';

export type LoadResult =
  /** What was last saved. */
  | { readonly outcome: 'loaded'; readonly record: DurableRecord }
  /** Nothing was ever saved here. */
  | { readonly outcome: 'empty' }
  /** Something was, and it cannot be trusted; the sentence says what and where. */
  | { readonly outcome: 'damaged'; readonly detail: string };

export interface Store {
  load(): Promise<LoadResult>;
  /** Resolves when durable (fsync of file and directory). Calls do not overlap. Rejects with a HoldfastError. */
  save(record: DurableRecord): Promise<void>;
}
