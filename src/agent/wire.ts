import { z } from 'zod';
import { limits } from '../core/cluster-state.js';
import { type ErrorCode, errorCodes } from '../core/errors.js';
import type { Message } from '../core/messages.js';
import {
  commandSchema,
  count,
  electorateSchema,
  entriesSchema,
  longText,
  shortText,
  sid,
  snapshotSchema,
} from './log-schema.js';

/**
 * Messages as bytes. What comes in is hostile until it has passed the schema: bounded, complete, nothing unknown.
 * A message larger than one multicast is split; the parts of one sender arrive in order, or not at all.
 */

const wireVersion = 2;
/** A snapshot of `limits.services` resources with moderate parameters stays below this. */
const maxMessageBytes = 64 * 1024 * 1024;
/** In multicasts of 64 KiB or more no message has more; without a limit, parts without content would pile up for ever. */
const maxParts = 1_024;
/** version, part index, part count, message number: four 32-bit numbers. */
const headerBytes = 16;

const lrmReport = z.strictObject({
  results: z
    .array(
      z.strictObject({
        sid,
        uid: count,
        outcome: z.enum(['running', 'stopped', 'error', 'ready', 'left']),
        detail: z.string().max(16_384),
      }),
    )
    .max(limits.services),
  strays: z.array(sid).max(limits.services),
  probedThrough: z.int(),
  canRun: z.boolean(),
  active: z.boolean(),
  mode: z.enum(['active', 'maintenance', 'shutdown', 'restart', 'disarm']),
  leaving: z.boolean(),
  empty: z.boolean(),
  released: z.boolean(),
  migratesLive: z.array(shortText).max(64),
  revision: count,
});

const amount = z.number().nonnegative();
const loadReport = z.strictObject({
  node: z.strictObject({ cpus: amount, memoryBytes: amount, usedCpus: amount, usedMemoryBytes: amount }),
  otherGuests: count,
  services: z
    .array(z.strictObject({ sid, maxCpus: amount, maxMemoryBytes: amount, cpus: amount, memoryBytes: amount }))
    .max(limits.services),
});

/** CPG_MEMBERS_MAX of corosync. */
const perNode = 128;

const ack = z.strictObject({ type: z.literal('ack'), epoch: count, index: count, valid: z.boolean() });

const message: z.ZodType<Message> = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('heartbeat'),
    incarnation: shortText,
    bootId: shortText,
    fenceBoundMs: count,
    protection: shortText,
    seq: count,
    epoch: count,
    promisedEpoch: count,
    commitIndex: count,
    storing: z.boolean(),
    electorate: shortText,
    configured: longText,
    stored: ack.nullable(),
    echoes: z.array(z.strictObject({ nodeId: count, incarnation: shortText, seq: count })).max(perNode),
    silences: z.array(z.strictObject({ nodeId: count, silenceMs: count })).max(perNode),
    lrm: lrmReport,
    load: loadReport.nullable(),
  }),
  z.strictObject({ type: z.literal('prepare'), epoch: count }),
  z.strictObject({
    type: z.literal('promise'),
    epoch: count,
    to: count,
    incarnation: shortText,
    granted: z.boolean(),
    storing: z.boolean(),
    promisedEpoch: count,
    viewEpoch: count,
    lastIndex: count,
    commitIndex: count,
    valid: z.boolean(),
    blank: z.boolean(),
    electorate: electorateSchema.nullable(),
    unbrokenEpoch: count,
  }),
  z.strictObject({ type: z.literal('fetch'), epoch: count, from: count, afterIndex: count }),
  z.strictObject({
    type: z.literal('log-part'),
    epoch: count,
    snapshot: snapshotSchema.nullable(),
    entries: entriesSchema,
    commitIndex: count,
  }),
  z.strictObject({
    type: z.literal('new-view'),
    epoch: count,
    members: z.array(z.strictObject({ nodeId: count, incarnation: shortText })).max(perNode),
    bootstrap: z.boolean(),
    snapshot: snapshotSchema.nullable(),
    afterIndex: count,
    entries: entriesSchema,
    commitIndex: count,
  }),
  z.strictObject({ type: z.literal('append'), epoch: count, entries: entriesSchema, commitIndex: count }),
  ack,
  z.strictObject({ type: z.literal('commit'), epoch: count, commitIndex: count }),
  z.strictObject({ type: z.literal('request'), requestId: shortText, command: commandSchema }),
  z.strictObject({
    type: z.literal('refusal'),
    to: count,
    requestId: shortText,
    code: z.enum(Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]]),
    message: longText,
  }),
]);

