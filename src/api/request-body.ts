import type { IncomingMessage } from 'node:http';
import { HoldfastError } from '../core/errors.js';
import { HttpRefusal } from './answers.js';
import { parseStrictJson } from './strict-json.js';

/** Longest body of a change, in bytes: a rule over `limits.members` resources, with some room. */
export const maxBodyBytes = 131_072;

function tooLarge(limitBytes: number): HttpRefusal {
  // What is still on its way is not worth reading.
  return new HttpRefusal(413, `the request's body is longer than ${limitBytes} bytes`, { connection: 'close' });
}

async function readBytes(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) throw tooLarge(limitBytes);
  const chunks: Buffer[] = [];
  let length = 0;
  // Not for await: leaving such a loop destroys the socket before the refusal is sent.
  await new Promise<void>((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > limitBytes) reject(tooLarge(limitBytes));
      else chunks.push(chunk);
    });
    request.once('end', resolve);
    request.once('close', () => reject(new HoldfastError('HF_ARGUMENT', "the request's body ended early")));
  });
  return Buffer.concat(chunks);
}

/**
 * The body as JSON; an empty one is an empty object.
 * @throws HF_ARGUMENT with status 413 (longer than that), 415 (not declared as JSON) or 400 (not JSON)
 */
export async function readJson(request: IncomingMessage, limitBytes: number = maxBodyBytes): Promise<unknown> {
  const bytes = await readBytes(request, limitBytes);
  if (bytes.length === 0) return {};
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') {
    throw new HttpRefusal(415, 'the body must be JSON; send it with the header content-type: application/json');
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return parseStrictJson(text);
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    const cause = error instanceof Error ? error.message : String(error);
    throw new HoldfastError('HF_ARGUMENT', `the request's body is not JSON: ${cause}`);
  }
}
