import { statSync } from 'node:fs';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { type ErrorCode, errorCodes, HoldfastError } from '../core/errors.js';

/** How long an answer may take that asks nobody else, and the longest answer that is read. */
const readMs = 10_000;
const maxAnswerBytes = 67_108_864;
/** Events or keep-alives come every 15 s. */
const silenceMs = 40_000;
const maxFrameCharacters = 1_048_576;

/** The header in which the agent says that what it answers may have been overtaken. */
const staleHeader = 'holdfast-stale';

const stranger = 'what answers there is not holdfastd';

interface Call {
  readonly signal?: AbortSignal;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: unknown;
  readonly timeoutMs: number;
}

const causes: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket; is holdfastd running? Start it, or name its socket with --socket',
  EACCES: 'you may not open it; run this as root, or check the permissions of its directory',
  ECONNREFUSED: 'nobody listens there, so holdfastd has died; see its journal and start it again',
  ENOTSOCK: 'that is no socket; check --socket and HOLDFAST_SOCKET',
  ENOTDIR: 'a part of the path is not a directory; check --socket and HOLDFAST_SOCKET',
  EAGAIN: 'holdfastd does not take the connection; is it stopped, or flooded?',
};

function unreachable(socketPath: string, cause: string, error?: Error): HoldfastError {
  return new HoldfastError('HF_UNREACHABLE', `no answer from holdfastd on ${socketPath}: ${cause}`, { cause: error });
}

function systemCode(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}

