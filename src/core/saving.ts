import { type Effect, notice } from './effects.js';
import { type DurableRecord, isBlank, lastIndex } from './log.js';
import type { PromiseReply } from './messages.js';
import type { ViewContext, Views } from './views.js';

/** The durable record: nothing is promised or acknowledged before it is saved, nor while the store does not work. */

const saveRetryMs = 5_000;
/** A save that takes longer counts as failed until it comes back. */
const saveLimitMs = 5_000;

export function save(views: Views, effects: Effect[]): void {
  views.asked = views.log.record;
  effects.push({ type: 'save', record: views.asked });
}

/** A disk that hangs says nothing, and must be taken for one that fails. */
export function watchSaves(views: Views, nowMs: number, effects: Effect[]): void {
  if (!views.storing) return;
  const saving = effects.some((effect) => effect.type === 'save');
  if (views.unsavedSinceMs === 0 && saving) views.unsavedSinceMs = nowMs;
  if (views.unsavedSinceMs === 0 || nowMs - views.unsavedSinceMs <= saveLimitMs) return;
  views.storing = false;
  notice(
    effects,
    'store',
    'error',
    `the store has not answered for ${saveLimitMs} ms: nothing is promised or acknowledged until it does`,
  );
}

export function retrySave(views: Views, context: ViewContext, effects: Effect[]): void {
  if (views.retrySaveMs === 0 || context.nowMs < views.retrySaveMs) return;
  views.retrySaveMs = 0;
  save(views, effects);
}

/** A record has become durable: only now may be said what it holds. */
export function onSaved(views: Views, record: DurableRecord, nowMs: number, effects: Effect[]): void {
  if (!views.storing) notice(effects, 'store', 'info', 'the store works again');
  views.storing = true;
  views.unsavedSinceMs = record === views.asked ? 0 : nowMs;
  if (views.promising !== 0 && record.promisedEpoch === views.promising) {
    effects.push({ type: 'send', message: promiseReply(views, record.promisedEpoch, record.promisedTo, record, true) });
    views.promising = 0;
  }
  const { view } = views;
  if (view !== null && record.viewEpoch === view.epoch && record.promisedEpoch === view.epoch) {
    views.stored = { type: 'ack', epoch: view.epoch, index: lastIndex(record), valid: record.valid };
    effects.push({ type: 'send', message: views.stored });
  }
}

/** The store has failed: this node says so, and takes part without promising or acknowledging. */
export function onSaveFailed(views: Views, detail: string, nowMs: number, effects: Effect[]): void {
  if (views.storing) notice(effects, 'store', 'error', `nothing can be stored: ${detail}`);
  views.storing = false;
  views.unsavedSinceMs = 0;
  views.retrySaveMs = nowMs + saveRetryMs;
  if (views.promising !== 0) {
    const { record } = views.log;
    effects.push({ type: 'send', message: promiseReply(views, views.promising, record.promisedTo, record, false) });
    views.promising = 0;
  }
}

export function promiseReply(
  views: Views,
  epoch: number,
  to: number,
  record: DurableRecord,
  granted: boolean,
): PromiseReply {
  return {
    type: 'promise',
    epoch,
    to,
    incarnation: views.incarnation,
    granted,
    storing: views.storing,
    promisedEpoch: record.promisedEpoch,
    viewEpoch: record.viewEpoch,
    lastIndex: lastIndex(record),
    commitIndex: record.commitIndex,
    valid: record.valid,
    blank: isBlank(record),
    electorate: views.log.electorate,
    unbrokenEpoch: views.hold.unbrokenEpoch,
  };
}
