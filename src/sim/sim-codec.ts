import { isDeepStrictEqual } from 'node:util';
import { type Decoded, Decoder, encode, type MessageCodec, type MessageDecoder } from '../agent/wire.js';
import type { Message } from '../core/messages.js';

/** A message handed over as it is, in the guise of bytes. */
class Carried extends Uint8Array {
  readonly message: Message;

  constructor(message: Message) {
    super(0);
    this.message = message;
  }
}

export interface SimCodecOptions {
  /** Every so manieth message goes through the real bytes; 1: all do. */
  readonly wireEvery: number;
  /** Freeze what is handed over, so that whoever changes it fails. */
  readonly freeze: boolean;
  /** Told when a message does not come out of the bytes as it went in. */
  readonly onDifference: (text: string) => void;
}

/**
 * Messages by reference, all receivers sharing one, since nobody may change what he is sent. A part of them, and all
 * with a snapshot, which receivers build on, go through the real bytes: each receiver gets a copy of its own.
 */
export class SimCodec implements MessageCodec {
  readonly #options: SimCodecOptions;
  #count = 0;

  constructor(options: SimCodecOptions) {
    this.#options = options;
  }

  encode(message: Message, number: number, maxPartBytes: number): readonly Uint8Array[] {
    const { wireEvery, freeze } = this.#options;
    const hasSnapshot = 'snapshot' in message && message.snapshot !== null;
    if (hasSnapshot || ++this.#count % wireEvery === 0) {
      const parts = encode(message, number, maxPartBytes);
      this.#check(message, parts);
      return parts;
    }
    return [new Carried(freeze ? deepFreeze(message) : message)];
  }

  newDecoder(): MessageDecoder {
    return new CarriedDecoder();
  }

  #check(message: Message, parts: readonly Uint8Array[]): void {
    const decoder = new Decoder();
    const decoded = parts.reduce<Decoded>((_, part) => decoder.decode('check', part), { type: 'incomplete' });
    if (decoded.type === 'message' && isDeepStrictEqual(decoded.message, message)) return;
    const what = decoded.type === 'refused' ? `is refused: ${decoded.detail}` : 'comes out of its bytes as another';
    this.#options.onDifference(`a message of type ${message.type} ${what}: ${JSON.stringify(message).slice(0, 600)}`);
  }
}

class CarriedDecoder implements MessageDecoder {
  readonly #decoder = new Decoder();

  decode(sender: string, data: Uint8Array): Decoded {
    if (data instanceof Carried) return { type: 'message', message: data.message };
    return this.#decoder.decode(sender, data);
  }

  forget(sender: string): void {
    this.#decoder.forget(sender);
  }
}

export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
