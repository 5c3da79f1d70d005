import { type ServerResponse, STATUS_CODES } from 'node:http';
import { type ErrorCode, HoldfastError } from '../core/errors.js';

/** The body of every answer that is not a success. */
export interface ErrorBody {
  readonly error: { readonly code: ErrorCode; readonly message: string };
}

const httpStatusOf: Readonly<Record<ErrorCode, number>> = {
  HF_ARGUMENT: 400,
  HF_AGENT: 400,
  HF_FORBIDDEN: 403,
  HF_NOT_FOUND: 404,
  HF_EXISTS: 409,
  HF_CONFLICT: 409,
  HF_CONFIG: 500,
  HF_ADDON: 500,
  HF_WATCHDOG: 500,
  HF_STORE: 500,
  HF_TIMING: 500,
  HF_OUTPUT: 500,
  HF_INTERNAL: 500,
  HF_COROSYNC: 503,
  HF_NO_QUORUM: 503,
  HF_BUSY: 503,
  HF_UNREACHABLE: 503,
  HF_OUTCOME_UNKNOWN: 504,
};

/** A refusal that HTTP has a status of its own for. */
export class HttpRefusal extends HoldfastError {
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super('HF_ARGUMENT', message);
  }
}

function errorBody(code: ErrorCode, message: string): ErrorBody {
  return { error: { code, message } };
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent || response.destroyed) return;
  const text = Buffer.from(`${JSON.stringify(body)}\n`);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': text.length,
    'cache-control': 'no-store',
    ...headers,
  });
  response.end(text);
}

/** Answers with what `error` says; what is not a HoldfastError is a defect, and its text stays in the log. */
export function sendError(response: ServerResponse, error: unknown): void {
  if (error instanceof HttpRefusal) {
    sendJson(response, error.status, errorBody(error.code, error.message), error.headers);
  } else if (error instanceof HoldfastError) {
    sendJson(response, httpStatusOf[error.code], errorBody(error.code, error.message));
  } else {
    const message = 'holdfastd failed on this request, which is a defect; its log has the details';
    sendJson(response, 500, errorBody('HF_INTERNAL', message));
  }
}

/** A whole answer as bytes, for what never became a request. The connection ends with it. */
export function rawAnswer(status: number, code: ErrorCode, message: string): string {
  const body = `${JSON.stringify(errorBody(code, message))}\n`;
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    '',
    body,
  ].join('\r\n');
}
