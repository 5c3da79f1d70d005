import { createConnection } from 'node:net';

/** What came of it. `violations` are sentences; there are none when the server behaves. */
export interface HostileOutcome {
  readonly sent: number;
  /** Answers by their HTTP status. */
  readonly answers: Readonly<Record<number, number>>;
  /** Malformed requests whose connection was ended without an answer. */
  readonly unanswered: number;
  readonly violations: readonly string[];
}

interface HostileRequest {
  readonly bytes: Buffer;
  /** Whether it is HTTP as it should be, so that it must be answered. */
  readonly wellFormed: boolean;
  readonly head: boolean;
}

/** mulberry32: a generator of 32 bits that is the same everywhere. */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new Error('nothing to pick from');
    return value;
  }
}

const methods = [
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'HEAD',
  'PATCH',
  'OPTIONS',
  'CONNECT',
  'TRACE',
  'PROPFIND',
  'NONSENSE',
];
const strangeTexts = [
  '',
  '\0',
  '../../etc/passwd',
  '$(reboot)',
  '\u001b[2J',
  '\ud800',
  '__proto__',
  'constructor',
  'é🦀',
];
const numbers = [0, -1, 1.5, 100, 101, 1e308, -0, 2 ** 53];

function someSid(dice: Dice): string {
  if (dice.chance(70)) return `ocf:hostile-${dice.below(8)}`;
  return dice.pick(['', ':', 'ocf:', `ocf:${'h'.repeat(65)}`, 'OCF:hostile', 'ocf:hostile/..', '%', ...strangeTexts]);
}

function someText(dice: Dice): string {
  if (dice.chance(30)) return dice.pick(strangeTexts);
  if (dice.chance(5)) return 'x'.repeat(dice.below(70_000));
  return Array.from({ length: dice.below(20) }, () =>
    String.fromCharCode(dice.below(dice.chance(90) ? 128 : 65_536)),
  ).join('');
}

function someValue(dice: Dice, depth = 0): unknown {
  switch (dice.below(depth > 4 ? 4 : 7)) {
    case 0:
      return someText(dice);
    case 1:
      return dice.pick(numbers);
    case 2:
      return dice.pick([true, false, null]);
    case 3:
      return dice.pick(['started', 'stopped', 'disabled', 'ocf:hostile:none', 'ocf:..:..']);
    case 4:
      return Array.from({ length: dice.below(5) }, () => someValue(dice, depth + 1));
    default:
      return someObject(dice, depth + 1);
  }
}

function someObject(dice: Dice, depth: number): Record<string, unknown> {
  const entries = Array.from({ length: dice.below(6) }, () => [someText(dice), someValue(dice, depth)]);
  return Object.fromEntries(entries);
}

/** What the routes know, and what they nearly know. */
const optionNames = [
  ...['parameters', 'state', 'comment', 'maxRestart', 'unset', 'agent', 'sid', 'max_restart', 'node', 'group'],
  ...['requires', 'after', 'priority', 'cpus', 'memoryMiB', 'failback', 'purge', 'timeoutS', 'name', 'nodes', 'id'],
  ...['type', 'resources', 'strict', 'affinity', 'force', 'scheduler', 'freezeLimitS', 'enabled', 'confirmed', 'mode'],
];

/** What a path wants to hear; the first that fits. */
const fittingBodies: readonly (readonly [RegExp, object])[] = [
  [/resources$/, { sid: 'ocf:hostile-1', state: 'disabled', agent: 'ocf:hostile:none', requires: ['vm:1'], cpus: 0.5 }],
  [/stop$/, { timeoutS: 3 }],
  [/(migrate|relocate)$/, { node: 'hostile-node' }],
  [/resources\/[^/]*$/, { comment: 'hostile', unset: ['ip'], parameters: { a: 'b' } }],
  [/resources.*remove$/, { purge: true }],
  [/groups$/, { name: 'hostile-1', nodes: [{ name: 'hostile-node', priority: 1 }], restricted: true }],
  [/groups\/[^/]*$/, { comment: 'hostile', unset: ['restricted'] }],
  [/rules$/, { id: 'hostile-1', type: 'node-affinity', resources: ['vm:1'], nodes: [{ name: 'n1' }], force: false }],
  [/rules\/[^/]*$/, { affinity: 'negative', disabled: true }],
  [/options/, { scheduler: 'static', freezeLimitS: 5, autoRebalanceMargin: 0.5 }],
  [/maintenance$/, { enabled: true }],
  [/confirm-off$/, { confirmed: true }],
  [/disarm/, { mode: 'freeze' }],
  [/shutdown/, { kind: 'reboot' }],
  [/./, {}],
];