/** Why there is no connection. Linux says ECONNREFUSED of what is no socket, too. */
function connectionCode(error: Error, socketPath: string): string {
  const code = systemCode(error);
  if (code !== 'ECONNREFUSED') return code;
  return statSync(socketPath, { throwIfNoEntry: false })?.isSocket() === false ? 'ENOTSOCK' : code;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** The error that a body carries, or null. */
function errorIn(body: unknown): HoldfastError | null {
  const error = isObject(body) ? body.error : undefined;
  if (!isObject(error) || typeof error.code !== 'string' || typeof error.message !== 'string') return null;
  const code = Object.hasOwn(errorCodes, error.code) ? (error.code as ErrorCode) : 'HF_INTERNAL';
  return new HoldfastError(code, error.message);
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > maxAnswerBytes) throw new Error(`its answer is longer than ${maxAnswerBytes} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString();
}

/** The answer's value. @throws the HoldfastError that it carries; SyntaxError when it is not JSON */
async function answerOf(response: IncomingMessage): Promise<unknown> {
  const value: unknown = JSON.parse(await textOf(response));
  const error = errorIn(value);
  if (error !== null) throw error;
  if (response.statusCode !== 200) throw new SyntaxError(`status ${response.statusCode}`);
  return value;
}

/** Speaks to the agent of this node. All rejections are HoldfastErrors; `cause` is why there was no connection. */
export class AgentClient {
  readonly #socketPath: string;
  readonly #remark: (text: string) => void;
  readonly #remarked = new Set<string>();

  /** @param remark called once with what the agent has to say of answers besides, such as that they may be stale */
  constructor(socketPath: string, remark: (text: string) => void = () => undefined) {
    // sun_path without its NUL (unix(7)); a longer one would be cut off silently.
    if (socketPath === '' || Buffer.byteLength(socketPath) > 107 || socketPath.includes('\0')) {
      const message = `the socket path "${socketPath}" cannot be used: give one of 1 to 107 bytes in --socket or HOLDFAST_SOCKET`;
      throw new HoldfastError('HF_ARGUMENT', message);
    }
    this.#socketPath = socketPath;
    this.#remark = remark;
  }

  get(path: string): Promise<unknown> {
    return this.#call({ method: 'GET', path, timeoutMs: readMs }, (cause) => this.#silent(cause));
  }

  /** Asks for what changes nothing, or what can be asked for again. */
  post(path: string, body: unknown, timeoutMs: number): Promise<unknown> {
    return this.#call({ method: 'POST', path, body, timeoutMs }, (cause) => this.#silent(cause));
  }

  /**
   * Asks for a change and waits for its commit. Once it may have been sent, whatever goes wrong leaves it open
   * whether it happens.
   */
  change(path: string, body: unknown, timeoutMs: number): Promise<unknown> {
    return this.#call({ method: 'POST', path, body, timeoutMs }, (cause) => {
      const message = `the change may or may not have happened, since ${cause}; look before trying again`;
      return new HoldfastError('HF_OUTCOME_UNKNOWN', message);
    });
  }

  /** Something listens there, but what was asked for did not come. */
  #silent(cause: string): HoldfastError {
    return unreachable(this.#socketPath, `${cause}; see its journal, and whether this is its socket`);
  }

  /** @param lost makes the error of what goes wrong after the connection stands */
  #call(call: Call, lost: (cause: string) => HoldfastError): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const request = this.#open(call, reject, lost);
      const timer = setTimeout(() => {
        reject(lost(`no answer came within ${call.timeoutMs / 1000} s`));
        request.destroy();
      }, call.timeoutMs);
      request.once('close', () => clearTimeout(timer));
      request.once('response', (response) => {
        const stale = response.headers[staleHeader];
        if (typeof stale === 'string') this.#remarkOnce(stale);
        answerOf(response).then(resolve, (error) => reject(this.#refusal(error, lost)));
      });
    });
  }

  #remarkOnce(text: string): void {
    if (!this.#remarked.has(text)) this.#remark(text);
    this.#remarked.add(text);
  }

  /** Sends the request; failures before there is a connection are told by their cause. */
  #open(
    { method, path, body, signal }: Omit<Call, 'timeoutMs'>,
    reject: (error: HoldfastError) => void,
    lost: (cause: string) => HoldfastError,
  ): ClientRequest {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      host: 'holdfast',
      connection: 'close',
      ...(payload === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
    };
    const abort = signal === undefined ? {} : { signal };
    const request = httpRequest({ socketPath: this.#socketPath, method, path, headers, agent: false, ...abort });
    let connected = false;
    request.once('socket', (socket) => {
      socket.once('connect', () => {
        connected = true;
      });
    });
    request.on('error', (error) => {
      if (connected) {
        reject(lost(`holdfastd ended the connection (${systemCode(error)})`));
        return;
      }
      const code = connectionCode(error, this.#socketPath);
      reject(unreachable(this.#socketPath, causes[code] ?? `it cannot be opened (${code})`, error));
    });
    request.end(payload);
    return request;
  }

  /**
   * The data of the events from now on, as JSON texts, until the caller leaves the loop or aborts.
   * @throws HF_UNREACHABLE when there is no such stream, the agent ends it, or falls silent
   */
  async *events(path: string, signal: AbortSignal): AsyncGenerator<string> {
    try {
      const response = await this.#stream(path, signal);
      response.socket.setTimeout(silenceMs, () => response.destroy(new Error(`silent for ${silenceMs / 1000} s`)));
      yield* dataOf(response);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof HoldfastError) throw error;
      const cause = error instanceof Error ? systemCode(error) : String(error);
      throw this.#silent(`the events broke off (${cause})`);
    }
    throw unreachable(this.#socketPath, 'it ended the stream of events; is it shutting down?');
  }

  #stream(path: string, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const lost = (cause: string) => this.#silent(cause);
      const request = this.#open({ method: 'GET', path, signal }, reject, lost);
      const timer = setTimeout(() => {
        reject(lost(`no answer came within ${readMs / 1000} s`));
        request.destroy();
      }, readMs);
      request.once('close', () => clearTimeout(timer));
      request.once('response', (response) => {
        clearTimeout(timer);
        if (response.headers['content-type'] === 'text/event-stream') resolve(response);
        else
          answerOf(response).then(
            () => reject(lost(stranger)),
            (error) => reject(this.#refusal(error, lost)),
          );
      });
    });
  }

  /** What a failure to read an answer tells the user. */
  #refusal(error: unknown, lost: (cause: string) => HoldfastError): HoldfastError {
    if (error instanceof HoldfastError) return error;
    if (error instanceof SyntaxError) return lost(stranger);
    return lost(`the answer broke off (${error instanceof Error ? systemCode(error) : String(error)})`);
  }
}

/** The data of server-sent events; comments and event names are left out. */
async function* dataOf(response: IncomingMessage): AsyncGenerator<string> {
  response.setEncoding('utf8');
  let rest = '';
  for await (const chunk of response) {
    const frames = `${rest}${chunk}`.split('\n\n');
    rest = frames.pop() ?? '';
    if (rest.length > maxFrameCharacters) throw new Error(`an event is longer than ${maxFrameCharacters} characters`);
    for (const frame of frames) {
      const data = frame.split('\n').find((line) => line.startsWith('data: '));
      if (data !== undefined) yield data.slice('data: '.length);
    }
  }
}
