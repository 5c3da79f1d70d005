import type { ApplyResult, ServiceRecord } from './cluster-state.js';
import type { ErrorCode } from './errors.js';
import type { DurableRecord } from './log.js';
import type { Operation } from './lrm.js';
import type { Entry, Message } from './messages.js';

/** What the core asks of the world. The agent carries these out in order. */
export type Effect =
  | { readonly type: 'send'; readonly message: Message }
  /** Make it durable, then answer with a `saved` event carrying the same record, or `save-failed`. */
  | { readonly type: 'save'; readonly record: DurableRecord }
  /** A command was committed and applied here. */
  | { readonly type: 'applied'; readonly entry: Entry; readonly result: ApplyResult }
  /** A client's request was not taken and never will be. */
  | { readonly type: 'refused'; readonly requestId: string; readonly code: ErrorCode; readonly message: string }
  | {
      readonly type: 'operate';
      readonly operationId: number;
      readonly operation: Operation;
      readonly service: ServiceRecord;
      /** How long it may take; null: as its agent says. */
      readonly timeoutMs: number | null;
      /** For `migrate`: where to; else null. */
      readonly targetId: number | null;
    }
  /** A shutdown of this node was prepared as far as it can be; `clean`: nothing runs here any more. */
  | { readonly type: 'prepared'; readonly clean: boolean }
  | { readonly type: 'watchdog-arm'; readonly leaseDeadlineMs: number }
  | { readonly type: 'watchdog-extend'; readonly leaseDeadlineMs: number }
  | { readonly type: 'watchdog-release' }
  | { readonly type: 'watchdog-reset'; readonly reason: string }
  /** Write down why this node may be reset soon, while there is time. */
  | { readonly type: 'last-words'; readonly reason: string }
  | { readonly type: 'notice'; readonly notice: Notice };

/** A decision or a fact for the log and for /v1/events; one sentence. */
export interface Notice {
  readonly kind: 'service' | 'node' | 'lease' | 'watchdog' | 'view' | 'cluster' | 'store';
  readonly level: 'info' | 'warn' | 'error';
  readonly text: string;
  readonly detail: Readonly<Record<string, string | number | boolean | null>>;
}

export function notice(
  effects: Effect[],
  kind: Notice['kind'],
  level: Notice['level'],
  text: string,
  detail: Notice['detail'] = {},
): void {
  effects.push({ type: 'notice', notice: { kind, level, text, detail } });
}