function someBody(dice: Dice, path: string): string {
  if (dice.chance(10)) return someText(dice);
  if (dice.chance(3)) return '['.repeat(dice.below(60_000));
  const [bare = ''] = path.split('?');
  const fitting = fittingBodies.find(([pattern]) => pattern.test(bare))?.[1];
  const body: Record<string, unknown> = dice.chance(80) ? { ...fitting } : { sid: someSid(dice), state: 'disabled' };
  for (let changes = dice.below(4); changes > 0; changes -= 1) {
    if (dice.chance(30)) delete body[dice.pick(optionNames)];
    else body[dice.chance(80) ? dice.pick(optionNames) : someText(dice)] = someValue(dice);
  }
  return JSON.stringify(body);
}

function somePath(dice: Dice): string {
  const sid = encodeURIComponent(Buffer.from(someSid(dice)).toString());
  const known = ['/v1', '/v1/status', '/v1/timing', '/v1/events', '/v1/resources', `/v1/resources/${sid}`];
  const actions = ['remove', 'enable', 'disable', 'stop', 'migrate', 'relocate', 'explanation', 'rename'].map(
    (each) => `/v1/resources/${sid}/${each}`,
  );
  const name = encodeURIComponent(
    Buffer.from(dice.chance(70) ? `hostile-${dice.below(4)}` : dice.pick(['', ...strangeTexts])).toString(),
  );
  const policies = ['groups', 'rules'].flatMap((each) => [
    `/v1/${each}`,
    `/v1/${each}/${name}`,
    `/v1/${each}/${name}/remove`,
  ]);
  const cluster = [
    ...[
      '/v1/options',
      '/v1/nodes',
      '/v1/disarm',
      '/v1/arm',
      '/v1/node/shutdown',
      '/v1/decisions',
      '/v1/resets',
      '/v1/resets/acknowledge',
    ],
    ...['/v1/decisions?limit=3', `/v1/nodes/${name}/maintenance`, `/v1/nodes/${name}/confirm-off`],
  ];
  const strange = [
    '/',
    '//',
    '*',
    '/v1/status?x=1',
    '/v1/%zz',
    '/v1/resources/%ff',
    `/${'a'.repeat(dice.below(9_000))}`,
  ];
  const path = dice.pick(dice.chance(85) ? [...known, ...actions, ...policies, ...cluster] : strange);
  return dice.chance(15)
    ? `${path}?${dice.pick(['dry-run=1', 'dry-run=', 'dry-run=1&dry-run=0', 'limit=9', '%zz', '?'])}`
    : path;
}

function someHeaders(dice: Dice): string[] {
  const headers = ['Host: holdfast', 'Connection: close'];
  if (dice.chance(90))
    headers.push(`Content-Type: ${dice.pick(['application/json', 'application/json; charset=utf-8', 'text/plain'])}`);
  if (dice.chance(5)) headers.push(`Expect: ${dice.pick(['100-continue', 'miracles'])}`);
  if (dice.chance(5)) headers.push(`X-Long: ${'y'.repeat(dice.below(12_000))}`);
  if (dice.chance(3)) headers.push(...Array.from({ length: dice.below(200) }, (_, at) => `X-${at}: z`));
  return headers;
}

