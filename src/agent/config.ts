import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import { HoldfastError } from '../core/errors.js';
import { nearestName } from '../core/nearest-name.js';

/** What the agent is told by its configuration file; every key has a default. Frozen. */
export interface Config {
  /** A node without quorum is reset within this, milliseconds; 10 000 to 600 000. All other times derive from it. */
  readonly fenceBoundMs: number;
  readonly stateDir: string;
  /** Unix socket on which status is served. */
  readonly socket: string;
  /** Members may change things, not only root; null: root only. */
  readonly adminGroup: string | null;
  readonly logLevel: LogLevel;
  /** Directory that holds `resource.d/<provider>/<agent>`. */
  readonly ocfRoot: string;
  readonly watchdog: WatchdogConfig;
}

export type LogLevel = (typeof logLevels)[number];

export type WatchdogConfig = {
  /** The device's real reset time over the timeout asked for; null: not told, take what was measured. */
  readonly kappa: 1 | 2 | null;
  /** Run resources though the device was never seen to reset this machine. */
  readonly allowUnvalidated: boolean;
} & (
  | {
      readonly kind: 'kernel';
      /** `auto`: the best that there is, by src/host/watchdog-choice.ts. */
      readonly device: string;
    }
  | {
      readonly kind: 'emulated';
      /** The emulator's Unix socket. */
      readonly emulator: string;
    }
);

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

/** sun_path holds 108 bytes, the terminating zero among them (unix(7)). */
const maxSocketPathBytes = 107;
/** PATH_MAX less its terminating zero (limits.h). */
const maxPathBytes = 4095;
const maxTableDepth = 16;

function absolutePath(maxBytes: number) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  return z.string().refine((path) => /^\/[^\0-\x1f\x7f]*$/.test(path) && Buffer.byteLength(path) <= maxBytes);
}

const filePath = absolutePath(maxPathBytes);
const filePathRule = `an absolute path of at most ${maxPathBytes} bytes`;
const socketPath = absolutePath(maxSocketPathBytes);
const socketPathRule = `an absolute path of at most ${maxSocketPathBytes} bytes (the kernel's limit for a socket)`;

/** The descriptions complete the sentence "KEY must be ...". */
const watchdogTable = z
  .strictObject({
    device: z
      .union([z.literal('auto'), filePath])
      .optional()
      .describe(`"auto" or ${filePathRule}`),
    emulator: socketPath.optional().describe(socketPathRule),
    kappa: z
      .union([z.literal(1), z.literal(2)])
      .optional()
      .describe('1 or 2'),
    allowUnvalidated: z.boolean().default(false).describe('true or false'),
  })
  .describe('a table: [watchdog]');

const configTable = z.strictObject({
  fenceBoundMs: z
    .int()
    .min(10_000)
    .max(600_000)
    .default(60_000)
    .describe('an integer from 10000 to 600000 (milliseconds)'),
  stateDir: filePath.default('/var/lib/holdfast').describe(filePathRule),
  socket: socketPath.default('/run/holdfast/holdfast.sock').describe(socketPathRule),
  adminGroup: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_.@\\ -]{0,63}$/)
    .optional()
    .describe('the name of a group, at most 64 characters'),
  logLevel: z
    .enum(logLevels)
    .default('info')
    .describe(`one of ${logLevels.map((level) => `"${level}"`).join(', ')}`),
  ocfRoot: filePath.default('/usr/lib/ocf').describe(filePathRule),
  watchdog: watchdogTable.optional().describe('a table: [watchdog]'),
});

const tables: Readonly<Record<string, Readonly<Record<string, z.ZodType>>>> = {
  '': configTable.shape,
  watchdog: watchdogTable.shape,
};

/**
 * Reads the text of a configuration file; `file` is only named in errors. Throws nothing but
 * HoldfastErrors (HF_CONFIG): one sentence with the key, what was given and what is allowed.
 */