/** Messages to multicasts and back. */
export interface MessageCodec {
  /** The multicasts of at most `maxPartBytes` that a message becomes; `number` tells those of one sender apart. */
  encode(message: Message, number: number, maxPartBytes: number): readonly Uint8Array[];
  /** One per connection, so that nothing outlives a reconnect. */
  newDecoder(): MessageDecoder;
}

export interface MessageDecoder {
  decode(sender: string, data: Uint8Array): Decoded;
  /** The sender has left: what is incomplete of it never will be complete. */
  forget(sender: string): void;
}

/** Splits a message into multicasts of at most `maxPartBytes` each. `number` tells the messages of one sender apart. */
export function encode(value: Message, number: number, maxPartBytes: number): Uint8Array[] {
  const body = Buffer.from(JSON.stringify(value), 'utf8');
  const room = maxPartBytes - headerBytes;
  const parts = Math.max(1, Math.ceil(body.length / room));
  return Array.from({ length: parts }, (_, part) => {
    const header = Buffer.alloc(headerBytes);
    header.writeUInt32BE(wireVersion, 0);
    header.writeUInt32BE(part, 4);
    header.writeUInt32BE(parts, 8);
    header.writeUInt32BE(number >>> 0, 12);
    return Buffer.concat([header, body.subarray(part * room, (part + 1) * room)]);
  });
}

/** What one sender has sent of a message that is not complete. */
interface Partial {
  readonly number: number;
  readonly parts: number;
  readonly received: Buffer[];
  bytes: number;
}

export type Decoded =
  | { readonly type: 'message'; readonly message: Message }
  | { readonly type: 'incomplete' }
  /** Not to be understood; the sentence says why. */
  | { readonly type: 'refused'; readonly detail: string };

/** Puts parts together and checks what comes of them; one per connection, so nothing outlives a reconnect. */
export class Decoder implements MessageDecoder {
  readonly #partials = new Map<string, Partial>();

  decode(sender: string, data: Uint8Array): Decoded {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (bytes.length < headerBytes) return refused('shorter than its header');
    if (bytes.readUInt32BE(0) !== wireVersion) return refused(`of wire version ${bytes.readUInt32BE(0)}`);
    const [part, parts, number] = [bytes.readUInt32BE(4), bytes.readUInt32BE(8), bytes.readUInt32BE(12)];
    const body = bytes.subarray(headerBytes);
    if (parts === 1 && part === 0) return parse(body);
    return this.#add(sender, part, parts, number, body);
  }

  forget(sender: string): void {
    this.#partials.delete(sender);
  }

  #add(sender: string, part: number, parts: number, number: number, body: Buffer): Decoded {
    if (parts > maxParts) return refused(`in ${parts} parts; at most ${maxParts} are possible`);
    if (part === 0 && parts > 1) this.#partials.set(sender, { number, parts, received: [], bytes: 0 });
    const partial = this.#partials.get(sender);
    const expected = partial !== undefined && partial.number === number && partial.parts === parts;
    if (!expected || partial.received.length !== part) {
      this.#partials.delete(sender);
      return refused('a part without those before it');
    }
    partial.received.push(Buffer.from(body));
    partial.bytes += body.length;
    if (partial.bytes > maxMessageBytes) {
      this.#partials.delete(sender);
      return refused(`larger than ${maxMessageBytes} bytes`);
    }
    if (partial.received.length < parts) return { type: 'incomplete' };
    this.#partials.delete(sender);
    return parse(Buffer.concat(partial.received));
  }
}

/** What goes over the wire: bytes, checked when they come in. */
export const wireCodec: MessageCodec = { encode, newDecoder: () => new Decoder() };

function refused(detail: string): Decoded {
  return { type: 'refused', detail };
}

function parse(body: Buffer): Decoded {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return refused('not JSON');
  }
  const checked = message.safeParse(value);
  if (checked.success) return { type: 'message', message: checked.data };
  const issue = checked.error.issues[0];
  return refused(`malformed at ${issue?.path.join('.') || 'its top'}: ${issue?.message ?? 'unknown'}`);
}