function wellFormedRequest(dice: Dice): HostileRequest {
  const method = dice.chance(75) ? dice.pick(['GET', 'POST']) : dice.pick(methods);
  const path = method === 'CONNECT' ? 'holdfast:80' : somePath(dice);
  const headers = someHeaders(dice);
  let body = Buffer.alloc(0);
  if (method === 'POST' || dice.chance(10)) {
    body = Buffer.from(someBody(dice, path));
    if (dice.chance(85)) headers.push(`Content-Length: ${body.length}`);
    else {
      headers.push('Transfer-Encoding: chunked');
      const size = Buffer.from(`${body.length.toString(16)}\r\n`);
      body = Buffer.concat([...(body.length > 0 ? [size, body, Buffer.from('\r\n')] : []), Buffer.from('0\r\n\r\n')]);
    }
  }
  const start = Buffer.from(`${method} ${path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
  return { bytes: Buffer.concat([start, body]), wellFormed: true, head: method === 'HEAD' };
}

/** Bits flipped, cut off, repeated, or overwritten with what parsers stumble over. */
function mutated(dice: Dice, bytes: Buffer): Buffer {
  let result = Buffer.from(bytes);
  for (let changes = 1 + dice.below(4); changes > 0; changes -= 1) {
    const at = dice.below(result.length + 1);
    const insert = dice.pick([
      '\r',
      '\n',
      '\0',
      ' ',
      ':',
      '\r\n\r\n',
      'Content-Length: 5\r\n',
      'Transfer-Encoding: chunked\r\n',
    ]);
    switch (dice.below(4)) {
      case 0:
        if (at < result.length) result[at] = (result[at] ?? 0) ^ (1 << dice.below(8));
        break;
      case 1:
        result = result.subarray(0, at);
        break;
      case 2:
        result = Buffer.concat([result.subarray(0, at), Buffer.from(insert), result.subarray(at)]);
        break;
      default:
        result = Buffer.concat([result, result.subarray(at)]);
    }
  }
  return result;
}

function someRequest(dice: Dice): HostileRequest {
  if (dice.chance(60)) return wellFormedRequest(dice);
  if (dice.chance(85)) {
    const bytes = mutated(dice, wellFormedRequest(dice).bytes);
    return { bytes, wellFormed: false, head: bytes.subarray(0, 4).toString() === 'HEAD' };
  }
  const bytes = Buffer.from(Array.from({ length: dice.below(300) }, () => dice.below(256)));
  return { bytes, wellFormed: false, head: false };
}

interface Answer {
  readonly bytes: Buffer;
  readonly timedOut: boolean;
}

/** Longer than any time limit that the server has for a request that does not come to its end. */
const answerMs = 15_000;

/** Sends, says that no more will come, and reads until the end, or until a stream of events has begun. */
function exchange(socketPath: string, request: Buffer): Promise<Answer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = createConnection({ path: socketPath, allowHalfOpen: true });
    const finish = (timedOut: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ bytes: Buffer.concat(chunks), timedOut });
    };
    const timer = setTimeout(() => finish(true), answerMs);
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      if (chunk.includes('text/event-stream')) finish(false);
    });
    socket.once('end', () => finish(false));
    socket.once('error', () => finish(false));
    socket.once('close', () => finish(false));
    socket.end(request);
  });
}

const invitation = 'HTTP/1.1 100 Continue\r\n\r\n';

interface ParsedAnswer {
  readonly status: number;
  readonly header: string;
  readonly body: string;
}

function parseAnswer(bytes: Buffer): ParsedAnswer | null {
  const text = bytes.toString();
  const end = text.indexOf('\r\n\r\n');
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1];
  if (end < 0 || status === undefined) return null;
  return { status: Number(status), header: text.slice(0, end).toLowerCase(), body: text.slice(end + 4) };
}

/** Why the first answer on the connection is not as it must be: JSON; with an error inside from 400 on. */
function faultOf(answer: ParsedAnswer, request: HostileRequest): string | null {
  if (answer.header.includes('content-type: text/event-stream')) return null;
  if (!answer.header.includes('content-type: application/json')) return 'is not JSON by its type';
  const length = Number(/content-length: (\d+)/.exec(answer.header)?.[1] ?? '-1');
  if (request.head || (answer.body === '' && !request.wellFormed)) return null;
  try {
    const body: unknown = JSON.parse(Buffer.from(answer.body).subarray(0, length).toString());
    const valid = answer.status < 400 || /^{"error":{"code":"HF_[A-Z_]+","message":".+"}}$/.test(JSON.stringify(body));
    return valid ? null : 'is not an error as it should be';
  } catch {
    return 'is not JSON';
  }
}

function shown(bytes: Buffer): string {
  return JSON.stringify(bytes.subarray(0, 160).toString('latin1'));
}

/**
 * Sends `count` random and mutated requests, the same ones for the same seed, eight at a time. Not for a live cluster:
 * though they name only what is not there, they may disarm it or shut the node down.
 */
export async function sendHostileRequests(socketPath: string, count: number, seed: number): Promise<HostileOutcome> {
  const dice = new Dice(seed);
  const answers: Record<number, number> = {};
  const violations: string[] = [];
  let sent = 0;
  let unanswered = 0;

  function judge(request: HostileRequest, { bytes: received, timedOut }: Answer): void {
    // An invitation to send the body is no answer yet.
    const bytes = received.indexOf(invitation) === 0 ? received.subarray(invitation.length) : received;
    const answer = parseAnswer(bytes);
    if (timedOut) violations.push(`no end within ${answerMs} ms of ${shown(request.bytes)}`);
    else if (answer === null && (request.wellFormed || bytes.length > 0)) {
      violations.push(`no answer in HTTP but ${shown(bytes)} to ${shown(request.bytes)}`);
    } else if (answer === null) unanswered += 1;
    else {
      answers[answer.status] = (answers[answer.status] ?? 0) + 1;
      const fault = faultOf(answer, request);
      if (fault !== null) violations.push(`the answer ${shown(bytes)} to ${shown(request.bytes)} ${fault}`);
    }
  }

  async function work(): Promise<void> {
    while (sent < count) {
      sent += 1;
      const request = someRequest(dice);
      judge(request, await exchange(socketPath, request.bytes));
    }
  }

  await Promise.all(Array.from({ length: 8 }, work));
  return { sent, answers, unanswered, violations };
}