export function parseConfig(text: string, file: string): Config {
  const raw = parseToml(text, file);
  const parsed = configTable.safeParse(raw);
  if (!parsed.success) throw new HoldfastError('HF_CONFIG', describeIssue(parsed.error.issues, raw, file));
  const { adminGroup, watchdog, ...plain } = parsed.data;
  return Object.freeze({
    ...plain,
    adminGroup: adminGroup ?? null,
    watchdog: Object.freeze(watchdogConfig(watchdog ?? watchdogTable.parse({}), file)),
  });
}

function watchdogConfig(table: z.infer<typeof watchdogTable>, file: string): WatchdogConfig {
  const common = { kappa: table.kappa ?? null, allowUnvalidated: table.allowUnvalidated };
  if (table.emulator === undefined) return { kind: 'kernel', device: table.device ?? 'auto', ...common };
  if (table.device !== undefined) {
    throw new HoldfastError(
      'HF_CONFIG',
      `${file}: watchdog.device and watchdog.emulator are both given; a node has one watchdog, so remove one of them`,
    );
  }
  return { kind: 'emulated', emulator: table.emulator, ...common };
}

function parseToml(text: string, file: string): Readonly<Record<string, unknown>> {
  try {
    return parse(text, { maxDepth: maxTableDepth });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [what = ''] = error.message.replace(/^Invalid TOML document: /, '').split('\n');
    throw new HoldfastError('HF_CONFIG', `${file}:${error.line}:${error.column}: not valid TOML: ${printable(what)}`);
  }
}

/** One sentence on the first thing that is wrong; unknown keys first, since they often explain the rest. */
function describeIssue(issues: readonly z.core.$ZodIssue[], raw: unknown, file: string): string {
  for (const issue of issues) {
    const [key] = issue.code === 'unrecognized_keys' ? issue.keys : [];
    if (key !== undefined) return describeUnknownKey(issue.path.join('.'), key, file);
  }
  const path = (issues[0]?.path ?? []).map(String).slice(0, 2);
  const key = path.join('.');
  const value = path.reduce<unknown>((table, name) => (table as Record<string, unknown>)[name], raw);
  const rule = tables[path.slice(0, -1).join('.')]?.[path.at(-1) ?? '']?.description ?? 'something else';
  const hint = key.endsWith('Ms') ? unitHint(key, value) : '';
  return `${file}: ${key} is ${show(value)}, but must be ${rule}${hint}`;
}

function describeUnknownKey(table: string, key: string, file: string): string {
  const full = table === '' ? key : `${table}.${key}`;
  const sentence = `unknown key '${printable(full)}' in ${file}`;
  const known = Object.keys(tables[table] ?? {});
  const near = nearestName(key, known);
  if (near !== undefined) return `${sentence}: did you mean '${table === '' ? near : `${table}.${near}`}'?`;
  for (const [other, keys] of Object.entries(tables)) {
    if (!Object.hasOwn(keys, key)) continue;
    if (other === '') return `${sentence}: did you mean '${key}', which belongs above the first [table]?`;
    return `${sentence}: did you mean '${other}.${key}', which belongs below [${other}]?`;
  }
  return `${sentence}: the keys there are ${known.join(', ')}`;
}

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, sec: 1000, m: 60_000, min: 60_000, h: 3_600_000 };

/** For `"60s"`: what to write instead. */
function unitHint(key: string, value: unknown): string {
  const [, digits = '', unit = ''] = (typeof value === 'string' && /^(\d{1,9})\s*([a-z]*)$/.exec(value.trim())) || [];
  const unitMs = unit === '' ? 1 : unitsMs[unit];
  if (digits === '' || unitMs === undefined) return '';
  return `: write ${key} = ${Number(digits) * unitMs}, without quotes or a unit`;
}

function show(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (value instanceof Date) return 'a date';
  if (typeof value === 'object' && value !== null) return 'a table';
  return printable(typeof value === 'string' ? JSON.stringify(value) : String(value));
}

/** What came from the file goes into a one-line sentence on a terminal: bounded, and nothing that could steer it. */
function printable(text: string): string {
  const clean = text.replace(/\p{C}/gu, '?');
  return clean.length <= 80 ? clean : `${clean.slice(0, 77)}...`;
}
